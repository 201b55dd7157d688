//! Whether an output keeps to CloudEvents and to `wit/provider.wit`.

use std::collections::HashSet;

use super::{
    data::{as_json, is_media_type},
    rfc3339,
};
use crate::{CloudEvent, EventData, ExtensionValue, limits};

/// What the standard gives a meaning, beside `specversion`, which is the host's to say.
const RESERVED: [&str; 10] =
    ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype", "data", "data_base64"];

/// What is wrong with the outputs of an event; the text names output and attribute, for the author of the plugin.
pub fn check_all(outputs: &[CloudEvent]) -> Result<(), String> {
    let most = limits::PLUGIN_OUTPUTS_MAX;
    if outputs.len() > most {
        return Err(format!("the plugin made {} outputs; at most {most} are allowed", outputs.len()));
    }
    let mut numbered = (1..).zip(outputs);
    numbered.try_for_each(|(number, output)| check(output).map_err(|e| format!("the plugin's output {number}: {e}")))
}

/// What is wrong with an output; the text names the attribute, for the author of the plugin.
pub fn check(output: &CloudEvent) -> Result<(), String> {
    for (name, value) in [("id", &output.id), ("source", &output.source), ("type", &output.type_)] {
        if value.is_empty() {
            return Err(format!("`{name}` is empty"));
        }
        check_text(name, value)?;
    }
    check_uri("source", &output.source)?;
    if let Some(subject) = &output.subject {
        check_text("subject", subject)?;
        if subject.is_empty() {
            return Err("`subject` is empty; leave it out instead".to_owned());
        }
    }
    if let Some(schema) = &output.data_schema {
        check_text("data-schema", schema)?;
        check_uri("data-schema", schema)?;
        if !schema.contains(':') {
            return Err("`data-schema` is not an absolute URI".to_owned());
        }
    }
    if let Some(content_type) = &output.data_content_type {
        check_text("data-content-type", content_type)?;
        if !is_media_type(content_type) {
            return Err(format!("`data-content-type` is not a media type: {content_type:?}"));
        }
    }
    if output.time.is_some_and(|time| rfc3339(time).is_none()) {
        return Err("`time` lies after the year 9999; it is in milliseconds since the epoch".to_owned());
    }
    if let EventData::Json(json) = &output.data
        && as_json(json.as_bytes()).is_none()
    {
        return Err("`data` is said to be JSON and is not".to_owned());
    }
    check_extensions(output)
}

fn check_extensions(output: &CloudEvent) -> Result<(), String> {
    let most = limits::CLOUD_EVENT_EXTENSIONS_MAX;
    if output.extensions.len() > most {
        return Err(format!("{} extensions; at most {most} are allowed", output.extensions.len()));
    }
    let mut seen = HashSet::new();
    for (name, value) in &output.extensions {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if name.is_empty() || name.len() > limits::CLOUD_EVENT_ATTRIBUTE_BYTES_MAX || !plain {
            let beginning: String = name.chars().take(40).collect();
            return Err(format!("the extension {beginning:?} is not named in lower-case letters and digits"));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("the extension {name:?} has a name that CloudEvents defines"));
        }
        if !seen.insert(name) {
            return Err(format!("the extension {name:?} is there twice"));
        }
        if let ExtensionValue::Text(text) = value {
            check_text(name, text)?;
        }
    }
    Ok(())
}

/// CloudEvents' type String: no control characters and no noncharacters.
pub fn check_text(name: &str, text: &str) -> Result<(), String> {
    if text.len() > limits::CLOUD_EVENT_ATTRIBUTE_BYTES_MAX {
        return Err(format!(
            "`{name}` has {} bytes; at most {} are allowed",
            text.len(),
            limits::CLOUD_EVENT_ATTRIBUTE_BYTES_MAX
        ));
    }
    match text.chars().find(|c| c.is_control() || is_noncharacter(*c)) {
        Some(c) => Err(format!("`{name}` holds the character U+{:04X}, which CloudEvents forbids", u32::from(c))),
        None => Ok(()),
    }
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// The characters of RFC 3986; its grammar is not looked at.
fn check_uri(name: &str, text: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    match text.chars().find(|c| !c.is_ascii() || !allowed(*c as u8)) {
        Some(c) => Err(format!("`{name}` holds {c:?}, which no URI may; percent-encode it")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> CloudEvent {
        CloudEvent {
            id: "evt_1".into(),
            source: "urn:stripe:acct_1".into(),
            type_: "com.stripe.invoice.paid".into(),
            subject: Some("in_1".into()),
            time: Some(1_700_000_000_000),
            data_schema: None,
            data_content_type: Some("application/json".into()),
            data: EventData::Payload,
            extensions: vec![("partitionkey".into(), ExtensionValue::Text("acct_1".into()))],
        }
    }

    #[test]
    fn a_good_output_passes() {
        assert_eq!(check(&good()), Ok(()));
    }

    #[test]
    fn each_fault_is_named() {
        type Spoil = fn(&mut CloudEvent);
        let cases: [(&str, Spoil); 14] = [
            ("`id` is empty", |e| e.id.clear()),
            ("`source` is empty", |e| e.source.clear()),
            ("`type` is empty", |e| e.type_.clear()),
            ("`subject` is empty", |e| e.subject = Some(String::new())),
            ("U+000A", |e| e.subject = Some("a\nb".into())),
            ("U+FFFE", |e| e.id = "\u{fffe}".into()),
            ("no URI may", |e| e.source = "a b".into()),
            ("not an absolute URI", |e| e.data_schema = Some("schema.json".into())),
            ("not a media type", |e| e.data_content_type = Some("json".into())),
            ("after the year 9999", |e| e.time = Some(u64::MAX)),
            ("is not", |e| e.data = EventData::Json("{".into())),
            ("lower-case letters", |e| e.extensions = vec![("Key".into(), ExtensionValue::Boolean(true))]),
            ("CloudEvents defines", |e| e.extensions = vec![("time".into(), ExtensionValue::Integer(1))]),
            ("at most 65536", |e| e.id = "x".repeat(70_000)),
        ];
        for (expected, spoil) in cases {
            let mut output = good();
            spoil(&mut output);
            let error = check(&output).expect_err(expected);
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        }
    }

    #[test]
    fn doubled_and_too_many_extensions_are_refused() {
        let mut output = good();
        output.extensions.push(output.extensions[0].clone());
        assert!(check(&output).is_err_and(|error| error.contains("twice")));
        let numbered = |n| (format!("anextensionwithaverylongname{n}"), ExtensionValue::Integer(n));
        output.extensions = (0..1024).map(numbered).collect();
        assert_eq!(check(&output), Ok(()));
        output.extensions.push(numbered(1024));
        assert!(check(&output).is_err_and(|error| error.contains("1025 extensions")));
    }
}
