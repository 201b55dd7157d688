//! An event's outputs as messages: CloudEvents 1.0 in structured or binary mode, or the provider's raw body.
//!
//! Sources: the JSON event format (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>),
//! the HTTP binding (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>) and
//! the extension for distributed tracing.
//!
//! The extension `traceparent` is the host's: the delivery's trace and a span id that is the event's own, the same for
//! every attempt. A plugin that sets `traceparent` itself keeps its own. [`order`] adds the position of ordered events.
//!
//! A payload that is kept in the object store does not travel with its event. In its place stand the extension `dataref`
//! (<https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/dataref.md>), `datalength` (decimal digits: an
//! integer of CloudEvents ends at 2 GiB) and `datasha256` (hex). The host sets these; a plugin cannot.

mod binary;
mod data;
mod fields;
mod order;
mod structured;
#[doc(hidden)]
pub mod testing;

use bytes::Bytes;
pub use fields::{Fields, JsonData};
use hookgate_capabilities::cloudevents::rfc3339;
pub use hookgate_capabilities::cloudevents::{check, check_all};
use hookgate_capabilities::{CloudEvent, EventData, ExtensionValue, Payload};
use hookgate_model::claim::Reference;
use hookgate_model::event::{EventId, KeptEvent};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
pub use order::{say_order, say_unread, without_marks};
pub use structured::json_line;
use strum::{EnumString, VariantNames};

/// How an event is written into an HTTP request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Format {
    /// CloudEvents, structured mode (`application/cloudevents+json`).
    #[default]
    Structured,
    /// CloudEvents, binary mode (`ce-` headers, data as body).
    Binary,
    /// The event's payload as the provider sent it, with its content type.
    Raw,
}

/// A message for an HTTP endpoint, without the headers of a single attempt.
#[derive(Clone, Debug)]
pub struct Message {
    /// `content-type` and what the format puts beside the body.
    pub headers: HeaderMap,
    /// The exact bytes.
    pub body: Bytes,
}

/// Why an output cannot be put into a message; trying again would not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The payload's range lies outside the body.
    #[error("the event's payload lies outside its delivery's body: the record is damaged")]
    PayloadOutside,
    /// The payload is in the object store, and cannot be referred to.
    #[error("the event's payload is in the object store, and its record does not say which part of it")]
    Elsewhere,
    /// A value that no header can carry.
    #[error("{0} holds characters that an HTTP header cannot carry; the format `structured` can")]
    Header(&'static str),
    /// The output could not be written as JSON.
    #[error("the CloudEvent cannot be written as JSON: {0}")]
    Json(String),
}

/// Renders one output of an event in a destination's format. `reference` stands for a payload that is kept elsewhere.
pub fn render(
    event: &KeptEvent,
    output: &CloudEvent,
    reference: Option<&Reference>,
    format: Format,
) -> Result<Message, RenderError> {
    match format {
        Format::Structured => structured::message(event, output, reference),
        Format::Binary => binary::message(event, output, reference),
        Format::Raw => raw(event, output, reference),
    }
}

/// The event's payload as the provider sent it, with its content type. A delivery without one leaves without one.
///
/// Beside it stand `hookgate-event` (the event's id), `hookgate-source` (the source's name) and `hookgate-type` (the
/// CloudEvent's type). There are no `ce-` headers, so that no receiver takes the message for a CloudEvent, and none of
/// the provider's own headers, since some of them are secrets. A body that was received with a content coding is sent as it
/// was received, with `content-encoding`; a payload that is a part of it is sent decoded.
///
/// A payload that is kept elsewhere is not sent: `hookgate-dataref`, `hookgate-datalength` and `hookgate-datasha256` stand
/// for it.
fn raw(event: &KeptEvent, output: &CloudEvent, reference: Option<&Reference>) -> Result<Message, RenderError> {
    let payload = match reference {
        Some(_) => Bytes::new(),
        None => data::payload(event)?,
    };
    let mut headers = HeaderMap::new();
    if let Some(content_type) = data::original_content_type(event, &payload) {
        headers.insert(CONTENT_TYPE, header_value(&content_type, "the content type")?);
    }
    let codings = event.delivery.content_codings();
    let body = match event.admission.payload {
        Payload::Body if !codings.is_empty() => {
            headers.insert(CONTENT_ENCODING, header_value(&codings.to_string(), "the content codings")?);
            event.delivery.request.body.clone()
        }
        _ => payload,
    };
    headers.insert(HeaderName::from_static("hookgate-event"), encoded(&event.id.to_string(), "the event's id")?);
    headers.insert(HeaderName::from_static("hookgate-source"), encoded(&event.delivery.source, "the source's name")?);
    headers.insert(HeaderName::from_static("hookgate-type"), encoded(&output.type_, "the type")?);
    for (name, value) in reference.map(attributes).into_iter().flatten() {
        let name = HeaderName::try_from(format!("hookgate-{name}")).map_err(|_| RenderError::Header("a name"))?;
        headers.insert(name, header_value(&value, "the link")?);
    }
    Ok(Message { headers, body })
}

/// What stands for data that is kept elsewhere, as attributes.
fn attributes(reference: &Reference) -> [(&'static str, String); 3] {
    [
        ("dataref", reference.url.clone()),
        ("datalength", reference.length.to_string()),
        ("datasha256", hex::encode(reference.sha256)),
    ]
}

/// The W3C trace context of an event (<https://www.w3.org/TR/trace-context/#traceparent-header>): the trace of its
/// delivery, and a span that is the event's own.
pub fn traceparent(event: &KeptEvent) -> String {
    format!("00-{}-{:016x}-01", event.delivery.trace, span(event.id))
}

/// Never zero, which the standard forbids: the low half of a UUID begins with its variant bits, `10`.
fn span(id: EventId) -> u64 {
    let (_, low) = id.delivery.as_u64_pair();
    (low ^ u64::from(id.index)).max(1)
}

/// The extensions of an output and the host's own.
fn extensions<'a>(
    event: &KeptEvent,
    output: &'a CloudEvent,
    reference: Option<&Reference>,
) -> Vec<(&'a str, ExtensionValue)> {
    let mut all: Vec<_> = output.extensions.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    if let Some(reference) = reference.filter(|_| output.data == EventData::Payload) {
        let own = attributes(reference);
        all.retain(|(name, _)| own.iter().all(|(known, _)| known != name));
        all.extend(own.into_iter().map(|(name, value)| (name, ExtensionValue::Text(value))));
    }
    if !all.iter().any(|(name, _)| *name == "traceparent") {
        all.push(("traceparent", ExtensionValue::Text(traceparent(event))));
    }
    all
}

fn header_value(text: &str, what: &'static str) -> Result<HeaderValue, RenderError> {
    HeaderValue::from_str(text).map_err(|_| RenderError::Header(what))
}

fn encoded(text: &str, what: &'static str) -> Result<HeaderValue, RenderError> {
    header_value(&binary::percent_encoded(text), what)
}

#[cfg(test)]
mod tests;
