//! Deliveries as they were recorded, for versions of plugins that are tried on them.

use std::ops::ControlFlow;

use hookgate_capabilities::{Admission, CloudEvent};
use hookgate_model::limits;
use uuid::Uuid;

use crate::{
    Journal,
    engine::{Direction, Engine, Space},
    page::Page,
    read,
    record::{self, StoredEvent, ids, keys},
    types::{EventId, JournalError, KeptDelivery},
};

/// A delivery that is kept, with its events that were new and what was made of them by now.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its id.
    pub id: Uuid,
    /// The delivery.
    pub delivery: KeptDelivery,
    /// By their places in it; without outputs while they wait for `transform`.
    pub events: Vec<(u16, Admission, Option<Vec<CloudEvent>>)>,
}

impl Recorded {
    /// The ids of its events.
    pub fn event_ids(&self) -> impl Iterator<Item = EventId> {
        self.events.iter().map(|(index, ..)| EventId { delivery: self.id, index: *index })
    }
}

impl Journal {
    /// Deliveries of a source, newest first, since a time (milliseconds since the epoch): few enough for memory. `before`
    /// is the last page's `next`; a page may be empty although more follow.
    pub fn recorded(
        &self,
        source: &str,
        since: Option<u64>,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Recorded, Uuid>, JournalError> {
        let engine = self.0.shared.engine()?;
        let mut range = keys::all();
        if let Some(since) = since {
            range.from = keys::delivery(ids::first_of(since));
        }
        if let Some(before) = before {
            range.to = keys::delivery(before);
        }
        let mut page = Page { items: Vec::new(), next: None };
        let (mut seen, mut bytes) = (0, 0);
        let mut failed = None;
        engine.scan(Space::Deliveries, &range, Direction::Backward, &mut |key, value| {
            let Some(id) = keys::read_delivery(key) else { return ControlFlow::Continue(()) };
            seen += 1;
            match recorded(&*engine, id, value, source) {
                Ok(Some(recorded)) => {
                    bytes += value.len();
                    page.items.push(recorded);
                }
                Ok(None) => {}
                Err(e @ JournalError::Damaged(..)) => tracing::error!("{e}"),
                Err(e) => failed = Some(e),
            }
            let enough = page.items.len() >= limit || bytes > limits::TRIAL_PAGE_BYTES_MAX;
            if !enough && seen < limits::TRIAL_PAGE_EFFORT && failed.is_none() {
                return ControlFlow::Continue(());
            }
            page.next = Some(id);
            ControlFlow::Break(())
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok(page),
        }
    }
}

fn recorded(engine: &dyn Engine, id: Uuid, value: &[u8], source: &str) -> Result<Option<Recorded>, JournalError> {
    let stored = record::read_delivery(value, id)?;
    if stored.delivery.source != source {
        return Ok(None);
    }
    let mut events = Vec::with_capacity(stored.events.len());
    for StoredEvent { index, admission, outputs } in stored.events {
        let outputs = read::latest_outputs(engine, EventId { delivery: id, index }, outputs)?;
        events.push((index, admission, outputs));
    }
    Ok(Some(Recorded { id, delivery: stored.delivery, events }))
}
