//! `hookgate plugin install`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::InstalledVersion;
use hookgate_sandbox::read_component;

use super::percent;
use crate::cli::{Exit, gateway::GatewayArgs};

/// Install a version of a plugin in a running gateway, and activate it
///
/// It must be signed if plugins.trusted-keys is set, use only what is granted, pass its own conformance vectors, and judge the
/// latest recorded deliveries of its sources as they were judged before. Then it is active for all sources that name the
/// plugin, from their next delivery on; with --canary or --shadow it is only tried.
///
/// Examples:
///   hookgate plugin install ./my-provider.wasm
///   hookgate plugin install ./stripe.wasm --source shop --canary 10%
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Install {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The component
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// For this source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The plugin of which it is a version, as sources call it; by default the name in its descriptor
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Try it on this percentage of deliveries
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with_all = ["shadow", "no_activate"])]
    canary: Option<u8>,
    /// Try it on every delivery, without effect
    #[arg(long, conflicts_with = "no_activate")]
    shadow: bool,
    /// Only store it
    #[arg(long)]
    no_activate: bool,
    /// Install it even if it judges recorded deliveries differently
    #[arg(long)]
    despite_recorded: bool,
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
        self.gateway.format.print(&installed, report)?;
        Ok(Exit::Ok)
    }
}

fn report(installed: &InstalledVersion) -> String {
    let InstalledVersion { version, vectors, recorded, recorded_skipped } = installed;
    let mut lines = vec![
        format!("{} {} is stored as {}", version.plugin, version.version, version.hash),
        match vectors {
            0 => "it carries no conformance vectors".to_owned(),
            vectors => format!("{vectors} conformance vectors passed"),
        },
        format!("{recorded} recorded deliveries judged as before, {recorded_skipped} left out"),
    ];
    lines.extend(version.works_for.iter().map(|used| {
        let share = used.percent.map(|percent| format!(" {percent}%")).unwrap_or_default();
        format!("{}: {}{share}", used.source, used.role)
    }));
    lines.join("\n")
}
