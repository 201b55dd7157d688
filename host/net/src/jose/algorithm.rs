//! The algorithms of signatures (RFC 7518, 3; RFC 8037), and what each does with a key.

use hookgate_capabilities::jwk::PublicKey;
use ring::{hmac, signature as rs};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// An algorithm of RFC 7518 or RFC 8037 that is taken here. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "UPPERCASE")]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    #[strum(serialize = "EdDSA")]
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: &[Algorithm] = Algorithm::VARIANTS;

    /// As `alg` names it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The one of that name; case counts.
    pub fn named(name: &str) -> Option<Algorithm> {
        name.parse().ok()
    }

    /// Its key is a secret that both sides have.
    pub fn takes_secret(self) -> bool {
        self.mac().is_some()
    }

    fn mac(self) -> Option<hmac::Algorithm> {
        match self {
            Algorithm::Hs256 => Some(hmac::HMAC_SHA256),
            Algorithm::Hs384 => Some(hmac::HMAC_SHA384),
            Algorithm::Hs512 => Some(hmac::HMAC_SHA512),
            _ => None,
        }
    }

    fn rsa(self) -> Option<&'static rs::RsaParameters> {
        match self {
            Algorithm::Rs256 => Some(&rs::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => Some(&rs::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => Some(&rs::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => Some(&rs::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => Some(&rs::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => Some(&rs::RSA_PSS_2048_8192_SHA512),
            _ => None,
        }
    }

    /// Whether keys of this kind are for it.
    pub fn takes(self, key: &PublicKey) -> bool {
        match key {
            PublicKey::Rsa(..) => self.rsa().is_some(),
            PublicKey::P256(_) => self == Algorithm::Es256,
            PublicKey::P384(_) => self == Algorithm::Es384,
            PublicKey::Ed25519(_) => self == Algorithm::EdDsa,
        }
    }

    /// Whether the signature is right under the key; never under one of another kind.
    pub fn verify(self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let unparsed = |algorithm: &'static dyn rs::VerificationAlgorithm, bytes: &[u8]| {
            self.takes(key) && rs::UnparsedPublicKey::new(algorithm, bytes).verify(message, signature).is_ok()
        };
        match (key, self.rsa()) {
            (PublicKey::Rsa(n, e), Some(parameters)) => {
                rs::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
            }
            (PublicKey::Rsa(..), None) => false,
            (PublicKey::P256(point), _) => unparsed(&rs::ECDSA_P256_SHA256_FIXED, point),
            (PublicKey::P384(point), _) => unparsed(&rs::ECDSA_P384_SHA384_FIXED, point),
            (PublicKey::Ed25519(bytes), _) => unparsed(&rs::ED25519, bytes),
        }
    }

    /// Whether the MAC is right under the secret, in constant time; never for an algorithm of public keys.
    pub fn verify_mac(self, secret: &[u8], message: &[u8], tag: &[u8]) -> bool {
        let key = self.mac().map(|algorithm| hmac::Key::new(algorithm, secret));
        key.is_some_and(|key| hmac::verify(&key, message, tag).is_ok())
    }
}
