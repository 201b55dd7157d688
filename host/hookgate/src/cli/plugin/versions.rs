//! `hookgate plugin versions`, `history`, `remove`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{KeptVersion, VersionHistory, VersionList};

use crate::cli::{
    Exit,
    gateway::{GatewayAddress, escaped},
    output::{self, Table},
};

/// List the versions of a plugin that the gateway keeps
///
/// Example:
///   hookgate plugin versions stripe
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Versions {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The plugin, as sources call it
    plugin: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show what was done with versions of plugins: when, by whom, and why one was refused
///
/// Examples:
///   hookgate plugin history stripe
///   hookgate plugin history --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct History {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The plugin, as sources call it; without it all of them
    plugin: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Remove a version that no source runs, tries, or would roll back to
///
/// Example:
///   hookgate plugin remove stripe 3f2a91c04b7d
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Remove {
    #[command(flatten)]
    gateway: GatewayAddress,
    /// The plugin, as sources call it
    plugin: String,
    /// Its hash, or the beginning of it (eight digits at least)
    hash: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Versions {
    pub async fn run(self) -> Result<Exit> {
        let path = format!("/plugins/{}/versions", escaped(&self.plugin));
        let list: VersionList = self.gateway.gateway()?.get(&path, &[]).await?;
        if self.json {
            output::json(&list)?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::new(["HASH", "VERSION", "INSTALLED", "BY", "SIGNED BY", "WORKS FOR"]);
        for version in list.versions {
            let works = works_for(&version);
            table.row([
                version.hash,
                version.version,
                version.installed_at.to_string(),
                version.installed_by,
                output::or_dash(version.signed_by.as_ref()),
                works,
            ]);
        }
        output::line(table)?;
        Ok(Exit::Ok)
    }
}

fn works_for(version: &KeptVersion) -> String {
    let used = version.works_for.iter().map(|used| match (used.role.as_str(), used.percent) {
        ("active", _) => used.source.clone(),
        (role, Some(percent)) => format!("{} ({role} {percent}%)", used.source),
        (role, None) => format!("{} ({role})", used.source),
    });
    match (version.works_for.is_empty(), version.needed) {
        (false, _) => used.collect::<Vec<_>>().join(", "),
        (true, true) => "- (kept for a rollback)".to_owned(),
        (true, false) => "-".to_owned(),
    }
}

impl History {
    pub async fn run(self) -> Result<Exit> {
        let path = match &self.plugin {
            Some(plugin) => format!("/plugins/{}/history", escaped(plugin)),
            None => "/plugins/history".to_owned(),
        };
        let history: VersionHistory = self.gateway.gateway()?.get(&path, &[]).await?;
        if self.json {
            output::json(&history)?;
            return Ok(Exit::Ok);
        }
        let mut table = Table::new(["AT", "PLUGIN", "EVENT", "HASH", "SOURCE", "BY", "REASON"]);
        for entry in history.entries {
            let hash = entry.hash.map(|hash| hash.chars().take(12).collect::<String>());
            table.row([
                entry.at.to_string(),
                entry.plugin,
                entry.event,
                output::or_dash(hash.as_ref()),
                output::or_dash(entry.source.as_ref()),
                entry.by,
                output::or_dash(entry.reason.as_ref()),
            ]);
        }
        output::line(table)?;
        Ok(Exit::Ok)
    }
}

impl Remove {
    pub async fn run(self) -> Result<Exit> {
        let path = format!("/plugins/{}/versions/{}", escaped(&self.plugin), escaped(&self.hash));
        let removed: KeptVersion = self.gateway.gateway()?.delete(&path).await?;
        match self.json {
            true => output::json(&removed)?,
            false => output::line(format_args!("{} is removed", removed.hash))?,
        }
        Ok(Exit::Ok)
    }
}
