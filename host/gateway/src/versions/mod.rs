//! Versions of plugins: installed, tried, activated and rolled back while deliveries go on.
//!
//! ```text
//! component -> signature -> compiled -> grants -> own vectors -> recorded deliveries -> kept -> activated
//! ```
//!
//! Without an activation a source runs the plugin that the configuration gives. An activation replaces it for one source by the
//! version with a certain hash, until another one is activated, also across restarts. The journal has the versions, the
//! activations and their history; the components are files beside it ([`files`]).

mod activate;
pub mod files;
pub mod fit;
mod install;
pub mod recorded;
mod watch;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use hookgate_bundled::is_bundled;
use hookgate_config as config;
use hookgate_config::Source;
use hookgate_journal::{Activation, Journal, JournalError, KeptVersion, PluginChanges, PluginEvent, PluginHistory};
use hookgate_model::{
    clock::now_ms,
    component_signature::{self, TrustedKey},
    human::did_you_mean,
    limits,
};
use hookgate_sandbox::{Catalog, CatalogError, Plugin, Provider, Running, Sandbox, Trial};
use hookgate_telemetry::metrics::plugin_swaps;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OwnedMutexGuard;

pub use self::{
    activate::{Activate, Role, Target},
    install::{AfterInstall, Install, Installed},
    recorded::Recorded,
};
use self::{
    files::{Active, Files},
    watch::FileState,
};
use crate::{claims::Claims, live::Live, sources::Inbound};

/// The versions of plugins; cheap to clone. They outlive every configuration.
#[derive(Clone)]
pub struct Versions(Arc<Parts>);

struct Parts {
    journal: Journal,
    sandbox: Arc<Sandbox>,
    files: Files,
    trusted: Vec<TrustedKey>,
    in_development: bool,
    claims: Claims,
    records: Mutex<Records>,
    /// Loaded plugins by hash: active ones, and candidates for a rollback.
    loaded: Mutex<HashMap<String, Plugin>>,
    watched: Mutex<HashMap<String, FileState>>,
    /// Held while activations are changed.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Held while a version is installed, because compiling takes all processors.
    installing: tokio::sync::Mutex<()>,
}

/// The records of the journal.
#[derive(Clone, Default)]
struct Records {
    /// By plugin and hash.
    versions: BTreeMap<(String, String), KeptVersion>,
    activations: BTreeMap<String, Activation>,
    seen: BTreeMap<String, String>,
}

/// Why an order about a version was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The version is refused.
    #[error("{0}")]
    Refused(String),
    /// The version, plugin or source does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done in the current state.
    #[error("{0}")]
    Conflict(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] JournalError),
    /// The directory of components.
    #[error("the component cannot be kept at {}: {}; the gateway's user must be able to write there", .0.display(), .1)]
    File(PathBuf, io::Error),
}

/// A version cannot work for a source.
#[derive(Debug, thiserror::Error)]
#[error("the version {hash} of the plugin {plugin} cannot be used by the source {source_name}: {reason}; {instead}")]
pub struct UnusableVersion {
    source_name: String,
    plugin: String,
    hash: String,
    reason: String,
    instead: &'static str,
}

const ACTIVATED: &str = "it is activated; correct that, or return all sources to their configured plugins: \
    hookgate store deactivate-plugins";
const GIVEN: &str = "replace the plugin, or correct the source in the configuration";

/// The digits of a hash by which a version may be named, at least.
const HASH_DIGITS_MIN: usize = 8;

/// Who gives an order about a version, for the history.
pub mod who {
    /// An operator, through the API.
    pub const ADMIN: &str = "admin API";
    /// A file that has changed.
    pub const DIRECTORY: &str = "directory";
    /// The configuration at a start.
    pub const CONFIGURATION: &str = "configuration";
}

impl Versions {
    /// Reads the versions from the journal.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn open(
        journal: &Journal,
        store: &Path,
        sandbox: &Arc<Sandbox>,
        plugins: &config::Plugins,
        claims: Claims,
        in_development: bool,
    ) -> Result<Versions, JournalError> {
        let kept = journal.plugins()?;
        let records = Records {
            versions: kept.versions.into_iter().map(|version| (version.name(), version)).collect(),
            activations: kept.activations.into_iter().collect(),
            seen: kept.seen.into_iter().collect(),
        };
        let versions = Versions(Arc::new(Parts {
            journal: journal.clone(),
            sandbox: sandbox.clone(),
            files: Files::of_store(store),
            trusted: plugins.trusted_keys.clone(),
            in_development,
            claims,
            records: Mutex::new(records),
            loaded: Mutex::default(),
            watched: Mutex::default(),
            turn: Arc::default(),
            installing: tokio::sync::Mutex::default(),
        }));
        versions.note_active();
        Ok(versions)
    }

    /// The kept versions of a plugin, newest first, each with whether it is needed.
    pub fn of_plugin(&self, plugin: &str) -> Vec<(KeptVersion, bool)> {
        let records = self.records();
        let of = records.versions.values().filter(|version| version.plugin == plugin);
        let mut all: Vec<_> = of.map(|version| (version.clone(), records.needs(&version.hash))).collect();
        all.sort_by_key(|(version, _)| std::cmp::Reverse(version.installed_at));
        all
    }

    /// The activation of a source. Without one it runs the plugin that the configuration gives.
    pub fn activation(&self, source: &Source) -> Option<Activation> {
        self.records().activations.get(&source.name).filter(|activation| activation.plugin == source.plugin).cloned()
    }

    /// No activation changes while the guard is held.
    pub async fn turn(&self) -> OwnedMutexGuard<()> {
        self.0.turn.clone().lock_owned().await
    }

    /// The versions that are to judge the deliveries of a source. `given` is the plugin that the configuration gives.
    ///
    /// # Errors
    /// An activated version cannot be used.
    pub async fn running(
        &self,
        plugins: &config::Plugins,
        source: &Source,
        given: Option<Provider>,
    ) -> Result<Option<Running>, UnusableVersion> {
        let activation = self.activation(source).unwrap_or_default();
        // The configured plugin is loaded already.
        if let Some(given) = given.as_ref().and_then(Provider::plugin)
            && activation.active.as_deref() == Some(given.hash())
        {
            self.loaded().entry(given.hash().to_owned()).or_insert_with(|| given.clone());
        }
        let active = match (&activation.active, given) {
            (Some(hash), _) => self.working(plugins, source, hash).await?,
            (None, None) => return Ok(None),
            (None, Some(given)) => {
                let allowed = given.plugin().map_or(Ok(()), |plugin| fit::allowed(plugins, source, plugin));
                allowed.map_err(|reason| UnusableVersion::new(source, given.hash(), reason, GIVEN))?;
                given
            }
        };
        let trial = match &activation.trial {
            Some((hash, mode)) => Some(Trial { candidate: self.working(plugins, source, hash).await?, mode: *mode }),
            None => None,
        };
        Ok(Some(Running { active, trial }))
    }

    /// The version with that hash, if the source may use it.
    async fn working(
        &self,
        plugins: &config::Plugins,
        source: &Source,
        hash: &str,
    ) -> Result<Provider, UnusableVersion> {
        let loaded = self.load(hash).await;
        let allowed = loaded.and_then(|plugin| fit::allowed(plugins, source, &plugin).map(|()| plugin));
        allowed.map(Provider::Sandboxed).map_err(|reason| UnusableVersion::new(source, hash, reason, ACTIVATED))
    }

    /// Loads a kept version from memory or from its file.
    async fn load(&self, hash: &str) -> Result<Plugin, String> {
        if let Some(plugin) = self.loaded().get(hash) {
            return Ok(plugin.clone());
        }
        let (files, name) = (self.0.files.clone(), hash.to_owned());
        let read = tokio::task::spawn_blocking(move || files.read(&name)).await;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        let bytes = read.map_err(|error| format!("{}: {error}", self.0.files.path(hash).display()))?;
        let plugin = self.compile(bytes).await?;
        self.loaded().insert(hash.to_owned(), plugin.clone());
        Ok(plugin)
    }

    /// Checks the signature of a component, and compiles it on a thread of its own.
    ///
    /// # Errors
    /// Why it is not a plugin, or not trusted.
    pub async fn compile(&self, bytes: Vec<u8>) -> Result<Plugin, String> {
        if !self.0.trusted.is_empty() && !is_bundled(&bytes) {
            component_signature::verify(&bytes, &self.0.trusted).map_err(|error| error.to_string())?;
        }
        self.0.sandbox.load_aside(bytes).await.map_err(|error| error.to_string())
    }

    /// Finds a version by the hash of its component (or its beginning) or by its plugin's name, among the running versions, the
    /// kept ones, and the plugins that the configuration can name.
    ///
    /// # Errors
    /// It does not exist, or cannot be loaded.
    pub async fn named(&self, live: &Live, inbound: &Inbound, name: &str) -> Result<Plugin, VersionError> {
        let running = inbound.plugin.get();
        let in_use = [Some(&running.active), running.trial.as_ref().map(|trial| &trial.candidate)];
        let given = live.plugins.values().map(|(plugin, _)| plugin);
        let in_use = in_use.into_iter().flatten().filter_map(Provider::plugin).chain(given);
        let is_meant = |hash: &str| name.len() >= HASH_DIGITS_MIN && hash.starts_with(name);
        if let Some(plugin) = in_use.into_iter().find(|plugin| is_meant(plugin.hash())) {
            return Ok(plugin.clone());
        }
        if let Ok(kept) = self.find(&inbound.source.plugin, name) {
            return self.load(&kept.hash).await.map_err(VersionError::Refused);
        }
        let plugins = &live.config.plugins;
        let unknown = |error: CatalogError| VersionError::NotFound(error.to_string());
        let catalog = Catalog::new(plugins.directory.as_deref()).map_err(unknown)?.trusting(&plugins.trusted_keys);
        catalog.load(name, &self.0.sandbox).await.map_err(unknown)
    }

    /// Removes a version that nothing needs.
    ///
    /// # Errors
    /// It does not exist, it is needed, or the store fails.
    pub async fn remove(&self, plugin: &str, hash: &str, by: &str) -> Result<KeptVersion, VersionError> {
        let _turn = self.turn().await;
        let version = self.find(plugin, hash)?;
        if self.records().needs(&version.hash) {
            let text = format!("a source runs the version {}, tries it, or would roll back to it", version.hash);
            return Err(VersionError::Conflict(text));
        }
        let entry = entry(&version.plugin, Some(&version.hash), PluginEvent::Removed, by);
        let removed = vec![version.name()];
        self.change(PluginChanges { removed, history: vec![entry], ..PluginChanges::default() }).await?;
        self.drop_file(&version.hash);
        Ok(version)
    }

    /// Removes the component of a version, unless another plugin has the same.
    fn drop_file(&self, hash: &str) {
        if self.records().versions.values().any(|version| version.hash == hash) {
            return;
        }
        if let Err(error) = self.0.files.remove(hash) {
            tracing::warn!(hash, %error, "the component of a version could not be removed");
        }
    }

    /// A version by its hash, or by the beginning of it (eight digits at least).
    fn find(&self, plugin: &str, hash: &str) -> Result<KeptVersion, VersionError> {
        let records = self.records();
        let of = records.versions.values().filter(|version| version.plugin == plugin);
        let found: Vec<_> =
            of.filter(|version| version.hash.starts_with(hash) && hash.len() >= HASH_DIGITS_MIN).collect();
        match found[..] {
            [version] => Ok(version.clone()),
            [] => Err(VersionError::NotFound(format!(
                "there is no version {hash:?} of the plugin {plugin}; hookgate plugin versions {plugin} lists them"
            ))),
            _ => Err(VersionError::NotFound(format!("several versions begin with {hash}; write more of the hash"))),
        }
    }

    /// Makes changes durable, then applies them in memory.
    async fn change(&self, changes: PluginChanges) -> Result<(), JournalError> {
        self.0.journal.change_plugins(changes.clone()).await?;
        for entry in &changes.history {
            plugin_swaps(&entry.plugin, entry.event.name()).increment(1);
            log(entry);
        }
        let moved = !changes.activations.is_empty() || !changes.forgotten.is_empty();
        {
            let mut records = self.records();
            records.versions.extend(changes.versions.into_iter().map(|version| (version.name(), version)));
            records.versions.retain(|name, _| !changes.removed.contains(name));
            records.activations.extend(changes.activations);
            records.activations.retain(|source, _| !changes.forgotten.contains(source));
            records.seen.extend(changes.seen);
        }
        if moved {
            self.note_active();
            let records = self.records().clone();
            // A delivery in flight keeps its own reference to an old version.
            self.loaded().retain(|hash, _| records.needs(hash));
        }
        Ok(())
    }

    /// For `hookgate check`, which cannot read the journal of a running gateway. A failure does not matter to the gateway.
    fn note_active(&self) {
        let active = |(source, activation): (&String, &Activation)| {
            let (plugin, hash) = (activation.plugin.clone(), activation.active.clone()?);
            Some((source.clone(), Active { plugin, hash }))
        };
        let active: BTreeMap<_, _> = self.records().activations.iter().filter_map(active).collect();
        if let Err(error) = self.0.files.note_active(&active) {
            tracing::warn!(%error, "the list of active versions could not be written for `hookgate check`");
        }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.records.lock()
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<String, Plugin>> {
        self.0.loaded.lock()
    }
}

impl UnusableVersion {
    fn new(source: &Source, hash: &str, reason: String, instead: &'static str) -> UnusableVersion {
        let (source_name, plugin) = (source.name.clone(), source.plugin.clone());
        UnusableVersion { source_name, plugin, hash: hash.to_owned(), reason, instead }
    }
}

impl Records {
    /// Whether a source runs a version, tries it, or would roll back to it.
    fn needs(&self, hash: &str) -> bool {
        self.activations.values().any(|Activation { active, previous, trial, .. }| {
            active.as_deref() == Some(hash)
                || previous.as_ref().and_then(Option::as_deref) == Some(hash)
                || trial.as_ref().is_some_and(|(candidate, _)| candidate == hash)
        })
    }
}

/// The sources of a configuration that name a plugin: all, or the one named `only`.
fn sources_of(live: &Live, plugin: &str, only: Option<&str>) -> Result<Vec<Arc<Source>>, VersionError> {
    let wanted = |source: &&Arc<Source>| only.is_none_or(|only| source.name == only);
    let named: Vec<&Arc<Source>> = live.config.sources.iter().filter(wanted).collect();
    if let (Some(only), []) = (only, &named[..]) {
        let near = did_you_mean(only, live.config.sources.iter().map(|source| source.name.as_str()));
        let text = format!("there is no source {only:?}{near}; /api/v1/sources lists them");
        return Err(VersionError::NotFound(text));
    }
    if let (Some(only), [source]) = (only, &named[..])
        && source.plugin != plugin
    {
        let text = format!("the plugin of the source {only} is {}, and this is {plugin}", source.plugin);
        return Err(VersionError::Refused(text));
    }
    Ok(named.into_iter().filter(|source| source.plugin == plugin).cloned().collect())
}

fn entry(plugin: &str, hash: Option<&str>, event: PluginEvent, by: &str) -> PluginHistory {
    PluginHistory {
        at: now_ms(),
        plugin: plugin.to_owned(),
        source: None,
        hash: hash.map(str::to_owned),
        event,
        by: by.to_owned(),
        reason: None,
    }
}

/// Writes an entry of the history to the log.
fn log(entry: &PluginHistory) {
    let PluginHistory { plugin, source, hash, event, by, reason, .. } = entry;
    let (source, hash, reason) = (source.as_deref(), hash.as_deref(), reason.as_deref());
    match event {
        PluginEvent::Refused => tracing::error!(plugin, source, hash, by, reason, "a plugin version was refused"),
        event => tracing::info!(plugin, source, hash, by, reason, "a plugin version: {}", event.name()),
    }
}

/// A reason, cut to what is kept of it.
fn shortened(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(limits::PLUGIN_REASON_BYTES_MAX));
    reason
}
