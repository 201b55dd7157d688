//! `hookgate plugin install`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::InstalledVersion;
use hookgate_sandbox::read_component;

use super::percent;
use crate::cli::{Exit, gateway::GatewayAddress, output};

/// Install a version of a plugin in a running gateway, and activate it
///
/// It must be signed where plugins.trusted-keys asks for it, use nothing that is not granted, pass its own conformance vectors,
/// and judge the latest recorded deliveries of its sources as they were judged before. Then it is active for all sources that name
/// the plugin, from their next delivery on; with --canary or --shadow it is only tried.
///
/// Examples:
///   hookgate plugin install ./my-provider.wasm
///   hookgate plugin install ./stripe.wasm --source shop --canary 10%
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Install {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The component
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// For this source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The plugin that it is a version of, as sources call it, where it calls itself otherwise
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Try it: it judges so many of a hundred deliveries
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with_all = ["shadow", "no_activate"])]
    canary: Option<u8>,
    /// Try it: it sees every delivery, without effect
    #[arg(long, conflicts_with = "no_activate")]
    shadow: bool,
    /// Only keep it
    #[arg(long)]
    no_activate: bool,
    /// Take it although it judges recorded deliveries otherwise than before
    #[arg(long)]
    despite_recorded: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Install {
    pub async fn run(self) -> Result<Exit> {
        let component = read_component(&self.file)?;
        let activate = match (self.canary, self.shadow, self.no_activate) {
            (Some(percent), ..) => format!("canary:{percent}"),
            (None, true, _) => "shadow".to_owned(),
            (None, false, true) => "no".to_owned(),
            (None, false, false) => "now".to_owned(),
        };
        let query = [
            ("activate", Some(activate)),
            ("source", self.source),
            ("plugin", self.plugin),
            ("despite_recorded", self.despite_recorded.then(|| "true".to_owned())),
        ];
        let gateway = self.gateway.gateway()?;
        let installed: InstalledVersion =
            gateway.send("/plugins/versions", &query, "application/wasm", component.into()).await?;
        match self.json {
            true => output::json(&installed)?,
            false => print(&installed)?,
        }
        Ok(Exit::Ok)
    }
}

fn print(installed: &InstalledVersion) -> Result<()> {
    let InstalledVersion { version, vectors, recorded, recorded_skipped } = installed;
    output::line(format_args!("{} {} is kept as {}", version.plugin, version.version, version.hash))?;
    output::line(match vectors {
        0 => "it carries no conformance vectors".to_owned(),
        vectors => format!("{vectors} conformance vectors passed"),
    })?;
    output::line(format_args!("{recorded} recorded deliveries judged as before, {recorded_skipped} left out"))?;
    for used in &version.works_for {
        let share = used.percent.map(|percent| format!(" {percent}%")).unwrap_or_default();
        output::line(format_args!("{}: {}{share}", used.source, used.role))?;
    }
    Ok(())
}
