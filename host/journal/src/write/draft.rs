//! The writes of one request, on top of the writes that already wait in the same batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use uuid::Uuid;

use crate::{
    engine::{Batch, Direction, Engine, KeyRange, Space},
    record::{
        ids::Ids,
        keys,
        state::{Books, Delta},
    },
    reorder::OrderingNotice,
    types::{EventId, HandoffId, JournalError, RoutedEvent},
    write::{
        fronts::{Fronts, Pair},
        recent::{Recent, RecentEvent},
    },
};

/// What a request reads and writes. Dropped, it leaves nothing behind.
pub(crate) struct Draft<'a> {
    engine: &'a dyn Engine,
    group: &'a Group,
    books: &'a Books,
    fronts: &'a Fronts,
    recent: &'a Recent,
    ids: &'a Ids,
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
    /// Events in their final form.
    pub(crate) committed: Vec<RecentEvent>,
    /// The event that is being admitted, if it is transformed and waits for its turn in an order.
    pub(crate) arriving: Option<(EventId, RoutedEvent)>,
    /// Events that were admitted in their final form.
    pub(crate) in_final_form: Vec<EventId>,
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
    pub(crate) recent: Vec<RecentEvent>,
}

/// What the drafts of one batch read: the store as it was before the batch, and the time of the batch.
#[derive(Clone, Copy)]
pub(crate) struct ReadView<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) books: &'a Books,
    pub(crate) fronts: &'a Fronts,
    pub(crate) recent: &'a Recent,
    pub(crate) ids: &'a Ids,
    pub(crate) now: u64,
    pub(crate) hold_now: u64,
}

impl<'a> Draft<'a> {
    /// Makes a delivery part of the journal.
    pub(crate) fn put_delivery(&mut self, delivery: Uuid, encoded: Vec<u8>) {
        self.writes.put(Space::Deliveries, keys::delivery(delivery), encoded);
        self.delta.deliveries += 1;
        self.delta.commits += 1;
        self.delta.last = self.delta.last.max(Some(delivery));
    }

    pub(crate) fn new(view: ReadView<'a>, group: &'a Group) -> Self {
        let ReadView { engine, books, fronts, recent, ids, now, hold_now } = view;
        Draft {
            engine,
            group,
            books,
            fronts,
            recent,
            committed: Vec::new(),
            arriving: None,
            in_final_form: Vec::new(),
            ids,
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
        let written = self.written(space, range);
        let mut page = Vec::new();
        self.engine.scan(space, range, Direction::Forward, &mut |key, value| {
            if !written.contains_key(key) {
                page.push((key.to_vec(), value.to_vec()));
            }
            if page.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(merged(page, written, limit))
    }

    /// [`Draft::page`] of a range that is worked off from its front; `of` is what all its keys begin with.
    pub(crate) fn front_page(&self, space: Space, of: Vec<u8>, limit: usize) -> Result<Vec<Pair>, JournalError> {
        let written = self.written(space, &keys::prefix(of.clone()));
        // As many of them may be deleted in this batch as it has written.
        let mut page = self.fronts.read(self.engine, space, of, None, limit.saturating_add(written.len()))?;
        page.retain(|(key, _)| !written.contains_key(key.as_slice()));
        Ok(merged(page, written, limit))
    }

    /// What this batch has written of a range so far.
    fn written(&self, space: Space, range: &KeyRange) -> BTreeMap<&[u8], Option<&Vec<u8>>> {
        let mut written = BTreeMap::new();
        for batch in [&self.group.batch, &self.writes] {
            let (from, to) = ((space, range.from.clone()), (space, range.to.clone()));
            written.extend(batch.writes.range(from..to).map(|((_, key), value)| (key.as_slice(), value.as_ref())));
        }
        written
    }

    /// A number above every one before it.
    pub(crate) fn ticket(&mut self) -> u64 {
        self.delta.tickets += 1;
        self.books.state.tickets + self.group.delta.tickets + self.delta.tickets
    }

    /// How many events are in the inbox.
    pub(crate) fn inbox(&self) -> u64 {
        self.books.state.inbox.saturating_add_signed(self.group.delta.inbox + self.delta.inbox)
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

    /// When a handoff was queued that has not been tried, if its event was committed a moment ago.
    pub(crate) fn queued_recently(&self, id: &HandoffId) -> Option<u64> {
        self.recent.queued(id)
    }

    /// An id for a delivery, above all before it.
    pub(crate) fn next_delivery(&self) -> Uuid {
        self.ids.next(self.now)
    }

    /// The last delivery that has come to the end of its retention.
    pub(crate) fn retained(&self) -> Uuid {
        self.delta.retained.or(self.group.delta.retained).unwrap_or(self.books.state.retained)
    }

    /// What is to be added to the group.
    pub(crate) fn finish(self) -> Group {
        let (delta, wakes, notices) = (self.delta, self.wakes, self.notices);
        Group { batch: self.writes, delta, wakes, notices, recent: self.committed }
    }
}

/// Stored entries, and those that were written since, in their order.
fn merged(mut page: Vec<Pair>, written: BTreeMap<&[u8], Option<&Vec<u8>>>, limit: usize) -> Vec<Pair> {
    page.extend(written.into_iter().filter_map(|(key, value)| Some((key.to_vec(), value?.clone()))));
    page.sort();
    page.truncate(limit);
    page
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
        self.recent.extend(later.recent);
    }
}
