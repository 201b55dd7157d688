//! The configuration, for the commands that read one.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use hookgate_bundled::is_bundled;
use hookgate_capabilities::Descriptor;
use hookgate_config::{Config, ConfigErrors, KnownPlugins, Plugins, Source, Store, Warning};
use hookgate_gateway::versions::{
    files::{Active, Files},
    fit,
};
use hookgate_model::component_signature::{self, TrustedKey};
use hookgate_sandbox::{Catalog, Plugin, Sandbox, SandboxLimits, child::FirstCalls};
use tempfile::TempDir;

use super::sandbox;

/// Which configuration.
#[derive(Args, Debug)]
pub struct ConfigFile {
    /// The configuration's file
    #[arg(long, value_name = "FILE", default_value = "hookgate.toml", env = "HOOKGATE_CONFIG")]
    config: PathBuf,
}

impl ConfigFile {
    /// Reads and checks it; warnings go to standard error.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        Ok(without_warnings(self.check()?))
    }

    /// Like [`ConfigFile::load`], for a gateway that starts with it: plugins compiled for the check are kept for the gateway.
    pub fn load_for_gateway(&self) -> Result<Config, ConfigErrors> {
        let made = RefCell::new(Vec::new());
        let find = |plugins: &Plugins, store: &Store| {
            let artifacts = artifacts(plugins, store);
            *made.borrow_mut() = artifacts.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
            known_plugins(plugins, store, Purpose::Start)
        };
        let loaded = Config::load(&self.config, &find);
        if loaded.is_err() {
            unmake(&made.into_inner());
        }
        Ok(without_warnings(loaded?))
    }

    /// Reads and checks it.
    pub fn check(&self) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        load(&self.config)
    }
}

/// Reads and checks the configuration of a file.
pub fn load(path: &Path) -> Result<(Config, Vec<Warning>), ConfigErrors> {
    Config::load(path, &|plugins, store| known_plugins(plugins, store, Purpose::Check))
}

/// The store of a configuration, which is checked without the activated versions.
pub fn store(path: &Path) -> Result<Store, ConfigErrors> {
    let given = |plugins: &Plugins, store: &Store| -> Box<dyn KnownPlugins> {
        Box::new(Known { active: BTreeMap::new(), ..known(plugins, store, Purpose::Check) })
    };
    Ok(without_warnings(Config::load(path, &given)?).store)
}

/// Removes the directory of compiled plugins that a failed start has created, and then its parents, as long as they are
/// empty.
fn unmake(made: &[PathBuf]) {
    let Some((artifacts, above)) = made.split_first() else { return };
    drop(std::fs::remove_dir_all(artifacts));
    above.iter().for_each(|directory| drop(std::fs::remove_dir(directory)));
}

fn without_warnings((config, warnings): (Config, Vec<Warning>)) -> Config {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    config
}

/// The purpose of reading a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To check it: nothing is created below the store's path.
    Check,
    /// To start a gateway, which creates its directories anyway.
    Start,
}

/// The configured limits of a plugin call.
pub fn sandbox_limits(plugins: &Plugins) -> SandboxLimits {
    SandboxLimits {
        concurrency: plugins.concurrency,
        memory_bytes: usize::try_from(plugins.memory).unwrap_or(usize::MAX),
        time: plugins.timeout,
    }
}

/// The directory of compiled plugins of a gateway with this configuration.
pub fn artifacts(plugins: &Plugins, store: &Store) -> PathBuf {
    plugins.cache.clone().unwrap_or_else(|| store.path.join("plugins"))
}

/// The plugins of a configuration, loaded when they are asked for.
///
/// Compiled plugins are kept where the gateway looks for them, so that a first start compiles only once. A mere check does
/// not create a store: it uses the store's directory only if that exists.
fn known_plugins(plugins: &Plugins, store: &Store, purpose: Purpose) -> Box<dyn KnownPlugins> {
    Box::new(known(plugins, store, purpose))
}

fn known(plugins: &Plugins, store: &Store, purpose: Purpose) -> Known {
    // A directory that cannot be read has its own message: this one goes on without it.
    let catalog = Catalog::new(plugins.directory.as_deref()).or_else(|_| Catalog::new(None)).unwrap_or_default();
    let catalog = catalog.trusting(&plugins.trusted_keys);
    let sandbox = check_sandbox(plugins, store, purpose).map_err(|error| error.to_string());
    let files = Files::of_store(&store.path);
    let (active, trusted) = (files.active(), plugins.trusted_keys.clone());
    Known { catalog, files, active, trusted, sandbox, loaded: RefCell::default() }
}

struct Known {
    catalog: Catalog,
    /// Components of versions, and the activated version of each source.
    files: Files,
    active: BTreeMap<String, Active>,
    trusted: Vec<TrustedKey>,
    sandbox: Result<CheckSandbox, String>,
    /// By name, or by hash.
    loaded: RefCell<BTreeMap<String, Result<Plugin, String>>>,
}

impl Known {
    /// The plugin of the configuration.
    fn plugin(&self, name: &str) -> Option<Result<Plugin, String>> {
        self.catalog.list().find(|(known, _)| *known == name)?;
        let load = |own: &CheckSandbox| wait(self.catalog.load(name, &own.sandbox)).map_err(|error| error.to_string());
        Some(self.once(name, load))
    }

    /// The version that is activated for the source; otherwise the plugin of the configuration.
    fn plugin_of(&self, source: &str, name: &str) -> Option<Result<Plugin, String>> {
        match self.active.get(source).filter(|active| active.plugin == name) {
            Some(Active { hash, .. }) => Some(self.once(hash, |own| self.version(hash, own))),
            None => self.plugin(name),
        }
    }

    fn version(&self, hash: &str, own: &CheckSandbox) -> Result<Plugin, String> {
        let load = || {
            let bytes = self.files.read(hash).map_err(|error| error.to_string())?;
            if !self.trusted.is_empty() && !is_bundled(&bytes) {
                component_signature::verify(&bytes, &self.trusted).map_err(|error| error.to_string())?;
            }
            wait(own.sandbox.load(&bytes)).map_err(|error| error.to_string())
        };
        load().map_err(|error| {
            format!(
                "its version {hash} is activated for this source, and {} is not usable: {error}; put it back, or have all \
                 sources run the plugins of the configuration again: hookgate store deactivate-plugins",
                self.files.path(hash).display()
            )
        })
    }

    fn once(&self, key: &str, load: impl FnOnce(&CheckSandbox) -> Result<Plugin, String>) -> Result<Plugin, String> {
        let mut loaded = self.loaded.borrow_mut();
        let plugin =
            loaded.entry(key.to_owned()).or_insert_with(|| self.sandbox.as_ref().map_err(Clone::clone).and_then(load));
        plugin.clone()
    }
}

impl KnownPlugins for Known {
    fn names(&self) -> Vec<String> {
        self.catalog.list().map(|(name, _)| name.to_owned()).collect()
    }

    fn descriptor(&self, name: &str) -> Option<Result<Descriptor, String>> {
        Some(self.plugin(name)?.map(|plugin| plugin.descriptor().clone()))
    }

    fn descriptor_for(&self, source: &str, name: &str) -> Option<Result<Descriptor, String>> {
        self.catalog.origin(name)?;
        Some(self.plugin_of(source, name)?.map(|plugin| plugin.descriptor().clone()))
    }

    fn is_bundled(&self, source: &Source) -> bool {
        matches!(self.plugin_of(&source.name, &source.plugin), Some(Ok(plugin)) if plugin.is_bundled())
    }

    fn distrust(&self, plugins: &Plugins, source: &Source) -> Option<String> {
        fit::allowed(plugins, source, &self.plugin_of(&source.name, &source.plugin)?.ok()?).err()
    }

    fn objection(&self, source: &Source) -> Option<String> {
        wait(fit::objection(&self.plugin_of(&source.name, &source.plugin)?.ok()?, source))
    }
}

/// Runs in the multi-threaded runtime of `main`, since plugins wait only for the processor.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| handle.block_on(future))
}

/// A sandbox, and its directory if that is temporary.
struct CheckSandbox {
    sandbox: Arc<Sandbox>,
    _temporary: Option<TempDir>,
}

/// In the gateway's directory if permitted; otherwise in the user's cache, if there is one; otherwise in a temporary directory
/// (services often have no home). A directory that the gateway cannot use has its own message when it starts.
fn check_sandbox(plugins: &Plugins, store: &Store, purpose: Purpose) -> anyhow::Result<CheckSandbox> {
    let gateways = Some(artifacts(plugins, store)).filter(|path| purpose == Purpose::Start || path.is_dir());
    let kept = gateways.into_iter().chain(sandbox::cache_directory().ok());
    let new = |directory: &Path| Sandbox::new(sandbox_limits(plugins), directory, FirstCalls::in_child());
    if let Some(sandbox) = kept.filter_map(|directory| new(&directory).ok()).next() {
        return Ok(CheckSandbox { sandbox, _temporary: None });
    }
    let temporary = tempfile::tempdir()?;
    // A directory in it: the sandbox makes that one private.
    Ok(CheckSandbox { sandbox: new(&temporary.path().join("plugins"))?, _temporary: Some(temporary) })
}
