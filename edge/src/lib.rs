//! The edge: takes deliveries on somebody's HTTP platform, has the provider's plugin judge them, and forwards what they
//! bring to an origin. The way of a delivery is here, from top to bottom.
//!
//! Nothing is kept: the provider is answered with a success when the origin has answered with one, and else sends the
//! delivery again. Whatever is sent again has the same id, by which the origin makes it one.

#[allow(missing_docs, unsafe_code, clippy::unwrap_used)]
mod bindings;
mod codings;
mod config;
mod fetched;
#[allow(unsafe_code, reason = "the SDK's macro exports the handler")]
mod handler;
mod http;
mod log;
mod origin;
mod refused;
mod seen;
mod timed;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{SystemTime, UNIX_EPOCH},
};

use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};

use crate::{
    bindings::{
        Confirmation, Descriptor, Reply, Verdict,
        gate::{self, Admitted, Gate, SignedBody},
    },
    config::Config,
    http::BodyError,
    refused::Refused,
    seen::Seen,
    timed::within,
};

/// Times that one delivery is judged anew because keys had to be fetched for it.
const KEY_ROUNDS_MAX: usize = 4;

/// A sender could choose the host of the URL, and with it what the plugin checks.
const URL_NOT_TRUSTED: &str = "variable public_url: it is not set, and this plugin verifies the URL of a delivery; set it \
                               to what the provider calls this application, as https://hooks.example.com";

/// Answers a request.
async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let (status, reply) = match take(request).await {
        Ok((status, reply)) => (Some(status), reply),
        Err(refused) => {
            log::line(refused.cause(), &refused);
            (None, refused.reply())
        }
    };
    let own = status.map(|status| ("hookgate-status".to_owned(), status.as_bytes().to_vec()));
    let headers = reply.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).chain(own).collect();
    http::response(reply.status, headers, reply.body).await
}

/// What a delivery is answered, and what came of it in a word.
type Taken = (&'static str, Reply);

async fn take(request: Request) -> Result<Taken, Refused> {
    let plugin = bindings::describe();
    let config = Config::read(&plugin)?;
    let path = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
    if !config.takes(&path) {
        return Err(Refused::UnknownSource);
    }
    let received_at = now();
    let head = gate::Request {
        method: http::name_of(request.get_method()),
        url: config.url_of(&request, &path),
        is_url_trusted: config.has_public_url(),
        headers: http::headers_of(&request),
        received_at,
        body: Vec::new(),
        decoded_body: None,
        nonce: nonce(),
    };
    let body = http::body_of_request(request, http::length_of(&head.headers), config.body_limit);
    let body = within(config.body_timeout, body).await;
    let body = body.ok_or(Refused::TooSlow)?.map_err(|error| match error {
        BodyError::TooLarge => Refused::TooLarge(config.body_limit),
        BodyError::Truncated => Refused::Truncated,
    })?;
    let decoded_body = codings::decoded(&head.headers, &body, config.body_limit)?;
    let is_coded = decoded_body.is_some();
    let gate = Gate::new(&config.gate_source(&plugin), &gate::Request { body, decoded_body, ..head });
    let verdict = verify(&gate, is_coded, &config).await?;
    let events = gate.accept(&verdict, &plugin).map_err(Refused::PluginBroken)?;
    match verdict {
        Verdict::Answer(reply) => Ok(("answered", reply)),
        Verdict::Confirm(confirmation) => confirm(&gate, confirmation, &plugin).await,
        Verdict::Enroll(_) => Err(Refused::HandoverClosed),
        Verdict::Admit(accepted) => admit(&gate, events, accepted.reply, &config).await,
    }
}

/// The plugin's judgement. A body with a content coding may have been signed before it got the coding or afterwards: where
/// the body as received does not verify, the decoded one is tried.
async fn verify(gate: &Gate, is_coded: bool, config: &Config) -> Result<Verdict, Refused> {
    let as_received = verify_signed(gate, SignedBody::AsReceived, config).await;
    if !is_coded || !matches!(as_received, Err(Refused::Unauthenticated(_) | Refused::Stale(_))) {
        return as_received;
    }
    match verify_signed(gate, SignedBody::Decoded, config).await {
        Err(Refused::Unauthenticated(_)) => as_received,
        decoded => decoded,
    }
}

/// The plugin's judgement, with all the keys that it needs, where the signature is one of this body.
async fn verify_signed(gate: &Gate, signed: SignedBody, config: &Config) -> Result<Verdict, Refused> {
    for _ in 0..KEY_ROUNDS_MAX {
        let delivery = gate.delivery(signed);
        let judgement = bindings::verify(&delivery);
        if gate.has_read_untrusted_url() {
            return Err(Refused::Misconfigured(URL_NOT_TRUSTED.to_owned()));
        }
        match gate.key_needed().map_err(Refused::Misconfigured)? {
            // What it has said without them is void.
            Some(need) => fetched::give(gate, &need, config).await.map_err(Refused::KeysUnavailable)?,
            None => return judgement.map_err(Refused::from),
        }
    }
    Err(Refused::KeysUnavailable("the plugin needed keys again and again".to_owned()))
}

/// A handshake that ends with a request of ours.
async fn confirm(gate: &Gate, confirmation: Confirmation, plugin: &Descriptor) -> Result<Taken, Refused> {
    if !gate.may_confirm(&confirmation.url, plugin) {
        return Err(Refused::ConfirmationFailed("the plugin does not name this URL".to_owned()));
    }
    fetched::get(&confirmation.url, None).await.map_err(Refused::ConfirmationFailed)?;
    Ok(("answered", confirmation.reply))
}

/// Forwards what the origin has not had, and answers when the origin has.
async fn admit(gate: &Gate, events: Vec<Admitted>, reply: Option<Reply>, config: &Config) -> Result<Taken, Refused> {
    let mut seen = Seen::open(config);
    let (judged_at, mut new) = (now(), Vec::new());
    for Admitted { id, event } in events {
        if seen.knows(&id, judged_at) {
            continue;
        }
        let outputs = bindings::transform(&event).map_err(Refused::NotTransformed)?;
        gate.add(&event, &outputs).map_err(Refused::PluginBroken)?;
        new.push(id);
    }
    let status = if new.is_empty() { "duplicate" } else { "accepted" };
    let outgoing = gate.pack(&config.origin_secret, judged_at / 1000);
    if let Some(outgoing) = outgoing.map_err(|why| Refused::Misconfigured(format!("origin_secret: {why}")))? {
        origin::forward(outgoing, config).await?;
    }
    seen.note(&new, now());
    Ok((status, reply.unwrap_or(Reply { status: 200, headers: Vec::new(), body: Vec::new() })))
}

/// A random number: the keys of a new hasher are.
fn nonce() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Milliseconds since the epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
