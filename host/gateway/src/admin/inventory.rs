//! Sources, destinations and plugins.

use axum::{Json, extract::State};
use hookgate_config as config;
use hookgate_config::Rate;
use hookgate_model::human::span;
use hookgate_sandbox as plugin;
use hookgate_sandbox::Origin;

use super::{
    AdminState, ApiError,
    answers::StoreFailed,
    extract::Path,
    status,
    versions::of_running,
    view::{
        Destination, DestinationList, Plugin, PluginList, PluginSummary, SecretSpec, SettingSpec, Source, SourceList,
    },
};
use crate::live::Live;

/// The sources, as configured
///
/// Of secrets only the names are shown.
#[utoipa::path(get, path = "/api/v1/sources", operation_id = "list_sources", tag = "gateway",
    responses((status = 200, body = SourceList))
)]
pub async fn sources(State(state): State<AdminState>) -> Json<SourceList> {
    let live = state.live();
    let sources = live.config.sources.iter().map(|source| show_source(&live, source, &state.public_url)).collect();
    Json(SourceList { sources })
}

fn show_source(live: &Live, source: &config::Source, public_url: &str) -> Source {
    let inbound = live.sources.get(&source.name);
    let running = inbound.map(|inbound| inbound.plugin.get());
    let out = inbound.zip(running.as_ref()).map(|(inbound, running)| inbound.breakers.open(running.active.hash()));
    Source {
        name: source.name.clone(),
        url: format!("{public_url}/in/{}", source.name),
        plugin: source.plugin.clone(),
        versions: running.map(|running| of_running(&running)).unwrap_or_default(),
        pin: source.pin.clone(),
        secrets: source.secrets.iter().map(|(name, versions)| (name.clone(), versions.len())).collect(),
        settings: source.settings.clone(),
        body_bytes_max: source.limits.body,
        rate: source.limits.rate.as_ref().map(show_rate),
        idempotency_ttl_seconds: source.idempotency.ttl.as_secs(),
        plugin_out: out.unwrap_or_default().into_iter().map(str::to_owned).collect(),
    }
}

/// The destinations, as configured, with their queues
#[utoipa::path(get, path = "/api/v1/destinations", operation_id = "list_destinations", tag = "gateway",
    responses((status = 200, body = DestinationList), StoreFailed)
)]
pub async fn destinations(State(state): State<AdminState>) -> Result<Json<DestinationList>, ApiError> {
    let stats = state.read(|journal| journal.stats()).await?;
    let live = state.live();
    let show = |destination: &config::Destination| Destination {
        name: destination.name.clone(),
        kind: destination.target.kind.to_owned(),
        target: destination.target.describe(),
        queue: status::of_destination(&stats, &destination.name),
        breaker_open: live.destination_health.is_open(&destination.name),
        concurrency: destination.concurrency,
        rate: destination.rate.as_ref().map(show_rate),
        attempts_max: destination.retry.attempts,
    };
    let destinations = live.config.destinations.iter().map(|destination| show(destination)).collect();
    Ok(Json(DestinationList { destinations }))
}

fn show_rate(rate: &Rate) -> String {
    let period = span(u64::try_from(rate.per.as_millis()).unwrap_or(u64::MAX));
    format!("{}/{period}, {} at once", rate.count, rate.burst)
}

/// The plugins in use, with every active version
#[utoipa::path(get, path = "/api/v1/plugins", operation_id = "list_plugins", tag = "gateway",
    responses((status = 200, body = PluginList))
)]
pub async fn plugins(State(state): State<AdminState>) -> Json<PluginList> {
    Json(PluginList { plugins: in_use(&state.live()).iter().map(summary).collect() })
}

/// An active version.
struct InUse {
    name: String,
    plugin: plugin::Plugin,
    origin: String,
    role: &'static str,
    sources: Vec<String>,
}

/// The active versions by name, and the configured plugins that no source uses.
fn in_use(live: &Live) -> Vec<InUse> {
    let mut all: Vec<InUse> = Vec::new();
    for source in &live.config.sources {
        let Some(inbound) = live.sources.get(&source.name) else { continue };
        let running = inbound.plugin.get();
        let trial = running.trial.as_ref().map(|trial| (&trial.candidate, trial.mode.name()));
        for (provider, role) in [Some((&running.active, "active")), trial].into_iter().flatten() {
            let Some(plugin) = provider.plugin() else { continue };
            let is_same =
                |it: &&mut InUse| it.name == source.plugin && it.role == role && it.plugin.hash() == plugin.hash();
            match all.iter_mut().find(is_same) {
                Some(same) => same.sources.push(source.name.clone()),
                None => all.push(InUse {
                    name: source.plugin.clone(),
                    plugin: plugin.clone(),
                    origin: origin(live, &source.plugin, plugin),
                    role,
                    sources: vec![source.name.clone()],
                }),
            }
        }
    }
    for (name, (plugin, _)) in &live.plugins {
        if !all.iter().any(|it| it.name == *name) {
            let (plugin, origin) = (plugin.clone(), origin(live, name, plugin));
            all.push(InUse { name: name.clone(), plugin, origin, role: "active", sources: Vec::new() });
        }
    }
    all.sort_by(|one, other| (&one.name, one.role).cmp(&(&other.name, other.role)));
    all
}

fn origin(live: &Live, name: &str, plugin: &plugin::Plugin) -> String {
    match live.plugins.get(name) {
        _ if plugin.is_bundled() => Origin::Bundled.to_string(),
        Some((given, origin)) if given.hash() == plugin.hash() => origin.to_string(),
        _ => "installed".to_owned(),
    }
}

/// A plugin in use: its descriptor and its component
#[utoipa::path(get, path = "/api/v1/plugins/{name}", operation_id = "show_plugin", tag = "gateway", params(("name" = String, description = "Its name")),
    responses((status = 200, body = Plugin), (status = 404, description = "No source uses such a plugin"))
)]
pub async fn plugin(State(state): State<AdminState>, Path(name): Path<String>) -> Result<Json<Plugin>, ApiError> {
    let live = state.live();
    let all = in_use(&live);
    let Some(found) = all.iter().find(|it| it.name == name) else {
        let mut used: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        used.dedup();
        return Err(ApiError::NotFound(format!("no source uses a plugin {name:?}; in use are: {}", used.join(", "))));
    };
    let plugin = &found.plugin;
    let descriptor = plugin.descriptor();
    let secret = |spec: &hookgate_capabilities::SecretSpec| SecretSpec {
        name: spec.name.clone(),
        required: spec.required,
        handed_over: spec.handed_over,
        prefixes: spec.prefixes.clone(),
        description: spec.description.clone(),
    };
    let setting = |spec: &hookgate_capabilities::SettingSpec| SettingSpec {
        name: spec.name.clone(),
        default: spec.default.clone(),
        description: spec.description.clone(),
    };
    Ok(Json(Plugin {
        summary: summary(found),
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

fn summary(it: &InUse) -> PluginSummary {
    PluginSummary {
        name: it.name.clone(),
        version: it.plugin.descriptor().version.clone(),
        summary: it.plugin.descriptor().summary.clone(),
        origin: it.origin.clone(),
        hash: it.plugin.hash().to_owned(),
        role: it.role.to_owned(),
        sources: it.sources.clone(),
    }
}
