//! Versions of plugins and what is done with them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Time;

/// The versions that are kept of a plugin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionList {
    /// Newest first.
    pub versions: Vec<KeptVersion>,
}

/// A version of a plugin whose component is kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeptVersion {
    /// The SHA-256 of its component, in hex.
    pub hash: String,
    /// The plugin that it is a version of.
    pub plugin: String,
    /// What it calls its version itself.
    pub version: String,
    /// Bytes of its component.
    pub component_bytes: u64,
    /// When it was installed.
    pub installed_at: Time,
    /// By whom: `admin API`, `directory` or `configuration`.
    pub installed_by: String,
    /// The id of the key that has signed it; none when it is not signed.
    pub signed_by: Option<String>,
    /// Whether a source runs it, tries it, or would roll back to it; it can be removed when not.
    pub needed: bool,
    /// The sources for which it is active now.
    pub works_for: Vec<VersionUse>,
}

/// A source, and how it uses a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionUse {
    /// The source.
    pub source: String,
    /// `active`, `canary` or `shadow`.
    pub role: String,
    /// Of a canary, of how many of a hundred deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// An active version of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunningVersion {
    /// `active`, `canary` or `shadow`.
    pub role: String,
    /// The SHA-256 of its component, in hex.
    pub hash: String,
    /// What it calls its version itself.
    pub version: String,
    /// Of a canary, of how many of a hundred deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// What is to be done with a component.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InstallQuery {
    /// `now` (when it is left out), `canary:10` for ten of a hundred deliveries, `shadow`, or `no`.
    pub activate: Option<String>,
    /// For this source only; else for all that name the plugin.
    pub source: Option<String>,
    /// The plugin that it is a version of; else as it calls itself.
    pub plugin: Option<String>,
    /// Take it although it judges recorded deliveries otherwise.
    pub despite_recorded: bool,
}

/// A version that was installed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InstalledVersion {
    /// The version.
    pub version: KeptVersion,
    /// Its own conformance vectors, all of which it has passed.
    pub vectors: usize,
    /// Recorded deliveries that it judges as they were judged before.
    pub recorded: usize,
    /// Recorded deliveries that could not be judged again by any version.
    pub recorded_skipped: usize,
}

/// Which version is to be activated: exactly one of `hash` and `bundled`, and at most one of `canary` and `shadow`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActivateOrder {
    /// That of this hash, or of the beginning of one (eight digits at least).
    pub hash: Option<String>,
    /// The one that is embedded in the gateway.
    pub bundled: bool,
    /// For this source only.
    pub source: Option<String>,
    /// On trial: the share of deliveries that it judges, in percent.
    pub canary: Option<u8>,
    /// On trial: it sees every delivery, without effect.
    pub shadow: bool,
}

/// For which source.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SourceOrder {
    /// For this source only; else for all that name the plugin.
    pub source: Option<String>,
}

/// What is active now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Moved {
    /// The sources, each with its versions.
    pub sources: Vec<SourceVersions>,
}

/// A source with its active version and the one on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceVersions {
    /// The source.
    pub source: String,
    /// The active one first.
    pub versions: Vec<RunningVersion>,
}

/// What was done with versions of plugins.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionHistory {
    /// Newest first.
    pub entries: Vec<VersionHistoryEntry>,
}

/// Something that was done with a version.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionHistoryEntry {
    /// When.
    pub at: Time,
    /// The plugin; `?` where a component was refused before it said.
    pub plugin: String,
    /// `installed`, `refused`, `activated`, `rolled-back`, `trial-begun`, `trial-ended` or `removed`.
    pub event: String,
    /// The SHA-256 of the component, in hex; none for what the configuration gives.
    pub hash: Option<String>,
    /// The source, where it is about one.
    pub source: Option<String>,
    /// Who did it: `admin API`, `directory` or `configuration`.
    pub by: String,
    /// Why, or how.
    pub reason: Option<String>,
}
