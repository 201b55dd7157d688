//! The words of `wit/provider.wit` as plain data: what plugin and host say to each other.
//!
//! One definition serves the host, the native build of a plugin, and the store (serde). Field for field it is the WIT
//! package's interface `types`, whose comments hold here too.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stretch of the body, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// From the start of the body.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// Where an event stands among those of its ordering key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// The provider gives no order: order of arrival.
    Arrival,
    /// A number that grows by one from event to event.
    Sequence(u64),
    /// Milliseconds since the epoch.
    Timestamp(u64),
}

/// The hint by which events may be put in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordering {
    /// Events of one key are ordered among themselves.
    pub key: String,
    /// Its place among them.
    pub position: Position,
}

/// What distinguishes an event from every other event of its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KnownBy {
    /// The provider's own id of the event.
    Id(String),
    /// The bytes of the payload.
    Payload,
    /// Nothing: every delivery is a new event. What the provider makes anew for each delivery, if there is such a thing.
    Delivery(Option<String>),
    /// The provider does not say.
    #[default]
    Undeclared,
}

impl KnownBy {
    /// The provider's own id, where it has one.
    pub fn id(&self) -> Option<&str> {
        match self {
            KnownBy::Id(id) => Some(id),
            KnownBy::Payload | KnownBy::Delivery(_) | KnownBy::Undeclared => None,
        }
    }

    /// What it is called in vectors, logs and the admin API.
    pub fn name(&self) -> &'static str {
        match self {
            KnownBy::Id(_) => "id",
            KnownBy::Payload => "payload",
            KnownBy::Delivery(_) => "delivery",
            KnownBy::Undeclared => "undeclared",
        }
    }
}

/// Who an event is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What distinguishes it from every other event.
    pub known_by: KnownBy,
    /// What happened, in the provider's words.
    pub kind: Option<String>,
    /// When it happened, in milliseconds since the epoch.
    pub occurred_at: Option<u64>,
    /// The ordering hint.
    pub ordering: Option<Ordering>,
    /// What `transform` will want to know, by name.
    pub attributes: Vec<(String, String)>,
}

/// The bytes that are an event's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// The whole body.
    Body,
    /// A part of it.
    BodyRange(ByteRange),
    /// Bytes that the plugin made.
    Bytes(Vec<u8>),
}

/// One event that a delivery brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Who it is.
    pub identity: Identity,
    /// Its bytes.
    pub payload: Payload,
}

/// What the provider is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// An HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An authentic delivery and the events it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// At least one.
    pub events: Vec<Admission>,
    /// What to answer; none for the host's own 200.
    pub reply: Option<Reply>,
}

/// A secret that the provider hands over in a handshake, and the answer once it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// The name of the secret.
    pub secret: String,
    /// As it would stand in the configuration.
    pub value: String,
    /// What to answer.
    pub reply: Reply,
}

impl Enrollment {
    /// Whether the reply repeats the secret, which confirms to the provider that it is kept.
    pub fn is_repeated(&self) -> bool {
        let value = self.value.as_bytes();
        let in_headers = self.reply.headers.iter().any(|(_, text)| text.contains(&self.value));
        in_headers || (!value.is_empty() && self.reply.body.windows(value.len()).any(|window| window == value))
    }
}

/// Without the secret, and without the reply, which may repeat it.
impl fmt::Debug for Enrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrollment").field("secret", &self.secret).finish_non_exhaustive()
    }
}

/// What became of a delivery that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Events to keep.
    Admit(Accepted),
    /// Nothing to keep.
    Answer(Reply),
    /// Nothing to keep, and a URL to be got before the reply is sent.
    Confirm(Confirmation),
    /// A secret to keep.
    Enroll(Enrollment),
}

/// A handshake that is over when a URL of the provider's has been got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Where; it must fit what the source may confirm.
    pub url: String,
    /// What to answer when that has succeeded.
    pub reply: Reply,
}

/// Why a delivery is turned away; the text is for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401: no valid signature or token.
    Unauthenticated(String),
    /// 401: a signature outside its time.
    Stale(String),
    /// 400: cannot be read.
    Malformed(String),
    /// 422: of a kind that the plugin does not know.
    Unsupported(String),
    /// 503: the source's configuration does not let the plugin judge.
    Misconfigured(String),
}

/// The value of a CloudEvents extension attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtensionValue {
    /// A string.
    Text(String),
    /// An integer of 32 bits.
    Integer(i32),
    /// A boolean.
    Boolean(bool),
}

/// What a CloudEvent carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventData {
    /// Nothing.
    None,
    /// The event's payload, byte for byte.
    Payload,
    /// A JSON text.
    Json(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// An event as CloudEvents 1.0 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// With `source` unique for each event.
    pub id: String,
    /// A URI reference.
    pub source: String,
    /// Reverse-DNS, then the kind.
    pub type_: String,
    /// What it is about.
    pub subject: Option<String>,
    /// Milliseconds since the epoch.
    pub time: Option<u64>,
    /// A URI.
    pub data_schema: Option<String>,
    /// A media type.
    pub data_content_type: Option<String>,
    /// What it carries.
    pub data: EventData,
    /// Extension attributes.
    pub extensions: Vec<(String, ExtensionValue)>,
}

/// A secret (or public key) that a plugin wants of its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSpec {
    /// `secrets.NAME` in the configuration.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether the provider can hand it over in a handshake.
    pub handed_over: bool,
    /// What may stand in front of the key in the operator's text.
    pub prefixes: Vec<String>,
    /// One line.
    pub description: String,
}

/// A setting that a plugin understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingSpec {
    /// `settings.NAME` in the configuration.
    pub name: String,
    /// What holds when it is not set.
    pub default: Option<String>,
    /// One line.
    pub description: String,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Lower-case letters, digits and dashes.
    pub name: String,
    /// Semver.
    pub version: String,
    /// One line.
    pub summary: String,
    /// Where the provider documents its scheme.
    pub documentation: Vec<String>,
    /// The secrets it takes.
    pub secrets: Vec<SecretSpec>,
    /// The settings it takes.
    pub settings: Vec<SettingSpec>,
    /// The headers it reads, lower case.
    pub headers: Vec<String>,
    /// Patterns of URLs with keys.
    pub key_urls: Vec<String>,
    /// Patterns of URLs that confirm a subscription.
    pub confirm_urls: Vec<String>,
}

/// What to add to a delivery so that it is signed as the provider would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Headers to set.
    pub headers: Vec<(String, String)>,
    /// In place of the body.
    pub body: Option<Vec<u8>>,
}
