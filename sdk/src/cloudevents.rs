//! CloudEvents 1.0 that come in over HTTP, and the handshake before them.
//!
//! Sources: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>, its JSON format
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>), its HTTP binding
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>) and HTTP webhooks
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md>).

use crate::{
    CloudEvent, Delivery, Event, EventData, ExtensionValue, Identity, JsonValue, KnownBy, Ordering, Position, Refusal,
    Reply, answer, encoding, fields, header,
    json_text::{self, Item},
    setting, time,
};

/// How events lie in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One, as a JSON object.
    Structured,
    /// Several, as a JSON array.
    Batched,
    /// One, in headers that begin with `ce-`; the body is its data.
    Binary,
}

/// What the standard gives a meaning.
const ATTRIBUTES: [&str; 10] =
    ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype", "data", "data_base64"];

/// Bytes of an attribute and extensions that the host takes. The specification has no bound for either, and asks for events
/// of 64 KiB to be taken.
const ATTRIBUTE_MAX: usize = 64 << 10;
const EXTENSIONS_MAX: usize = 1024;

/// The mode of a request.
///
/// # Errors
/// Unsupported: a format other than JSON. Malformed: no CloudEvent at all.
pub fn mode(delivery: &Delivery) -> Result<Mode, Refusal> {
    match header::media_type(delivery).as_str() {
        "application/cloudevents+json" => Ok(Mode::Structured),
        "application/cloudevents-batch+json" => Ok(Mode::Batched),
        other if other.starts_with("application/cloudevents") => {
            Err(Refusal::Unsupported(format!("CloudEvents as {other}; JSON is taken")))
        }
        _ if delivery.header("ce-specversion").is_some() => Ok(Mode::Binary),
        _ => Err(Refusal::Malformed("neither a content type of CloudEvents nor a header ce-specversion".to_owned())),
    }
}

/// The event in an item of JSON.
///
/// # Errors
/// In words: what is wrong with it.
pub fn of_json(json: &str) -> Result<CloudEvent, String> {
    let mut attributes = Attributes::default();
    let (mut data, mut data_base64) = (None, None);
    for (name, written) in json_text::members(json).ok_or("it is not a JSON object")? {
        match (name.as_str(), json_text::field(written).0) {
            (_, Some(JsonValue::Null)) => {}
            ("data", Some(_)) => data = Some(written),
            ("data_base64", Some(JsonValue::Text(text))) => data_base64 = Some(text),
            (_, Some(value)) => attributes.add(name, value)?,
            (_, None) => return Err(format!("`{name}` has no JSON value")),
        }
    }
    let data = match (data, data_base64) {
        (Some(_), Some(_)) => return Err("it has both data and data_base64".to_owned()),
        (None, None) => EventData::None,
        (None, Some(text)) => EventData::Bytes(encoding::from_base64(&text).ok_or("data_base64 is not base64")?),
        (Some(written), None) => match json_text::field(written).text() {
            Some(text) if !attributes.is_json() => EventData::Text(text),
            _ => EventData::Json(written.to_owned()),
        },
    };
    attributes.finish(data)
}

/// The event in the headers of a request; its data is the whole body.
///
/// # Errors
/// In words: what is wrong with it.
pub fn of_headers(delivery: &Delivery) -> Result<CloudEvent, String> {
    let mut attributes = Attributes::default();
    for name in delivery.header_names() {
        let Some(attribute) = name.strip_prefix("ce-") else { continue };
        if ["data", "data_base64", "datacontenttype"].contains(&attribute) {
            return Err(format!("header {name} has no meaning"));
        }
        let value = single(delivery, &name).ok_or(format!("header {name} is not UTF-8, or doubled"))?;
        attributes.add(attribute.to_owned(), JsonValue::Text(header_value(&value)?))?;
    }
    attributes.content_type = header::first(delivery, "content-type");
    attributes.finish(if delivery.body_length() == 0 { EventData::None } else { EventData::Payload })
}

fn single(delivery: &Delivery, name: &str) -> Option<String> {
    let [value] = <[Vec<u8>; 1]>::try_from(delivery.headers(name)).ok()?;
    String::from_utf8(value).ok()
}

/// The event that `verify` has admitted, as it came.
///
/// # Errors
/// In words: what is wrong with it; `verify` has seen to it that nothing is.
pub fn of_event(event: &Event) -> Result<CloudEvent, String> {
    let delivery = event.delivery();
    match mode(&delivery) {
        Ok(Mode::Binary) => of_headers(&delivery),
        _ => {
            let payload = event.payload(0, event.payload_length());
            of_json(&String::from_utf8(payload).map_err(|error| error.to_string())?)
        }
    }
}

/// Attributes while they are collected.
#[derive(Default)]
struct Attributes {
    spec_version: Option<String>,
    id: Option<String>,
    source: Option<String>,
    kind: Option<String>,
    subject: Option<String>,
    time: Option<u64>,
    schema: Option<String>,
    content_type: Option<String>,
    extensions: Vec<(String, ExtensionValue)>,
}

impl Attributes {
    fn add(&mut self, name: String, value: JsonValue) -> Result<(), String> {
        if !ATTRIBUTES.contains(&name.as_str()) {
            return self.extend(name, value);
        }
        let JsonValue::Text(text) = value else { return Err(format!("`{name}` is not text")) };
        check_text(&name, &text)?;
        let place = match name.as_str() {
            "specversion" => &mut self.spec_version,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.kind,
            "subject" => &mut self.subject,
            "dataschema" => &mut self.schema,
            "datacontenttype" => &mut self.content_type,
            _ => {
                self.time = moment(&text).ok_or(format!("`{name}` is not a time as RFC 3339 defines it"))?;
                return Ok(());
            }
        };
        *place = Some(text);
        Ok(())
    }

    fn extend(&mut self, name: String, value: JsonValue) -> Result<(), String> {
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if name.is_empty() || name.len() > ATTRIBUTE_MAX || !plain {
            let what = "is not named in lower-case letters and digits";
            return Err(format!("the extension {:?} {what}", name.chars().take(40).collect::<String>()));
        }
        let value = match value {
            JsonValue::Text(text) => {
                check_text(&name, &text)?;
                ExtensionValue::Text(text)
            }
            JsonValue::Boolean(yes) => ExtensionValue::Boolean(yes),
            JsonValue::Number(text) => match text.parse() {
                Ok(number) => ExtensionValue::Integer(number),
                Err(_) => return Err(format!("the extension {name} is not an integer of 32 bits")),
            },
            _ => return Err(format!("the extension {name} is not text, integer or boolean")),
        };
        self.extensions.retain(|(known, _)| *known != name);
        self.extensions.push((name, value));
        if self.extensions.len() > EXTENSIONS_MAX {
            Err(format!("it has more than {EXTENSIONS_MAX} extensions"))
        } else {
            Ok(())
        }
    }

    /// JSON is what data is where nothing else is said (JSON format, 3.1).
    fn is_json(&self) -> bool {
        self.content_type.as_ref().is_none_or(|media| is_json(media))
    }

    fn finish(self, data: EventData) -> Result<CloudEvent, String> {
        match self.spec_version.as_deref() {
            Some("1.0") => {}
            Some(other) => return Err(format!("specversion is {other:?}; 1.0 is taken")),
            None => return Err("it has no specversion".to_owned()),
        }
        let needed = |name: &str, value: Option<String>| {
            value.filter(|text| !text.is_empty()).ok_or(format!("`{name}` is missing or empty"))
        };
        let event = CloudEvent {
            id: needed("id", self.id)?,
            source: needed("source", self.source)?,
            type_: needed("type", self.kind)?,
            subject: self.subject.filter(|text| !text.is_empty()),
            time: self.time,
            data_schema: self.schema.filter(|text| !text.is_empty()),
            data_content_type: self.content_type.filter(|text| !text.is_empty()),
            data,
            extensions: self.extensions,
        };
        check_uri("source", &event.source)?;
        if let Some(schema) = &event.data_schema {
            check_uri("dataschema", schema)?;
            if !schema.contains(':') {
                return Err("`dataschema` is not an absolute URI".to_owned());
            }
        }
        match &event.data_content_type {
            Some(media) if !is_media_type(media) => Err("`datacontenttype` is not a media type".to_owned()),
            _ => Ok(event),
        }
    }
}

/// As the host requires of outgoing events.
fn check_text(name: &str, text: &str) -> Result<(), String> {
    let noncharacter = |c: char| (0xfdd0..=0xfdef).contains(&u32::from(c)) || u32::from(c) & 0xfffe == 0xfffe;
    if text.len() > ATTRIBUTE_MAX {
        return Err(format!("`{name}` is longer than {ATTRIBUTE_MAX} bytes"));
    }
    if text.chars().any(|c| c.is_control() || noncharacter(c)) {
        Err(format!("`{name}` holds a character that CloudEvents forbids"))
    } else {
        Ok(())
    }
}

fn check_uri(name: &str, text: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    if text.bytes().all(allowed) { Ok(()) } else { Err(format!("`{name}` holds what no URI may")) }
}

fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let named = essence.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    named && text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

fn is_json(media: &str) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

/// When an event happened. The outer none: it is not a time as RFC 3339 defines it. The inner none: it is one before 1970, which
/// the host cannot hold.
fn moment(text: &str) -> Option<Option<u64>> {
    if let Some(time) = time::rfc3339(text) {
        return Some(Some(time));
    }
    // The calendar repeats itself every 400 years.
    let (year, rest) = text.split_at_checked(4)?;
    let later = year.parse::<u16>().ok().filter(|year| *year <= 1970)? + 2000;
    time::rfc3339(&format!("{later}{rest}")).map(|_| None)
}

/// A header's value (HTTP binding, 3.1.3.2): first strings in double quotes are put without them, as older senders write
/// blanks and quotes; then `%XX` is a byte of UTF-8.
fn header_value(value: &str) -> Result<String, String> {
    percent_decoded(&without_quotes(value).unwrap_or_else(|| value.to_owned()))
}

/// A value without the quotes of its quoted strings and the backslashes in them (RFC 9110, 5.6.4); none where a quote is
/// not closed, so it is not a quoted string.
fn without_quotes(value: &str) -> Option<String> {
    let mut text = String::with_capacity(value.len());
    let mut is_quoted = false;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => text.push(chars.next()?),
            c => text.push(c),
        }
    }
    (!is_quoted).then_some(text)
}

fn percent_decoded(value: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after.split_at_checked(2)) {
            (b'%', Some((digits, behind))) if digits.iter().all(u8::is_ascii_hexdigit) => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
                bytes.push(digit(digits[0]) << 4 | digit(digits[1]));
                rest = behind;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "a header holds encoded bytes that are not UTF-8".to_owned())
}

/// Who an event is: source and id together name it, and a sender repeats both when it sends the event again
/// (specification, 3.1.1). Where they are too long for the host, each delivery is an event: in binary mode the payload does
/// not tell events apart.
pub fn identity(event: &CloudEvent) -> Identity {
    Identity {
        known_by: answer::id_or(Some(format!("{} {}", event.source, event.id)), KnownBy::Delivery(None)),
        kind: answer::kind(Some(event.type_.clone())),
        occurred_at: event.time,
        ordering: ordering(event),
        attributes: Vec::new(),
    }
}

/// By the extension `sequence` (numbered by source where `sequencetype` says `Integer`,
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/sequence.md>), else by time among those of one
/// `partitionkey`.
fn ordering(event: &CloudEvent) -> Option<Ordering> {
    let text = |name: &str| match event.extensions.iter().find(|(n, _)| n == name) {
        Some((_, ExtensionValue::Text(text))) => Some(text.clone()),
        Some((_, ExtensionValue::Integer(number))) => Some(number.to_string()),
        _ => None,
    };
    let sequence = text("sequence").filter(|_| text("sequencetype").as_deref() == Some("Integer"));
    let ordering = match sequence.and_then(|sequence| sequence.parse().ok()) {
        Some(sequence) => Ordering { key: event.source.clone(), position: Position::Sequence(sequence) },
        None => {
            Ordering { key: text("partitionkey")?, position: event.time.map_or(Position::Arrival, Position::Timestamp) }
        }
    };
    Some(ordering).filter(|ordering| ordering.key.len() <= fields::ID_MAX)
}

/// The identity of an item of JSON, for [`crate::batch::admit`].
///
/// # Errors
/// Malformed: it is not a CloudEvent.
pub fn identity_of(item: &Item<'_>) -> Result<Identity, Refusal> {
    of_json(item.text).map(|event| identity(&event)).map_err(Refusal::Malformed)
}

/// The answer to an OPTIONS request that asks for leave to send (HTTP webhooks, 4.2), given at once by headers; its
/// callback is not called. `settings.origins` says who may (`*`: everybody), without it `origins`; `settings.rate` how many
/// a minute.
///
/// # Errors
/// Unauthenticated: the origin is none of them. Malformed: it names none, or a rate that is not a number. Misconfigured.
pub fn permission(delivery: &Delivery, origins: &str) -> Result<Reply, Refusal> {
    let origin = header::optional(delivery, "webhook-request-origin")?;
    let origin = origin.ok_or_else(|| Refusal::Malformed("no header webhook-request-origin".to_owned()))?;
    check_origin(&delivery.setting("origins").unwrap_or_else(|| origins.to_owned()), &origin)?;
    let most = match delivery.setting("rate").as_deref() {
        None | Some("*") => None,
        Some(_) => Some(setting::whole(delivery, "rate", 0)?.max(1)),
    };
    let asked = header::optional(delivery, "webhook-request-rate")?;
    let asked = match asked.as_deref().map(|text| text.trim().parse::<u64>().ok().filter(|rate| *rate > 0)) {
        Some(None) => return Err(Refusal::Malformed("webhook-request-rate is not a number above 0".to_owned())),
        asked => asked.flatten(),
    };
    let allowed = [asked, most].into_iter().flatten().min();
    Ok(answer::answer_with(
        200,
        [
            ("allow", "POST, OPTIONS".to_owned()),
            ("webhook-allowed-origin", origin),
            ("webhook-allowed-rate", allowed.map_or("*".to_owned(), |rate| rate.to_string())),
        ],
    ))
}

/// Checks the origin that a delivery names, if it names one and the source says who may send.
///
/// # Errors
/// Unauthenticated: it is none of `settings.origins`.
pub fn check_delivered_origin(delivery: &Delivery) -> Result<(), Refusal> {
    match (header::optional(delivery, "webhook-request-origin")?, delivery.setting("origins")) {
        (Some(origin), Some(allowed)) => check_origin(&allowed, &origin),
        _ => Ok(()),
    }
}

/// `allowed` is a name, or a list of names as JSON.
fn check_origin(allowed: &str, origin: &str) -> Result<(), Refusal> {
    let allowed: Vec<String> = match json_text::items(allowed, "") {
        Some(items) => items.iter().filter_map(|item| json_text::field(item.text).text()).collect(),
        None => vec![allowed.to_owned()],
    };
    // A name of the DNS; it goes into a header of the reply.
    let is_name = !origin.is_empty() && origin.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:*".contains(&b));
    if is_name && allowed.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(origin)) {
        Ok(())
    } else {
        Err(answer::forged("webhook-request-origin names none of settings.origins"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str = r#"{"specversion":"1.0","id":"A-1","source":"/s","type":"t","subject":"x","time":"2018-04-05T17:31:00Z",
        "dataschema":"https://a.example/s","datacontenttype":"application/json","n":7,"yes":true,"text":"é","none":null,
        "data":{"a" : 1.50}}"#;

    #[test]
    fn everything_is_kept_as_it_came() {
        let event = of_json(WHOLE).unwrap();
        assert_eq!((event.id.as_str(), event.source.as_str(), event.type_.as_str()), ("A-1", "/s", "t"));
        assert_eq!((event.subject.as_deref(), event.time), (Some("x"), Some(1_522_949_460_000)));
        assert_eq!(event.data, EventData::Json(r#"{"a" : 1.50}"#.to_owned()));
        let extensions = [
            ("n".to_owned(), ExtensionValue::Integer(7)),
            ("yes".to_owned(), ExtensionValue::Boolean(true)),
            ("text".to_owned(), ExtensionValue::Text("é".to_owned())),
        ];
        assert_eq!(event.extensions, extensions);
    }

    #[test]
    fn data_is_json_text_or_bytes() {
        let data = |members: &str| {
            let json = format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t"{members}}}"#);
            of_json(&json).map(|event| event.data)
        };
        assert_eq!(data(""), Ok(EventData::None));
        assert_eq!(data(r#","data":null"#), Ok(EventData::None));
        assert_eq!(data(r#","data":"x""#), Ok(EventData::Json("\"x\"".to_owned())));
        assert_eq!(data(r#","datacontenttype":"text/xml","data":"<a/>""#), Ok(EventData::Text("<a/>".to_owned())));
        assert_eq!(data(r#","data_base64":"AQI=""#), Ok(EventData::Bytes(vec![1, 2])));
        assert!(data(r#","data_base64":"?""#).is_err() && data(r#","data":1,"data_base64":"AQI=""#).is_err());
    }

    #[test]
    fn each_fault_is_named() {
        let spoiled = |from: &str, to: &str| of_json(&WHOLE.replace(from, to)).expect_err(to);
        for (from, to, expected) in [
            ("\"1.0\"", "\"0.3\"", "0.3"),
            ("\"specversion\":\"1.0\",", "", "no specversion"),
            ("\"A-1\"", "\"\"", "`id` is missing"),
            ("\"A-1\"", "5", "`id` is not text"),
            ("\"/s\"", "\"a b\"", "no URI may"),
            ("2018-04-05T", "yesterday", "RFC 3339"),
            ("https://a.example/s", "s", "not an absolute URI"),
            ("application/json", "json", "not a media type"),
            ("\"n\":7", "\"N\":7", "lower-case"),
            ("\"n\":7", "\"n\":7.5", "not an integer"),
            ("\"n\":7", "\"n\":4294967296", "not an integer"),
            ("\"n\":7", "\"n\":{}", "not text"),
            ("\"x\"", "\"\\u0007\"", "forbids"),
        ] {
            let error = spoiled(from, to);
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        }
        assert!(of_json("[]").is_err() && of_json("").is_err());
    }

    #[test]
    fn order_is_the_sequence_of_a_source_or_the_time_of_a_partition() {
        let ordering = |members: &str| {
            let json = format!(
                r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","time":"1970-01-01T00:00:01Z"{members}}}"#
            );
            identity(&of_json(&json).unwrap()).ordering.map(|ordering| (ordering.key, ordering.position))
        };
        let sequence = r#","sequence":"0042","sequencetype":"Integer","partitionkey":"p""#;
        assert_eq!(ordering(sequence), Some(("s".to_owned(), Position::Sequence(42))));
        let partition = r#","sequence":"b","partitionkey":"p""#;
        assert_eq!(ordering(partition), Some(("p".to_owned(), Position::Timestamp(1000))));
        assert_eq!(ordering(""), None);
        let overflow = r#","sequence":"99999999999999999999","sequencetype":"Integer""#;
        assert_eq!(ordering(overflow), None);
    }

    #[test]
    fn headers_are_unquoted_and_then_decoded_once() {
        for (header, expected) in [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80 100%", "Euro € 😀 100%"),
            (r#""a quoted \"x\" 100%25""#, r#"a quoted "x" 100%"#),
            (r#""back\\slash""#, r"back\slash"),
            (r#""""#, ""),
            (r#"a "b c" d"#, "a b c d"),
            (r#"5" wide"#, r#"5" wide"#),
            (r#""open\""#, r#""open\""#),
            ("%22kept%22", "\"kept\""),
            ("%2525", "%25"),
            (r"a\b", r"a\b"),
        ] {
            assert_eq!(header_value(header).as_deref(), Ok(expected), "{header}");
        }
        assert!(header_value("%ff").is_err() && header_value("\"%ff\"").is_err());
    }

    #[test]
    fn there_are_no_limits_that_the_specification_does_not_have() {
        let extensions: String = (0..100).map(|n| format!(r#","anextensionwithaverylongname{n}":"x""#)).collect();
        let subject = "s".repeat(60_000);
        let json =
            format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"{subject}"{extensions}}}"#);
        let event = of_json(&json).unwrap();
        assert_eq!((event.extensions.len(), event.subject.map(|subject| subject.len())), (100, Some(60_000)));
    }

    #[test]
    fn a_time_before_1970_is_one_and_is_not_kept() {
        assert_eq!(moment("1970-01-01T00:00:01Z"), Some(Some(1000)));
        for before in
            ["1969-12-31T23:59:59Z", "1970-01-01T00:00:00+02:00", "1600-02-29T12:00:00Z", "0001-01-01T00:00:00Z"]
        {
            assert_eq!(moment(before), Some(None), "{before}");
        }
        for wrong in ["1969-02-29T00:00:00Z", "yesterday", "", "2970-13-01T00:00:00Z"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn events_with_very_long_ids_are_not_taken_for_one_another() {
        let json = format!(r#"{{"specversion":"1.0","id":"{}","source":"s","type":"t"}}"#, "i".repeat(600));
        assert_eq!(identity(&of_json(&json).unwrap()).known_by, KnownBy::Delivery(None));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(json in r#"[ {}\[\]":,a-e\\u0-9]{0,60}"#) {
            let _ = of_json(&json);
        }
    }
}
