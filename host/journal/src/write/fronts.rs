//! The entries that come next in a queue, in the inbox, and among the held events of a source, in memory.
//!
//! Entries leave at the front, and in a log-structured engine what was deleted there is in the way until it is compacted: a
//! look at an empty queue could wade through a million deletions. So the first entries of each range are kept here, up to a
//! horizon, and follow every batch. What lies behind the horizon is read from the engine when the entries before it are used
//! up, from the horizon on, where nothing was deleted yet.

use std::{
    collections::{BTreeMap, HashMap},
    ops::{Bound, ControlFlow},
};

use parking_lot::Mutex;

use crate::{
    engine::{Batch, Direction, Engine, EngineError, KeyRange, Space},
    record::keys,
};

/// Entries of a range that are read from the engine at once.
const READ_AT_ONCE: usize = 1024;
/// Entries of a range that are kept.
const KEPT: usize = 4 * READ_AT_ONCE;
/// Ranges of which entries are kept.
const FRONTS: usize = 64 * 1024;

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// The known fronts, by space and by what all keys of the range begin with.
#[derive(Debug, Default)]
pub(crate) struct Fronts(Mutex<HashMap<(Space, Vec<u8>), Front>>);

#[derive(Debug)]
struct Front {
    /// All entries of the range before the horizon.
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Entries from this key on are only in the engine. None if all are known.
    horizon: Option<Vec<u8>>,
}

/// The writes of a batch that concern fronts.
#[derive(Debug)]
pub(crate) struct Changes(Vec<(Space, Vec<u8>, Option<Vec<u8>>)>);

impl Changes {
    /// To be taken before the batch is applied, and handed to [`Fronts::applied`] afterwards.
    pub(crate) fn of(batch: &Batch) -> Changes {
        let concerned = batch.writes.iter().filter(|((space, key), _)| front_of(*space, key).is_some());
        Changes(concerned.map(|((space, key), value)| (*space, key.clone(), value.clone())).collect())
    }
}

impl Fronts {
    /// The first `limit` entries behind the key `after` among those whose keys begin with `of`.
    pub(crate) fn read(
        &self,
        engine: &dyn Engine,
        space: Space,
        of: Vec<u8>,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Pair>, EngineError> {
        let range = keys::prefix(of.clone());
        let from = after.map_or_else(|| range.from.clone(), keys::behind);
        // While this is locked no batch can be entered, so that none falls between the engine and the front.
        let mut fronts = self.0.lock();
        if fronts.len() >= FRONTS && !fronts.contains_key(&(space, of.clone())) {
            fronts.retain(|_, front| !front.entries.is_empty());
            if fronts.len() >= FRONTS {
                fronts.clear();
            }
        }
        let front = fronts.entry((space, of)).or_insert_with(|| Front::unknown(&range));
        front.read(engine, space, &range, &from, limit)
    }

    /// Enters a batch that the engine has applied. Its entries may be announced only after this.
    pub(crate) fn applied(&self, changes: Changes) {
        let mut fronts = self.0.lock();
        for (space, key, value) in changes.0 {
            let Some(of) = front_of(space, &key) else { continue };
            // A range that was never read has no front.
            if let Some(front) = fronts.get_mut(&(space, of.to_vec())) {
                front.enter(key, value);
            }
        }
    }

    /// Forgets everything: the store was opened again.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl Front {
    fn unknown(range: &KeyRange) -> Front {
        Front { entries: BTreeMap::new(), horizon: Some(range.from.clone()) }
    }

    fn enter(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if self.horizon.as_ref().is_some_and(|horizon| key >= *horizon) {
            return;
        }
        match value {
            Some(value) => _ = self.entries.insert(key, value),
            None => _ = self.entries.remove(&key),
        }
        while self.entries.len() > KEPT {
            self.horizon = self.entries.pop_last().map(|(key, _)| key);
        }
    }

    fn read(
        &mut self,
        engine: &dyn Engine,
        space: Space,
        range: &KeyRange,
        from: &Vec<u8>,
        limit: usize,
    ) -> Result<Vec<Pair>, EngineError> {
        loop {
            let behind = self.entries.range::<Vec<u8>, _>((Bound::Included(from), Bound::Unbounded));
            let mut found: Vec<Pair> = behind.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect();
            match &self.horizon {
                Some(horizon) if found.len() < limit && self.entries.len() > KEPT - READ_AT_ONCE => {
                    let rest = KeyRange { from: horizon.max(from).clone(), to: range.to.clone() };
                    found.extend(scan(engine, space, &rest, limit - found.len())?);
                    return Ok(found);
                }
                Some(horizon) if found.len() < limit => {
                    let rest = KeyRange { from: horizon.clone(), to: range.to.clone() };
                    let more = scan(engine, space, &rest, READ_AT_ONCE)?;
                    let is_all = more.len() < READ_AT_ONCE;
                    self.horizon = more.last().filter(|_| !is_all).map(|(key, _)| keys::behind(key.clone()));
                    self.entries.extend(more);
                }
                _ => return Ok(found),
            }
        }
    }
}

fn scan(engine: &dyn Engine, space: Space, range: &KeyRange, limit: usize) -> Result<Vec<Pair>, EngineError> {
    let mut found = Vec::new();
    engine.scan(space, range, Direction::Forward, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

/// What all keys of the range begin with to which a key belongs; none when its range is not worked off from its front.
fn front_of(space: Space, key: &[u8]) -> Option<&[u8]> {
    match space {
        Space::Queue if keys::read_waits(key).is_none() => Some(keys::destination_of(key)),
        Space::HeldDue => Some(keys::held_line_of(key)),
        Space::Inbox if keys::is_in_order(key) => key.get(..1),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::Durability;

    /// What an engine does, in memory; it counts the entries that it shows.
    #[derive(Default)]
    struct Stored {
        entries: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
        shown: std::sync::atomic::AtomicUsize,
    }

    impl Engine for Stored {
        fn get(&self, _: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
            Ok(self.entries.lock().get(key).cloned())
        }

        fn scan(
            &self,
            _: Space,
            range: &KeyRange,
            _: Direction,
            visit: crate::engine::Visit<'_>,
        ) -> Result<(), EngineError> {
            for (key, value) in self.entries.lock().range(range.from.clone()..range.to.clone()) {
                self.shown.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if visit(key, value).is_break() {
                    break;
                }
            }
            Ok(())
        }

        fn apply(&self, batch: Batch, _: u64, _: Durability) -> Result<(), EngineError> {
            let mut entries = self.entries.lock();
            for ((_, key), value) in batch.writes {
                match value {
                    Some(value) => _ = entries.insert(key, value),
                    None => _ = entries.remove(&key),
                }
            }
            Ok(())
        }

        fn last_batch(&self, _: Space) -> Result<Option<u64>, EngineError> {
            Ok(None)
        }

        fn batch_limit(&self) -> usize {
            1
        }

        fn size(&self) -> u64 {
            0
        }
    }

    /// An entry of the inbox.
    fn entry(number: u64) -> Vec<u8> {
        [&[0][..], &number.to_be_bytes()].concat()
    }

    fn write(stored: &Stored, fronts: &Fronts, puts: &[u64], deletes: &[u64]) {
        let mut batch = Batch::default();
        puts.iter().for_each(|number| batch.put(Space::Inbox, entry(*number), vec![1]));
        deletes.iter().for_each(|number| batch.delete(Space::Inbox, entry(*number)));
        let changes = Changes::of(&batch);
        stored.apply(batch, 0, Durability::Process).unwrap();
        fronts.applied(changes);
    }

    fn read(stored: &Stored, fronts: &Fronts, after: Option<u64>, limit: usize) -> Vec<Vec<u8>> {
        let found = fronts.read(stored, Space::Inbox, vec![0], after.map(entry), limit).unwrap();
        found.into_iter().map(|(key, _)| key).collect()
    }

    /// The same, by the engine alone.
    fn expected(stored: &Stored, after: Option<u64>, limit: usize) -> Vec<Vec<u8>> {
        let from = after.map_or(vec![0], |after| keys::behind(entry(after)));
        stored.entries.lock().range(from..).take(limit).map(|(key, _)| key.clone()).collect()
    }

    #[test]
    fn what_was_read_once_is_not_looked_for_again() {
        let (stored, fronts) = (Stored::default(), Fronts::default());
        assert!(read(&stored, &fronts, None, 10).is_empty());
        for number in 0..5_000 {
            write(&stored, &fronts, &[number], &[]);
            assert_eq!(read(&stored, &fronts, None, 10), [entry(number)]);
            write(&stored, &fronts, &[], &[number]);
        }
        assert_eq!(stored.shown.into_inner(), 0);
    }

    #[test]
    fn a_range_that_is_longer_than_what_is_kept_is_read_to_its_end() {
        let (stored, fronts) = (Stored::default(), Fronts::default());
        let count = 3 * KEPT as u64;
        assert!(read(&stored, &fronts, None, 1).is_empty());
        (0..count).for_each(|number| write(&stored, &fronts, &[number], &[]));
        assert_eq!(read(&stored, &fronts, None, usize::MAX), expected(&stored, None, usize::MAX));
        assert_eq!(read(&stored, &fronts, Some(count - 5), 9), expected(&stored, Some(count - 5), 9));
        for number in 0..count {
            assert_eq!(read(&stored, &fronts, None, 2), expected(&stored, None, 2), "{number}");
            write(&stored, &fronts, &[], &[number]);
        }
        assert!(read(&stored, &fronts, None, 1).is_empty());
        // Each entry was read once, apart from the two long looks.
        let looks = 2 * count as usize;
        assert!(stored.shown.into_inner() <= count as usize + looks);
    }

    proptest! {
        #[test]
        fn a_front_shows_what_the_engine_has(
            steps in proptest::collection::vec((0u8..4, 0u64..6_000, 1u64..3_000), 1..40),
        ) {
            let (stored, fronts) = (Stored::default(), Fronts::default());
            for (what, number, count) in steps {
                let some: Vec<u64> = (number..number + count).collect();
                match what {
                    0 | 1 => write(&stored, &fronts, &some, &[]),
                    2 => write(&stored, &fronts, &[], &some),
                    _ => {}
                }
                let limit = usize::try_from(count).unwrap();
                prop_assert_eq!(read(&stored, &fronts, None, limit), expected(&stored, None, limit));
                prop_assert_eq!(read(&stored, &fronts, Some(number), 7), expected(&stored, Some(number), 7));
            }
        }
    }
}
