//! Headers as text, or a refusal that names what is wrong.

use crate::{Delivery, Refusal};

/// Bytes of a header's value; no provider's signature comes near.
pub const LENGTH_MAX: usize = 8 << 10;

/// A header that must be there, once.
///
/// # Errors
/// Missing: unauthenticated. Doubled, too long, or not UTF-8: malformed.
pub fn required(delivery: &Delivery, name: &str) -> Result<String, Refusal> {
    optional(delivery, name)?.ok_or_else(|| Refusal::Unauthenticated(format!("no header {name}")))
}

/// A header that may be there, once.
///
/// # Errors
/// Doubled, too long, or not UTF-8: malformed.
pub fn optional(delivery: &Delivery, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = delivery.headers(name);
    if values.len() > 1 {
        return Err(Refusal::Malformed(format!("header {name} stands there {} times", values.len())));
    }
    values.pop().map(|value| text(name, value)).transpose()
}

/// A header that may be there, any number of times: its first value, none also where it is not text.
///
/// For what is only reported (a content type, a retry count) and decides nothing.
pub fn first(delivery: &Delivery, name: &str) -> Option<String> {
    delivery.header(name).and_then(|value| text(name, value).ok()).filter(|value| !value.is_empty())
}

/// The media type, lower case, without its parameters; empty where none is said.
pub fn media_type(delivery: &Delivery) -> String {
    let value = first(delivery, "content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether the content type says JSON.
pub fn says_json(delivery: &Delivery) -> bool {
    let media = media_type(delivery);
    media == "application/json" || media.ends_with("+json")
}

/// Whether the content type says that the body is a form.
pub fn says_form(delivery: &Delivery) -> bool {
    media_type(delivery) == "application/x-www-form-urlencoded"
}

fn text(name: &str, value: Vec<u8>) -> Result<String, Refusal> {
    if value.len() > LENGTH_MAX {
        return Err(Refusal::Malformed(format!("header {name} is longer than {LENGTH_MAX} bytes")));
    }
    String::from_utf8(value).map_err(|_| Refusal::Malformed(format!("header {name} is not UTF-8")))
}
