//! What the stages ask: the inbox, a queue, an event, a handoff.

use std::sync::Arc;

use crate::{
    Journal,
    dead_letters::TimedHandoff,
    engine::{Engine, KeyRange, Space, collect, entries},
    record::{self, keys},
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
        let range = keys::tickets(after);
        match after {
            Some(_) => entries(&*self.engine()?, Space::Inbox, &range, limit, waiting),
            None => from_head(&self.0.shared, Space::Inbox, Vec::new(), range, limit, waiting),
        }
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
        let of = keys::of_destination(destination);
        let range = keys::prefix(of.clone());
        match after {
            Some((time, id)) => {
                let range = KeyRange { from: keys::behind(keys::timed(*time, id)), ..range };
                collect(&*self.engine()?, Space::Queue, &range, limit, keys::read_timed)
            }
            None => from_head(&self.0.shared, Space::Queue, of, range, limit, |key, _| keys::read_timed(key)),
        }
    }

    /// An event with its delivery.
    pub fn event(&self, id: EventId) -> Result<Option<KeptEvent>, JournalError> {
        event(&*self.engine()?, id)
    }

    /// A handoff with its history.
    pub fn handoff(&self, id: &HandoffId) -> Result<Option<Handoff>, JournalError> {
        let bytes = self.engine()?.get(Space::Handoffs, &keys::handoff(id))?;
        bytes.map(|bytes| record::read(&bytes, &format_args!("{} to {}", id.event, id.destination))).transpose()
    }
}

/// Since when the handoffs of a destination have been waiting, by the clock for waiting: the ones that were admitted first,
/// at most `limit`.
pub(super) fn waiting_since(engine: &dyn Engine, destination: &str, limit: usize) -> Result<Vec<u64>, JournalError> {
    let range = keys::prefix(keys::waiting_for(destination));
    entries(engine, Space::Queue, &range, limit, |_, value| value.try_into().ok().map(u64::from_be_bytes))
}

/// The first `limit` entries of a range that is worked off from its front; `of` is what all its keys begin with, as
/// `write/heads.rs` knows it.
pub(super) fn from_head<K>(
    shared: &Shared,
    space: Space,
    of: Vec<u8>,
    mut range: KeyRange,
    limit: usize,
    read: impl Fn(&[u8], &[u8]) -> Option<K>,
) -> Result<Vec<K>, JournalError> {
    let engine = shared.engine()?;
    let look = shared.heads.start(space, of, &mut range);
    let mut first = None;
    let found = entries(&*engine, space, &range, limit, |key, value| {
        first.get_or_insert_with(|| key.to_vec());
        read(key, value)
    })?;
    if limit > 0 {
        shared.heads.seen(look, first.unwrap_or(range.to));
    }
    Ok(found)
}

/// An event with its delivery.
pub(super) fn event(engine: &dyn Engine, id: EventId) -> Result<Option<KeptEvent>, JournalError> {
    let Some(bytes) = engine.get(Space::Deliveries, &keys::delivery(id.delivery))? else { return Ok(None) };
    let stored = record::read_delivery(&bytes, id.delivery)?;
    let Some((_, admission)) = stored.events.into_iter().find(|(index, _)| *index == id.index) else {
        return Ok(None);
    };
    let outputs = engine.get(Space::Outputs, &keys::event(id))?;
    let outputs = outputs.map(|bytes| record::read(&bytes, &id)).transpose()?;
    Ok(Some(KeptEvent { id, delivery: Arc::new(stored.delivery), admission, outputs }))
}
