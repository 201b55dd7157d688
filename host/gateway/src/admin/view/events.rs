//! Events, with everything that is known of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{AdmittedByHand, Recurrences, Time};

/// Where an event stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// It is to be transformed and routed.
    Waiting,
    /// It waits for its turn among the events of its ordering key.
    Held,
    /// A handoff is to be tried or waits for its turn, and none is dead.
    Pending,
    /// A handoff is dead, or the event could not be transformed.
    Dead,
    /// Every handoff has arrived or was given up.
    Delivered,
    /// No route wanted it.
    Unrouted,
    /// It came after its turn and was given up.
    Dropped,
}

/// Where a handoff stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffState {
    /// It is to be tried.
    Pending,
    /// It has arrived.
    Delivered,
    /// It is a dead letter.
    Dead,
    /// It was a dead letter, and was given up.
    Discarded,
    /// It waits for those before it of its ordering key.
    Waiting,
}

/// A page of events.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    /// The events; may be none although more pages follow.
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
    /// The destination; `transform` stands for the transformation itself, `ordering` for an event's place among the others.
    pub destination: String,
    /// Which of the event's outputs, from 0.
    pub output: u16,
    /// Where it stands.
    pub state: HandoffState,
    /// When it is to be tried, has arrived, or died; since when it waits for its turn.
    pub at: Time,
}

/// An event that waits for its turn among the events of its ordering key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// When it goes on at the latest.
    pub until: Time,
    /// The number that it waits for; none where events before it may come or not.
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
    /// How long it is held; none when it is not.
    pub held: Option<Held>,
    /// When the delivery was received.
    pub received_at: Time,
    /// The trace id that every log line, reply and attempt of it has.
    pub trace: String,
    /// The plugin that admitted it.
    pub plugin: PluginVersion,
    /// What the plugin said of it.
    pub identity: Identity,
    /// The delivery that brought it.
    pub request: Request,
    /// What its sender has proven, as the source's `auth` asks.
    pub authenticated_by: Vec<Proof>,
    /// How often it came again under another id and was turned away, where the source has `replay`; none when it did not.
    pub replays: Option<Replays>,
    /// How often it came again and was dropped; none when it did not, or once its key is forgotten.
    #[serde(default)]
    pub duplicates: Option<Recurrences>,
    /// Of what it was a duplicate, where an operator had it admitted; none for any other event.
    #[serde(default)]
    pub admitted_by_hand: Option<AdmittedByHand>,
    /// Its own bytes.
    pub payload: Payload,
    /// What `transform` made of it; none while it waits for that.
    pub outputs: Option<Vec<Output>>,
    /// Its ways to destinations, with every attempt.
    pub handoffs: Vec<Handoff>,
}

/// Deliveries that were known by the signatures of an event, and were not admitted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Replays {
    /// How many.
    pub count: u32,
    /// When the last one came.
    pub last_at: Time,
}

/// Something that a sender has proven of itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// `addresses`, `api-key`, `basic`, `jwt` or `mtls`.
    pub method: String,
    /// Who it is by that: an address, an owner of a key, a user, the subject of a token, a name of a certificate.
    pub subject: String,
}

/// Which plugin, to the bit.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginVersion {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its component, in hex.
    pub hash: String,
}

/// What a plugin says of an event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The provider's own id.
    pub id: Option<String>,
    /// What tells the event from others, as its plugin declares: `id`, `payload`, `delivery` (every delivery is a new
    /// event) or `undeclared`.
    pub known_by: String,
    /// What happened, in the provider's words.
    pub kind: Option<String>,
    /// When it happened.
    pub occurred_at: Option<Time>,
    /// Events of one key are ordered among themselves.
    pub ordering_key: Option<String>,
    /// Its place in the order, where that is a number.
    pub ordering_sequence: Option<u64>,
    /// Its place in the order, where that is a time.
    pub ordering_time: Option<Time>,
    /// Whatever else the plugin keeps for `transform`.
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
    /// The bytes, in base64, when they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// The same as text, when they were asked for and are UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where they are, when they are in the object store; they are not here then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

/// A payload that is in the object store.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    /// A link to it, good for `claims.url-ttl` from now.
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
    /// What the data is: the payload itself, or something that the plugin made.
    pub data_kind: DataKind,
    /// Data that the plugin made, when the payload was asked for: JSON as it is, text as a string, bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub data: Option<Box<RawValue>>,
}

/// What a CloudEvent's data is.
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
    /// Attempts since it was queued or redriven last.
    pub tries: u32,
    /// Every attempt, oldest first; of more than 64 the first 8 and the latest 56.
    pub attempts: Vec<Attempt>,
    /// How many attempts between the first 8 and the latest are not kept any more.
    #[serde(default)]
    pub attempts_left_out: u32,
    /// Where it stands in the order of its ordering key, while it is to be kept in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
}

/// How things stand around a handoff that is kept in order with others of its ordering key at its destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Turn {
    /// The event of the first one, for which all others wait.
    pub first_event: String,
    /// Which of that event's outputs, from 0.
    pub first_output: u16,
    /// How many go before this one.
    pub before: u64,
    /// How many wait for this one.
    pub behind: u64,
}

/// One try at handing an event over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// When it began.
    pub at: Time,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What went wrong; none for a success.
    pub error: Option<String>,
}

/// What to do with an event once more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayOrder {
    /// Where to hand it to again. Without any: to wherever it went before.
    pub destinations: Vec<String>,
    /// Have the plugin transform it again, as it is now, and the routes say where it goes.
    pub transform: bool,
}

/// That an event is on its way again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// The event.
    pub event: String,
    /// Where to; none when the routes will say.
    pub destinations: Vec<String>,
    /// Whether it is transformed again.
    pub transform: bool,
}
