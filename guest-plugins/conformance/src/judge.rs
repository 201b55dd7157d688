//! Whether a plugin's answer is the one that a vector asks for.

use std::collections::BTreeMap;

use hookgate_capabilities::{Admission, CloudEvent, EventData, Position, Refusal, Reply, Verdict};
use serde_json::Value;

use crate::{ExpectedCloudEvent, ExpectedEvent, ExpectedOutput, RefusalKind, Vector};

/// What differs from what the vector asks for, in words; nothing where the plugin has passed.
pub fn judge(vector: &Vector, answer: &Result<Verdict, Refusal>) -> Vec<String> {
    match (vector.valid, answer) {
        (true, Err(refusal)) => vec![format!("must be taken, but was refused: {refusal:?}")],
        (false, Ok(verdict)) => vec![format!("must be refused, but was taken: {}", in_short(verdict))],
        (false, Err(refusal)) => refused(vector, refusal),
        (true, Ok(verdict)) => taken(vector, verdict),
    }
}

/// As [`judge`], of what `transform` has made of all the delivery's events.
pub fn judge_cloud_events(vector: &Vector, made: &[CloudEvent]) -> Vec<String> {
    let Some(expected) = &vector.expect.cloud_events else { return Vec::new() };
    let mut differences = count("CloudEvents", expected.len(), made.len());
    for (index, (expected, made)) in expected.iter().zip(made).enumerate() {
        differences.extend(cloud_event(expected, made).into_iter().map(|d| format!("CloudEvent {index}: {d}")));
    }
    differences
}

fn refused(vector: &Vector, refusal: &Refusal) -> Vec<String> {
    let kind = match refusal {
        Refusal::Unauthenticated(_) => RefusalKind::Unauthenticated,
        Refusal::Stale(_) => RefusalKind::Stale,
        Refusal::Malformed(_) => RefusalKind::Malformed,
        Refusal::Unsupported(_) => RefusalKind::Unsupported,
        Refusal::Misconfigured(_) => RefusalKind::Misconfigured,
    };
    match vector.expect.refusal {
        Some(expected) if expected != kind => vec![format!("must be refused as {expected:?}, but was as {refusal:?}")],
        // A plugin that cannot judge at all has not seen through a forgery.
        None if kind == RefusalKind::Misconfigured => vec![format!("was not judged: {refusal:?}")],
        _ => Vec::new(),
    }
}

fn taken(vector: &Vector, verdict: &Verdict) -> Vec<String> {
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
    let mut differences = Vec::new();
    // Getting a URL is no small matter: a vector that does not expect it does not let it pass.
    if confirmed != vector.expect.confirm.as_ref() {
        let expected = &vector.expect.confirm;
        differences.push(format!("the URL to be confirmed must be {expected:?}, but is {confirmed:?}"));
    }
    if let Some(expected) = &vector.expect.events {
        differences.extend(count("events", expected.len(), events.len()));
        let body = vector.request().body;
        for (index, (expected, event)) in expected.iter().zip(events).enumerate() {
            differences.extend(admission(expected, event, &body).into_iter().map(|d| format!("event {index}: {d}")));
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

fn enrolls(expected: &BTreeMap<String, String>, verdict: &Verdict) -> Vec<String> {
    let found = match verdict {
        Verdict::Enroll(handed_over) => BTreeMap::from([(handed_over.secret.clone(), handed_over.value.clone())]),
        _ => BTreeMap::new(),
    };
    differs("the secret that is handed over", Some(expected), &found)
}

fn output(expected: &ExpectedOutput, reply: Option<&Reply>) -> Vec<String> {
    let Some(reply) = reply else { return vec!["must have a reply of its own, but has none".to_owned()] };
    let mut differences = differs("the reply's status", expected.status.as_ref(), &reply.status);
    for (name, value) in &expected.headers {
        if !reply.headers.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && v == value) {
            differences.push(format!("the reply must have the header {name}: {value}, but has {:?}", reply.headers));
        }
    }
    let body = String::from_utf8_lossy(&reply.body);
    differences.extend(differs("the reply's body", expected.body.as_deref(), &*body));
    differences.extend(differs_as_json("the reply's body", expected.body_json.as_ref(), &reply.body));
    differences
}

fn admission(expected: &ExpectedEvent, event: &Admission, body: &bytes::Bytes) -> Vec<String> {
    let identity = &event.identity;
    let ordering = identity.ordering.as_ref();
    let mut differences = differs("id", expected.id.as_ref(), &identity.id);
    differences.extend(differs("kind", expected.kind.as_ref(), &identity.kind));
    differences.extend(differs("occurred_at", expected.occurred_at.as_ref(), &identity.occurred_at));
    let key = ordering.map(|ordering| ordering.key.clone());
    differences.extend(differs("ordering_key", expected.ordering_key.as_ref(), &key));
    if let Some(sequence) = expected.sequence {
        let position = ordering.map(|ordering| ordering.position);
        differences.extend(differs("position", Some(&Some(Position::Sequence(sequence))), &position));
    }
    match event.payload.of(body) {
        Ok(payload) => {
            let text = String::from_utf8_lossy(&payload);
            differences.extend(differs("payload", expected.payload.as_deref(), &*text));
            differences.extend(differs_as_json("payload", expected.payload_json.as_ref(), &payload));
        }
        Err(broken) => differences.push(broken.to_string()),
    }
    differences
}

fn cloud_event(expected: &ExpectedCloudEvent, made: &CloudEvent) -> Vec<String> {
    let mut differences = differs("id", expected.id.as_ref(), &made.id);
    differences.extend(differs("source", expected.source.as_ref(), &made.source));
    differences.extend(differs("type", expected.type_.as_ref(), &made.type_));
    differences.extend(differs("subject", expected.subject.as_ref(), &made.subject));
    differences.extend(differs("time", expected.time.as_ref(), &made.time));
    differences.extend(differs("data_content_type", expected.data_content_type.as_ref(), &made.data_content_type));
    if expected.data_json.is_some() {
        match &made.data {
            EventData::Json(text) => {
                differences.extend(differs_as_json("data", expected.data_json.as_ref(), text.as_bytes()));
            }
            other => differences.push(format!("data must be JSON, but is {other:?}")),
        }
    }
    differences
}

fn count(what: &str, expected: usize, found: usize) -> Vec<String> {
    differs(&format!("number of {what}"), Some(&expected), &found)
}

fn differs<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, expected: Option<&T>, found: &T) -> Vec<String> {
    match expected {
        Some(expected) if expected != found => vec![format!("{what} must be {expected:?}, but is {found:?}")],
        _ => Vec::new(),
    }
}

fn differs_as_json(what: &str, expected: Option<&Value>, found: &[u8]) -> Vec<String> {
    let Some(expected) = expected else { return Vec::new() };
    match serde_json::from_slice::<Value>(found) {
        Ok(found) => differs(what, Some(expected), &found),
        Err(error) => vec![format!("{what} must be JSON: {error}")],
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
