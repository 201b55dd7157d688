//! Values of a JSON document by their pointers (RFC 6901), found in one pass.

use std::{borrow::Cow, collections::BTreeMap, fmt, rc::Rc};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{
    Body, CapabilityError,
    json_stream::{Failed, Nesting, Stream},
};

/// A value found in a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonValue {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// As written: no precision is lost.
    Number(String),
    /// With escapes undone.
    Text(String),
    /// An array or object, byte for byte as written.
    Composite(String),
}

/// What stands at each pointer; an error in words when the document is no JSON or nested too deeply.
pub type JsonAnswer = Result<Vec<Option<JsonValue>>, String>;

/// Pointers in one call.
const POINTERS_MAX: usize = 256;

/// Levels of arrays and objects.
pub(crate) const DEPTH_MAX: usize = 128;

/// Finds what stands at each pointer. Of doubled keys the last counts.
pub(crate) fn select<P: AsRef<str>>(document: &Body, pointers: &[P]) -> Result<JsonAnswer, CapabilityError> {
    if pointers.len() > POINTERS_MAX {
        return Err(CapabilityError::TooManyPointers(pointers.len()));
    }
    let mut wanted = Wanted::default();
    for (index, pointer) in pointers.iter().enumerate() {
        wanted.add(pointer.as_ref(), index)?;
    }
    match document {
        Body::Memory(bytes) => select_in_memory(bytes, &wanted, pointers.len()),
        #[cfg(feature = "stored")]
        Body::Stored(stored) => select_in_stream(&Stream::new(stored), &wanted, pointers.len()),
        #[cfg(not(feature = "stored"))]
        Body::Stored(_) => Err(CapabilityError::Unreadable("this host keeps all bodies in memory".to_owned())),
    }
}

fn select_in_memory(document: &[u8], wanted: &Wanted, pointers: usize) -> Result<JsonAnswer, CapabilityError> {
    let mut found: Vec<Option<&str>> = vec![None; pointers];
    if let Err(error) = read(document, wanted, &mut found) {
        return Ok(Err(error));
    }
    // Pointers to the same or nested values could otherwise make of a document any multiple of it.
    if found.iter().flatten().map(|raw| raw.len()).sum::<usize>() > 4 * document.len() {
        return Err(CapabilityError::AnswerTooLong);
    }
    Ok(found.into_iter().map(|raw| raw.map(classify).transpose()).collect())
}

/// The same of a document that is read in pieces: only the values asked for come into memory.
#[cfg_attr(not(feature = "stored"), allow(dead_code))]
fn select_in_stream(stream: &Stream<'_>, wanted: &Wanted, pointers: usize) -> Result<JsonAnswer, CapabilityError> {
    let mut found: Vec<Option<Rc<str>>> = vec![None; pointers];
    let mut deserializer = serde_json::Deserializer::from_reader(stream);
    let walk = Walk { wanted, found: &mut found, taker: stream };
    let walked = walk.deserialize(&mut deserializer).and_then(|()| {
        Stream::at_a_boundary(stream, true);
        deserializer.end()
    });
    match (walked, stream.failed()) {
        (_, Some(Failed::Call(error))) => Err(error),
        (_, Some(Failed::Document(why))) => Ok(Err(why)),
        (Err(error), None) => Ok(Err(format!("not JSON: {error}"))),
        (Ok(()), None) => Ok(found.into_iter().map(|raw| raw.map(|raw| classify(&raw)).transpose()).collect()),
    }
}

/// How a value's text is taken out of a document.
trait Taker<'de>: Copy {
    /// The text.
    type Raw: Clone;

    fn take<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Raw, D::Error>;

    /// Nothing of what came before is needed any more; what comes is passed over or not.
    fn at_a_boundary(self, _passing: bool) {}

    /// Reads a text once more, for what is wanted of its parts.
    fn again(self, raw: &Self::Raw, walk: Walk<'_, '_, Self, Self::Raw>) -> serde_json::Result<()>;
}

/// Where it stands.
#[derive(Clone, Copy)]
struct InMemory;

impl<'de> Taker<'de> for InMemory {
    type Raw = &'de str;

    fn take<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Raw, D::Error> {
        Ok(<&RawValue as serde::Deserialize>::deserialize(deserializer)?.get())
    }

    fn again(self, raw: &Self::Raw, walk: Walk<'_, '_, Self, Self::Raw>) -> serde_json::Result<()> {
        Deserializer::deserialize_any(&mut serde_json::Deserializer::from_str(raw), walk)
    }
}

/// As a copy, within the bounds of the stream.
impl<'de> Taker<'de> for &Stream<'_> {
    type Raw = Rc<str>;

    fn take<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Raw, D::Error> {
        self.at_a_boundary(false);
        let raw = <Box<RawValue> as serde::Deserialize>::deserialize(deserializer)?;
        self.end_value(raw.get().len()).map_err(D::Error::custom)?;
        Ok(Rc::from(raw.get()))
    }

    fn at_a_boundary(self, passing: bool) {
        Stream::at_a_boundary(self, passing);
    }

    fn again(self, raw: &Self::Raw, walk: Walk<'_, '_, Self, Self::Raw>) -> serde_json::Result<()> {
        Deserializer::deserialize_any(&mut serde_json::Deserializer::from_str(raw), walk)
    }
}

/// The pointers as a tree: what is wanted here, and below.
#[derive(Default)]
struct Wanted {
    here: Vec<usize>,
    below: BTreeMap<String, Wanted>,
}

impl Wanted {
    fn add(&mut self, pointer: &str, index: usize) -> Result<(), CapabilityError> {
        let mut node = self;
        if !pointer.is_empty() {
            let not_a_pointer = || CapabilityError::NotAPointer(pointer.chars().take(100).collect());
            let tokens = pointer.strip_prefix('/').ok_or_else(not_a_pointer)?.split('/');
            for token in tokens {
                node = node.below.entry(unescape(token).ok_or_else(not_a_pointer)?.into_owned()).or_default();
            }
        }
        node.here.push(index);
        Ok(())
    }

    /// The children that can be elements of an array, in order.
    fn elements(&self) -> Vec<(usize, &Wanted)> {
        let mut elements: Vec<(usize, &Wanted)> = Vec::new();
        for (token, node) in &self.below {
            if let Some(index) = array_index(token) {
                let place = elements.partition_point(|(before, _)| *before < index);
                elements.insert(place, (index, node));
            }
        }
        elements
    }

    fn forget<R>(&self, found: &mut [Option<R>]) {
        for index in &self.here {
            found[*index] = None;
        }
        self.below.values().for_each(|node| node.forget(found));
    }
}

/// `~1` is a slash, `~0` a tilde, and nothing else follows a tilde.
fn unescape(token: &str) -> Option<Cow<'_, str>> {
    if !token.contains('~') {
        return Some(Cow::Borrowed(token));
    }
    let mut text = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(Cow::Owned(text))
}

/// Digits without a leading zero.
fn array_index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    plain.then(|| token.parse().ok()).flatten()
}

fn read<'a>(document: &'a [u8], wanted: &Wanted, found: &mut [Option<&'a str>]) -> Result<(), String> {
    let text = std::str::from_utf8(document).map_err(|error| format!("the JSON is not UTF-8: {error}"))?;
    if nests_too_deep(document) {
        return Err(format!("the JSON is nested deeper than {DEPTH_MAX} levels"));
    }
    walk(text, wanted, found).map_err(|error| format!("not JSON: {error}"))
}

fn walk<'a>(text: &'a str, wanted: &Wanted, found: &mut [Option<&'a str>]) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Walk { wanted, found, taker: InMemory }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Whether arrays and objects nest deeper than [`DEPTH_MAX`]. `serde_json` bounds only the levels that it builds values of, and
/// skips the rest at any depth.
fn nests_too_deep(document: &[u8]) -> bool {
    // Counting brackets is ten times as fast as following them, and settles it for most documents.
    if document.iter().filter(|byte| **byte | 0x20 == b'{').count() <= DEPTH_MAX {
        return false;
    }
    !Nesting::default().takes(document)
}

fn classify(raw: &str) -> Result<JsonValue, String> {
    let value = match raw.as_bytes().first() {
        Some(b'n') => JsonValue::Null,
        Some(b't') => JsonValue::Boolean(true),
        Some(b'f') => JsonValue::Boolean(false),
        Some(b'"') => JsonValue::Text(serde_json::from_str(raw).map_err(|error| format!("not JSON: {error}"))?),
        Some(b'{' | b'[') => JsonValue::Composite(raw.to_owned()),
        _ => JsonValue::Number(raw.to_owned()),
    };
    Ok(value)
}

/// Reads one value, and notes what is wanted of it.
struct Walk<'w, 'f, T, R> {
    wanted: &'w Wanted,
    found: &'f mut [Option<R>],
    taker: T,
}

impl<'de, T: Taker<'de>> DeserializeSeed<'de> for Walk<'_, '_, T, T::Raw> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.wanted.here.is_empty() {
            return deserializer.deserialize_any(self);
        }
        let raw = self.taker.take(deserializer)?;
        for index in &self.wanted.here {
            self.found[*index] = Some(raw.clone());
        }
        if self.wanted.below.is_empty() {
            return Ok(());
        }
        // Wanted both as a whole and in parts: the parts are read again, out of the whole.
        self.taker.again(&raw, self).map_err(D::Error::custom)
    }
}

impl<'de, T: Taker<'de>> Visitor<'de> for Walk<'_, '_, T, T::Raw> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.taker.at_a_boundary(false);
        while let Some(node) = map.next_key_seed(Key(self.wanted))? {
            self.taker.at_a_boundary(node.is_none());
            match node {
                Some(wanted) => {
                    wanted.forget(self.found);
                    map.next_value_seed(Walk { wanted, found: self.found, taker: self.taker })?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
            self.taker.at_a_boundary(false);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut position = 0;
        for (index, wanted) in self.wanted.elements() {
            self.taker.at_a_boundary(true);
            while position < index {
                if seq.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(());
                }
                position += 1;
            }
            self.taker.at_a_boundary(false);
            if seq.next_element_seed(Walk { wanted, found: self.found, taker: self.taker })?.is_none() {
                return Ok(());
            }
            position += 1;
        }
        self.taker.at_a_boundary(true);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    // Nothing lies below a scalar.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

/// Reads a key, and finds what is wanted below it.
struct Key<'w>(&'w Wanted);

impl<'a, 'w> DeserializeSeed<'a> for Key<'w> {
    type Value = Option<&'w Wanted>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'w> Visitor<'_> for Key<'w> {
    type Value = Option<&'w Wanted>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.below.get(key))
    }
}
