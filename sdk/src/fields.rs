//! Fields of a JSON body, which the host reads for the plugin.

use crate::{Delivery, Event, JsonValue, Refusal};

/// Bytes of an id or ordering key that the host takes.
pub const ID_MAX: usize = 512;

/// Bytes of a kind that the host takes.
pub const KIND_MAX: usize = 256;

/// The whole body as text.
///
/// # Errors
/// Malformed: it is not UTF-8.
pub fn body_text(delivery: &Delivery) -> Result<String, Refusal> {
    let bytes = delivery.body(0, delivery.body_length());
    String::from_utf8(bytes).map_err(|_| Refusal::Malformed("the body is not UTF-8".to_owned()))
}

/// Blanks that a body may begin with; no provider writes one.
const BLANKS_MAX: u64 = 1 << 10;

/// The first byte of the body that is not a blank, nor part of a byte order mark.
pub fn first_byte(delivery: &Delivery) -> Option<u8> {
    let beginning = delivery.body(0, BLANKS_MAX);
    let text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&beginning);
    text.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// Whether the body begins as a JSON object or array does, which no form does. For providers that send both: the bytes
/// are signed, the content type is not, so a replayed delivery could have its JSON read as a form.
pub fn begins_as_json(delivery: &Delivery) -> bool {
    matches!(first_byte(delivery), Some(b'{' | b'['))
}

/// What stands at a JSON Pointer, if anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field(pub Option<JsonValue>);

/// The fields at these JSON Pointers of the body; one call to the host.
///
/// # Errors
/// Malformed: the body is not JSON.
pub fn of<const N: usize>(delivery: &Delivery, pointers: [&str; N]) -> Result<[Field; N], Refusal> {
    let values = delivery.json(&pointers).map_err(Refusal::Malformed)?;
    Ok(in_order(values))
}

/// Sees that the body is JSON, and fetches nothing of it.
///
/// # Errors
/// Malformed: it is not JSON.
pub fn check_json(delivery: &Delivery) -> Result<(), Refusal> {
    // A member without a name, which no document has.
    of(delivery, ["/"]).map(|[_]| ())
}

/// As [`of`], for providers whose body need not be JSON: every field is missing where it is not, unless its content type
/// says that it is.
///
/// # Errors
/// Malformed: the content type says JSON, and the body is none.
pub fn if_json<const N: usize>(delivery: &Delivery, pointers: [&str; N]) -> Result<[Field; N], Refusal> {
    match delivery.json(&pointers) {
        Ok(values) => Ok(in_order(values)),
        Err(error) if crate::header::says_json(delivery) => Err(Refusal::Malformed(error)),
        Err(_) => Ok(in_order(Vec::new())),
    }
}

/// The fields at these JSON Pointers of an event's payload; all missing where it is not JSON.
pub fn of_event<const N: usize>(event: &Event, pointers: [&str; N]) -> [Field; N] {
    in_order(event.json(&pointers).unwrap_or_default())
}

/// Bytes and tokens of a JSON Pointer that the host takes.
const POINTER_MAX: usize = 4 << 10;
const POINTER_TOKENS_MAX: usize = 128;

/// Whether a text is a JSON Pointer (RFC 6901) that the host takes: any other one ends the call. For pointers out of
/// settings.
pub fn is_pointer(text: &str) -> bool {
    let escapes_fit = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let is_short = text.len() <= POINTER_MAX && text.split('/').count() <= POINTER_TOKENS_MAX + 1;
    (text.is_empty() || text.starts_with('/')) && escapes_fit && is_short
}

fn in_order<const N: usize>(values: Vec<Option<JsonValue>>) -> [Field; N] {
    let mut values = values.into_iter();
    std::array::from_fn(|_| Field(values.next().flatten()))
}

impl Field {
    /// The text of a string.
    pub fn text(self) -> Option<String> {
        match self.0 {
            Some(JsonValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text of a string, or a number as written: many ids are one or the other.
    pub fn text_or_number(self) -> Option<String> {
        match self.0 {
            Some(JsonValue::Text(text) | JsonValue::Number(text)) => Some(text),
            _ => None,
        }
    }

    /// A string or number that can be an id: not empty, and not longer than the host takes.
    pub fn id(self) -> Option<String> {
        self.text_or_number().filter(|text| !text.is_empty() && text.len() <= ID_MAX)
    }

    /// A string that can be a kind: not empty, and not longer than the host takes.
    pub fn kind(self) -> Option<String> {
        self.text().filter(|text| !text.is_empty() && text.len() <= KIND_MAX)
    }

    /// A whole number that is not negative.
    pub fn whole(&self) -> Option<u64> {
        match &self.0 {
            Some(JsonValue::Number(text)) => text.parse().ok(),
            _ => None,
        }
    }

    /// A time in milliseconds: RFC 3339 in a string, or Unix seconds as a number.
    pub fn time(self) -> Option<u64> {
        match self.0 {
            Some(JsonValue::Number(text)) => crate::time::unix_decimal(&text),
            Some(JsonValue::Text(text)) => crate::time::rfc3339(&text),
            _ => None,
        }
    }

    /// An array or object, as written.
    pub fn composite(self) -> Option<String> {
        match self.0 {
            Some(JsonValue::Composite(text)) => Some(text),
            _ => None,
        }
    }
}
