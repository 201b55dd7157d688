//! Versions of plugins, and orders about them.

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
    /// The plugin of which it is a version.
    pub plugin: String,
    /// The version in its descriptor.
    pub version: String,
    /// Bytes of its component.
    pub component_bytes: u64,
    /// When it was installed.
    pub installed_at: Time,
    /// Who installed it: `admin API`, `directory` or `configuration`.
    pub installed_by: String,
    /// The id of the key that signed it; none if it is not signed.
    pub signed_by: Option<String>,
    /// Whether a source runs it, tries it, or would roll back to it; otherwise it can be removed.
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
    /// The version in its descriptor.
    pub version: String,
    /// Of a canary, of how many of a hundred deliveries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

/// How to install a component.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InstallQuery {
    /// `now` (the default), `canary:10` for ten of a hundred deliveries, `shadow`, or `no`.
    pub activate: Option<String>,
    /// For this source only; otherwise for all that name the plugin.
    pub source: Option<String>,
    /// The plugin of which it is a version; by default the name in its descriptor.
    pub plugin: Option<String>,
    /// Install it even if it judges recorded deliveries differently.
    pub despite_recorded: bool,
}

/// A version that was installed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InstalledVersion {
    /// The version.
    pub version: KeptVersion,
    /// The number of its own conformance vectors, all of which it has passed.
    pub vectors: usize,
    /// The number of recorded deliveries that it judges as before.
    pub recorded: usize,
    /// The number of recorded deliveries that no version could judge again.
    pub recorded_skipped: usize,
}

/// Which version is to be activated: exactly one of `hash` and `bundled`, and at most one of `canary` and `shadow`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActivateOrder {
    /// The hash of the version, or its beginning (at least eight digits).
    pub hash: Option<String>,
    /// The version that is embedded in the gateway.
    pub bundled: bool,
    /// For this source only.
    pub source: Option<String>,
    /// Try it on this share of deliveries, in percent.
    pub canary: Option<u8>,
    /// Try it on every delivery, without effect.
    pub shadow: bool,
}

/// The source of an order.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SourceOrder {
    /// For this source only; else for all that name the plugin.
    pub source: Option<String>,
}

/// The versions after a change.
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

/// The history of versions of plugins.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionHistory {
    /// Newest first.
    pub entries: Vec<VersionHistoryEntry>,
}

/// An entry of the history.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionHistoryEntry {
    /// When.
    pub at: Time,
    /// The plugin; `?` if a component was refused before its name was known.
    pub plugin: String,
    /// `installed`, `refused`, `activated`, `rolled-back`, `trial-begun`, `trial-ended` or `removed`.
    pub event: String,
    /// The SHA-256 of the component, in hex; none for the plugin of the configuration.
    pub hash: Option<String>,
    /// The source, if the entry is about one.
    pub source: Option<String>,
    /// Who did it: `admin API`, `directory` or `configuration`.
    pub by: String,
    /// Why, or how.
    pub reason: Option<String>,
}
