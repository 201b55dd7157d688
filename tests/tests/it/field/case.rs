//! The format of a case.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;

/// A case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Reports and documents.
    pub source: String,
    /// What must happen, and why.
    pub right: String,
    /// Sources, destinations and routes, as TOML; `$RECEIVER` is the address of the destination.
    #[serde(default)]
    pub config: String,
    /// Lines of `[server]`.
    #[serde(default)]
    pub server: String,
    /// How the destination answers, one after the other; the last one for ever.
    #[serde(default)]
    pub receiver: Vec<Answer>,
    #[serde(default)]
    pub steps: Vec<Step>,
    pub received: Option<Received>,
    /// Files of a scratch directory, `$DIR`, for commands.
    #[serde(default)]
    pub files: BTreeMap<String, Content>,
    pub commands: Option<Vec<Command>>,
    /// Environment variables of the commands.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// What is done next.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Step {
    Pause { pause_seconds: f64 },
    Send(Box<Send>),
}

/// A request, how it is signed, and what must be answered.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    pub request: Request,
    #[serde(default)]
    pub sign: Signatures,
    /// The HMAC key of Adyen, in hex: each item is signed.
    pub adyen: Option<String>,
    /// `status`, `body` and names of headers.
    pub expect: BTreeMap<String, Value>,
}

/// A request.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    #[serde(default = "post")]
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
    /// A document nested this number of levels deep within another one, at `$DEEP`.
    pub body_nested: Option<Nested>,
    /// With a byte order mark before the body.
    #[serde(default)]
    pub bom: bool,
    /// Compressed with gzip.
    #[serde(default)]
    pub gzip: bool,
    /// In chunks of this size in bytes.
    pub chunked: Option<usize>,
    /// Behind the chunks.
    #[serde(default)]
    pub trailers: BTreeMap<String, String>,
    /// `HTTP/1.1` where it is not said.
    pub version: Option<String>,
    #[serde(default)]
    pub no_host: bool,
    /// The body is only sent when 100 Continue has come.
    #[serde(default)]
    pub wait_for_continue: bool,
}

#[derive(Clone, Deserialize)]
pub struct Nested {
    pub levels: usize,
    pub around: String,
}

/// None, one or several.
#[derive(Clone, Default, Deserialize)]
#[serde(untagged)]
pub enum Signatures {
    #[default]
    None,
    One(Signature),
    Several(Vec<Signature>),
}

/// A header: prefix, encoded HMAC of the content, suffix.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub header: String,
    pub secret: String,
    /// Of the secret: `hex` or `base64`; else its bytes.
    pub key: Option<String>,
    /// `sha256` where it is not said.
    pub digest: Option<String>,
    /// `hex` where it is not said.
    pub encoding: Option<String>,
    /// `<body>` where it is not said; `<sha256>` is the digest of the body in hex.
    pub content: Option<String>,
    /// `wire`: the body as it is sent, which is compressed.
    pub over: Option<String>,
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub suffix: String,
}

/// An answer of the destination.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    #[serde(default)]
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
    /// The length that it says, where that is another one.
    pub announce: Option<usize>,
    /// The connection is held open without the rest, until the client has enough.
    #[serde(default)]
    pub stall: f64,
    #[serde(default)]
    pub close_after: bool,
    #[serde(default)]
    pub close_without_answer: bool,
}

/// What must arrive at the destination.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Received {
    pub count: usize,
    /// Of each message JSON Pointers into `{ headers, body, path }`.
    #[serde(default)]
    pub messages: Vec<BTreeMap<String, Value>>,
    /// Several sources sent them: each of `messages` is somewhere among those that arrived.
    #[serde(default)]
    pub in_any_order: bool,
    /// The second one does not come sooner after the first one.
    pub gap_at_least_ms: Option<u64>,
}

/// A command line of the binary.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    pub run: Vec<String>,
    pub label: Option<String>,
    pub status: Option<Value>,
    pub output: Option<Value>,
}

/// A file.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    Base64 { base64: String },
}

impl Content {
    pub fn bytes(&self, place: &str) -> Vec<u8> {
        match self {
            Content::Text(text) => text.replace("$DIR", place).into_bytes(),
            Content::Base64 { base64 } => BASE64_STANDARD.decode(base64).unwrap(),
        }
    }
}

impl Signatures {
    pub fn all(&self) -> &[Signature] {
        match self {
            Signatures::None => &[],
            Signatures::One(one) => std::slice::from_ref(one),
            Signatures::Several(several) => several,
        }
    }
}

fn post() -> String {
    "POST".to_owned()
}

/// Notes where something is not as expected: equal, or `{ "any_of": [...] }`, or `{ "contains": "..." }`.
pub fn check(what: &str, expected: &Value, actual: &Value, wrong: &mut Vec<String>) {
    let text = || actual.as_str().map_or_else(|| actual.to_string(), str::to_owned);
    let is_right = match (&expected["any_of"], &expected["contains"]) {
        (Value::Array(any), _) => any.contains(actual),
        (_, Value::String(part)) => text().contains(part),
        _ => expected == actual,
    };
    if !is_right {
        wrong.push(format!("{what} is {actual}, and should be {expected}"));
    }
}
