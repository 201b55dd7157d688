//! The figures of the store, for operators.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{
    Journal, read,
    record::{ids, state::Counts},
    types::JournalError,
    write::Health,
};

/// The oldest handoff of a queue is looked for among this many, the ones that were admitted first.
const OLDEST_AMONG: usize = 256;

/// The figures of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// How the store does.
    pub health: Health,
    /// Deliveries kept.
    pub deliveries: u64,
    /// Idempotency keys kept.
    pub keys: u64,
    /// Events that wait to be transformed and routed.
    pub inbox: u64,
    /// When the first of them was admitted, in milliseconds since the epoch.
    pub inbox_oldest: Option<u64>,
    /// Events that wait for their turn, by source; sources with none are left out.
    pub held: BTreeMap<String, u64>,
    /// By destination; destinations with nothing queued or dead are left out.
    pub destinations: BTreeMap<String, DestinationStats>,
    /// Bytes on disk, roughly.
    pub size: u64,
}

/// The figures of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DestinationStats {
    /// Handoffs in its queue, or waiting behind them in their strands.
    pub queued: u64,
    /// Its dead letters.
    pub dead: u64,
    /// How many of the queued handoffs wait for another one of their strand.
    pub waiting: u64,
    /// How many of its dead letters block a strand.
    pub blocking: u64,
    /// How long the oldest queued handoff has been waiting, looked for among the 256 that were admitted first.
    pub oldest: Option<Duration>,
}

impl Journal {
    /// The figures of the store. The counters are kept up to date; nothing is counted for this.
    pub fn stats(&self) -> Result<Stats, JournalError> {
        let shared = &self.0.shared;
        let engine = shared.engine()?;
        let books = shared.books().clone();
        let mut destinations = BTreeMap::new();
        for (name, counts) in &books.destinations {
            let since = read::waiting_since(shared, name, OLDEST_AMONG)?.into_iter().min();
            let oldest = since.map(|since| Duration::from_millis(shared.hold_clock.now().saturating_sub(since)));
            let Counts { queued, dead, waiting, blocking } = *counts;
            destinations.insert(name.clone(), DestinationStats { queued, dead, waiting, blocking, oldest });
        }
        let oldest = self.inbox(None, 1)?;
        Ok(Stats {
            health: shared.health(),
            deliveries: books.state.deliveries,
            keys: books.state.keys,
            inbox: books.state.inbox,
            held: books.held.iter().map(|(source, held)| (source.clone(), held.0)).collect(),
            inbox_oldest: oldest.first().map(|waiting| ids::time_of(waiting.event.delivery)),
            destinations,
            size: engine.size(),
        })
    }
}
