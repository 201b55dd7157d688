//! `hookgate plugin activate`, `rollback`, `promote`, `stop-trial`

use anyhow::Result;
use clap::{ArgGroup, Args};
use hookgate_gateway::admin::view::{ActivateOrder, Moved, SourceOrder};

use super::percent;
use crate::cli::{
    Exit,
    gateway::{GatewayArgs, escaped},
    output::Table,
};

/// Activate a stored version of a plugin, or the bundled one
///
/// It takes effect with the next delivery; deliveries in progress end with their version. It stays active after a restart.
///
/// Examples:
///   hookgate plugin activate stripe 3f2a91c04b7d
///   hookgate plugin activate stripe --bundled --source shop
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, group = ArgGroup::new("which").required(true))]
pub struct Activate {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The plugin, as sources call it
    plugin: String,
    /// Its hash, or the beginning of it (at least eight digits)
    #[arg(group = "which")]
    hash: Option<String>,
    /// The version that is embedded in the gateway
    #[arg(long, group = "which")]
    bundled: bool,
    /// For this source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Try it on this percentage of deliveries
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "shadow")]
    canary: Option<u8>,
    /// Try it on every delivery, without effect
    #[arg(long)]
    shadow: bool,
}

/// Which sources of a plugin.
#[derive(Args, Debug)]
pub struct Which {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The plugin, as sources call it
    plugin: String,
    /// For this source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

/// Roll back to the version of a plugin that was active before
///
/// It is still loaded, and takes effect with the next delivery. A trial ends. A second rollback undoes the first.
///
/// Example:
///   hookgate plugin rollback stripe
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Rollback {
    #[command(flatten)]
    pub which: Which,
}

/// Promote the version that is on trial
///
/// Example:
///   hookgate plugin promote stripe --source shop
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Promote {
    #[command(flatten)]
    pub which: Which,
}

/// End the trial of a version
///
/// Example:
///   hookgate plugin stop-trial stripe
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct StopTrial {
    #[command(flatten)]
    pub which: Which,
}

impl Activate {
    pub async fn run(self) -> Result<Exit> {
        let order = ActivateOrder {
            hash: self.hash,
            bundled: self.bundled,
            source: self.source,
            canary: self.canary,
            shadow: self.shadow,
        };
        let path = format!("/plugins/{}/activate", escaped(&self.plugin));
        self.gateway.order(&path, &order, table).await?;
        Ok(Exit::Ok)
    }
}

impl Which {
    /// Gives the order that is called `what` in the path.
    pub async fn order(self, what: &str) -> Result<Exit> {
        let path = format!("/plugins/{}/{what}", escaped(&self.plugin));
        self.gateway.order(&path, &SourceOrder { source: self.source }, table).await?;
        Ok(Exit::Ok)
    }
}

fn table(moved: &Moved) -> Table {
    let mut table = Table::new(["SOURCE", "ROLE", "VERSION", "HASH"]);
    for source in &moved.sources {
        for version in &source.versions {
            let share = version.percent.map(|percent| format!(" {percent}%")).unwrap_or_default();
            let role = format!("{}{share}", version.role);
            table.row([source.source.clone(), role, version.version.clone(), version.hash.clone()]);
        }
    }
    table
}
