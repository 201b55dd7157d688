//! CloudEvents 1.0 as plugins make them: the rules that they keep to, their data, and their form in JSON.
//!
//! Source: the JSON event format
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).

mod check;
mod data;
mod json;

pub use check::{check, check_all, check_text};
pub use data::{Data, Form, is_media_type, payload_content_type};
use jiff::Timestamp;
pub use json::Envelope;

/// The extension attribute of an event of whose JSON a part counted as absent: it is nested deeper than any pointer
/// reaches, or a string that the plugin asked for is not Unicode text. Its value is `true`.
pub const UNREAD: &str = "hookgateunread";

/// RFC 3339; none when the year has more than four digits.
pub fn rfc3339(milliseconds: u64) -> Option<String> {
    let time = Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()?;
    Some(time.to_string())
}
