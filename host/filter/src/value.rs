//! JSON as filters see it: patterns whole, and of events only what some pattern names. No number loses precision.

use std::{borrow::Cow, fmt};

use hookgate_model::limits::{FILTER_ARRAYS_DEPTH_MAX, FILTER_LEVELS_MAX};
use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Decimal, Wanted};

/// A value that is neither an array nor an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scalar<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number, exactly.
    Number(Decimal),
    /// A text.
    Text(Cow<'a, str>),
}

/// A whole document: a pattern before it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// What is neither of the others.
    Scalar(Scalar<'static>),
    /// Its elements.
    Array(Vec<Json>),
    /// Its fields, as they are written, doubles included.
    Object(Vec<(String, Json)>),
}

/// What some pattern wants to see of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// A value at the end of a path.
    Leaf(Scalar<'a>),
    /// All elements.
    Array(Vec<Seen<'a>>),
    /// The fields that are wanted, by their numbers in [`Wanted`].
    Object(Vec<(usize, Seen<'a>)>),
}

/// Why a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// In the words of the parser, with the place.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// Nested too deeply.
    #[error("nested deeper than {FILTER_LEVELS_MAX} levels")]
    TooDeep,
}

impl Json {
    /// Reads a whole document.
    ///
    /// # Errors
    /// It is not JSON, or nested too deeply.
    pub fn parse(text: &str) -> Result<Json, NotJson> {
        // The whole is read first, so that a place in a message is one in the whole.
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| NotJson::Syntax(error.to_string()))?;
        Json::read(whole.get(), FILTER_LEVELS_MAX)
    }

    fn read(raw: &str, levels: usize) -> Result<Json, NotJson> {
        if levels == 0 {
            return Err(NotJson::TooDeep);
        }
        match raw.as_bytes().first() {
            Some(b'{') => {
                let fields = parts::<Fields<'_>>(raw)?.0;
                let read = |(name, raw): (String, &str)| Ok((name, Json::read(raw, levels - 1)?));
                Ok(Json::Object(fields.into_iter().map(read).collect::<Result<_, _>>()?))
            }
            Some(b'[') => {
                let elements = parts::<Vec<&RawValue>>(raw)?;
                let read = |raw: &&RawValue| Json::read(raw.get(), levels - 1);
                Ok(Json::Array(elements.iter().map(read).collect::<Result<_, _>>()?))
            }
            _ => Ok(Json::Scalar(Scalar::read(raw).ok_or_else(unreadable)?.into_owned())),
        }
    }
}

impl<'a> Scalar<'a> {
    /// A text of an event.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Scalar::Text(text.into())
    }

    /// Reads what is known to be JSON, and neither an array nor an object.
    fn read(raw: &'a str) -> Option<Self> {
        Some(match raw.as_bytes().first()? {
            b'n' => Scalar::Null,
            b't' => Scalar::Boolean(true),
            b'f' => Scalar::Boolean(false),
            b'"' if raw.contains('\\') => Scalar::Text(Cow::Owned(serde_json::from_str(raw).ok()?)),
            b'"' => Scalar::Text(Cow::Borrowed(raw.strip_prefix('"')?.strip_suffix('"')?)),
            _ => Scalar::Number(Decimal::parse(raw)?),
        })
    }

    fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Boolean(yes) => Scalar::Boolean(yes),
            Scalar::Number(number) => Scalar::Number(number),
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
        }
    }
}

impl<'a> Seen<'a> {
    /// Reads of a document what is wanted at and below a field. None where it is not JSON, or has nothing of it.
    ///
    /// Of doubled keys the last counts. Arrays in arrays beyond [`FILTER_ARRAYS_DEPTH_MAX`] are not looked into.
    pub fn read(document: &'a str, wanted: &Wanted, field: usize) -> Option<Seen<'a>> {
        let whole: &RawValue = serde_json::from_str(document).ok()?;
        see(whole.get(), wanted, field, FILTER_ARRAYS_DEPTH_MAX)
    }
}

/// Reads anew at each level what lies below it: as often as a pattern is deep.
fn see<'a>(raw: &'a str, wanted: &Wanted, field: usize, arrays: usize) -> Option<Seen<'a>> {
    match raw.as_bytes().first()? {
        b'{' if wanted.has_below(field) => {
            let mut deserializer = serde_json::Deserializer::from_str(raw);
            let found = deserializer.deserialize_map(Below { wanted, field }).ok()?;
            let see = |(field, raw): (usize, &'a str)| Some((field, see(raw, wanted, field, arrays)?));
            Some(Seen::Object(found.into_iter().filter_map(see).collect()))
        }
        b'{' => Some(Seen::Object(Vec::new())),
        b'[' if arrays > 0 => {
            let elements: Vec<&'a RawValue> = serde_json::from_str(raw).ok()?;
            Some(Seen::Array(elements.iter().filter_map(|raw| see(raw.get(), wanted, field, arrays - 1)).collect()))
        }
        b'[' => None,
        _ => Scalar::read(raw).map(Seen::Leaf),
    }
}

/// Finds the wanted fields of an object.
struct Below<'w> {
    wanted: &'w Wanted,
    field: usize,
}

impl<'a> Visitor<'a> for Below<'_> {
    type Value = Vec<(usize, &'a str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: Self::Value = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let Some(field) = name.and_then(|name| self.wanted.below(self.field, &name)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let raw = map.next_value::<&'a RawValue>()?.get();
            match found.iter_mut().find(|(known, _)| *known == field) {
                Some(doubled) => doubled.1 = raw,
                None => found.push((field, raw)),
            }
        }
        Ok(found)
    }
}

/// A key, borrowed where it has no escapes. None where it is not Unicode text (half of a surrogate pair): no pattern can
/// name it, and it must not hide the fields beside it.
struct Name<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl<'de> Visitor<'de> for AnyText {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E>(self, text: &[u8]) -> Result<Self::Value, E> {
                Ok(Name(std::str::from_utf8(text).ok().map(|text| Cow::Owned(text.to_owned()))))
            }

            fn visit_borrowed_bytes<E>(self, text: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Name(std::str::from_utf8(text).ok().map(Cow::Borrowed)))
            }
        }
        deserializer.deserialize_bytes(AnyText)
    }
}

/// The fields of an object in their order, doubles included.
struct Fields<'a>(Vec<(String, &'a str)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllFields;
        impl<'de> Visitor<'de> for AllFields {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
                    fields.push((name, raw.get()));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(AllFields)
    }
}

fn parts<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, NotJson> {
    serde_json::from_str(raw).map_err(|error| NotJson::Syntax(error.to_string()))
}

fn unreadable() -> NotJson {
    NotJson::Syntax("a value cannot be read".to_owned())
}

/// As JSON, cut where it is long.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Boolean(yes) => write!(f, "{yes}"),
            Scalar::Number(number) => write!(f, "{number}"),
            Scalar::Text(text) => match text.char_indices().nth(SHOWN) {
                Some((end, _)) => write!(f, "{}...", serde_json::Value::from(&text[..end])),
                None => write!(f, "{}", serde_json::Value::from(text.as_ref())),
            },
        }
    }
}
