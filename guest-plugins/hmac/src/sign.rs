//! The provider's part: a delivery signed by the same scheme that checks it, and an example where there is no body.

use hookgate_known_providers::place::Part;
use hookgate_plugin_sdk::{Delivery, Outgoing, Refusal, encoding::to_hex, form};
use serde_json::{Map, Value};

use crate::{
    content, filled,
    format::Proof,
    identity,
    place::{Path, Place, Reader},
    scheme::{Kind, Scheme},
    settings::Settings,
};

/// What is to be set on a delivery.
///
/// # Errors
/// In words: the scheme cannot be signed with, or the delivery lacks what is signed.
pub fn outgoing(delivery: &Delivery) -> Result<Outgoing, String> {
    let settings = Settings::of(delivery).map_err(in_words)?;
    let scheme = Scheme::of(&settings).map_err(in_words)?;
    if scheme.kind != Kind::Hmac {
        return Err(
            "only scheme = \"hmac\" can be signed: what it takes to make the others, the host never shows".into()
        );
    }
    let paths = identity::paths(&settings).map_err(in_words)?;
    let name = header_of(&scheme)?;
    let timestamp = scheme.unit.write(delivery.received_at());
    let [content, ..] = &scheme.contents[..] else { return Err("settings.content is empty".into()) };
    let [(digest, format), ..] = &scheme.formats[..] else { return Err("settings.digest is empty".into()) };

    let mut reader = Reader::new(delivery);
    make_headers(&mut reader, &scheme, &paths, &timestamp);
    let example = (delivery.body_length() == 0 && delivery.method() == "POST" && !content.digests_body())
        .then(|| example(&scheme, &paths, delivery.received_at(), &timestamp));
    let proof = Proof {
        signatures: Vec::new(),
        timestamp: format.has_timestamp().then(|| timestamp.clone()),
        fields: format.fields().map(|field| (field.to_owned(), made_field(field, content))).collect(),
    };
    let body = example.as_ref().map(|(body, _)| body.as_bytes());
    let stretches = filled::stretches(content.fill(&scheme.filling(&reader, &proof, body)).map_err(in_words)?);
    let keys = scheme.key.open(delivery).map_err(in_words)?;
    let mac = keys.first().map(|key| key.mac(*digest, &filled::parts(&stretches))).unwrap_or_default();
    let mut headers = reader.made;
    headers.push((name, format.write(&scheme.encoding.encode(&mac), &proof)));
    headers.extend(settings.list("sends", "", header_to_send).map_err(in_words)?.into_iter().flatten());
    if let Some((_, content_type)) = &example {
        headers.push(("content-type".to_owned(), (*content_type).to_owned()));
    }
    Ok(Outgoing { headers, body: example.map(|(body, _)| body.into_bytes()) })
}

/// The text of a refusal.
pub fn in_words(refusal: Refusal) -> String {
    match refusal {
        Refusal::Unauthenticated(why)
        | Refusal::Stale(why)
        | Refusal::Malformed(why)
        | Refusal::Unsupported(why)
        | Refusal::Misconfigured(why) => why,
    }
}

/// `NAME: VALUE`.
fn header_to_send(text: &str) -> Result<Option<(String, String)>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is not a header: write NAME: VALUE"))?;
    Ok(Some((name.trim().to_ascii_lowercase(), value.trim().to_owned())))
}

fn header_of(scheme: &Scheme) -> Result<String, String> {
    let header = scheme.signatures.iter().find_map(|place| match place {
        Place::Header(name) => Some(name.replace('*', "1")),
        _ => None,
    });
    header.ok_or_else(|| "only signatures in a header can be made, not those in a query or body".to_owned())
}

/// Headers that are signed or name the event, and are not there yet.
fn make_headers(reader: &mut Reader<'_>, scheme: &Scheme, paths: &[Option<Path>; 6], timestamp: &str) {
    if let Some(Place::Header(name)) = scheme.timestamp.iter().flat_map(Path::places).next() {
        reader.made.push((name.clone(), timestamp.to_owned()));
    }
    let signed = scheme.contents.iter().flat_map(|content| content.headers());
    let known = |reader: &Reader<'_>, name: &str| {
        reader.made.iter().any(|(made, _)| made == name) || reader.delivery.header(name).is_some()
    };
    for (part, setting) in parts(paths) {
        if let Place::Header(name) = &part.place
            && !known(reader, name)
        {
            let value = wanted(part, setting, reader.delivery.received_at(), timestamp);
            reader.made.push((name.clone(), value));
        }
    }
    for name in signed {
        if !known(reader, name) {
            let value = made_value("id", reader.delivery.received_at(), timestamp);
            reader.made.push((name.to_owned(), value));
        }
    }
}

/// The parts of the settings' paths, each with its setting.
fn parts(paths: &[Option<Path>; 6]) -> impl Iterator<Item = (&Part, &'static str)> {
    let named = paths.iter().zip(identity::PATHS);
    named.flat_map(|(path, setting)| path.iter().flat_map(Path::parts).map(move |part| (part, setting)))
}

/// The value that a part wants, or that it does not want, so that the usual alternative counts; one of the setting's
/// where it takes any.
fn wanted(part: &Part, setting: &str, received_at: u64, timestamp: &str) -> String {
    let condition = part.condition.as_ref().map(|condition| condition.text.clone());
    condition.unwrap_or_else(|| made_value(setting, received_at, timestamp))
}

/// A value for a field beside the signature: a list of covered headers covers none, any other field is a word.
fn made_field(field: &str, content: &content::Content) -> String {
    if content.covers(field) { String::new() } else { "example".to_owned() }
}

/// A value for a setting's path; an id is new with each millisecond.
fn made_value(setting: &str, received_at: u64, timestamp: &str) -> String {
    match setting {
        "kind" => "example.created".to_owned(),
        "time" => timestamp.to_owned(),
        "sequence" => "1".to_owned(),
        "subject" | "ordering-key" => "example-1".to_owned(),
        _ => format!("evt_{}", to_hex(&received_at.to_be_bytes())),
    }
}

/// A body with a value at each path that the settings name, and its media type.
fn example(scheme: &Scheme, paths: &[Option<Path>; 6], received_at: u64, timestamp: &str) -> (String, &'static str) {
    let timed = scheme.timestamp.iter().flat_map(Path::places);
    let timed = timed.map(|place| (place, made_value("time", received_at, timestamp), true));
    let named = parts(paths).map(|(part, setting)| {
        let is_time = setting == "time" && part.condition.is_none();
        (&part.place, wanted(part, setting, received_at, timestamp), is_time)
    });
    let values = timed.chain(named);
    let (mut document, mut fields) = (Value::Object(Map::new()), Vec::new());
    for (place, value, is_time) in values {
        match place {
            Place::Json(pointer) if is_time => insert(&mut document, pointer, time(value)),
            Place::Json(pointer) => insert(&mut document, pointer, Value::from(value)),
            Place::Form(name) => fields.push(format!("{}={}", form::encode(name), form::encode(&value))),
            Place::Header(_) | Place::Query(_) => (),
        }
    }
    if fields.is_empty() {
        insert(&mut document, "/example", Value::from(timestamp));
        return (document.to_string(), "application/json");
    }
    (fields.join("&"), "application/x-www-form-urlencoded")
}

/// A time as JSON has it: since the epoch it is a number, as SDKs that reckon with it insist (Linear's, Pusher's).
fn time(text: String) -> Value {
    text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from)
}

/// Puts a value at a JSON Pointer, with the objects on the way there; one that is already there stays.
fn insert(document: &mut Value, pointer: &str, value: Value) {
    let mut at = document;
    for token in pointer.split('/').skip(1) {
        let Value::Object(object) = at else { return };
        at = object.entry(token.replace("~1", "/").replace("~0", "~")).or_insert_with(|| Value::Object(Map::new()));
    }
    if matches!(at, Value::Object(object) if object.is_empty()) {
        *at = value;
    }
}
