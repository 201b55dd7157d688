//! Kinds of public-key signatures.

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// RFC 8032; a signature of 64 bytes.
    Ed25519,
    /// The signature in ASN.1 DER.
    EcdsaP256Sha256,
    /// The signature as `r` and `s`, 32 bytes each.
    EcdsaP256Sha256Fixed,
    /// The signature in ASN.1 DER, over a SHA-1 digest.
    EcdsaP256Sha1,
    /// RFC 8017, RSASSA-PKCS1-v1_5.
    RsaPkcs1Sha1,
    /// RFC 8017, RSASSA-PKCS1-v1_5.
    RsaPkcs1Sha256,
    /// RFC 8017, RSASSA-PKCS1-v1_5.
    RsaPkcs1Sha512,
    /// RFC 8017, RSASSA-PSS with a salt as long as the digest.
    RsaPssSha256,
    /// RFC 8017, RSASSA-PSS with a salt as long as the digest.
    RsaPssSha512,
}
