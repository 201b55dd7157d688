//! Structured mode: attributes and data in one JSON document.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hookgate_capabilities::{CloudEvent, ExtensionValue};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    Message, RenderError,
    data::{self, Data, Form},
    extensions, rfc3339,
};
use crate::{claims::Reference, journal::KeptEvent};

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

/// The JSON object: context attributes, extensions beside them, data last.
struct Envelope<'a> {
    output: &'a CloudEvent,
    data: Option<&'a Data<'a>>,
    /// The media type of data that is not here.
    elsewhere: Option<String>,
    extensions: Vec<(&'a str, ExtensionValue)>,
}

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let output = self.output;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &output.id)?;
        map.serialize_entry("source", &output.source)?;
        map.serialize_entry("type", &output.type_)?;
        let here = self.data.map(|data| data.content_type.to_string());
        let content_type = here.or(self.elsewhere.clone()).or(output.data_content_type.clone());
        let optional = [
            ("subject", output.subject.clone()),
            ("time", output.time.and_then(rfc3339)),
            ("dataschema", output.data_schema.clone()),
            ("datacontenttype", content_type),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                map.serialize_entry(name, &value)?;
            }
        }
        for (name, value) in &self.extensions {
            match value {
                ExtensionValue::Text(text) => map.serialize_entry(name, text)?,
                ExtensionValue::Integer(number) => map.serialize_entry(name, number)?,
                ExtensionValue::Boolean(flag) => map.serialize_entry(name, flag)?,
            }
        }
        if let Some(data) = self.data {
            serialize_data(&mut map, data)?;
        }
        map.end()
    }
}

fn serialize_data<M: SerializeMap>(map: &mut M, data: &Data<'_>) -> Result<(), M::Error> {
    match data.form() {
        Form::Json(json) => map.serialize_entry("data", json),
        Form::Text(text) => map.serialize_entry("data", text),
        Form::Binary => map.serialize_entry("data_base64", &STANDARD.encode(&data.bytes)),
    }
}
