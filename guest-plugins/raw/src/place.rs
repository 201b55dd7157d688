//! Where values stand in a delivery, and what stands there.

use hookgate_plugin_sdk::{Delivery, JsonValue, Refusal, fields, header};

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `header:NAME`.
    Header(String),
    /// `query:NAME`: a parameter of the URL's query, decoded.
    Query(String),
    /// `json:/POINTER`: a text, number or boolean of a JSON body (RFC 6901).
    Json(String),
}

impl Place {
    /// Reads a place.
    ///
    /// # Errors
    /// In words, with what can be written instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("header", name)) if !name.is_empty() => Ok(Place::Header(name.to_ascii_lowercase())),
            Some(("query", name)) if !name.is_empty() => Ok(Place::Query(name.to_owned())),
            Some(("json", name)) if !name.is_empty() && fields::is_pointer(name) => Ok(Place::Json(name.to_owned())),
            _ => Err(format!("{text:?} is not a place: write header:NAME, query:NAME or json:/POINTER")),
        }
    }
}

/// The values at the places that settings name.
pub struct Values<const N: usize>(pub [Option<String>; N]);

impl<const N: usize> Values<N> {
    /// Looks each of these settings up, and then its place; the body is read at most once.
    ///
    /// # Errors
    /// Misconfigured: a setting holds no place. Malformed: the body says that it is JSON, and is not.
    pub fn of(delivery: &Delivery, settings: [&str; N]) -> Result<Self, Refusal> {
        let mut places = [const { None }; N];
        for (place, name) in places.iter_mut().zip(settings) {
            *place = crate::place(delivery, name)?;
        }
        let pointers = places.each_ref().map(|place| match place {
            Some(Place::Json(pointer)) => Some(pointer.as_str()),
            _ => None,
        });
        let mut in_body = if pointers.iter().any(Option::is_some) {
            fields::if_json(delivery, pointers.map(|pointer| pointer.unwrap_or("/-")))?.map(|field| field.0)
        } else {
            [const { None }; N]
        };
        let mut values = [const { None }; N];
        for ((value, place), found) in values.iter_mut().zip(&places).zip(&mut in_body) {
            let text = match place {
                None => None,
                Some(Place::Header(name)) => header::first(delivery, name),
                Some(Place::Query(name)) => delivery.query(name),
                Some(Place::Json(_)) => found.take().and_then(scalar),
            };
            *value = text.filter(|text| !text.is_empty());
        }
        Ok(Values(values))
    }
}

fn scalar(value: JsonValue) -> Option<String> {
    match value {
        JsonValue::Text(text) | JsonValue::Number(text) => Some(text),
        JsonValue::Boolean(yes) => Some(yes.to_string()),
        JsonValue::Null | JsonValue::Composite(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_other_texts() {
        assert_eq!(Place::parse("header:X-Id"), Ok(Place::Header("x-id".to_owned())));
        assert_eq!(Place::parse("query:id"), Ok(Place::Query("id".to_owned())));
        assert_eq!(Place::parse("json:/data/id"), Ok(Place::Json("/data/id".to_owned())));
        for text in ["", "x-id", "header:", "json:", "json:id", "json:/~2", "form:id"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
    }
}
