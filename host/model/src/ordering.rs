//! How the events of a source are put in order.

use std::time::Duration;

use strum::{EnumString, VariantNames};

use crate::limits;

/// How events of one ordering key are kept in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceOrdering {
    /// How long an event with a time is held.
    pub window: Duration,
    /// How long an event waits for missing numbers.
    pub gap_timeout: Duration,
    /// What becomes of an event that comes after its turn.
    pub late: Late,
    /// Events of one key that are held at most.
    pub per_key: u64,
    /// Events of the source that are held at most.
    pub per_source: u64,
    /// How far the time of an event may lie ahead of its receipt.
    pub ahead: Duration,
    /// How long a key is remembered after its last event.
    pub memory: Duration,
    /// What a dead letter means for the events behind it.
    pub on_failure: OnFailure,
}

impl Default for SourceOrdering {
    /// As `ordering = {}`.
    fn default() -> SourceOrdering {
        let time = |range: &limits::Range| Duration::from_millis(range.default);
        SourceOrdering {
            window: time(&limits::ORDERING_WINDOW_MS),
            gap_timeout: time(&limits::ORDERING_GAP_TIMEOUT_MS),
            late: Late::Deliver,
            per_key: limits::ORDERING_PER_KEY.default,
            per_source: limits::ORDERING_PER_SOURCE.default,
            ahead: time(&limits::ORDERING_AHEAD_MS),
            memory: time(&limits::ORDERING_MEMORY_MS),
            on_failure: OnFailure::Continue,
        }
    }
}

/// What becomes of an event that comes after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Late {
    /// It is delivered, marked.
    #[default]
    Deliver,
    /// It becomes a dead letter.
    DeadLetter,
    /// It is kept and goes nowhere.
    Drop,
}

/// What a dead letter means for the events of its ordering key that come behind it at the same destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum OnFailure {
    /// They go on without it.
    #[default]
    Continue,
    /// They wait until it has been redriven and delivered, or discarded.
    Block,
}
