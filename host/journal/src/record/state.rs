//! What the journal knows of itself: counters and marks, written with every batch.

use std::{collections::BTreeMap, ops::Neg};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    engine::{self, Batch, Engine, Space},
    record::{self, Record, keys},
    types::JournalError,
};

/// Meta keys.
pub(crate) const STATE: &[u8] = b"s";
const DESTINATION: u8 = b'd';
const HELD: u8 = b'h';

/// The counters and marks of the whole store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Of the last batch; grows by one.
    pub(crate) batch: u64,
    /// The batch that last wrote to each space, by the space's number.
    pub(crate) spaces: [u64; Space::COUNT],
    /// Commits with something new in them, since the store was made.
    pub(crate) commits: u64,
    /// The highest id of a delivery; ids that are given out are above it.
    pub(crate) last: Uuid,
    /// Every delivery up to this id has come to the end of its retention; those not finished then are left.
    pub(crate) retained: Uuid,
    /// Events in the inbox.
    pub(crate) inbox: u64,
    /// Deliveries kept.
    pub(crate) deliveries: u64,
    /// Idempotency keys, expired ones that are not yet swept included.
    pub(crate) keys: u64,
    /// Tickets given out. They number what comes into the inbox.
    pub(crate) tickets: u64,
    /// The time that held events wait by, in milliseconds: it passes only while the store is open.
    pub(crate) hold_time: u64,
}

impl Record for State {
    const KIND: &'static str = "state";
}

/// The counters of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Handoffs in its queue, or behind those in their strands.
    pub(crate) queued: u64,
    /// Its dead letters.
    pub(crate) dead: u64,
    /// How many of the queued handoffs wait for another one of their strand.
    pub(crate) waiting: u64,
    /// How many of its dead letters block a strand.
    pub(crate) blocking: u64,
}

impl Counts {
    fn apply(&mut self, change: &Change) {
        self.queued = self.queued.saturating_add_signed(change.queued);
        self.dead = self.dead.saturating_add_signed(change.dead);
        self.waiting = self.waiting.saturating_add_signed(change.waiting);
        self.blocking = self.blocking.saturating_add_signed(change.blocking);
    }
}

impl Record for Counts {
    const KIND: &'static str = "counters of the destination";
}

/// How many events of a source are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldCount(pub(crate) u64);

impl Record for HeldCount {
    const KIND: &'static str = "count of held events of the source";
}

/// All counters, as they are in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) state: State,
    pub(crate) destinations: BTreeMap<String, Counts>,
    /// Held events, by source.
    pub(crate) held: BTreeMap<String, HeldCount>,
}

/// What a group of writes changes of the [`Books`].
#[derive(Debug, Default)]
pub(crate) struct Delta {
    pub(crate) commits: u64,
    pub(crate) last: Option<Uuid>,
    pub(crate) retained: Option<Uuid>,
    pub(crate) inbox: i64,
    pub(crate) deliveries: i64,
    pub(crate) keys: i64,
    pub(crate) destinations: BTreeMap<String, Change>,
    pub(crate) tickets: u64,
    pub(crate) hold_time: u64,
    pub(crate) held: BTreeMap<String, i64>,
}

/// What changes of the [`Counts`] of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) queued: i64,
    pub(crate) dead: i64,
    pub(crate) waiting: i64,
    pub(crate) blocking: i64,
}

impl Neg for Change {
    type Output = Change;

    fn neg(self) -> Change {
        Change { queued: -self.queued, dead: -self.dead, waiting: -self.waiting, blocking: -self.blocking }
    }
}

impl Delta {
    pub(crate) fn change(&mut self, destination: &str, by: Change) {
        if by == Change::default() {
            return;
        }
        let change = self.destinations.entry(destination.to_owned()).or_default();
        change.queued += by.queued;
        change.dead += by.dead;
        change.waiting += by.waiting;
        change.blocking += by.blocking;
    }

    pub(crate) fn held(&mut self, source: &str, by: i64) {
        match self.held.get_mut(source) {
            Some(held) => *held += by,
            None => _ = self.held.insert(source.to_owned(), by),
        }
    }

    /// Adds what came after.
    pub(crate) fn absorb(&mut self, later: Delta) {
        self.commits += later.commits;
        self.last = self.last.max(later.last);
        self.retained = later.retained.or(self.retained);
        self.inbox += later.inbox;
        self.deliveries += later.deliveries;
        self.keys += later.keys;
        for (name, change) in later.destinations {
            self.change(&name, change);
        }
        self.tickets += later.tickets;
        self.hold_time = self.hold_time.max(later.hold_time);
        for (source, by) in later.held {
            self.held(&source, by);
        }
    }
}

impl State {
    /// Under which keys destinations have their counters.
    pub(crate) fn destination_keys(engine: &dyn Engine) -> Result<Vec<Vec<u8>>, JournalError> {
        counter_keys(engine, DESTINATION)
    }

    /// Under which keys the held events of sources are counted.
    pub(crate) fn held_keys(engine: &dyn Engine) -> Result<Vec<Vec<u8>>, JournalError> {
        counter_keys(engine, HELD)
    }
}

fn counter_keys(engine: &dyn Engine, of: u8) -> Result<Vec<Vec<u8>>, JournalError> {
    engine::collect(engine, Space::Meta, &keys::prefix(vec![of]), usize::MAX, |key| Some(key.to_vec()))
}

fn held_key(source: &str) -> Vec<u8> {
    [&[HELD], source.as_bytes()].concat()
}

fn destination_key(name: &str) -> Vec<u8> {
    [&[DESTINATION], name.as_bytes()].concat()
}

impl Books {
    /// Reads them from a store; `None` when it has none yet.
    pub(crate) fn load(engine: &dyn Engine) -> Result<Option<Books>, JournalError> {
        let Some(bytes) = engine.get(Space::Meta, STATE)? else { return Ok(None) };
        let mut books = Books { state: record::read(&bytes, &"of the store")?, ..Books::default() };
        for key in State::destination_keys(engine)? {
            let name = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
            if let Some(bytes) = engine.get(Space::Meta, &key)? {
                books.destinations.insert(name.clone(), record::read(&bytes, &name)?);
            }
        }
        for key in State::held_keys(engine)? {
            let source = String::from_utf8_lossy(key.get(1..).unwrap_or_default()).into_owned();
            if let Some(bytes) = engine.get(Space::Meta, &key)? {
                books.held.insert(source.clone(), record::read(&bytes, &source)?);
            }
        }
        Ok(Some(books))
    }

    /// Puts the counters of every destination into a batch.
    pub(crate) fn write_destinations(&self, batch: &mut Batch) -> Result<(), JournalError> {
        for (name, counts) in &self.destinations {
            batch.put(Space::Meta, destination_key(name), record::write(counts)?);
        }
        Ok(())
    }

    /// What a batch makes of the books. The batch gets that as its last writes. It costs only what the batch changes.
    pub(crate) fn next(&self, delta: &Delta, batch: &mut Batch) -> Result<Entry, JournalError> {
        let mut entry = Entry { state: self.state.clone(), destinations: Vec::new(), held: Vec::new() };
        for (name, change) in &delta.destinations {
            let mut counts = self.destinations.get(name).copied().unwrap_or_default();
            counts.apply(change);
            note(batch, destination_key(name), &counts)?;
            entry.destinations.push((name.clone(), counts));
        }
        for (source, by) in &delta.held {
            let mut held = self.held.get(source).copied().unwrap_or_default();
            held.0 = held.0.saturating_add_signed(*by);
            note(batch, held_key(source), &held)?;
            entry.held.push((source.clone(), held));
        }
        let state = &mut entry.state;
        state.batch += 1;
        state.commits += delta.commits;
        state.last = state.last.max(delta.last.unwrap_or_default());
        state.retained = delta.retained.unwrap_or(state.retained);
        state.inbox = state.inbox.saturating_add_signed(delta.inbox);
        state.deliveries = state.deliveries.saturating_add_signed(delta.deliveries);
        state.keys = state.keys.saturating_add_signed(delta.keys);
        state.tickets += delta.tickets;
        state.hold_time = state.hold_time.max(delta.hold_time);
        for (space, _) in batch.writes.keys() {
            state.spaces[*space as usize] = state.batch;
        }
        state.spaces[Space::Meta as usize] = state.batch;
        batch.put(Space::Meta, STATE.to_vec(), record::write(state)?);
        Ok(entry)
    }

    /// Enters a batch that the engine has applied.
    pub(crate) fn enter(&mut self, entry: &Entry) {
        self.state.clone_from(&entry.state);
        entry.destinations.iter().for_each(|(name, counts)| keep(&mut self.destinations, name, *counts));
        entry.held.iter().for_each(|(source, held)| keep(&mut self.held, source, *held));
    }
}

/// What a batch changes of the [`Books`].
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) state: State,
    destinations: Vec<(String, Counts)>,
    held: Vec<(String, HeldCount)>,
}

/// Puts a counter into a batch; one without a count is not kept.
fn note<C: Record + Default + PartialEq>(batch: &mut Batch, key: Vec<u8>, count: &C) -> Result<(), JournalError> {
    if *count == C::default() {
        batch.delete(Space::Meta, key);
    } else {
        batch.put(Space::Meta, key, record::write(count)?);
    }
    Ok(())
}

fn keep<C: Default + PartialEq>(counters: &mut BTreeMap<String, C>, name: &str, count: C) {
    if count == C::default() {
        counters.remove(name);
    } else if let Some(counter) = counters.get_mut(name) {
        *counter = count;
    } else {
        counters.insert(name.to_owned(), count);
    }
}
