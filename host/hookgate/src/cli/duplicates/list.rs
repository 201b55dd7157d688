//! `hookgate duplicates list`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{DuplicateList, Time};
use hookgate_model::{clock::now_ms, human::span};

use crate::cli::{
    Exit,
    gateway::GatewayAddress,
    output::{self, Table, or_dash},
};

/// List dropped duplicates, newest first
///
/// A duplicate is kept for as long as the key by which it was known lives. Of one event the first 16 are listed; further
/// ones are only counted (`hookgate events show`).
///
/// Examples:
///   hookgate duplicates list
///   hookgate duplicates list --source github --since 2026-01-31T00:00:00Z --json
///   hookgate duplicates list --of 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// Of this source only
    #[arg(long)]
    source: Option<String>,
    /// Of this event only
    #[arg(long, value_name = "EVENT")]
    of: Option<String>,
    /// Dropped at that time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// Dropped before that time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
    /// How many, at most 500
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u16,
    /// The page, as the one before it says
    #[arg(long, value_name = "TOKEN")]
    page: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub async fn run(self) -> Result<Exit> {
        let query = [
            ("source", self.source),
            ("of", self.of),
            ("since", self.since.map(|time| time.to_string())),
            ("until", self.until.map(|time| time.to_string())),
            ("limit", Some(self.limit.to_string())),
            ("page", self.page),
        ];
        let list: DuplicateList = self.gateway.gateway()?.get("/duplicates", &query).await?;
        if self.json {
            output::json(&list)?
        } else {
            print(&list)?
        }
        Ok(Exit::Ok)
    }
}

fn print(list: &DuplicateList) -> std::io::Result<()> {
    let now = now_ms();
    let mut table = Table::new(["ID", "AGE", "SOURCE", "KIND", "KNOWN BY", "DUPLICATE OF", "ADMITTED AS"]);
    for duplicate in &list.duplicates {
        table.row([
            duplicate.id.clone(),
            span(now.saturating_sub(duplicate.dropped_at.0)),
            duplicate.source.clone(),
            or_dash(duplicate.kind.as_ref()),
            output::word(duplicate.known_by),
            duplicate.duplicate_of.clone(),
            or_dash(duplicate.admitted_as.as_ref()),
        ]);
    }
    output::line(table)?;
    match &list.next_page {
        Some(token) => output::line(format_args!("\nmore with: --page {token}")),
        None => Ok(()),
    }
}
