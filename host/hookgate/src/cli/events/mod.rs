//! `hookgate events`

mod story;

use anyhow::Result;
use clap::{Args, Subcommand};
use hookgate_gateway::admin::view::{EventList, EventState, EventSummary, HandoffState, ReplayOrder, Replayed, Time};

pub use self::story::{headers, payload, story};
use super::{
    Exit,
    gateway::{GatewayArgs, Page, escaped},
    output::{self, Table, age, or_dash},
};

/// Look at what a running gateway has admitted, and deliver it again
#[derive(Debug, Subcommand)]
pub enum Events {
    List(List),
    Show(Show),
    Replay(Replay),
}

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
    gateway: GatewayArgs,
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
    #[command(flatten)]
    page: Page,
}

/// Show an event's whole story
///
/// Who sent it and when, what the plugin said of it and made of it, and every attempt at every destination.
///
/// Examples:
///   hookgate events show 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate events show 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f --payload --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Show {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The event's id, as in the reply's header hookgate-event
    id: String,
    /// Also print the payload
    #[arg(long)]
    payload: bool,
}

/// Deliver an event again
///
/// To the destinations that it went to before, or to those named with --to; or, with --transform, through the current
/// version of the plugin and the routes. Receivers see the same event id as before.
///
/// Examples:
///   hookgate events replay 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f
///   hookgate events replay 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f --to orders --to audit
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Replay {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The event's id
    id: String,
    /// A destination
    #[arg(long, value_name = "DESTINATION", conflicts_with = "transform")]
    to: Vec<String>,
    /// Have the plugin transform it again
    #[arg(long)]
    transform: bool,
}

impl Events {
    pub async fn run(self) -> Result<Exit> {
        match self {
            Events::List(list) => list.run().await,
            Events::Show(Show { gateway, id, payload }) => {
                let query = [("payload", Some(payload.to_string()))];
                gateway.show(&format!("/events/{}", escaped(&id)), &query, story).await
            }
            Events::Replay(Replay { gateway, id, to, transform }) => {
                let path = format!("/events/{}/replay", escaped(&id));
                gateway.order(&path, &ReplayOrder { destinations: to, transform }, replayed).await?;
                Ok(Exit::Ok)
            }
        }
    }
}

impl List {
    async fn run(self) -> Result<Exit> {
        let filter = [
            ("source", self.source),
            ("state", self.state.map(output::word)),
            ("since", self.since.map(|time| time.to_string())),
            ("until", self.until.map(|time| time.to_string())),
            ("oldest_first", Some(self.oldest_first.to_string())),
        ];
        self.gateway.show("/events", &self.page.with(filter), table).await
    }
}

fn table(list: &EventList) -> String {
    let mut table = Table::new(["ID", "AGE", "SOURCE", "KIND", "STATE", "DESTINATIONS"]);
    for event in &list.events {
        table.row([
            event.id.clone(),
            age(event.admitted_at.0),
            event.source.clone(),
            or_dash(event.kind.as_ref()),
            output::word(event.state),
            destinations(event),
        ]);
    }
    output::page(&table, list.next_page.as_ref())
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

fn replayed(replayed: &Replayed) -> String {
    if replayed.transform {
        format!("{} is transformed again", replayed.event)
    } else {
        format!("{} is on its way to {}", replayed.event, replayed.destinations.join(", "))
    }
}
