//! The configuration, for every command that has one.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use clap::Args;
use hookgate_capabilities::{Delivery, Descriptor, Refusal, Request, Secrets};
use tempfile::TempDir;

use super::sandbox;
use crate::{
    clock::now_ms,
    config::{Config, ConfigErrors, KnownPlugins, Plugins, Source, Store, Warning},
    plugin::{Catalog, Origin, Plugin, Sandbox, SandboxLimits},
};

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

    /// As [`ConfigFile::load`], for a gateway that starts with it: what is compiled for the check is kept for it.
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

/// Removes the directory of compiled plugins that a failed start has made, and those above it, innermost first: only
/// what is empty otherwise.
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

/// What a configuration is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To check it: nothing is made below the store's path.
    Check,
    /// To start a gateway, which makes its directories anyway.
    Start,
}

/// What a call of a plugin may take, as configured.
pub fn sandbox_limits(plugins: &Plugins) -> SandboxLimits {
    SandboxLimits {
        concurrency: plugins.concurrency,
        memory_bytes: usize::try_from(plugins.memory).unwrap_or(usize::MAX),
        time: plugins.timeout,
    }
}

/// Where a gateway with this configuration keeps compiled plugins.
pub fn artifacts(plugins: &Plugins, store: &Store) -> PathBuf {
    plugins.cache.clone().unwrap_or_else(|| store.path.join("plugins"))
}

/// The plugins of a configuration, loaded when they are asked for.
///
/// What is compiled is kept where the gateway will look for it, so that a first start compiles once. A mere check makes no
/// store: it goes there only if that is there already.
fn known_plugins(plugins: &Plugins, store: &Store, purpose: Purpose) -> Box<dyn KnownPlugins> {
    // A directory that cannot be read has its own message: this one goes on without it.
    let catalog = Catalog::new(plugins.directory.as_deref()).or_else(|_| Catalog::new(None)).unwrap_or_default();
    let sandbox = check_sandbox(plugins, store, purpose).map_err(|error| error.to_string());
    Box::new(Known { catalog, sandbox, loaded: RefCell::default() })
}

struct Known {
    catalog: Catalog,
    sandbox: Result<CheckSandbox, String>,
    loaded: RefCell<BTreeMap<String, Result<Plugin, String>>>,
}

impl Known {
    fn plugin(&self, name: &str) -> Option<Result<Plugin, String>> {
        self.catalog.list().find(|(known, _)| *known == name)?;
        let mut loaded = self.loaded.borrow_mut();
        let load = |own: &CheckSandbox| wait(self.catalog.load(name, &own.sandbox)).map_err(|error| error.to_string());
        let plugin =
            loaded.entry(name.to_owned()).or_insert_with(|| self.sandbox.as_ref().map_err(Clone::clone).and_then(load));
        Some(plugin.clone())
    }
}

impl KnownPlugins for Known {
    fn names(&self) -> Vec<String> {
        self.catalog.list().map(|(name, _)| name.to_owned()).collect()
    }

    fn descriptor(&self, name: &str) -> Option<Result<Descriptor, String>> {
        Some(self.plugin(name)?.map(|plugin| plugin.descriptor().clone()))
    }

    fn is_bundled(&self, name: &str) -> bool {
        self.catalog.origin(name) == Some(&Origin::Bundled)
    }

    /// Lets it judge a delivery with nothing in it, one that it has signed itself as far as it can, and some of its own
    /// vectors: what it is given is looked at by one or the other.
    fn objection(&self, source: &Source) -> Option<String> {
        let plugin = self.plugin(&source.plugin)?.ok()?;
        let empty = Request {
            method: "POST".to_owned(),
            url: format!("https://hooks.example.com/in/{}", source.name),
            headers: Vec::new(),
            received_at: now_ms(),
            body: Bytes::new(),
        };
        let (settings, secrets) = (Arc::new(source.settings.clone()), Arc::new(Secrets::new(source.secrets.clone())));
        let known_by: Arc<[String]> = source.auth.methods().map(|method| method.name().to_owned()).collect();
        let delivery = |request: &Request| {
            let delivery = Delivery::new(Arc::new(request.clone()), settings.clone(), secrets.clone());
            delivery.from_known_sender(known_by.clone())
        };
        wait(async {
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
        })
    }
}

/// A plugin's own vectors that a source is tried with.
const PROBES: usize = 8;

/// Within the multi-threaded runtime of `main`; plugins wait for nothing but the processor.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| handle.block_on(future))
}

/// A sandbox, and its directory where that goes away with it.
struct CheckSandbox {
    sandbox: Arc<Sandbox>,
    _temporary: Option<TempDir>,
}

/// In the gateway's directory if it may be; else in the user's cache, where there is one; else in a temporary directory
/// (services often have no home). A directory that the gateway cannot use has its own message when it starts.
fn check_sandbox(plugins: &Plugins, store: &Store, purpose: Purpose) -> anyhow::Result<CheckSandbox> {
    let gateways = Some(artifacts(plugins, store)).filter(|path| purpose == Purpose::Start || path.is_dir());
    let kept = gateways.into_iter().chain(sandbox::cache_directory().ok());
    let new = |directory: &Path| Sandbox::new(sandbox_limits(plugins), directory);
    if let Some(sandbox) = kept.filter_map(|directory| new(&directory).ok()).next() {
        return Ok(CheckSandbox { sandbox, _temporary: None });
    }
    let temporary = tempfile::tempdir()?;
    // A directory in it: the sandbox makes that one private.
    Ok(CheckSandbox { sandbox: new(&temporary.path().join("plugins"))?, _temporary: Some(temporary) })
}

/// The limits of a plugin call where nothing else is configured.
pub fn default_limits(concurrency: u32) -> SandboxLimits {
    use crate::limits::{PLUGIN_MEMORY_BYTES, PLUGIN_TIMEOUT_MS};
    SandboxLimits {
        concurrency,
        memory_bytes: PLUGIN_MEMORY_BYTES.default as usize,
        time: Duration::from_millis(PLUGIN_TIMEOUT_MS.default),
    }
}
