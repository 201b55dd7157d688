//! The format of a vector.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hookgate_capabilities::{Descriptor, FetchedKeys, Request, SecretText};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::Value;

use crate::keys::Documents;

/// A delivery and the verdict that it must get. Unknown fields are ignored: they are notes.
#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    /// Unique within its plugin.
    pub id: String,
    /// What it shows.
    pub note: Option<String>,
    /// Where it is from: `official` (the provider's own documentation or tests), `derived-from-official`, `third-party`,
    /// `derived` (computed here from a description of the scheme) or `own`.
    pub origin: Option<String>,
    /// The document or test that it was taken from.
    pub source: Option<String>,
    /// How the operator's text becomes a key; a note, as plugins know it (or have a setting for it).
    pub key_encoding: Option<String>,
    /// The operator's text of the plugin's first required secret, or of its first one where none is required. A list
    /// holds several live versions, newest first.
    pub secret: Option<Texts>,
    /// As `secret`, of the secret `public-key` where the plugin has one of that name.
    pub public_key: Option<Texts>,
    /// Operators' texts by the secret's name, beside or in place of the two above.
    #[serde(default)]
    pub secrets: BTreeMap<String, Texts>,
    /// The source's settings; values other than texts are written as JSON, as the configuration does.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// What the host would fetch, by URL: texts, or JSON. A URL that is neither here nor one of the plugin's `key-urls` is
    /// not allowed.
    #[serde(default)]
    pub keys: BTreeMap<String, Value>,
    /// The ways in which the source's `auth` knew the sender: `jwt`, `basic`, ...
    #[serde(default)]
    pub authenticated_by: Vec<String>,
    /// Upper case; `POST` by default.
    pub method: Option<String>,
    /// Absolute, as the provider saw it.
    pub url: Option<String>,
    /// Names, each with a value or a list of values for a header that is doubled. `{"hex": "ff"}` stands for bytes.
    #[serde(default, deserialize_with = "headers")]
    pub headers: Vec<Header>,
    /// The body as text; or `body_base64`, or `body_hex`.
    pub body: Option<String>,
    /// The body as base64.
    pub body_base64: Option<Bytes<Base64>>,
    /// The body as hex.
    pub body_hex: Option<Bytes<Hex>>,
    /// When it is received, in seconds since the epoch.
    pub now_unix: Option<f64>,
    /// Whether it must be taken (admitted or answered) or refused.
    pub valid: bool,
    /// The reply that the provider must get.
    pub expected_output: Option<ExpectedOutput>,
    /// Further results.
    #[serde(default)]
    pub expect: Expect,
}

/// A header's name and value.
pub type Header = (String, Vec<u8>);

/// One text, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// Several, newest first.
    Several(Vec<String>),
}

/// The reply that the provider must get; absent fields match anything.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ExpectedOutput {
    /// The status; for a reply that the host makes up, none.
    pub status: Option<u16>,
    /// Headers that must be there with exactly these values; names in any case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The whole body, as text.
    pub body: Option<String>,
    /// The whole body, as a JSON value.
    pub body_json: Option<Value>,
}

/// The result that a delivery must have; absent fields match anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The events admitted, all of them, in order; `[]` for a delivery that is answered and admits nothing.
    pub events: Option<Vec<ExpectedEvent>>,
    /// What `transform` makes of those events, all of it, in order.
    pub cloud_events: Option<Vec<ExpectedCloudEvent>>,
    /// The secret that is handed over: its name and value; `{}` for none.
    pub enrolls: Option<BTreeMap<String, String>>,
    /// Why it is refused.
    pub refusal: Option<RefusalKind>,
    /// The URL that the host must get before it replies.
    pub confirm: Option<String>,
}

/// An event that must be admitted; absent fields match anything, `null` is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedEvent {
    /// The provider's id.
    #[serde(default, deserialize_with = "said")]
    pub id: Option<Option<String>>,
    /// What identifies the event: `id`, `payload`, `delivery` or `undeclared`.
    pub known_by: Option<String>,
    /// The kind.
    #[serde(default, deserialize_with = "said")]
    pub kind: Option<Option<String>>,
    /// Milliseconds since the epoch.
    #[serde(default, deserialize_with = "said")]
    pub occurred_at: Option<Option<u64>>,
    /// The ordering key.
    #[serde(default, deserialize_with = "said")]
    pub ordering_key: Option<Option<String>>,
    /// The place in the order, where it is a sequence number.
    pub sequence: Option<u64>,
    /// The event's own bytes, as text.
    pub payload: Option<String>,
    /// The event's own bytes, as a JSON value.
    pub payload_json: Option<Value>,
}

/// A CloudEvent that must come out; absent fields match anything, `null` is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCloudEvent {
    /// `id`
    pub id: Option<String>,
    /// `source`
    pub source: Option<String>,
    /// `type`
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// `subject`
    #[serde(default, deserialize_with = "said")]
    pub subject: Option<Option<String>>,
    /// `time`, in milliseconds since the epoch.
    #[serde(default, deserialize_with = "said")]
    pub time: Option<Option<u64>>,
    /// `datacontenttype`
    #[serde(default, deserialize_with = "said")]
    pub data_content_type: Option<Option<String>>,
    /// The data, where the plugin has made it as JSON.
    pub data_json: Option<Value>,
}

/// The kinds of refusal, as the contract names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// 401
    Unauthenticated,
    /// 401
    Stale,
    /// 400
    Malformed,
    /// 422
    Unsupported,
    /// 503
    Misconfigured,
}

/// The text holds no vectors.
#[derive(Debug, thiserror::Error)]
#[error("no conformance vectors: {0}; a file holds a JSON object, or an array of them")]
pub struct NotVectors(#[from] serde_json::Error);

/// Reads a vector, or an array of them.
///
/// # Errors
/// It is not JSON, or not in the format of [`Vector`].
pub fn parse(json: &str) -> Result<Vec<Vector>, NotVectors> {
    if json.trim_start().starts_with('[') {
        Ok(serde_json::from_str(json)?)
    } else {
        Ok(vec![serde_json::from_str(json)?])
    }
}

/// When a vector that does not say it is received.
const NOW_UNIX: f64 = 1_700_000_000.0;

impl Vector {
    /// The delivery.
    pub fn request(&self) -> Request {
        let url = self.url.as_deref().filter(|url| !url.is_empty());
        Request {
            method: self.method.clone().unwrap_or_else(|| "POST".to_owned()),
            url: url.unwrap_or("https://hooks.example.com/in/source").to_owned(),
            headers: self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
            received_at: (self.now_unix.unwrap_or(NOW_UNIX) * 1000.0).round() as u64,
            body: self.body_bytes().into(),
        }
    }

    /// The source's settings.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.params.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// The source's secrets, for a plugin that describes itself so.
    pub fn secrets(&self, descriptor: &Descriptor) -> BTreeMap<String, Vec<SecretText>> {
        let specs = &descriptor.secrets;
        let main = specs.iter().find(|spec| spec.required).or(specs.first()).map(|spec| spec.name.as_str());
        let public = specs.iter().map(|spec| spec.name.as_str()).find(|name| *name == "public-key").or(main);
        let implied = [(main, &self.secret), (public, &self.public_key)];
        let implied = implied.into_iter().filter_map(|(name, texts)| Some((name?, texts.as_ref()?)));
        let named = self.secrets.iter().map(|(name, texts)| (name.as_str(), texts));
        implied.chain(named).map(|(name, texts)| (name.to_owned(), texts.secret_texts())).collect()
    }

    /// The documents with keys, for a plugin that describes itself so.
    pub fn keys(&self, descriptor: &Descriptor) -> Arc<dyn FetchedKeys> {
        Documents::new(self.keys.clone(), descriptor)
    }

    fn body_bytes(&self) -> Vec<u8> {
        let encoded = [self.body_base64.as_ref().map(|b| &b.0), self.body_hex.as_ref().map(|b| &b.0)];
        let text = self.body.as_deref().unwrap_or_default();
        encoded.into_iter().flatten().next().cloned().unwrap_or_else(|| text.as_bytes().to_vec())
    }
}

impl Texts {
    fn secret_texts(&self) -> Vec<SecretText> {
        let texts = match self {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Several(texts) => texts,
        };
        texts.iter().cloned().map(SecretText::new).collect()
    }
}

/// Bytes that stand in the file as text of some encoding.
#[derive(Clone, Debug)]
pub struct Bytes<E>(pub Vec<u8>, std::marker::PhantomData<E>);

/// How bytes stand in a file.
pub trait TextOfBytes {
    /// The bytes, or what is wrong with the text.
    fn decode(text: &str) -> Result<Vec<u8>, String>;
}

/// Base64, standard alphabet, padded.
#[derive(Clone, Debug)]
pub struct Base64;

/// Hex, in either case.
#[derive(Clone, Debug)]
pub struct Hex;

impl TextOfBytes for Base64 {
    fn decode(text: &str) -> Result<Vec<u8>, String> {
        BASE64_STANDARD.decode(text).map_err(|error| format!("not base64: {error}"))
    }
}

impl TextOfBytes for Hex {
    fn decode(text: &str) -> Result<Vec<u8>, String> {
        hex::decode(text).map_err(|error| format!("not hex: {error}"))
    }
}

impl<'de, E: TextOfBytes> Deserialize<'de> for Bytes<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        E::decode(&text).map(|bytes| Bytes(bytes, std::marker::PhantomData)).map_err(D::Error::custom)
    }
}

/// Distinguishes an absent field (`None`) from `null` (`Some(None)`).
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Headers in the order of the file.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Header>, D::Error> {
    struct InOrder;

    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<Header>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of header names and values")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut headers = Vec::new();
            while let Some((name, values)) = map.next_entry::<String, HeaderValues>()? {
                let values = match values {
                    HeaderValues::One(value) => vec![value],
                    HeaderValues::Several(values) => values,
                };
                headers.extend(values.into_iter().map(|value| (name.clone(), value.bytes())));
            }
            Ok(headers)
        }
    }

    deserializer.deserialize_map(InOrder)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderValues {
    One(HeaderValue),
    Several(Vec<HeaderValue>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum HeaderValue {
    Text(String),
    Hex { hex: Bytes<Hex> },
}

impl HeaderValue {
    fn bytes(self) -> Vec<u8> {
        match self {
            HeaderValue::Text(text) => text.into_bytes(),
            HeaderValue::Hex { hex } => hex.0,
        }
    }
}
