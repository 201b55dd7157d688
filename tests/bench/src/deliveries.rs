//! Stripe deliveries to send: every one with an id of its own and signed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret of the benchmark's source.
pub const SECRET: &str = "whsec_bench_bench_bench_bench";

/// A signed delivery: its body, and the value of `stripe-signature`.
pub struct Signed {
    /// A JSON document.
    pub body: Vec<u8>,
    /// `t=…,v1=…`
    pub signature: String,
}

/// An event of about `bytes` bytes. `id` makes it unlike every other one, and about an object of its own.
pub fn signed(id: u64, bytes: usize, now_unix: u64) -> Signed {
    signed_about(id, id, bytes, now_unix)
}

/// As [`signed`], about the object of that number: the event's ordering key.
pub fn signed_about(object: u64, id: u64, bytes: usize, now_unix: u64) -> Signed {
    let mut body = format!(
        r#"{{"id":"evt_{id:024}","object":"event","api_version":"2025-01-01","created":{now_unix},"livemode":false,"pending_webhooks":1,"request":{{"id":null,"idempotency_key":null}},"type":"invoice.paid","data":{{"object":{{"id":"in_{object:024}","object":"invoice","amount_due":2000,"currency":"eur","lines":["#
    );
    let mut line = 0;
    while body.len() + 90 < bytes {
        let comma = if line == 0 { "" } else { "," };
        body.push_str(&format!(
            r#"{comma}{{"id":"il_{line:012}","amount":{line},"description":"a line of the invoice"}}"#
        ));
        line += 1;
    }
    body.push_str("]}}}");
    let signature = sign(now_unix, body.as_bytes());
    Signed { body: body.into_bytes(), signature }
}

fn sign(now_unix: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{now_unix}.").as_bytes());
    mac.update(body);
    format!("t={now_unix},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Seconds since the epoch.
pub fn now_unix() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The same delivery as an HTTP/1.1 request to a source, with the headers that Stripe sends.
pub fn request(signed: &Signed, source: &str) -> Vec<u8> {
    let mut request = format!(
        "POST /in/{source} HTTP/1.1\r\nhost: hooks.example.com\r\nuser-agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n\
         accept: */*; q=0.5, application/xml\r\ncache-control: no-cache\r\ncontent-type: application/json; charset=utf-8\r\n\
         stripe-signature: {}\r\ncontent-length: {}\r\n\r\n",
        signed.signature,
        signed.body.len()
    )
    .into_bytes();
    request.extend_from_slice(&signed.body);
    request
}
