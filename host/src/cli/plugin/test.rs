//! `hookgate plugin test`

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use clap::Args;
use hookgate_capabilities::{CloudEvent, Delivery, Event, FetchedKeys, Refusal, Request, Secrets, Verdict};
use hookgate_conformance::{Vector, judge, judge_cloud_events};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::times;
use crate::{
    cli::{
        Exit, output,
        sandbox::{self, Directory},
        send::pair,
    },
    cloudevents,
    human::printable,
    plugin::{Broken, Plugin},
};

/// Run a plugin's conformance vectors in the sandbox
///
/// A vector is a delivery and the verdict that it must get. Without --vectors those that the component carries are run.
/// A file holds a JSON object or an array of them; where they name a provider, those of this plugin are run, or those of
/// --provider, or all of them with --all. A vector that does not say when it was received is received when its own
/// headers say it was sent.
///
/// It prints a line a vector and fails when a verdict differs, or when there is no vector at all.
///
/// Examples:
///   hookgate plugin test stripe
///   hookgate plugin test ./my-provider.wasm --vectors cases.json --json
///   hookgate plugin test hmac --vectors cases.json --provider calendly --set provider=calendly
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Test {
    /// A plugin's name, or a component's file
    #[arg(value_name = "NAME|FILE")]
    plugin: String,
    /// Vectors to run in place of the component's own
    #[arg(long, value_name = "FILE")]
    vectors: Vec<PathBuf>,
    /// Run the vectors that name this provider, in place of those that name the plugin
    #[arg(long, value_name = "NAME", requires = "vectors", conflicts_with = "all")]
    provider: Vec<String>,
    /// A setting of the source, for vectors that do not say it themselves
    #[arg(long, value_name = "SETTING=VALUE", value_parser = pair('='))]
    set: Vec<(String, String)>,
    /// Run the vectors of every provider
    #[arg(long, requires = "vectors")]
    all: bool,
    #[command(flatten)]
    directory: Directory,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a vector file says of each vector apart from the vector itself.
#[derive(Deserialize)]
struct Label {
    provider: Option<String>,
    id: Option<String>,
}

/// What came of a vector.
#[derive(Serialize)]
struct Ran {
    id: String,
    ok: bool,
    /// What differs; empty when it is ok.
    differences: Vec<String>,
}

#[derive(Serialize)]
struct Report {
    plugin: String,
    hash: String,
    passed: usize,
    failed: usize,
    vectors: Vec<Ran>,
}

impl Test {
    pub async fn run(self) -> Result<Exit> {
        let catalog = self.directory.catalog()?;
        let plugin = sandbox::load(&self.plugin, &catalog, &sandbox::new()?).await?.plugin;
        let mut vectors = Vec::new();
        for vector in self.read(&plugin)? {
            let ran = run(&plugin, vector, &self.set).await;
            if !self.json {
                output::line(&ran)?;
            }
            vectors.push(ran);
        }
        let failed = vectors.iter().filter(|ran| !ran.ok).count();
        let (name, hash) = (plugin.descriptor().name.clone(), plugin.hash().to_owned());
        let report = Report { plugin: name, hash, passed: vectors.len() - failed, failed, vectors };
        match self.json {
            true => output::json(&report)?,
            false => output::line(&report)?,
        }
        Ok(if report.failed == 0 && report.passed > 0 { Exit::Ok } else { Exit::Failed })
    }

    fn read(&self, plugin: &Plugin) -> Result<Vec<Named>> {
        if self.vectors.is_empty() {
            let texts = plugin.vectors().iter().map(|text| read(text, None).context("the vectors in the component"));
            return Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect());
        }
        let providers = match (self.all, self.provider.as_slice()) {
            (true, _) => None,
            (false, []) => Some(std::slice::from_ref(&plugin.descriptor().name)),
            (false, named) => Some(named),
        };
        let mut all = Vec::new();
        for file in &self.vectors {
            let name = file.display();
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            all.extend(read(&text, providers).with_context(|| format!("{name} holds no vectors"))?);
        }
        Ok(all)
    }
}

/// A vector, or why it is none.
type Named = (String, Result<Vector, String>);

/// The vectors of a text that are of one of these providers, or of none in particular.
fn read(text: &str, providers: Option<&[String]>) -> Result<Vec<Named>> {
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
            vectors.push((id, serde_json::from_str(raw.get()).map_err(|error| format!("not a vector: {error}"))));
        }
    }
    Ok(vectors)
}

async fn run(plugin: &Plugin, (id, vector): Named, set: &[(String, String)]) -> Ran {
    let differences = match vector {
        Ok(vector) => differences(plugin, vector, set).await,
        Err(error) => vec![error],
    };
    Ran { id, ok: differences.is_empty(), differences }
}

/// What differs from what the vector asks for.
async fn differences(plugin: &Plugin, mut vector: Vector, set: &[(String, String)]) -> Vec<String> {
    let mut settings: BTreeMap<String, String> = set.iter().cloned().collect();
    settings.extend(vector.settings());
    let source = Source {
        secrets: Arc::new(Secrets::new(vector.secrets(plugin.descriptor()))),
        settings: Arc::new(settings),
        keys: vector.keys(plugin.descriptor()),
        authenticated_by: vector.authenticated_by.as_slice().into(),
    };
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
        Err(broken) => return vec![format!("was not judged: {broken}")],
    };
    let mut differences = judge(&vector, &answer);
    if let (Ok(verdict), true) = (&answer, differences.is_empty()) {
        match source.transform(plugin, &vector.request(), verdict).await {
            Ok(made) => {
                differences.extend(cloudevents::check_all(&made).err());
                differences.extend(judge_cloud_events(&vector, &made));
            }
            Err(error) => differences.push(format!("cannot be transformed: {error}")),
        }
    }
    differences
}

/// A source, as the vector configures it.
struct Source {
    secrets: Arc<Secrets>,
    settings: Arc<BTreeMap<String, String>>,
    keys: Arc<dyn FetchedKeys>,
    authenticated_by: Arc<[String]>,
}

impl Source {
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

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ok {
            true => write!(f, "ok {}", printable(&self.id)),
            false => write!(f, "FAIL {}: {}", printable(&self.id), printable(&self.differences.join("; "))),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = &self.plugin;
        match self.vectors.is_empty() {
            true => {
                write!(
                    f,
                    "{name}: there are no vectors of it; name a file with --vectors and what they call the provider with \
                     --provider, or build the plugin with some"
                )
            }
            false => write!(f, "{name}: {} passed, {} failed", self.passed, self.failed),
        }
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
