//! Any body, unsigned: for senders that the source's `auth` authenticates. The gateway does not start with a source of this
//! plugin that has no `auth`.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | all | `settings.id`; else as `settings.identity` says; else equal bytes for a short time |  | each request without a body or with a query is an event |  | only the operator can say |

mod place;

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Event, Identity, KnownBy, Ordering, Position, Provider, Refusal, SettingSpec,
    Verdict,
    answer::{self, attribute, cloud_event, setting},
    export, header, time,
};

use crate::place::{Place, Values};

/// The plugin.
pub struct Raw;

export!(Raw, vectors_only);

impl Provider for Raw {
    fn describe() -> Descriptor {
        Descriptor {
            settings: settings(),
            ..answer::descriptor(
                "raw",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &["https://www.rfc-editor.org/rfc/rfc9110"],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        let otherwise = otherwise(delivery)?;
        if ["HEAD", "OPTIONS"].contains(&delivery.method().as_str()) {
            return Ok(Verdict::Answer(answer::answer_with(200, [])));
        }
        let [id, kind, occurred, subject, key, sequence] =
            Values::of(delivery, ["id", "kind", "time", "subject", "ordering-key", "sequence"])?.0;
        let occurred_at = occurred.as_deref().and_then(|text| time::rfc3339(text).or_else(|| time::unix_decimal(text)));
        let position = match (sequence.and_then(|number| number.parse().ok()), occurred_at) {
            (Some(sequence), _) => Position::Sequence(sequence),
            (None, Some(at)) => Position::Timestamp(at),
            (None, None) => Position::Arrival,
        };
        Ok(answer::admit(Identity {
            known_by: answer::id_or(id, otherwise),
            kind: answer::kind(kind),
            occurred_at,
            ordering: answer::id(key).map(|key| Ordering { key, position }),
            attributes: answer::attributes([("subject", answer::id(subject))]),
        }))
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let (delivery, identity) = (event.delivery(), event.identity());
        let prefix = delivery.setting("type-prefix").unwrap_or_else(|| "webhook".to_owned());
        let source = delivery.setting("source").unwrap_or_else(|| format!("urn:hookgate:source:{}", event.source()));
        let guessed =
            || if event.json(&[]).is_ok() { "application/json" } else { "application/octet-stream" }.to_owned();
        Ok(vec![CloudEvent {
            subject: attribute(&identity, "subject"),
            time: identity.occurred_at,
            data_content_type: Some(header::first(&delivery, "content-type").unwrap_or_else(guessed)),
            ..cloud_event(
                answer::provider_id(&identity).unwrap_or_else(|| event.id()),
                source,
                format!("{prefix}.{}", identity.kind.as_deref().unwrap_or("event")),
            )
        }])
    }
}

/// What tells an event apart where it has no id: what the source says, or else its bytes for a short time. A request
/// without a body, or with a query beside it, is not identified by its bytes: a second copy is a new event.
fn otherwise(delivery: &Delivery) -> Result<KnownBy, Refusal> {
    match delivery.setting("identity").as_deref() {
        Some("payload") => Ok(KnownBy::Payload),
        Some("delivery") => Ok(KnownBy::Delivery(None)),
        Some(other) => {
            Err(Refusal::Misconfigured(format!("settings.identity is neither payload nor delivery: {other:?}")))
        }
        None if delivery.body_length() == 0 || delivery.url().contains('?') => Ok(KnownBy::Delivery(None)),
        None => Ok(KnownBy::Undeclared),
    }
}

/// Each setting, named as those of the plugin hmac are.
fn settings() -> Vec<SettingSpec> {
    vec![
        setting("id", None, "where the event's id is: header:NAME, query:NAME or json:/POINTER"),
        setting(
            "identity",
            None,
            "what tells events without an id apart: payload (equal bytes are a copy) or delivery (each delivery is an \
             event); without it equal bytes are a copy for a short time, and each request with a query or without a body \
             is an event",
        ),
        setting("kind", None, "where the event's kind is, as id"),
        setting("time", None, "where the event's time is, as id: RFC 3339, or seconds since 1970"),
        setting("subject", None, "where the name of what the event is about is, as id"),
        setting("ordering-key", None, "where the name is of what events are ordered by, as id"),
        setting(
            "sequence",
            None,
            "where the event's number within its ordering key is, as id; else its time orders it",
        ),
        setting("type-prefix", Some("webhook"), "what stands in front of the kind in CloudEvents"),
        setting("source", None, "the source in CloudEvents; else the name of hookgate's source"),
    ]
}

/// A setting that holds a place; none where it is not set.
fn place(delivery: &Delivery, name: &str) -> Result<Option<Place>, Refusal> {
    let text = delivery.setting(name).filter(|text| !text.is_empty());
    let wrong = |why: String| Refusal::Misconfigured(format!("settings.{name}: {why}"));
    text.map(|text| Place::parse(&text)).transpose().map_err(wrong)
}

#[cfg(test)]
mod tests;
