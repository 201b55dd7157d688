//! The data of an output: which bytes, and which media type.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{CloudEvent, EventData, Payload};

/// What an output carries.
#[derive(Debug)]
pub struct Data<'a> {
    /// The exact bytes.
    pub bytes: Bytes,
    /// A media type.
    pub content_type: Cow<'a, str>,
    /// The plugin says that it is text.
    pub text: bool,
}

/// How data stands in JSON.
#[derive(Debug)]
pub enum Form<'d> {
    /// As it is written.
    Json(&'d RawValue),
    /// As a string.
    Text(&'d str),
    /// In base64.
    Binary,
}

impl<'a> Data<'a> {
    /// The data of an output; none where it carries nothing. `payload` is the event's own bytes and their media type.
    ///
    /// Where the plugin names no media type it is `application/json` for JSON, `text/plain` for text, the payload's own
    /// for a payload.
    ///
    /// # Errors
    /// The payload cannot be had.
    pub fn of<E>(
        output: &'a CloudEvent,
        payload: impl FnOnce() -> Result<(Bytes, String), E>,
    ) -> Result<Option<Data<'a>>, E> {
        let (bytes, fallback, text) = match &output.data {
            EventData::None => return Ok(None),
            EventData::Json(json) => (Bytes::copy_from_slice(json.as_bytes()), "application/json".to_owned(), true),
            EventData::Text(text) => (Bytes::copy_from_slice(text.as_bytes()), "text/plain".to_owned(), true),
            EventData::Bytes(bytes) => (Bytes::copy_from_slice(bytes), "application/octet-stream".to_owned(), false),
            EventData::Payload => {
                let (bytes, original) = payload()?;
                (bytes, original, false)
            }
        };
        let content_type = output.data_content_type.as_deref().map_or(Cow::Owned(fallback), Cow::Borrowed);
        Ok(Some(Data { bytes, content_type, text }))
    }
}

impl Data<'_> {
    /// JSON as it is written where type and bytes agree that it is JSON; text as a string; all else in base64, so that no
    /// byte is lost.
    pub fn form(&self) -> Form<'_> {
        if is_json_type(&self.content_type) {
            return as_json(&self.bytes).map_or(Form::Binary, Form::Json);
        }
        match std::str::from_utf8(&self.bytes) {
            Ok(text) if self.text || is_text_type(&self.content_type) => Form::Text(text),
            _ => Form::Binary,
        }
    }
}

/// The media type of a payload: the delivery's own where the payload is its whole body, else what the bytes look like.
pub fn payload_content_type(payload: &Payload, headers: &[(String, Vec<u8>)], bytes: &[u8]) -> String {
    let declared = match payload {
        Payload::Body => headers.iter().find(|(name, _)| name == "content-type"),
        _ => None,
    };
    let declared = declared.and_then(|(_, value)| std::str::from_utf8(value).ok()).filter(|text| is_media_type(text));
    match declared {
        Some(text) => text.to_owned(),
        None if as_json(bytes).is_some() => "application/json".to_owned(),
        None => "application/octet-stream".to_owned(),
    }
}

/// The bytes as a JSON value, kept as written; none when they are not JSON (RFC 8259). Any depth is taken. A byte order
/// mark before it is left out: inside another document it is not allowed.
pub(crate) fn as_json(bytes: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok()
}

/// `*/json` or `*/*+json`, parameters aside (JSON event format, 3.1.1).
pub(crate) fn is_json_type(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// A media type whose bytes are text in UTF-8 (when they are UTF-8).
pub(crate) fn is_text_type(content_type: &str) -> bool {
    let essence = essence(content_type);
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    let textual = kind == "text"
        || matches!(subtype, "xml" | "x-www-form-urlencoded" | "javascript" | "yaml" | "x-ndjson" | "graphql")
        || subtype.ends_with("+xml")
        || subtype.ends_with("+yaml");
    textual && charset(content_type).is_none_or(|name| name == "utf-8" || name == "us-ascii")
}

/// `type/subtype` and perhaps parameters, fit for a header (RFC 9110, 8.3.1).
pub fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let named = essence(text).split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    named && text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'))
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_media_types_are_known_by_their_subtype() {
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.github+json", "text/json"] {
            assert!(is_json_type(yes), "{yes}");
        }
        for no in ["application/jsonp", "application/x-ndjson", "json", "text/plain; a=application/json", ""] {
            assert!(!is_json_type(no), "{no}");
        }
    }

    #[test]
    fn text_in_another_charset_is_not_taken_for_utf8() {
        assert!(is_text_type("text/plain; charset=\"UTF-8\""));
        assert!(is_text_type("application/x-www-form-urlencoded"));
        assert!(!is_text_type("text/plain; charset=iso-8859-1"));
        assert!(!is_text_type("image/png"));
    }

    #[test]
    fn only_what_a_header_can_carry_is_a_media_type() {
        for yes in ["text/plain", "application/json;charset=utf-8", "multipart/form-data; boundary=\"a b\""] {
            assert!(is_media_type(yes), "{yes}");
        }
        for no in ["", "text", "text/", "/plain", "te xt/plain", "text/plain\r\nx: y", "text/plain; é=1"] {
            assert!(!is_media_type(no), "{no}");
        }
    }

    #[test]
    fn a_million_levels_of_json_are_json() {
        let deep = [vec![b'['; 1_000_000], vec![b']'; 1_000_000]].concat();
        assert!(as_json(&deep).is_some());
    }
}
