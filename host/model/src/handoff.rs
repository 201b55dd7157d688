//! Handoffs: the outputs of events on their way to destinations.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{event::EventId, ordering::OnFailure};

/// The pseudo-destination of events that could not be transformed. No destination may have this name.
pub const TRANSFORM: &str = "transform";

/// The pseudo-destination of events that came after their turn, where they are not to be delivered. No destination may
/// have this name.
pub const ORDERING: &str = "ordering";

/// How many attempts of a handoff are kept: the first ones; and of the others the latest ones.
pub const FIRST_ATTEMPTS: usize = 8;

/// One output of an event on its way to one destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HandoffId {
    /// The destination's name.
    pub destination: String,
    /// The event.
    pub event: EventId,
    /// Which of the event's CloudEvents.
    pub output: u16,
}

/// One try at handing an event to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began, in milliseconds since the epoch.
    pub at: u64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What went wrong, in words; none for a success.
    pub error: Option<String>,
}

/// Where a handoff stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandoffState {
    /// To be tried at that time: in milliseconds of the journal's clock for waiting (`Journal::wait_time`), which
    /// setting the system's clock does not touch. Lists for operators show it in milliseconds since the epoch.
    Pending(u64),
    /// Done at that time.
    Delivered(u64),
    /// Its attempts were spent, or it was refused for good, at that time.
    Dead(u64),
    /// It was dead, and an operator gave it up at that time.
    Discarded(u64),
    /// Since that time it waits for those before it in its strand.
    Waiting(u64),
}

impl HandoffState {
    /// Whether nothing is to be done for it any more.
    pub fn is_finished(self) -> bool {
        matches!(self, HandoffState::Delivered(_) | HandoffState::Discarded(_))
    }
}

/// A handoff with its whole history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// Where it stands.
    pub state: HandoffState,
    /// Every attempt, oldest first (bounded: the first [`FIRST_ATTEMPTS`] and the latest ones).
    pub attempts: Vec<Attempt>,
    /// Attempts since it was queued or redriven last; what the retry policy counts.
    pub tries: u32,
    /// Attempts that are not kept any more, between the first and the latest ones.
    pub left_out: u32,
    /// Its place in a strand, as long as it has one.
    pub place: Option<Place>,
}

/// The events of one ordering key of a source: at each destination their handoffs are a strand, and go out one after the
/// other in the order of fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strand {
    /// A hash of the source and the ordering key.
    pub hash: [u8; 16],
    /// What a dead letter means for the handoffs behind it.
    pub on_failure: OnFailure,
}

impl Strand {
    /// The strand of a source's ordering key.
    pub fn of(source: &str, ordering_key: &str, on_failure: OnFailure) -> Strand {
        let mut hash = Sha256::new();
        hash.update((source.len() as u64).to_be_bytes());
        hash.update(source);
        hash.update(ordering_key);
        let hash = hash.finalize().first_chunk().copied().unwrap_or_default();
        Strand { hash, on_failure }
    }
}

/// The place of a handoff in a strand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The hash of the strand.
    pub strand: [u8; 16],
    /// One more than that of the handoff before it.
    pub number: u64,
    /// Whether it keeps its place as a dead letter, so that those behind it go on waiting.
    pub blocks: bool,
}

impl Place {
    /// Whether a handoff in that state keeps its place.
    pub fn is_kept(&self, state: HandoffState) -> bool {
        match state {
            HandoffState::Pending(_) | HandoffState::Waiting(_) => true,
            HandoffState::Dead(_) => self.blocks,
            HandoffState::Delivered(_) | HandoffState::Discarded(_) => false,
        }
    }
}

/// How things stand around a handoff that has a place in a strand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The first of the strand; all others wait for it.
    pub first: HandoffId,
    /// How many go before the handoff.
    pub before: u64,
    /// How many wait for it.
    pub behind: u64,
}

/// Where an event stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// It waits to be transformed and routed.
    Waiting,
    /// It waits for its turn among the events of its ordering key.
    Held,
    /// A handoff waits for an attempt or for its turn, and none is dead.
    Pending,
    /// A handoff is dead, or the event could not be transformed.
    Dead,
    /// Every handoff has arrived or was discarded.
    Delivered,
    /// It matched no route.
    Unrouted,
    /// It was late and is not delivered.
    Dropped,
}

impl EventState {
    /// Of an event with these handoffs that is neither held nor in the inbox.
    pub fn of<'h>(handoffs: impl Iterator<Item = (&'h HandoffId, HandoffState)>) -> EventState {
        let handoffs: Vec<_> = handoffs.collect();
        let any = |wanted: fn(&HandoffState) -> bool| handoffs.iter().any(|(_, state)| wanted(state));
        let is_dropped = |(id, state): &(&HandoffId, HandoffState)| {
            id.destination == ORDERING && matches!(state, HandoffState::Discarded(_))
        };
        if any(|state| matches!(state, HandoffState::Dead(_))) {
            EventState::Dead
        } else if any(|state| matches!(state, HandoffState::Pending(_) | HandoffState::Waiting(_))) {
            EventState::Pending
        } else if handoffs.is_empty() {
            EventState::Unrouted
        } else if handoffs.iter().all(is_dropped) {
            EventState::Dropped
        } else {
            EventState::Delivered
        }
    }
}
