//! `hookgate dead-letters list`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{Attempt, DeadLetterList};
use hookgate_model::{clock::now_ms, human::span};

use crate::cli::{
    Exit,
    gateway::GatewayAddress,
    output::{self, Table, or_dash},
};

/// List dead letters: by destination, oldest first
///
/// The destination `transform` stands for events that could not be transformed.
///
/// Examples:
///   hookgate dead-letters list
///   hookgate dead-letters list --destination orders --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// Of this destination only
    #[arg(long)]
    destination: Option<String>,
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
        let query = [("destination", self.destination), ("limit", Some(self.limit.to_string())), ("page", self.page)];
        let list: DeadLetterList = self.gateway.gateway()?.get("/dead-letters", &query).await?;
        match self.json {
            true => output::json(&list)?,
            false => print(&list)?,
        }
        Ok(Exit::Ok)
    }
}

fn print(list: &DeadLetterList) -> std::io::Result<()> {
    let now = now_ms();
    let mut table = Table::new(["ID", "DIED", "TRIES", "BLOCKS", "LAST ATTEMPT"]);
    for letter in &list.dead_letters {
        table.row([
            format!("{}/{}/{}", letter.destination, letter.event, letter.output),
            format!("{} ago", span(now.saturating_sub(letter.died_at.0))),
            letter.tries.to_string(),
            or_dash(letter.blocks),
            or_dash(letter.last_attempt.as_ref().map(reason)),
        ]);
    }
    output::line(table)?;
    match &list.next_page {
        Some(token) => output::line(format_args!("\nmore with: --page {token}")),
        None => Ok(()),
    }
}

fn reason(attempt: &Attempt) -> String {
    match (&attempt.error, attempt.status) {
        (Some(error), _) => error.clone(),
        (None, Some(status)) => status.to_string(),
        (None, None) => "-".to_owned(),
    }
}
