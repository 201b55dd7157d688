//! Forms (application/x-www-form-urlencoded, WHATWG URL, section 5).

use std::{borrow::Cow, ops::Range};

/// The decoded pairs of a form, in order. What needs no decoding is not copied.
pub fn pairs(form: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// The first value of that name.
pub fn value(form: &str, name: &str) -> Option<String> {
    pairs(form).find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

/// The value of a form's first pair, where the form begins with that name as it stands; for forms that are large. It is
/// decoded where it lies, so that it takes no more memory than the form.
pub fn first_value(form: Vec<u8>, name: &str) -> Option<String> {
    let start = name.len() + 1;
    if !form.starts_with(name.as_bytes()) || form.get(name.len()) != Some(&b'=') {
        return None;
    }
    let end = form.iter().position(|byte| *byte == b'&').unwrap_or(form.len());
    Some(text(decoded(form, start..end)))
}

/// `+` is a blank and `%XX` a byte; what is left that is not UTF-8 becomes U+FFFD.
pub fn decode(encoded: &str) -> Cow<'_, str> {
    if encoded.contains(['+', '%']) {
        text(decoded(encoded.as_bytes().to_vec(), 0..encoded.len())).into()
    } else {
        encoded.into()
    }
}

/// A stretch of the bytes, decoded and moved to their beginning.
fn decoded(mut bytes: Vec<u8>, stretch: Range<usize>) -> Vec<u8> {
    let (mut read, mut written) = (stretch.start, 0);
    while read < stretch.end {
        let (byte, length) = match bytes[read] {
            b'+' => (b' ', 1),
            b'%' => escaped(&bytes[read + 1..stretch.end]).map_or((b'%', 1), |byte| (byte, 3)),
            byte => (byte, 1),
        };
        bytes[written] = byte;
        read += length;
        written += 1;
    }
    bytes.truncate(written);
    bytes
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn escaped(after: &[u8]) -> Option<u8> {
    let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    Some((digit(0)? << 4 | digit(1)?) as u8)
}

/// One value, encoded for a form.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => {
                encoded.push('%');
                encoded.push_str(&crate::encoding::to_hex(&[byte]).to_ascii_uppercase());
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_undone_and_half_ones_stay() {
        for (encoded, expected) in
            [("a+b", "a b"), ("%41%e2%82%AC", "A€"), ("%", "%"), ("%4", "%4"), ("%zz%", "%zz%"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(decode(encoded), expected, "{encoded}");
        }
        assert!(matches!(decode("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_the_first_pair_is_the_first_value() {
        let first = |form: &str| first_value(form.as_bytes().to_vec(), "payload");
        assert_eq!(first("payload=%7B%7D").as_deref(), Some("{}"));
        assert_eq!(first("payload=a+b&payload=c").as_deref(), Some("a b"));
        assert_eq!(first("payload=").as_deref(), Some(""));
        for form in ["", "payload", "payload&a=b", "a=b&payload=c", "payloads=a", "{}&payload=a"] {
            assert_eq!(first(form), None, "{form}");
        }
    }

    proptest! {
        #[test]
        fn pairs_are_read_as_everyone_does(form in "[a-c&=+%0-9é]{0,30}") {
            let theirs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
            prop_assert_eq!(pairs(&form).collect::<Vec<_>>(), theirs);
        }

        #[test]
        fn what_is_encoded_is_decoded_again(value: String) {
            let encoded = encode(&value);
            prop_assert_eq!(decode(&encoded), value.as_str());
            prop_assert_eq!(first_value(format!("a={encoded}&b").into_bytes(), "a"), Some(value));
        }
    }
}
