//! Deliveries to send, of Stripe and of GitHub: each is signed and has an id of its own.

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

/// A delivery of GitHub about a push, as an HTTP/1.1 request to `path` with the headers that GitHub sends. `bytes` is the
/// length of the body, or its least possible length if that is more. `id` makes it unlike all others.
pub fn github_request(id: u64, bytes: usize, path: &str, secret: &str) -> Vec<u8> {
    let body = github_push(id, bytes);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body.as_bytes());
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: hooks.example.com\r\nuser-agent: GitHub-Hookshot/1a2b3c4\r\naccept: */*\r\n\
         content-type: application/json\r\nx-github-delivery: {id:08x}-5b0e-11f0-8c2d-{id:012x}\r\n\
         x-github-event: push\r\nx-github-hook-id: 292430182\r\n\
         x-github-hook-installation-target-id: 35129377\r\nx-github-hook-installation-target-type: repository\r\n\
         x-hub-signature-256: sha256={}\r\ncontent-length: {}\r\n\r\n",
        hex::encode(mac.finalize().into_bytes()),
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body.as_bytes());
    request
}

/// A push of one commit, whose message fills the body.
fn github_push(id: u64, bytes: usize) -> String {
    let start = format!(
        r#"{{"ref":"refs/heads/main","before":"{before:040x}","after":"{id:040x}","repository":{{"id":35129377,"node_id":"MDEwOlJlcG9zaXRvcnkzNTEyOTM3Nw==","name":"public-repo","full_name":"octocat/public-repo","private":false,"owner":{{"name":"octocat","login":"octocat","id":583231,"type":"User"}},"url":"https://github.com/octocat/public-repo","default_branch":"main"}},"pusher":{{"name":"octocat"}},"sender":{{"login":"octocat","id":583231,"url":"https://api.github.com/users/octocat"}},"created":false,"deleted":false,"forced":false,"commits":[{{"id":"{id:040x}","distinct":true,"message":""#,
        before = id.wrapping_sub(1)
    );
    let end = r#"","timestamp":"2026-05-05T19:40:15-04:00","author":{"name":"octocat","email":"octocat@example.com"},"added":[],"removed":[],"modified":["README.md"]}]}"#;
    let message: String = "Say in the README how it is built. "
        .chars()
        .cycle()
        .take(bytes.saturating_sub(start.len() + end.len()))
        .collect();
    format!("{start}{message}{end}")
}
