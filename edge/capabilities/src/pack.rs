//! What the origin is sent: CloudEvents in JSON (HTTP binding, 3.2 and 3.3,
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>), signed as Standard
//! Webhooks say (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

/// Names and values.
type Headers = [(&'static str, String); 4];

/// What one delivery brings.
#[derive(Default)]
pub struct Parcel {
    ids: Vec<String>,
    /// CloudEvents as JSON.
    documents: Vec<Vec<u8>>,
}

impl Parcel {
    /// Adds an event.
    pub fn add(&mut self, id: String, documents: Vec<Vec<u8>>) {
        self.ids.push(id);
        self.documents.extend(documents);
    }

    /// Headers and body; none where there are no documents.
    ///
    /// # Errors
    /// The secret is none.
    pub fn pack(mut self, secret: &str, timestamp: u64) -> Result<Option<(Headers, Vec<u8>)>, String> {
        let (content_type, body) = match self.documents.len() {
            0 => return Ok(None),
            // Not copied: it may be large.
            1 => ("application/cloudevents+json; charset=utf-8", self.documents.swap_remove(0)),
            _ => ("application/cloudevents-batch+json; charset=utf-8", batch(&self.documents)),
        };
        let id = match &self.ids[..] {
            [one] => one.clone(),
            several => hex::encode(&Sha256::digest(several.join(" "))[..16]),
        };
        let signature = sign(secret, &id, timestamp, &body)?;
        let headers = [
            ("content-type", content_type.to_owned()),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signature),
        ];
        Ok(Some((headers, body)))
    }
}

fn batch(documents: &[Vec<u8>]) -> Vec<u8> {
    [&b"["[..], &documents.join(&b","[..]), b"]"].concat()
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

    fn packed(events: &[(&str, &str)]) -> Option<(Headers, String)> {
        let mut parcel = Parcel::default();
        events.iter().for_each(|(id, document)| parcel.add((*id).to_owned(), vec![document.as_bytes().to_vec()]));
        let packed = parcel.pack("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1).expect("a good secret");
        packed.map(|(headers, body)| (headers, String::from_utf8(body).expect("JSON")))
    }

    #[test]
    fn several_events_are_a_batch_with_an_id_of_its_own() {
        let (one, body) = packed(&[("a", "{}")]).expect("an event");
        assert_eq!((one[0].1.as_str(), body.as_str()), ("application/cloudevents+json; charset=utf-8", "{}"));
        assert_eq!(one[1].1, "a");
        let (two, body) = packed(&[("a", "{}"), ("b", "[1]")]).expect("events");
        let batch = "application/cloudevents-batch+json; charset=utf-8";
        assert_eq!((two[0].1.as_str(), body.as_str()), (batch, "[{},[1]]"));
        assert_eq!(two[1].1.len(), 32);
        let (others, _) = packed(&[("a", "{}"), ("c", "[1]")]).expect("events");
        assert_ne!(two[1].1, others[1].1);
    }

    #[test]
    fn without_a_document_there_is_nothing_to_send() {
        let mut parcel = Parcel::default();
        parcel.add("a".to_owned(), Vec::new());
        assert_eq!(parcel.pack("", 1), Ok(None));
    }

    #[test]
    fn a_secret_that_is_none_is_told_of_and_not_shown() {
        for secret in ["", "whsec_", "whsec_c2hvcnQ=", "not base64!"] {
            let error = sign(secret, "id", 0, b"").expect_err(secret);
            assert!(secret.is_empty() || secret == "whsec_" || !error.contains(secret), "{error}");
        }
    }
}
