//! The API's JSON, as the gateway writes it and its clients read it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::{PartialSchema, ToSchema};

/// A moment, in milliseconds since the epoch; RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        // What lies behind the year 9999 is shown as the last moment there is.
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{time:.3}")
    }
}

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time: jiff::Timestamp = text.parse().map_err(|_| format!("{text:?} is no time as RFC 3339 has it"))?;
        u64::try_from(time.as_millisecond()).map(Time).map_err(|_| format!("{text} lies before 1970"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Time {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, schema::Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Time {}

/// Where an event stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// It is to be transformed and routed.
    Waiting,
    /// It waits for its turn among the events of its ordering key.
    Held,
    /// A handoff at least is to be tried, and none is dead.
    /// A handoff at least is to be tried or waits for its turn, and none is dead.
    Pending,
    /// A handoff at least is dead, or the event could not be transformed.
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
    /// Its own bytes.
    pub payload: Payload,
    /// What `transform` made of it; none while it waits for that.
    pub outputs: Option<Vec<Output>>,
    /// Its ways to destinations, with every attempt.
    pub handoffs: Vec<Handoff>,
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

/// A page of dead letters.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterList {
    /// The dead letters.
    pub dead_letters: Vec<DeadLetterSummary>,
    /// Where the next page begins; none on the last one.
    pub next_page: Option<String>,
}

/// Which dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterId {
    /// The destination; `transform` for events that could not be transformed.
    pub destination: String,
    /// The event's id.
    pub event: String,
    /// Which of the event's outputs, from 0.
    #[serde(default)]
    pub output: u16,
}

/// A dead letter in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterSummary {
    /// The destination; `transform` for events that could not be transformed.
    pub destination: String,
    /// The event's id.
    pub event: String,
    /// Which of the event's outputs, from 0.
    pub output: u16,
    /// When it died.
    pub died_at: Time,
    /// Attempts since it was queued or redriven last.
    pub tries: u32,
    /// The last attempt.
    pub last_attempt: Option<Attempt>,
    /// How many of its ordering key wait until it is redriven or discarded; none when it blocks no ordering key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u64>,
}

/// A dead letter with its event's whole story.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// The handoff, with every attempt.
    pub handoff: Handoff,
    /// The event.
    pub event: Event,
}

/// Which dead letters to redrive or discard: exactly one of the three.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedriveOrder {
    /// These.
    pub ids: Vec<DeadLetterId>,
    /// All of this destination.
    pub destination: Option<String>,
    /// All there are.
    pub all: bool,
}

/// How many dead letters are on their way again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    /// So many; those named that were no dead letters are not counted.
    pub redriven: usize,
}

/// How many dead letters were given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Discarded {
    /// So many; those named that were no dead letters are not counted.
    pub discarded: usize,
}

/// How the gateway does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The version of hookgate.
    pub version: String,
    /// The store's engine, `fjall` or `sled`.
    pub engine: String,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// Whether it takes deliveries; `reasons` say why not.
    pub ready: bool,
    /// What keeps it from taking deliveries.
    pub reasons: Vec<String>,
    /// The store.
    pub store: StoreStatus,
    /// Events that wait to be transformed and routed.
    pub inbox: QueueStatus,
    /// Events that wait for their turn, by source; those with none are left out.
    pub held: BTreeMap<String, u64>,
    /// By destination, those with something in the queue or dead, whether they are configured or not.
    pub queues: BTreeMap<String, DestinationQueue>,
}

/// How the store does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Its directory.
    pub path: String,
    /// Bytes on disk, roughly.
    pub bytes: u64,
    /// Deliveries kept.
    pub deliveries: u64,
    /// Idempotency keys kept.
    pub keys: u64,
}

/// How long a queue is, and for how long it has been.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    /// Events in it.
    pub depth: u64,
    /// Since when the oldest has been waiting.
    pub oldest_at: Option<Time>,
    /// The same as an age.
    pub oldest_seconds: Option<u64>,
}

/// A destination's queue and dead letters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct DestinationQueue {
    /// What waits.
    #[serde(flatten)]
    pub queue: QueueStatus,
    /// Its dead letters.
    pub dead: u64,
    /// Of what waits, how much waits for another event of its ordering key.
    #[serde(default)]
    pub waiting: u64,
    /// Of the dead letters, how many block their ordering key.
    #[serde(default)]
    pub blocking: u64,
}

/// Whether the gateway takes deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether it does.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

/// The sources.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceList {
    /// In the order of the configuration.
    pub sources: Vec<Source>,
}

/// A configured inbound endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What providers are told.
    pub url: String,
    /// Its plugin.
    pub plugin: String,
    /// Each secret's name, and how many live versions it has.
    pub secrets: BTreeMap<String, usize>,
    /// What the plugin is told.
    pub settings: BTreeMap<String, String>,
    /// Bytes of body at most.
    pub body_bytes_max: u64,
    /// Verified deliveries, as `200/1s, 400 at once`; none: as many as come.
    pub rate: Option<String>,
    /// How long an idempotency key is remembered.
    pub idempotency_ttl_seconds: u64,
}

/// The destinations.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DestinationList {
    /// In the order of the configuration.
    pub destinations: Vec<Destination>,
}

/// Where events go.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// `http`, `jsonl` or `stdout`.
    pub kind: String,
    /// The URL (credentials are masked) or the file.
    pub target: Option<String>,
    /// Its queue and dead letters.
    #[serde(flatten)]
    pub queue: DestinationQueue,
    /// Whether it is left alone after many failures in a row; none where that is not known.
    pub breaker_open: Option<bool>,
    /// Attempts at once.
    pub concurrency: usize,
    /// Attempts in a period, as `50/1s, 50 at once`; none: as many as there are.
    pub rate: Option<String>,
    /// Attempts before an event becomes a dead letter.
    pub attempts_max: u32,
}

/// The plugins in use.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginList {
    /// By name.
    pub plugins: Vec<PluginSummary>,
}

/// A plugin in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginSummary {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// `bundled`, or the component's file.
    pub origin: String,
    /// The SHA-256 of its component, in hex.
    pub hash: String,
    /// The sources that use it.
    pub sources: Vec<String>,
}

/// A plugin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    /// As in the list.
    #[serde(flatten)]
    pub summary: PluginSummary,
    /// Bytes of its component.
    pub component_bytes: u64,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Whether it can sign as the provider does.
    pub signs: bool,
    /// Where the provider documents its scheme.
    pub documentation: Vec<String>,
    /// The secrets that it takes.
    pub secrets: Vec<SecretSpec>,
    /// The settings that it takes.
    pub settings: Vec<SettingSpec>,
    /// The headers that it reads.
    pub headers: Vec<String>,
    /// Patterns of the URLs with keys that it has the gateway fetch.
    pub key_urls: Vec<String>,
    /// Patterns of the URLs by which it confirms subscriptions.
    pub confirm_urls: Vec<String>,
}

/// The secrets that providers have handed over.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretList {
    /// By name.
    pub sources: Vec<SourceSecrets>,
}

/// Those of a source.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceSecrets {
    /// Its name.
    pub source: String,
    /// Until when it takes further ones; missing where it takes none, but for a first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Time>,
    /// What is kept, newest first.
    pub secrets: Vec<HandedOverSecret>,
}

/// A secret that was handed over, but for what it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HandedOverSecret {
    /// Its name.
    pub secret: String,
    /// Which one of that name.
    pub version: String,
    /// When it was handed over.
    pub handed_over_at: Time,
}

/// Lets a source take further secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpenOrder {
    /// Its name.
    pub source: String,
    /// For how long; 600 where it is not said.
    #[schema(minimum = 1, maximum = 86400)]
    pub seconds: Option<u64>,
}

/// A source takes further secrets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Opened {
    /// Its name.
    pub source: String,
    /// Until then.
    pub open_until: Time,
}

/// Which secrets to forget: `versions` or `all`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForgetOrder {
    /// The source's name.
    pub source: String,
    /// These.
    pub versions: Vec<String>,
    /// All that the source has.
    pub all: bool,
}

/// Secrets are gone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Forgotten {
    /// How many.
    pub forgotten: usize,
}

/// A secret that a plugin takes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretSpec {
    /// `secrets.NAME` in the configuration.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether the provider can hand it over in a handshake.
    pub handed_over: bool,
    /// What it is.
    pub description: String,
}

/// A setting that a plugin takes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SettingSpec {
    /// `settings.NAME` in the configuration.
    pub name: String,
    /// What holds when it is not set.
    pub default: Option<String>,
    /// What it does.
    pub description: String,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_to_the_millisecond() {
        assert_eq!(Time(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!("2023-11-14T23:13:20.123+01:00".parse(), Ok(Time(1_700_000_000_123)));
        assert!(Time(u64::MAX).to_string().starts_with("9999-"));
        assert!("1700000000".parse::<Time>().is_err() && "1969-12-31T00:00:00Z".parse::<Time>().is_err());
    }
}
