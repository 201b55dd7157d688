//! Versions of plugins that are tried, and in what they differ from the active ones.

use std::collections::BTreeMap;

pub use hookgate_model::trial::Part;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PluginVersion, Time};
pub use crate::trial::Against;
use crate::trial::Unjudged;

/// What judges the deliveries of a source, and what is tried beside it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Trial {
    /// The source.
    pub source: String,
    /// The active version.
    pub active: PluginVersion,
    /// The version on trial; none when none is.
    pub candidate: Option<PluginVersion>,
    /// How it is tried.
    pub mode: Option<TrialMode>,
    /// Of a canary: the share of deliveries that it judges, in percent.
    pub percent: Option<u8>,
    /// What was found as a shadow: of this version and of those before it, the one that was counted last first.
    pub comparisons: Vec<Comparison>,
}

/// How a version is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrialMode {
    /// It judges a share of the deliveries in place of the active one.
    Canary,
    /// It judges all of them beside the active one, without effect.
    Shadow,
}

/// What was counted of a version that judged beside the active one. Deliveries throughout.
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
    /// The same by part; one delivery may differ in several.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub parts: BTreeMap<Part, u64>,
    /// Not judged by the version on trial since too many waited for it.
    pub skipped_busy: u64,
    /// Not judged by it since their bodies are too large.
    pub skipped_large: u64,
    /// It could not judge them: keys that are not at hand, a body that cannot be read.
    pub not_judged: u64,
}

/// A page of differences.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DifferenceList {
    /// The version that differs: the SHA-256 of its component, in hex. None when none was tried.
    pub candidate: Option<String>,
    /// The differences, newest first.
    pub differences: Vec<Difference>,
    /// Where the next page begins; none on the last one.
    pub next_page: Option<String>,
}

/// Something that two versions say differently of a delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// When the delivery was received.
    pub at: Time,
    /// Its trace.
    pub trace: String,
    /// Its events, where it was admitted; of many the first 20.
    pub events: Vec<String>,
    /// In what part of the answer.
    pub part: Part,
    /// In what.
    pub what: String,
    /// As the active version says it.
    pub before: String,
    /// As the version on trial says it.
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
    /// Of these, those that differ from what is recorded or from what the active version says.
    pub differing: u64,
    /// Deliveries that could not be judged, by why: `headers` (it may read credentials that are not kept), `keys` (they
    /// are not at hand), `body` (it cannot be read), `outdated` (neither version admits them now).
    #[schema(value_type = BTreeMap<String, u64>)]
    pub not_judged: BTreeMap<Unjudged, u64>,
    /// Compared with the events that are kept.
    pub recorded: Agreement,
    /// Compared with what the active version says now.
    pub at_work: Agreement,
    /// The first 100 differences, newest delivery first.
    pub differences: Vec<ReplayDifference>,
    /// Whether there are older deliveries that the limit or the time did not allow.
    pub more: bool,
}

/// How far two say the same.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Agreement {
    /// Deliveries that were judged differently.
    pub differing: u64,
    /// The same by part; one delivery may differ in several.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub parts: BTreeMap<Part, u64>,
}

/// A difference, and from what.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReplayDifference {
    /// From what the version differs.
    pub against: Against,
    /// In what.
    #[serde(flatten)]
    pub difference: Difference,
}
