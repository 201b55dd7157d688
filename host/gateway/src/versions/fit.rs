//! Whether a source may and can use a version.

use std::sync::Arc;

use bytes::Bytes;
use hookgate_capabilities::{Delivery, Refusal, Request, Secrets};
use hookgate_config as config;
use hookgate_config::{Grant, Source};
use hookgate_model::clock::now_ms;
use hookgate_sandbox::Plugin;

/// The number of a plugin's own vectors that a source is tried with.
const PROBES: usize = 8;

/// Whether the operator allows this component for the source: its pin, and grants.
///
/// # Errors
/// Why not, and what to do.
pub fn allowed(plugins: &config::Plugins, source: &Source, plugin: &Plugin) -> Result<(), String> {
    if let Some(pin) = source.pin.as_ref().filter(|pin| *pin != plugin.hash()) {
        return Err(format!("the source {} is pinned to {pin}, and this is {}", source.name, plugin.hash()));
    }
    let is_granted = |grant: &Grant| plugins.grants.contains(grant) || source.grants.contains(grant);
    if plugin.needs_wasi() && !plugin.is_bundled() && !is_granted(&Grant::Wasi) {
        return Err(format!(
            "it imports WASI, which is not granted to the source {}; if you trust it with that: grants = [\"wasi\"] in the \
             source, or in [plugins]",
            source.name
        ));
    }
    Ok(())
}

/// Whether the source has the secrets and settings that this component needs.
///
/// # Errors
/// What is missing or unknown.
pub fn configured(source: &Source, plugin: &Plugin) -> Result<(), String> {
    let descriptor = plugin.descriptor();
    let is_there = |name: &String| {
        source.secrets.get(name).is_some_and(|versions| !versions.is_empty()) || source.handed_over.contains(name)
    };
    if let Some(spec) = descriptor.secrets.iter().find(|spec| spec.required && !is_there(&spec.name)) {
        return Err(format!("it needs secrets.{}, which the source {} does not have", spec.name, source.name));
    }
    let is_known = |name: &&String| descriptor.settings.iter().any(|spec| spec.name == **name);
    if let Some(name) = source.settings.keys().find(|name| !is_known(name)) {
        return Err(format!("it does not know settings.{name}, which the source {} has", source.name));
    }
    Ok(())
}

/// The plugin's objection to the source's secrets and settings, with which it would refuse every delivery.
///
/// It judges an empty delivery, one that it has signed itself if it can, and some of its own vectors. One of these reaches the
/// code that reads the secrets and settings.
pub async fn objection(plugin: &Plugin, source: &Source) -> Option<String> {
    let empty = Request {
        method: "POST".to_owned(),
        url: format!("https://hooks.example.com/in/{}", source.name),
        headers: Vec::new(),
        received_at: now_ms(),
        body: Bytes::new(),
    };
    let (settings, secrets) = (Arc::new(source.settings.clone()), Arc::new(Secrets::new(source.secrets.clone())));
    let known_by: Arc<[String]> = source.auth.methods().map(|method| method.name.to_owned()).collect();
    let delivery = |request: &Request| {
        let delivery = Delivery::new(Arc::new(request.clone()), settings.clone(), secrets.clone());
        delivery.from_known_sender(known_by.clone())
    };
    if let Ok(Err(Refusal::Misconfigured(text))) = plugin.verify(delivery(&empty)).await {
        return Some(text);
    }
    let mut probes = Vec::new();
    if let Ok(Ok(outgoing)) = plugin.sign(delivery(&empty)).await {
        let headers = outgoing.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        probes.push(Request { headers, body: outgoing.body.unwrap_or_default().into(), ..empty.clone() });
    }
    let vectors = plugin.vectors().iter().filter_map(|text| hookgate_conformance::parse(text).ok()).flatten();
    probes.extend(vectors.filter(|vector| vector.valid).take(PROBES).map(|vector| vector.request()));
    for probe in &probes {
        if let Ok(Err(Refusal::Misconfigured(text))) = plugin.verify(delivery(probe)).await {
            return Some(text);
        }
    }
    None
}
