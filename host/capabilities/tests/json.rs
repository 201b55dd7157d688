//! JSON by pointers, against `serde_json::Value`.

mod common;

use common::delivery;
use hookgate_capabilities::{CapabilityError, JsonValue};
use proptest::prelude::*;
use serde_json::Value;

fn json(document: &str, pointers: &[&str]) -> Result<Vec<Option<JsonValue>>, String> {
    delivery(document.as_bytes(), &["k"]).json(pointers)
}

#[test]
fn values_are_found_as_written() {
    let document = r#" {"n": 12345678901234567890.10, "s": "a\u00e9\n\"", "t": true, "z": null,
        "o": {"a": [ 1, {"b" : 2} ]}, "a/b": {"m~n": "escaped"}, "": {"": "empty"}, "00": 5} "#;
    let cases = [
        ("/n", JsonValue::Number("12345678901234567890.10".into())),
        ("/s", JsonValue::Text("aé\n\"".into())),
        ("/t", JsonValue::Boolean(true)),
        ("/z", JsonValue::Null),
        ("/o", JsonValue::Composite(r#"{"a": [ 1, {"b" : 2} ]}"#.into())),
        ("/o/a", JsonValue::Composite(r#"[ 1, {"b" : 2} ]"#.into())),
        ("/o/a/0", JsonValue::Number("1".into())),
        ("/o/a/1/b", JsonValue::Number("2".into())),
        ("/a~1b/m~0n", JsonValue::Text("escaped".into())),
        ("//", JsonValue::Text("empty".into())),
        ("/00", JsonValue::Number("5".into())),
        ("", JsonValue::Composite(document.trim().into())),
    ];
    let pointers: Vec<_> = cases.iter().map(|(pointer, _)| *pointer).collect();
    let expected: Vec<_> = cases.iter().map(|(_, value)| Some(value.clone())).collect();
    assert_eq!(json(document, &pointers).unwrap(), expected);
}

#[test]
fn where_nothing_stands_there_is_nothing() {
    let pointers =
        ["/x", "/a/2", "/a/-", "/a/01", "/a/x", "/a/0/x", "/s/0", "/n/x", "/z/x", "/t/x", "/a/99999999999999999999"];
    let found = json(r#"{"a": [1, 2], "s": "text", "n": -1, "z": null, "t": false}"#, &pointers).unwrap();
    assert_eq!(found, vec![None; pointers.len()]);
}

#[test]
fn of_doubled_keys_the_last_counts_with_all_that_is_below() {
    let document = r#"{"a": {"b": 1, "c": 1}, "a": {"b": 2}, "d": {"e": 1}, "d": 3}"#;
    let found = json(document, &["/a/b", "/a/c", "/d/e", "/d"]).unwrap();
    let number = |text: &str| Some(JsonValue::Number(text.into()));
    assert_eq!(found, [number("2"), None, None, number("3")]);
}

#[test]
fn what_is_no_json_is_an_error_wherever_it_breaks() {
    let cases = [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "nul",
        "01",
        "1.",
        "\"\t\"",
        "\"\\x\"",
        "1 2",
        "{} x",
        "'a'",
        "{\"a\":01}",
        "\u{feff}{}",
        "[\"\\u12\"]",
    ];
    for document in cases {
        for pointers in [&[][..], &["/a"], &[""]] {
            assert!(json(document, pointers).is_err(), "{document:?} {pointers:?}");
        }
    }
    assert!(delivery(b"{\"a\": \"\xff\"}", &["k"]).json(&["/b"]).is_err(), "not UTF-8, where nobody looks");
}

#[test]
fn depth_is_bounded_wherever_it_is_deep() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(json(&nested(128), &["/0"]).is_ok());
    assert!(json(&nested(129), &["/0/0"]).is_err());
    for pointers in [&["/a"][..], &["/b"], &["/a/0/0"], &[]] {
        let million = format!("{{\"a\": {}}}", nested(1_000_000));
        let error = json(&million, pointers).unwrap_err();
        assert!(error.contains("deeper"), "{error}");
    }
    let text = format!("{{\"a\": \"{}\", \"b\": \"\\\"[\"}}", "[".repeat(1000));
    assert!(json(&text, &["/a"]).is_ok(), "brackets in a text are no depth");
    let wide = format!("[{}1]", "[],".repeat(1000));
    assert!(json(&wide, &["/0"]).is_ok(), "brackets beside each other are no depth");
}

#[test]
fn a_plugin_that_breaks_the_contract_is_an_error_for_the_host() {
    let delivery = delivery(br#"{"a": [1, 2, 3, 4, 5, 6, 7, 8, 9]}"#, &["k"]);
    for pointer in ["a", "/a~", "/a~2"] {
        let error = delivery.try_json(&[pointer]).unwrap_err();
        assert!(matches!(error, CapabilityError::NotAPointer(_)), "{pointer}: {error}");
    }
    assert_eq!(delivery.try_json(&["/a"; 257]).unwrap_err(), CapabilityError::TooManyPointers(257));
    assert_eq!(delivery.try_json(&["/a"; 200]).unwrap_err(), CapabilityError::AnswerTooLong);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c/~\"\\\\ é]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c0-2/~]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Pointers that exist, and some that do not.
fn pointers_of(value: &Value, here: String, all: &mut Vec<String>) {
    all.extend([format!("{here}/missing"), format!("{here}/0"), here.clone()]);
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| pointers_of(item, format!("{here}/{i}"), all));
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointers_of(member, format!("{here}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        _ => (),
    }
}

fn as_found(value: &JsonValue) -> Value {
    match value {
        JsonValue::Null => Value::Null,
        JsonValue::Boolean(b) => Value::from(*b),
        JsonValue::Text(text) => Value::from(text.as_str()),
        JsonValue::Number(text) | JsonValue::Composite(text) => serde_json::from_str(text).expect("JSON"),
    }
}

proptest! {
    #[test]
    fn it_finds_what_serde_json_finds(value in any_json(), pretty in any::<bool>(), seed in any::<prop::sample::Index>()) {
        let document = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut pointers = Vec::new();
        pointers_of(&value, String::new(), &mut pointers);
        let start = seed.index(pointers.len());
        let some: Vec<&str> = pointers[start..].iter().take(3).map(String::as_str).collect();
        let found = json(&document, &some).unwrap();
        for (pointer, found) in some.iter().zip(found) {
            prop_assert_eq!(found.as_ref().map(as_found), value.pointer(pointer).cloned(), "{}", pointer);
        }
    }

    #[test]
    fn it_takes_what_serde_json_takes(document in r#"[\[\]{}",:0-9truefalsn\\ue. -]{0,24}"#) {
        let accepted = serde_json::from_str::<serde::de::IgnoredAny>(&document).is_ok();
        prop_assert_eq!(json(&document, &["/a/0"]).is_ok(), accepted);
    }
}
