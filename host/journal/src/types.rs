//! What is handed to the journal, and what it answers.

use std::{sync::Arc, time::Duration};

use hookgate_capabilities::{Admission, CloudEvent};
pub(crate) use hookgate_model::{
    event::{
        ContentHash, EventId, EventKey, IdempotencyKey, KeptDelivery, KeptEvent, KeyKind, Marks, Replays, Stage,
        Waiting,
    },
    handoff::{Attempt, Handoff, HandoffId, HandoffState, Place, Strand, Turn},
    ordering::SourceOrdering,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A verified delivery, to be made durable.
#[derive(Debug)]
pub struct Commit {
    /// Its id from [`crate::Journal::next_delivery`]; none: it gets one with the commit.
    pub id: Option<Uuid>,
    /// The delivery.
    pub delivery: Arc<KeptDelivery>,
    /// Its events, each with its key. An event without one is admitted whatever came before.
    pub events: Vec<(Admission, Option<EventKey>)>,
    /// By the places of the events: what is transformed and routed already. The others go into the inbox, and so does an event
    /// with a strand whose turn has not come.
    pub routed: Vec<Option<Routed>>,
    /// The signatures by which it was verified, where they are to be known again.
    pub signatures: Signatures,
    /// How its events are put in order; none: they go on in the order of arrival.
    pub ordering: Option<SourceOrdering>,
}

impl Commit {
    /// A delivery whose events are transformed later, without an order and without signatures to be known again.
    pub fn new(delivery: KeptDelivery, events: Vec<(Admission, Option<EventKey>)>) -> Commit {
        let signatures = Signatures::default();
        Commit { id: None, delivery: Arc::new(delivery), events, routed: Vec::new(), signatures, ordering: None }
    }
}

/// What `transform` and the routes made of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routed {
    /// Its outputs.
    pub outputs: Vec<CloudEvent>,
    /// Where they go: destinations, each with the number of the output.
    pub to: Vec<(String, u16)>,
    /// Its strand, if its source is ordered and it has an ordering key. Its position is said in the outputs by the commit.
    pub strand: Option<Strand>,
}

/// An event that is transformed and routed, on its way into the store.
#[derive(Debug)]
pub(crate) struct RoutedEvent {
    pub(crate) delivery: Arc<KeptDelivery>,
    pub(crate) admission: Admission,
    pub(crate) routed: Routed,
    /// Bytes of the delivery's record.
    pub(crate) bytes: usize,
}

/// Signatures to be known again, as keys of the idempotency space (made so that none is an event's).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// Their keys.
    pub keys: Vec<IdempotencyKey>,
    /// How long they are remembered; not longer than the keys of events.
    pub window: Duration,
}

/// What became of an event of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is new and durable under this id.
    New(EventId),
    /// Its key was there already, or it has none and the delivery's signatures were: the id of the event that came first.
    Duplicate(EventId),
    /// Its key is new, but all signatures of the delivery were there already: the id of an event that came with them. It
    /// was not admitted.
    Replayed(EventId),
}

impl Admitted {
    /// The event that is kept: this one, or the one that came first.
    pub fn event(self) -> EventId {
        match self {
            Admitted::New(id) | Admitted::Duplicate(id) | Admitted::Replayed(id) => id,
        }
    }
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// What became of each of its events, in their order.
    pub events: Vec<Admitted>,
    /// Those of them that were not admitted since they had come before.
    pub dropped: Vec<Dropped>,
    /// Those of them that were written in their final form; other new ones are in the inbox, or held.
    pub in_final_form: Vec<EventId>,
    /// Whether something in the journal refers to the object in which the body is.
    pub keeps_object: bool,
}

/// An event that was not admitted since it had come before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its own id.
    pub id: EventId,
    /// The event that came first.
    pub of: EventId,
    /// By what it was known.
    pub cause: DropCause,
    /// From what its key is made.
    pub key_kind: KeyKind,
    /// What happened, in the provider's words.
    pub kind: Option<String>,
    /// Whether it can be shown and admitted; beyond the bounds it was only counted.
    pub recorded: bool,
}

/// By what a dropped event was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropCause {
    /// Its key.
    Key,
    /// It has no key, and the signatures of its delivery had come before.
    Signature,
    /// Its key is new, but the signatures of its delivery had come before.
    Replay,
}

/// Why the journal could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// Less free disk than the headroom asks for, or the disk said that it is full.
    #[error("the disk is full: {0}; free some room below the store's path, nothing was written")]
    Full(String),
    /// A write or sync failed: the store must be opened again before it can be trusted.
    #[error("the store failed: {0}; see the log, the gateway reopens it and deliveries are answered 503 until then")]
    Failed(String),
    /// It is closed until the gateway is started again.
    #[error(
        "the store is closed: {0}; start the gateway again once that is put right, deliveries are answered 503 until then"
    )]
    Closed(String),
    /// A record cannot be read.
    #[error("the record {0} is damaged: {1}")]
    Damaged(String, String),
}
