//! Public keys out of the documents that providers publish: JSON Web Key Sets (RFC 7517) and X.509 certificates (RFC 5280).

use std::ops::RangeInclusive;

use rsa::{BoxedUint, pkcs8::EncodePublicKey as _};
use serde_json::Value;

use crate::{
    CapabilityError, JsonValue, OwnedKeyFormat, Scheme, certificate,
    jwk::{self, Jwk},
    message::Message,
    signature::PublicKeys,
};

/// Keys in one document; a provider has two or three.
const KEYS_MAX: usize = 100;

/// The least bits of an RSA key (RFC 7518, 3.3), and the most: verifying with larger ones takes long.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// Before the point (0x04, x, y) of a P-256 key in SubjectPublicKeyInfo (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The keys of a document that can verify signatures; at least one.
pub struct KeyDocument(Vec<PublicKey>);

/// One of them.
pub(crate) struct PublicKey {
    id: Option<String>,
    /// The only algorithm that it is for, by its name in JWS.
    algorithm: Option<String>,
    /// Milliseconds since the epoch.
    valid: RangeInclusive<u64>,
    /// SubjectPublicKeyInfo in DER, or the 32 bytes of an Ed25519 key.
    bytes: Vec<u8>,
    public: PublicKeys,
    /// What else a JSON Web Key says of itself.
    members: Value,
}

impl KeyDocument {
    /// Reads a document. Keys that cannot verify signatures (symmetric ones, those for encryption, unknown curves) are left
    /// out.
    ///
    /// # Errors
    /// In words: it is not such a document, or holds no key that can be used.
    pub fn read(format: &OwnedKeyFormat, at: &str, document: &[u8]) -> Result<KeyDocument, String> {
        let keys = match format {
            OwnedKeyFormat::Jwk => keys_of_json(at, document)?,
            OwnedKeyFormat::Certificate(names) => vec![key_of_certificate(document, names)?],
        };
        if keys.is_empty() {
            return Err("the document holds no key that verifies signatures".to_owned());
        }
        Ok(KeyDocument(keys))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }
}

impl PublicKey {
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn is_valid_at(&self, millis: u64) -> bool {
        self.valid.contains(&millis)
    }

    pub(crate) fn verify(
        &self,
        scheme: Scheme,
        message: &Message<'_>,
        signature: &[u8],
    ) -> Result<bool, CapabilityError> {
        let fits = self.algorithm.as_ref().is_none_or(|algorithm| jws_name(scheme) == Some(algorithm));
        Ok(fits && self.public.verify(&self.bytes, scheme, message, signature)?)
    }

    pub(crate) fn member(&self, name: &str) -> Option<JsonValue> {
        Some(match self.members.get(name)? {
            Value::Null => JsonValue::Null,
            Value::Bool(yes) => JsonValue::Boolean(*yes),
            Value::Number(number) => JsonValue::Number(number.to_string()),
            Value::String(text) => JsonValue::Text(text.clone()),
            composite => JsonValue::Composite(composite.to_string()),
        })
    }
}

/// The name of a scheme in JWS (RFC 7518, RFC 8037); `None` for schemes that JWS does not have.
fn jws_name(scheme: Scheme) -> Option<&'static str> {
    match scheme {
        Scheme::Ed25519 => Some("EdDSA"),
        Scheme::EcdsaP256Sha256Fixed => Some("ES256"),
        Scheme::RsaPkcs1Sha256 => Some("RS256"),
        Scheme::RsaPkcs1Sha512 => Some("RS512"),
        Scheme::RsaPssSha256 => Some("PS256"),
        Scheme::RsaPssSha512 => Some("PS512"),
        Scheme::EcdsaP256Sha256 | Scheme::EcdsaP256Sha1 | Scheme::RsaPkcs1Sha1 => None,
    }
}

fn keys_of_json(at: &str, document: &[u8]) -> Result<Vec<PublicKey>, String> {
    let whole: Value =
        serde_json::from_slice(document).map_err(|error| format!("the document is not JSON: {error}"))?;
    let found = whole.pointer(at).ok_or_else(|| format!("the document has nothing at {at:?}"))?;
    let keys = match found.get("keys").and_then(Value::as_array) {
        Some(keys) => keys.as_slice(),
        None => std::slice::from_ref(found),
    };
    Ok(keys.iter().take(KEYS_MAX).filter_map(key_of_jwk).collect())
}

/// `None` where it is not a public key of a kind that plugins can check with.
fn key_of_jwk(jwk: &Value) -> Option<PublicKey> {
    let Jwk { id, algorithm, public } = Jwk::read(jwk)?;
    let bytes = match public {
        jwk::PublicKey::Rsa(modulus, exponent) => rsa_key(&modulus, &exponent)?,
        jwk::PublicKey::P256(point) => [&P256_PREFIX[..], &point].concat(),
        jwk::PublicKey::P384(_) => return None,
        jwk::PublicKey::Ed25519(bytes) => bytes,
    };
    Some(PublicKey { id, algorithm, valid: 0..=u64::MAX, bytes, public: PublicKeys::default(), members: jwk.clone() })
}

fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    if modulus.len() > RSA_BITS.end() / 8 + 1 || exponent.len() > 8 {
        return None;
    }
    let key = rsa::PublicKey::new_with_size_limits(number(modulus), number(exponent), RSA_BITS).ok()?;
    Some(key.to_public_key_der().ok()?.as_bytes().to_vec())
}

/// The first certificate's key.
fn key_of_certificate(document: &[u8], names: &[String]) -> Result<PublicKey, String> {
    let certificate = certificate::read(document)?;
    if !names.is_empty() && !names.iter().any(|name| certificate.is_for(name)) {
        return Err(format!("the certificate is for {}, not for {}", certificate.named(), names.join(" or ")));
    }
    Ok(PublicKey {
        id: None,
        algorithm: None,
        valid: certificate.valid,
        bytes: certificate.key,
        public: PublicKeys::default(),
        members: Value::Null,
    })
}
