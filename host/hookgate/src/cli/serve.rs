//! `hookgate serve`

use std::io::{self, Write};

use clap::Args;
use hookgate_gateway::{
    logs::Logs,
    process,
    serve::{self, Options, Ready},
};

use super::{Exit, configuration::ConfigFile};

/// Run the gateway
///
/// Checks the whole configuration, opens the store, continues with undelivered events, and accepts deliveries at
/// /in/{source}. One line on standard output says when and where; logs go to standard error. SIGINT or SIGTERM stop it: it
/// accepts no new deliveries and finishes those in flight. SIGHUP reloads the configuration: sources, destinations, routes,
/// egress and the files in the directory of plugins change without losing a delivery. If the configuration has a mistake,
/// nothing changes. The other sections take effect at the next start.
///
/// Examples:
///   hookgate serve
///   hookgate serve --config /etc/hookgate/hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Serve {
    #[command(flatten)]
    file: ConfigFile,
}

impl Serve {
    pub async fn run(self) -> anyhow::Result<Exit> {
        process::make_files_private();
        keep_memory_private();
        let config = self.file.load_for_gateway()?;
        let _logs = Logs::start(&config.log)?;
        let reload_config = || self.file.check();
        serve::run(config, say_ready, Options { reload_config: Some(&reload_config), ..Options::default() }).await?;
        Ok(Exit::Ok)
    }
}

/// To be called before any secret is read.
pub(super) fn keep_memory_private() {
    if let Err(error) = process::keep_memory_private() {
        eprintln!("warning: the operating system does not let the gateway keep its memory to itself: {error}");
    }
}

fn say_ready(ready: &Ready) {
    // Standard output may be closed.
    let _ = writeln!(io::stdout(), "ready deliveries={} admin={}", ready.deliveries, ready.admin);
    tracing::info!(deliveries = ready.deliveries, admin = ready.admin, "ready");
}
