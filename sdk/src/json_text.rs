//! JSON that the plugin itself holds: made of a form, or found inside one. What stands in the body the host reads, see
//! [`crate::fields`].

use crate::{ByteRange, JsonValue, fields::Field};

/// A JSON string.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\0'..='\x1f' => {
                quoted.push_str("\\u00");
                quoted.push_str(&crate::encoding::to_hex(&[c as u8]));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A JSON object of strings.
pub fn object<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let members: Vec<_> = pairs.into_iter().map(|(name, value)| quote(name) + ":" + &quote(value)).collect();
    format!("{{{}}}", members.join(","))
}

/// The members of these names, where they are strings, of a JSON text that is an object; none of them where it is not
/// an object. Of doubled names the last counts. Other members are passed over, and only as far checked as that needs.
pub fn string_members<const N: usize>(json: &str, names: [&str; N]) -> [Option<String>; N] {
    let mut found = [const { None }; N];
    let whole = each_member(json, |name, value| {
        if let Some(at) = names.iter().position(|n| is_named(name, n)) {
            found[at] = unquoted(value);
        }
        Some(())
    });
    whole.map_or([const { None }; N], |()| found)
}

/// What stands at each JSON Pointer (RFC 6901), as [`crate::fields::of`] gives it for a body; none where the text is not
/// an object. The pointers lead through objects: nothing is found in an array. What they do not lead to is passed over, and
/// only as far checked as that needs.
pub fn fields<const N: usize>(json: &str, pointers: [&str; N]) -> Option<[Field; N]> {
    let mut found = [None; N];
    each_member(json, |name, value| {
        for (pointer, found) in pointers.iter().zip(&mut found) {
            if let Some(rest) = step(pointer, name) {
                *found = within(value, rest);
            }
        }
        Some(())
    })?;
    Some(found.map(|written| Field(written.and_then(value))))
}

/// The names of an object's members, in order; none where the text is not an object. Halves of surrogate pairs in them become
/// U+FFFD.
pub fn names(json: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    each_member(json, |name, _| {
        names.push(unquoted_lossily(name)?);
        Some(())
    })?;
    Some(names)
}

/// The members of an object, in order: names as [`names`] has them, and values as they are written; none where the text is
/// no object.
pub fn members(json: &str) -> Option<Vec<(String, &str)>> {
    let mut members = Vec::new();
    each_member(json, |name, value| {
        members.push((unquoted_lossily(name)?, value));
        Some(())
    })?;
    Some(members)
}

/// What a value is; none where it is not a JSON value.
pub fn field(written: &str) -> Field {
    Field(value(written))
}

/// An item of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'j> {
    /// As it is written.
    pub text: &'j str,
    /// Where it lies in the text that was searched, in bytes.
    offset: usize,
}

impl Item<'_> {
    /// Where it lies, for an event whose payload it is: of a body that was searched.
    pub fn range(&self) -> ByteRange {
        ByteRange { offset: self.offset as u64, length: self.text.len() as u64 }
    }
}

/// The items of the array at a pointer, which leads through objects as in [`fields`]; none where there is no array. Items
/// are only as far checked as finding their ends needs.
pub fn items<'j>(json: &'j str, pointer: &str) -> Option<Vec<Item<'j>>> {
    let array = beginning(within(json, pointer)?);
    let mut rest = array.strip_prefix('[')?.trim_ascii_start();
    let mut items = Vec::new();
    if rest.starts_with(']') {
        return Some(items);
    }
    loop {
        let (item, after) = if rest.starts_with('"') { string(rest)? } else { composite_or_word(rest)? };
        let text = item.trim_ascii_end();
        items.push(Item { text, offset: text.as_ptr() as usize - json.as_ptr() as usize });
        let after = after.trim_ascii_start();
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_ascii_start(),
            None => return after.starts_with(']').then_some(items),
        }
    }
}

/// The text at a pointer of a value.
fn within<'j>(json: &'j str, pointer: &str) -> Option<&'j str> {
    if pointer.is_empty() {
        return Some(json);
    }
    let mut found = None;
    each_member(json, |name, value| {
        if let Some(rest) = step(pointer, name) {
            found = within(value, rest);
        }
        Some(())
    })?;
    found
}

/// The rest of a pointer that leads to the member of this name.
fn step<'p>(pointer: &'p str, name: &str) -> Option<&'p str> {
    let pointer = pointer.strip_prefix('/')?;
    let (token, rest) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
    let leads = if token.contains('~') {
        is_named(name, &token.replace("~1", "/").replace("~0", "~"))
    } else {
        is_named(name, token)
    };
    leads.then_some(rest)
}

fn value(written: &str) -> Option<JsonValue> {
    Some(match written.as_bytes().first()? {
        b'"' => JsonValue::Text(unquoted(written)?),
        b'{' | b'[' => JsonValue::Composite(written.to_owned()),
        b'-' | b'0'..=b'9' => JsonValue::Number(written.to_owned()),
        _ => match written {
            "true" => JsonValue::Boolean(true),
            "false" => JsonValue::Boolean(false),
            "null" => JsonValue::Null,
            _ => return None,
        },
    })
}

/// Names and values of an object, in order, as they are written.
fn each_member<'j>(json: &'j str, mut member: impl FnMut(&'j str, &'j str) -> Option<()>) -> Option<()> {
    let mut rest = beginning(json).strip_prefix('{')?.trim_ascii_start();
    if rest.starts_with('}') {
        return Some(());
    }
    loop {
        let (name, after) = string(rest)?;
        let value = after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
        let (value, after) = if value.starts_with('"') { string(value)? } else { composite_or_word(value)? };
        member(name, value.trim_ascii_end())?;
        let after = after.trim_ascii_start();
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_ascii_start(),
            None => return after.starts_with('}').then_some(()),
        }
    }
}

/// A JSON text from its first token on: a byte order mark may stand before it (RFC 8259, 8.1).
fn beginning(json: &str) -> &str {
    json.strip_prefix('\u{feff}').unwrap_or(json).trim_ascii_start()
}

/// A string as it is written, with its quotes, and what follows it.
fn string(json: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, byte) in json.strip_prefix('"')?.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return json.split_at_checked(at + 2),
            _ => (),
        }
    }
    None
}

/// Whether a string, as it is written, is this name.
fn is_named(written: &str, name: &str) -> bool {
    if written.contains('\\') {
        unquoted(written).is_some_and(|text| text == name)
    } else {
        written.get(1..written.len() - 1) == Some(name)
    }
}

/// The text of a string as it is written; none where it is not a string, or holds half of a surrogate pair.
fn unquoted(written: &str) -> Option<String> {
    unquoted_with(written, |half| half)
}

/// As [`unquoted`], where half of a surrogate pair becomes U+FFFD.
fn unquoted_lossily(written: &str) -> Option<String> {
    unquoted_with(written, |half| half.or(Some(char::REPLACEMENT_CHARACTER)))
}

/// `escaped_char` has the last word on what an escape of hex digits stands for.
fn unquoted_with(written: &str, escaped_char: fn(Option<char>) -> Option<char>) -> Option<String> {
    let mut text = String::new();
    let mut chars = written.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\x08',
                'f' => '\x0c',
                'u' => escaped_char(escaped(&mut chars)?)?,
                c @ ('"' | '\\' | '/') => c,
                _ => return None,
            },
            c => c,
        });
    }
    Some(text)
}

/// What stands behind `\u`: four hex digits, and those of a second escape where the first is half of a surrogate pair. The
/// outer none: there are no hex digits. The inner none: half of a pair stands alone.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<Option<char>> {
    let unit =
        |chars: &mut std::str::Chars<'_>| (0..4).try_fold(0, |code, _| Some(code << 4 | chars.next()?.to_digit(16)?));
    let high = unit(chars)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some(char::from_u32(high));
    }
    // What follows half of a pair may be something else, which is then read by itself.
    let mut ahead = chars.clone();
    let low = (ahead.next() == Some('\\') && ahead.next() == Some('u')).then(|| unit(&mut ahead)).flatten();
    let Some(low) = low.filter(|low| (0xdc00..0xe000).contains(low)) else { return Some(None) };
    *chars = ahead;
    Some(char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)))
}

/// A value that is not a string, and what follows it.
fn composite_or_word(json: &str) -> Option<(&str, &str)> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b',' | b'}' | b']' if !in_string && depth == 0 => return json.split_at_checked(at),
            b'}' | b']' if !in_string => depth -= 1,
            _ => (),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_are_found_past_whatever_stands_between() {
        let json = r#" { "a" : [1, {"type":"no"}, "]"], "type":"old", "b":{"x":"}"}, "n":1.5e3, "type" : "new\u00e9\ud83d\ude00\"" } "#;
        assert_eq!(string_members(json, ["type", "n", "missing"]), [Some("newé😀\"".to_owned()), None, None]);
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for json in ["", "[]", r#"{"a""#, r#"{"a":"b""#, r#"{"a":"b" "c"}"#, r#"{"a":"\ud800"}"#, r#"{"a":[}"#] {
            assert_eq!(string_members(json, ["a"]), [None], "{json}");
        }
        for json in ["", "[]", r#"{"a""#, r#"{"a":"b" "c"}"#, r#"{"a":[}"#] {
            assert_eq!(fields(json, ["/a"]), None, "{json}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_offsets_count_it() {
        let json = "\u{feff} {\"a\":[1, 2]}";
        assert_eq!(fields(json, ["/a"]), Some([Field(Some(JsonValue::Composite("[1, 2]".to_owned())))]));
        let range = items(json, "/a").unwrap()[1].range();
        assert_eq!(&json[range.offset as usize..][..range.length as usize], "2");
        assert_eq!(items("\u{feff}[3]", "").map(|items| items.len()), Some(1));
    }

    #[test]
    fn half_a_surrogate_pair_is_absent_and_hides_nothing_else() {
        let json = r#"{"a":"\ud800","\udfff":1,"b":"x"}"#;
        assert_eq!(string_members(json, ["a", "b"]), [None, Some("x".to_owned())]);
        assert_eq!(fields(json, ["/a"]), Some([Field(None)]));
    }

    #[test]
    fn pointers_lead_through_objects() {
        let json = r#"{"a":{"b":1},"a":{"b" : -2.50 ,"c~/":["x"]},"\u0064":"\"e\"","n":null,"t":true,"w":wrong}"#;
        let found = fields(json, ["/a/b", "/a/c~0~1", "/a/c~0~1/0", "/d", "/n", "/t", "/w", "/-", "/a/b/c"]);
        let number = JsonValue::Number("-2.50".to_owned());
        let (array, text) = (JsonValue::Composite(r#"["x"]"#.to_owned()), JsonValue::Text("\"e\"".to_owned()));
        let expected = [
            Some(number),
            Some(array),
            None,
            Some(text),
            Some(JsonValue::Null),
            Some(JsonValue::Boolean(true)),
            None,
            None,
            None,
        ];
        assert_eq!(found, Some(expected.map(Field)));
    }

    #[test]
    fn items_are_found_where_they_lie() {
        let json = r#" { "a": {"b" : [ {"c":[1,2]} , "x,]" ,3] } } "#;
        let found = items(json, "/a/b").unwrap();
        assert_eq!(found.iter().map(|item| item.text).collect::<Vec<_>>(), [r#"{"c":[1,2]}"#, r#""x,]""#, "3"]);
        for item in &found {
            let (from, length) = (item.range().offset as usize, item.range().length as usize);
            assert_eq!(&json[from..from + length], item.text);
        }
        assert_eq!(items(" [ ] ", "").map(|items| items.len()), Some(0));
        for (json, pointer) in [("{}", ""), ("{}", "/a"), ("[1", ""), ("[1}", ""), (r#"{"a":1}"#, "/a"), ("", "")] {
            assert_eq!(items(json, pointer), None, "{json}");
        }
        assert_eq!(names(r#"{"b":1,"\u0061":[{}]}"#), Some(vec!["b".to_owned(), "a".to_owned()]));
        assert_eq!(members(r#"{"b": {"c":1} }"#), Some(vec![("b".to_owned(), r#"{"c":1}"#)]));
        assert_eq!(names("[]"), None);
    }

    #[test]
    fn a_name_with_half_of_a_surrogate_pair_hides_no_other() {
        let json = r#"{"a\ud800":1,"b\ud83dA":2,"c\ud83d\ude00":3}"#;
        assert_eq!(names(json), Some(["a\u{fffd}", "b\u{fffd}A", "c😀"].map(str::to_owned).into()));
        assert_eq!(members(json).map(|members| members.len()), Some(3));
    }

    #[test]
    fn of_a_doubled_object_only_the_last_one_counts() {
        assert_eq!(fields(r#"{"a":{"b":1},"a":{}}"#, ["/a/b"]), Some([Field(None)]));
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_again(pairs in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..5)) {
            let json = object(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            for (name, value) in &pairs {
                prop_assert_eq!(&string_members(&json, [name])[0], &Some(value.clone()));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(json in r#"[ {}\[\]":,a\\u0-9]{0,40}"#) {
            let _ = (string_members(&json, ["a"]), fields(&json, ["/a/a"]));
            let _ = (items(&json, ""), items(&json, "/a"), members(&json));
        }
    }
}
