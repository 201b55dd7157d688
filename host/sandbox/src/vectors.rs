//! Conformance vectors: deliveries with the verdicts that they must get, run in the sandbox.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use hookgate_capabilities::cloudevents;
use hookgate_capabilities::{CloudEvent, Delivery, Event, FetchedKeys, Refusal, Request, Secrets, Verdict};
use hookgate_conformance::{Difference, Vector, compare, compare_cloud_events};
use hookgate_model::limits;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Broken, Plugin, sent_at};

/// What a vector file says of each vector apart from the vector itself.
#[derive(Deserialize)]
struct Label {
    provider: Option<String>,
    id: Option<String>,
}

/// A vector with its name, or why it is none.
pub type Named = (String, Result<Vector, String>);

/// A text does not hold vectors.
#[derive(Debug, thiserror::Error)]
#[error("{0}; write a JSON object, or an array of them")]
pub struct NoVectors(String);

/// The vectors of a text that are of one of these providers, or of none in particular.
///
/// # Errors
/// The text is neither a JSON object nor an array of them.
pub fn read(text: &str, providers: Option<&[String]>) -> Result<Vec<Named>, NoVectors> {
    let wrong = |error: serde_json::Error| NoVectors(error.to_string());
    let all: Vec<&RawValue> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(wrong)?
    } else {
        vec![serde_json::from_str(text).map_err(wrong)?]
    };
    let mut vectors = Vec::new();
    for (at, raw) in all.into_iter().enumerate() {
        let label = serde_json::from_str(raw.get()).map_err(|error| NoVectors(format!("vector {at}: {error}")));
        let label: Label = label?;
        let is_ours = match (&label.provider, providers) {
            (Some(label), Some(providers)) => providers.contains(label),
            _ => true,
        };
        if is_ours {
            let id = label.id.unwrap_or_else(|| format!("#{at}"));
            vectors.push((id, serde_json::from_str(raw.get()).map_err(|error| format!("not a vector: {error}"))));
        }
    }
    Ok(vectors)
}

/// The vectors that a component carries.
///
/// # Errors
/// A section holds no vectors.
pub fn carried(plugin: &Plugin) -> Result<Vec<Named>, NoVectors> {
    let texts = plugin.vectors().iter().map(|text| read(text, None));
    Ok(texts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// What differs from what the vector asks for; nothing when all is as it should be. `set` are settings of the source, for
/// vectors that do not say them.
pub async fn differences(plugin: &Plugin, mut vector: Vector, set: &[(String, String)]) -> Vec<Difference> {
    let source = Source::of(&vector, plugin, set);
    let mut answer = source.verify(plugin, &vector.request()).await;
    if vector.now_unix.is_none() {
        for sent_at in sent_at::of_headers(&vector.headers) {
            if !matches!(answer, Ok(Err(Refusal::Stale(_)))) {
                break;
            }
            vector.now_unix = Some(sent_at);
            answer = source.verify(plugin, &vector.request()).await;
        }
    }
    let answer = match answer {
        Ok(answer) => answer,
        Err(broken) => {
            let expected = if vector.valid { "taken" } else { "refused" };
            return vec![Difference::new("verdict", expected, format!("none: {broken}"))];
        }
    };
    let mut differences = compare(&vector, &answer);
    if let (Ok(verdict), true) = (&answer, differences.is_empty()) {
        match source.transform(plugin, &vector.request(), verdict).await {
            Ok(made) => {
                let broken = cloudevents::check_all(&made).err();
                differences.extend(broken.map(|why| Difference::new("CloudEvents", "by the rules", why.to_string())));
                differences.extend(compare_cloud_events(&vector, &made));
            }
            Err(error) => differences.push(Difference::new("transform", "CloudEvents", error)),
        }
    }
    differences
}

/// How long single verifications of a vector take, a fresh sandbox included, sorted; none where the plugin breaks.
pub async fn durations(plugin: &Plugin, vector: &Vector, set: &[(String, String)]) -> Option<Vec<Duration>> {
    let (source, request) = (Source::of(vector, plugin, set), vector.request());
    let (mut durations, began) = (Vec::new(), Instant::now());
    while durations.len() < limits::PLUGIN_TIMED_CALLS_MAX && began.elapsed() < limits::PLUGIN_TIMED_MAX {
        let call = Instant::now();
        let _judged = source.verify(plugin, &request).await.ok()?;
        durations.push(call.elapsed());
    }
    durations.sort_unstable();
    Some(durations)
}

/// A source, as the vector configures it.
struct Source {
    secrets: Arc<Secrets>,
    settings: Arc<BTreeMap<String, String>>,
    keys: Arc<dyn FetchedKeys>,
    authenticated_by: Arc<[String]>,
}

impl Source {
    fn of(vector: &Vector, plugin: &Plugin, set: &[(String, String)]) -> Self {
        let mut settings: BTreeMap<String, String> = set.iter().cloned().collect();
        settings.extend(vector.settings());
        Source {
            secrets: Arc::new(Secrets::new(vector.secrets(plugin.descriptor()))),
            settings: Arc::new(settings),
            keys: vector.keys(plugin.descriptor()),
            authenticated_by: vector.authenticated_by.as_slice().into(),
        }
    }

    async fn verify(&self, plugin: &Plugin, request: &Request) -> Result<Result<Verdict, Refusal>, Broken> {
        let request = Arc::new(request.clone());
        let delivery = Delivery::new(request, self.settings.clone(), self.secrets.clone());
        let delivery = delivery.with_keys(self.keys.clone()).from_known_sender(self.authenticated_by.clone());
        plugin.verify(delivery).await
    }

    async fn transform(
        &self,
        plugin: &Plugin,
        request: &Request,
        verdict: &Verdict,
    ) -> Result<Vec<CloudEvent>, String> {
        let Verdict::Admit(accepted) = verdict else { return Ok(Vec::new()) };
        let mut made = Vec::new();
        for (index, admission) in accepted.events.iter().enumerate() {
            let event = Event {
                event_id: format!("00000000-0000-7000-8000-{index:012}"),
                source_name: "source".to_owned(),
                admitted_as: admission.identity.clone(),
                payload_bytes: admission.payload.of(&request.body).map_err(|broken| broken.to_string())?.into(),
                brought_by: Delivery::without_secrets(Arc::new(request.clone()), self.settings.clone()),
            };
            made.extend(plugin.transform(event).await.map_err(|broken| broken.to_string())??);
        }
        Ok(made)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MIXED: &str = r#"[
        {"id": "a", "provider": "stripe", "valid": true},
        {"id": "b", "provider": "github", "valid": "no vector of ours"},
        {"id": "c", "valid": false},
        {"provider": "stripe", "valid": 3}
    ]"#;

    fn ids(vectors: &[Named]) -> Vec<(&str, bool)> {
        vectors.iter().map(|(id, vector)| (id.as_str(), vector.is_ok())).collect()
    }

    #[test]
    fn vectors_of_other_providers_are_left_out_unless_all_are_asked_for() {
        assert_eq!(ids(&read(MIXED, Some(&["stripe".to_owned()])).unwrap()), [("a", true), ("c", true), ("#3", false)]);
        assert_eq!(read(MIXED, None).unwrap().len(), 4);
    }

    #[test]
    fn a_single_vector_needs_no_array_and_anything_else_is_an_error() {
        assert_eq!(ids(&read(r#" {"id": "a", "valid": true}"#, None).unwrap()), [("a", true)]);
        for text in ["", "3", "[3]", "[", "null"] {
            assert!(read(text, None).is_err(), "{text}");
        }
    }
}
