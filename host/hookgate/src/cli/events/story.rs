//! An event's story, as text.

use hookgate_gateway::admin::view::{
    AdmittedByHand, Attempt, Event, Handoff, HandoffState, HandoffSummary, Header, Held, Payload, Recurrences, Replays,
    Turn,
};
use hookgate_model::{
    handoff::FIRST_ATTEMPTS,
    human::{bytes, printable, span},
};

use crate::cli::output::{self, Table, or_dash};

/// An event, with every attempt at every destination.
pub fn story(event: &Event) -> String {
    let identity = &event.identity;
    let mut parts = vec![
        Table::pairs([
            ("event", event.id.clone()),
            ("state", state(event)),
            ("source", event.source.clone()),
            ("received", event.received_at.to_string()),
            ("trace", event.trace.clone()),
            ("plugin", format!("{} {}", event.plugin.name, event.plugin.hash)),
            ("provider's id", or_dash(identity.id.as_ref())),
            ("kind", or_dash(identity.kind.as_ref())),
            ("occurred", or_dash(identity.occurred_at)),
            ("ordering key", or_dash(identity.ordering_key.as_ref())),
            ("authenticated by", authenticated_by(event)),
            ("came again", or_dash(event.replays.map(replays))),
            ("dropped duplicates", or_dash(event.duplicates.as_ref().map(|again| recurrences(&event.id, again)))),
            ("admitted by hand", or_dash(event.admitted_by_hand.as_ref().map(by_hand))),
            ("request", format!("{} {}", event.request.method, event.request.url)),
            ("payload", bytes(event.payload.bytes)),
        ])
        .to_string(),
    ];
    if !event.request.headers.is_empty() {
        parts.push(headers(&event.request.headers).to_string());
    }
    if let Some(outputs) = event.outputs.as_ref().filter(|outputs| !outputs.is_empty()) {
        let mut table = Table::new(["OUTPUT", "TYPE", "ID", "SUBJECT", "SOURCE"]);
        for (at, output) in outputs.iter().enumerate() {
            let subject = or_dash(output.subject.as_ref());
            table.row([at.to_string(), output.type_.clone(), output.id.clone(), subject, output.source.clone()]);
        }
        parts.push(table.to_string());
    }
    if !event.handoffs.is_empty() {
        parts.push(attempts(&event.handoffs).to_string());
    }
    if let Some(claim) = &event.payload.claim {
        let claim = Table::pairs([("claim", claim.url.clone()), ("sha256", claim.sha256.clone())]);
        parts.push(claim.to_string());
    }
    parts.extend(payload(&event.payload));
    parts.join("\n\n")
}

pub fn headers(headers: &[Header]) -> Table {
    let mut table = Table::new(["HEADER", "VALUE"]);
    for header in headers {
        table.row([header.name.clone(), header.value.clone()]);
    }
    table
}

/// The payload if the gateway has sent it: as text, else in base64.
pub fn payload(payload: &Payload) -> Option<String> {
    let text = payload.text.as_ref().map(|text| text.split('\n').map(printable).collect::<Vec<_>>().join("\n"));
    text.or_else(|| payload.base64.as_ref().map(|base64| format!("base64: {base64}")))
}

fn replays(again: Replays) -> String {
    format!("{} times under another id, last {}", again.count, again.last_at)
}

/// How often the event came again, and the command that lists the duplicates.
fn recurrences(event: &str, again: &Recurrences) -> String {
    let Recurrences { count, last_at, .. } = again;
    format!("{count}, last {last_at}; see them with: hookgate duplicates list --of {event}")
}

fn by_hand(origin: &AdmittedByHand) -> String {
    let AdmittedByHand { duplicate_of, duplicate, at } = origin;
    format!("at {at}; duplicate of {duplicate_of}, dropped as {duplicate}")
}

/// Methods and subjects; the latter may come from strangers.
fn authenticated_by(event: &Event) -> String {
    let proofs = event.authenticated_by.iter().map(|proof| format!("{} {}", proof.method, printable(&proof.subject)));
    let all: Vec<String> = proofs.collect();
    or_dash((!all.is_empty()).then(|| all.join(", ")))
}

/// The event's state; of a held event also until when it is held, and what for.
fn state(event: &Event) -> String {
    let word = output::word(event.state);
    match &event.held {
        None => word,
        Some(Held { until, number: Some(number) }) => format!("{word} until {until}, waits for number {number}"),
        Some(Held { until, number: None }) => format!("{word} until {until}, for events that belong before it"),
    }
}

/// A row for the attempts that are not kept.
fn left_out(handoff: &HandoffSummary, number: u32) -> [String; 7] {
    let dash = || "-".to_owned();
    let text = format!("{number} more attempts, not kept");
    [handoff.destination.clone(), handoff.output.to_string(), "attempts".to_owned(), dash(), dash(), dash(), text]
}

/// Every attempt of every handoff.
fn attempts(handoffs: &[Handoff]) -> Table {
    let mut table = Table::new(["DESTINATION", "OUTPUT", "STATE", "WHEN", "TOOK", "STATUS", "ERROR"]);
    for handoff in handoffs {
        let summary = &handoff.summary;
        for (number, Attempt { at, took_ms, status, error }) in handoff.attempts.iter().enumerate() {
            if number == FIRST_ATTEMPTS && handoff.attempts_left_out > 0 {
                table.row(left_out(summary, handoff.attempts_left_out));
            }
            table.row([
                summary.destination.clone(),
                summary.output.to_string(),
                "attempt".to_owned(),
                at.to_string(),
                span(*took_ms),
                or_dash(*status),
                or_dash(error.as_ref()),
            ]);
        }
        table.row([
            summary.destination.clone(),
            summary.output.to_string(),
            output::word(summary.state),
            summary.at.to_string(),
            String::new(),
            String::new(),
            handoff.turn.as_ref().map_or_else(String::new, |turn| turn_in_words(summary.state, turn)),
        ]);
    }
    table
}

/// What a handoff waits for, and what waits for it.
fn turn_in_words(state: HandoffState, turn: &Turn) -> String {
    let Turn { first_event, first_output, before, behind } = turn;
    let ends = if state == HandoffState::Dead { " until it is redriven or discarded" } else { "" };
    match (before, behind) {
        (0, 0) => String::new(),
        (0, 1) => format!("1 of its ordering key waits for it{ends}"),
        (0, _) => format!("{behind} of its ordering key wait for it{ends}"),
        (1, _) => format!("waits for {first_event}/{first_output}"),
        _ => format!("waits for {first_event}/{first_output} and {} more", before - 1),
    }
}
