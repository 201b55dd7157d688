//! JSON webhooks: one document, or the batch of CloudEvents that an Event Streams sink posts
//! (<https://www.twilio.com/docs/events/webhook-quickstart>).

use hookgate_plugin_sdk::{
    Admission, ByteRange, Identity, KnownBy, Ordering, Payload, Position, answer, fields::Field, json_text,
};
use serde_json::value::RawValue;

use crate::event::moment;

/// What a delivery may bring at most, by the plugin contract.
const EVENTS_MAX: usize = 1000;

/// The events of a body that its digest binds. What cannot be taken apart into events stays together as one.
pub fn events(body: &[u8], token: Option<String>) -> Vec<Admission> {
    let json = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let items: Vec<&RawValue> = serde_json::from_slice(json).unwrap_or_default();
    if !(1..=EVENTS_MAX).contains(&items.len()) {
        let document = std::str::from_utf8(json).unwrap_or_default();
        let identity = Identity { known_by: answer::id_or(token, KnownBy::Undeclared), ..identity(document) };
        return vec![Admission { identity, payload: Payload::Body }];
    }
    items.into_iter().map(|item| Admission { identity: identity(item.get()), payload: range(body, item) }).collect()
}

/// Who a CloudEvent is. Its id is the same on every retry
/// (<https://www.twilio.com/docs/events/event-delivery-and-duplication>).
fn identity(item: &str) -> Identity {
    let found = json_text::fields(item, ["/specversion", "/id", "/type", "/time", "/source"]).unwrap_or_default();
    let [version, id, kind, time, source] = found.map(Field::text);
    if version.is_none() {
        return answer::identity();
    }
    let occurred_at = time.as_deref().and_then(moment);
    let source = answer::id(source);
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Identity {
        known_by: answer::id_or(id, KnownBy::Undeclared),
        kind: answer::kind(kind),
        occurred_at,
        ordering: source.clone().map(|key| Ordering { key, position }),
        attributes: source.into_iter().map(|source| ("sink".to_owned(), source)).collect(),
    }
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
        let events = events(body, None);
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
        let events = events(br#"{"a":1}"#, Some("tok".into()));
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].identity.known_by.id(), Some("tok"));
        assert_eq!(events[0].payload, Payload::Body);
    }

    #[test]
    fn what_is_not_a_batch_of_events_stays_together() {
        let many = format!("[{}]", vec!["{}"; EVENTS_MAX + 1].join(","));
        for body in ["", "{", "[]", "[{}", "\"x\"", r#"{"specversion":1,"id":"a"}"#, &many] {
            let admission = Admission { identity: answer::identity(), payload: Payload::Body };
            assert_eq!(events(body.as_bytes(), None), [admission], "{body}");
        }
    }

    #[test]
    fn an_item_that_cannot_be_read_is_an_event_without_a_name() {
        let body = "\u{feff}[1, {\"specversion\":\"1.0\",\"id\":1,\"type\":\"com.twilio.x\"}]";
        let events = events(body.as_bytes(), None);
        assert_eq!(events[0].identity, answer::identity());
        assert_eq!(events[1].identity.kind.as_deref(), Some("com.twilio.x"));
        assert_eq!(events[0].payload, Payload::BodyRange(ByteRange { offset: 4, length: 1 }));
    }
}
