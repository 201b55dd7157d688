//! Who sends: a token, a signature, or both, whichever the source has.

use hookgate_plugin_sdk::{
    Delivery, Encoding, Outgoing, Refusal, Secret, SecretError,
    answer::forged,
    header,
    sending::{self, Body},
    setting, standard_webhooks, time,
};

/// Checks the token or signature that the source has a secret for; without a secret, its `auth` must know the sender.
///
/// # Errors
/// Misconfigured: it has none, or one that cannot be read. Unauthenticated, or stale.
pub fn authenticate(delivery: &Delivery) -> Result<(), Refusal> {
    let (signing, token) =
        (standard_webhooks::secret(delivery, "signing"), delivery.secret("token", Encoding::Utf8, None));
    let has_none = matches!((&signing, &token), (Err(SecretError::Missing), Err(SecretError::Missing)));
    if has_none && delivery.authenticated_by().is_empty() {
        let text = "neither secrets.token, secrets.signing nor auth is set: anyone could send";
        return Err(Refusal::Misconfigured(text.to_owned()));
    }
    if let Some(secret) = optional("signing", signing)? {
        standard_webhooks::verify(delivery, &secret)?;
    }
    match optional("token", token)? {
        Some(secret) => check_token(delivery, &secret),
        None => Ok(()),
    }
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

/// Signs as Standard Webhooks say.
///
/// # Errors
/// Only a secret of the kind `signing` can sign: a token is written into a header by the sender.
pub fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
    let secret = standard_webhooks::secret(delivery, "signing").map_err(|error| {
        format!(
            "{}; with a token only, send it with --header \"authorization: Bearer ...\"",
            setting::explain("signing", error)
        )
    })?;
    let body = Body::of(delivery, || example(delivery));
    Ok(standard_webhooks::sign(delivery, &secret, body, "application/cloudevents+json"))
}

fn example(delivery: &Delivery) -> String {
    include_str!("../example.json")
        .replace("A234-1234-1234", &sending::uuid(delivery))
        .replace("2018-04-05T17:31:00Z", &time::to_rfc3339(delivery.received_at()))
}
