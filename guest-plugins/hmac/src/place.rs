//! Reads a delivery place by place.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

pub use hookgate_known_providers::place::{Path, Place};
use hookgate_plugin_sdk::{Delivery, JsonValue, Refusal, form, header};

use crate::body::BodyAs;

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
    /// Malformed: a header that is doubled, too long or no UTF-8; a body that is not JSON.
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

    /// The value at a place of a delivery that need not be the provider's: what cannot be read is not there.
    pub fn lenient(&self, place: &Place) -> Option<String> {
        match place {
            Place::Json(pointer) => self.delivery.json(&[pointer]).ok()?.into_iter().next().flatten().and_then(scalar),
            place => self.text(place).ok().flatten(),
        }
    }

    /// Every value at a place that holds signatures. Only the headers of a numbered place are alternatives: of a header
    /// that stands there twice it is not known which one the provider wrote.
    ///
    /// # Errors
    /// As [`Reader::text`].
    pub fn texts(&self, place: &Place) -> Result<Vec<String>, Refusal> {
        let numbered_name = match place {
            Place::Header(name) if name.ends_with('*') => name,
            place => return Ok(self.text(place)?.into_iter().collect()),
        };
        let is_meant = |header: &String| {
            let number = numbered_name.strip_suffix('*').and_then(|stem| header.strip_prefix(stem));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let names = self.delivery.header_names().into_iter().filter(is_meant);
        let values = names.map(|name| header::optional(self.delivery, &name));
        Ok(values.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Whether anything stands where a signature would.
    pub fn has_any(&self, places: &[Place]) -> bool {
        // What cannot be read is something.
        places.iter().any(|place| match place {
            Place::Header(_) => self.texts(place).map_or(true, |texts| !texts.is_empty()),
            place => self.lenient(place).is_some(),
        })
    }

    /// The values at these JSON Pointers that may be there: one call to the host. A body that is not JSON has none,
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

    use super::*;

    #[test]
    fn the_body_is_remade_once() {
        let delivery = Source::of(&[], &[]).delivery(&native::request("é"));
        let reader = Reader::new(&delivery);
        let first = reader.remade(BodyAs::Escaped);
        assert_eq!(&*first, "\\u00e9");
        assert!(Rc::ptr_eq(&first, &reader.remade(BodyAs::Escaped)));
        assert_eq!(&*reader.remade(BodyAs::JsonString), "\"é\"");
    }
}
