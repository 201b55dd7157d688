//! `hookgate plugin versions`, `history`, `remove`

use anyhow::Result;
use clap::Args;
use hookgate_gateway::admin::view::{KeptVersion, VersionHistory, VersionList};

use crate::cli::{
    Exit,
    gateway::{GatewayArgs, escaped},
    output::{Table, or_dash},
};

/// List the stored versions of a plugin
///
/// Example:
///   hookgate plugin versions stripe
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Versions {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The plugin, as sources call it
    plugin: String,
}

/// Show the history of versions of plugins: what was done when, by whom, and why a version was refused
///
/// Examples:
///   hookgate plugin history stripe
///   hookgate plugin history --json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct History {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The plugin, as sources call it; by default all plugins
    plugin: Option<String>,
}

/// Remove a version that no source runs, tries, or would roll back to
///
/// Example:
///   hookgate plugin remove stripe 3f2a91c04b7d
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Remove {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// The plugin, as sources call it
    plugin: String,
    /// Its hash, or the beginning of it (at least eight digits)
    hash: String,
}

impl Versions {
    pub async fn run(self) -> Result<Exit> {
        self.gateway.show(&format!("/plugins/{}/versions", escaped(&self.plugin)), &[], versions).await
    }
}

fn versions(list: &VersionList) -> Table {
    let mut table = Table::new(["HASH", "VERSION", "INSTALLED", "BY", "SIGNED BY", "ACTIVE FOR"]);
    for version in &list.versions {
        table.row([
            version.hash.clone(),
            version.version.clone(),
            version.installed_at.to_string(),
            version.installed_by.clone(),
            or_dash(version.signed_by.as_ref()),
            works_for(version),
        ]);
    }
    table
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
        self.gateway.show(&path, &[], history).await
    }
}

fn history(history: &VersionHistory) -> Table {
    let mut table = Table::new(["AT", "PLUGIN", "EVENT", "HASH", "SOURCE", "BY", "REASON"]);
    for entry in &history.entries {
        let hash = entry.hash.as_ref().map(|hash| hash.chars().take(12).collect::<String>());
        table.row([
            entry.at.to_string(),
            entry.plugin.clone(),
            entry.event.clone(),
            or_dash(hash),
            or_dash(entry.source.as_ref()),
            entry.by.clone(),
            or_dash(entry.reason.as_ref()),
        ]);
    }
    table
}

impl Remove {
    pub async fn run(self) -> Result<Exit> {
        let path = format!("/plugins/{}/versions/{}", escaped(&self.plugin), escaped(&self.hash));
        let removed: KeptVersion = self.gateway.gateway()?.delete(&path).await?;
        self.gateway.format.print(&removed, |removed| format!("{} is removed", removed.hash))?;
        Ok(Exit::Ok)
    }
}
