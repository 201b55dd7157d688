//! `hookgate events list`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{EventList, EventState, EventSummary, HandoffState, Time};
use hookgate_model::{clock::now_ms, human::span};

use crate::cli::{
    Exit,
    gateway::GatewayAddress,
    output::{self, Table, or_dash},
};

/// List events, newest first
///
/// States: held (until it is its turn), waiting (to be transformed), pending (being delivered), delivered, dead (given up
/// somewhere), unrouted, dropped (it came after its turn).
///
/// Examples:
///   hookgate events list
///   hookgate events list --source stripe --state dead --since 2026-01-31T00:00:00Z --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct List {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// Of this source only
    #[arg(long)]
    source: Option<String>,
    /// In this state only
    #[arg(long)]
    state: Option<EventState>,
    /// Admitted at that time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Time>,
    /// Admitted before that time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<Time>,
    /// Oldest first
    #[arg(long)]
    oldest_first: bool,
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
        let state = self.state.and_then(|state| serde_json::to_value(state).ok()?.as_str().map(str::to_owned));
        let query = [
            ("source", self.source),
            ("state", state),
            ("since", self.since.map(|time| time.to_string())),
            ("until", self.until.map(|time| time.to_string())),
            ("oldest_first", Some(self.oldest_first.to_string())),
            ("limit", Some(self.limit.to_string())),
            ("page", self.page),
        ];
        let list: EventList = self.gateway.gateway()?.get("/events", &query).await?;
        match self.json {
            true => output::json(&list)?,
            false => print(&list)?,
        }
        Ok(Exit::Ok)
    }
}

fn print(list: &EventList) -> std::io::Result<()> {
    let now = now_ms();
    let mut table = Table::new(["ID", "AGE", "SOURCE", "KIND", "STATE", "DESTINATIONS"]);
    for event in &list.events {
        table.row([
            event.id.clone(),
            span(now.saturating_sub(event.admitted_at.0)),
            event.source.clone(),
            or_dash(event.kind.as_ref()),
            output::word(event.state),
            destinations(event),
        ]);
    }
    output::line(table)?;
    match &list.next_page {
        Some(token) => output::line(format_args!("\nmore with: --page {token}")),
        None => Ok(()),
    }
}

/// `orders ok, audit dead`
fn destinations(event: &EventSummary) -> String {
    let state = |state| match state {
        HandoffState::Pending => "pending",
        HandoffState::Delivered => "ok",
        HandoffState::Dead => "dead",
        HandoffState::Discarded => "discarded",
        HandoffState::Waiting => "waiting",
    };
    let each = event.handoffs.iter().map(|handoff| format!("{} {}", handoff.destination, state(handoff.state)));
    or_dash(Some(each.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty()))
}
