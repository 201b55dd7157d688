//! The secrets of a source, and one of them as a plugin holds it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

#[cfg(not(feature = "public-keys"))]
use crate::no_public_keys::PublicKeys;
#[cfg(feature = "public-keys")]
use crate::signature::PublicKeys;
use crate::{
    CapabilityError, Digest, Encoding, Part, Scheme, SecretText,
    body::Bodies,
    digest::{DIGESTS, KeyedMac},
    message::Message,
    proofs::{Proofs, Proven},
};

/// Everything that a source keeps secret, by name. Share it: what it has decoded once it keeps.
pub struct Secrets {
    texts: BTreeMap<String, Vec<SecretText>>,
    opened: RwLock<Vec<Opened>>,
}

/// A secret, decoded in one of the ways that the plugin asks for.
struct Opened {
    name: String,
    encoding: Encoding,
    prefix: Option<String>,
    keys: Keys,
}

/// The live versions of a secret, newest first; never empty.
pub(crate) type Keys = Arc<[Key]>;

/// One version of a secret, with what has been made ready for its use.
pub(crate) struct Key {
    bytes: Zeroizing<Vec<u8>>,
    macs: [OnceLock<Box<KeyedMac>>; DIGESTS],
    public: PublicKeys,
}

/// Ways to open secrets that are remembered. A plugin has a handful; one that makes them up gains nothing.
const OPENED_MAX: usize = 32;

/// Bytes of a derived key.
const KEY_MAX: usize = 64 << 10;

/// Why there is no such secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// The source has no secret of this name.
    Missing,
    /// No live version of it is in this encoding.
    Undecodable,
    /// Another reason, in words.
    Other(String),
}

impl Secrets {
    /// Takes over the texts as configured: by name, the live versions, newest first.
    pub fn new(texts: BTreeMap<String, Vec<SecretText>>) -> Self {
        Secrets { texts, opened: RwLock::default() }
    }

    /// The decoded versions of a secret.
    pub(crate) fn open(&self, name: &str, encoding: Encoding, prefix: Option<&str>) -> Result<Keys, SecretError> {
        let known = |o: &&Opened| o.name == name && o.encoding == encoding && o.prefix.as_deref() == prefix;
        if let Some(opened) = self.opened.read().unwrap_or_else(PoisonError::into_inner).iter().find(known) {
            return Ok(opened.keys.clone());
        }
        let keys = self.decode(name, encoding, prefix)?;
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.len() < OPENED_MAX && opened.iter().find(known).is_none() {
            let prefix = prefix.map(str::to_owned);
            opened.push(Opened { name: name.to_owned(), encoding, prefix, keys: keys.clone() });
        }
        Ok(keys)
    }

    /// The versions that are in this encoding. The others are passed over: while a provider goes from one form of secret
    /// to another, both forms are live, and the plugin asks for each.
    fn decode(&self, name: &str, encoding: Encoding, prefix: Option<&str>) -> Result<Keys, SecretError> {
        let texts = self.texts.get(name).filter(|texts| !texts.is_empty()).ok_or(SecretError::Missing)?;
        let decoded = texts.iter().filter_map(|text| {
            let text = text.expose();
            let text = prefix.and_then(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
            // A key without bytes is not a secret: anyone could sign with it.
            encoding.decode(text).filter(|bytes| !bytes.is_empty()).map(Key::new)
        });
        let keys: Keys = decoded.collect();
        if keys.is_empty() { Err(SecretError::Undecodable) } else { Ok(keys) }
    }
}

impl Key {
    fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Key { bytes, macs: Default::default(), public: PublicKeys::default() }
    }

    fn mac(&self, digest: Digest) -> &KeyedMac {
        self.macs[digest as usize].get_or_init(|| Box::new(KeyedMac::new(digest, &self.bytes)))
    }
}

/// A secret in a plugin's hands: every live version, and the body of the delivery that it is used on. Cheap to clone.
#[derive(Clone)]
pub struct Secret {
    keys: Keys,
    bodies: Bodies,
    proofs: Option<Proofs>,
}

impl Secret {
    pub(crate) fn new(keys: Keys, bodies: Bodies, proofs: Option<Proofs>) -> Self {
        Secret { keys, bodies, proofs }
    }

    /// Whether `tag` is the HMAC of the message under any live version. Constant time in the tag.
    ///
    /// # Panics
    /// As every method here, where its `try_` twin errs: a plugin has broken the contract.
    pub fn verify_mac(&self, digest: Digest, message: &[Part<'_>], tag: &[u8]) -> bool {
        kept(self.try_verify_mac(digest, message, tag))
    }

    /// The HMAC of the message under the newest version.
    pub fn mac(&self, digest: Digest, message: &[Part<'_>]) -> Vec<u8> {
        kept(self.try_mac(digest, message))
    }

    /// Whether `candidate` equals any live version. Constant time.
    pub fn equals(&self, candidate: &[u8]) -> bool {
        self.keys.iter().any(|key| key.bytes.ct_eq(candidate).into())
    }

    /// Whether `tag` is the plain digest of a message that holds [`Part::Secret`], under any live version.
    pub fn verify_digest(&self, digest: Digest, message: &[Part<'_>], tag: &[u8]) -> bool {
        kept(self.try_verify_digest(digest, message, tag))
    }

    /// Whether the signature is right under any live version, which is a public key.
    pub fn verify_signature(&self, scheme: Scheme, message: &[Part<'_>], signature: &[u8]) -> bool {
        kept(self.try_verify_signature(scheme, message, signature))
    }

    /// The signature of the message under the newest version, which is a private key.
    ///
    /// # Errors
    /// The key is not one for this scheme.
    pub fn sign(&self, scheme: Scheme, message: &[Part<'_>]) -> Result<Vec<u8>, String> {
        kept(self.try_sign(scheme, message))
    }

    /// The secret whose versions are the digests of this one's.
    pub fn hashed(&self, digest: Digest) -> Secret {
        self.derived(|key| Zeroizing::new(digest.of_bytes(key)))
    }

    /// The secret whose versions are this one's with `suffix` behind them.
    pub fn with_suffix(&self, suffix: &[u8]) -> Secret {
        kept(self.try_with_suffix(suffix))
    }

    /// As [`Secret::verify_mac`], for the host.
    pub fn try_verify_mac(&self, digest: Digest, message: &[Part<'_>], tag: &[u8]) -> Result<bool, CapabilityError> {
        let message = self.message(message)?;
        let right = self.any(|key| key.mac(digest).verify(&message, &key.bytes, tag))?;
        Ok(self.noted(right, &Proven::Tag(tag)))
    }

    /// As [`Secret::mac`], for the host.
    pub fn try_mac(&self, digest: Digest, message: &[Part<'_>]) -> Result<Vec<u8>, CapabilityError> {
        let message = self.message(message)?;
        self.newest(|key| key.mac(digest).of(&message, &key.bytes))
    }

    /// As [`Secret::verify_digest`], for the host.
    pub fn try_verify_digest(&self, digest: Digest, message: &[Part<'_>], tag: &[u8]) -> Result<bool, CapabilityError> {
        // Without the secret in it, anyone could have made the digest.
        if !message.contains(&Part::Secret) {
            return Ok(false);
        }
        let message = self.message(message)?;
        let right = self.any(|key| Ok(digest.of(&message, &key.bytes)?.ct_eq(tag).into()))?;
        Ok(self.noted(right, &Proven::Tag(tag)))
    }

    /// As [`Secret::verify_signature`], for the host.
    pub fn try_verify_signature(
        &self,
        scheme: Scheme,
        message: &[Part<'_>],
        signature: &[u8],
    ) -> Result<bool, CapabilityError> {
        let message = self.message(message)?;
        self.any(|key| {
            let right = key.public.verify(&key.bytes, scheme, &message, signature)?;
            if right && self.proofs.is_some() {
                let digest = Digest::Sha256.of(&message, &key.bytes)?;
                self.noted(right, &Proven::Message(scheme as u8, &digest));
            }
            Ok(right)
        })
    }

    /// As [`Secret::sign`], for the host.
    pub fn try_sign(&self, scheme: Scheme, message: &[Part<'_>]) -> Result<Result<Vec<u8>, String>, CapabilityError> {
        let message = self.message(message)?;
        self.newest(|key| Ok(sign(&key.bytes, scheme, &message.joined(&key.bytes)?)))
    }

    /// As [`Secret::with_suffix`], for the host.
    pub fn try_with_suffix(&self, suffix: &[u8]) -> Result<Secret, CapabilityError> {
        let longest = self.longest() + suffix.len();
        if longest > KEY_MAX {
            Err(CapabilityError::KeyTooLong(longest))
        } else {
            Ok(self.derived(|key| Zeroizing::new([key, suffix].concat())))
        }
    }

    /// The answer itself, noted where it is yes.
    fn noted(&self, right: bool, proven: &Proven<'_>) -> bool {
        if let (true, Some(proofs)) = (right, &self.proofs) {
            proofs.note(proven);
        }
        right
    }

    fn message<'m>(&'m self, parts: &'m [Part<'m>]) -> Result<Message<'m>, CapabilityError> {
        Message::new(parts, &self.bodies, self.longest())
    }

    fn longest(&self) -> usize {
        self.keys.iter().map(|key| key.bytes.len()).max().unwrap_or_default()
    }

    /// Whether it holds for any version; none after the first for which it does is asked.
    fn any(&self, holds: impl Fn(&Key) -> Result<bool, CapabilityError>) -> Result<bool, CapabilityError> {
        for key in self.keys.iter() {
            if holds(key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn newest<R>(&self, f: impl Fn(&Key) -> R) -> R {
        f(&self.keys[0])
    }

    fn derived(&self, f: impl Fn(&[u8]) -> Zeroizing<Vec<u8>>) -> Secret {
        let keys = self.keys.iter().map(|key| Key::new(f(&key.bytes))).collect();
        Secret::new(keys, self.bodies.clone(), self.proofs.clone())
    }
}

#[cfg(feature = "public-keys")]
use crate::signing::sign;

#[cfg(not(feature = "public-keys"))]
fn sign(_: &[u8], _: Scheme, _: &[u8]) -> Result<Vec<u8>, String> {
    Err("this host knows no public-key signatures".to_owned())
}

fn kept<R>(answer: Result<R, CapabilityError>) -> R {
    answer.unwrap_or_else(|broken| panic!("{broken}"))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} versions)", self.keys.len())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.texts.keys().collect::<Vec<_>>()).finish()
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::Missing => f.write_str("the source has no secret of this name"),
            SecretError::Undecodable => f.write_str("the secret is not in the encoding that the plugin expects"),
            SecretError::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SecretError {}
