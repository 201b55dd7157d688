//! Probes: requests by which a provider checks the endpoint before it sends events to it.
//!
//! A probe is answered and never admits an event. One that is not signed counts only where no signature stands, so that no
//! signed delivery is taken for a probe, and no forged one gets further than an answer.

use hookgate_known_providers::{
    place::Part,
    template::{self, Token},
};
use hookgate_plugin_sdk::{Refusal, Reply, Verdict};

use crate::{
    challenge::{LENGTH_MAX, Stage},
    place::{Place, Reader},
    settings::{Settings, wrong},
};

/// What a probe looks like, and when it is answered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Probe {
    stage: Option<Stage>,
    conditions: Vec<Condition>,
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Method(String),
    NoBody,
    At(Part),
}

/// The answer to a probe; none where the delivery is something else.
///
/// # Errors
/// Misconfigured: a setting makes no sense. Malformed: what the answer repeats is not there, or too long.
pub fn answer(stage: Stage, settings: &Settings<'_>, reader: &Reader<'_>) -> Result<Option<Verdict>, Refusal> {
    let probes = settings.list("probe", "", Probe::parse)?;
    let at = probes.iter().position(|probe| probe.stage == Some(stage) && probe.fits(reader));
    at.map(|at| reply(at, settings, reader).map(Verdict::Answer)).transpose()
}

impl Probe {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Probe::default());
        }
        let mut probe = Probe { stage: Some(Stage::Authentic), conditions: Vec::new() };
        for word in text.split(" + ").map(str::trim) {
            match (word, word.split_once(':')) {
                ("unsigned", _) => probe.stage = Some(Stage::Unsigned),
                ("no-body", _) => probe.conditions.push(Condition::NoBody),
                (_, Some(("method", method))) if !method.is_empty() => {
                    probe.conditions.push(Condition::Method(method.to_ascii_uppercase()));
                }
                _ => probe.conditions.push(Condition::At(Part::parse(word).map_err(|why| {
                    format!("{why}, with =VALUE behind it if you like, method:NAME, no-body, or unsigned")
                })?)),
            }
        }
        if probe.conditions.is_empty() {
            Err(format!("{text:?} does not say what a probe looks like"))
        } else {
            Ok(probe)
        }
    }

    fn fits(&self, reader: &Reader<'_>) -> bool {
        self.conditions.iter().all(|condition| match condition {
            Condition::Method(method) => reader.delivery.method() == *method,
            Condition::NoBody => reader.delivery.body_length() == 0,
            Condition::At(part) => reader.lenient(&part.place).is_some_and(|value| part.admits(&value)),
        })
    }
}

/// The reply to the probe of this number.
fn reply(at: usize, settings: &Settings<'_>, reader: &Reader<'_>) -> Result<Reply, Refusal> {
    let status = settings.parsed_or("probe-status", "200", |text| match text.parse::<u16>() {
        Ok(status @ 200..=299) => Ok(status),
        _ => Err(format!("{text:?} is not a status from 200 to 299")),
    })?;
    let templates = settings.list("probe-reply", "", template::parse)?;
    // One for all of them, or one each.
    let template = if templates.len() == 1 { templates.first() } else { templates.get(at) };
    let body = filled("probe-reply", template.map_or(&[][..], Vec::as_slice), reader)?;
    let guessed = if body.starts_with(['{', '[']) { "application/json" } else { "text/plain; charset=utf-8" };
    let content_type = settings.parsed("probe-type", harmless_type)?.unwrap_or_else(|| guessed.to_owned());
    let mut headers =
        vec![("content-type".to_owned(), content_type), ("x-content-type-options".to_owned(), "nosniff".to_owned())];
    for (name, template) in settings.list("probe-header", "", header_template)?.into_iter().flatten() {
        headers.push((name, filled("probe-header", &template, reader)?));
    }
    Ok(Reply { status, headers, body: body.into_bytes() })
}

/// A media type that browsers do not execute: anyone may have sent the repeated text.
fn harmless_type(text: &str) -> Result<String, String> {
    let media_type = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "text/plain" | "application/json" | "application/octet-stream" => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is not text/plain, application/json or application/octet-stream")),
    }
}

/// `NAME: TEMPLATE`.
fn header_template(text: &str) -> Result<Option<(String, Vec<Token>)>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let (name, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is not a header: write NAME: VALUE"))?;
    match Place::parse(&format!("header:{}", name.trim()))? {
        Place::Header(name) if !name.ends_with('*') => Ok(Some((name, template::parse(value.trim())?))),
        _ => Err(format!("{name:?} is not the name of a header")),
    }
}

/// A template with values of the request in its slots: `{json:/id}`, or `{json:/id:json}` with the quotes of JSON.
fn filled(setting: &str, template: &[Token], reader: &Reader<'_>) -> Result<String, Refusal> {
    let mut text = String::new();
    for token in template {
        match token {
            Token::Text(fixed) => text.push_str(fixed),
            Token::Slot(name) => {
                let (place, as_json) = name.strip_suffix(":json").map_or((name.as_str(), false), |place| (place, true));
                let place = Place::parse(place).map_err(|why| wrong(setting, &why))?;
                let value = reader.lenient(&place).filter(|value| value.len() <= LENGTH_MAX);
                let value = value.filter(|value| !value.contains(char::is_control)).ok_or_else(|| {
                    Refusal::Malformed(format!("the probe has no {} that could be repeated", place.describe()))
                })?;
                text.push_str(&if as_json { serde_json::Value::from(value).to_string() } else { value });
            }
            Token::Optional(_) => return Err(wrong(setting, "it cannot have parts in brackets")),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hookgate_capabilities::{Request, Verdict};
    use hookgate_conformance::native::{self, Source};
    use hookgate_plugin_sdk::Provider as _;

    use super::*;
    use crate::Hmac;

    const SECRETS: &[(&str, &str)] = &[("signing", "secret")];

    fn answered(settings: &[(&str, &str)], request: &Request) -> Option<hookgate_capabilities::Reply> {
        let settings: Vec<_> = settings.iter().copied().chain([("signature", "X-Sig")]).collect();
        match Source::of(SECRETS, &settings).verify::<Hmac>(request) {
            Ok(Verdict::Answer(reply)) => Some(reply),
            _ => None,
        }
    }

    fn with_header(name: &str, value: &str, request: Request) -> Request {
        Request { headers: vec![(name.to_owned(), value.as_bytes().to_vec())], ..request }
    }

    #[test]
    fn an_unsigned_probe_is_answered_by_its_look() {
        let request = |method: &str, body: &str| Request { method: method.to_owned(), ..native::request(body) };
        for (probe, good, bad) in [
            ("unsigned + form:webhook_id", request("POST", "webhook_id=7"), request("POST", "id=7")),
            ("unsigned + method:HEAD", request("HEAD", ""), request("GET", "")),
            ("unsigned + method:POST + no-body", request("POST", ""), request("POST", "{}")),
            ("unsigned + json:/type=ping", request("POST", "{\"type\":\"ping\"}"), request("POST", "{\"type\":\"x\"}")),
            ("unsigned + json:/ok=true", request("POST", "{\"ok\":true}"), request("POST", "not JSON")),
            (
                "unsigned + header:X-Event-Key=diagnostics:ping",
                with_header("x-event-key", "diagnostics:ping", native::request("{}")),
                with_header("x-event-key", "repo:push", native::request("{}")),
            ),
        ] {
            let reply = answered(&[("probe", probe)], &good);
            assert_eq!(reply.map(|reply| (reply.status, reply.body)), Some((200, Vec::new())), "{probe}");
            assert_eq!(answered(&[("probe", probe)], &bad), None, "{probe}");
        }
    }

    #[test]
    fn nothing_with_a_signature_is_an_unsigned_probe() {
        let probe = [("probe", "unsigned + form:webhook_id")];
        let forged = with_header("x-sig", "00", native::request("webhook_id=7"));
        assert_eq!(answered(&probe, &forged), None);
    }

    #[test]
    fn a_signed_probe_is_answered_when_it_is_authentic() {
        let settings = [
            ("signature", "X-Sig"),
            ("probe", "json:/type=validation.webhook"),
            ("probe-reply", "{{\"id\":{json:/id:json}}}"),
        ];
        let source = Source::of(SECRETS, &settings);
        let request = native::request("{\"id\":\"a\\\"b\",\"type\":\"validation.webhook\"}");
        let Ok(Verdict::Answer(reply)) = source.verify::<Hmac>(&source.sign::<Hmac>(&request).unwrap()) else {
            panic!()
        };
        assert_eq!(String::from_utf8(reply.body).unwrap(), "{\"id\":\"a\\\"b\"}");
        assert!(reply.headers.contains(&("content-type".to_owned(), "application/json".to_owned())));
        assert!(source.verify::<Hmac>(&request).is_err(), "unsigned");
    }

    #[test]
    fn what_is_answered_can_be_said() {
        let settings = [
            ("probe", "[\"unsigned + method:GET\",\"unsigned + query:token\"]"),
            ("probe-reply", "[\"one\",\"{query:token}\"]"),
            ("probe-status", "202"),
            ("probe-header", "X-Token: {query:token}"),
        ];
        let url = "https://h.example/in/a?token=t1".to_owned();
        let request = Request { url, method: "POST".to_owned(), ..native::request("") };
        let reply = answered(&settings, &request).unwrap();
        assert_eq!((reply.status, reply.body), (202, b"t1".to_vec()));
        assert!(reply.headers.contains(&("x-token".to_owned(), "t1".to_owned())));
        // A value that the answer repeats is not there.
        assert_eq!(answered(&settings, &Request { method: "GET".to_owned(), ..native::request("") }), None);
    }

    #[test]
    fn a_probe_without_a_look_is_a_mistake() {
        for probe in ["unsigned", "method:", "cookie:a", "unsigned + "] {
            assert!(Probe::parse(probe).is_err(), "{probe}");
        }
        assert!(harmless_type("text/html").is_err() && header_template("x").is_err());
        let _ = Hmac::describe();
    }
}
