//! `*` stands for any characters, none included.

/// A wildcard pattern, cut at its stars.
///
/// Matching takes each piece at the first place where it fits behind the one before. That is right because a star takes
/// whatever is in between, and since the standard library searches in linear time, so does this: no pattern makes it
/// slow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wildcard {
    /// What the text begins with.
    pub(super) head: String,
    /// What follows, in this order.
    middle: Vec<String>,
    /// What it ends with; none where the pattern has no star.
    pub(super) tail: Option<String>,
}

impl Wildcard {
    /// Reads a pattern; `\*` is a star and `\\` a backslash. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Wildcard, &'static str> {
        let mut pieces = vec![String::new()];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let literal = match c {
                '*' if chars.peek() == Some(&'*') => return Err("has two stars in a row; one says the same"),
                '*' => {
                    pieces.push(String::new());
                    continue;
                }
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '\\')) => escaped,
                    _ => return Err(r"has a backslash before something else than * or \; write \\ for a backslash"),
                },
                c => c,
            };
            if let Some(last) = pieces.last_mut() {
                last.push(literal);
            }
        }
        let tail = if pieces.len() > 1 { pieces.pop() } else { None };
        let head = pieces.remove(0);
        Ok(Wildcard { head, middle: pieces, tail })
    }

    /// Whether the whole text fits.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(tail) = &self.tail else { return text == self.head };
        let Some(rest) = text.strip_prefix(self.head.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(tail.as_str()) else { return false };
        for piece in &self.middle {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Wildcard::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn stars_take_whatever_is_between() {
        for (pattern, text) in [
            ("*", ""),
            ("a", "a"),
            ("a*", "a"),
            ("*.png", "x.png"),
            ("*/lib/*", "/usr/lib/x"),
            ("a*b*c", "abbc"),
            ("aba*aba", "abaaba"),
            (r"\*\\*", r"*\x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("aba*aba", "aba"), ("a*b*c", "acb"), (r"\*", "x"), ("*b*b*", "ab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["a**b", "**", r"\a", r"a\"] {
            assert!(Wildcard::parse(text).is_err(), "{text}");
        }
    }

    /// A matcher that goes back would take longer than the universe lasts.
    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = format!("{}b", "*a".repeat(2_000));
        assert!(!matches(&pattern, &"a".repeat(1_000_000)));
        let pattern = format!("{}*b*", "*a".repeat(2_000));
        assert!(!matches(&pattern, &"a".repeat(1_000_000)));
        assert!(matches(&pattern, &format!("{}b", "a".repeat(1_000_000))));
    }

    /// The definition, letter by letter.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => slow(rest, text) || (!text.is_empty() && slow(pattern, &text[1..])),
            ([p, pattern @ ..], [t, text @ ..]) if p == t => slow(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn it_agrees_with_the_definition(pattern in "(\\*?[ab]){0,6}\\*?", text in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
