//! Public keys that the host has fetched, as a plugin holds them.
//!
//! Nothing here fetches: [`FetchedKeys`] is what the host has at hand. Where that does not suffice the call ends with
//! [`CapabilityError::KeysNeeded`], and the host calls again when it has fetched what was needed.

use std::{fmt, sync::Arc};

#[cfg(feature = "public-keys")]
use crate::key_document::PublicKey;
#[cfg(not(feature = "public-keys"))]
use crate::no_public_keys::PublicKey;
use crate::{CapabilityError, JsonValue, KeyDocument, Part, Scheme, body::Bodies, limits, message::Message};

/// What a fetched document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat<'a> {
    /// A JSON Web Key Set, or a single JSON Web Key.
    Jwk,
    /// An X.509 certificate in PEM or DER, for one of these DNS names; for any where there are none.
    Certificate(&'a [&'a str]),
}

/// As [`KeyFormat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedKeyFormat {
    /// A JSON Web Key Set, or a single JSON Web Key.
    Jwk,
    /// An X.509 certificate in PEM or DER, for one of these DNS names; for any where there are none.
    Certificate(Vec<String>),
}

/// The value of a member of the JSON object that asks for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyField<'a> {
    /// This text.
    Text(&'a str),
    /// The newest version of the source's secret of this name.
    Secret(&'a str),
}

/// A document with keys, as a plugin asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// Where it is.
    pub url: String,
    /// What it is.
    pub format: OwnedKeyFormat,
    /// By POST of a JSON object of these; by GET where there are none.
    pub fields: Vec<(String, OwnedKeyField)>,
    /// Where in the document the key or the key set stands: a JSON Pointer (RFC 6901).
    pub at: String,
}

/// As [`KeyField`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedKeyField {
    /// This text.
    Text(String),
    /// The newest version of the source's secret of this name.
    Secret(String),
}

/// Keys that the host has to fetch before a delivery can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyNeed {
    /// What was asked for.
    pub request: Arc<KeyRequest>,
    /// The document that is at hand lacks a key: one with a higher number than this is needed.
    pub newer_than: Option<u64>,
}

/// Why a fetched key does not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The source may not have this URL fetched.
    NotAllowed,
    /// There is no key of this id, also in the newest document.
    UnknownKey,
    /// It was not valid yet, or no longer, when the delivery was received.
    Expired,
    /// Another reason, in words.
    Unusable(String),
}

/// What the host has at hand.
pub trait FetchedKeys: Send + Sync {
    /// A document, as far as it is at hand.
    fn find(&self, request: &KeyRequest) -> Found;

    /// Whether a document newer than the one at hand can be asked for.
    fn may_be_outdated(&self, request: &KeyRequest) -> bool;

    /// A key of the document has verified a signature: the document is the provider's own, and is worth keeping.
    fn proved(&self, _request: &KeyRequest) {}
}

/// What is at hand of a document.
#[derive(Clone)]
pub enum Found {
    /// The document, and its number: a newer one has a higher.
    Document(Arc<KeyDocument>, u64),
    /// It has to be fetched; where one is at hand that is of no use, a newer one than that.
    Needed(Option<u64>),
    /// There is none, and there will be none.
    Never(KeyError),
}

/// Keys in a plugin's hands. Cheap to clone.
#[derive(Clone)]
pub struct KeySet {
    source: Arc<dyn FetchedKeys>,
    request: Arc<KeyRequest>,
    document: Arc<KeyDocument>,
    number: u64,
    bodies: Bodies,
    received_at: u64,
}

impl KeySet {
    /// Opens the document that a plugin asks for.
    pub(crate) fn open(
        source: Option<&Arc<dyn FetchedKeys>>,
        request: KeyRequest,
        bodies: Bodies,
        received_at: u64,
    ) -> Result<Result<KeySet, KeyError>, CapabilityError> {
        let bytes = request.bytes();
        if bytes > limits::KEY_REQUEST_BYTES_MAX || request.fields.len() > limits::KEY_REQUEST_FIELDS_MAX {
            return Err(CapabilityError::KeyRequestTooLong(bytes));
        }
        let request = Arc::new(request);
        let found = source.map(|source| (source, source.find(&request)));
        match found {
            Some((source, Found::Document(document, number))) => {
                Ok(Ok(KeySet { source: source.clone(), request, document, number, bodies, received_at }))
            }
            Some((_, Found::Never(error))) => Ok(Err(error)),
            Some((_, Found::Needed(newer_than))) => Err(needed(request, newer_than)),
            None => Err(needed(request, None)),
        }
    }

    /// Whether the signature is right under the key of that id; under any key where no id is given.
    ///
    /// # Errors
    /// There is no such key, or it was not valid when the delivery was received.
    ///
    /// # Panics
    /// Where its `try_` twin errs: a plugin has broken the contract, or keys must be fetched first.
    pub fn verify_signature(
        &self,
        key_id: Option<&str>,
        scheme: Scheme,
        message: &[Part<'_>],
        signature: &[u8],
    ) -> Result<bool, KeyError> {
        self.try_verify_signature(key_id, scheme, message, signature).unwrap_or_else(|broken| panic!("{broken}"))
    }

    /// A member of a JSON Web Key, as its server has written it; of the first one where no id is given. None where there
    /// is no such member or key, and of a certificate.
    pub fn member(&self, key_id: Option<&str>, name: &str) -> Option<JsonValue> {
        self.candidates(key_id).next()?.member(name)
    }

    /// As [`KeySet::verify_signature`], for the host: the outer error ends the plugin's call.
    pub fn try_verify_signature(
        &self,
        key_id: Option<&str>,
        scheme: Scheme,
        message: &[Part<'_>],
        signature: &[u8],
    ) -> Result<Result<bool, KeyError>, CapabilityError> {
        let message = Message::new(message, &self.bodies, 0)?;
        let mut known = self.candidates(key_id).peekable();
        if known.peek().is_none() {
            return self.unknown();
        }
        let mut valid = known.filter(|key| key.is_valid_at(self.received_at)).peekable();
        if valid.peek().is_none() {
            return Ok(Err(KeyError::Expired));
        }
        for key in valid {
            if key.verify(scheme, &message, signature)? {
                self.source.proved(&self.request);
                return Ok(Ok(true));
            }
        }
        Ok(Ok(false))
    }

    fn candidates<'k>(&'k self, key_id: Option<&'k str>) -> impl Iterator<Item = &'k PublicKey> {
        self.document.keys().filter(move |key| key_id.is_none_or(|id| key.id() == Some(id)))
    }

    /// The provider may have a key that is newer than the document.
    fn unknown<T>(&self) -> Result<Result<T, KeyError>, CapabilityError> {
        if self.source.may_be_outdated(&self.request) {
            Err(needed(self.request.clone(), Some(self.number)))
        } else {
            Ok(Err(KeyError::UnknownKey))
        }
    }
}

fn needed(request: Arc<KeyRequest>, newer_than: Option<u64>) -> CapabilityError {
    CapabilityError::KeysNeeded(Box::new(KeyNeed { request, newer_than }))
}

impl KeyRequest {
    /// Bytes of all its texts. The host keeps it beside the document.
    fn bytes(&self) -> usize {
        let names = match &self.format {
            OwnedKeyFormat::Jwk => 0,
            OwnedKeyFormat::Certificate(names) => names.iter().map(|name| name.len() + 1).sum(),
        };
        let field = |(name, field): &(String, OwnedKeyField)| match field {
            OwnedKeyField::Text(text) | OwnedKeyField::Secret(text) => name.len() + text.len(),
        };
        self.url.len() + names + self.fields.iter().map(field).sum::<usize>() + self.at.len()
    }
}

impl From<KeyFormat<'_>> for OwnedKeyFormat {
    fn from(format: KeyFormat<'_>) -> Self {
        match format {
            KeyFormat::Jwk => OwnedKeyFormat::Jwk,
            KeyFormat::Certificate(names) => {
                OwnedKeyFormat::Certificate(names.iter().map(|name| (*name).to_owned()).collect())
            }
        }
    }
}

impl From<KeyField<'_>> for OwnedKeyField {
    fn from(field: KeyField<'_>) -> Self {
        match field {
            KeyField::Text(text) => OwnedKeyField::Text(text.to_owned()),
            KeyField::Secret(name) => OwnedKeyField::Secret(name.to_owned()),
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({})", self.request.url)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::NotAllowed => f.write_str("the source may not have this URL fetched"),
            KeyError::UnknownKey => f.write_str("there is no key of this id"),
            KeyError::Expired => f.write_str("the key was not valid when the delivery was received"),
            KeyError::Unusable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for KeyError {}
