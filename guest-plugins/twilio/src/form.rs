//! The parameters of a webhook, and the text that Twilio signs of them.

use std::borrow::Cow;

use hookgate_plugin_sdk::{Refusal, form};
use serde_json::{Map, Value};

/// Parameters of one webhook. Twilio sends some tens; what has far more only costs time before its signature is checked.
const PARAMETERS_MAX: usize = 10_000;

/// Form parameters, decoded, in the order of arrival; what needs no decoding stays where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form<'t>(Vec<(Cow<'t, str>, Cow<'t, str>)>);

/// The text of a form; bytes that are not UTF-8 become U+FFFD.
pub fn text(encoded: Vec<u8>) -> String {
    String::from_utf8(encoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl<'t> Form<'t> {
    /// Reads `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// Malformed: more parameters than Twilio ever sends. Nothing else in it can be wrong.
    pub fn parse(text: &'t str) -> Result<Self, Refusal> {
        if text.bytes().filter(|byte| *byte == b'&').count() < PARAMETERS_MAX {
            Ok(Form(form::pairs(text).collect()))
        } else {
            Err(Refusal::Malformed(format!("more than {PARAMETERS_MAX} parameters")))
        }
    }

    /// The first value of that name that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| &**value)
    }

    /// Names with their values behind them, nothing between: sorted by name, the values of one name sorted, and each
    /// value but once (<https://www.twilio.com/docs/usage/security#validating-requests>).
    pub fn signed_text(&self) -> String {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut text = String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len()).sum());
        text.extend(pairs.iter().flat_map(|(name, value)| [&**name, &**value]));
        text
    }

    /// As a JSON object; a name with several values has an array.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        for (name, value) in &self.0 {
            let value = Value::from(&**value);
            match object.get_mut(&**name) {
                None => drop(object.insert(name.to_string(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(only) => *only = Value::Array(vec![only.take(), value]),
            }
        }
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_values_are_sorted_and_doubles_dropped() {
        let form = Form::parse("Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234").unwrap();
        assert_eq!(form.signed_text(), "Digits1234Digits5678SidCA123SidAccountAC123");
    }

    #[test]
    fn escapes_are_undone_before_signing() {
        assert_eq!(Form::parse("From=%2B1415+x&To=").unwrap().signed_text(), "From+1415 xTo");
    }

    #[test]
    fn several_values_become_an_array() {
        let form = Form::parse("a=1&b=2&a=3&a=4").unwrap();
        assert_eq!(form.to_json(), serde_json::json!({ "a": ["1", "3", "4"], "b": "2" }));
    }

    #[test]
    fn more_parameters_than_twilio_sends_are_refused() {
        assert!(Form::parse(&["a"; PARAMETERS_MAX].join("&")).is_ok());
        assert!(matches!(Form::parse(&["a"; PARAMETERS_MAX + 1].join("&")), Err(Refusal::Malformed(_))));
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_matter(pairs in proptest::collection::vec(("[a-c]{1,2}", "[0-9]{0,2}"), 0..8)) {
            let pairs = pairs.into_iter().map(|(name, value)| (Cow::from(name), Cow::from(value)));
            let forwards = Form(pairs.clone().collect());
            let backwards = Form(pairs.rev().collect());
            prop_assert_eq!(forwards.signed_text(), backwards.signed_text());
        }

        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>) {
            Form::parse(&text(bytes)).unwrap().signed_text();
        }
    }
}
