//! Extension attributes that the host adds to the outputs of an event: `hookgateunread` ([`UNREAD`]), and for ordered sources
//! its position.
//!
//! * `partitionkey` (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/partitioning.md>): the
//!   ordering key. A plugin that sets it itself keeps its own.
//! * `sequence` (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/sequence.md>): compares, as text,
//!   as the events of the gateway were released. Not contiguous for one key.
//! * `hookgategap`: how many numbers before the event did not arrive in time.
//! * `hookgatelate`, `hookgateoverflow`, `hookgateahead`: `true` for an event that came after its turn, that was released
//!   early, or whose own time lies too far ahead. Absent otherwise.

use hookgate_capabilities::{
    CloudEvent, ExtensionValue,
    cloudevents::{UNREAD, check_text},
};
use hookgate_model::event::{KeptEvent, Waiting};
use sha2::{Digest, Sha256};

const PARTITION_KEY: &str = "partitionkey";
/// The attributes that [`say_order`] sets.
const ORDER: [&str; 6] =
    ["sequence", PARTITION_KEY, "hookgategap", "hookgatelate", "hookgateoverflow", "hookgateahead"];

/// Adds the position of an event with an ordering key to its outputs.
pub fn say_order(outputs: &mut [CloudEvent], event: &KeptEvent, waiting: &Waiting) {
    let Some(ordering) = &event.admission.identity.ordering else { return };
    let marks = &waiting.marks;
    let several = outputs.len() > 1;
    for (number, output) in outputs.iter_mut().enumerate() {
        // Padded to the width of the largest ticket, so that texts compare like numbers.
        let mut sequence = format!("{:020}", waiting.ticket);
        if several {
            sequence.push_str(&format!(".{number:03}"));
        }
        let extensions = &mut output.extensions;
        set(extensions, "sequence", ExtensionValue::Text(sequence));
        if !extensions.iter().any(|(name, _)| name == PARTITION_KEY)
            && let Some(key) = partition_key(&ordering.key)
        {
            set(extensions, PARTITION_KEY, ExtensionValue::Text(key));
        }
        if marks.missing > 0 {
            let missing = i32::try_from(marks.missing).unwrap_or(i32::MAX);
            set(extensions, "hookgategap", ExtensionValue::Integer(missing));
        }
        let marked =
            [("hookgatelate", marks.late), ("hookgateoverflow", marks.overflow), ("hookgateahead", marks.ahead)];
        for (name, _) in marked.iter().filter(|(_, is_so)| *is_so) {
            set(extensions, name, ExtensionValue::Boolean(true));
        }
    }
}

/// Marks the outputs of an event if a part of its JSON counted as absent.
pub fn say_unread(outputs: &mut [CloudEvent]) {
    for output in outputs {
        set(&mut output.extensions, UNREAD, ExtensionValue::Boolean(true));
    }
}

/// An output without what [`say_order`] and [`say_unread`] may have said: what the plugin itself has made of the event.
pub fn without_marks(output: &CloudEvent) -> CloudEvent {
    let mut output = output.clone();
    output.extensions.retain(|(name, _)| !ORDER.contains(&name.as_str()) && name != UNREAD);
    output
}

/// The ordering key as CloudEvents take it: not empty, and a hash where it holds characters that they forbid.
fn partition_key(key: &str) -> Option<String> {
    match check_text(PARTITION_KEY, key) {
        _ if key.is_empty() => None,
        Ok(()) => Some(key.to_owned()),
        Err(_) => Some(hex::encode(Sha256::digest(key))),
    }
}

fn set(extensions: &mut Vec<(String, ExtensionValue)>, name: &str, value: ExtensionValue) {
    extensions.retain(|(there, _)| there != name);
    extensions.push((name.to_owned(), value));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use hookgate_capabilities::{Admission, EventData, Identity, Ordering, Payload, Position, Request};
    use hookgate_model::event::{EventId, KeptDelivery, Marks};
    use uuid::Uuid;

    use super::*;
    use crate::check_all;

    fn event(key: &str) -> KeptEvent {
        let request = Request {
            method: "POST".to_owned(),
            url: "https://hooks.example.com/in/shop".to_owned(),
            headers: Vec::new(),
            received_at: 1,
            body: Vec::new().into(),
        };
        let delivery = KeptDelivery {
            source: "shop".to_owned(),
            plugin: (String::new(), String::new()),
            trace: String::new(),
            request,
            senders: Vec::new(),
            claim: None,
            is_incomplete: false,
            decoded: None,
        };
        let ordering = Some(Ordering { key: key.to_owned(), position: Position::Arrival });
        let admission = Admission { identity: Identity { ordering, ..Identity::default() }, payload: Payload::Body };
        let id = EventId { delivery: Uuid::nil(), index: 0 };
        KeptEvent { id, delivery: Arc::new(delivery), admission, outputs: None }
    }

    fn output() -> CloudEvent {
        CloudEvent {
            id: "1".to_owned(),
            source: "/shop".to_owned(),
            type_: "paid".to_owned(),
            subject: None,
            time: None,
            data_schema: None,
            data_content_type: None,
            data: EventData::None,
            extensions: vec![("sequence".to_owned(), ExtensionValue::Text("the plugin's".to_owned()))],
        }
    }

    fn said(key: &str, ticket: u64, marks: Marks, outputs: usize) -> Vec<Vec<(String, ExtensionValue)>> {
        let event = event(key);
        let waiting = Waiting { ticket, event: event.id, marks };
        let mut outputs = vec![output(); outputs];
        say_order(&mut outputs, &event, &waiting);
        assert_eq!(check_all(&outputs), Ok(()));
        outputs.into_iter().map(|output| output.extensions).collect()
    }

    fn text(name: &str, text: &str) -> (String, ExtensionValue) {
        (name.to_owned(), ExtensionValue::Text(text.to_owned()))
    }

    #[test]
    fn an_ordinary_event_has_its_key_and_its_place() {
        let expected = vec![text("sequence", "00000000000000000042"), text("partitionkey", "acct_1")];
        assert_eq!(said("acct_1", 42, Marks::default(), 1), [expected]);
    }

    #[test]
    fn places_compare_as_they_were_given_out() {
        let places = [
            said("a", 9, Marks::default(), 1),
            said("a", 10, Marks::default(), 3),
            said("a", u64::MAX, Marks::default(), 2),
        ];
        let places: Vec<String> = places.concat().iter().map(|one| format!("{:?}", one[0].1)).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    }

    #[test]
    fn marks_are_told() {
        let marks = Marks { late: true, overflow: true, ahead: true, missing: u64::MAX };
        let extensions = said("a", 1, marks, 1).concat();
        let yes = |name: &str| (name.to_owned(), ExtensionValue::Boolean(true));
        let gap = ("hookgategap".to_owned(), ExtensionValue::Integer(i32::MAX));
        assert_eq!(extensions[2..], [gap, yes("hookgatelate"), yes("hookgateoverflow"), yes("hookgateahead")]);
    }

    #[test]
    fn a_key_that_no_attribute_can_hold_is_hashed() {
        assert_eq!(said("", 1, Marks::default(), 1).concat().len(), 1);
        let extensions = said("a\nb", 1, Marks::default(), 1).concat();
        assert!(matches!(&extensions[1].1, ExtensionValue::Text(text) if text.len() == 64));
    }
}
