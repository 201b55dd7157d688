//! Private keys, for senders. That of Ed25519 is lent everywhere: a plugin can check with it that a key is valid.

use ed25519_dalek::{Signer as _, pkcs8::DecodePrivateKey};

use crate::{Scheme, signature::pem};

#[cfg(feature = "signing")]
mod others;

#[cfg(not(feature = "signing"))]
mod others {
    /// Signs nothing.
    pub fn sign(_: &[u8], _: crate::Scheme, _: &[u8]) -> Result<Vec<u8>, String> {
        Err("private keys of this kind are not for this host: it receives and never sends as a provider".to_owned())
    }
}

/// Signs with the private key of these bytes.
pub(crate) fn sign(key: &[u8], scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, String> {
    match scheme {
        Scheme::Ed25519 => Ok(ed25519_signing_key(key)?.sign(message).to_vec()),
        _ => others::sign(key, scheme, message),
    }
}

fn ed25519_signing_key(key: &[u8]) -> Result<ed25519_dalek::SigningKey, String> {
    let read = match key.len() {
        32 => key.try_into().ok().map(ed25519_dalek::SigningKey::from_bytes),
        64 => key.try_into().ok().and_then(|pair| ed25519_dalek::SigningKey::from_keypair_bytes(pair).ok()),
        _ => private_key(key),
    };
    read.ok_or_else(|| "not an Ed25519 private key: give 32 or 64 bytes, or PKCS#8".into())
}

/// A private key in PKCS#8, PEM or DER.
pub(crate) fn private_key<K: DecodePrivateKey>(bytes: &[u8]) -> Option<K> {
    match pem(bytes) {
        Some(text) => K::from_pkcs8_pem(text).ok(),
        None => K::from_pkcs8_der(bytes).ok(),
    }
}
