//! JSON by pointers, against `serde_json::Value`. Every document is read on a stack as small as a plugin's fiber leaves it.

#![allow(clippy::unwrap_used)]

mod common;

use common::delivery;
use hookgate_capabilities::{CapabilityError, Json, JsonValue};
use proptest::prelude::*;
use serde_json::Value;

/// What a fiber leaves to the host at the end of a guest's own stack (`async_stack_size` less `max_wasm_stack`).
const STACK_LEFT_BYTES: usize = 256 << 10;

fn on_a_small_stack<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_LEFT_BYTES).spawn_scoped(scope, run).unwrap();
        thread.join().unwrap()
    })
}

fn read(document: &[u8], pointers: &[&str]) -> Result<Json, String> {
    on_a_small_stack(|| delivery(document, &["k"]).try_json(pointers).unwrap())
}

fn json(document: &str, pointers: &[&str]) -> Result<Vec<Option<JsonValue>>, String> {
    read(document.as_bytes(), pointers).map(|json| json.values)
}

fn number(text: &str) -> Option<JsonValue> {
    Some(JsonValue::Number(text.into()))
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
    assert_eq!(found, [number("2"), None, None, number("3")]);
    let again = r#"{"d": {"e": 1}, "d": [[7]], "d": {"f": {"g": 2}}, "d": {"f": {}}}"#;
    assert_eq!(json(again, &["/d/e", "/d/0/0", "/d/f/g"]).unwrap(), [None, None, None]);
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
        "\u{feff}",
        "\u{feff}\u{feff}{}",
        " \u{feff}{}",
        "{}\u{feff}",
        "\u{fefe}{}",
        "[\"\\u12\"]",
        "[\"\\u12g4\"]",
        "[-]",
        "[1e]",
        "[1.e1]",
        "[+1]",
        "[nulL]",
        "{\"a\":1]",
        "[1}",
        "{1:2}",
        "{,}",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "[\"\n\"]",
        "[\"",
        "[\"\\",
    ];
    for document in cases {
        for pointers in [&[][..], &["/a"], &[""]] {
            assert!(json(document, pointers).is_err(), "{document:?} {pointers:?}");
        }
    }
    assert!(
        delivery(b"{\"a\": \"\xff\"}", &["k"]).json(&["/b"]).is_err(),
        "not UTF-8, in a member that is not asked for"
    );
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let document = "\u{feff} {\"a\": 1}";
    assert_eq!(json(document, &["/a"]).unwrap(), [number("1")]);
    assert_eq!(json(document, &[""]).unwrap(), [Some(JsonValue::Composite("{\"a\": 1}".into()))]);
}

#[test]
fn what_nobody_reads_may_be_nested_to_any_depth() {
    for levels in [129, 200, 10_000, 1_000_000] {
        let document = format!(r#"{{"deep": {0}, "a": 1, "b": [2, {0}, 3]}}"#, nested(levels));
        let found = read(document.as_bytes(), &["/a", "/b/0", "/b/2", "/deep/0/x"]).unwrap();
        assert_eq!(found.values, [number("1"), number("2"), number("3"), None], "{levels}");
        assert!(found.is_incomplete, "{levels}");
        let unclosed = format!("{document}]");
        assert!(json(&unclosed, &["/a"]).is_err(), "{levels}: still not JSON");
    }
}

#[test]
fn levels_that_a_pointer_can_reach_are_not_too_deep() {
    let deepest = "/0".repeat(128);
    let found = read(nested(128).as_bytes(), &[&deepest]).unwrap();
    assert_eq!((found.values, found.is_incomplete), (vec![number("1")], false));
    let text = format!(r#"{{"a": "{}", "b": "\"["}}"#, "[".repeat(1000));
    assert!(!read(text.as_bytes(), &["/a"]).unwrap().is_incomplete, "brackets in a text are not levels");
    let wide = format!("[{}1]", "[],".repeat(1000));
    assert!(!read(wide.as_bytes(), &["/0"]).unwrap().is_incomplete, "brackets beside each other are not levels");
}

#[test]
fn half_a_surrogate_pair_is_absent_where_it_is_read_and_no_matter_where_it_is_not() {
    let document = br#"{"a": "\ud800", "\udfff": 1, "b": ["x\udc00y", "\ud83d\ude00"], "c": 2}"#;
    let found = read(document, &["/c", "/b/1"]).unwrap();
    assert_eq!(found.values, [number("2"), Some(JsonValue::Text("\u{1f600}".into()))]);
    assert!(!found.is_incomplete);
    let found = read(document, &["/a", "/b/0", "/c", "/b"]).unwrap();
    let composite = JsonValue::Composite(r#"["x\udc00y", "\ud83d\ude00"]"#.into());
    assert_eq!(found.values, [None, None, number("2"), Some(composite)]);
    assert!(found.is_incomplete);
}

#[test]
fn pointers_are_bounded_in_tokens_and_bytes() {
    let delivery = delivery(nested(300).as_bytes(), &["k"]);
    for (pointer, fits) in [
        ("/0".repeat(128), true),
        ("/0".repeat(129), false),
        ("/a".repeat(10_000), false),
        ("/".repeat(2_000_000), false),
        (format!("/{}", "a".repeat(4095)), true),
        (format!("/{}", "a".repeat(4096)), false),
    ] {
        let answer = on_a_small_stack(|| delivery.try_json(&[&pointer]));
        assert_eq!(answer.is_ok(), fits, "{} bytes", pointer.len());
        assert!(fits || matches!(answer, Err(CapabilityError::PointerTooLong(_))), "{answer:?}");
    }
}

#[test]
fn as_many_and_as_deep_pointers_as_are_allowed_need_little_stack() {
    let pointers: Vec<String> = (0..256).map(|n| format!("{}/{n}", "/a".repeat(127))).collect();
    let document = format!("{}{{\"255\": 7}}{}", "{\"a\": ".repeat(127), "}".repeat(127));
    let found = on_a_small_stack(|| delivery(document.as_bytes(), &["k"]).try_json(&pointers)).unwrap().unwrap();
    assert_eq!(found.values.last(), Some(&number("7")));
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
        for pointers in [&[][..], &["/a/0", "/1/u"], &[""]] {
            prop_assert_eq!(json(&document, pointers).is_ok(), accepted);
        }
    }
}
