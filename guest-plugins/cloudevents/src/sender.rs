//! Who sends: a token, a signature, or both, whichever the source has.

use hookgate_plugin_sdk::{
    Delivery, Digest, Encoding, Outgoing, Part, Refusal, Secret, SecretError,
    answer::forged,
    encoding::{from_base64, part, to_base64},
    header,
    sending::{self, Body},
    setting, signatures,
    time::{self, Window},
};

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// Sees that the delivery holds whatever the source has secrets for; where it has none, its `auth` knows the sender.
///
/// # Errors
/// Misconfigured: it has none, or one that cannot be read. Unauthenticated, or stale.
pub fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let (signing, token) = (signing(delivery), delivery.secret("token", Encoding::Utf8, None));
    let has_none = matches!((&signing, &token), (Err(SecretError::Missing), Err(SecretError::Missing)));
    if has_none && delivery.authenticated_by().is_empty() {
        let text = "neither secrets.token, secrets.signing nor auth is set: anybody could send";
        return Err(Refusal::Misconfigured(text.to_owned()));
    }
    if let Some(secret) = optional("signing", signing)? {
        check_signature(delivery, &secret)?;
    }
    match optional("token", token)? {
        Some(secret) => check_token(delivery, &secret),
        None => Ok(()),
    }
}

/// A key in base64, with `whsec_` before it or not.
fn signing(delivery: &Delivery) -> Result<Secret, SecretError> {
    delivery.secret("signing", Encoding::Base64, Some("whsec_"))
}

fn optional(name: &str, secret: Result<Secret, SecretError>) -> Result<Option<Secret>, Refusal> {
    match secret {
        Ok(secret) => Ok(Some(secret)),
        Err(SecretError::Missing) => Ok(None),
        Err(error) => Err(Refusal::Misconfigured(setting::explain(name, error))),
    }
}

/// RFC 6750, as HTTP webhooks have it (3.1 and 3.2).
fn check_token(delivery: &Delivery, secret: &Secret) -> Result<(), Refusal> {
    let given = match header::optional(delivery, "authorization")? {
        Some(value) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
            _ => return Err(forged("authorization holds no Bearer token")),
        },
        None => delivery.query("access_token"),
    };
    match given {
        Some(token) if secret.equals(token.as_bytes()) => Ok(()),
        Some(_) => Err(forged("the token is not secrets.token")),
        None => Err(forged("neither a Bearer token in authorization nor access_token in the query")),
    }
}

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
fn check_signature(delivery: &Delivery, secret: &Secret) -> Result<(), Refusal> {
    let [id, timestamp, list] = [ID, TIMESTAMP, SIGNATURE].map(|name| header::required(delivery, name));
    let (id, timestamp, list) = (id?, timestamp?, list?);
    let signed_at = time::unix_seconds(&timestamp).ok_or_else(|| forged("webhook-timestamp is no unix time"))?;
    if id.contains('.') {
        return Err(forged("webhook-id holds a dot, so that where it ends cannot be told"));
    }
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

/// Signs as Standard Webhooks say.
///
/// # Errors
/// There is no secret to sign with: a token is for the sender to write into a header.
pub fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
    let secret = signing(delivery).map_err(|error| {
        format!(
            "{}; with a token only, send it with --header \"authorization: Bearer ...\"",
            setting::explain("signing", error)
        )
    })?;
    let id = format!("msg_{}", sending::uuid(delivery));
    let seconds = (delivery.received_at() / 1000).to_string();
    let body = Body::of(delivery, || example(delivery));
    let message = [part(&id), part("."), part(&seconds), part("."), body.part()];
    let signature = format!("v1,{}", to_base64(&secret.mac(Digest::Sha256, &message)));
    let media = header::first(delivery, "content-type").unwrap_or_else(|| "application/cloudevents+json".to_owned());
    Ok(body.with_headers([(ID, id), (TIMESTAMP, seconds), (SIGNATURE, signature), ("content-type", media)]))
}

fn example(delivery: &Delivery) -> String {
    include_str!("../example.json")
        .replace("A234-1234-1234", &sending::uuid(delivery))
        .replace("2018-04-05T17:31:00Z", &time::to_rfc3339(delivery.received_at()))
}
