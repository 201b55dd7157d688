//! A CloudEvent's fields one by one, as its JSON form has them: what filters look at.

use std::{borrow::Cow, cell::OnceCell};

use hookgate_capabilities::{
    CloudEvent, ExtensionValue,
    cloudevents::{Data, Form},
};
use hookgate_model::claim::Reference;
use hookgate_model::event::KeptEvent;

use super::{data, extensions, rfc3339};

/// The fields of an output. Its data is read on demand, once.
pub struct Fields<'a> {
    event: &'a KeptEvent,
    output: &'a CloudEvent,
    data: OnceCell<Option<Data<'a>>>,
}

/// Data that the JSON form has as `data`. There is none if it would be `data_base64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonData<'d> {
    /// A JSON text.
    Json(&'d str),
    /// A string.
    Text(&'d str),
}

impl<'a> Fields<'a> {
    /// The fields of one output.
    pub fn new(event: &'a KeptEvent, output: &'a CloudEvent) -> Self {
        Fields { event, output, data: OnceCell::new() }
    }

    /// A context attribute, extensions included.
    pub fn attribute(&self, name: &str) -> Option<ExtensionValue> {
        let output = self.output;
        let text = match name {
            "specversion" => Some("1.0".to_owned()),
            "id" => Some(output.id.clone()),
            "source" => Some(output.source.clone()),
            "type" => Some(output.type_.clone()),
            "subject" => output.subject.clone(),
            "time" => output.time.and_then(rfc3339),
            "dataschema" => output.data_schema.clone(),
            "datacontenttype" => self.content_type().map(Cow::into_owned),
            _ => {
                let reference = Reference::for_filters(self.event);
                let named = extensions(self.event, output, reference.as_ref())
                    .into_iter()
                    .find(|(extension, _)| *extension == name);
                return named.map(|(_, value)| value);
            }
        };
        text.map(ExtensionValue::Text)
    }

    /// The data.
    pub fn data(&self) -> Option<JsonData<'_>> {
        match self.kept_data()?.form() {
            Form::Json(json) => Some(JsonData::Json(json.get())),
            Form::Text(text) => Some(JsonData::Text(text)),
            Form::Binary => None,
        }
    }

    fn content_type(&self) -> Option<Cow<'_, str>> {
        let of_data = self.kept_data().map(|data| Cow::Borrowed(data.content_type.as_ref()));
        of_data.or(self.output.data_content_type.as_deref().map(Cow::Borrowed))
    }

    /// An event whose payload is not available has no data here; its delivery reports why.
    fn kept_data(&self) -> Option<&Data<'a>> {
        self.data.get_or_init(|| data::data(self.event, self.output, None).ok().flatten()).as_ref()
    }
}
