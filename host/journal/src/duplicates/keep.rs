//! Recording what is dropped, in the commit that drops it.

use hookgate_capabilities::{Admission, Payload};
use hookgate_model::limits;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{DroppedContent, DroppedDelivery, DroppedEvent, Recurrences, Tally, forget, places};
use crate::{
    claims,
    engine::Space,
    record::{
        self, EncodedDelivery, ids,
        keys::{self, Due, second_after},
    },
    types::{Commit, ContentHash, DropCause, Dropped, EventId, JournalError, KeptDelivery, KeyKind},
    write::Draft,
};

/// What a record of an event takes beside its texts, roughly.
const RECORD_BYTES: u64 = 128;

/// What is to be known of an event, should it be dropped.
#[derive(Debug)]
pub(crate) struct Description {
    key_kind: KeyKind,
    provider_id: Option<String>,
    kind: Option<String>,
    payload_bytes: u64,
    payload_sha256: [u8; 32],
    pub(crate) content: ContentHash,
}

/// Describes the events of a commit; events that cannot be recognised again have no description.
pub(crate) fn describe(commit: &Commit) -> Result<Vec<Description>, JournalError> {
    if commit.signatures.keys.is_empty() && commit.events.iter().all(|(_, key)| key.is_none()) {
        return Ok(Vec::new());
    }
    let delivery = &commit.delivery;
    let mut body = None;
    let mut described = Vec::with_capacity(commit.events.len());
    for (event, key) in &commit.events {
        // Of a batch each event may have the whole body: that is hashed once.
        let (payload_bytes, payload_sha256) = match (&event.payload, body) {
            (Payload::Body, Some(known)) => known,
            (payload, _) => digest(delivery, payload)?,
        };
        if event.payload == Payload::Body {
            body = Some((payload_bytes, payload_sha256));
        }
        described.push(Description {
            key_kind: key.map_or_else(|| KeyKind::declared(&event.identity.known_by), |key| key.kind),
            provider_id: event.identity.known_by.id().map(str::to_owned),
            kind: event.identity.kind.clone(),
            payload_bytes,
            payload_sha256,
            content: content_hash(delivery, event, &payload_sha256),
        });
    }
    Ok(described)
}

/// The length of a payload and its SHA-256.
fn digest(delivery: &KeptDelivery, payload: &Payload) -> Result<(u64, [u8; 32]), JournalError> {
    match (&delivery.claim, payload) {
        (Some(claim), Payload::Body) => Ok((claim.length, claim.sha256)),
        (Some(claim), Payload::BodyRange(range)) => {
            let known = claim.ranges.iter().find(|(known, _)| known == range);
            let (_, sha256) = known
                .ok_or_else(|| JournalError::Failed("a part of a large body came without its digest".to_owned()))?;
            Ok((range.length, *sha256))
        }
        (_, payload) => {
            let bytes = payload.of(&delivery.request.body);
            let bytes = bytes.map_err(|error| JournalError::Failed(format!("the payload of an event: {error}")))?;
            Ok((bytes.len() as u64, Sha256::digest(&bytes).into()))
        }
    }
}

fn content_hash(delivery: &KeptDelivery, event: &Admission, payload_sha256: &[u8; 32]) -> ContentHash {
    let identity = &event.identity;
    let (id, kind) = (identity.known_by.id().unwrap_or_default(), identity.kind.as_deref().unwrap_or_default());
    let mut hash = Sha256::new();
    let (method, url) = (delivery.request.method.as_str(), delivery.request.url.as_str());
    for text in [method, url, identity.known_by.name(), id, kind] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update(payload_sha256);
    hash.finalize().first_chunk().copied().unwrap_or_default()
}

/// An event of a delivery that has come before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    pub(crate) index: u16,
    /// The event that came first.
    pub(crate) of: EventId,
    pub(crate) cause: DropCause,
    /// Until when it would be known again.
    pub(crate) expires: u64,
    /// It says the same as the one that came first.
    pub(crate) same_content: bool,
}

/// The delivery that brings events that have come before.
pub(crate) struct Brought<'a> {
    pub(crate) source: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) events: &'a [Description],
    pub(crate) encoded: &'a EncodedDelivery,
    /// The object in which the body is, and its length.
    pub(crate) object: Option<(Uuid, u64)>,
    /// How long deliveries are kept, in milliseconds.
    pub(crate) retention: u64,
}

/// Records what is dropped of a delivery, as far as the bounds allow it. Whether the body's object is kept for that.
pub(crate) fn keep(
    draft: &mut Draft<'_>,
    delivery: Uuid,
    brought: &Brought<'_>,
    repeats: &[Repeat],
) -> Result<(Vec<Dropped>, bool), JournalError> {
    let mut dropped = Vec::with_capacity(repeats.len());
    let mut events = Vec::new();
    for repeat in repeats {
        let Some(description) = brought.events.get(usize::from(repeat.index)) else { continue };
        let id = EventId { delivery, index: repeat.index };
        let recorded = count(draft, repeat.of, id)?;
        if recorded {
            events.push(dropped_event(draft, brought.retention, description, repeat));
        }
        let Repeat { of, cause, .. } = *repeat;
        let kind = description.kind.clone();
        dropped.push(Dropped { id, of, cause, key_kind: description.key_kind, kind, recorded });
    }
    let keeps_object = !events.is_empty() && put(draft, delivery, brought, events)?;
    Ok((dropped, keeps_object))
}

/// Counts a duplicate with the event that came first. Returns whether it is recorded as well.
fn count(draft: &mut Draft<'_>, of: EventId, id: EventId) -> Result<bool, JournalError> {
    let place = places::first(of);
    let stored = draft.get(Space::Duplicates, &place)?;
    let mut recurrences: Recurrences =
        stored.map_or_else(|| Ok(Recurrences::default()), |bytes| record::read(&bytes, &of))?;
    let recorded = recurrences.kept.len() < limits::DUPLICATES_OF_EVENT_MAX;
    if recorded {
        recurrences.kept.push(id);
    }
    recurrences.count = recurrences.count.saturating_add(1);
    recurrences.last = draft.now;
    draft.writes.put(Space::Duplicates, place, record::write(&recurrences)?);
    Ok(recorded)
}

fn dropped_event(draft: &Draft<'_>, retention: u64, description: &Description, repeat: &Repeat) -> DroppedEvent {
    // Nothing is kept for longer than events are.
    let expires = repeat.expires.min(draft.now.saturating_add(retention));
    let first_outlives =
        repeat.of.delivery > draft.retained() && ids::time_of(repeat.of.delivery).saturating_add(retention) >= expires;
    // Without an id a provider may have meant another event, whatever its bytes are.
    let is_copy = repeat.same_content && description.key_kind == KeyKind::Id;
    DroppedEvent {
        index: repeat.index,
        of: repeat.of,
        cause: repeat.cause,
        key_kind: description.key_kind,
        provider_id: description.provider_id.clone(),
        kind: description.kind.clone(),
        payload_bytes: description.payload_bytes,
        payload_sha256: description.payload_sha256,
        content: if is_copy && first_outlives { DroppedContent::First } else { DroppedContent::Own },
        expires,
        admitted_as: None,
    }
}

/// Writes what was dropped of a delivery. Whether its body's object is kept for it.
fn put(
    draft: &mut Draft<'_>,
    delivery: Uuid,
    brought: &Brought<'_>,
    mut events: Vec<DroppedEvent>,
) -> Result<bool, JournalError> {
    let texts = |event: &DroppedEvent| {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        text(&event.provider_id) + text(&event.kind)
    };
    let mut bytes: u64 = events.iter().map(|event| RECORD_BYTES + texts(event) as u64).sum();
    let own = |event: &&mut DroppedEvent| event.content == DroppedContent::Own;
    let indexes: Vec<u16> = events.iter_mut().filter(own).map(|event| event.index).collect();
    let content_bytes = brought.encoded.bytes() + brought.object.map_or(0, |(_, length)| length);
    let mut object = None;
    if !indexes.is_empty() && content_bytes > limits::DUPLICATES_OF_SOURCE_BYTES_MAX {
        events.iter_mut().filter(own).for_each(|event| event.content = DroppedContent::NotKept);
    } else if !indexes.is_empty() {
        bytes += content_bytes;
        draft.writes.put(Space::Duplicates, places::body(delivery), brought.encoded.finish(&indexes, &[])?);
        object = brought.object.map(|(object, _)| object);
    }
    if let Some(object) = object {
        claims::hold(draft, object)?;
    }
    let source = brought.source;
    let mut tally = forget::tally(draft, source)?;
    let number = tally.next;
    tally =
        Tally { next: number + 1, deliveries: tally.deliveries + 1, bytes: tally.bytes.saturating_add(bytes), ..tally };
    forget::make_room(draft, source, number, &mut tally)?;
    draft.writes.put(Space::Duplicates, places::tally(source), record::write(&tally)?);
    draft.writes.put(Space::Duplicates, places::numbered(source, number), delivery.as_bytes().to_vec());
    let (source, trace) = (source.to_owned(), brought.trace.to_owned());
    let dropped = DroppedDelivery { source, trace, at: draft.now, number, bytes, object, events };
    let note = keys::expiry(Due::Duplicates, second_after(dropped.expires()), delivery);
    draft.writes.put(Space::Expiry, note, Vec::new());
    draft.writes.put(Space::Duplicates, places::delivery(delivery), record::write(&dropped)?);
    Ok(object.is_some())
}
