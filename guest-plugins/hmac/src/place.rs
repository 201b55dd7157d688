//! Where a value stands in a delivery, and how several of them make up one: `header:X-Id`, `json:/data/id`.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use hookgate_plugin_sdk::{Delivery, JsonValue, Refusal, fields, form, header};

use crate::body::BodyAs;

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
            "json" if !name.is_empty() && fields::is_pointer(name) => Ok(Place::Json(name.to_owned())),
            _ => Err(format!("{text:?} is no place: write header:NAME, query:NAME, form:NAME or json:/POINTER")),
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

/// RFC 9110, token; a star may stand for numbers behind.
fn is_header_name(name: &str) -> bool {
    let name = name.strip_suffix('*').unwrap_or(name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte))
}

/// Places whose values, joined by dots, make up one: `json:/type + json:/action`. Where one of them has no value, the
/// next alternative counts: `header:X-Event | json:/type`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Vec<Place>>);

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// As [`Place::parse`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let joined = |text: &str| text.split(" + ").map(Place::parse).collect();
        Ok(Path(text.split(" | ").map(joined).collect::<Result<_, _>>()?))
    }

    /// Every place in it.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().flatten()
    }

    /// Its value, each place's given by `value`; empty values count as none.
    ///
    /// # Errors
    /// The first that `value` gives.
    pub fn value<E>(&self, value: impl Fn(&Place) -> Result<Option<String>, E>) -> Result<Option<String>, E> {
        let known = |place: &Place| value(place).map(|value| value.filter(|value| !value.is_empty()));
        for places in &self.0 {
            let values: Option<Vec<String>> = places.iter().map(known).collect::<Result<_, _>>()?;
            if let Some(values) = values {
                return Ok(Some(values.join(".")));
            }
        }
        Ok(None)
    }
}

/// A delivery that is read place by place; when it is being signed, with what is still to be set on it.
pub struct Reader<'d> {
    /// The delivery.
    pub delivery: &'d Delivery,
    /// Headers that are to be set.
    pub made: Vec<(String, String)>,
    form: OnceCell<String>,
    remade: RefCell<Vec<(BodyAs, Rc<str>)>>,
}

impl<'d> Reader<'d> {
    /// Of a delivery as it is.
    pub fn new(delivery: &'d Delivery) -> Self {
        Reader { delivery, made: Vec::new(), form: OnceCell::new(), remade: RefCell::default() }
    }

    /// The value at a place that counts for the signature.
    ///
    /// # Errors
    /// Malformed: a header that is doubled, too long or no UTF-8; a body that is no JSON.
    pub fn text(&self, place: &Place) -> Result<Option<String>, Refusal> {
        Ok(match place {
            Place::Header(name) => match self.made.iter().find(|(made, _)| made == name) {
                Some((_, value)) => Some(value.clone()),
                None => header::optional(self.delivery, name)?,
            },
            Place::Query(name) => self.delivery.query(name),
            Place::Form(name) => form::value(self.form(), name),
            Place::Json(pointer) => {
                let found = self.delivery.json(&[pointer]).map_err(Refusal::Malformed)?;
                found.into_iter().next().flatten().and_then(scalar)
            }
        })
    }

    /// Every value at a place that holds signatures.
    ///
    /// # Errors
    /// As [`Reader::text`], but a header may be there several times.
    pub fn texts(&self, place: &Place) -> Result<Vec<String>, Refusal> {
        let Place::Header(name) = place else { return Ok(self.text(place)?.into_iter().collect()) };
        let numbered = |header: &String| {
            let number = name.strip_suffix('*').and_then(|stem| header.strip_prefix(stem));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let names = match name.ends_with('*') {
            true => self.delivery.header_names().into_iter().filter(numbered).collect(),
            false => vec![name.clone()],
        };
        let values = names.iter().flat_map(|name| self.delivery.headers(name));
        values.map(|value| legible(name, value)).collect()
    }

    /// The values at these JSON Pointers that may be there: one call to the host. A body that is no JSON has none,
    /// unless its content type says that it is.
    ///
    /// # Errors
    /// Malformed: the content type says JSON, and the body is none.
    pub fn scalars(&self, pointers: &[&str]) -> Result<Vec<Option<String>>, Refusal> {
        if pointers.is_empty() {
            return Ok(Vec::new());
        }
        match self.delivery.json(pointers) {
            Ok(values) => Ok(values.into_iter().map(|value| value.and_then(scalar)).collect()),
            Err(error) if header::says_json(self.delivery) => Err(Refusal::Malformed(error)),
            Err(_) => Ok(vec![None; pointers.len()]),
        }
    }

    /// What is made of the body: made once, however many signatures are tried.
    pub fn remade(&self, as_: BodyAs) -> Rc<str> {
        let mut remade = self.remade.borrow_mut();
        if let Some((_, text)) = remade.iter().find(|(known, _)| *known == as_) {
            return text.clone();
        }
        let text: Rc<str> = as_.of(self.delivery).into();
        remade.push((as_, text.clone()));
        text
    }

    /// The body as a form.
    pub fn form(&self) -> &str {
        self.form
            .get_or_init(|| String::from_utf8_lossy(&self.delivery.body(0, self.delivery.body_length())).into_owned())
    }
}

fn legible(name: &str, value: Vec<u8>) -> Result<String, Refusal> {
    if value.len() > header::LENGTH_MAX {
        return Err(Refusal::Malformed(format!("header {name} is longer than {} bytes", header::LENGTH_MAX)));
    }
    String::from_utf8(value).map_err(|_| Refusal::Malformed(format!("header {name} is not UTF-8")))
}

fn scalar(value: JsonValue) -> Option<String> {
    match value {
        JsonValue::Text(text) | JsonValue::Number(text) => Some(text),
        JsonValue::Boolean(truth) => Some(truth.to_string()),
        JsonValue::Null | JsonValue::Composite(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hookgate_conformance::native::{self, Source};
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
    fn the_body_is_remade_once() {
        let delivery = Source::of(&[], &[]).delivery(&native::request("é"));
        let reader = Reader::new(&delivery);
        let first = reader.remade(BodyAs::Escaped);
        assert_eq!(&*first, "\\u00e9");
        assert!(Rc::ptr_eq(&first, &reader.remade(BodyAs::Escaped)));
        assert_eq!(&*reader.remade(BodyAs::JsonString), "\"é\"");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = Path::parse(&text);
        }
    }
}
