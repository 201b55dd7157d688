//! An event's outputs as JSON documents, and beside them who the event is.
//!
//! The extension `hookgateidentity` carries what the plugin said of the event to the origin: a source of the kind
//! `edge` takes the event in as if it had judged the delivery itself, in the provider's order, and takes the extension
//! out.

use hookgate_capabilities::{
    CloudEvent, Event, ExtensionValue, Identity, Ordering, Position,
    cloudevents::{self, Data, Envelope},
    limits,
};
use serde::Serialize;

/// The extension's name.
const IDENTITY: &str = "hookgateidentity";
/// Room for all of a document but its data, as a rule. It keeps large data from being copied while the document grows.
const ATTRIBUTES_BYTES: usize = 2 << 10;

/// One document for each output.
///
/// # Errors
/// For the plugin's author: what is wrong with an output.
pub fn render(event: &Event, outputs: &[CloudEvent]) -> Result<Vec<Vec<u8>>, String> {
    cloudevents::check_all(outputs)?;
    let several = outputs.len() > 1;
    let document = |(number, output): (usize, &CloudEvent)| {
        let mut extensions: Vec<_> =
            output.extensions.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        if event.brought_by.is_incomplete() {
            extensions.push((cloudevents::UNREAD, ExtensionValue::Boolean(true)));
        }
        // With it there are as many as are taken.
        if extensions.len() < limits::CLOUD_EVENT_EXTENSIONS_MAX {
            let identity = identity(event, several.then_some(number))?;
            extensions.push((IDENTITY, ExtensionValue::Text(identity)));
        }
        let data = Data::of(output, || payload(event))?;
        let mut document = Vec::with_capacity(data.as_ref().map_or(0, |data| data.bytes.len()) + ATTRIBUTES_BYTES);
        let envelope = Envelope { output, data: data.as_ref(), elsewhere: None, extensions };
        serde_json::to_writer(&mut document, &envelope).map_err(|error| error.to_string())?;
        Ok(document)
    };
    outputs.iter().enumerate().map(document).collect()
}

/// Its bytes and their media type.
fn payload(event: &Event) -> Result<(bytes::Bytes, String), String> {
    let bytes = event.payload_bytes.in_memory().cloned().unwrap_or_default();
    let delivery = &event.brought_by;
    // Where the payload is the whole body, it is of the delivery's type.
    let is_whole = delivery.read_body().in_memory() == Some(&bytes);
    let headers: &[_] = if is_whole { &delivery.request().headers } else { &[] };
    let content_type = cloudevents::payload_content_type(&hookgate_capabilities::Payload::Body, headers, &bytes);
    Ok((bytes, content_type))
}

/// What the extension says, as JSON; numbers as text, since they may be larger than JSON's readers take.
#[derive(Serialize)]
struct Said<'a> {
    id: &'a str,
    kind: Option<&'a str>,
    occurred: Option<String>,
    ordering: Option<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    key: &'a str,
    sequence: Option<String>,
    timestamp: Option<String>,
}

/// Of several outputs of one event each is an event of its own at the origin.
fn identity(event: &Event, number: Option<usize>) -> Result<String, String> {
    let Identity { known_by, kind, occurred_at, ordering, attributes: _ } = &event.admitted_as;
    let id = known_by.id().unwrap_or(&event.event_id);
    let id = number.map_or_else(|| id.to_owned(), |number| format!("{id} {number}"));
    let said = Said {
        id: &id,
        kind: kind.as_deref(),
        occurred: occurred_at.map(|time| time.to_string()),
        ordering: ordering.as_ref().map(place),
    };
    serde_json::to_string(&said).map_err(|error| error.to_string())
}

fn place(Ordering { key, position }: &Ordering) -> Place<'_> {
    let (sequence, timestamp) = match position {
        Position::Arrival => (None, None),
        Position::Sequence(number) => (Some(number.to_string()), None),
        Position::Timestamp(time) => (None, Some(time.to_string())),
    };
    Place { key, sequence, timestamp }
}
