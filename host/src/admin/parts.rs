//! What runs: sources, destinations, plugins.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};

use super::{
    AdminState, ApiError, Problem, mask, status,
    view::{
        Destination, DestinationList, Plugin, PluginList, PluginSummary, SecretSpec, SettingSpec, Source, SourceList,
    },
};
use crate::{
    config::{self, Rate, Target},
    human::span,
    live::Live,
    plugin::{self, Origin},
};

/// The sources, as configured
///
/// Of secrets only the names are told.
#[utoipa::path(get, path = "/api/v1/sources", operation_id = "list_sources", tag = "gateway", responses((status = 200, body = SourceList)))]
pub async fn sources(State(state): State<AdminState>) -> Json<SourceList> {
    let live = state.live();
    let sources = live.config.sources.iter().map(|source| show_source(&live, source, &state.public_url)).collect();
    Json(SourceList { sources })
}

fn show_source(live: &Live, source: &config::Source, public_url: &str) -> Source {
    let inbound = live.sources.get(&source.name);
    let out = inbound.map(|inbound| inbound.breakers.open(inbound.plugin.get().active.hash())).unwrap_or_default();
    Source {
        name: source.name.clone(),
        url: format!("{public_url}/in/{}", source.name),
        plugin: source.plugin.clone(),
        secrets: source.secrets.iter().map(|(name, versions)| (name.clone(), versions.len())).collect(),
        settings: source.settings.clone(),
        body_bytes_max: source.limits.body,
        rate: source.limits.rate.as_ref().map(show_rate),
        idempotency_ttl_seconds: source.idempotency.ttl.as_secs(),
        plugin_out: out.into_iter().map(str::to_owned).collect(),
    }
}

/// The destinations, as configured, with their queues
#[utoipa::path(get, path = "/api/v1/destinations", operation_id = "list_destinations", tag = "gateway", responses(
    (status = 200, body = DestinationList),
    (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
))]
pub async fn destinations(State(state): State<AdminState>) -> Result<Json<DestinationList>, ApiError> {
    let stats = state.read(|journal| journal.stats()).await?;
    let live = state.live();
    let show = |destination: &config::Destination| {
        let (kind, target) = show_target(&destination.target);
        Destination {
            name: destination.name.clone(),
            kind: kind.to_owned(),
            target,
            queue: status::of_destination(&stats, &destination.name),
            breaker_open: live.breakers.is_open(&destination.name),
            concurrency: destination.concurrency,
            rate: destination.rate.as_ref().map(show_rate),
            attempts_max: destination.retry.attempts,
        }
    };
    let destinations = live.config.destinations.iter().map(|destination| show(destination)).collect();
    Ok(Json(DestinationList { destinations }))
}

fn show_target(target: &Target) -> (&'static str, Option<String>) {
    match target {
        Target::Http(http) => ("http", Some(mask::url(&http.url.to_string()))),
        Target::Jsonl { path } => ("jsonl", Some(path.display().to_string())),
        Target::Stdout => ("stdout", None),
    }
}

fn show_rate(rate: &Rate) -> String {
    let period = span(u64::try_from(rate.per.as_millis()).unwrap_or(u64::MAX));
    format!("{}/{period}, {} at once", rate.count, rate.burst)
}

/// The plugins in use
#[utoipa::path(get, path = "/api/v1/plugins", operation_id = "list_plugins", tag = "gateway", responses((status = 200, body = PluginList)))]
pub async fn plugins(State(state): State<AdminState>) -> Json<PluginList> {
    let live = state.live();
    let show = |(name, (plugin, origin)): (&String, &(plugin::Plugin, Origin))| summary(&live, name, plugin, origin);
    Json(PluginList { plugins: live.plugins.iter().map(show).collect() })
}

/// A plugin in use: what it says of itself, and what is in its component
#[utoipa::path(get, path = "/api/v1/plugins/{name}", operation_id = "show_plugin", tag = "gateway", params(("name" = String, description = "Its name")),
    responses(
        (status = 200, body = Plugin),
        (status = 404, description = "No source uses such a plugin", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn plugin(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Plugin>, ApiError> {
    let Path(name) = name?;
    let live = state.live();
    let Some((plugin, origin)) = live.plugins.get(&name) else {
        let used: Vec<&str> = live.plugins.keys().map(String::as_str).collect();
        return Err(ApiError::NotFound(format!("no source uses a plugin {name:?}; in use are: {}", used.join(", "))));
    };
    let descriptor = plugin.descriptor();
    let secret = |spec: &hookgate_capabilities::SecretSpec| SecretSpec {
        name: spec.name.clone(),
        required: spec.required,
        handed_over: spec.handed_over,
        description: spec.description.clone(),
    };
    let setting = |spec: &hookgate_capabilities::SettingSpec| SettingSpec {
        name: spec.name.clone(),
        default: spec.default.clone(),
        description: spec.description.clone(),
    };
    Ok(Json(Plugin {
        summary: summary(&live, &name, plugin, origin),
        component_bytes: plugin.size_bytes() as u64,
        imports: plugin.imports().to_vec(),
        exports: plugin.exports().to_vec(),
        signs: plugin.can_sign(),
        documentation: descriptor.documentation.clone(),
        secrets: descriptor.secrets.iter().map(secret).collect(),
        settings: descriptor.settings.iter().map(setting).collect(),
        headers: descriptor.headers.clone(),
        key_urls: descriptor.key_urls.clone(),
        confirm_urls: descriptor.confirm_urls.clone(),
    }))
}

fn summary(live: &Live, name: &str, plugin: &plugin::Plugin, origin: &Origin) -> PluginSummary {
    let users = live.config.sources.iter().filter(|source| source.plugin == name);
    PluginSummary {
        name: name.to_owned(),
        version: plugin.descriptor().version.clone(),
        summary: plugin.descriptor().summary.clone(),
        origin: origin.to_string(),
        hash: plugin.hash().to_owned(),
        sources: users.map(|source| source.name.clone()).collect(),
    }
}
