//! What operators ask of dropped duplicates.

use std::{ops::ControlFlow, sync::Arc};

use uuid::Uuid;

use super::{AdmittedByHand, DroppedDelivery, Duplicate, Recurrences, admit, places};
use crate::{
    Journal,
    engine::{Direction, KeyRange, Space},
    page::{PAGE_EFFORT, Page},
    record::{self, Record, ids, keys},
    types::{EventId, JournalError, KeptDelivery, KeptEvent},
};

/// Which duplicates to list.
#[derive(Clone, Debug, Default)]
pub struct DuplicateFilter {
    /// Of this source only.
    pub source: Option<String>,
    /// Of this event only.
    pub of: Option<EventId>,
    /// Dropped at that time or later, in milliseconds since the epoch.
    pub since: Option<u64>,
    /// Dropped before that time.
    pub until: Option<u64>,
    /// The last page's `next`.
    pub after: Option<EventId>,
    /// Duplicates a page; at least 1.
    pub limit: usize,
}

impl Journal {
    /// A page of dropped duplicates: the latest first, the duplicates of one delivery in their order.
    pub fn duplicates(&self, filter: &DuplicateFilter) -> Result<Page<Duplicate, EventId>, JournalError> {
        let now = self.0.shared.now();
        let limit = filter.limit.max(1);
        let mut page = Page { items: Vec::new(), next: None };
        let mut seen = 0;
        let engine = self.0.shared.engine()?;
        engine.scan(Space::Duplicates, &range(filter), Direction::Backward, &mut |key, value| {
            let Some(delivery) = places::read_delivery(key) else { return ControlFlow::Continue(()) };
            seen += 1;
            match record::read(value, &delivery) {
                Ok(dropped) => page.items.extend(matching(dropped, delivery, filter, now)),
                Err(e) => tracing::error!("{e}"),
            }
            if page.items.len() < limit && seen < PAGE_EFFORT {
                return ControlFlow::Continue(());
            }
            page.next = Some(EventId { delivery, index: u16::MAX });
            ControlFlow::Break(())
        })?;
        if page.items.len() > limit {
            page.items.truncate(limit);
            page.next = page.items.last().map(|duplicate| duplicate.id);
        }
        Ok(page)
    }

    /// A dropped duplicate; none when there is none of that id, or none any more.
    pub fn duplicate(&self, id: EventId) -> Result<Option<Duplicate>, JournalError> {
        let now = self.0.shared.now();
        let dropped: Option<DroppedDelivery> = self.entry(&places::delivery(id.delivery), id)?;
        let events = dropped.map(|dropped| matching(dropped, id.delivery, &DuplicateFilter::default(), now));
        Ok(events.into_iter().flatten().find(|duplicate| duplicate.id == id))
    }

    /// What a dropped duplicate brought, under its own id; none where that is not kept (any more).
    pub fn duplicate_content(&self, duplicate: &Duplicate) -> Result<Option<KeptEvent>, JournalError> {
        let engine = self.0.shared.engine()?;
        let found = admit::content(|space, key| Ok(engine.get(space, key)?), duplicate.id, &duplicate.event)?;
        Ok(found.map(|(delivery, admission)| {
            let delivery = Arc::new(KeptDelivery { trace: duplicate.trace.clone(), ..delivery });
            KeptEvent { id: duplicate.id, delivery, admission, outputs: None }
        }))
    }

    /// How often an event came again and was dropped; none when it did not, or when that is forgotten.
    pub fn recurrences(&self, of: EventId) -> Result<Option<Recurrences>, JournalError> {
        self.entry(&places::first(of), of)
    }

    /// Of what an event was a duplicate that an operator had admitted; none for any other.
    pub fn admitted_by_hand(&self, id: EventId) -> Result<Option<AdmittedByHand>, JournalError> {
        self.entry(&places::admitted(id), id)
    }

    fn entry<R: Record>(&self, key: &[u8], id: EventId) -> Result<Option<R>, JournalError> {
        let bytes = self.0.shared.engine()?.get(Space::Duplicates, key)?;
        bytes.map(|bytes| record::read(&bytes, &id)).transpose()
    }
}

fn range(filter: &DuplicateFilter) -> KeyRange {
    let mut range = keys::prefix(vec![places::DELIVERY]);
    if let Some(since) = filter.since {
        range.from = places::delivery(ids::first_of(since));
    }
    if let Some(until) = filter.until {
        range.to = places::delivery(ids::first_of(until));
    }
    if let Some(after) = filter.after {
        let key = places::delivery(after.delivery);
        // The delivery itself is looked at again where some of its events are still to come.
        range.to = if after.index == u16::MAX { key } else { keys::behind(key) };
    }
    range
}

/// What of a delivery the filter lets through.
fn matching(dropped: DroppedDelivery, delivery: Uuid, filter: &DuplicateFilter, now: u64) -> Vec<Duplicate> {
    let DroppedDelivery { source, trace, at, events, .. } = dropped;
    if filter.source.as_ref().is_some_and(|wanted| *wanted != source) {
        return Vec::new();
    }
    let after = filter.after.filter(|after| after.delivery == delivery);
    let wanted = events.into_iter().filter(|event| {
        event.expires > now
            && filter.of.is_none_or(|of| event.of == of)
            && after.is_none_or(|after| event.index > after.index)
    });
    let duplicate = |event: super::DroppedEvent| {
        let id = EventId { delivery, index: event.index };
        Duplicate { id, source: source.clone(), trace: trace.clone(), at, event }
    };
    wanted.map(duplicate).collect()
}
