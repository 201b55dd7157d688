//! Whether a plugin's answer is the one that a vector asks for.

use std::collections::BTreeMap;

use hookgate_capabilities::{Admission, CloudEvent, EventData, Position, Refusal, Reply, Verdict};
use serde_json::{Value, json};

use crate::{
    ExpectedCloudEvent, ExpectedEvent, ExpectedOutput, RefusalKind, Vector,
    difference::{self, Difference},
};

/// What differs from what the vector asks for, field by field; nothing where the plugin has passed.
pub fn compare(vector: &Vector, answer: &Result<Verdict, Refusal>) -> Vec<Difference> {
    match (vector.valid, answer) {
        (true, Err(refusal)) => vec![Difference::new("verdict", "taken", refused_as(refusal))],
        (false, Ok(verdict)) => vec![Difference::new("verdict", "refused", in_short(verdict))],
        (false, Err(refusal)) => refused(vector, refusal).into_iter().collect(),
        (true, Ok(verdict)) => taken(vector, verdict),
    }
}

/// As [`compare`], of what `transform` has made of all the delivery's events.
pub fn compare_cloud_events(vector: &Vector, made: &[CloudEvent]) -> Vec<Difference> {
    let Some(expected) = &vector.expect.cloud_events else { return Vec::new() };
    let mut differences = count("CloudEvents", expected.len(), made.len());
    for (index, (expected, made)) in expected.iter().zip(made).enumerate() {
        let whole = format!("CloudEvent {index}");
        differences.extend(cloud_event(expected, made).into_iter().map(|difference| difference.within(&whole)));
    }
    differences
}

fn refused(vector: &Vector, refusal: &Refusal) -> Option<Difference> {
    let kind = match refusal {
        Refusal::Unauthenticated(_) => RefusalKind::Unauthenticated,
        Refusal::Stale(_) => RefusalKind::Stale,
        Refusal::Malformed(_) => RefusalKind::Malformed,
        Refusal::Unsupported(_) => RefusalKind::Unsupported,
        Refusal::Misconfigured(_) => RefusalKind::Misconfigured,
    };
    match vector.expect.refusal {
        Some(expected) if expected != kind => {
            let expected = format!("{expected:?}").to_lowercase();
            Some(Difference::new("refusal", expected, refused_as(refusal)))
        }
        // A plugin that cannot judge at all has not seen through a forgery.
        None if kind == RefusalKind::Misconfigured => Some(Difference::new("verdict", "judged", refused_as(refusal))),
        _ => None,
    }
}

fn refused_as(refusal: &Refusal) -> String {
    let (kind, why) = match refusal {
        Refusal::Unauthenticated(why) => ("unauthenticated", why),
        Refusal::Stale(why) => ("stale", why),
        Refusal::Malformed(why) => ("malformed", why),
        Refusal::Unsupported(why) => ("unsupported", why),
        Refusal::Misconfigured(why) => ("misconfigured", why),
    };
    format!("{kind}: {why}")
}

fn taken(vector: &Vector, verdict: &Verdict) -> Vec<Difference> {
    let (events, reply) = match verdict {
        Verdict::Admit(accepted) => (&accepted.events[..], accepted.reply.as_ref()),
        Verdict::Answer(reply) => (&[][..], Some(reply)),
        Verdict::Confirm(confirmation) => (&[][..], Some(&confirmation.reply)),
        Verdict::Enroll(handed_over) => (&[][..], Some(&handed_over.reply)),
    };
    let confirmed = match verdict {
        Verdict::Confirm(confirmation) => Some(&confirmation.url),
        _ => None,
    };
    // A vector must expect the host to get a URL: a confirmation that it does not mention fails it.
    let confirmed = difference::of_value("confirmed URL", json!(vector.expect.confirm), json!(confirmed));
    let mut differences = Vec::from_iter(confirmed);
    if let Some(expected) = &vector.expect.events {
        differences.extend(count("events", expected.len(), events.len()));
        let body = vector.request().body;
        for (index, (expected, event)) in expected.iter().zip(events).enumerate() {
            let whole = format!("event {index}");
            let found = admission(expected, event, &body);
            differences.extend(found.into_iter().map(|difference| difference.within(&whole)));
        }
    }
    if let Some(expected) = &vector.expect.enrolls {
        differences.extend(enrolls(expected, verdict));
    }
    if let Some(expected) = &vector.expected_output {
        differences.extend(output(expected, reply));
    }
    differences
}

fn enrolls(expected: &BTreeMap<String, String>, verdict: &Verdict) -> Vec<Difference> {
    let found = match verdict {
        Verdict::Enroll(handed_over) => BTreeMap::from([(handed_over.secret.clone(), handed_over.value.clone())]),
        _ => BTreeMap::new(),
    };
    difference::of_documents("handed over", &json!(expected), &json!(found))
}

fn output(expected: &ExpectedOutput, reply: Option<&Reply>) -> Vec<Difference> {
    let Some(reply) = reply else { return vec![Difference::new("reply", "one of its own", "none")] };
    let mut differences = differs("reply status", expected.status, reply.status);
    for (name, value) in &expected.headers {
        let found: Vec<&str> =
            reply.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect();
        if !found.contains(&value.as_str()) {
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
            differences.push(Difference::new(format!("reply header {name}"), value, found));
        }
    }
    let body = String::from_utf8_lossy(&reply.body);
    differences.extend(differs("reply body", expected.body.as_deref(), &*body));
    differences.extend(differs_as_json("reply body", expected.body_json.as_ref(), &reply.body));
    differences
}

fn admission(expected: &ExpectedEvent, event: &Admission, body: &bytes::Bytes) -> Vec<Difference> {
    let identity = &event.identity;
    let ordering = identity.ordering.as_ref();
    let mut differences = differs("id", expected.id.as_ref(), identity.known_by.id());
    differences.extend(differs("known_by", expected.known_by.as_deref(), identity.known_by.name()));
    differences.extend(differs("kind", expected.kind.as_ref(), &identity.kind));
    differences.extend(differs("occurred_at", expected.occurred_at, identity.occurred_at));
    let key = ordering.map(|ordering| &ordering.key);
    differences.extend(differs("ordering_key", expected.ordering_key.as_ref(), key));
    if let Some(sequence) = expected.sequence {
        let position = match ordering.map(|ordering| ordering.position) {
            Some(Position::Sequence(number)) => json!(number),
            Some(Position::Timestamp(ms)) => json!(format!("timestamp {ms}")),
            Some(Position::Arrival) => json!("arrival"),
            None => Value::Null,
        };
        differences.extend(difference::of_value("sequence", json!(sequence), position));
    }
    match event.payload.of(body) {
        Ok(payload) => {
            let text = String::from_utf8_lossy(&payload);
            differences.extend(differs("payload", expected.payload.as_deref(), &*text));
            differences.extend(differs_as_json("payload", expected.payload_json.as_ref(), &payload));
        }
        Err(broken) => differences.push(Difference::new("payload", "within the body", broken.to_string())),
    }
    differences
}

fn cloud_event(expected: &ExpectedCloudEvent, made: &CloudEvent) -> Vec<Difference> {
    let mut differences = differs("id", expected.id.as_ref(), &made.id);
    differences.extend(differs("source", expected.source.as_ref(), &made.source));
    differences.extend(differs("type", expected.type_.as_ref(), &made.type_));
    differences.extend(differs("subject", expected.subject.as_ref(), &made.subject));
    differences.extend(differs("time", expected.time, made.time));
    differences.extend(differs("data_content_type", expected.data_content_type.as_ref(), &made.data_content_type));
    if let Some(expected) = &expected.data_json {
        match &made.data {
            EventData::Json(text) => differences.extend(differs_as_json("data", Some(expected), text.as_bytes())),
            other => differences.push(Difference::new("data", "JSON", in_a_word(other))),
        }
    }
    differences
}

fn in_a_word(data: &EventData) -> &'static str {
    match data {
        EventData::None => "none",
        EventData::Payload => "the payload",
        EventData::Json(_) => "JSON",
        EventData::Text(_) => "text",
        EventData::Bytes(_) => "bytes",
    }
}

fn count(what: &str, expected: usize, found: usize) -> Vec<Difference> {
    differs(&format!("number of {what}"), Some(expected), found)
}

/// A value, where one is expected.
fn differs(field: &str, expected: Option<impl serde::Serialize>, found: impl serde::Serialize) -> Vec<Difference> {
    let difference = expected.and_then(|expected| difference::of_value(field, json!(expected), json!(found)));
    Vec::from_iter(difference)
}

fn differs_as_json(field: &str, expected: Option<&Value>, found: &[u8]) -> Vec<Difference> {
    let Some(expected) = expected else { return Vec::new() };
    match serde_json::from_slice::<Value>(found) {
        Ok(found) => difference::of_documents(field, expected, &found),
        Err(error) => vec![Difference::new(field, "JSON", format!("none: {error}"))],
    }
}

fn in_short(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Admit(accepted) => format!("{} events admitted", accepted.events.len()),
        Verdict::Answer(reply) => format!("answered with {}", reply.status),
        Verdict::Confirm(confirmation) => format!("{} to be confirmed", confirmation.url),
        Verdict::Enroll(handed_over) => format!("the secret {} taken over", handed_over.secret),
    }
}
