//! `hookgate plugin activate`, `rollback`, `promote`, `stop-trial`

use anyhow::Result;
use clap::{ArgGroup, Args};
use hookgate_gateway::admin::view::{ActivateOrder, Moved, SourceOrder};

use super::percent;
use crate::cli::{
    Exit,
    gateway::{GatewayAddress, escaped},
    output::{self, Table},
};

/// Activate a version of a plugin that the gateway keeps, or the bundled one
///
/// From the next delivery on; those under way end with the version with which they began. What works stays so after a restart.
///
/// Examples:
///   hookgate plugin activate stripe 3f2a91c04b7d
///   hookgate plugin activate stripe --bundled --source shop
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, group = ArgGroup::new("which").required(true))]
pub struct Activate {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The plugin, as sources call it
    plugin: String,
    /// Its hash, or the beginning of it (eight digits at least)
    #[arg(group = "which")]
    hash: Option<String>,
    /// The one that is embedded in the gateway
    #[arg(long, group = "which")]
    bundled: bool,
    /// For this source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Try it: it judges so many of a hundred deliveries
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "shadow")]
    canary: Option<u8>,
    /// Try it: it sees every delivery, without effect
    #[arg(long)]
    shadow: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which sources of a plugin.
#[derive(Args, Debug)]
struct Which {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The plugin, as sources call it
    plugin: String,
    /// For this source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Roll back to the version of a plugin that was active before
///
/// It is at hand, and works from the next delivery on. A trial ends. Once more goes forward again.
///
/// Example:
///   hookgate plugin rollback stripe
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Rollback {
    #[command(flatten)]
    which: Which,
}

/// Promote the version that is on trial
///
/// Example:
///   hookgate plugin promote stripe --source shop
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Promote {
    #[command(flatten)]
    which: Which,
}

/// End the trial of a version
///
/// Example:
///   hookgate plugin stop-trial stripe
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct StopTrial {
    #[command(flatten)]
    which: Which,
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
        let moved: Moved = self.gateway.gateway()?.post(&path, &order).await?;
        print(&moved, self.json)
    }
}

impl Rollback {
    pub async fn run(self) -> Result<Exit> {
        self.which.order("rollback").await
    }
}

impl Promote {
    pub async fn run(self) -> Result<Exit> {
        self.which.order("promote").await
    }
}

impl StopTrial {
    pub async fn run(self) -> Result<Exit> {
        self.which.order("stop-trial").await
    }
}

impl Which {
    async fn order(self, what: &str) -> Result<Exit> {
        let path = format!("/plugins/{}/{what}", escaped(&self.plugin));
        let moved: Moved = self.gateway.gateway()?.post(&path, &SourceOrder { source: self.source }).await?;
        print(&moved, self.json)
    }
}

fn print(moved: &Moved, json: bool) -> Result<Exit> {
    if json {
        output::json(moved)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(["SOURCE", "ROLE", "VERSION", "HASH"]);
    for source in &moved.sources {
        for version in &source.versions {
            let share = version.percent.map(|percent| format!(" {percent}%")).unwrap_or_default();
            let role = format!("{}{share}", version.role);
            table.row([source.source.clone(), role, version.version.clone(), version.hash.clone()]);
        }
    }
    output::line(table)?;
    Ok(Exit::Ok)
}
