//! JSON as other programs write it: the same document with other white space and escapes.

/// White space between the tokens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spacing {
    /// As it came.
    Kept,
    /// None: `JSON.stringify`, `serde_json`, `json.dumps(separators=(",", ":"))`.
    None,
    /// Behind commas and colons: Python's `json.dumps`.
    Spaced,
    /// Lines, indented by this number of blanks: pretty printers.
    Lines(usize),
}

/// Characters in texts that need no escape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Escapes {
    /// As they came.
    Kept,
    /// Everything beyond ASCII escaped: Python's `json.dumps`, PHP's `json_encode`.
    Ascii,
    /// Nothing escaped that may stand there: `JSON.stringify`.
    Least,
}

/// Slashes in texts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slashes {
    /// As they came.
    Kept,
    /// `\/`: PHP's `json_encode`.
    Escaped,
    /// `/`
    Plain,
}

/// The document written in another way; none where it is not JSON.
pub(super) fn rewritten(json: &str, spacing: Spacing, escapes: Escapes, slashes: Slashes) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(json).ok()?;
    let mut writer = Writer { out: String::with_capacity(json.len()), spacing, depth: 0 };
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let length = text_length(rest)?;
                writer.token(&text(&rest[..length], escapes, slashes));
                length
            }
            ' ' | '\t' | '\r' | '\n' => {
                writer.white(first);
                1
            }
            '{' | '[' => {
                let is_empty = rest[1..].trim_start().starts_with(['}', ']']);
                writer.open(first, is_empty);
                1
            }
            '}' | ']' => {
                writer.close(first);
                1
            }
            ',' | ':' => {
                writer.separator(first);
                1
            }
            _ => {
                let end = rest.find(|c: char| " \t\r\n,:]}".contains(c)).unwrap_or(rest.len());
                writer.token(&rest[..end]);
                end
            }
        };
        rest = &rest[length..];
    }
    Some(writer.out)
}

struct Writer {
    out: String,
    spacing: Spacing,
    depth: usize,
}

impl Writer {
    fn token(&mut self, token: &str) {
        self.out.push_str(token);
    }

    fn white(&mut self, white: char) {
        if matches!(self.spacing, Spacing::Kept) {
            self.out.push(white);
        }
    }

    fn open(&mut self, bracket: char, is_empty: bool) {
        self.out.push(bracket);
        if !is_empty {
            self.depth += 1;
            self.line();
        }
    }

    fn close(&mut self, bracket: char) {
        if !self.out.ends_with(['{', '[']) {
            self.depth = self.depth.saturating_sub(1);
            self.line();
        }
        self.out.push(bracket);
    }

    fn separator(&mut self, separator: char) {
        self.out.push(separator);
        match (self.spacing, separator) {
            (Spacing::Spaced, _) | (Spacing::Lines(_), ':') => self.out.push(' '),
            (Spacing::Lines(_), _) => self.line(),
            (Spacing::Kept | Spacing::None, _) => {}
        }
    }

    fn line(&mut self) {
        if let Spacing::Lines(blanks) = self.spacing {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', blanks * self.depth));
        }
    }
}

/// Bytes of the text at the beginning, quotes included.
fn text_length(json: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn text(token: &str, escapes: Escapes, slashes: Slashes) -> String {
    let written = match (escapes, serde_json::from_str::<String>(token)) {
        (Escapes::Kept, _) | (_, Err(_)) => token.to_owned(),
        (Escapes::Least, Ok(text)) => serde_json::Value::from(text).to_string(),
        (Escapes::Ascii, Ok(text)) => ascii(&serde_json::Value::from(text).to_string()),
    };
    match slashes {
        Slashes::Kept => written,
        Slashes::Plain => with_slashes(&written, "/"),
        Slashes::Escaped => with_slashes(&written, "\\/"),
    }
}

/// The token with each slash in the given form. The second half of an escaped backslash does not escape what follows.
fn with_slashes(token: &str, slash: &str) -> String {
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        match c {
            '/' => out.push_str(slash),
            '\\' => match chars.next() {
                Some('/') => out.push_str(slash),
                escaped => {
                    out.push(c);
                    out.extend(escaped);
                }
            },
            c => out.push(c),
        }
    }
    out
}

fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c)
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")))
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_are_written_as_other_programs_write_them() {
        let json = "{\"a\": [1, {\"b\":\"é\\/\"}], \"c\":{}, \"d\":[ ]}";
        let cases = [
            (Spacing::None, Escapes::Kept, Slashes::Kept, "{\"a\":[1,{\"b\":\"é\\/\"}],\"c\":{},\"d\":[]}"),
            (
                Spacing::Spaced,
                Escapes::Ascii,
                Slashes::Plain,
                "{\"a\": [1, {\"b\": \"\\u00e9/\"}], \"c\": {}, \"d\": []}",
            ),
            (
                Spacing::Lines(2),
                Escapes::Least,
                Slashes::Escaped,
                "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"é\\/\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}",
            ),
            (Spacing::Kept, Escapes::Kept, Slashes::Kept, json),
        ];
        for (spacing, escapes, slashes, expected) in cases {
            assert_eq!(rewritten(json, spacing, escapes, slashes).unwrap(), expected);
        }
        assert_eq!(rewritten("{not json", Spacing::None, Escapes::Kept, Slashes::Kept), None);
    }

    proptest! {
        #[test]
        fn the_document_stays_the_same(key in "\\PC{0,8}", text in ".{0,16}", number: i64) {
            let document = serde_json::json!({ key: [text, number, { "x": null }], "e": [] });
            for spacing in [Spacing::None, Spacing::Spaced, Spacing::Lines(4), Spacing::Kept] {
                for escapes in [Escapes::Kept, Escapes::Ascii, Escapes::Least] {
                    for slashes in [Slashes::Kept, Slashes::Escaped, Slashes::Plain] {
                        let written = rewritten(&document.to_string(), spacing, escapes, slashes).unwrap();
                        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
                        prop_assert_eq!(&read, &document);
                    }
                }
            }
        }

        #[test]
        fn any_text_is_written_or_refused(text in ".*") {
            let _ = rewritten(&text, Spacing::Lines(2), Escapes::Ascii, Slashes::Escaped);
        }
    }
}
