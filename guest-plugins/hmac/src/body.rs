//! The body as it enters signed content where it does not enter it byte for byte.

use hookgate_plugin_sdk::{Delivery, Digest, encoding::to_hex};

use crate::encoding::TagEncoding;

/// What is made of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyAs {
    /// Its digest, in text.
    Digest(Digest, TagEncoding),
    /// A JSON string, with its quotes.
    JsonString,
    /// With U+007F and every character beyond ASCII as `\uXXXX`, and slashes as `\/` unless they have their backslash
    /// already: what Box signs (github.com/box/box-node-sdk, `validateMessage` of its webhooks).
    Escaped,
}

impl BodyAs {
    /// Makes it.
    pub fn of(self, delivery: &Delivery) -> String {
        match self {
            BodyAs::Digest(digest, encoding) => encoding.encode(&delivery.body_digest(digest)),
            _ => self.of_bytes(&delivery.body(0, delivery.body_length())).unwrap_or_default(),
        }
    }

    /// Makes it of a body that the host does not have; none where only the host can.
    pub fn of_bytes(self, body: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(body);
        match self {
            BodyAs::Digest(..) => None,
            BodyAs::JsonString => Some(serde_json::Value::from(text).to_string()),
            BodyAs::Escaped => Some(escaped(&text)),
        }
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '/' if escaped.ends_with('\\') => escaped.push('/'),
            '/' => escaped.push_str("\\/"),
            c if c < '\u{7f}' => escaped.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped.push_str("\\u");
                    escaped.push_str(&to_hex(&unit.to_be_bytes()));
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_has_one_backslash() {
        assert_eq!(escaped("a/b\\/c\u{7f}"), "a\\/b\\/c\\u007f");
    }

    #[test]
    fn astral_characters_are_escaped_as_two() {
        assert_eq!(escaped("😀"), "\\ud83d\\ude00");
    }
}
