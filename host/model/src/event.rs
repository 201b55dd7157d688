//! Events and the deliveries that bring them, as they are kept.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;
use hookgate_capabilities::{Admission, CloudEvent, ContentCodings, KnownBy, Request};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;
use uuid::Uuid;

use crate::claim::{self, Claim, Reference};

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

    /// Adds the decoded body. A body that cannot be decoded was admitted as it is.
    pub fn with_decoded(mut self) -> Self {
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

/// How the sender was authenticated, as the plugin sees it.
pub fn methods(senders: &[Sender]) -> Arc<[String]> {
    senders.iter().map(|sender| sender.method.clone()).collect()
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
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
        self.into()
    }
}

/// A hash of what an event says: its identity, the URL it came to, and its payload.
pub type ContentHash = [u8; 16];

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

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            0 => write!(f, "{}", self.delivery),
            n => write!(f, "{}.{n}", self.delivery),
        }
    }
}

/// The text is not an event id.
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

impl Reference {
    /// What filters see of a payload that is kept elsewhere: as its destinations do, but for the URL. That is made anew for
    /// each attempt, and is only the path here.
    pub fn for_filters(event: &KeptEvent) -> Option<Reference> {
        let part = claim::part(event.delivery.claim.as_ref()?, &event.admission.payload)?;
        Some(Reference { url: format!("/claims/{}", event.id), length: part.length, sha256: part.sha256 })
    }
}
