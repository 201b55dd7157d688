//! Where a value stands in a delivery, and how several of them make up one: `header:X-Id`, `json:/data/id`.

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `header:NAME`, or the bare name.
    Header(String),
    /// `query:NAME`: a parameter of the URL's query, decoded.
    Query(String),
    /// `json:/POINTER`: a text, number or boolean of a JSON body (RFC 6901).
    Json(String),
    /// `form:NAME`: a parameter of a form body, decoded.
    Form(String),
}

impl Place {
    /// Reads a place.
    ///
    /// # Errors
    /// In words, with what can be written instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (kind, name) = text.split_once(':').unwrap_or(("header", text));
        match kind {
            "header" if is_header_name(name) => Ok(Place::Header(name.to_ascii_lowercase())),
            "query" if !name.is_empty() => Ok(Place::Query(name.to_owned())),
            "form" if !name.is_empty() => Ok(Place::Form(name.to_owned())),
            "json" if !name.is_empty() && is_pointer(name) => Ok(Place::Json(name.to_owned())),
            _ => Err(format!("{text:?} is not a place: write header:NAME, query:NAME, form:NAME or json:/POINTER")),
        }
    }

    /// Whether a star stands for numbers in it.
    pub fn is_numbered(&self) -> bool {
        matches!(self, Place::Header(name) if name.ends_with('*'))
    }

    /// As an operator would name it.
    pub fn describe(&self) -> String {
        match self {
            Place::Header(name) => format!("header {name}"),
            Place::Query(name) => format!("query parameter {name}"),
            Place::Json(pointer) => format!("value at {pointer} of the body"),
            Place::Form(name) => format!("form field {name}"),
        }
    }
}

/// RFC 6901: each `~` begins `~0` or `~1`.
fn is_pointer(text: &str) -> bool {
    let escaped_rightly = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    (text.is_empty() || text.starts_with('/')) && escaped_rightly
}

/// RFC 9110, token; a star may stand for numbers behind.
fn is_header_name(name: &str) -> bool {
    let name = name.strip_suffix('*').unwrap_or(name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte))
}

/// A place that counts only where its value is, or is not, a certain one: `header:X-Type=ping`, `json:/type!=test`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where the value stands.
    pub place: Place,
    /// What it must be, or must not be; none: anything.
    pub condition: Option<Condition>,
}

/// What a value must be, or must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether it must be this text, or anything else.
    pub equals: bool,
    /// The text.
    pub text: String,
}

impl Part {
    /// Reads a part.
    ///
    /// # Errors
    /// As [`Place::parse`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((before, wanted)) = text.trim().split_once('=') else {
            return Ok(Part { place: Place::parse(text)?, condition: None });
        };
        let (place, equals) = before.strip_suffix('!').map_or((before, true), |place| (place, false));
        Ok(Part { place: Place::parse(place)?, condition: Some(Condition { equals, text: wanted.to_owned() }) })
    }

    /// Whether the part counts with this value.
    pub fn admits(&self, value: &str) -> bool {
        self.condition.as_ref().is_none_or(|condition| (value == condition.text) == condition.equals)
    }
}

/// Places whose values, joined by dots, make up one: `json:/type + json:/action`. Where one of them has no value, or not
/// the one that it must have, the next alternative counts: `header:X-Event | json:/type`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Vec<Part>>);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// As [`Place::parse`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let joined = |text: &str| text.split(" + ").map(Part::parse).collect();
        Ok(Path(text.split(" | ").map(joined).collect::<Result<_, _>>()?))
    }

    /// Every part of it.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.0.iter().flatten()
    }

    /// Every place in it.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().flatten().map(|part| &part.place)
    }

    /// Its value, each place's given by `value`; an empty value counts as none.
    ///
    /// # Errors
    /// The first that `value` gives.
    pub fn value<E>(&self, value: impl Fn(&Place) -> Result<Option<String>, E>) -> Result<Option<String>, E> {
        let known =
            |part: &Part| value(&part.place).map(|value| value.filter(|value| !value.is_empty() && part.admits(value)));
        for parts in &self.0 {
            let values: Option<Vec<String>> = parts.iter().map(known).collect::<Result<_, _>>()?;
            if let Some(values) = values {
                return Ok(Some(values.join(".")));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_named_by_their_kind() {
        for (text, place) in [
            ("X-Id", Place::Header("x-id".into())),
            ("header:X-Id", Place::Header("x-id".into())),
            ("query:hub.mode", Place::Query("hub.mode".into())),
            ("json:/a~1b/0", Place::Json("/a~1b/0".into())),
            (" form:a:b ", Place::Form("a:b".into())),
        ] {
            assert_eq!(Place::parse(text), Ok(place), "{text}");
        }
        for text in ["", "header:", "x y", "json:a", "json:/~2", "json:/~", "query:", "form:", "cookie:a", "x-*-y"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_takes_the_first_alternative_that_is_whole() {
        let path = Path::parse("json:/a + json:/b | X-C | query:d").unwrap();
        let with = |known: &'static [&'static str]| {
            let value = path.value(|place| {
                let (Place::Header(name) | Place::Json(name) | Place::Query(name) | Place::Form(name)) = place;
                Ok::<_, ()>(known.contains(&name.as_str()).then(|| name.clone()))
            });
            value.unwrap()
        };
        assert_eq!(with(&["/a", "/b", "x-c"]).as_deref(), Some("/a./b"));
        assert_eq!(with(&["/a", "x-c", "d"]).as_deref(), Some("x-c"));
        assert_eq!(with(&["/b", "d"]).as_deref(), Some("d"));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn a_part_counts_with_the_value_that_it_wants() {
        let path = Path::parse("X-Type!=event + X-Kind | X-Kind | X-Type=ping").unwrap();
        let with = |kind: &str, type_: &str| {
            let value = |place: &Place| {
                Ok::<_, ()>(Some(if place.describe().ends_with("kind") { kind } else { type_ }.to_owned()))
            };
            path.value(value).unwrap()
        };
        assert_eq!(with("follow", "event").as_deref(), Some("follow"));
        assert_eq!(with("follow", "revocation").as_deref(), Some("revocation.follow"));
        assert_eq!(with("", "ping").as_deref(), Some("ping"));
        assert_eq!(with("", "event"), None);
        assert!(Path::parse("=a").is_err() && Path::parse("!=a").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = Path::parse(&text);
        }
    }
}
