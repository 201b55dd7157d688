//! The data of an output of a kept event.

use bytes::Bytes;
use hookgate_capabilities::{
    CloudEvent, EventData, Payload,
    cloudevents::{self, Data},
};
use hookgate_model::claim::Reference;
use hookgate_model::event::KeptEvent;

use super::RenderError;

/// The data of an output; none where it carries nothing, or something that is kept elsewhere.
pub(super) fn data<'a>(
    event: &KeptEvent,
    output: &'a CloudEvent,
    reference: Option<&Reference>,
) -> Result<Option<Data<'a>>, RenderError> {
    if reference.is_some() && output.data == EventData::Payload {
        return Ok(None);
    }
    Data::of(output, || {
        let bytes = payload(event)?;
        let content_type = payload_content_type(event, &bytes);
        Ok((bytes, content_type))
    })
}

/// The bytes that are the event's own.
pub(super) fn payload(event: &KeptEvent) -> Result<Bytes, RenderError> {
    // Without the bytes of a body that is elsewhere, an empty payload would pass for the event's own.
    if event.delivery.claim.is_some() && !matches!(event.admission.payload, Payload::Bytes(_)) {
        return Err(RenderError::Elsewhere);
    }
    event.admission.payload.of(event.delivery.body()).map_err(|_| RenderError::PayloadOutside)
}

/// The media type of a payload that is kept elsewhere: the plugin's word for it, else the delivery's.
pub(super) fn content_type_elsewhere(
    event: &KeptEvent,
    output: &CloudEvent,
    reference: Option<&Reference>,
) -> Option<String> {
    let is_elsewhere = reference.is_some() && output.data == EventData::Payload;
    is_elsewhere.then(|| output.data_content_type.clone().unwrap_or_else(|| payload_content_type(event, &[])))
}

/// As [`payload_content_type`], but that nothing is guessed of a whole body whose sender has not said what it is.
pub(super) fn original_content_type(event: &KeptEvent, payload: &[u8]) -> Option<String> {
    let is_whole = matches!(event.admission.payload, Payload::Body);
    let is_said = event.delivery.request.headers.iter().any(|(name, _)| name == "content-type");
    (is_said || !is_whole).then(|| payload_content_type(event, payload))
}

/// As [`cloudevents::payload_content_type`].
pub(super) fn payload_content_type(event: &KeptEvent, payload: &[u8]) -> String {
    cloudevents::payload_content_type(&event.admission.payload, &event.delivery.request.headers, payload)
}
