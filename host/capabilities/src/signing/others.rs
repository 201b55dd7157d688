//! P-256 and RSA, which is blinded and so takes randomness.

use p256::ecdsa::{self, signature::hazmat::PrehashSigner as _};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::private_key;
use crate::{Scheme, signature::pem};

/// Signs with the private key of these bytes.
pub fn sign(key: &[u8], scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, String> {
    match scheme {
        Scheme::Ed25519 => Err("an Ed25519 key signs elsewhere".to_owned()),
        Scheme::EcdsaP256Sha256 => Ok(sign_p256(key, &Sha256::digest(message))?.to_der().as_bytes().to_vec()),
        Scheme::EcdsaP256Sha256Fixed => Ok(sign_p256(key, &Sha256::digest(message))?.to_bytes().to_vec()),
        Scheme::EcdsaP256Sha1 => Ok(sign_p256(key, &Sha1::digest(message))?.to_der().as_bytes().to_vec()),
        Scheme::RsaPkcs1Sha1 => rsa_signing_key(key)?.pkcs1v15_sign::<Sha1>(message).map_err(|e| e.to_string()),
        Scheme::RsaPkcs1Sha256 => rsa_signing_key(key)?.pkcs1v15_sign::<Sha256>(message).map_err(|e| e.to_string()),
        Scheme::RsaPkcs1Sha512 => rsa_signing_key(key)?.pkcs1v15_sign::<Sha512>(message).map_err(|e| e.to_string()),
        Scheme::RsaPssSha256 => rsa_signing_key(key)?.pss_sign::<Sha256>(message).map_err(|e| e.to_string()),
        Scheme::RsaPssSha512 => rsa_signing_key(key)?.pss_sign::<Sha512>(message).map_err(|e| e.to_string()),
    }
}

fn sign_p256(key: &[u8], digest: &[u8]) -> Result<ecdsa::Signature, String> {
    let key: ecdsa::SigningKey = private_key(key).ok_or("not a P-256 private key: give PKCS#8, in PEM or DER")?;
    key.sign_prehash(digest).map_err(|error| error.to_string())
}

fn rsa_signing_key(key: &[u8]) -> Result<rsa::PrivateKey, String> {
    // OpenSSL and many providers still write PKCS#1 (`BEGIN RSA PRIVATE KEY`).
    let pkcs1 = || match pem(key) {
        Some(text) => rsa::PrivateKey::from_pkcs1_pem(text).ok(),
        None => rsa::PrivateKey::from_pkcs1_der(key).ok(),
    };
    private_key(key).or_else(pkcs1).ok_or_else(|| "not an RSA private key: give PKCS#8, in PEM or DER".into())
}
