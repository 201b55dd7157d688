//! Signatures of components: who vouches for one.
//!
//! A signature is a custom section of the component, `hookgate:signature`; there may be several, by different keys:
//!
//! ```text
//! version:1 = 1
//! key:8          the first bytes of the SHA-256 of the public key
//! signature:64   Ed25519 (RFC 8032) over "hookgate plugin signature 1\0" and the SHA-256 of the component without such
//!                sections
//! ```

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey, pkcs8::DecodePublicKey};
use sha2::{Digest, Sha256};

use crate::limits;

const SECTION: &str = "hookgate:signature";
const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"hookgate plugin signature 1\0";
/// Magic number, version and layer of a binary.
const HEADER_BYTES: usize = 8;
/// The id of a custom section.
const CUSTOM: u8 = 0;

/// A public key whose signatures are trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustedKey(VerifyingKey);

/// By which a key is called: the first bytes of the SHA-256 of the public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

/// Why a component has no trusted signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Its sections cannot be read.
    #[error("it is not a WebAssembly binary")]
    NotABinary,
    /// There is no signature.
    #[error(
        "it is not signed, and plugins.trusted-keys asks for it; sign it with hookgate plugin sign, or take the signed file"
    )]
    Unsigned,
    /// There are signatures, of other keys.
    #[error(
        "it is signed with the key {0}, and none of plugins.trusted-keys is that; add the public key if you trust it"
    )]
    UnknownKey(String),
    /// The signature is of a trusted key, and not of this component.
    #[error("its signature with the key {0} is not right: the file was changed after it was signed")]
    Wrong(String),
}

impl TrustedKey {
    /// Reads a public key: 32 bytes in base64, or PEM (SubjectPublicKeyInfo). The error says what is wrong with it.
    pub fn read(text: &str) -> Result<TrustedKey, String> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            let key = VerifyingKey::from_public_key_pem(text);
            return key.map(TrustedKey).map_err(|_| "is not an Ed25519 public key in PEM".to_owned());
        }
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok()).filter(|key| !key.is_weak());
        key.map(TrustedKey).ok_or_else(|| "is not an Ed25519 public key: 32 bytes in base64, or PEM".to_owned())
    }

    /// The public key of a key that signs.
    pub fn of(key: &SigningKey) -> TrustedKey {
        TrustedKey(key.verifying_key())
    }

    /// As it is written in a configuration.
    pub fn text(&self) -> String {
        STANDARD.encode(self.0.as_bytes())
    }

    /// By which it is called.
    pub fn id(&self) -> KeyId {
        KeyId(Sha256::digest(self.0.as_bytes()).first_chunk().copied().unwrap_or_default())
    }
}

impl std::fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TrustedKey({})", self.id())
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The component with a signature of this key; one that it had of the same key is replaced.
///
/// # Errors
/// It is not a WebAssembly binary.
pub fn sign(component: &[u8], key: &SigningKey) -> Result<Vec<u8>, SignatureError> {
    let id = TrustedKey::of(key).id();
    let parts = parts(component)?;
    let signature = key.sign(&message(&parts));
    let payload = [&[VERSION][..], &id.0, &signature.to_bytes()].concat();
    let is_kept = |part: &&Part<'_>| part.signed().is_none_or(|(by, _)| by != id);
    let mut signed = component.get(..HEADER_BYTES).unwrap_or_default().to_vec();
    parts.iter().filter(is_kept).for_each(|part| signed.extend(part.whole));
    push_section(&mut signed, &payload);
    Ok(signed)
}

/// By which of these keys the component is signed.
///
/// # Errors
/// By none of them.
pub fn verify(component: &[u8], trusted: &[TrustedKey]) -> Result<KeyId, SignatureError> {
    let parts = parts(component)?;
    let mut failure = SignatureError::Unsigned;
    for (id, signature) in parts.iter().filter_map(Part::signed) {
        let Some(key) = trusted.iter().find(|key| key.id() == id) else {
            failure = SignatureError::UnknownKey(id.to_string());
            continue;
        };
        match key.0.verify_strict(&message(&parts), &signature) {
            Ok(()) => return Ok(id),
            // This is worse than an unknown key, so it is what is reported.
            Err(_) => return Err(SignatureError::Wrong(id.to_string())),
        }
    }
    Err(failure)
}

/// The keys by which a component says that it is signed; whether that is right is not asked.
pub fn claimed_keys(component: &[u8]) -> Vec<KeyId> {
    let parts = parts(component).unwrap_or_default();
    parts.iter().filter_map(Part::signed).map(|(id, _)| id).take(limits::PLUGIN_SIGNATURES_MAX).collect()
}

fn message(parts: &[Part<'_>]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(HEADER_OF_ALL);
    parts.iter().filter(|part| !part.is_signature).for_each(|part| hash.update(part.whole));
    [CONTEXT, &hash.finalize()].concat()
}

/// What every component begins with; [`parts`] takes no other.
const HEADER_OF_ALL: &[u8; HEADER_BYTES] = b"\0asm\x0d\0\x01\0";

/// A section of a component.
struct Part<'c> {
    /// With its id and length.
    whole: &'c [u8],
    is_signature: bool,
    /// Behind the name of a custom section.
    payload: &'c [u8],
}

impl Part<'_> {
    fn signed(&self) -> Option<(KeyId, Signature)> {
        if !self.is_signature {
            return None;
        }
        let (id, signature) = self.payload.strip_prefix(&[VERSION])?.split_first_chunk()?;
        Some((KeyId(*id), Signature::from_bytes(signature.try_into().ok()?)))
    }
}

/// The sections of a component, in their order.
fn parts(component: &[u8]) -> Result<Vec<Part<'_>>, SignatureError> {
    let mut rest = component.strip_prefix(HEADER_OF_ALL).ok_or(SignatureError::NotABinary)?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (part, behind) = part(rest).ok_or(SignatureError::NotABinary)?;
        parts.push(part);
        rest = behind;
    }
    Ok(parts)
}

/// The first section, and what comes behind it.
fn part(bytes: &[u8]) -> Option<(Part<'_>, &[u8])> {
    let (id, behind_id) = bytes.split_first()?;
    let (length, body) = number(behind_id)?;
    let (body, behind) = body.split_at_checked(length)?;
    let whole = bytes.get(..bytes.len() - behind.len())?;
    let named = || {
        let (length, rest) = number(body)?;
        let (name, payload) = rest.split_at_checked(length)?;
        (*id == CUSTOM && name == SECTION.as_bytes()).then_some(payload)
    };
    let payload = named();
    Some((Part { whole, is_signature: payload.is_some(), payload: payload.unwrap_or_default() }, behind))
}

/// A number in LEB128, of at most 32 bits, and what comes behind it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(u32::try_from(value).ok()?).ok()?, bytes.get(at + 1..)?));
        }
    }
    None
}

fn push_number(to: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn push_section(to: &mut Vec<u8>, payload: &[u8]) {
    let mut body = Vec::new();
    push_number(&mut body, SECTION.len());
    body.extend(SECTION.as_bytes());
    body.extend(payload);
    to.push(CUSTOM);
    push_number(to, body.len());
    to.extend(body);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The smallest component with something in it: a custom section `a`.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\0\x04\x01axy";

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }

    fn trusted(n: u8) -> TrustedKey {
        TrustedKey::of(&key(n))
    }

    #[test]
    fn a_signature_is_known_again_and_covers_every_other_byte() {
        let signed = sign(COMPONENT, &key(1)).unwrap();
        assert!(signed.starts_with(COMPONENT));
        assert_eq!(verify(&signed, &[trusted(2), trusted(1)]), Ok(trusted(1).id()));
        assert_eq!(verify(&signed, &[trusted(2)]), Err(SignatureError::UnknownKey(trusted(1).id().to_string())));
        assert_eq!(verify(COMPONENT, &[trusted(1)]), Err(SignatureError::Unsigned));
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert!(verify(&changed, &[trusted(1)]).is_err(), "byte {at}");
        }
        let more = [&signed[..], b"\0\x02\x01b"].concat();
        assert_eq!(verify(&more, &[trusted(1)]), Err(SignatureError::Wrong(trusted(1).id().to_string())));
    }

    #[test]
    fn several_may_sign_and_each_once() {
        let signed = sign(&sign(COMPONENT, &key(1)).unwrap(), &key(2)).unwrap();
        for n in [1, 2] {
            assert_eq!(verify(&signed, &[trusted(n)]), Ok(trusted(n).id()));
        }
        assert_eq!(sign(&signed, &key(2)).unwrap(), signed, "again by the last one");
        assert_eq!(claimed_keys(&sign(&signed, &key(1)).unwrap()), [trusted(2).id(), trusted(1).id()]);
    }

    #[test]
    fn keys_are_read_in_both_forms_and_nothing_else() {
        use ed25519_dalek::pkcs8::{EncodePublicKey, spki::der::pem::LineEnding};
        let pem = key(1).verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
        assert_eq!(TrustedKey::read(&pem).unwrap(), trusted(1));
        assert_eq!(TrustedKey::read(&trusted(1).text()).unwrap(), trusted(1));
        for wrong in ["", "AAAA", "-----BEGIN PUBLIC KEY-----", &STANDARD.encode([0; 32])] {
            assert!(TrustedKey::read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = verify(&bytes, &[trusted(1)]);
            let with_header = [HEADER_OF_ALL, &bytes[..]].concat();
            let _ = sign(&with_header, &key(1));
        }
    }
}
