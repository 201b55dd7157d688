//! JSON Web Keys (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2): the public keys for signatures in a provider's or an issuer's
//! document. The one reader of such keys: the checks that plugins ask for and bearer tokens both start from here.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

/// A public key for signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// Its `kid`.
    pub id: Option<String>,
    /// The only algorithm that it is for, by its name in JWS.
    pub algorithm: Option<String>,
    /// The key itself.
    pub public: PublicKey,
}

/// The material of a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa(Vec<u8>, Vec<u8>),
    /// A point on P-256, uncompressed (SEC 1, 2.3.3).
    P256(Vec<u8>),
    /// A point on P-384, uncompressed.
    P384(Vec<u8>),
    /// 32 bytes.
    Ed25519(Vec<u8>),
}

/// The members that count. Private parts are not read.
#[derive(Deserialize)]
struct Members {
    kty: String,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    /// Reads a key. `None` where it is not understood (RFC 7517, 5 asks to leave such keys out), or is not a public key for
    /// verifying signatures. A secret (`oct`) among public keys would let all of its readers sign.
    pub fn read(key: &Value) -> Option<Jwk> {
        let members = Members::deserialize(key).ok()?;
        let for_signatures = members.used_for.as_deref().is_none_or(|used_for| used_for == "sig");
        let verifies = members.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|one| one == "verify"));
        if !for_signatures || !verifies {
            return None;
        }
        let public = match (members.kty.as_str(), members.crv.as_deref()) {
            ("RSA", _) => PublicKey::Rsa(number(&members.n)?, number(&members.e)?),
            ("EC", Some("P-256")) => PublicKey::P256(point(&members, 32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(&members, 48)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes(&members.x).filter(|bytes| bytes.len() == 32)?),
            _ => return None,
        };
        Some(Jwk { id: members.kid, algorithm: members.alg, public })
    }
}

fn bytes(text: &Option<String>) -> Option<Vec<u8>> {
    // Some issuers pad.
    BASE64_URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok()
}

/// Without leading zeros, which some issuers write.
fn number(text: &Option<String>) -> Option<Vec<u8>> {
    let bytes = bytes(text)?;
    let from = bytes.iter().position(|byte| *byte != 0)?;
    bytes.get(from..).map(<[u8]>::to_vec)
}

fn point(members: &Members, length: usize) -> Option<Vec<u8>> {
    let (x, y) = (bytes(&members.x)?, bytes(&members.y)?);
    (x.len() == length && y.len() == length).then(|| [&[4], x.as_slice(), &y].concat())
}
