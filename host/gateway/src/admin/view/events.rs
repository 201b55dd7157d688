//! Events and their stories.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub use hookgate_model::handoff::EventState;

use super::{AdmittedByHand, Recurrences, Time};

/// Where a handoff stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffState {
    /// It waits for an attempt.
    Pending,
    /// It has arrived.
    Delivered,
    /// It is a dead letter.
    Dead,
    /// It was a dead letter and was discarded.
    Discarded,
    /// It waits for earlier handoffs of its ordering key.
    Waiting,
}

/// A page of events.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    /// The events; a page may be empty although more pages follow.
    pub events: Vec<EventSummary>,
    /// Where the next page begins; none on the last one.
    pub next_page: Option<String>,
}

/// An event in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventSummary {
    /// Its id.
    pub id: String,
    /// The source that admitted it.
    pub source: String,
    /// When it was admitted.
    pub admitted_at: Time,
    /// What happened, in the provider's words.
    pub kind: Option<String>,
    /// The provider's own id.
    pub provider_id: Option<String>,
    /// Where it stands.
    pub state: EventState,
    /// Its ways to destinations.
    pub handoffs: Vec<HandoffSummary>,
}

/// A handoff in a list: one output on its way to one destination.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HandoffSummary {
    /// The destination; `transform` stands for the transformation itself, `ordering` for an event that was late.
    pub destination: String,
    /// Which of the event's outputs, from 0.
    pub output: u16,
    /// Where it stands.
    pub state: HandoffState,
    /// When it is due, arrived, or died, or since when it waits for its turn.
    pub at: Time,
}

/// An event that waits for its turn among the events of its ordering key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// When it is released at the latest.
    pub until: Time,
    /// The number that it waits for; none if events are ordered by time.
    pub number: Option<u64>,
}

/// An event's whole story.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// The source that admitted it.
    pub source: String,
    /// Where it stands.
    pub state: EventState,
    /// Until when it is held; none if it is not.
    pub held: Option<Held>,
    /// When the delivery was received.
    pub received_at: Time,
    /// The trace id that every log line, reply and attempt of it has.
    pub trace: String,
    /// The plugin that admitted it.
    pub plugin: PluginVersion,
    /// What the plugin says about it.
    pub identity: Identity,
    /// The delivery that brought it.
    pub request: Request,
    /// What its sender has proven to the source's `auth`.
    pub authenticated_by: Vec<Proof>,
    /// How often it came again under another id and was not admitted, if the source has `replay`; none if it did not.
    pub replays: Option<Replays>,
    /// How often it came again and was dropped; none if it did not, or if its key has expired.
    #[serde(default)]
    pub duplicates: Option<Recurrences>,
    /// The event of which it was a duplicate, if an operator admitted it; none for any other event.
    #[serde(default)]
    pub admitted_by_hand: Option<AdmittedByHand>,
    /// Its own bytes.
    pub payload: Payload,
    /// The outputs of `transform`; none before it ran.
    pub outputs: Option<Vec<Output>>,
    /// Its ways to destinations, with every attempt.
    pub handoffs: Vec<Handoff>,
}

/// Deliveries that were recognised by the signatures of an event, and not admitted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Replays {
    /// How many.
    pub count: u32,
    /// When the last one came.
    pub last_at: Time,
}

/// An identity that a sender has proven.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// `addresses`, `api-key`, `basic`, `jwt` or `mtls`.
    pub method: String,
    /// The identity: an address, an owner of a key, a user, the subject of a token, a name of a certificate.
    pub subject: String,
}

/// A version of a plugin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginVersion {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its component, in hex.
    pub hash: String,
}

/// What a plugin says about an event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The provider's own id.
    pub id: Option<String>,
    /// What identifies the event, as its plugin declares: `id`, `payload`, `delivery` (every delivery is a new
    /// event) or `undeclared`.
    pub known_by: String,
    /// What happened, in the provider's words.
    pub kind: Option<String>,
    /// When it happened.
    pub occurred_at: Option<Time>,
    /// The key whose events are kept in order.
    pub ordering_key: Option<String>,
    /// Its position in the order, if that is a number.
    pub ordering_sequence: Option<u64>,
    /// Its position in the order, if that is a time.
    pub ordering_time: Option<Time>,
    /// Further data that the plugin keeps for `transform`.
    pub attributes: BTreeMap<String, String>,
}

/// The delivery that brought an event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// The method.
    pub method: String,
    /// As the provider saw it; credentials in the query are masked.
    pub url: String,
    /// The headers that the journal keeps: those that the plugin reads, in order. Credentials are masked.
    pub headers: Vec<Header>,
    /// Bytes of the body.
    pub body_bytes: u64,
}

/// A header.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// As text; credentials are `***`.
    pub value: String,
}

/// An event's own bytes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Payload {
    /// How many.
    pub bytes: u64,
    /// The bytes in base64, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// The bytes as text, if requested and valid UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A link to the bytes, if they are in the object store; then they are not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

/// A payload that is in the object store.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    /// A link to it, valid for `claims.url-ttl` from now.
    pub url: String,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

/// A CloudEvent that was made of an event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Output {
    /// `id`
    pub id: String,
    /// `source`
    pub source: String,
    /// `type`
    #[serde(rename = "type")]
    pub type_: String,
    /// `subject`
    pub subject: Option<String>,
    /// `time`
    pub time: Option<Time>,
    /// `dataschema`
    pub dataschema: Option<String>,
    /// `datacontenttype`
    pub datacontenttype: Option<String>,
    /// Extension attributes: texts, numbers and booleans.
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    pub extensions: BTreeMap<String, serde_json::Value>,
    /// The kind of its data: the payload itself, or data made by the plugin.
    pub data_kind: DataKind,
    /// Data made by the plugin, if the payload was requested: JSON unchanged, text as a string, bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub data: Option<Box<RawValue>>,
}

/// The kind of a CloudEvent's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataKind {
    /// There is none.
    None,
    /// The event's payload, byte for byte.
    Payload,
    /// JSON.
    Json,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A handoff with its history.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Handoff {
    /// Where it stands.
    #[serde(flatten)]
    pub summary: HandoffSummary,
    /// Attempts since it was last queued or redriven.
    pub tries: u32,
    /// Every attempt, oldest first; of more than 64 the first 8 and the latest 56.
    pub attempts: Vec<Attempt>,
    /// The number of attempts between the first 8 and the latest, which are no longer kept.
    #[serde(default)]
    pub attempts_left_out: u32,
    /// Its place among the handoffs of its ordering key, while it is kept in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
}

/// The place of a handoff among those of its ordering key at its destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Turn {
    /// The event of the first handoff, for which all others wait.
    pub first_event: String,
    /// Which of that event's outputs, from 0.
    pub first_output: u16,
    /// The number of handoffs before this one.
    pub before: u64,
    /// The number of handoffs that wait for this one.
    pub behind: u64,
}

/// One attempt at a handoff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// When it began.
    pub at: Time,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// What went wrong; none for a success.
    pub error: Option<String>,
}

/// How to replay an event.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayOrder {
    /// The destinations; without any, those that it went to before.
    pub destinations: Vec<String>,
    /// Transform it again with the current plugin, and route it again.
    pub transform: bool,
}

/// A replay that has begun.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// The event.
    pub event: String,
    /// The destinations; none if it is routed again.
    pub destinations: Vec<String>,
    /// Whether it is transformed again.
    pub transform: bool,
}
