//! Public-key signatures.

use std::sync::OnceLock;

use curve25519_dalek::edwards::CompressedEdwardsY;
use p256::{
    ecdsa::{self, signature::hazmat::PrehashVerifier as _},
    pkcs8::DecodePublicKey,
};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::{CapabilityError, Scheme, digest::hash, message::Message};

/// A public key, read once for each kind that it was tried as: none where it is of another kind.
#[derive(Default)]
pub(crate) struct PublicKeys {
    ed25519: OnceLock<Option<Box<ed25519_dalek::VerifyingKey>>>,
    p256: OnceLock<Option<Box<ecdsa::VerifyingKey>>>,
    rsa: OnceLock<Option<Box<rsa::PublicKey>>>,
}

impl PublicKeys {
    /// Whether the signature is right under the public key of these bytes.
    pub(crate) fn verify(
        &self,
        key: &[u8],
        scheme: Scheme,
        message: &Message<'_>,
        signature: &[u8],
    ) -> Result<bool, CapabilityError> {
        let p256_der = |digest: Vec<u8>| self.verify_p256(key, &digest, ecdsa::Signature::from_der(signature));
        let p256_fixed = |digest: Vec<u8>| self.verify_p256(key, &digest, ecdsa::Signature::from_slice(signature));
        Ok(match scheme {
            Scheme::Ed25519 => return self.verify_ed25519(key, message, signature),
            Scheme::EcdsaP256Sha256 => p256_der(hash::<Sha256>(message, key)?),
            Scheme::EcdsaP256Sha256Fixed => p256_fixed(hash::<Sha256>(message, key)?),
            Scheme::EcdsaP256Sha1 => p256_der(hash::<Sha1>(message, key)?),
            Scheme::RsaPkcs1Sha1 => {
                let digest = hash::<Sha1>(message, key)?;
                self.rsa(key).is_some_and(|k| k.pkcs1v15_verify_prehash::<Sha1>(&digest, signature).is_ok())
            }
            Scheme::RsaPkcs1Sha256 => {
                let digest = hash::<Sha256>(message, key)?;
                self.rsa(key).is_some_and(|k| k.pkcs1v15_verify_prehash::<Sha256>(&digest, signature).is_ok())
            }
            Scheme::RsaPkcs1Sha512 => {
                let digest = hash::<Sha512>(message, key)?;
                self.rsa(key).is_some_and(|k| k.pkcs1v15_verify_prehash::<Sha512>(&digest, signature).is_ok())
            }
            Scheme::RsaPssSha256 => {
                let digest = hash::<Sha256>(message, key)?;
                self.rsa(key).is_some_and(|k| k.pss_verify_prehash::<Sha256>(&digest, signature).is_ok())
            }
            Scheme::RsaPssSha512 => {
                let digest = hash::<Sha512>(message, key)?;
                self.rsa(key).is_some_and(|k| k.pss_verify_prehash::<Sha512>(&digest, signature).is_ok())
            }
        })
    }

    fn verify_ed25519(&self, key: &[u8], message: &Message<'_>, signature: &[u8]) -> Result<bool, CapabilityError> {
        let read = || match key.try_into() {
            Ok(raw) => ed25519_dalek::VerifyingKey::from_bytes(raw).ok().map(Box::new),
            Err(_) => public_key(key),
        };
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return Ok(false) };
        let Some(public) = self.ed25519.get_or_init(read) else { return Ok(false) };
        // Strict: keys and signatures of small order, which fit many messages, are refused.
        if message.is_in_memory() {
            return Ok(public.verify_strict(&message.joined(key)?, &signature).is_ok());
        }
        // The verifier in pieces is not strict by itself.
        let r = CompressedEdwardsY(*signature.r_bytes()).decompress();
        if public.is_weak() || r.is_none_or(|r| r.is_small_order()) {
            return Ok(false);
        }
        let Ok(mut verifier) = public.verify_stream(&signature) else { return Ok(false) };
        message.feed(key, |piece| verifier.update(piece))?;
        Ok(verifier.finalize_and_verify().is_ok())
    }

    fn verify_p256<E>(&self, key: &[u8], digest: &[u8], signature: Result<ecdsa::Signature, E>) -> bool {
        let Ok(signature) = signature else { return false };
        let key = self.p256.get_or_init(|| public_key(key));
        key.as_ref().is_some_and(|key| key.verify_prehash(digest, &signature).is_ok())
    }

    fn rsa(&self, key: &[u8]) -> Option<&rsa::PublicKey> {
        self.rsa.get_or_init(|| public_key(key)).as_deref()
    }
}

/// A SubjectPublicKeyInfo, in PEM or DER.
fn public_key<K: DecodePublicKey>(bytes: &[u8]) -> Option<Box<K>> {
    match pem(bytes) {
        Some(text) => K::from_public_key_pem(text).ok(),
        None => K::from_public_key_der(bytes).ok(),
    }
    .map(Box::new)
}

pub(crate) fn pem(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(str::trim).filter(|text| text.starts_with("-----BEGIN "))
}
