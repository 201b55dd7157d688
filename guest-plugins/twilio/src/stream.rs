//! JSON webhooks: one document, or the batch of CloudEvents that an Event Streams sink posts
//! (<https://www.twilio.com/docs/events/webhook-quickstart>).

use std::borrow::Cow;

use hookgate_plugin_sdk::{Admission, ByteRange, Identity, KnownBy, Ordering, Payload, Position, Refusal, answer};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::moment;

/// What a delivery may bring at most, by the plugin contract.
const EVENTS_MAX: usize = 1000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    specversion: Option<Cow<'a, str>>,
}

/// The events of a JSON body.
///
/// # Errors
/// The body is no JSON, or an array that is empty, too long, or of anything but objects.
pub fn events(body: &[u8], token: Option<String>) -> Result<Vec<Admission>, Refusal> {
    let malformed = |error: serde_json::Error| Refusal::Malformed(format!("the body is no JSON: {error}"));
    let whole: &RawValue = serde_json::from_slice(body).map_err(malformed)?;
    if !whole.get().starts_with('[') {
        let identity = Identity { known_by: answer::id_or(token, KnownBy::Undeclared), ..identity(whole)? };
        return Ok(vec![Admission { identity, payload: Payload::Body }]);
    }
    let items: Vec<&RawValue> = serde_json::from_str(whole.get()).map_err(malformed)?;
    if items.is_empty() || items.len() > EVENTS_MAX {
        return Err(Refusal::Unsupported(format!("a batch of {} events: 1 to {EVENTS_MAX} are taken", items.len())));
    }
    items.into_iter().map(|item| Ok(Admission { identity: identity(item)?, payload: range(body, item) })).collect()
}

fn identity(item: &RawValue) -> Result<Identity, Refusal> {
    let envelope: Envelope = serde_json::from_str(item.get())
        .map_err(|error| Refusal::Malformed(format!("not an object with text for id, type and time: {error}")))?;
    if envelope.specversion.is_none() {
        return Ok(answer::identity());
    }
    let text = |value: Option<Cow<'_, str>>| value.map(Cow::into_owned);
    let occurred_at = envelope.time.as_deref().and_then(moment);
    let source = answer::id(text(envelope.source));
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Ok(Identity {
        known_by: answer::id_or(text(envelope.id), KnownBy::Undeclared),
        kind: answer::kind(text(envelope.kind)),
        occurred_at,
        ordering: source.clone().map(|key| Ordering { key, position }),
        attributes: source.into_iter().map(|source| ("sink".to_owned(), source)).collect(),
    })
}

/// Where in the body an item lies.
fn range(body: &[u8], item: &RawValue) -> Payload {
    let offset = item.get().as_ptr() as usize - body.as_ptr() as usize;
    Payload::BodyRange(ByteRange { offset: offset as u64, length: item.get().len() as u64 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_batch_is_split_where_it_lies() {
        let body = br#" [ {"specversion":"1.0","id":"EZ1","type":"com.twilio.x","source":"/s","time":"2024-01-01T00:00:00.000Z"},{"id":"EZ2"}]"#;
        let events = events(body, None).unwrap();
        let [first, second] = &events[..] else { panic!("{events:?}") };
        assert_eq!(first.identity.known_by.id(), Some("EZ1"));
        assert_eq!(first.identity.kind.as_deref(), Some("com.twilio.x"));
        assert_eq!(first.identity.occurred_at, Some(1_704_067_200_000));
        assert_eq!(second.identity, answer::identity(), "no CloudEvent");
        let Payload::BodyRange(range) = second.payload else { panic!() };
        let stretch = &body[range.offset as usize..][..range.length as usize];
        assert_eq!(stretch, br#"{"id":"EZ2"}"#);
    }

    #[test]
    fn one_document_is_one_event() {
        let events = events(br#"{"a":1}"#, Some("tok".into())).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].identity.known_by.id(), Some("tok"));
        assert_eq!(events[0].payload, Payload::Body);
    }

    #[test]
    fn what_is_no_batch_of_objects_is_refused() {
        for body in ["", "{", "[]", "[1]", "[{}", "\"x\"", r#"[{"id":1}]"#, "\u{feff}{}"] {
            assert!(events(body.as_bytes(), None).is_err(), "{body}");
        }
        let many = format!("[{}]", vec!["{}"; EVENTS_MAX + 1].join(","));
        assert!(matches!(events(many.as_bytes(), None), Err(Refusal::Unsupported(_))));
    }
}
