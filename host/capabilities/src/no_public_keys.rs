//! In place of public-key signatures where they are left out: no signature is right, no document holds keys.

use crate::{CapabilityError, JsonValue, OwnedKeyFormat, Scheme, message::Message};

/// Keys in one document: none.
pub struct KeyDocument(Vec<PublicKey>);

/// There is none.
pub(crate) enum PublicKey {}

/// Nothing is read.
#[derive(Default)]
pub(crate) struct PublicKeys {}

impl KeyDocument {
    /// Reads nothing.
    ///
    /// # Errors
    /// Always.
    pub fn read(_: &OwnedKeyFormat, _: &str, _: &[u8]) -> Result<KeyDocument, String> {
        Err("this host checks no public-key signatures".to_owned())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }
}

impl PublicKey {
    pub(crate) fn id(&self) -> Option<&str> {
        match *self {}
    }

    pub(crate) fn is_valid_at(&self, _: u64) -> bool {
        match *self {}
    }

    pub(crate) fn verify(&self, _: Scheme, _: &Message<'_>, _: &[u8]) -> Result<bool, CapabilityError> {
        match *self {}
    }

    pub(crate) fn member(&self, _: &str) -> Option<JsonValue> {
        match *self {}
    }
}

impl PublicKeys {
    pub(crate) fn verify(&self, _: &[u8], _: Scheme, _: &Message<'_>, _: &[u8]) -> Result<bool, CapabilityError> {
        Ok(false)
    }
}
