//! The writes of one request, on top of the writes that already wait in the same batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use uuid::Uuid;

use crate::{
    engine::{Batch, Direction, Engine, KeyRange, Space},
    record::{
        keys,
        state::{Books, Delta},
    },
    reorder::OrderingNotice,
    types::JournalError,
    write::heads::Heads,
};

/// A key and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// What a request reads and writes. Dropped, it leaves nothing behind.
pub(crate) struct Draft<'a> {
    engine: &'a dyn Engine,
    group: &'a Group,
    books: &'a Books,
    heads: &'a Heads,
    /// The time of the batch, in milliseconds since the epoch.
    pub(crate) now: u64,
    /// The same by the clock that held events wait by.
    pub(crate) hold_now: u64,
    /// The writes so far.
    pub(crate) writes: Batch,
    /// The counters so far.
    pub(crate) delta: Delta,
    /// Which tasks to wake.
    pub(crate) wakes: Wakes,
    /// What became of events with an ordering key.
    pub(crate) notices: Vec<OrderingNotice>,
    /// A power cut may take the writes: the reply does not depend on them.
    pub(crate) may_be_lost: bool,
}

/// Which waiting tasks to wake once a batch is applied.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    /// The inbox has grown.
    pub(crate) inbox: bool,
    /// The queues of these destinations have grown.
    pub(crate) queues: BTreeSet<String>,
    /// The first time at which an event that is newly held is due.
    pub(crate) held_until: Option<u64>,
}

/// The requests that become one batch.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) batch: Batch,
    pub(crate) delta: Delta,
    pub(crate) wakes: Wakes,
    pub(crate) notices: Vec<OrderingNotice>,
}

/// What the drafts of one batch read: the store as it was before the batch, and the time of the batch.
#[derive(Clone, Copy)]
pub(crate) struct ReadView<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) books: &'a Books,
    pub(crate) heads: &'a Heads,
    pub(crate) now: u64,
    pub(crate) hold_now: u64,
}

impl<'a> Draft<'a> {
    /// Makes a delivery part of the journal.
    pub(crate) fn put_delivery(&mut self, delivery: Uuid, encoded: Vec<u8>) {
        self.writes.put(Space::Deliveries, keys::delivery(delivery), encoded);
        self.delta.deliveries += 1;
        self.delta.commits += 1;
        self.delta.last = Some(delivery);
    }

    pub(crate) fn new(view: ReadView<'a>, group: &'a Group) -> Self {
        let ReadView { engine, books, heads, now, hold_now } = view;
        Draft {
            engine,
            group,
            books,
            heads,
            now,
            hold_now,
            writes: Batch::default(),
            delta: Delta::default(),
            wakes: Wakes::default(),
            notices: Vec::new(),
            may_be_lost: false,
        }
    }

    /// A value as it will be when all that came before is applied.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let name = (space, key.to_vec());
        match self.writes.writes.get(&name).or_else(|| self.group.batch.writes.get(&name)) {
            Some(written) => Ok(written.clone()),
            None => Ok(self.engine.get(space, key)?),
        }
    }

    /// The first `limit` entries of a range as they will be when all that came before is applied.
    pub(crate) fn page(&self, space: Space, range: &KeyRange, limit: usize) -> Result<Vec<Pair>, JournalError> {
        Ok(self.merged(space, range, &range.from, limit)?.0)
    }

    /// [`Draft::page`] of a range that is worked off from its front; `of` is what all its keys begin with.
    pub(crate) fn front_page(&self, space: Space, of: Vec<u8>, limit: usize) -> Result<Vec<Pair>, JournalError> {
        let range = keys::prefix(of.clone());
        let mut raised = range.clone();
        let look = self.heads.start(space, of, &mut raised);
        let (page, first) = self.merged(space, &range, &raised.from, limit)?;
        self.heads.seen(look, first.unwrap_or(raised.to));
        Ok(page)
    }

    /// The entries, and the first key that the engine has at `stored_from` or above.
    fn merged(
        &self,
        space: Space,
        range: &KeyRange,
        stored_from: &[u8],
        limit: usize,
    ) -> Result<(Vec<Pair>, Option<Vec<u8>>), JournalError> {
        let mut written: BTreeMap<&[u8], Option<&Vec<u8>>> = BTreeMap::new();
        for batch in [&self.group.batch, &self.writes] {
            let (from, to) = ((space, range.from.clone()), (space, range.to.clone()));
            written.extend(batch.writes.range(from..to).map(|((_, key), value)| (key.as_slice(), value.as_ref())));
        }
        let (mut page, mut first) = (Vec::new(), None);
        let stored = KeyRange { from: stored_from.to_vec(), to: range.to.clone() };
        self.engine.scan(space, &stored, Direction::Forward, &mut |key, value| {
            first.get_or_insert_with(|| key.to_vec());
            if !written.contains_key(key) {
                page.push((key.to_vec(), value.to_vec()));
            }
            if page.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let there = written.into_iter().filter_map(|(key, value)| Some((key.to_vec(), value?.clone())));
        page.extend(there);
        page.sort();
        page.truncate(limit);
        Ok((page, first))
    }

    /// A number above every one before it.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.delta.tickets += 1;
        self.books.state.tickets + self.group.delta.tickets + self.delta.tickets
    }

    /// How many events of a source are held.
    pub(crate) fn held_of(&self, source: &str) -> u64 {
        let before = self.books.held.get(source).map_or(0, |held| held.0);
        let by = |delta: &Delta| delta.held.get(source).copied().unwrap_or(0);
        before.saturating_add_signed(by(&self.group.delta) + by(&self.delta))
    }

    /// Sources of which something may be held.
    pub(crate) fn holding(&self) -> BTreeSet<String> {
        let added = self.group.delta.held.keys().chain(self.delta.held.keys());
        self.books.held.keys().chain(added).cloned().collect()
    }

    /// What was applied before this batch.
    pub(crate) fn engine(&self) -> &'a dyn Engine {
        self.engine
    }

    /// Whether something of a delivery's inbox entries or handoffs changes in this batch, and is thus not in the engine
    /// yet.
    pub(crate) fn touches(&self, delivery: Uuid) -> bool {
        let places =
            [(Space::Inbox, keys::whereabouts_of(delivery)), (Space::Handoffs, keys::prefix(keys::delivery(delivery)))];
        let touched = |batch: &Batch| {
            let mut changed = places.iter().map(|(space, range)| {
                let space = *space;
                let (from, to) = ((space, range.from.clone()), (space, range.to.clone()));
                batch.writes.range(from..to).next().is_some()
            });
            changed.any(|changed| changed)
        };
        touched(&self.group.batch) || touched(&self.writes)
    }

    /// The last delivery's id that was given out.
    pub(crate) fn last_delivery(&self) -> Uuid {
        self.delta.last.or(self.group.delta.last).unwrap_or(self.books.state.last)
    }

    /// The last delivery that has come to the end of its retention.
    pub(crate) fn retained(&self) -> Uuid {
        self.delta.retained.or(self.group.delta.retained).unwrap_or(self.books.state.retained)
    }

    /// What is to be added to the group.
    pub(crate) fn finish(self) -> Group {
        Group { batch: self.writes, delta: self.delta, wakes: self.wakes, notices: self.notices }
    }
}

impl Group {
    /// Adds the writes of a request that has gone well.
    pub(crate) fn absorb(&mut self, later: Group) {
        self.batch.writes.extend(later.batch.writes);
        self.delta.absorb(later.delta);
        self.wakes.inbox |= later.wakes.inbox;
        self.wakes.queues.extend(later.wakes.queues);
        self.wakes.held_until = [self.wakes.held_until, later.wakes.held_until].into_iter().flatten().min();
        self.notices.extend(later.notices);
    }
}
