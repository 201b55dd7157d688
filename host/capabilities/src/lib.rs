//! What hookgate lends a provider plugin, natively: a delivery to read, an event to transform, secrets to check against.
//!
//! The gateway puts these types behind the WIT handles of `wit/provider.wit`; a plugin that is compiled natively (unit
//! tests, the benchmark's native twin) uses them directly; the edge wraps them as a component. Methods have the names and
//! signatures that wit-bindgen gives an importing plugin, so that one source compiles both ways. Where a plugin can break
//! the contract there is a `try_` twin beside the method, for the host: its error ends the plugin's call.
//!
//! What a plugin may say in return is here as well, for hosts: [`rules`], [`limits`] and
//! [`cloudevents`].

mod body;
#[cfg(feature = "public-keys")]
mod certificate;
pub mod cloudevents;
mod content_coding;
mod conversions;
mod delivery;
mod digest;
mod encoding;
mod error;
mod fetched;
mod json;
#[cfg(feature = "public-keys")]
pub mod jwk;
#[cfg(feature = "public-keys")]
mod key_document;
pub mod known_by;
pub mod limits;
mod message;
#[cfg(not(feature = "public-keys"))]
mod no_public_keys;
mod proofs;
pub mod refusals;
mod request;
pub mod rules;
mod scheme;
mod secret;
mod secret_text;
#[cfg(feature = "public-keys")]
mod signature;
#[cfg(feature = "public-keys")]
mod signing;
mod types;
mod url_pattern;

pub use body::{Body, ReadBytes};
pub use content_coding::{CodingError, ContentCodings};
pub use delivery::{Delivery, Event, Prefixes};
pub use digest::Digest;
pub use encoding::Encoding;
pub use error::CapabilityError;
pub use fetched::{
    FetchedKeys, Found, KeyError, KeyField, KeyFormat, KeyNeed, KeyRequest, KeySet, OwnedKeyField, OwnedKeyFormat,
};
pub use json::{Json, JsonAnswer, JsonValue};
#[cfg(feature = "public-keys")]
pub use key_document::KeyDocument;
pub use message::Part;
#[cfg(not(feature = "public-keys"))]
pub use no_public_keys::KeyDocument;
pub use proofs::{Proof, Proofs};
pub use request::Request;
pub use scheme::Scheme;
pub use secret::{Secret, SecretError, Secrets};
pub use secret_text::SecretText;
pub use types::*;
pub use url_pattern::UrlPattern;
