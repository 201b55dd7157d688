//! From a configuration to what runs: plugins, sources and destinations. Used at the start and on every reload.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use hookgate_capabilities::UrlPattern;
use hookgate_config as config;
use hookgate_config::{Config, Source};
use hookgate_journal::Journal;
use hookgate_net::{egress::Guard, fetch::Fetcher};
use hookgate_sandbox::{Catalog, CatalogError, Origin, Plugin, Provider, Running, Sandbox};

use super::ReplacePlugin;
use crate::{
    claims::Claims,
    dispatch::StartError,
    enrollment::Enrollments,
    fetched_keys::GrantedUrls,
    live::Live,
    pipeline::{Dispatcher, Prepared},
    sources::Sources,
    versions::{UnusableVersion, Versions},
};

/// What lasts from start to stop, whichever configuration is in force.
pub(super) struct Handles {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) journal: Journal,
    pub(super) enrollments: Enrollments,
    pub(super) claims: Claims,
    pub(super) versions: Versions,
}

/// A configuration that is ready to take over.
pub(super) struct Built {
    pub(super) live: Live,
    pub(super) prepared: Prepared,
}

/// Why a configuration cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A plugin.
    #[error(transparent)]
    Plugin(#[from] CatalogError),
    /// A version that is activated.
    #[error(transparent)]
    Version(#[from] UnusableVersion),
    /// A destination.
    #[error(transparent)]
    Destination(#[from] StartError),
}

/// Builds everything that depends on the configuration. Rates, refusals and fetched documents of `before` go on.
/// `parallelism` is the number of plugins that are compiled at once.
pub(super) async fn build(
    config: Config,
    handles: &Handles,
    before: Option<&Live>,
    replace_plugin: ReplacePlugin<'_>,
    parallelism: usize,
) -> Result<Built, BuildError> {
    let Handles { journal, enrollments, claims, versions, .. } = handles;
    let plugins = load_plugins(&config, handles, replace_plugin, parallelism).await?;
    let running = running(&config, &plugins, versions, replace_plugin).await?;
    let prepared = Dispatcher::prepare(&config, journal, Some(claims))?;
    let fetcher = match before {
        // Documents that were fetched under the same egress rules stay.
        Some(before) if before.config.egress.allow == config.egress.allow => before.fetcher.clone(),
        _ => Fetcher::new(Guard::new(config.egress.allow.clone())),
    };
    let sources_before = before.map(|before| before.sources.clone()).unwrap_or_default();
    let sources = Sources::new(running, &fetcher, enrollments, Some(claims.clone()), &sources_before);
    let (destination_health, (routes, ordered)) = (prepared.destination_health(), prepared.routing());
    let live = Live { config, plugins, sources: Arc::new(sources), routes, ordered, fetcher, destination_health };
    Ok(Built { live, prepared })
}

/// Loads each plugin that a source names, once, with its origin. One that does not load is left out if every source that
/// names it has another version activated.
async fn load_plugins(
    config: &Config,
    handles: &Handles,
    replace_plugin: ReplacePlugin<'_>,
    parallelism: usize,
) -> Result<BTreeMap<String, (Plugin, Origin)>, CatalogError> {
    let catalog = Catalog::new(config.plugins.directory.as_deref())?.trusting(&config.plugins.trusted_keys);
    let has_another = |source: &Arc<Source>| handles.versions.activation(source).is_some_and(|it| it.active.is_some());
    let sources = config.sources.iter().filter(|source| replace_plugin(source).is_none());
    let names: BTreeSet<&str> = sources.map(|source| source.plugin.as_str()).collect();
    let mut loaded = BTreeMap::new();
    for (name, plugin) in catalog.load_all(names, &handles.sandbox, parallelism).await {
        match plugin {
            Ok(plugin) => {
                let origin = catalog.origin(&name).cloned().unwrap_or(Origin::Bundled);
                loaded.insert(name, (plugin, origin));
            }
            Err(error) if config.sources.iter().filter(|source| source.plugin == name).all(has_another) => {
                tracing::warn!(plugin = name, %error, "the configured plugin does not load, and no source needs it");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(loaded)
}

/// Each source with the plugin versions that judge its deliveries, and the URLs that a bundled one may have fetched.
async fn running(
    config: &Config,
    plugins: &BTreeMap<String, (Plugin, Origin)>,
    versions: &Versions,
    replace_plugin: ReplacePlugin<'_>,
) -> Result<Vec<(Arc<Source>, Running, GrantedUrls)>, UnusableVersion> {
    let mut all = Vec::new();
    for source in &config.sources {
        let configured = plugins.get(&source.plugin).map(|(plugin, _)| plugin);
        let running = match replace_plugin(source) {
            Some(native) => Some(Running::new(native)),
            None => {
                let configured = configured.map(|plugin| Provider::Sandboxed(plugin.clone()));
                versions.running(&config.plugins, source, configured).await?
            }
        };
        if let Some(running) = running {
            let granted = granted(source, running.active.plugin().into_iter().chain(configured));
            all.push((source.clone(), running, granted));
        }
    }
    Ok(all)
}

/// The URLs that the source grants, and those that the first bundled plugin among `plugins` declares.
fn granted<'p>(source: &config::Source, plugins: impl Iterator<Item = &'p Plugin>) -> GrantedUrls {
    let mut granted = GrantedUrls { keys: source.keys.allow.clone(), confirm: source.keys.confirm.clone() };
    for plugin in plugins.filter(|plugin| plugin.is_bundled()).take(1) {
        // A plugin with an invalid pattern does not load.
        let patterns = |urls: &[String]| urls.iter().filter_map(|url| UrlPattern::new(url).ok()).collect::<Vec<_>>();
        granted.keys.extend(patterns(&plugin.descriptor().key_urls));
        granted.confirm.extend(patterns(&plugin.descriptor().confirm_urls));
    }
    granted
}
