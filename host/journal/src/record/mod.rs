//! The values of every space: a version byte, then postcard (its wire format is frozen at 1.0).

pub(crate) mod ids;
pub(crate) mod keys;
pub(crate) mod state;

use hookgate_capabilities::{Admission, CloudEvent};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    record::keys::HeldAt,
    reorder::KeyState,
    types::{ContentHash, EventId, Handoff, JournalError, KeptDelivery, Marks, Replays},
};

/// The version of every record kind so far.
const VERSION: u8 = 1;

/// Something that is stored as a version byte and postcard.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// What it is called in messages.
    const KIND: &'static str;
}

impl Record for Vec<CloudEvent> {
    const KIND: &'static str = "outputs of the event";
}

impl Record for Handoff {
    const KIND: &'static str = "handoff";
}

impl Record for Replays {
    const KIND: &'static str = "replays of the event";
}

impl Record for Marks {
    const KIND: &'static str = "marks of the event";
}

/// Where an event is that is not transformed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Whereabouts {
    /// In the inbox, under that ticket.
    Inbox(u64),
    /// Among the events that wait for their turn.
    Held(HeldAt),
}

impl Record for Whereabouts {
    const KIND: &'static str = "whereabouts of the event";
}

/// An event that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldEvent {
    pub(crate) event: EventId,
    /// Until when at the latest, by the clock that held events wait by.
    pub(crate) due: u64,
    /// The time of its arrival stands in for its own.
    pub(crate) ahead: bool,
}

impl Record for HeldEvent {
    const KIND: &'static str = "held event";
}

/// What is known of an ordering key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderingKey {
    pub(crate) state: KeyState,
    /// When an event of it last came or went, in milliseconds since the epoch.
    pub(crate) touched: u64,
    /// How long after that it is remembered, in milliseconds.
    pub(crate) memory: u64,
}

impl Record for OrderingKey {
    const KIND: &'static str = "ordering key";
}

/// `version:1 postcard`
pub(crate) fn write<R: Record>(record: &R) -> Result<Vec<u8>, JournalError> {
    postcard::to_extend(record, vec![VERSION]).map_err(|e| unwritable(R::KIND, &e))
}

/// Reads the output of [`write()`]; `key` names the record in the error if it is damaged.
pub(crate) fn read<R: Record>(bytes: &[u8], key: &impl std::fmt::Display) -> Result<R, JournalError> {
    let rest = versioned(bytes, R::KIND, key)?;
    postcard::from_bytes(rest).map_err(|e| damaged(R::KIND, key, &e))
}

/// A delivery on its way into the store, encoded by the caller, to keep the writer thread free.
#[derive(Clone, Debug)]
pub(crate) struct EncodedDelivery {
    head: Vec<u8>,
    events: Vec<Vec<u8>>,
}

/// What the deliveries space holds under an id.
#[derive(Debug)]
pub(crate) struct StoredDelivery {
    pub(crate) delivery: KeptDelivery,
    /// Those events of it that were new, each with its place in the delivery.
    pub(crate) events: Vec<(u16, Admission)>,
}

impl StoredDelivery {
    /// The delivery and one of its events; none when that is not kept with it.
    pub(crate) fn take(self, index: u16) -> Option<(KeptDelivery, Admission)> {
        let (_, admission) = self.events.into_iter().find(|(kept, _)| *kept == index)?;
        Some((self.delivery, admission))
    }
}

impl EncodedDelivery {
    pub(crate) fn new<'a>(
        delivery: &KeptDelivery,
        events: impl IntoIterator<Item = &'a Admission>,
    ) -> Result<Self, JournalError> {
        const KIND: &str = "delivery";
        let mut head = Vec::with_capacity(delivery.request.body.len() + 512);
        head.push(VERSION);
        let head = postcard::to_extend(delivery, head).map_err(|e| unwritable(KIND, &e))?;
        let events = events.into_iter().map(postcard::to_stdvec).collect::<Result<_, _>>();
        Ok(EncodedDelivery { head, events: events.map_err(|e| unwritable(KIND, &e))? })
    }

    /// Bytes that it takes with all its events, at most.
    pub(crate) fn bytes(&self) -> u64 {
        let events: usize = self.events.iter().map(|event| 2 + event.len()).sum();
        (self.head.len() + events) as u64
    }

    /// `version:1 delivery { index:2 admission }*`: the delivery with the events that are new.
    pub(crate) fn finish(self, new: &[u16]) -> Vec<u8> {
        let mut bytes = self.head;
        for &index in new {
            if let Some(event) = self.events.get(usize::from(index)) {
                bytes.extend(index.to_be_bytes());
                bytes.extend(event);
            }
        }
        bytes
    }
}

/// A delivery with one event, which has that place in it.
pub(crate) fn write_delivery(delivery: &KeptDelivery, index: u16, event: &Admission) -> Result<Vec<u8>, JournalError> {
    let EncodedDelivery { head: mut bytes, events } = EncodedDelivery::new(delivery, [event])?;
    bytes.extend(index.to_be_bytes());
    events.iter().for_each(|event| bytes.extend(event));
    Ok(bytes)
}

/// Reads [`EncodedDelivery::finish`] and [`write_delivery`].
pub(crate) fn read_delivery(bytes: &[u8], id: Uuid) -> Result<StoredDelivery, JournalError> {
    const KIND: &str = "delivery";
    let rest = versioned(bytes, KIND, &id)?;
    let (delivery, mut rest) = postcard::take_from_bytes::<KeptDelivery>(rest).map_err(|e| damaged(KIND, &id, &e))?;
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (index, event) = rest.split_first_chunk().ok_or_else(|| damaged(KIND, &id, &"it ends too early"))?;
        let (event, behind) = postcard::take_from_bytes(event).map_err(|e| damaged(KIND, &id, &e))?;
        events.push((u16::from_be_bytes(*index), event));
        rest = behind;
    }
    Ok(StoredDelivery { delivery: delivery.with_decoded(), events })
}

/// What the idempotency space holds under a key: `version:1 expires:8 delivery:16 index:2 content:16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Milliseconds since the epoch; from then on the key counts as new.
    pub(crate) expires: u64,
    /// The event that came first.
    pub(crate) event: EventId,
    /// What that event said; zeros under a signature, which may have verified several events.
    pub(crate) content: ContentHash,
}

impl Known {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(43);
        bytes.push(VERSION);
        bytes.extend(self.expires.to_be_bytes());
        bytes.extend(crate::record::keys::event(self.event));
        bytes.extend(self.content);
        bytes
    }

    pub(crate) fn read(bytes: &[u8], key: &impl std::fmt::Display) -> Result<Known, JournalError> {
        let known = || {
            let (expires, event) = versioned(bytes, "idempotency key", key).ok()?.split_first_chunk()?;
            let (event, content) = event.split_last_chunk()?;
            let expires = u64::from_be_bytes(*expires);
            Some(Known { expires, event: crate::record::keys::read_event(event)?, content: *content })
        };
        known().ok_or_else(|| damaged("idempotency key", key, &"wrong version or length"))
    }
}

/// Strips the version byte.
fn versioned<'a>(bytes: &'a [u8], kind: &str, key: &impl std::fmt::Display) -> Result<&'a [u8], JournalError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((version, _)) => Err(damaged(kind, key, &format_args!("its version {version} is not known here"))),
        None => Err(damaged(kind, key, &"it is empty")),
    }
}

/// A record that cannot be read.
pub(crate) fn damaged(kind: &str, key: &impl std::fmt::Display, why: &impl std::fmt::Display) -> JournalError {
    JournalError::Damaged(format!("{kind} {key}"), why.to_string())
}

fn unwritable(kind: &str, why: &postcard::Error) -> JournalError {
    JournalError::Failed(format!("a {kind} cannot be encoded: {why}"))
}
