//! Who an event is, as the edge tells in an extension: JSON in a text, all numbers as texts.

use hookgate_plugin_sdk::{
    CloudEvent, ExtensionValue, Identity, KnownBy, Ordering, Position, Refusal, answer, cloudevents, json_text,
};

/// The extension.
pub const EXTENSION: &str = "hookgateidentity";

/// The identity of a CloudEvent: what the edge says, or, where it says nothing, what the CloudEvent does.
///
/// # Errors
/// Malformed: it is not a CloudEvent, or the extension cannot be read.
pub fn of_json(json: &str) -> Result<Identity, Refusal> {
    let event = cloudevents::of_json(json).map_err(Refusal::Malformed)?;
    match said(&event) {
        None => Ok(cloudevents::identity(&event)),
        Some(text) => read(text).ok_or_else(|| Refusal::Malformed(format!("the extension {EXTENSION} cannot be read"))),
    }
}

fn said(event: &CloudEvent) -> Option<&str> {
    event.extensions.iter().find_map(|(name, value)| match value {
        ExtensionValue::Text(text) if name == EXTENSION => Some(text.as_str()),
        _ => None,
    })
}

fn read(text: &str) -> Option<Identity> {
    let pointers = ["/id", "/kind", "/occurred", "/ordering/key", "/ordering/sequence", "/ordering/timestamp"];
    let [id, kind, occurred, key, sequence, timestamp] = json_text::fields(text, pointers)?.map(|field| field.text());
    let position = match (number(sequence)?, number(timestamp)?) {
        (Some(sequence), _) => Position::Sequence(sequence),
        (None, Some(timestamp)) => Position::Timestamp(timestamp),
        (None, None) => Position::Arrival,
    };
    Some(Identity {
        known_by: answer::id_or(Some(id?), KnownBy::Undeclared),
        kind: answer::kind(kind),
        occurred_at: number(occurred)?,
        ordering: key.map(|key| Ordering { key, position }),
        attributes: Vec::new(),
    })
}

/// The outer none: it is there and no number.
fn number(text: Option<String>) -> Option<Option<u64>> {
    text.map(|text| text.parse().ok()).map_or(Some(None), |number: Option<u64>| number.map(Some))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(id: &str, position: Position) -> Identity {
        let ordering = Some(Ordering { key: "acct_1".to_owned(), position });
        let (known_by, kind) = (KnownBy::Id(id.to_owned()), Some("invoice.paid".to_owned()));
        Identity { known_by, kind, occurred_at: Some(7), ordering, attributes: Vec::new() }
    }

    #[test]
    fn what_the_edge_says_is_read_back() {
        let said = |place: &str| {
            read(&format!(
                r#"{{"id":"evt_1","kind":"invoice.paid","occurred":"7","ordering":{{"key":"acct_1",{place}}}}}"#
            ))
        };
        let sequence = said(r#""sequence":"18446744073709551615","timestamp":null"#);
        assert_eq!(sequence, Some(ordered("evt_1", Position::Sequence(u64::MAX))));
        let timestamp = said(r#""sequence":null,"timestamp":"3""#);
        assert_eq!(timestamp, Some(ordered("evt_1", Position::Timestamp(3))));
        let arrival = said(r#""sequence":null,"timestamp":null"#);
        assert_eq!(arrival, Some(ordered("evt_1", Position::Arrival)));
    }

    #[test]
    fn nonsense_is_none() {
        for text in ["", "[]", "{}", r#"{"id":5}"#, r#"{"id":"a","occurred":"soon"}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
