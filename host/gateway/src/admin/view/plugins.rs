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
    /// The version in its descriptor.
    pub version: String,
    /// A one-line description.
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
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// Whether it can sign as the provider does.
    pub signs: bool,
    /// The provider's documentation of its scheme.
    pub documentation: Vec<String>,
    /// The secrets that it uses.
    pub secrets: Vec<SecretSpec>,
    /// The settings that it has.
    pub settings: Vec<SettingSpec>,
    /// The headers that it reads.
    pub headers: Vec<String>,
    /// Patterns of the URLs of keys that the gateway fetches for it.
    pub key_urls: Vec<String>,
    /// Patterns of the URLs by which it confirms subscriptions.
    pub confirm_urls: Vec<String>,
}

/// A secret of a plugin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretSpec {
    /// `secrets.NAME` in the configuration.
    pub name: String,
    /// Whether it is required.
    pub required: bool,
    /// Whether the provider can hand it over in a handshake.
    pub handed_over: bool,
    /// Prefixes that its text may have before the key; the gateway removes them.
    pub prefixes: Vec<String>,
    /// A description.
    pub description: String,
}

/// A setting of a plugin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SettingSpec {
    /// `settings.NAME` in the configuration.
    pub name: String,
    /// The default value.
    pub default: Option<String>,
    /// What it does.
    pub description: String,
}
