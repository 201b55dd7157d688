//! `hookgate dev`

mod introduction;
mod keys;
mod text;

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use hookgate_config::{Config, ConfigErrors, KnownPlugins, Plugins, ProcessEnvironment, Store, Warning};
use hookgate_gateway::{
    logs::Logs,
    serve::{self, Options, Ready},
};
use hookgate_known_providers::{COMPONENT, KnownProvider};
use http::Uri;
use tokio::sync::Notify;

use self::{introduction::Introduction, keys::ThrowAway};
use super::{
    Exit,
    http::parse_url,
    sandbox::{self, Directory},
    serve::keep_memory_private,
    watch::Watch,
};

/// Run a gateway to try things, without any configuration
///
/// Every plugin becomes a source of its name, with a generated, temporary secret. A command that sends a signed delivery to
/// one of them is printed, together with the file that has the commands for the others. Events go to --forward, or to standard
/// output, one JSON line each. The result of each delivery is logged to standard error. The store is temporary too, unless
/// --store names a directory.
///
/// A changed component in --directory replaces the running one.
///
/// Examples:
///   hookgate dev
///   hookgate dev --only stripe --forward http://localhost:3000/webhooks
///   hookgate dev --directory plugins
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Dev {
    #[command(flatten)]
    gateway: Gateway,
    /// Only these plugins or known providers, instead of all plugins
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    #[command(flatten)]
    directory: Directory,
}

/// The addresses of the gateway, and the destination of its events.
#[derive(Args, Debug)]
pub struct Gateway {
    /// The URL to send events to, as CloudEvents in JSON
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    forward: Option<Uri>,
    /// The address for deliveries
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The address of the admin API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    admin: SocketAddr,
    /// A directory for a store that is kept
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// A source with a temporary secret.
struct MadeUp {
    name: String,
    keys: ThrowAway,
}

impl Gateway {
    /// Reports a port in use before anything is compiled.
    pub fn check_addresses(&self) -> Result<()> {
        for (option, address) in [("--listen", self.listen), ("--admin", self.admin)] {
            if let Err(error) = TcpListener::bind(address) {
                bail!("cannot listen at {address}: {error}; name another address with {option}");
            }
        }
        Ok(())
    }
}

impl Dev {
    pub async fn run(self) -> Result<Exit> {
        run(&self.gateway, &self.directory, &self.only).await
    }
}

/// Runs the gateway with these plugins, or with all plugins if none is named.
pub async fn run(gateway: &Gateway, directory: &Directory, only: &[String]) -> Result<Exit> {
    if !gateway.admin.ip().is_loopback() {
        let admin = gateway.admin;
        bail!("--admin {admin} is not on loopback; the admin API has no token here, anyone could use it");
    }
    gateway.check_addresses()?;
    keep_memory_private();
    let watch = directory.path().map(|path| Watch::new(path, is_component));
    let (sources, left_out) = make_up(directory, only).await?;
    // Removed when this ends, however it ends short of a kill.
    let temporary = tempfile::Builder::new().prefix("hookgate-dev-").tempdir().context("no temporary directory")?;
    let store = gateway.store.clone().unwrap_or_else(|| temporary.path().join("data"));
    let text = configuration(gateway, directory, &store, &sources)?;
    let here = std::env::current_dir().context("the current directory is gone")?;
    let reload_config = || read(&text, &here, &sources);
    let (config, _) = reload_config()?;
    let _logs = Logs::start(&config.log)?;
    let forward = gateway.forward.as_ref().map(Uri::to_string);
    let (mut broken, is_ready) = (None, Notify::new());
    let introduce = |ready: &Ready| {
        let (forward, file) = (forward.as_deref(), &temporary.path().join("commands"));
        let (sources, left_out, directory) = (&sources, &left_out, directory.path());
        broken = Introduction { ready, sources, left_out, forward, directory, file }.show().err();
        is_ready.notify_one();
    };
    let options = Options { reload_config: Some(&reload_config), plugins_in_development: true, ..Options::default() };
    let serving = serve::run(config, introduce, options);
    tokio::select! {
        ended = serving => ended?,
        never = follow(watch, &is_ready) => match never {},
    }
    match broken {
        Some(error) => Err(error.into()),
        None => Ok(Exit::Ok),
    }
}

fn is_component(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

/// Sends SIGHUP to the running gateway when a component has changed, so that it reloads. Before it is ready, a
/// SIGHUP would kill it.
async fn follow(watch: Option<Watch<impl Fn(&Path) -> bool>>, is_ready: &Notify) -> Infallible {
    is_ready.notified().await;
    let Some(mut watch) = watch else { return std::future::pending().await };
    loop {
        watch.changed().await;
        #[cfg(unix)]
        if let Err(error) = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP) {
            tracing::warn!("a changed component cannot be loaded: {error}");
        }
    }
}

/// Read like any other configuration, so that all other keys have their defaults.
fn configuration(gateway: &Gateway, directory: &Directory, store: &Path, sources: &[MadeUp]) -> Result<String> {
    text::configuration(&text::Given {
        listen: gateway.listen,
        admin: gateway.admin,
        store,
        plugins: directory.path(),
        limits: directory.limits(),
        cache: &sandbox::cache_directory()?,
        forward: gateway.forward.as_ref(),
        sources: &sources.iter().map(|source| (source.name.as_str(), &source.keys)).collect::<Vec<_>>(),
    })
}

fn read(text: &str, here: &Path, sources: &[MadeUp]) -> Result<(Config, Vec<Warning>), ConfigErrors> {
    let known = |_: &Plugins, _: &Store| -> Box<dyn KnownPlugins> {
        let name = |source: &MadeUp| source.keys.provider.map_or_else(|| source.name.clone(), |_| COMPONENT.to_owned());
        let all = sources.iter().map(|source| (name(source), Ok(source.keys.descriptor.clone())));
        Box::new(all.collect::<std::collections::BTreeMap<_, _>>())
    };
    Config::parse(text, "hookgate dev", here, &ProcessEnvironment, &known)
}

/// The sources, and the plugins that cannot run with a made-up secret, each with the reason.
async fn make_up(directory: &Directory, only: &[String]) -> Result<(Vec<MadeUp>, Vec<(String, String)>)> {
    let (catalog, sandbox) = (directory.catalog()?, directory.sandbox()?);
    let providers: Vec<&KnownProvider> =
        only.iter().filter_map(|name| sandbox::known_provider(name, &catalog)).collect();
    let is_provider = |name: &str| providers.iter().any(|provider| provider.name == name);
    if let Some(unknown) = only.iter().find(|name| catalog.origin(name).is_none() && !is_provider(name)) {
        bail!("{}", sandbox::unknown(unknown, &catalog));
    }
    let (mut sources, mut left_out) = (Vec::new(), Vec::new());
    for (name, _) in catalog.list().filter(|(name, _)| only.is_empty() || only.iter().any(|one| one == name)) {
        let keys = match catalog.load(name, &sandbox).await {
            Ok(plugin) => keys::make_up(&plugin, None).await,
            Err(error) => Err(error.to_string()),
        };
        match keys {
            Ok(keys) => sources.push(MadeUp { name: name.to_owned(), keys }),
            Err(reason) => left_out.push((name.to_owned(), reason)),
        }
    }
    for provider in providers {
        let keys = match catalog.load(COMPONENT, &sandbox).await {
            Ok(plugin) => keys::make_up(&plugin, Some(provider)).await,
            Err(error) => Err(error.to_string()),
        };
        match keys {
            Ok(keys) => sources.push(MadeUp { name: provider.name.to_owned(), keys }),
            Err(reason) => left_out.push((provider.name.to_owned(), reason)),
        }
    }
    if sources.is_empty() {
        bail!("no plugin can run with a made-up secret: {}", reasons(&left_out));
    }
    Ok((sources, left_out))
}

fn reasons(left_out: &[(String, String)]) -> String {
    left_out.iter().map(|(name, reason)| format!("{name} ({reason})")).collect::<Vec<_>>().join(", ")
}
