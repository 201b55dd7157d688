//! `hookgate dev`

mod keys;
mod text;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use http::Uri;

use self::keys::ThrowAway;
use super::{
    Exit,
    http::parse_url,
    output::{self, Table},
    sandbox::{self, Directory},
    send::quoted,
};
use crate::{
    config::{Config, KnownPlugins, Plugins, ProcessEnvironment, Store},
    plugin::Catalog,
    serve::{self, Options, Ready},
    telemetry::Logs,
};

/// Run a gateway to try things, without any configuration
///
/// Every plugin becomes a source of its name, with a secret that is made up and thrown away; each is printed with its
/// URL and a command that sends it a signed delivery. Events go to --forward, else to standard output, a JSON line each.
/// What becomes of each delivery is logged to standard error. The store is thrown away too, unless --store says where to
/// keep it.
///
/// Examples:
///   hookgate dev
///   hookgate dev --forward http://localhost:3000/webhooks
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Dev {
    /// Where events go, as CloudEvents in JSON
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    forward: Option<Uri>,
    /// Where to take deliveries
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the admin API listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    admin: SocketAddr,
    /// A directory for the store, to be kept
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    #[command(flatten)]
    directory: Directory,
}

/// A source that was made up.
struct MadeUp {
    name: String,
    keys: ThrowAway,
}

impl Dev {
    pub async fn run(self) -> Result<Exit> {
        if !self.admin.ip().is_loopback() {
            bail!("--admin {} is not on loopback; the admin API has no token here, anyone could use it", self.admin);
        }
        let (sources, left_out) = make_up(&self.directory.catalog()?).await?;
        // Removed when this ends, however it ends short of a kill.
        let temporary = tempfile::Builder::new().prefix("hookgate-dev-").tempdir().context("no temporary directory")?;
        let store = self.store.clone().unwrap_or_else(|| temporary.path().join("data"));
        let config = self.config(&store, &sources)?;
        let _logs = Logs::start(&config.log)?;
        let forward = self.forward.as_ref().map(Uri::to_string);
        let mut broken = None;
        let directory = self.directory.path();
        let introduce =
            |ready: &Ready| broken = introduce(ready, &sources, &left_out, forward.as_deref(), directory).err();
        serve::run(config, introduce, Options::default()).await?;
        match broken {
            Some(error) => Err(error.into()),
            None => Ok(Exit::Ok),
        }
    }

    /// Through the reader of configurations, so that all else has its default.
    fn config(&self, store: &std::path::Path, sources: &[MadeUp]) -> Result<Config> {
        let text = text::configuration(&text::Given {
            listen: self.listen,
            admin: self.admin,
            store,
            plugins: self.directory.path(),
            cache: &sandbox::cache_directory()?,
            forward: self.forward.as_ref(),
            sources: &sources.iter().map(|source| (source.name.as_str(), &source.keys)).collect::<Vec<_>>(),
        })?;
        let known = |_: &Plugins, _: &Store| -> Box<dyn KnownPlugins> {
            let all = sources.iter().map(|source| (source.name.clone(), Ok(source.keys.descriptor.clone())));
            Box::new(all.collect::<std::collections::BTreeMap<_, _>>())
        };
        let here = std::env::current_dir().context("the current directory is gone")?;
        let (config, _) = Config::parse(&text, "hookgate dev", &here, &ProcessEnvironment, &known)?;
        Ok(config)
    }
}

/// The sources, and the plugins that cannot run with a made-up secret, each with the reason.
async fn make_up(catalog: &Catalog) -> Result<(Vec<MadeUp>, Vec<(String, String)>)> {
    let sandbox = sandbox::new()?;
    let (mut sources, mut left_out) = (Vec::new(), Vec::new());
    for (name, _) in catalog.list() {
        let keys = match catalog.load(name, &sandbox).await {
            Ok(plugin) => keys::make_up(&plugin).await,
            Err(error) => Err(error.to_string()),
        };
        match keys {
            Ok(keys) => sources.push(MadeUp { name: name.to_owned(), keys }),
            Err(reason) => left_out.push((name.to_owned(), reason)),
        }
    }
    match sources.is_empty() {
        true => bail!("no plugin can run with a made-up secret: {}", reasons(&left_out)),
        false => Ok((sources, left_out)),
    }
}

fn reasons(left_out: &[(String, String)]) -> String {
    left_out.iter().map(|(name, reason)| format!("{name} ({reason})")).collect::<Vec<_>>().join(", ")
}

/// What a newcomer needs.
fn introduce(
    ready: &Ready,
    sources: &[MadeUp],
    left_out: &[(String, String)],
    forward: Option<&str>,
    directory: Option<&Path>,
) -> std::io::Result<()> {
    let mut table = Table::new(["SOURCE", "URL", "SECRET"]);
    for source in sources {
        let secrets: Vec<String> = match &source.keys.configured[..] {
            [(_, secret)] => vec![secret.clone()],
            several => several.iter().map(|(name, secret)| format!("{name}={secret}")).collect(),
        };
        table.row([source.name.clone(), url(ready, source), secrets.join(" ")]);
    }
    output::line(format_args!("{table}\n\nsend a signed delivery with one of:"))?;
    for source in sources {
        output::line(format_args!("  {}", send_command(ready, source, directory)))?;
    }
    if !left_out.is_empty() {
        output::line(format_args!("\nleft out: {}", reasons(left_out)))?;
    }
    let to = forward.unwrap_or("standard output");
    output::line(format_args!("\nevents go to {to}; look in with: hookgate events list --admin {}", ready.admin))?;
    output::line(format_args!("ready deliveries={} admin={}", ready.deliveries, ready.admin))
}

fn url(ready: &Ready, source: &MadeUp) -> String {
    format!("{}/in/{}", ready.deliveries, source.name)
}

fn send_command(ready: &Ready, source: &MadeUp, directory: Option<&Path>) -> String {
    let secrets: Vec<String> = match &source.keys.signing[..] {
        [(_, secret)] => vec![format!("--secret {}", quoted(secret))],
        several => several
            .iter()
            .map(|(name, secret)| format!("--secret-name {}", quoted(&format!("{name}={secret}"))))
            .collect(),
    };
    let directory = directory.map(|path| format!("--directory {} ", quoted(&path.display().to_string())));
    let (directory, secrets) = (directory.unwrap_or_default(), secrets.join(" "));
    format!("hookgate send {} {directory}{secrets} {}", source.name, url(ready, source))
}
