//! JSON Web Tokens (RFC 7519) in their compact form (RFC 7515, 7.1), as providers sign deliveries with them.

use crate::{
    Delivery, KeyError, KeySet, Refusal, Scheme,
    answer::forged,
    encoding::{from_base64, part, to_hex},
    fields::Field,
    json_text,
};

/// Bytes of a token; what providers send has one or two KiB.
const LENGTH_MAX: usize = 8 << 10;

/// Seconds by which the provider's clock may be ahead of ours.
pub const SKEW: u64 = 60;

/// What a token is signed with. There is no `none`, and nothing symmetric: a public key is not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// Ed25519.
    EdDsa,
}

/// A token that was read and is not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    header: String,
    claims: String,
    /// What the signature is over: header and claims as they were sent.
    signed: String,
    signature: Vec<u8>,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Ps256 => "PS256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    fn scheme(self) -> Scheme {
        match self {
            Algorithm::Es256 => Scheme::EcdsaP256Sha256Fixed,
            Algorithm::Rs256 => Scheme::RsaPkcs1Sha256,
            Algorithm::Ps256 => Scheme::RsaPssSha256,
            Algorithm::EdDsa => Scheme::Ed25519,
        }
    }
}

impl Token {
    /// Reads a token and checks that its header says this algorithm, for any key, and demands nothing unknown
    /// (`crit`).
    ///
    /// # Errors
    /// Unauthenticated: it is not a token, or one of another algorithm.
    pub fn read(text: &str, algorithm: Algorithm) -> Result<Token, Refusal> {
        let token = Token::parse(text).ok_or_else(|| forged("the token is not a JWT"))?;
        let [alg, crit] = json_text::fields(&token.header, ["/alg", "/crit"]).ok_or_else(|| forged("its header"))?;
        if alg.text().as_deref() != Some(algorithm.name()) {
            return Err(forged(&format!("the token's alg is not {}", algorithm.name())));
        }
        match crit.0 {
            None => Ok(token),
            Some(_) => Err(forged("the token's header demands extensions (crit)")),
        }
    }

    fn parse(text: &str) -> Option<Token> {
        let (signed, signature) = text.rsplit_once('.').filter(|_| text.len() <= LENGTH_MAX)?;
        let (header, claims) = signed.split_once('.')?;
        let token = Token {
            header: String::from_utf8(base64url(header)?).ok()?,
            claims: String::from_utf8(base64url(claims)?).ok()?,
            signed: signed.to_owned(),
            signature: base64url(signature)?,
        };
        // Both are objects.
        json_text::fields(&token.header, [])?;
        json_text::fields(&token.claims, [])?;
        Some(token)
    }

    /// The id of the key that it says it is signed with.
    ///
    /// # Errors
    /// Unauthenticated: it says none.
    pub fn key_id(&self) -> Result<String, Refusal> {
        let [id] = json_text::fields(&self.header, ["/kid"]).unwrap_or([Field(None)]);
        id.text().filter(|id| !id.is_empty()).ok_or_else(|| forged("the token names no key (kid)"))
    }

    /// Checks the signature under the key of that id.
    ///
    /// # Errors
    /// Unauthenticated: it does not fit, or there is no such key. Misconfigured: the keys cannot be used.
    pub fn verify(&self, keys: &KeySet, key_id: &str, algorithm: Algorithm) -> Result<(), Refusal> {
        match keys.verify_signature(Some(key_id), algorithm.scheme(), &[part(&self.signed)], &self.signature) {
            Ok(true) => Ok(()),
            Ok(false) => Err(forged("the token's signature does not fit")),
            Err(error) => Err(refusal(error, "the token's key")),
        }
    }

    /// The signature, which is another one each time that a token is signed anew. For events that nothing else tells apart.
    pub fn signature_text(&self) -> String {
        to_hex(&self.signature)
    }

    /// The claims at these JSON Pointers. They mean nothing before [`Token::verify`].
    pub fn claims<const N: usize>(&self, pointers: [&str; N]) -> [Field; N] {
        json_text::fields(&self.claims, pointers).unwrap_or([const { Field(None) }; N])
    }

    /// Checks `exp`, which must be there, and `nbf` and `iat` where they are.
    ///
    /// # Errors
    /// Stale.
    pub fn check_times(&self, delivery: &Delivery) -> Result<(), Refusal> {
        let [expires, not_before, issued] = self.claims(["/exp", "/nbf", "/iat"]);
        let now = delivery.received_at();
        match expires.time() {
            None => return Err(forged("the token has no time of expiry (exp)")),
            Some(expires) if now >= expires.saturating_add(SKEW * 1000) => {
                return Err(Refusal::Stale("the token has expired (exp)".to_owned()));
            }
            Some(_) => {}
        }
        let later = [not_before, issued].into_iter().filter_map(Field::time).any(|time| time > now + SKEW * 1000);
        if later { Err(Refusal::Stale("the token is not valid yet (nbf or iat)".to_owned())) } else { Ok(()) }
    }
}

/// What a plugin makes of an error with a key at a URL that its operator, and not the sender, has named.
pub fn refusal(error: KeyError, what: &str) -> Refusal {
    match error {
        KeyError::NotAllowed => Refusal::Misconfigured(format!("{what}: its URL must be in the source's keys.allow")),
        KeyError::UnknownKey => forged(&format!("{what} is none that the provider publishes")),
        KeyError::Expired => forged(&format!("{what} was not valid when the delivery was received")),
        KeyError::Unusable(why) => Refusal::Misconfigured(format!("{what}: {why}")),
    }
}

/// Base64 of the URL-safe alphabet, not padded (RFC 7515, 2).
fn base64url(text: &str) -> Option<Vec<u8>> {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    fits.then(|| from_base64(text)).flatten()
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.{}", BASE64.encode(header), BASE64.encode(claims), BASE64.encode("signature"))
    }

    fn why(text: &str) -> String {
        match Token::read(text, Algorithm::Es256) {
            Err(Refusal::Unauthenticated(why)) => why,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn header_and_claims_are_read() {
        let text = token(r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#, r#"{"iat":1700000000,"aud":"x"}"#);
        let read = Token::read(&text, Algorithm::Es256).unwrap();
        assert_eq!(read.key_id().unwrap(), "k1");
        let [issued, audience] = read.claims(["/iat", "/aud"]);
        assert_eq!((issued.time(), audience.text().as_deref()), (Some(1_700_000_000_000), Some("x")));
        assert_eq!(read.signed, text.rsplit_once('.').unwrap().0);
    }

    #[test]
    fn another_algorithm_or_none_is_refused() {
        for alg in ["none", "None", "HS256", "RS256", "es256", ""] {
            let why = why(&token(&format!(r#"{{"alg":"{alg}","kid":"k"}}"#), "{}"));
            assert!(why.contains("alg is not ES256"), "{alg}: {why}");
        }
        assert!(why(&token(r#"{"kid":"k"}"#, "{}")).contains("alg"));
        assert!(why(&token(r#"{"alg":["ES256"]}"#, "{}")).contains("alg"));
        assert!(why(&token(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, "{}")).contains("crit"));
        let unnamed = Token::read(&token(r#"{"alg":"ES256"}"#, "{}"), Algorithm::Es256).unwrap();
        assert!(unnamed.key_id().is_err());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let good = token(r#"{"alg":"ES256"}"#, "{}");
        let (two, _) = good.rsplit_once('.').unwrap();
        for text in ["", ".", "..", "a.b.c", two, &format!("{good}.x"), &format!("{good}="), &format!(" {good}")] {
            assert!(Token::parse(text).is_none(), "{text}");
        }
        assert!(Token::parse(&token("[]", "{}")).is_none());
        assert!(Token::parse(&token("{}", "3")).is_none());
        assert!(Token::parse(&token("{}", &format!("{{\"a\":\"{}\"}}", "x".repeat(LENGTH_MAX)))).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[A-Za-z0-9_.=-]{0,60}") {
            let _ = Token::read(&text, Algorithm::Rs256);
        }
    }
}
