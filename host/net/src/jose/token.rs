//! The token itself: three parts of base64url with dots between them (RFC 7515, 3.1).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hookgate_model::limits;
use serde::Deserialize;

use super::Algorithm;

/// A token whose signature has not been checked yet.
#[derive(Debug)]
pub struct Token<'t> {
    /// How it says that it is signed.
    pub algorithm: Algorithm,
    /// The key that it names. It is looked up among the issuer's keys, and is nothing else (RFC 8725, 3.10).
    pub key_id: Option<String>,
    /// What is signed.
    pub message: &'t str,
    /// The signature.
    pub signature: Vec<u8>,
    payload: &'t str,
}

/// What counts of a header. Keys and places of keys in it (`jwk`, `jku`, `x5c`, `x5u`) are the sender's word and are not
/// even read.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

/// The claims of a token.
pub type Claims = serde_json::Map<String, serde_json::Value>;

impl<'t> Token<'t> {
    /// Reads a token as far as its signature.
    ///
    /// # Errors
    /// In words for the operator: it is not a token, or of a kind that is not accepted here.
    pub fn parse(text: &'t str) -> Result<Self, String> {
        if text.len() > limits::JWT_BYTES_MAX {
            return Err(format!("the token has more than {} bytes", limits::JWT_BYTES_MAX));
        }
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err("the token does not have three parts".to_owned());
        };
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|error| format!("the token's header cannot be read: {error}"))?;
        let unknown = || format!("the token's algorithm {:?} is not accepted here", shown(&header.alg));
        let algorithm = Algorithm::named(&header.alg).ok_or_else(unknown)?;
        // RFC 7515, 4.1.11: what must be understood and is not makes the token invalid.
        if header.crit.is_some() {
            return Err("the token's header has `crit`: extensions that must be understood".to_owned());
        }
        if let Some(typ) = header.typ.as_deref().filter(|typ| !is_access_token(typ)) {
            return Err(format!("the token is of the type {:?}, and not at+jwt or JWT", shown(typ)));
        }
        let message = &text[..header_and_payload(text)];
        Ok(Token { algorithm, key_id: header.kid, message, signature: decode(signature)?, payload })
    }

    /// What it says. Nothing of it counts before its signature has been found right.
    ///
    /// # Errors
    /// It is not a JSON object.
    pub fn claims(&self) -> Result<Claims, String> {
        serde_json::from_slice(&decode(self.payload)?)
            .map_err(|error| format!("the token's claims cannot be read: {error}"))
    }
}

/// The length of what is signed.
fn header_and_payload(text: &str) -> usize {
    text.rfind('.').unwrap_or(text.len())
}

/// Tokens of other kinds (for logging out, proofs of possession) may have the same issuer and keys, and are not access
/// tokens (RFC 8725, 3.11; RFC 9068, 2.1).
fn is_access_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

fn decode(part: &str) -> Result<Vec<u8>, String> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part of the token is not base64url".to_owned())
}

/// A word of a stranger's, short enough for a log.
fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(32)]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_header(header: &str) -> String {
        format!("{}.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode("{\"sub\":\"a\"}"))
    }

    #[test]
    fn a_token_is_read_as_it_is_written() {
        let text = with_header(r#"{"alg":"RS256","kid":"k","typ":"at+JWT","jku":"https://attacker.example"}"#);
        let token = Token::parse(&text).unwrap();
        assert_eq!((token.algorithm, token.key_id.as_deref()), (Algorithm::Rs256, Some("k")));
        assert_eq!((token.message, token.signature.as_slice()), (text.strip_suffix(".c2ln").unwrap(), &b"sig"[..]));
        assert_eq!(token.claims().unwrap()["sub"], "a");
    }

    #[test]
    fn tokens_that_are_not_accepted_are_refused_with_the_reason() {
        let cases = [
            (String::new(), "three parts"),
            ("a.b".to_owned(), "three parts"),
            ("a.b.c.d".to_owned(), "three parts"),
            ("a.b.c.d.e".to_owned(), "three parts"),
            ("!.b.c".to_owned(), "not base64url"),
            (with_header(r#"{"alg":"RS256"}"#) + "=", "not base64url"),
            (with_header("[]"), "cannot be read"),
            (with_header("{}"), "cannot be read"),
            (with_header(r#"{"alg":"HS256","alg":"none"}"#), "cannot be read"),
            (with_header(r#"{"alg":7}"#), "cannot be read"),
            (with_header(r#"{"alg":"none"}"#), "\"none\" is not accepted"),
            (with_header(r#"{"alg":"None"}"#), "is not accepted"),
            (with_header(r#"{"alg":""}"#), "is not accepted"),
            (with_header(r#"{"alg":"rs256"}"#), "is not accepted"),
            (with_header(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#), "must be understood"),
            (with_header(r#"{"alg":"RS256","crit":7}"#), "must be understood"),
            (with_header(r#"{"alg":"RS256","typ":"logout+jwt"}"#), "of the type"),
            (with_header(r#"{"alg":"RS256","typ":"dpop+jwt"}"#), "of the type"),
            ("a".repeat(limits::JWT_BYTES_MAX + 1), "more than"),
        ];
        for (text, expected) in cases {
            let error = Token::parse(&text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = Token::parse(&text).map(|token| token.claims());
        }

        #[test]
        fn no_parts_panic(header in ".{0,60}", payload: Vec<u8>, signature in "[a-zA-Z0-9_-]{0,40}") {
            let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
            let text = format!("{}.{}.{signature}", encode(header.as_bytes()), encode(&payload));
            let _ = Token::parse(&text).map(|token| token.claims());
        }

        #[test]
        fn no_damage_panics(at in 0usize..80, with in ".{0,3}") {
            let text = with_header(r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#);
            let at = at.min(text.len());
            let damaged = format!("{}{with}{}", &text[..at], &text[(at + 1).min(text.len())..]);
            let _ = Token::parse(&damaged).map(|token| token.claims());
        }
    }
}
