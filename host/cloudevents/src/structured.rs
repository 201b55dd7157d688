//! Structured mode: attributes and data in one JSON document.

use bytes::Bytes;
use hookgate_capabilities::{CloudEvent, cloudevents::Envelope};
use hookgate_model::claim::Reference;
use hookgate_model::event::KeptEvent;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use super::{Message, RenderError, data, extensions};

/// `application/cloudevents+json`.
pub(super) fn message(
    event: &KeptEvent,
    output: &CloudEvent,
    reference: Option<&Reference>,
) -> Result<Message, RenderError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=utf-8"));
    Ok(Message { headers, body: Bytes::from(json(event, output, reference)?) })
}

/// The same document on one line, with the newline behind it.
///
/// JSON has line breaks only between its tokens (inside strings they are escaped), so each one in the provider's own
/// JSON becomes a space and nothing else changes.
pub fn json_line(
    event: &KeptEvent,
    output: &CloudEvent,
    reference: Option<&Reference>,
) -> Result<Vec<u8>, RenderError> {
    let mut line = json(event, output, reference)?;
    for byte in &mut line {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    line.push(b'\n');
    Ok(line)
}

fn json(event: &KeptEvent, output: &CloudEvent, reference: Option<&Reference>) -> Result<Vec<u8>, RenderError> {
    let data = data::data(event, output, reference)?;
    let envelope = Envelope {
        output,
        data: data.as_ref(),
        elsewhere: data::content_type_elsewhere(event, output, reference),
        extensions: extensions(event, output, reference),
    };
    serde_json::to_vec(&envelope).map_err(|error| RenderError::Json(error.to_string()))
}
