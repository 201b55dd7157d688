//! Values of the configuration as JSON, and tables whose keys are not the configuration's own.

use toml::de::{DeTable, DeValue};

use crate::{
    key::Key,
    table::{Table, Value},
};

/// The entries of a table whose names are not the configuration's to know.
pub fn named<'t>(table: &Table<'t>, name: &'static str) -> (&'static Key, &'t DeTable<'t>) {
    let (key, found) = table.value(name);
    match found.map(|value| (value, value.get_ref())) {
        Some((_, DeValue::Table(entries))) => (key, entries),
        Some((value, _)) => {
            table.wrong_type(key, value);
            (key, table.context.empty)
        }
        None => (key, table.context.empty),
    }
}

/// A value as JSON.
pub fn json(value: &Value<'_>) -> Result<serde_json::Value, String> {
    Ok(match value.get_ref() {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| "holds a number that is too large".to_owned())?
            .into(),
        DeValue::Float(number) => {
            let number: f64 = number.as_str().parse().map_err(|_| "holds a wrong number".to_owned())?;
            serde_json::Number::from_f64(number).ok_or("holds a number that JSON does not know")?.into()
        }
        DeValue::Boolean(yes) => (*yes).into(),
        DeValue::Datetime(_) => return Err("holds a date, which has no form here; write it as a text".to_owned()),
        DeValue::Array(items) => serde_json::Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        DeValue::Table(entries) => {
            let entry = |(name, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &Value<'_>)| {
                Ok::<_, String>((name.get_ref().to_string(), json(value)?))
            };
            serde_json::Value::Object(entries.iter().map(entry).collect::<Result<_, _>>()?)
        }
    })
}
