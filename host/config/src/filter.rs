//! `filter` of a route: an event pattern, as TOML or as JSON in a text.

use std::borrow::Cow;

use hookgate_filter as filter;
use hookgate_filter::{Decimal, Json, Mistake, Pattern, Scalar, Step};
use toml::de::DeValue;

use hookgate_settings::{Table, Value};

/// Reads the filter; `None` where there is none, or it is wrong, which is reported.
pub(super) fn read_filter(table: &Table<'_>) -> Option<Pattern> {
    let (key, found) = table.value("filter");
    let found = found?;
    let read = match found.get_ref() {
        DeValue::String(text) => filter::parse_text(text),
        DeValue::Table(_) => {
            json(found, &mut Vec::new()).map_err(|mistake| vec![mistake]).and_then(|it| filter::parse(&it))
        }
        _ => {
            table.wrong_type(key, found);
            return None;
        }
    };
    let report = |mistakes: Vec<Mistake>| {
        for mistake in mistakes {
            let what = format!("`{}`, {}: {}", table.path_of("filter"), mistake.place(), mistake.what);
            table.problems().error(place(found, &mistake.path), what, mistake.instead);
        }
    };
    read.map_err(report).ok()
}

/// A TOML value as JSON. What JSON has no form for is a mistake.
fn json(value: &Value<'_>, path: &mut Vec<Step>) -> Result<Json, Mistake> {
    let wrong = |path: &[Step], what: &str, instead: &str| Mistake {
        path: path.to_vec(),
        what: what.to_owned(),
        instead: instead.to_owned(),
    };
    let number = |text: &str| Decimal::parse(&text.replace('_', "")).map(Scalar::Number);
    let scalar = match value.get_ref() {
        DeValue::String(text) => Some(Scalar::Text(Cow::Owned(text.to_string()))),
        DeValue::Boolean(yes) => Some(Scalar::Boolean(*yes)),
        DeValue::Integer(text) if text.radix() == 10 => number(text.as_str()),
        DeValue::Integer(text) => {
            i64::from_str_radix(text.as_str(), text.radix()).ok().and_then(|n| number(&n.to_string()))
        }
        DeValue::Float(text) => number(text.as_str()),
        DeValue::Datetime(_) => return Err(wrong(path, "it is a date, which no event has", "write it as a text")),
        DeValue::Array(items) => {
            let item = |(index, item): (usize, &Value<'_>)| within(path, Step::Index(index), item);
            return items.iter().enumerate().map(item).collect::<Result<_, _>>().map(Json::Array);
        }
        DeValue::Table(entries) => {
            let mut fields = Vec::new();
            for (name, value) in entries {
                let name = name.get_ref().to_string();
                fields.push((name.clone(), within(path, Step::Key(name), value)?));
            }
            return Ok(Json::Object(fields));
        }
    };
    scalar.map(Json::Scalar).ok_or_else(|| wrong(path, "it is not a number that JSON knows", "write it with digits"))
}

fn within(path: &mut Vec<Step>, step: Step, value: &Value<'_>) -> Result<Json, Mistake> {
    path.push(step);
    let read = json(value, path);
    path.pop();
    read
}

/// Where in the file a place of the pattern is: the last step that can be followed.
fn place(value: &Value<'_>, path: &[Step]) -> usize {
    let below = match (value.get_ref(), path.first()) {
        (DeValue::Table(entries), Some(Step::Key(name))) => entries.get(name.as_str()),
        (DeValue::Array(items), Some(Step::Index(index))) => items.get(*index),
        _ => None,
    };
    below.map_or(value.span().start, |below| place(below, &path[1..]))
}
