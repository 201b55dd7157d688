//! Standard Webhooks with a shared secret, as most senders have them
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use crate::{
    Delivery, Digest, Encoding, Outgoing, Part, Refusal, Secret, SecretError, SecretSpec,
    answer::{self, forged},
    borders::{self, Piece},
    encoding::{from_base64, part, to_base64},
    header,
    sending::{self, Body},
    setting, signatures,
    time::{self, Window},
};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// The headers that [`verify`] reads.
pub const HEADERS: [&str; 3] = [ID, TIMESTAMP, SIGNATURE];

/// What stands in front of the key in a secret's text.
const PREFIX: &str = "whsec_";

/// The description of a secret that [`secret`] opens.
pub fn spec(spec: SecretSpec) -> SecretSpec {
    answer::with_prefixes(spec, &[PREFIX])
}

/// A secret of the source: a key in base64, with `whsec_` before it or not. Its description is [`spec`]'s.
///
/// # Errors
/// There is none, or it is not base64.
pub fn secret(delivery: &Delivery, name: &str) -> Result<Secret, SecretError> {
    delivery.secret(name, Encoding::Base64, Some(PREFIX))
}

/// Checks the signature, and its age against `settings.tolerance` (300 seconds where it is not set).
///
/// # Errors
/// Unauthenticated, or stale; misconfigured where the setting makes no sense.
pub fn verify(delivery: &Delivery, secret: &Secret) -> Result<(), Refusal> {
    let [id, timestamp, list] = HEADERS.map(|name| header::required(delivery, name));
    let (id, timestamp, list) = (id?, timestamp?, list?);
    let signed_at =
        time::unix_seconds(&timestamp).ok_or_else(|| forged("webhook-timestamp is not a Unix timestamp"))?;
    let body = Piece::Anything { first: None, last: None };
    let pieces =
        [Piece::until(b'.', ID, &id), Piece::Fixed("."), Piece::digits(TIMESTAMP, &timestamp), Piece::Fixed("."), body];
    borders::check(&pieces).map_err(|why| forged(&why.to_string()))?;
    let message = [part(&id), part("."), part(&timestamp), part("."), Part::Body];
    let fits = |signature: &str| {
        let tag = signature.strip_prefix("v1,").and_then(from_base64);
        tag.is_some_and(|tag| secret.verify_mac(Digest::Sha256, &message, &tag))
    };
    if !list.split_ascii_whitespace().take(signatures::TRIED_MAX).any(fits) {
        return Err(forged("no v1 signature of webhook-signature fits the body"));
    }
    time::check(delivery, signed_at, setting::whole(delivery, "tolerance", 300)?, Window::Both)
}

/// Signs a delivery; its content type is `content_type` unless it has one.
pub fn sign(delivery: &Delivery, secret: &Secret, body: Body, content_type: &str) -> Outgoing {
    let id = format!("msg_{}", sending::uuid(delivery));
    let seconds = (delivery.received_at() / 1000).to_string();
    let message = [part(&id), part("."), part(&seconds), part("."), body.part()];
    let signature = format!("v1,{}", to_base64(&secret.mac(Digest::Sha256, &message)));
    let media = header::first(delivery, "content-type").unwrap_or_else(|| content_type.to_owned());
    body.with_headers([(ID, id), (TIMESTAMP, seconds), (SIGNATURE, signature), ("content-type", media)])
}
