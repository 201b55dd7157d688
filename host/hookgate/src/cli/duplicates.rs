//! `hookgate duplicates`

use anyhow::Result;
use clap::{Args, Subcommand};
use hookgate_gateway::admin::view::{
    AdmitOrder, AdmittedList, Duplicate, DuplicateContent, DuplicateList, DuplicateSummary, Time,
};
use hookgate_model::human::{bytes, printable};

use super::{
    Exit,
    events::{headers, payload},
    gateway::{GatewayArgs, Page, escaped},
    output::{self, Table, age, or_dash},
};

/// Look at duplicates that a running gateway dropped, and admit them after all
#[derive(Debug, Subcommand)]
pub enum Duplicates {
    List(List),
    Show(Show),
    Admit(Admit),
}

/// List dropped duplicates, newest first
///
/// A duplicate is kept as long as the key by which it was recognised. The first 16 duplicates of an event are listed;
/// further ones are only counted (`hookgate events show`).
///
/// Examples:
///   hookgate duplicates list
///   hookgate duplicates list --source github --since 2026-01-31T00:00:00Z --json
///   hookgate duplicates list --of 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    gateway: GatewayArgs,
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
    #[command(flatten)]
    page: Page,
}

/// Show a dropped duplicate and its content
///
/// Examples:
///   hookgate duplicates show 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate duplicates show 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f --payload --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Show {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The duplicate's own id, from the list
    id: String,
    /// Also print the payload
    #[arg(long)]
    payload: bool,
}

/// Admit dropped duplicates after all
///
/// Each becomes a new event with an id of its own, and goes where its source's events go. A duplicate that was admitted
/// before is not admitted again. If one of the ids is unknown the command fails and admits nothing.
///
/// Examples:
///   hookgate duplicates admit 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate duplicates admit 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f 01980e5c-3b1c-7d4e-8f5a-6b7c8d9e0f1a.1 --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Admit {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The duplicates' own ids, from the list; at most 100
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

impl Duplicates {
    pub async fn run(self) -> Result<Exit> {
        match self {
            Duplicates::List(List { gateway, source, of, since, until, page }) => {
                let filter = [
                    ("source", source),
                    ("of", of),
                    ("since", since.map(|time| time.to_string())),
                    ("until", until.map(|time| time.to_string())),
                ];
                gateway.show("/duplicates", &page.with(filter), table).await
            }
            Duplicates::Show(Show { gateway, id, payload }) => {
                let query = [("payload", Some(payload.to_string()))];
                gateway.show(&format!("/duplicates/{}", escaped(&id)), &query, story).await
            }
            Duplicates::Admit(Admit { gateway, ids }) => {
                gateway.order("/duplicates/admit", &AdmitOrder { ids }, admitted).await?;
                Ok(Exit::Ok)
            }
        }
    }
}

fn table(list: &DuplicateList) -> String {
    let mut table = Table::new(["ID", "AGE", "SOURCE", "KIND", "KNOWN BY", "DUPLICATE OF", "ADMITTED AS"]);
    for duplicate in &list.duplicates {
        table.row([
            duplicate.id.clone(),
            age(duplicate.dropped_at.0),
            duplicate.source.clone(),
            or_dash(duplicate.kind.as_ref()),
            output::word(duplicate.known_by),
            duplicate.duplicate_of.clone(),
            or_dash(duplicate.admitted_as.as_ref()),
        ]);
    }
    output::page(&table, list.next_page.as_ref())
}

fn story(duplicate: &Duplicate) -> String {
    let mut parts = vec![pairs(&duplicate.summary).to_string()];
    if let Some(request) = &duplicate.request {
        let (url, headers) = (printable(&request.url), headers(&request.headers));
        parts.push(format!("{} {url}\n\n{headers}", request.method));
    }
    parts.extend(duplicate.payload.as_ref().and_then(payload));
    parts.join("\n\n")
}

fn pairs(duplicate: &DuplicateSummary) -> Table {
    let known_by = output::word(duplicate.known_by);
    let replayed = if duplicate.replayed { " (under another id: a replay)" } else { "" };
    let content = match duplicate.content {
        DuplicateContent::Own => "kept with the duplicate",
        DuplicateContent::First => "the same as that of the first event",
        DuplicateContent::NotKept => "not kept: it was too large",
    };
    Table::pairs([
        ("duplicate", duplicate.id.clone()),
        ("duplicate of", duplicate.duplicate_of.clone()),
        ("source", duplicate.source.clone()),
        ("dropped", duplicate.dropped_at.to_string()),
        ("kept until", duplicate.kept_until.to_string()),
        ("known by", format!("{known_by}{replayed}")),
        ("provider's id", or_dash(duplicate.provider_id.as_ref())),
        ("kind", or_dash(duplicate.kind.as_ref())),
        ("trace", duplicate.trace.clone()),
        ("payload", format!("{}, SHA-256 {}", bytes(duplicate.payload_bytes), duplicate.payload_sha256)),
        ("content", content.to_owned()),
        ("admitted as", or_dash(duplicate.admitted_as.as_ref())),
    ])
}

fn admitted(list: &AdmittedList) -> String {
    let lines = list.admitted.iter().map(|one| {
        let how = if one.before { "was admitted before, as" } else { "is admitted as" };
        format!("{} {how} {}", one.duplicate, one.event)
    });
    lines.collect::<Vec<_>>().join("\n")
}
