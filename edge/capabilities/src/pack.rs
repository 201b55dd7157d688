//! What the origin is sent: CloudEvents in JSON (HTTP binding, 3.2 and 3.3,
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>), signed as Standard
//! Webhooks say (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

/// Names and values.
type Headers = [(&'static str, String); 4];

/// Headers and body.
///
/// # Errors
/// The secret is none.
pub fn pack(secret: &str, ids: &[String], documents: &[String], timestamp: u64) -> Result<(Headers, Vec<u8>), String> {
    let (content_type, body) = match documents {
        [one] => ("application/cloudevents+json; charset=utf-8", one.clone()),
        several => ("application/cloudevents-batch+json; charset=utf-8", format!("[{}]", several.join(","))),
    };
    let id = match ids {
        [one] => one.clone(),
        several => hex::encode(&Sha256::digest(several.join(" "))[..16]),
    };
    let signature = sign(secret, &id, timestamp, body.as_bytes())?;
    let headers = [
        ("content-type", content_type.to_owned()),
        ("webhook-id", id),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ];
    Ok((headers, body.into_bytes()))
}

/// The value of `webhook-signature`.
///
/// # Errors
/// The secret is not base64, with or without `whsec_` before it, or of fewer than 16 bytes.
fn sign(secret: &str, id: &str, timestamp: u64, body: &[u8]) -> Result<String, String> {
    let text = secret.trim();
    let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok().filter(|key| key.len() >= 16);
    let key = key.ok_or("the origin's secret is none: it must be whsec_ and the base64 of 16 bytes or more")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    for piece in [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body] {
        mac.update(piece);
    }
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference implementations.
    #[test]
    fn the_example_of_standard_webhooks_comes_out() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".to_owned()));
    }

    #[test]
    fn several_events_are_a_batch_with_an_id_of_its_own() {
        let (secret, text) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", |text: &str| text.to_owned());
        let (one, body) = pack(secret, &[text("a")], &[text("{}")], 1).expect("a good secret");
        assert_eq!((one[0].1.as_str(), &body[..]), ("application/cloudevents+json; charset=utf-8", &b"{}"[..]));
        assert_eq!(one[1].1, "a");
        let (two, body) = pack(secret, &[text("a"), text("b")], &[text("{}"), text("[1]")], 1).expect("a good secret");
        let batch = "application/cloudevents-batch+json; charset=utf-8";
        assert_eq!((two[0].1.as_str(), &body[..]), (batch, &b"[{},[1]]"[..]));
        assert_eq!(two[1].1.len(), 32);
        let others = pack(secret, &[text("a"), text("c")], &[text("{}"), text("[1]")], 1).expect("a good secret");
        assert_ne!(two[1].1, others.0[1].1);
    }

    #[test]
    fn a_secret_that_is_none_is_told_of_and_not_shown() {
        for secret in ["", "whsec_", "whsec_c2hvcnQ=", "not base64!"] {
            let error = sign(secret, "id", 0, b"").expect_err(secret);
            assert!(secret.is_empty() || secret == "whsec_" || !error.contains(secret), "{error}");
        }
    }
}
