//! Plugins and what they take.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The plugins in use.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginList {
    /// By name.
    pub plugins: Vec<PluginSummary>,
}

/// A plugin in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginSummary {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// `bundled`, the component's file, or `installed`.
    pub origin: String,
    /// The SHA-256 of its component, in hex.
    pub hash: String,
    /// `active`, or on trial as `canary` or `shadow`.
    #[serde(default)]
    pub role: String,
    /// The sources that use it.
    pub sources: Vec<String>,
}

/// A plugin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    /// As in the list.
    #[serde(flatten)]
    pub summary: PluginSummary,
    /// Bytes of its component.
    pub component_bytes: u64,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Whether it can sign as the provider does.
    pub signs: bool,
    /// Where the provider documents its scheme.
    pub documentation: Vec<String>,
    /// The secrets that it takes.
    pub secrets: Vec<SecretSpec>,
    /// The settings that it takes.
    pub settings: Vec<SettingSpec>,
    /// The headers that it reads.
    pub headers: Vec<String>,
    /// Patterns of the URLs with keys that it has the gateway fetch.
    pub key_urls: Vec<String>,
    /// Patterns of the URLs by which it confirms subscriptions.
    pub confirm_urls: Vec<String>,
}

/// A secret that a plugin takes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretSpec {
    /// `secrets.NAME` in the configuration.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// Whether the provider can hand it over in a handshake.
    pub handed_over: bool,
    /// What may stand in front of the key in its text; the gateway takes it off for the plugin.
    pub prefixes: Vec<String>,
    /// What it is.
    pub description: String,
}

/// A setting that a plugin takes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SettingSpec {
    /// `settings.NAME` in the configuration.
    pub name: String,
    /// What holds when it is not set.
    pub default: Option<String>,
    /// What it does.
    pub description: String,
}
