//! The signature of what is sent, as Standard Webhooks say
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, "Signature scheme").
//!
//! Signed is `{webhook-id}.{webhook-timestamp}.{body}` with HMAC-SHA256, once for each live secret.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use hookgate_model::{
    handoff::HandoffId,
    limits::{SIGNING_SECRET_BYTES_MAX, SIGNING_SECRET_BYTES_MIN},
};
use hookgate_settings::{Context, SecretText};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use zeroize::Zeroizing;

/// `webhook-id`: the same on every attempt.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// `webhook-timestamp`: the attempt's time, in seconds since the epoch.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// `webhook-signature`: `v1,` and base64, one a secret, with spaces between.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// One live version of a destination's secret.
pub struct SigningKey(Zeroizing<Vec<u8>>);

/// A secret that makes no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// `whsec_`, and no base64 behind it.
    #[error("the secret begins with `whsec_` and is not base64 behind it; copy it again, or leave the prefix out")]
    NotBase64,
    /// No byte at all.
    #[error("the secret is empty")]
    Empty,
}

impl SigningKey {
    /// `whsec_` and base64, or plain text, whose bytes are the key then.
    pub fn new(secret: &SecretText) -> Result<SigningKey, KeyError> {
        let text = secret.expose();
        let bytes = match text.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| KeyError::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() { Err(KeyError::Empty) } else { Ok(SigningKey(Zeroizing::new(bytes))) }
    }

    fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Checks a secret by which the gateway signs (Standard Webhooks 1.0.0, "Signature scheme"): `whsec_` and base64, or any
/// other text, whose bytes are the key.
pub fn check(context: &Context<'_>, path: &str, secret: &SecretText, at: usize) {
    const INSTEAD: &str = "make one: printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"";
    let text = secret.expose();
    if text.starts_with("whsk_") || text.starts_with("whpk_") {
        let what = format!("`{path}` is a key of the asymmetric scheme, and the gateway signs with the symmetric one");
        return context.problems.error(at, what, INSTEAD);
    }
    let length = match text.strip_prefix("whsec_") {
        Some(encoded) => match STANDARD.decode(encoded).map(Zeroizing::new) {
            Ok(key) => key.len(),
            Err(_) => {
                let what = format!("`{path}` begins with whsec_, and what follows is not base64");
                return context.problems.error(at, what, INSTEAD);
            }
        },
        None => text.len(),
    };
    if length == 0 {
        context.problems.error(at, format!("`{path}` is a key of no bytes"), INSTEAD);
    } else if !(SIGNING_SECRET_BYTES_MIN..=SIGNING_SECRET_BYTES_MAX).contains(&length) {
        let (min, max) = (SIGNING_SECRET_BYTES_MIN, SIGNING_SECRET_BYTES_MAX);
        let what = format!("`{path}` is a key of {length} bytes; Standard Webhooks wants {min} to {max}");
        context.problems.warning(at, what, INSTEAD);
    }
}

/// The `webhook-id` of a handoff: the delivery's UUID, then `-N` for the Nth event of the delivery, then `-M` for the
/// Mth output of the event, each left out where it and all behind it are 0.
///
/// Dashes, not the full stop of an event's id: a full stop in the id would let the signed parts be cut in another place.
pub fn webhook_id(handoff: &HandoffId) -> String {
    let event = handoff.event;
    match (event.index, handoff.output) {
        (0, 0) => event.delivery.to_string(),
        (index, 0) => format!("{}-{index}", event.delivery),
        (index, output) => format!("{}-{index}-{output}", event.delivery),
    }
}

/// Puts id and timestamp on a message, and the signatures where there are keys.
pub fn sign(headers: &mut HeaderMap, keys: &[SigningKey], id: &str, timestamp: u64, body: &[u8]) {
    let signatures: Vec<_> = keys.iter().map(|key| key.sign(id, timestamp, body)).collect();
    let values = [(ID, id.to_owned()), (TIMESTAMP, timestamp.to_string()), (SIGNATURE, signatures.join(" "))];
    for (name, value) in values {
        // All of them are made of ASCII letters, digits and punctuation.
        if let Ok(value) = HeaderValue::try_from(value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use hookgate_model::event::EventId;

    use super::*;

    fn key(text: &str) -> SigningKey {
        SigningKey::new(&SecretText::new(text.to_owned())).unwrap()
    }

    #[test]
    fn signs_the_standard_s_own_vector() {
        // From the tests of the standard's reference libraries.
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_live_secret_signs() {
        let keys = [key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), key("plain text")];
        let mut headers = HeaderMap::new();
        sign(&mut headers, &keys, "msg_1", 1_614_265_330, b"{}");
        assert_eq!(headers[ID], "msg_1");
        assert_eq!(headers[TIMESTAMP], "1614265330");
        let expected = keys.each_ref().map(|key| key.sign("msg_1", 1_614_265_330, b"{}")).join(" ");
        assert_eq!(headers[SIGNATURE], expected.as_str());
        assert_eq!(expected.matches("v1,").count(), 2);
    }

    #[test]
    fn without_a_secret_there_is_an_id_and_no_signature() {
        let mut headers = HeaderMap::new();
        sign(&mut headers, &[], "msg_1", 1, b"{}");
        assert_eq!(headers[ID], "msg_1");
        assert!(!headers.contains_key(SIGNATURE));
    }

    #[test]
    fn broken_secrets_are_refused_without_being_shown() {
        for text in ["whsec_???", "whsec_", ""] {
            let error = SigningKey::new(&SecretText::new(text.to_owned())).unwrap_err().to_string();
            assert!(!error.contains("???"), "{error}");
        }
    }

    #[test]
    fn every_handoff_of_a_delivery_has_its_own_id_without_a_full_stop() {
        let id = |index, output| {
            let event = EventId { delivery: uuid::Uuid::from_u128(7), index };
            webhook_id(&HandoffId { destination: "orders".into(), event, output })
        };
        let uuid = "00000000-0000-0000-0000-000000000007";
        let expected = ["", "-1", "-0-1", "-1-1", "-11"].map(|end| format!("{uuid}{end}"));
        assert_eq!([id(0, 0), id(1, 0), id(0, 1), id(1, 1), id(11, 0)], expected);
    }
}
