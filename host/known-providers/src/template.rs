//! The one grammar of templates: text, `{slots}`, and `[parts]` that are left out when a slot in them has no value.
//!
//! A brace or bracket that is meant itself is doubled: `{{`, `}}`, `[[`, `]]`.

use std::{iter::Peekable, str::Chars};

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Stands for itself.
    Text(String),
    /// The name between the braces.
    Slot(String),
    /// What stood between brackets.
    Optional(Vec<Token>),
}

/// Reads a template.
///
/// # Errors
/// In words: a brace or bracket without its partner, an empty slot, or brackets within brackets.
pub fn parse(template: &str) -> Result<Vec<Token>, String> {
    let mut chars = template.chars().peekable();
    let tokens = tokens(&mut chars, false)?;
    Ok(tokens)
}

fn tokens(chars: &mut Peekable<Chars<'_>>, within: bool) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    loop {
        let Some(c) = chars.next() else {
            return if within { Err("a [ has no ]".to_owned()) } else { Ok(tokens) };
        };
        let doubled = "{}[]".contains(c) && chars.next_if_eq(&c).is_some();
        match c {
            '{' if !doubled => tokens.push(Token::Slot(slot(chars)?)),
            '}' if !doubled => return Err("a } has no {; write }} for the brace itself".to_owned()),
            '[' if !doubled && within => return Err("brackets cannot stand within brackets".to_owned()),
            '[' if !doubled => tokens.push(Token::Optional(self::tokens(chars, true)?)),
            ']' if !doubled && within => return Ok(tokens),
            ']' if !doubled => return Err("a ] has no [; write ]] for the bracket itself".to_owned()),
            c => match tokens.last_mut() {
                Some(Token::Text(text)) => text.push(c),
                _ => tokens.push(Token::Text(c.to_string())),
            },
        }
    }
}

fn slot(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut name = String::new();
    loop {
        match chars.next() {
            Some('}') if name.is_empty() => return Err("{} names nothing".to_owned()),
            Some('}') => return Ok(name),
            Some(c) => name.push(c),
            None => return Err(format!("{{{name} has no }}; write {{{{ for the brace itself")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Token {
        Token::Text(text.to_owned())
    }

    fn slot(name: &str) -> Token {
        Token::Slot(name.to_owned())
    }

    #[test]
    fn text_slots_and_optional_parts() {
        let optional = Token::Optional(vec![slot("timestamp"), text(":")]);
        assert_eq!(parse("v0:[{timestamp}:]{body}").unwrap(), [text("v0:"), optional, slot("body")]);
    }

    #[test]
    fn doubled_marks_stand_for_themselves() {
        assert_eq!(parse("[[{t};{b}]]").unwrap(), [text("["), slot("t"), text(";"), slot("b"), text("]")]);
        assert_eq!(parse(r#"{{"a":{b}}}"#).unwrap(), [text(r#"{"a":"#), slot("b"), text("}")]);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn marks_without_partner_are_refused() {
        for template in ["{", "}", "[", "]", "{}", "{a", "a}", "[a", "a]", "[[a]", "[a[b]]", "[[[a"] {
            assert!(parse(template).is_err(), "{template}");
        }
    }

    fn write(tokens: &[Token]) -> String {
        let double = |text: &str| text.chars().flat_map(|c| vec![c; if "{}[]".contains(c) { 2 } else { 1 }]).collect();
        tokens
            .iter()
            .map(|token| match token {
                Token::Text(text) => double(text),
                Token::Slot(name) => format!("{{{name}}}"),
                Token::Optional(tokens) => format!("[{}]", write(tokens)),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(template in "[a-c{}\\[\\]]{0,12}") {
            if let Ok(tokens) = parse(&template) {
                prop_assert_eq!(parse(&write(&tokens)), Ok(tokens));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(template in ".*") {
            let _ = parse(&template);
        }
    }
}
