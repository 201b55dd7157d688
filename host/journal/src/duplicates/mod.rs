//! Dropped duplicates: events that came again and were not admitted a second time.
//!
//! Each is kept for as long as the key by which it was known lives, so that operators see it and can admit it after all.
//!
//! | key | value |
//! |---|---|
//! | `d:1 delivery:16` | [`DroppedDelivery`]: what was dropped of a delivery |
//! | `b:1 delivery:16` | the delivery itself, with those events whose content is not with the event that came first |
//! | `f:1 delivery:16 index:2` | [`Recurrences`] of an event that came first |
//! | `n:1 length:1 source number:8` | the id of a delivery: those of a source in the order in which they came |
//! | `s:1 length:1 source` | [`Tally`] of a source |
//! | `a:1 delivery:16 index:2` | [`AdmittedByHand`]: what an admitted event was a duplicate of |

mod admit;
mod forget;
mod keep;
mod list;
mod mend;
mod places;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(super) use self::{
    forget::forget,
    keep::{Brought, Description, Repeat, describe, keep},
    mend::rebuilt,
    places::admitted_of,
};
use super::{
    record::Record,
    types::{DropCause, EventId, KeyKind},
};

pub use self::{admit::DuplicateOrder, list::DuplicateFilter};

/// A dropped duplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Its own id.
    pub id: EventId,
    /// The source that dropped it.
    pub source: String,
    /// The trace of its delivery, 32 hex digits.
    pub trace: String,
    /// When it was dropped, in milliseconds since the epoch.
    pub at: u64,
    /// What is known of it.
    pub event: DroppedEvent,
}

/// What is known of an event that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedEvent {
    /// Its place in its delivery.
    pub index: u16,
    /// The event that came first.
    pub of: EventId,
    /// By what it was known.
    pub cause: DropCause,
    /// From what its key is made.
    pub key_kind: KeyKind,
    /// The provider's own id.
    pub provider_id: Option<String>,
    /// What happened, in the provider's words.
    pub kind: Option<String>,
    /// The length of its payload.
    pub payload_bytes: u64,
    /// The SHA-256 of its payload.
    pub payload_sha256: [u8; 32],
    /// Where its content is.
    pub content: DroppedContent,
    /// Until when it is kept, in milliseconds since the epoch.
    pub expires: u64,
    /// The event that an operator made of it.
    pub admitted_as: Option<EventId>,
}

/// Where the content of a dropped event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DroppedContent {
    /// Kept with it.
    Own,
    /// The same as that of the event that came first, and kept there.
    First,
    /// Not kept: it was too large.
    NotKept,
}

/// What was dropped of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DroppedDelivery {
    source: String,
    trace: String,
    /// When, in milliseconds since the epoch.
    at: u64,
    /// Its number among those of its source.
    number: u64,
    /// What it takes of the source's share, in bytes.
    bytes: u64,
    /// The object in which its body is, where that is kept for it.
    object: Option<Uuid>,
    events: Vec<DroppedEvent>,
}

impl DroppedDelivery {
    /// From when on nothing of it is shown any more.
    fn expires(&self) -> u64 {
        self.events.iter().map(|event| event.expires).max().unwrap_or_default()
    }
}

impl Record for DroppedDelivery {
    const KIND: &'static str = "dropped delivery";
}

/// How often an event came again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrences {
    /// How often, including the times that were only counted.
    pub count: u64,
    /// The last time, in milliseconds since the epoch.
    pub last: u64,
    /// Those that are kept, oldest first.
    pub kept: Vec<EventId>,
}

impl Record for Recurrences {
    const KIND: &'static str = "count of duplicates of the event";
}

/// What the dropped deliveries of a source take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    /// No delivery has a lower number.
    first: u64,
    /// The number of the next one.
    next: u64,
    deliveries: u64,
    bytes: u64,
}

impl Record for Tally {
    const KIND: &'static str = "tally of duplicates of the source";
}

/// That an operator had an event admitted which had been dropped as a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmittedByHand {
    /// The event that came first.
    pub of: EventId,
    /// The id under which it had been dropped.
    pub duplicate: EventId,
    /// When it was admitted, in milliseconds since the epoch.
    pub at: u64,
}

impl Record for AdmittedByHand {
    const KIND: &'static str = "origin of the admitted event";
}
