//! What the stages and the journal say to each other.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;
use hookgate_capabilities::{Admission, ByteRange, CloudEvent, ContentCodings, KnownBy, Request};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::{OnFailure, SourceOrdering};

/// An event's id: the delivery's (UUID version 7, so that ids sort by arrival) and its place in the delivery.
///
/// As text the UUID, with `.N` behind it for the events after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventId {
    /// Of the delivery.
    pub delivery: Uuid,
    /// 0 for the first event of a delivery.
    pub index: u16,
}

/// A delivery as the journal keeps it: enough to verify and transform it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDelivery {
    /// The source's name.
    pub source: String,
    /// The plugin's name and the SHA-256 of its component, in hex.
    pub plugin: (String, String),
    /// 32 hex digits that follow the delivery from the reply to the last attempt (W3C trace context).
    pub trace: String,
    /// As received, but for headers that hold credentials and that the plugin does not read. Without its body where that
    /// is a claim.
    pub request: Request,
    /// By what the sender is known, as the source's `auth` asks: one for each way.
    pub senders: Vec<Sender>,
    /// Where the body is, if it is not here.
    pub claim: Option<Claim>,
    /// Part of its JSON counted as absent when it was judged.
    pub is_incomplete: bool,
    /// The body without its content codings, if it was received with some. It is not stored: what reads the record decodes
    /// the body again.
    #[serde(skip)]
    pub decoded: Option<Bytes>,
}

impl KeptDelivery {
    /// The body as plugins read it; empty where that is a claim.
    pub fn body(&self) -> &Bytes {
        self.decoded.as_ref().unwrap_or(&self.request.body)
    }

    /// The content codings of the body as received; empty where it was not decoded.
    pub fn content_codings(&self) -> ContentCodings {
        match self.decoded {
            Some(_) => ContentCodings::of_headers(&self.request.headers).unwrap_or_default(),
            None => ContentCodings::default(),
        }
    }

    /// With the decoded body. What cannot be decoded was admitted as it is.
    pub(super) fn with_decoded(mut self) -> Self {
        let codings = ContentCodings::of_headers(&self.request.headers).unwrap_or_default();
        if !codings.is_empty() && !self.request.body.is_empty() {
            // The limit that the source had does not matter any more; that of the ratio holds.
            self.decoded = codings.decode(&self.request.body, u64::MAX).ok();
        }
        self
    }
}

/// A sender as one way of `auth` knows it; never what it was known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// How: `addresses`, `api-key`, `basic`, `jwt` or `mtls`.
    pub method: String,
    /// Who it is by that.
    pub subject: String,
}

/// The ways in which senders are known, as a plugin is told.
pub fn methods(senders: &[Sender]) -> Arc<[String]> {
    senders.iter().map(|sender| sender.method.clone()).collect()
}

/// A body that is kept in the object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The object.
    pub object: Uuid,
    /// In bytes.
    pub length: u64,
    /// Of the whole.
    pub sha256: [u8; 32],
    /// Of each part that is an event's own.
    pub ranges: Vec<(ByteRange, [u8; 32])>,
}

/// What makes an event known again: a hash over the source's name and the event's id (or payload).
pub type IdempotencyKey = [u8; 16];

/// The key of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKey {
    /// The key.
    pub hash: IdempotencyKey,
    /// How long it is remembered.
    pub lasts: Duration,
    /// From what it is made.
    pub kind: KeyKind,
}

/// From what the key of an event is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyKind {
    /// The provider's id of the event.
    Id,
    /// The bytes of its payload.
    Payload,
    /// What the provider makes anew for each delivery, together with the payload.
    Delivery,
    /// The bytes of its payload, because nothing declares what identifies it.
    Undeclared,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [KeyKind; 4] = [KeyKind::Id, KeyKind::Payload, KeyKind::Delivery, KeyKind::Undeclared];

    /// As the plugin declares it.
    pub fn declared(known_by: &KnownBy) -> KeyKind {
        match known_by {
            KnownBy::Id(_) => KeyKind::Id,
            KnownBy::Payload => KeyKind::Payload,
            KnownBy::Delivery(_) => KeyKind::Delivery,
            KnownBy::Undeclared => KeyKind::Undeclared,
        }
    }

    /// Its word in logs, metrics and the admin API.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::Id => "id",
            KeyKind::Payload => "payload",
            KeyKind::Delivery => "delivery",
            KeyKind::Undeclared => "undeclared",
        }
    }
}

/// A hash of what an event says: its identity, the URL it came to, and its payload.
pub type ContentHash = [u8; 16];

/// A verified delivery, to be made durable.
#[derive(Debug)]
pub struct Commit {
    /// The delivery.
    pub delivery: KeptDelivery,
    /// Its events, each with its key. An event without one is admitted whatever came before.
    pub events: Vec<(Admission, Option<EventKey>)>,
    /// The signatures by which it was verified, where they are to be known again.
    pub signatures: Signatures,
    /// How its events are put in order; none: they go on in the order of arrival.
    pub ordering: Option<SourceOrdering>,
}

/// Signatures to be known again, as keys of the idempotency space (made so that none is an event's).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// Their keys.
    pub keys: Vec<IdempotencyKey>,
    /// How long they are remembered; not longer than the keys of events.
    pub window: Duration,
}

/// What was out of the ordinary with an event's turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// It came after its turn.
    pub late: bool,
    /// It went before its time, since too many were held.
    pub overflow: bool,
    /// Its time lies too far ahead; that of its arrival stood in.
    pub ahead: bool,
    /// So many numbers before it did not come in time.
    pub missing: u64,
}

/// An event in the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The inbox is worked off in the order of tickets; each is given out once.
    pub ticket: u64,
    /// Which.
    pub event: EventId,
    /// What its outputs are marked with.
    pub marks: Marks,
}

/// Where an event is that is not transformed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In the inbox.
    Inbox,
    /// It is held until it is its turn.
    Held {
        /// Until when at the latest, in milliseconds since the epoch.
        until: u64,
        /// The number that it waits for; none where its time is all that is known.
        number: Option<u64>,
    },
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

/// An admitted event, as the stages after the commit see it.
#[derive(Clone, Debug)]
pub struct KeptEvent {
    /// Its id.
    pub id: EventId,
    /// The delivery that brought it.
    pub delivery: Arc<KeptDelivery>,
    /// What the plugin said of it.
    pub admission: Admission,
    /// What `transform` made of it; none while it waits for that.
    pub outputs: Option<Vec<CloudEvent>>,
}

/// How often an event came again under another id, was known by its signatures, and was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replays {
    /// So many times.
    pub count: u32,
    /// The last time, in milliseconds since the epoch.
    pub last: u64,
}

/// One output of an event on its way to one destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HandoffId {
    /// The destination's name.
    pub destination: String,
    /// The event.
    pub event: EventId,
    /// Which of the event's CloudEvents.
    pub output: u16,
}

/// One try at handing an event to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began, in milliseconds since the epoch.
    pub at: u64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What went wrong, in words; none for a success.
    pub error: Option<String>,
}

/// Where a handoff stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandoffState {
    /// To be tried at that time: in milliseconds of the journal's clock for waiting ([`super::Journal::wait_time`]), which
    /// setting the system's clock does not touch. Lists for operators tell it in milliseconds since the epoch.
    Pending(u64),
    /// Done at that time.
    Delivered(u64),
    /// Its attempts were spent, or it was refused for good, at that time.
    Dead(u64),
    /// It was dead, and an operator gave it up at that time.
    Discarded(u64),
    /// Since that time it waits for those before it in its strand.
    Waiting(u64),
}

impl HandoffState {
    /// Whether nothing is to be done for it any more.
    pub fn is_finished(self) -> bool {
        matches!(self, HandoffState::Delivered(_) | HandoffState::Discarded(_))
    }
}

/// A handoff with its whole history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// Where it stands.
    pub state: HandoffState,
    /// Every attempt, oldest first (bounded: the first [`FIRST_ATTEMPTS`](super::FIRST_ATTEMPTS) and the latest ones).
    pub attempts: Vec<Attempt>,
    /// Attempts since it was queued or redriven last; what the retry policy counts.
    pub tries: u32,
    /// Attempts that are not kept any more, between the first and the latest ones.
    pub left_out: u32,
    /// Its place in a strand, as long as it has one.
    pub place: Option<Place>,
}

/// The events of one ordering key of a source: at each destination their handoffs are a strand, and go out one after the
/// other in the order of fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strand {
    pub(super) hash: [u8; 16],
    pub(super) on_failure: OnFailure,
}

impl Strand {
    /// The strand of a source's ordering key.
    pub fn of(source: &str, ordering_key: &str, on_failure: OnFailure) -> Strand {
        let mut hash = Sha256::new();
        hash.update((source.len() as u64).to_be_bytes());
        hash.update(source);
        hash.update(ordering_key);
        let hash = hash.finalize().first_chunk().copied().unwrap_or_default();
        Strand { hash, on_failure }
    }
}

/// The place of a handoff in a strand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub(super) strand: [u8; 16],
    /// One more than that of the handoff before it.
    pub(super) number: u64,
    /// Whether it keeps its place as a dead letter, so that those behind it go on waiting.
    pub blocks: bool,
}

/// How things stand around a handoff that has a place in a strand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The first of the strand; all others wait for it.
    pub first: HandoffId,
    /// How many go before the handoff.
    pub before: u64,
    /// How many wait for it.
    pub behind: u64,
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

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            0 => write!(f, "{}", self.delivery),
            n => write!(f, "{}.{n}", self.delivery),
        }
    }
}

/// The text is no event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event id: it looks like 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f, with .1 behind it for a second event")]
pub struct NotAnEventId;

impl FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        let (uuid, index) = match text.split_once('.') {
            Some((uuid, index)) => (uuid, index.parse().map_err(|_| NotAnEventId)?),
            None => (text, 0),
        };
        let delivery = Uuid::parse_str(uuid).map_err(|_| NotAnEventId)?;
        Ok(EventId { delivery, index })
    }
}
