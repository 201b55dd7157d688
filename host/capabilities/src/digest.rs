//! Digests and MACs, chosen at run time.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::{CapabilityError, message::Message};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Digest {
    /// RFC 1321; only for providers that still use it.
    Md5,
    /// FIPS 180-4; only for providers that still use it.
    Sha1,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4.
    Sha384,
    /// FIPS 180-4.
    Sha512,
}

/// Every digest, in the order of their numbers.
pub(crate) const DIGESTS: usize = 5;

impl Digest {
    /// The digest of some bytes.
    pub(crate) fn of_bytes(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Digest::Md5 => <Md5 as sha2::Digest>::digest(bytes).to_vec(),
            Digest::Sha1 => <Sha1 as sha2::Digest>::digest(bytes).to_vec(),
            Digest::Sha256 => <Sha256 as sha2::Digest>::digest(bytes).to_vec(),
            Digest::Sha384 => <Sha384 as sha2::Digest>::digest(bytes).to_vec(),
            Digest::Sha512 => <Sha512 as sha2::Digest>::digest(bytes).to_vec(),
        }
    }

    /// The digest of a message, under a key where it holds the secret.
    pub(crate) fn of(self, message: &Message<'_>, key: &[u8]) -> Result<Vec<u8>, CapabilityError> {
        match self {
            Digest::Md5 => hash::<Md5>(message, key),
            Digest::Sha1 => hash::<Sha1>(message, key),
            Digest::Sha256 => hash::<Sha256>(message, key),
            Digest::Sha384 => hash::<Sha384>(message, key),
            Digest::Sha512 => hash::<Sha512>(message, key),
        }
    }
}

/// The digest of a message, by the hash function itself.
pub(crate) fn hash<D: sha2::Digest>(message: &Message<'_>, key: &[u8]) -> Result<Vec<u8>, CapabilityError> {
    let mut hasher = D::new();
    message.feed(key, |piece| hasher.update(piece))?;
    Ok(hasher.finalize().to_vec())
}

/// HMAC (RFC 2104) that has taken in its key: cloning it saves two compressions a message.
#[derive(Clone)]
pub(crate) enum KeyedMac {
    Md5(Hmac<Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl KeyedMac {
    pub(crate) fn new(digest: Digest, key: &[u8]) -> Self {
        match digest {
            Digest::Md5 => KeyedMac::Md5(keyed(key)),
            Digest::Sha1 => KeyedMac::Sha1(keyed(key)),
            Digest::Sha256 => KeyedMac::Sha256(keyed(key)),
            Digest::Sha384 => KeyedMac::Sha384(keyed(key)),
            Digest::Sha512 => KeyedMac::Sha512(keyed(key)),
        }
    }

    /// Whether `tag`, whole, is the MAC of the message under the key that was taken in. Constant time in the tag.
    pub(crate) fn verify(&self, message: &Message<'_>, key: &[u8], tag: &[u8]) -> Result<bool, CapabilityError> {
        Ok(match self.clone() {
            KeyedMac::Md5(mac) => fed(mac, message, key)?.verify_slice(tag).is_ok(),
            KeyedMac::Sha1(mac) => fed(mac, message, key)?.verify_slice(tag).is_ok(),
            KeyedMac::Sha256(mac) => fed(mac, message, key)?.verify_slice(tag).is_ok(),
            KeyedMac::Sha384(mac) => fed(mac, message, key)?.verify_slice(tag).is_ok(),
            KeyedMac::Sha512(mac) => fed(mac, message, key)?.verify_slice(tag).is_ok(),
        })
    }

    pub(crate) fn of(&self, message: &Message<'_>, key: &[u8]) -> Result<Vec<u8>, CapabilityError> {
        Ok(match self.clone() {
            KeyedMac::Md5(mac) => fed(mac, message, key)?.finalize().into_bytes().to_vec(),
            KeyedMac::Sha1(mac) => fed(mac, message, key)?.finalize().into_bytes().to_vec(),
            KeyedMac::Sha256(mac) => fed(mac, message, key)?.finalize().into_bytes().to_vec(),
            KeyedMac::Sha384(mac) => fed(mac, message, key)?.finalize().into_bytes().to_vec(),
            KeyedMac::Sha512(mac) => fed(mac, message, key)?.finalize().into_bytes().to_vec(),
        })
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"))
}

fn fed<M: Mac>(mut mac: M, message: &Message<'_>, key: &[u8]) -> Result<M, CapabilityError> {
    message.feed(key, |piece| mac.update(piece))?;
    Ok(mac)
}
