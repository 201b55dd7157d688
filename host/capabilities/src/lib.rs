//! What hookgate lends a provider plugin, natively: a delivery to read, an event to transform, secrets to check against.
//!
//! The gateway puts these types behind the WIT handles of `wit/provider.wit`; a plugin that is compiled natively (unit
//! tests, the benchmark's native twin) uses them directly; the edge wraps them as a component. Methods have the names and
//! signatures that wit-bindgen gives an importing plugin, so that one source compiles both ways. Where a plugin can break
//! the contract there is a `try_` twin beside the method, for the host: its error ends the plugin's call.

mod body;
mod delivery;
mod digest;
mod encoding;
mod error;
mod fetched;
mod json;
mod json_stream;
mod key_document;
mod message;
mod proofs;
mod request;
mod secret;
mod secret_text;
mod signature;
mod types;
mod url_pattern;

pub use body::{Body, ReadBytes};
pub use delivery::{Delivery, Event};
pub use digest::Digest;
pub use encoding::Encoding;
pub use error::CapabilityError;
pub use fetched::{FetchedKeys, Found, KeyError, KeyField, KeyFormat, KeyNeed, KeyRequest, KeySet, OwnedKeyField};
pub use json::{JsonAnswer, JsonValue};
pub use key_document::KeyDocument;
pub use message::Part;
pub use proofs::{Proof, Proofs};
pub use request::Request;
pub use secret::{Secret, SecretError, Secrets};
pub use secret_text::SecretText;
pub use signature::Scheme;
pub use types::*;
pub use url_pattern::UrlPattern;
