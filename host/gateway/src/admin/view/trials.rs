//! Versions of plugins on trial, and how they differ from the active ones.

use std::collections::BTreeMap;

pub use hookgate_model::trial::Part;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PluginVersion, Time};
pub use crate::trial::Against;
use crate::trial::Unjudged;

/// The active version of a source, and the one on trial.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Trial {
    /// The source.
    pub source: String,
    /// The active version.
    pub active: PluginVersion,
    /// The version on trial, if any.
    pub candidate: Option<PluginVersion>,
    /// How it is tried.
    pub mode: Option<TrialMode>,
    /// Of a canary: the share of deliveries that it judges, in percent.
    pub percent: Option<u8>,
    /// The results of this and earlier versions as a shadow, the most recent first.
    pub comparisons: Vec<Comparison>,
}

/// How a version is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialMode {
    /// It judges a share of the deliveries instead of the active version.
    Canary,
    /// It judges all deliveries beside the active version, without effect.
    Shadow,
}

/// The results of a version that judged beside the active one, as numbers of deliveries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The SHA-256 of its component, in hex.
    pub candidate: String,
    /// When the first was counted.
    pub since: Time,
    /// When the last was.
    pub last: Time,
    /// Judged by both versions.
    pub compared: u64,
    /// Of these, judged differently.
    pub differing: u64,
    /// The differing deliveries by part; a delivery may differ in several parts.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub parts: BTreeMap<Part, u64>,
    /// Skipped because too many deliveries waited for the version on trial.
    pub skipped_busy: u64,
    /// Skipped because of a large body.
    pub skipped_large: u64,
    /// Not judged because keys were not cached or the body could not be read.
    pub not_judged: u64,
}

/// A page of differences.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DifferenceList {
    /// The version that differs: the SHA-256 of its component, in hex. None if none was tried.
    pub candidate: Option<String>,
    /// The differences, newest first.
    pub differences: Vec<Difference>,
    /// Where the next page begins; none on the last one.
    pub next_page: Option<String>,
}

/// A difference between the verdicts of two versions on a delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// When the delivery was received.
    pub at: Time,
    /// Its trace.
    pub trace: String,
    /// Its first 20 events, if it was admitted.
    pub events: Vec<String>,
    /// The part of the answer that differs.
    pub part: Part,
    /// What differs.
    pub what: String,
    /// The value of the active version.
    pub before: String,
    /// The value of the version on trial.
    pub after: String,
}

/// What a version would have done with stored deliveries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PluginReplay {
    /// The source.
    pub source: String,
    /// The version that was tried.
    pub candidate: PluginVersion,
    /// The active version.
    pub active: PluginVersion,
    /// Deliveries that were judged.
    pub judged: u64,
    /// Of these, the number that differ from the recorded events or from the active version.
    pub differing: u64,
    /// Deliveries that could not be judged, by reason: `headers` (the version may read credentials that are not kept), `keys`
    /// (they are not cached), `body` (it cannot be read), `outdated` (neither version admits them now).
    #[schema(value_type = BTreeMap<String, u64>)]
    pub not_judged: BTreeMap<Unjudged, u64>,
    /// The comparison with the recorded events.
    pub recorded: Agreement,
    /// The comparison with the active version.
    pub at_work: Agreement,
    /// The first 100 differences, newest delivery first.
    pub differences: Vec<ReplayDifference>,
    /// Whether there are older deliveries, beyond the limit or the time.
    pub more: bool,
}

/// The result of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Agreement {
    /// Deliveries that were judged differently.
    pub differing: u64,
    /// The differing deliveries by part; a delivery may differ in several parts.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub parts: BTreeMap<Part, u64>,
}

/// A difference, with what was compared.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReplayDifference {
    /// What the version was compared with.
    pub against: Against,
    /// The difference.
    #[serde(flatten)]
    pub difference: Difference,
}
