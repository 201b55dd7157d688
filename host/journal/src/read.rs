//! What the stages ask: the inbox, a queue, an event, a handoff.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use hookgate_capabilities::CloudEvent;

use crate::{
    Journal,
    dead_letters::TimedHandoff,
    engine::{Direction, Engine, Space, entries, unreadable},
    owed,
    record::{self, StoredEvent, keys},
    types::{EventId, Handoff, HandoffId, JournalError, KeptEvent, Marks, Waiting},
    write::Shared,
};

impl Journal {
    /// Events that wait to be transformed and routed, in their order, behind the ticket `after`.
    pub fn inbox(&self, after: Option<u64>, limit: usize) -> Result<Vec<Waiting>, JournalError> {
        let waiting = |key: &[u8], value: &[u8]| {
            let (ticket, event) = keys::read_ticket(key)?;
            // Whatever the marks were, the event must go on.
            let marks = if value.is_empty() { Ok(Marks::default()) } else { record::read(value, &event) };
            let marks = marks.inspect_err(|e| tracing::error!("{e}")).unwrap_or_default();
            Some(Waiting { ticket, event, marks })
        };
        let after = after.map(keys::behind_ticket);
        from_front(&self.0.shared, Space::Inbox, keys::tickets(), after, limit, waiting)
    }

    /// All events in the inbox, in their order, for tests.
    #[doc(hidden)]
    #[allow(clippy::unwrap_used)]
    pub fn waiting(&self) -> Vec<EventId> {
        self.inbox(None, usize::MAX).unwrap().into_iter().map(|waiting| waiting.event).collect()
    }

    /// Handoffs of a destination in the order of their due times, at most `limit` of them, behind `after`: (due, id). Due
    /// times are times of [`Journal::wait_time`].
    pub fn queue(
        &self,
        destination: &str,
        after: Option<&TimedHandoff>,
        limit: usize,
    ) -> Result<Vec<TimedHandoff>, JournalError> {
        keys::check_name(destination)?;
        let (of, after) = (keys::of_destination(destination), after.map(|(time, id)| keys::timed(*time, id)));
        from_front(&self.0.shared, Space::Queue, of, after, limit, |key, _| keys::read_timed(key))
    }

    /// An event with its delivery.
    pub fn event(&self, id: EventId) -> Result<Option<KeptEvent>, JournalError> {
        let engine = self.engine()?;
        match self.0.shared.recent.event(id) {
            Some(event) => Ok(Some(event)),
            None => event(&*engine, id),
        }
    }

    /// A handoff with its history.
    pub fn handoff(&self, id: &HandoffId) -> Result<Option<Handoff>, JournalError> {
        let engine = self.engine()?;
        if let Some(handoff) = recorded_handoff(&*engine, id)? {
            return Ok(Some(handoff));
        }
        match self.0.shared.recent.queued(id) {
            Some(queued) => Ok(Some(owed::untried(queued))),
            None => owed_handoff(&*engine, id),
        }
    }
}

/// Since when the handoffs of a destination have been waiting, by the clock for waiting: the ones that were admitted first,
/// at most `limit`.
pub(super) fn waiting_since(shared: &Shared, destination: &str, limit: usize) -> Result<Vec<u64>, JournalError> {
    let range = keys::prefix(keys::waiting_for(destination));
    let since = |_: &[u8], value: &[u8]| value.try_into().ok().map(u64::from_be_bytes);
    let mut found = entries(&*shared.engine()?, Space::Queue, &range, limit, since)?;
    // An untried handoff that its commit queued is due since then.
    let of = keys::of_destination(destination);
    let untried = |key: &[u8], value: &[u8]| {
        let (due, _) = keys::read_timed(key)?;
        Some((value == owed::MARK).then_some(due))
    };
    found.extend(from_front(shared, Space::Queue, of, None, limit, untried)?.into_iter().flatten().next());
    Ok(found)
}

/// The first `limit` entries behind the key `after` of a range that is worked off from its front; `of` is what all its keys
/// begin with.
pub(super) fn from_front<K>(
    shared: &Shared,
    space: Space,
    of: Vec<u8>,
    after: Option<Vec<u8>>,
    limit: usize,
    read: impl Fn(&[u8], &[u8]) -> Option<K>,
) -> Result<Vec<K>, JournalError> {
    let found = shared.fronts.read(&*shared.engine()?, space, of, after, limit)?;
    let read = |(key, value): &(Vec<u8>, Vec<u8>)| {
        let entry = read(key, value);
        if entry.is_none() {
            unreadable(space, key);
        }
        entry
    };
    Ok(found.iter().filter_map(read).collect())
}

/// An event with its delivery.
pub(super) fn event(engine: &dyn Engine, id: EventId) -> Result<Option<KeptEvent>, JournalError> {
    let Some(bytes) = engine.get(Space::Deliveries, &keys::delivery(id.delivery))? else { return Ok(None) };
    let stored = record::read_delivery(&bytes, id.delivery)?.take(id.index);
    let Some((delivery, StoredEvent { admission, outputs, .. })) = stored else { return Ok(None) };
    let outputs = latest_outputs(engine, id, outputs)?;
    Ok(Some(KeptEvent { id, delivery: Arc::new(delivery), admission, outputs }))
}

/// The outputs of an event: the latest ones, or those with which it was committed.
pub(super) fn latest_outputs(
    engine: &dyn Engine,
    id: EventId,
    committed: Option<Vec<CloudEvent>>,
) -> Result<Option<Vec<CloudEvent>>, JournalError> {
    match engine.get(Space::Outputs, &keys::event(id))? {
        Some(bytes) => record::read(&bytes, &id).map(Some),
        None => Ok(committed),
    }
}

/// A handoff with its history.
pub(super) fn handoff(engine: &dyn Engine, id: &HandoffId) -> Result<Option<Handoff>, JournalError> {
    match recorded_handoff(engine, id)? {
        Some(handoff) => Ok(Some(handoff)),
        None => owed_handoff(engine, id),
    }
}

fn recorded_handoff(engine: &dyn Engine, id: &HandoffId) -> Result<Option<Handoff>, JournalError> {
    let bytes = engine.get(Space::Handoffs, &keys::handoff(id))?;
    bytes.map(|bytes| record::read(&bytes, &format_args!("{} to {}", id.event, id.destination))).transpose()
}

fn owed_handoff(engine: &dyn Engine, id: &HandoffId) -> Result<Option<Handoff>, JournalError> {
    let delivery = engine.get(Space::Deliveries, &keys::delivery(id.event.delivery))?;
    Ok(owed::queued(delivery, id)?.map(owed::untried))
}

/// The handoffs of an event, with their histories. `owed` is what its delivery owes.
pub(super) fn handoffs_of(
    engine: &dyn Engine,
    event: EventId,
    owed: impl Iterator<Item = (HandoffId, u64)>,
) -> Result<Vec<(HandoffId, Handoff)>, JournalError> {
    let owed = owed.filter(|(id, _)| id.event == event);
    let mut found: BTreeMap<_, _> =
        owed.map(|(id, queued)| (keys::handoff(&id), Ok((id, owed::untried(queued))))).collect();
    engine.scan(Space::Handoffs, &keys::handoffs_of(event), Direction::Forward, &mut |key, value| {
        if let Some(id) = keys::read_handoff(key) {
            found.insert(key.to_vec(), record::read(value, &event).map(|handoff| (id, handoff)));
        }
        ControlFlow::Continue(())
    })?;
    found.into_values().collect()
}
