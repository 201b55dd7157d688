//! From the journal's records to the API's JSON.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hookgate_capabilities::{CloudEvent, EventData, ExtensionValue, Position};
use hookgate_journal as journal;
use hookgate_journal::{Journal, JournalError};
use hookgate_model::claim::Reference;
use hookgate_model::{
    claim, event,
    event::{EventId, KeptEvent, Stage},
    handoff,
    handoff::HandoffId,
    redact::Mask,
};
use serde_json::value::RawValue;

use super::{
    ApiError,
    view::{
        AdmittedByHand, Attempt, Claim, DataKind, Event, EventState, EventSummary, Handoff, HandoffState,
        HandoffSummary, Header, Held, Identity, Output, Payload, PluginVersion, Proof, Recurrences, Replays, Request,
        Time, Turn,
    },
};

/// A handoff with everything that the API shows about it.
pub struct Told {
    id: HandoffId,
    handoff: handoff::Handoff,
    turn: Option<handoff::Turn>,
}

impl Told {
    /// Looks up the rest.
    pub fn new(journal: &Journal, id: HandoffId, handoff: handoff::Handoff) -> Result<Told, JournalError> {
        let turn = journal.turn(&id, &handoff)?;
        let handoff = handoff::Handoff { state: journal.with_wall_times(handoff.state), ..handoff };
        Ok(Told { id, handoff, turn })
    }

    /// The handoffs of an event.
    pub fn all_of(journal: &Journal, event: EventId) -> Result<Vec<Told>, JournalError> {
        journal.handoffs_of(event)?.into_iter().map(|(id, handoff)| Told::new(journal, id, handoff)).collect()
    }

    /// Whether it is a dead letter.
    pub fn is_dead(&self) -> bool {
        matches!(self.handoff.state, handoff::HandoffState::Dead(_))
    }
}

/// An event in a list.
pub fn summary(event: journal::EventSummary) -> EventSummary {
    EventSummary {
        id: event.id.to_string(),
        source: event.source,
        admitted_at: Time(event.admitted_at),
        kind: event.kind,
        provider_id: event.provider_id,
        state: event.state,
        handoffs: event.handoffs.iter().map(|(id, state)| handoff_summary(id, *state)).collect(),
    }
}

fn handoff_summary(id: &HandoffId, state: handoff::HandoffState) -> HandoffSummary {
    let (state, at) = match state {
        handoff::HandoffState::Pending(due) => (HandoffState::Pending, due),
        handoff::HandoffState::Delivered(at) => (HandoffState::Delivered, at),
        handoff::HandoffState::Dead(at) => (HandoffState::Dead, at),
        handoff::HandoffState::Discarded(at) => (HandoffState::Discarded, at),
        handoff::HandoffState::Waiting(since) => (HandoffState::Waiting, since),
    };
    HandoffSummary { destination: id.destination.clone(), output: id.output, state, at: Time(at) }
}

/// A handoff with its history.
pub fn handoff(told: &Told) -> Handoff {
    let Told { id, handoff, turn } = told;
    Handoff {
        summary: handoff_summary(id, handoff.state),
        tries: handoff.tries,
        attempts: handoff.attempts.iter().map(attempt).collect(),
        attempts_left_out: handoff.left_out,
        turn: turn.as_ref().map(|turn| Turn {
            first_event: turn.first.event.to_string(),
            first_output: turn.first.output,
            before: turn.before,
            behind: turn.behind,
        }),
    }
}

/// One try.
pub fn attempt(attempt: &handoff::Attempt) -> Attempt {
    Attempt { at: Time(attempt.at), took_ms: attempt.took, status: attempt.status, error: attempt.error.clone() }
}

/// An event's whole story, with its payload and the data of its outputs if `with_payload`. `stage` is the state of an event
/// that is not transformed yet.
pub fn event(
    event: &KeptEvent,
    handoffs: &[Told],
    stage: Option<Stage>,
    with_payload: bool,
    reference: Option<Reference>,
    mask: &Mask,
) -> Result<Event, ApiError> {
    let delivery = &event.delivery;
    let payload = match reference {
        Some(reference) => claimed(reference),
        None => {
            let bytes = event.admission.payload.of(delivery.body());
            let bytes = bytes.map_err(|error| ApiError::Damaged(format!("the payload of {}: {error}", event.id)))?;
            payload(&mask.body(&bytes), bytes.len(), with_payload)
        }
    };
    let (name, hash) = delivery.plugin.clone();
    Ok(Event {
        id: event.id.to_string(),
        source: delivery.source.clone(),
        state: match stage {
            Some(Stage::Inbox) => EventState::Waiting,
            Some(Stage::Held { .. }) => EventState::Held,
            None => EventState::of(handoffs.iter().map(|told| (&told.id, told.handoff.state))),
        },
        held: stage.and_then(held),
        received_at: Time(delivery.request.received_at),
        trace: delivery.trace.clone(),
        plugin: PluginVersion { name, hash },
        identity: identity(&event.admission.identity),
        request: request(&delivery.request, delivery.claim.as_ref(), mask),
        authenticated_by: delivery.senders.iter().map(proof).collect(),
        replays: None,
        duplicates: None,
        admitted_by_hand: None,
        payload,
        outputs: event.outputs.as_ref().map(|all| all.iter().map(|one| output(one, with_payload, mask)).collect()),
        handoffs: handoffs.iter().map(handoff).collect(),
    })
}

fn held(stage: Stage) -> Option<Held> {
    match stage {
        Stage::Inbox => None,
        Stage::Held { until, number } => Some(Held { until: Time(until), number }),
    }
}

fn identity(identity: &hookgate_capabilities::Identity) -> Identity {
    let position = identity.ordering.as_ref().map(|ordering| ordering.position);
    Identity {
        id: identity.known_by.id().map(str::to_owned),
        known_by: identity.known_by.name().to_owned(),
        kind: identity.kind.clone(),
        occurred_at: identity.occurred_at.map(Time),
        ordering_key: identity.ordering.as_ref().map(|ordering| ordering.key.clone()),
        ordering_sequence: position.and_then(|at| if let Position::Sequence(n) = at { Some(n) } else { None }),
        ordering_time: position.and_then(|at| if let Position::Timestamp(ms) = at { Some(Time(ms)) } else { None }),
        attributes: identity.attributes.iter().cloned().collect(),
    }
}

/// `mask` hides the credentials.
pub(super) fn request(request: &hookgate_capabilities::Request, claim: Option<&claim::Claim>, mask: &Mask) -> Request {
    let header = |(name, value): &(String, Vec<u8>)| Header { name: name.clone(), value: mask.header(name, value) };
    Request {
        method: request.method.clone(),
        url: mask.url(&request.url),
        headers: request.headers.iter().map(header).collect(),
        body_bytes: claim.map_or(request.body.len() as u64, |claim| claim.length),
    }
}

fn proof(proof: &event::Sender) -> Proof {
    Proof { method: proof.method.clone(), subject: proof.subject.clone() }
}

/// The duplicates and replays of an event, and the event of which it is a duplicate itself.
pub struct CameAgain {
    replays: Option<event::Replays>,
    recurrences: Option<journal::Recurrences>,
    admitted_by_hand: Option<journal::AdmittedByHand>,
}

impl CameAgain {
    /// Looks it up.
    pub fn of(journal: &Journal, event: EventId) -> Result<CameAgain, JournalError> {
        Ok(CameAgain {
            replays: journal.replays(event)?,
            recurrences: journal.recurrences(event)?,
            admitted_by_hand: journal.admitted_by_hand(event)?,
        })
    }

    /// The event's story with this in it.
    pub fn add_to(self, event: Event) -> Event {
        let CameAgain { replays, recurrences, admitted_by_hand } = self;
        Event {
            replays: replays.map(|again| Replays { count: again.count, last_at: Time(again.last) }),
            duplicates: recurrences.map(|again| Recurrences {
                count: again.count,
                last_at: Time(again.last),
                recorded: again.kept.iter().map(EventId::to_string).collect(),
            }),
            admitted_by_hand: admitted_by_hand.map(|origin| AdmittedByHand {
                duplicate_of: origin.of.to_string(),
                duplicate: origin.duplicate.to_string(),
                at: Time(origin.at),
            }),
            ..event
        }
    }
}

/// `shown` has no credentials; `length` is that of the original payload.
pub(super) fn payload(shown: &Bytes, length: usize, wanted: bool) -> Payload {
    let text = std::str::from_utf8(shown).ok().filter(|_| wanted);
    Payload {
        bytes: length as u64,
        base64: wanted.then(|| BASE64_STANDARD.encode(shown)),
        text: text.map(str::to_owned),
        claim: None,
    }
}

/// A payload in the object store, which the API only links to.
fn claimed(reference: Reference) -> Payload {
    let claim = Claim { url: reference.url, sha256: hex::encode(reference.sha256) };
    Payload { bytes: reference.length, base64: None, text: None, claim: Some(claim) }
}

fn output(event: &CloudEvent, with_data: bool, mask: &Mask) -> Output {
    let (data_kind, data) = data(&event.data, mask);
    let extension = |value: &ExtensionValue| match value {
        ExtensionValue::Text(text) => text.as_str().into(),
        ExtensionValue::Integer(number) => (*number).into(),
        ExtensionValue::Boolean(yes) => (*yes).into(),
    };
    Output {
        id: event.id.clone(),
        source: event.source.clone(),
        type_: event.type_.clone(),
        subject: event.subject.clone(),
        time: event.time.map(Time),
        dataschema: event.data_schema.clone(),
        datacontenttype: event.data_content_type.clone(),
        extensions: event.extensions.iter().map(|(name, value)| (name.clone(), extension(value))).collect(),
        data_kind,
        data: data.filter(|_| with_data),
    }
}

fn data(data: &EventData, mask: &Mask) -> (DataKind, Option<Box<RawValue>>) {
    let string = |text: &str| serde_json::value::to_raw_value(text).ok();
    match data {
        EventData::None => (DataKind::None, None),
        EventData::Payload => (DataKind::Payload, None),
        EventData::Json(text) => (DataKind::Json, RawValue::from_string(mask.text(text)).ok()),
        EventData::Text(text) => (DataKind::Text, string(&mask.text(text))),
        EventData::Bytes(bytes) => {
            (DataKind::Bytes, string(&BASE64_STANDARD.encode(mask.body(&Bytes::copy_from_slice(bytes)))))
        }
    }
}
