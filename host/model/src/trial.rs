//! Versions of plugins on trial, and in what they differ from the active ones.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// How a version is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum TrialMode {
    /// It judges that percentage of the deliveries in place of the active one.
    Canary(u8),
    /// It sees every delivery beside the active one, and its answers have no effect.
    Shadow,
}

impl TrialMode {
    /// One word for it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The parts of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[strum(serialize_all = "kebab-case")]
pub enum Part {
    /// Whether the delivery is admitted, answered or refused, and as what.
    Verdict,
    /// Who its events are, and how many.
    Identity,
    /// Their ordering keys and positions.
    Ordering,
    /// The bytes that are their own.
    Payload,
    /// What the provider is answered.
    Reply,
    /// The CloudEvents that are made of them.
    Output,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 6] =
        [Part::Verdict, Part::Identity, Part::Ordering, Part::Payload, Part::Reply, Part::Output];

    /// One word, as in metrics.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// One difference between the answers of two versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where.
    pub part: Part,
    /// What it is: `event 0: id`.
    pub what: String,
    /// The answer of the first version, cut where it is long.
    pub before: String,
    /// The answer of the other version.
    pub after: String,
}
