//! Any provider with a plain signature scheme: what a signature looks like, what it covers and where the event's name stands are
//! settings, or come with the name of a provider that `hookgate_known_providers` describes.
//!
//! A delivery is read in the order of the modules below: settings, places, the template grammar and what is built with
//! it (the look of the signature, the signed content), the key, the timestamp; then the scheme that checks it all, the
//! handshake, and the event's identity.

mod body;
mod border;
mod challenge;
mod content;
mod digest;
mod encoding;
mod filled;
mod format;
mod handover;
mod identity;
mod key;
mod moment;
mod place;
mod probe;
pub mod providers;
mod scheme;
mod settings;
mod sign;
mod url;

use hookgate_known_providers::settings::SETTINGS;
use hookgate_plugin_sdk::{
    Accepted, Admission, CloudEvent, Delivery, Descriptor, Event, Outgoing, Payload, Provider, Refusal, Reply,
    SettingSpec, Verdict,
    answer::{self, attribute, cloud_event, setting},
    export, header,
};

use crate::{
    challenge::Stage,
    place::Reader,
    scheme::Scheme,
    settings::{Settings, wrong},
};

/// The plugin.
pub struct Hmac;

// src/tests.rs verifies what is signed for each known provider.
export!(Hmac, vectors_only);

impl Provider for Hmac {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![
                answer::with_prefixes(
                    answer::handed_over_secret(
                        key::SECRET,
                        "the secret as the provider shows it; user:password for scheme = \"basic\"; { handed-over = true } \
                         where the provider hands it over (settings.handover)",
                    ),
                    &providers::prefixes(),
                ),
                answer::optional_secret(challenge::TOKEN_SECRET, "the token that the provider repeats in a handshake"),
            ],
            settings: settings_described(),
            headers: providers::headers(),
            ..answer::descriptor(
                "hmac",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://www.rfc-editor.org/rfc/rfc2104", "https://www.standardwebhooks.com"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let settings = Settings::of(delivery)?;
        let reader = Reader::new(delivery);
        let scheme = Scheme::of(&settings)?;
        if let Some(verdict) = unsigned(&settings, &scheme, &reader)? {
            return Ok(verdict);
        }
        scheme.authenticate(&reader)?;
        if let Some(answer) = challenge::answer(Stage::Authentic, &settings, &reader)? {
            return Ok(answer);
        }
        if let Some(answer) = probe::answer(Stage::Authentic, &settings, &reader)? {
            return Ok(answer);
        }
        let identity = identity::of(&settings, &reader)?;
        let payload = payload(delivery, &scheme);
        let events = vec![Admission { identity, payload }];
        Ok(Verdict::Admit(Accepted { events, reply: reply(&settings)? }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let delivery = event.delivery();
        let settings = Settings::of(&delivery).map_err(sign::in_words)?;
        let identity = event.identity();
        let provider = settings.get("provider").map(|name| format!("com.{name}"));
        let prefix = settings.get("type-prefix").or(provider).unwrap_or_else(|| "webhook".to_owned());
        let source = settings.get("source").unwrap_or_else(|| format!("urn:hookgate:source:{}", event.source()));
        let kind = format!("{prefix}.{}", identity.kind.as_deref().unwrap_or("event"));
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: identity.occurred_at,
            data_content_type: Some(header::first(&delivery, "content-type").unwrap_or_else(|| guessed(event))),
            ..cloud_event(answer::provider_id(&identity).unwrap_or_else(|| event.id()), source, kind)
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        sign::outgoing(delivery)
    }
}

/// Without a body, only the query can identify the event, and only if it is signed.
fn payload(delivery: &Delivery, scheme: &Scheme) -> Payload {
    // Not before it is needed: an edge that does not know its own URL ends the judgement where a plugin reads it.
    if delivery.body_length() > 0 || !scheme.vouches_for_query() {
        return Payload::Body;
    }
    match delivery.url().split_once('?') {
        Some((_, query)) => Payload::Bytes(query.as_bytes().to_vec()),
        None => Payload::Body,
    }
}

/// The verdict on a request that cannot be signed: a handshake, a probe, a secret that is handed over. It never admits
/// an event.
fn unsigned(settings: &Settings<'_>, scheme: &Scheme, reader: &Reader<'_>) -> Result<Option<Verdict>, Refusal> {
    if let Some(answer) = challenge::answer(Stage::Unsigned, settings, reader)? {
        return Ok(Some(answer));
    }
    if reader.has_any(&scheme.signatures) {
        return Ok(None);
    }
    match probe::answer(Stage::Unsigned, settings, reader)? {
        Some(answer) => Ok(Some(answer)),
        None => handover::enroll(settings, reader),
    }
}

/// The kind of a payload that names none.
fn guessed(event: &Event) -> String {
    let is_json = event.json(&[]).is_ok();
    if is_json { "application/json" } else { "application/octet-stream" }.to_owned()
}

fn reply(settings: &Settings<'_>) -> Result<Option<Reply>, Refusal> {
    let status = settings.parsed("reply-status", |text| match text.parse::<u16>() {
        Ok(status @ 200..=299) => Ok(status),
        _ => Err(format!("{text:?} is not a status from 200 to 299")),
    })?;
    let body = settings.get("reply-body");
    if status.is_none() && body.is_none() {
        return Ok(None);
    }
    let body = body.unwrap_or_default();
    if status == Some(204) && !body.is_empty() {
        return Err(wrong(
            "reply-body",
            "a reply with status 204 has no body: leave it out, or set reply-status to 200",
        ));
    }
    let content_type = if body.starts_with('{') { "application/json" } else { "text/plain; charset=utf-8" };
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Ok(Some(Reply { status: status.unwrap_or(200), headers, body: body.into_bytes() }))
}

fn settings_described() -> Vec<SettingSpec> {
    SETTINGS.iter().map(|spec| setting(spec.name, spec.default, spec.description)).collect()
}

#[cfg(test)]
mod tests;
