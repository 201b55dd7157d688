//! The servers under load, each a process of its own: bare hyper, the native twin, and hookgate.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hookgate_config::{Config, ConfigErrors};
use hookgate_gateway::serve;
use hookgate_plugin_stripe::Stripe;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::deliveries::SECRET;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// hyper that reads the body and answers 200.
    Bare,
    /// hookgate with stripe compiled in: no sandbox.
    Twin,
    /// hookgate as it is shipped.
    Hookgate,
}

/// A server process; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub at: SocketAddr,
    /// Where its admin API listens; nowhere for bare hyper and the twin.
    pub admin: SocketAddr,
}

impl Server {
    /// Starts one on a free port, with its store below `directory`.
    pub fn start(kind: Kind, directory: &Path, hookgate: &Path) -> Result<Server> {
        Server::start_with(kind, &directory.join(format!("{kind:?}")), hookgate, "")
    }

    /// As [`Server::start`], in a directory of its own, with further lines of the source and behind it.
    pub fn start_with(kind: Kind, directory: &Path, hookgate: &Path, lines: &str) -> Result<Server> {
        std::fs::create_dir_all(directory)?;
        let config = configuration(directory, lines)?;
        let mut command = match kind {
            Kind::Hookgate => Command::new(hookgate),
            Kind::Bare | Kind::Twin => Command::new(std::env::current_exe()?),
        };
        match kind {
            Kind::Hookgate => command.arg("serve"),
            Kind::Twin => command.arg("twin"),
            Kind::Bare => command.arg("bare"),
        };
        if kind != Kind::Bare {
            command.arg("--config").arg(config);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().context("the server's output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let word = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
        let Some(at) = word("deliveries=http://") else { bail!("{kind:?} did not start: {line:?}") };
        let admin = word("admin=http://").map_or(Ok(SocketAddr::from(([127, 0, 0, 1], 0))), str::parse)?;
        Ok(Server { at: at.parse()?, admin, child })
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).context("/proc/PID/stat");
        Ok((ticks(11)? + ticks(12)?) / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Resident memory, in bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most of it so far.
    pub fn peak_resident_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("/proc/PID/status")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(directory: &Path, lines: &str) -> Result<PathBuf> {
    let path = directory.join("hookgate.toml");
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
public-url = "https://hooks.example.com"
[admin]
listen = "127.0.0.1:0"
[store]
path = "data"
headroom = "64MiB"
[log]
filter = "warn"
[[source]]
name = "stripe"
plugin = "stripe"
secrets.signing = {{ value = "{SECRET}" }}
[[source]]
name = "large"
plugin = "stripe"
secrets.signing = {{ value = "{SECRET}" }}
limits = {{ body = "8GiB" }}
claim-check = {{}}
{lines}
"#
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

/// The native twin: hookgate's own server and journal, the provider's logic compiled in.
pub async fn twin(config: &Path) -> Result<()> {
    let known = |_: &_, _: &_| -> Box<dyn hookgate_config::KnownPlugins> {
        let described = <Stripe as hookgate_plugin_sdk::Provider>::describe();
        Box::new(std::collections::BTreeMap::from([("stripe".to_owned(), Ok(described))]))
    };
    let (config, _) = Config::load(config, &known).map_err(|errors: ConfigErrors| anyhow::anyhow!("{errors}"))?;
    let _logs = hookgate_gateway::logs::Logs::start(&config.log)?;
    crate::twin::twin()?;
    let native = |_: &_| crate::twin::twin().ok();
    let options = serve::Options { replace_plugin: &native, ..serve::Options::default() };
    Ok(serve::run(config, |ready| say(&ready.deliveries), options).await?)
}

/// hyper, and nothing else.
pub async fn bare() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("http://{}", listener.local_addr()?));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(|request: Request<Incoming>| async {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn say(at: &str) {
    let _ = writeln!(std::io::stdout(), "ready deliveries={at}");
}
