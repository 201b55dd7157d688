//! Conformance vectors: read, run in the sandbox, told.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use hookgate_capabilities::{CloudEvent, Delivery, Event, FetchedKeys, Refusal, Request, Secrets, Verdict};
use hookgate_conformance::{Difference, Vector, compare, compare_cloud_events, side_by_side};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::times;
use crate::{
    cloudevents,
    human::printable,
    limits,
    plugin::{Broken, Plugin},
};

/// What a vector file says of each vector apart from the vector itself.
#[derive(Deserialize)]
struct Label {
    provider: Option<String>,
    id: Option<String>,
}

/// A vector, or why it is none.
pub type Named = (String, Result<Vector, String>);

/// What came of a vector.
#[derive(Serialize)]
pub struct Ran {
    pub id: String,
    /// What it shows.
    pub note: Option<String>,
    pub ok: bool,
    /// What differs; empty when it is ok.
    pub differences: Vec<Difference>,
}

/// What came of all of them.
#[derive(Serialize)]
pub struct Report {
    pub plugin: String,
    pub hash: String,
    pub passed: usize,
    pub failed: usize,
    pub vectors: Vec<Ran>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// How long `verify` takes, in microseconds, a fresh sandbox included.
#[derive(Serialize)]
pub struct Timing {
    pub vector: String,
    pub calls: usize,
    pub median_us: u64,
    pub p99_us: u64,
}

impl Report {
    /// All well: no vector has failed, and there is one.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// The vectors that a component carries.
pub fn of_component(plugin: &Plugin) -> Result<Vec<Named>> {
    let texts = plugin.vectors().iter().map(|text| read(text, None).context("the vectors in the component"));
    Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The vectors of a text that are of one of these providers, or of none in particular.
pub fn read(text: &str, providers: Option<&[String]>) -> Result<Vec<Named>> {
    let all: Vec<&RawValue> = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text)?,
        false => vec![serde_json::from_str(text)?],
    };
    let mut vectors = Vec::new();
    for (at, raw) in all.into_iter().enumerate() {
        let label: Label = serde_json::from_str(raw.get()).with_context(|| format!("vector {at}"))?;
        let is_ours = match (&label.provider, providers) {
            (Some(label), Some(providers)) => providers.contains(label),
            _ => true,
        };
        if is_ours {
            let id = label.id.unwrap_or_else(|| format!("#{at}"));
            vectors.push((id, serde_json::from_str(raw.get()).map_err(|error| error.to_string())));
        }
    }
    Ok(vectors)
}

/// Runs vectors; `told` is called with each as it has ended. `set` are settings that vectors do not say themselves.
pub async fn run_all(
    plugin: &Plugin,
    vectors: Vec<Named>,
    set: &[(String, String)],
    mut told: impl FnMut(&Ran) -> std::io::Result<()>,
) -> std::io::Result<Report> {
    let mut all = Vec::new();
    for vector in vectors {
        let ran = run(plugin, vector, set).await;
        told(&ran)?;
        all.push(ran);
    }
    let failed = all.iter().filter(|ran| !ran.ok).count();
    let (name, hash) = (plugin.descriptor().name.clone(), plugin.hash().to_owned());
    Ok(Report { plugin: name, hash, passed: all.len() - failed, failed, vectors: all, timing: None })
}

async fn run(plugin: &Plugin, (id, vector): Named, set: &[(String, String)]) -> Ran {
    let note = vector.as_ref().ok().and_then(|vector| vector.note.clone());
    let differences = match vector {
        Ok(vector) => differences(plugin, vector, set).await,
        Err(error) => vec![Difference::new("vector", "one, see docs/writing-a-plugin.md", error)],
    };
    Ran { id, note, ok: differences.is_empty(), differences }
}

/// What differs from what the vector asks for.
async fn differences(plugin: &Plugin, mut vector: Vector, set: &[(String, String)]) -> Vec<Difference> {
    let source = Source::of(&vector, plugin, set);
    let mut answer = source.verify(plugin, &vector.request()).await;
    if vector.now_unix.is_none() {
        for sent_at in times::of_headers(&vector.headers) {
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

/// How long the plugin takes to verify the first of these that is to be taken; none where none is, or it cannot.
pub async fn timing(plugin: &Plugin, vectors: &[Named], set: &[(String, String)]) -> Option<Timing> {
    let good = vectors.iter().filter_map(|(_, vector)| vector.as_ref().ok());
    let vector = good.into_iter().find(|vector| vector.valid)?;
    let source = Source::of(vector, plugin, set);
    let request = vector.request();
    let (mut times, began) = (Vec::new(), Instant::now());
    while times.len() < limits::PLUGIN_TIMED_CALLS_MAX && began.elapsed() < limits::PLUGIN_TIMED_MAX {
        let call = Instant::now();
        let _judged = source.verify(plugin, &request).await.ok()?;
        times.push(u64::try_from(call.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    times.sort_unstable();
    let at = |share: f64| times.get((share * times.len().saturating_sub(1) as f64) as usize).copied();
    Some(Timing { vector: vector.id.clone(), calls: times.len(), median_us: at(0.5)?, p99_us: at(0.99)? })
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

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ok {
            return write!(f, "ok {}", printable(&self.id));
        }
        write!(f, "FAIL {}", printable(&self.id))?;
        if let Some(note) = &self.note {
            write!(f, "  {}", printable(note))?;
        }
        for line in side_by_side(&self.differences).lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.plugin;
        match self.vectors.is_empty() {
            true => write!(
                f,
                "{name}: there are no vectors of it; name a file with --vectors and what they call the provider with \
                 --provider, or build the plugin with some"
            )?,
            false => write!(f, "{name}: {} passed, {} failed", self.passed, self.failed)?,
        }
        if let Some(Timing { vector, calls, median_us, p99_us }) = &self.timing {
            let vector = printable(vector);
            write!(f, "\nverify of {vector}: {median_us} µs, 99 of 100 below {p99_us} µs ({calls} calls)")?;
        }
        Ok(())
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

    #[test]
    fn a_vector_that_failed_is_told_field_by_field() {
        let differences = vec![Difference::new("event 0 id", "\"a\"", "\"b\"")];
        let ran = Ran { id: "x-01".to_owned(), note: Some("An event.".to_owned()), ok: false, differences };
        let told = "FAIL x-01  An event.\n  FIELD       EXPECTED  ACTUAL\n  event 0 id  \"a\"       \"b\"";
        assert_eq!(ran.to_string(), told);
    }
}
