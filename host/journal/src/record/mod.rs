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
    delivery: Vec<u8>,
    events: Vec<Vec<u8>>,
}

/// What the deliveries space holds under an id.
#[derive(Debug)]
pub(crate) struct StoredDelivery {
    pub(crate) delivery: KeptDelivery,
    /// Those events of it that were new.
    pub(crate) events: Vec<StoredEvent>,
}

/// An event of a stored delivery.
#[derive(Debug)]
pub(crate) struct StoredEvent {
    /// Its place in the delivery.
    pub(crate) index: u16,
    pub(crate) admission: Admission,
    /// What `transform` made of it before the commit; none if it went into the inbox.
    pub(crate) outputs: Option<Vec<CloudEvent>>,
}

/// The handoffs that the commit of an event queued. One that has no record of its own has not been tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owed {
    /// The event's place in its delivery.
    pub(crate) index: u16,
    /// When they were queued, by the clock that queued handoffs wait by.
    pub(crate) queued: u64,
    /// Destinations, each with the number of the output.
    pub(crate) to: Vec<(String, u16)>,
}

impl StoredDelivery {
    /// The delivery and one of its events; none when that is not kept with it.
    pub(crate) fn take(self, index: u16) -> Option<(KeptDelivery, StoredEvent)> {
        let event = self.events.into_iter().find(|event| event.index == index)?;
        Some((self.delivery, event))
    }
}

impl EncodedDelivery {
    /// A delivery with its events, each with its outputs if it is transformed already.
    pub(crate) fn new<'a>(
        delivery: &KeptDelivery,
        events: impl IntoIterator<Item = (&'a Admission, Option<&'a Vec<CloudEvent>>)>,
    ) -> Result<Self, JournalError> {
        let encoded = Vec::with_capacity(delivery.request.body.len() + 512);
        let delivery = postcard::to_extend(delivery, encoded).map_err(|e| unwritable(DELIVERY, &e))?;
        let events = events.into_iter().map(|event| postcard::to_stdvec(&event)).collect::<Result<_, _>>();
        Ok(EncodedDelivery { delivery, events: events.map_err(|e| unwritable(DELIVERY, &e))? })
    }

    /// Bytes that it takes with all its events, at most.
    pub(crate) fn bytes(&self) -> u64 {
        let events: usize = self.events.iter().map(|event| 2 + event.len()).sum();
        (2 + self.delivery.len() + events) as u64
    }

    /// `version:1 owed delivery { index:2 admission outputs }*`: the delivery with the events that are new. What is owed comes
    /// first, so that it can be read without the rest.
    pub(crate) fn finish(&self, new: &[u16], owed: &[Owed]) -> Result<Vec<u8>, JournalError> {
        let bytes =
            self.bytes() as usize + owed.iter().flat_map(|owed| &owed.to).map(|to| to.0.len() + 16).sum::<usize>();
        let mut bytes = Vec::with_capacity(bytes);
        bytes.push(VERSION);
        let mut bytes = postcard::to_extend(owed, bytes).map_err(|e| unwritable(DELIVERY, &e))?;
        bytes.extend(&self.delivery);
        for &index in new {
            if let Some(event) = self.events.get(usize::from(index)) {
                bytes.extend(index.to_be_bytes());
                bytes.extend(event);
            }
        }
        Ok(bytes)
    }
}

/// What messages call a stored delivery.
const DELIVERY: &str = "delivery";

/// A delivery with one event that goes into the inbox, which has that place in it.
pub(crate) fn write_delivery(delivery: &KeptDelivery, index: u16, event: &Admission) -> Result<Vec<u8>, JournalError> {
    let EncodedDelivery { delivery, events } = EncodedDelivery::new(delivery, [(event, None)])?;
    // Its place is not that of the only event that is encoded here.
    let mut bytes = EncodedDelivery { delivery, events: Vec::new() }.finish(&[], &[])?;
    bytes.extend(index.to_be_bytes());
    events.iter().for_each(|event| bytes.extend(event));
    Ok(bytes)
}

/// Reads [`EncodedDelivery::finish`] and [`write_delivery`].
pub(crate) fn read_delivery(bytes: &[u8], id: Uuid) -> Result<StoredDelivery, JournalError> {
    let damaged = |why: &dyn std::fmt::Display| damaged(DELIVERY, &id, &why);
    let rest = versioned(bytes, DELIVERY, &id)?;
    let (_, rest) = postcard::take_from_bytes::<Vec<Owed>>(rest).map_err(|e| damaged(&e))?;
    let (delivery, mut rest) = postcard::take_from_bytes::<KeptDelivery>(rest).map_err(|e| damaged(&e))?;
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (index, event) = rest.split_first_chunk().ok_or_else(|| damaged(&"it ends too early"))?;
        let ((admission, outputs), behind) = postcard::take_from_bytes(event).map_err(|e| damaged(&e))?;
        events.push(StoredEvent { index: u16::from_be_bytes(*index), admission, outputs });
        rest = behind;
    }
    Ok(StoredDelivery { delivery: delivery.with_decoded(), events })
}

/// Reads only what the events of a delivery owe.
pub(crate) fn read_owed(bytes: &[u8], id: Uuid) -> Result<Vec<Owed>, JournalError> {
    let rest = versioned(bytes, DELIVERY, &id)?;
    let (owed, _) = postcard::take_from_bytes(rest).map_err(|e| damaged(DELIVERY, &id, &e))?;
    Ok(owed)
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
