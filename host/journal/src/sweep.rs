//! The sweeper: forgets idempotency and ordering keys after their time and finished deliveries after their retention.
//!
//! What it costs is proportional to what it removes. Keys lie in the expiry space in the order of their time, deliveries
//! in the order of their age; both are read from where the last pass ended. A delivery that is not finished when its
//! retention ends is passed by; whatever finishes it later leaves a note in the expiry space.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Weak,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    Handle, Journal, claims,
    commit::known,
    differences, duplicates,
    engine::{self, Direction, Engine, KeyRange, Space},
    held, owed,
    record::{
        self, ids,
        keys::{self, ClaimEntry, Due, second_after},
    },
    types::{Handoff, IdempotencyKey, JournalError},
    write::{Draft, Kind, Shared},
};

/// Between two passes.
const PAUSE: Duration = Duration::from_secs(1);

/// Deliveries, or deliveries' keys, that are removed in one write.
const PAGE: usize = 64;

/// Ordering keys that are looked at in one write; there may be one for each event.
const ORDERING_KEYS_PAGE: usize = 256;

/// What a pass has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) keys: u64,
    pub(super) deliveries: u64,
    pub(super) ordering_keys: u64,
    pub(super) duplicates: u64,
}

/// Where the last pass ended.
#[derive(Default)]
pub(super) struct Sweeper {
    /// The last pass saw all that was due by then, in seconds since the epoch.
    seen: [u32; 4],
    /// Called between the look at deliveries and the write, where tests have something happen.
    #[cfg(test)]
    pub(super) before_write: Option<Box<dyn FnOnce()>>,
}

/// Sweeps now and then until the journal is closed.
pub(super) fn run(journal: &Weak<Handle>, stop: &Receiver<()>, retention: Duration) {
    let mut sweeper = Sweeper::default();
    while stop.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        let Some(handle) = journal.upgrade() else { return };
        if !handle.shared.clock.is_sure() {
            continue;
        }
        match sweeper.pass(&Journal(handle), retention) {
            Ok(_) => {}
            Err(JournalError::Closed(_)) => return,
            Err(e) => tracing::warn!("the sweeper could not finish and will try again: {e}"),
        }
    }
}

impl Sweeper {
    /// Removes all that is due.
    pub(super) fn pass(&mut self, journal: &Journal, retention: Duration) -> Result<Swept, JournalError> {
        let now = journal.0.shared.now();
        let mut swept = Swept { keys: self.keys(journal, now)?, ..Swept::default() };
        swept.deliveries += self.aged(journal, now, retention)?;
        swept.deliveries += self.finished_late(journal, now)?;
        swept.ordering_keys = self.ordering_keys(journal, now)?;
        swept.duplicates = self.duplicates(journal, now)?;
        trials(journal, now, retention)?;
        if swept != Swept::default() {
            let Swept { keys, deliveries, ordering_keys, duplicates } = swept;
            tracing::debug!(keys, deliveries, ordering_keys, duplicates, "swept");
        }
        Ok(swept)
    }

    /// Keys whose time is over.
    fn keys(&mut self, journal: &Journal, now: u64) -> Result<u64, JournalError> {
        let mut swept = 0;
        let mut range = self.due(Due::Keys, now);
        loop {
            let mut page = Vec::new();
            journal.0.shared.engine()?.scan(Space::Expiry, &range, Direction::Forward, &mut |key, value| {
                page.push((key.to_vec(), value.to_vec()));
                if page.len() < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            let Some((last, _)) = page.last() else { break };
            range.from = keys::behind(last.clone());
            swept += write(journal, move |draft| forget_keys(draft, page))?;
        }
        self.seen[Due::Keys as usize] = seconds(now);
        Ok(swept)
    }

    /// Ordering keys of which nothing has come for long.
    fn ordering_keys(&mut self, journal: &Journal, now: u64) -> Result<u64, JournalError> {
        let mut swept = 0;
        let mut range = self.due(Due::OrderingKey, now);
        loop {
            let engine = journal.0.shared.engine()?;
            let read = |key: &[u8]| Some((key.to_vec(), keys::read_expiry(key)?.into_bytes()));
            let notes = engine::collect(&*engine, Space::Expiry, &range, ORDERING_KEYS_PAGE, read)?;
            drop(engine);
            let Some((last, _)) = notes.last() else { break };
            range.from = keys::behind(last.clone());
            swept += write(journal, move |draft| held::forget(draft, notes))?;
        }
        self.seen[Due::OrderingKey as usize] = seconds(now);
        Ok(swept)
    }

    /// Deliveries of which something was dropped, once nothing of them is to be shown any more.
    fn duplicates(&mut self, journal: &Journal, now: u64) -> Result<u64, JournalError> {
        let mut swept = 0;
        let mut range = self.due(Due::Duplicates, now);
        loop {
            let engine = journal.0.shared.engine()?;
            let read = |key: &[u8]| Some((key.to_vec(), keys::read_expiry(key)?));
            let notes = engine::collect(&*engine, Space::Expiry, &range, PAGE, read)?;
            drop(engine);
            let Some((last, _)) = notes.last() else { break };
            range.from = keys::behind(last.clone());
            swept += write(journal, move |draft| duplicates::forget(draft, notes))?;
        }
        self.seen[Due::Duplicates as usize] = seconds(now);
        Ok(swept)
    }

    /// Deliveries that have just come to the end of their retention.
    fn aged(&mut self, journal: &Journal, now: u64, retention: Duration) -> Result<u64, JournalError> {
        let shared = &journal.0.shared;
        let age = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
        let end = keys::delivery(ids::first_of(now.saturating_sub(age)));
        let mut swept = 0;
        loop {
            let from = keys::behind(keys::delivery(shared.books().state.retained));
            let range = KeyRange { from, to: end.clone() };
            let page = engine::collect(&*shared.engine()?, Space::Deliveries, &range, PAGE, keys::read_delivery)?;
            let Some(last) = page.last().copied() else { return Ok(swept) };
            let plan = Plan::of(shared, &page)?;
            #[cfg(test)]
            if let Some(happens) = self.before_write.take() {
                happens();
            }
            swept += write(journal, move |draft| {
                let swept = plan.carry_out(draft)?;
                draft.delta.retained = Some(last);
                Ok(swept)
            })?;
        }
    }

    /// Deliveries that were finished after their retention.
    fn finished_late(&mut self, journal: &Journal, now: u64) -> Result<u64, JournalError> {
        let shared = &journal.0.shared;
        let mut swept = 0;
        let mut range = self.due(Due::Delivery, now);
        loop {
            let notes = engine::collect(&*shared.engine()?, Space::Expiry, &range, PAGE, |key| Some(key.to_vec()))?;
            let Some(last) = notes.last() else { break };
            range.from = keys::behind(last.clone());
            let mut deliveries: Vec<Uuid> = notes.iter().filter_map(|key| keys::read_expiry(key)).collect();
            deliveries.sort();
            deliveries.dedup();
            let plan = Plan::of(shared, &deliveries)?;
            swept += write(journal, move |draft| {
                let swept = plan.carry_out(draft)?;
                for note in notes {
                    draft.writes.delete(Space::Expiry, note);
                }
                Ok(swept)
            })?;
        }
        self.seen[Due::Delivery as usize] = seconds(now);
        Ok(swept)
    }

    /// What is due of a kind and was not seen by the last pass. A clock that went back starts from the beginning.
    fn due(&mut self, kind: Due, now: u64) -> KeyRange {
        let seen = &mut self.seen[kind as usize];
        if *seen > seconds(now) {
            *seen = 0;
        }
        let mut range = keys::expired(kind, seconds(now));
        range.from = keys::expiry(kind, *seen, Uuid::nil());
        range
    }
}

/// What is known of versions that were tried, when nothing of it was counted for as long as events are kept. There are few
/// of them.
fn trials(journal: &Journal, now: u64, retention: Duration) -> Result<(), JournalError> {
    let age = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
    let outdated = differences::outdated(&*journal.0.shared.engine()?, now, age)?;
    if outdated.is_empty() {
        return Ok(());
    }
    let forget = move |draft: &mut Draft<'_>| {
        outdated.iter().try_for_each(|trial| differences::forget_outdated(draft, trial, now, age))
    };
    write(journal, forget)
}

/// What is to be removed, as it was found before the write.
struct Plan {
    /// The operators' orders by then: since only they bring a finished delivery back to life, nothing has changed while
    /// there are no more of them.
    orders: u64,
    shared: Arc<Shared>,
    deliveries: u64,
    doomed: Vec<Place>,
    /// Deliveries whose bodies are objects, and those.
    released: Vec<(Uuid, Uuid)>,
    /// Those that were not finished.
    passed_by: Vec<Uuid>,
}

impl Plan {
    fn of(shared: &Arc<Shared>, deliveries: &[Uuid]) -> Result<Plan, JournalError> {
        let orders = shared.orders.load(Ordering::SeqCst);
        let engine = shared.engine()?;
        let mut plan = Plan {
            orders,
            shared: shared.clone(),
            deliveries: 0,
            doomed: Vec::new(),
            released: Vec::new(),
            passed_by: Vec::new(),
        };
        for &delivery in deliveries {
            // A damaged handoff is kept: whether it is finished is unknown.
            match parts_of_finished(&*engine, delivery) {
                Ok(Some(doomed)) => {
                    plan.deliveries += 1;
                    plan.released.extend(object_of(&*engine, delivery)?.map(|object| (delivery, object)));
                    plan.doomed.extend(doomed);
                }
                Ok(None) => plan.passed_by.push(delivery),
                Err(e) => tracing::error!("{delivery} is kept beyond its retention: {e}"),
            }
        }
        Ok(plan)
    }

    fn carry_out(self, draft: &mut Draft<'_>) -> Result<u64, JournalError> {
        if self.shared.orders.load(Ordering::SeqCst) != self.orders {
            return Err(JournalError::Failed("an operator's order came between".to_owned()));
        }
        for (space, key) in self.doomed {
            draft.writes.delete(space, key);
        }
        for (delivery, object) in self.released {
            claims::release(draft, delivery, object)?;
        }
        draft.delta.deliveries -= self.deliveries as i64;
        // What was finished between the plan and this write has left no note: it was not passed by yet.
        for delivery in self.passed_by {
            if draft.touches(delivery) || parts_of_finished(draft.engine(), delivery).is_ok_and(|parts| parts.is_some())
            {
                let note = keys::expiry(Due::Delivery, second_after(draft.now), delivery);
                draft.writes.put(Space::Expiry, note, Vec::new());
            }
        }
        Ok(self.deliveries)
    }
}

/// A key, and the part of the store in which it is.
type Place = (Space, Vec<u8>);

/// All keys of a delivery, or `None` while something of it waits or is dead (or when it is gone already).
fn parts_of_finished(engine: &dyn Engine, delivery: Uuid) -> Result<Option<Vec<Place>>, JournalError> {
    let range = keys::prefix(keys::delivery(delivery));
    let all = |space, range| engine::collect(engine, space, range, usize::MAX, |key| Some((space, key.to_vec())));
    let waiting = keys::whereabouts_of(delivery);
    if engine.get(Space::Deliveries, &keys::delivery(delivery))?.is_none() || !all(Space::Inbox, &waiting)?.is_empty() {
        return Ok(None);
    }
    let mut doomed = vec![(Space::Deliveries, keys::delivery(delivery))];
    for (id, _) in owed::of_delivery(engine, delivery)? {
        if engine.get(Space::Handoffs, &keys::handoff(&id))?.is_none() {
            return Ok(None);
        }
    }
    let mut finished = Ok(true);
    engine.scan(Space::Handoffs, &range, Direction::Forward, &mut |key, value| {
        doomed.push((Space::Handoffs, key.to_vec()));
        finished = record::read(value, &delivery).map(|handoff: Handoff| handoff.state.is_finished());
        if matches!(finished, Ok(true)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if !finished? {
        return Ok(None);
    }
    doomed.extend(all(Space::Outputs, &range)?);
    doomed.extend(all(Space::Replays, &range)?);
    doomed.extend(all(Space::Duplicates, &duplicates::admitted_of(delivery))?);
    Ok(Some(doomed))
}

/// The object in which a delivery's body is.
fn object_of(engine: &dyn Engine, delivery: Uuid) -> Result<Option<Uuid>, JournalError> {
    let found = engine.get(Space::Claims, &keys::claim(ClaimEntry::OfDelivery, delivery))?;
    Ok(found.and_then(|object| Uuid::from_slice(&object).ok()))
}

/// Removes keys, except keys that were taken again after their time.
fn forget_keys(draft: &mut Draft<'_>, page: Vec<(Vec<u8>, Vec<u8>)>) -> Result<u64, JournalError> {
    let mut forgotten = 0;
    for (note, listed) in page {
        for key in listed.as_chunks().0 {
            let key: &IdempotencyKey = key;
            let over = match known(draft, key) {
                Ok(Some(known)) => known.expires <= draft.now,
                Ok(None) => false,
                Err(JournalError::Damaged(..)) => true,
                Err(e) => return Err(e),
            };
            if over {
                draft.writes.delete(Space::Idempotency, key.to_vec());
                draft.delta.keys -= 1;
                forgotten += 1;
            }
        }
        draft.writes.delete(Space::Expiry, note);
    }
    Ok(forgotten)
}

/// Whole seconds since the epoch.
fn seconds(ms: u64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(u32::MAX)
}

/// A write of the sweeper's, which runs on a thread of its own.
fn write<T: Send + 'static>(
    journal: &Journal,
    work: impl FnOnce(&mut Draft<'_>) -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    let (reply, answer) = oneshot::channel();
    journal.0.submit(Kind::Progress, None, work, reply)?;
    answer.blocking_recv().unwrap_or_else(|_| Err(JournalError::Failed("the writer gave no answer".to_owned())))
}
