//! Secrets that were handed over.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// The secrets that providers have handed over.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecretList {
    /// By name.
    pub sources: Vec<SourceSecrets>,
}

/// The secrets of a source.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceSecrets {
    /// Its name.
    pub source: String,
    /// Until when it accepts further secrets; missing if it accepts none except a first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_until: Option<Time>,
    /// What is kept, newest first.
    pub secrets: Vec<HandedOverSecret>,
}

/// A secret that was handed over, without its value.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HandedOverSecret {
    /// Its name.
    pub secret: String,
    /// Identifies it among those of that name.
    pub version: String,
    /// When it was handed over.
    pub handed_over_at: Time,
}

/// Lets a source accept further secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OpenOrder {
    /// Its name.
    pub source: String,
    /// For how long; 600 by default.
    #[schema(minimum = 1, maximum = 86400)]
    pub seconds: Option<u64>,
}

/// A source that accepts further secrets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Opened {
    /// Its name.
    pub source: String,
    /// Until then.
    pub open_until: Time,
}

/// Which secrets to forget: `versions` or `all`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForgetOrder {
    /// The source's name.
    pub source: String,
    /// These.
    pub versions: Vec<String>,
    /// All secrets of the source.
    pub all: bool,
}

/// The result of forgetting secrets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Forgotten {
    /// How many.
    pub forgotten: usize,
}
