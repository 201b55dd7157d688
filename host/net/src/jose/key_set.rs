//! A set of an issuer's public keys (JSON Web Key Set, RFC 7517).

use hookgate_capabilities::jwk::{Jwk, PublicKey};
use hookgate_model::limits;
use serde::Deserialize;
use serde_json::Value;

use super::{Algorithm, token::Token};

/// Keys that verify signatures. Those of other kinds and for other uses are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Jwk>);

/// Why a document is not a set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is not JSON, or has no list `keys`.
    #[error("it is not a JSON Web Key Set: {0}")]
    NoSet(String),
    /// No key in it is for signatures that are known here.
    #[error("none of its keys is for signatures of RSA (2048 bits and more), P-256, P-384 or Ed25519")]
    NoKeys,
}

/// The judgement of a token's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right under one of the keys.
    Right,
    /// Wrong under all keys that could have made it.
    Wrong,
    /// No key has the id that the token names, or none is of a kind that fits it.
    NoKey,
}

impl KeySet {
    /// Reads a set. A key that is not understood is left out, as RFC 7517, 5 asks.
    ///
    /// # Errors
    /// It is not a set, or no key in it can be used.
    pub fn parse(bytes: &[u8]) -> Result<KeySet, KeySetError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(bytes).map_err(|error| KeySetError::NoSet(error.to_string()))?;
        let keys = set.keys.iter().filter_map(Jwk::read).filter(is_large_enough);
        let keys: Vec<Jwk> = keys.take(limits::JWKS_KEYS_MAX).collect();
        if keys.is_empty() { Err(KeySetError::NoKeys) } else { Ok(KeySet(keys)) }
    }

    /// Judges a token's signature by the keys that it may be from: those of the id that it names, or all where it names
    /// none, as far as they fit its algorithm.
    pub fn judge(&self, token: &Token<'_>) -> Verdict {
        let named = |key: &&Jwk| token.key_id.is_none() || key.id == token.key_id;
        let mut fitting = self.0.iter().filter(named).filter(|key| fits(key, token.algorithm)).peekable();
        if fitting.peek().is_none() {
            return Verdict::NoKey;
        }
        let message = token.message.as_bytes();
        if fitting.any(|key| token.algorithm.verify(&key.public, message, &token.signature)) {
            Verdict::Right
        } else {
            Verdict::Wrong
        }
    }

    /// Whether it has a key of that id, of whatever kind.
    pub fn has(&self, id: Option<&str>) -> bool {
        id.is_none_or(|id| self.0.iter().any(|key| key.id.as_deref() == Some(id)))
    }
}

fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    algorithm.takes(&key.public) && key.algorithm.as_deref().is_none_or(|only| only == algorithm.name())
}

fn is_large_enough(key: &Jwk) -> bool {
    match &key.public {
        PublicKey::Rsa(modulus, _) => modulus.len() * 8 >= limits::JWT_RSA_BITS_MIN,
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ED25519: &str =
        r#"{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn set(keys: &str) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!("{{\"keys\":[{keys}]}}").as_bytes())
    }

    /// RFC 8037, A.4.
    #[test]
    fn the_example_of_rfc_8037_is_right() {
        let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhij\
                    cNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let token = Token::parse(text).unwrap();
        assert_eq!(set(ED25519).unwrap().judge(&token), Verdict::Right);
        let tampered = text.replace("RXhh", "RXhi");
        assert_eq!(set(ED25519).unwrap().judge(&Token::parse(&tampered).unwrap()), Verdict::Wrong);
    }

    /// RFC 7515, A.2 and A.3.
    #[test]
    fn the_examples_of_rfc_7515_are_right() {
        let rsa = r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;
        let rs256 = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let ec = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let es256 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        for (key, text) in [(rsa, rs256), (ec, es256)] {
            let token = Token::parse(text).unwrap();
            assert_eq!(set(key).unwrap().judge(&token), Verdict::Right);
            let others = set(&format!("{ED25519},{}", if key == rsa { ec } else { rsa })).unwrap();
            assert_eq!(others.judge(&token), Verdict::NoKey);
        }
    }

    #[test]
    fn keys_for_other_things_are_left_out() {
        let unusable = [
            r#"{"kty":"oct","kid":"s","k":"c2VjcmV0"}"#,
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
            r#"{"kty":"EC","crv":"P-521","x":"AQAB","y":"AQAB"}"#,
            r#"{"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"}"#,
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#"{"kty":7}"#,
            "null",
            &ED25519.replace("\"kid\"", "\"use\":\"enc\",\"kid\""),
            &ED25519.replace("\"kid\"", "\"key_ops\":[\"sign\"],\"kid\""),
        ];
        for key in unusable {
            assert_eq!(set(key), Err(KeySetError::NoKeys), "{key}");
        }
        let all = unusable.join(",");
        assert_eq!(set(&format!("{all},{ED25519}")), set(ED25519));
        for text in ["", "[]", "{}", "{\"keys\":7}", "{\"keys\":"] {
            assert!(matches!(KeySet::parse(text.as_bytes()), Err(KeySetError::NoSet(_))), "{text}");
        }
    }

    #[test]
    fn an_algorithm_that_a_key_is_not_for_is_not_taken() {
        let only = |alg: &str| set(&ED25519.replace("\"kid\"", &format!("\"alg\":\"{alg}\",\"kid\""))).unwrap();
        let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhij\
                    cNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let token = Token::parse(text).unwrap();
        assert_eq!((only("EdDSA").judge(&token), only("ES256").judge(&token)), (Verdict::Right, Verdict::NoKey));
    }

    proptest! {
        #[test]
        fn no_document_panics(text in ".{0,200}") {
            let _ = KeySet::parse(text.as_bytes());
        }

        #[test]
        fn no_damaged_key_panics(at in 0..ED25519.len(), with in "[\"a-z0-9:,{}]{0,3}") {
            let _ = set(&format!("{}{with}{}", &ED25519[..at], &ED25519[at + 1..]));
        }
    }
}
