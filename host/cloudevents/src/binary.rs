//! Binary mode: attributes as `ce-` headers, data as the body.

use hookgate_capabilities::{CloudEvent, ExtensionValue};
use hookgate_model::claim::Reference;
use hookgate_model::event::KeptEvent;
use http::{HeaderMap, HeaderName, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Message, RenderError, data, encoded, extensions, header_value, rfc3339};

/// ASCII characters that must be encoded in a header value (HTTP binding, 3.1.3.2).
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// A header value as the HTTP binding has it: printable ASCII, the rest percent-encoded UTF-8.
pub(super) fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Attributes as headers, the data's exact bytes as the body.
pub(super) fn message(
    event: &KeptEvent,
    output: &CloudEvent,
    reference: Option<&Reference>,
) -> Result<Message, RenderError> {
    let mut headers = HeaderMap::new();
    let data = data::data(event, output, reference)?;
    let elsewhere = data::content_type_elsewhere(event, output, reference);
    let here = data.as_ref().map(|data| data.content_type.as_ref());
    let content_type = here.or(elsewhere.as_deref()).or(output.data_content_type.as_deref());
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, header_value(content_type, "the content type")?);
    }
    let time = output.time.and_then(rfc3339);
    let attributes = [
        ("specversion", Some("1.0")),
        ("id", Some(output.id.as_str())),
        ("source", Some(output.source.as_str())),
        ("type", Some(output.type_.as_str())),
        ("subject", output.subject.as_deref()),
        ("time", time.as_deref()),
        ("dataschema", output.data_schema.as_deref()),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            insert(&mut headers, name, value)?;
        }
    }
    for (name, value) in extensions(event, output, reference) {
        match value {
            ExtensionValue::Text(text) => insert(&mut headers, name, &text)?,
            ExtensionValue::Integer(number) => insert(&mut headers, name, &number.to_string())?,
            ExtensionValue::Boolean(flag) => insert(&mut headers, name, if flag { "true" } else { "false" })?,
        }
    }
    Ok(Message { headers, body: data.map(|data| data.bytes).unwrap_or_default() })
}

fn insert(headers: &mut HeaderMap, attribute: &str, value: &str) -> Result<(), RenderError> {
    let name =
        HeaderName::try_from(format!("ce-{attribute}")).map_err(|_| RenderError::Header("an extension's name"))?;
    headers.insert(name, encoded(value, "an attribute")?);
    Ok(())
}
