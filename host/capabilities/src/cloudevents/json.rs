//! The JSON event format.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Data, Form, rfc3339};
use crate::{CloudEvent, ExtensionValue};

/// The JSON object: context attributes, extensions beside them, data last.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// What the plugin has made.
    pub output: &'a CloudEvent,
    /// What it carries.
    pub data: Option<&'a Data<'a>>,
    /// The media type of data that is not here.
    pub elsewhere: Option<String>,
    /// The output's extensions and the host's own.
    pub extensions: Vec<(&'a str, ExtensionValue)>,
}

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let output = self.output;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &output.id)?;
        map.serialize_entry("source", &output.source)?;
        map.serialize_entry("type", &output.type_)?;
        let here = self.data.map(|data| data.content_type.to_string());
        let content_type = here.or(self.elsewhere.clone()).or(output.data_content_type.clone());
        let optional = [
            ("subject", output.subject.clone()),
            ("time", output.time.and_then(rfc3339)),
            ("dataschema", output.data_schema.clone()),
            ("datacontenttype", content_type),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                map.serialize_entry(name, &value)?;
            }
        }
        for (name, value) in &self.extensions {
            match value {
                ExtensionValue::Text(text) => map.serialize_entry(name, text)?,
                ExtensionValue::Integer(number) => map.serialize_entry(name, number)?,
                ExtensionValue::Boolean(flag) => map.serialize_entry(name, flag)?,
            }
        }
        if let Some(data) = self.data {
            serialize_data(&mut map, data)?;
        }
        map.end()
    }
}

fn serialize_data<M: SerializeMap>(map: &mut M, data: &Data<'_>) -> Result<(), M::Error> {
    match data.form() {
        Form::Json(json) => map.serialize_entry("data", json),
        Form::Text(text) => map.serialize_entry("data", text),
        Form::Binary => map.serialize_entry("data_base64", &STANDARD.encode(&data.bytes)),
    }
}
