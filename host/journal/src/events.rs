//! Lists of events for operators, and orders to deliver an event again.

use std::ops::ControlFlow;

use hookgate_model::handoff::EventState;

use crate::{
    Journal,
    engine::{Direction, Engine, KeyRange, Space},
    handoffs, owed,
    page::{PAGE_EFFORT, Page},
    read,
    record::{self, StoredEvent, Whereabouts, ids, keys},
    types::{EventId, Handoff, HandoffId, HandoffState, JournalError},
    write::{Draft, Kind, Shared},
};

/// Which events to list.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this source only.
    pub source: Option<String>,
    /// In this state only.
    pub state: Option<EventState>,
    /// Admitted at that time or later, in milliseconds since the epoch.
    pub since: Option<u64>,
    /// Admitted before that time.
    pub until: Option<u64>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
    /// The last page's `next`.
    pub after: Option<EventId>,
    /// Events a page; at least 1.
    pub limit: usize,
}

/// An event in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSummary {
    /// Its id.
    pub id: EventId,
    /// The source that admitted it.
    pub source: String,
    /// When it was admitted, in milliseconds since the epoch.
    pub admitted_at: u64,
    /// What happened, in the provider's words.
    pub kind: Option<String>,
    /// The provider's own id.
    pub provider_id: Option<String>,
    /// Where it stands.
    pub state: EventState,
    /// Its handoffs, and where each stands.
    pub handoffs: Vec<(HandoffId, HandoffState)>,
}

impl Journal {
    /// A page of the events that are kept.
    pub fn events(&self, filter: &EventFilter) -> Result<Page<EventSummary, EventId>, JournalError> {
        events(&self.0.shared, filter)
    }

    /// The handoffs of an event, with their histories.
    pub fn handoffs_of(&self, id: EventId) -> Result<Vec<(HandoffId, Handoff)>, JournalError> {
        let engine = self.engine()?;
        read::handoffs_of(&*engine, id, owed::of_delivery(&*engine, id.delivery)?)
    }

    /// Hands an event on again, whatever its state: to these destinations, or, when none is named (or it was never
    /// transformed), through `transform` and the routes as if it had just come. False when it is no longer kept.
    pub async fn replay(&self, event: EventId, destinations: &[String]) -> Result<bool, JournalError> {
        let to = match destinations {
            [] => None,
            named => outputs_for(&*self.engine()?, event, named)?,
        };
        let replay = move |draft: &mut Draft<'_>| match to {
            Some(to) => handoffs::hand_off_again(draft, event, to),
            None => handoffs::transform_again(draft, event),
        };
        self.write(Kind::Order, replay).await
    }
}

/// A page of events.
fn events(shared: &Shared, filter: &EventFilter) -> Result<Page<EventSummary, EventId>, JournalError> {
    let engine = shared.engine()?;
    let mut page = Page { items: Vec::new(), next: None };
    let mut seen = 0;
    let mut failed = None;
    engine.scan(Space::Deliveries, &range(filter), direction(filter), &mut |key, value| {
        let Some(delivery) = keys::read_delivery(key) else { return ControlFlow::Continue(()) };
        seen += 1;
        match summaries(shared, &*engine, delivery, value, filter) {
            Ok(found) => page.items.extend(found),
            // Its events are unknown: it is left out here, and named in the log.
            Err(e @ JournalError::Damaged(..)) => tracing::error!("{e}"),
            Err(e) => failed = Some(e),
        }
        if page.items.len() < filter.limit && seen < PAGE_EFFORT && failed.is_none() {
            return ControlFlow::Continue(());
        }
        page.next = Some(EventId { delivery, index: u16::MAX });
        ControlFlow::Break(())
    })?;
    match failed {
        Some(e) => Err(e),
        None => Ok(cut(page, filter)),
    }
}

/// Cuts a page to its limit; the rest of the last delivery begins the next one.
fn cut(mut page: Page<EventSummary, EventId>, filter: &EventFilter) -> Page<EventSummary, EventId> {
    let limit = filter.limit.max(1);
    if page.items.len() > limit {
        page.items.truncate(limit);
        page.next = page.items.last().map(|event| event.id);
    }
    page
}

fn direction(filter: &EventFilter) -> Direction {
    if filter.oldest_first { Direction::Forward } else { Direction::Backward }
}

fn range(filter: &EventFilter) -> KeyRange {
    let mut range = keys::all();
    if let Some(since) = filter.since {
        range.from = keys::delivery(ids::first_of(since));
    }
    if let Some(until) = filter.until {
        range.to = keys::delivery(ids::first_of(until));
    }
    if let Some(after) = filter.after {
        // The delivery itself is looked at again where some of its events are still to come.
        let whole = after.index == u16::MAX;
        let key = keys::delivery(after.delivery);
        match (filter.oldest_first, whole) {
            (true, true) => range.from = keys::behind(key),
            (true, false) => range.from = key,
            (false, true) => range.to = key,
            (false, false) => range.to = keys::behind(key),
        }
    }
    range
}

/// The events of a delivery that the filter lets through, in its order.
fn summaries(
    shared: &Shared,
    engine: &dyn Engine,
    delivery: uuid::Uuid,
    value: &[u8],
    filter: &EventFilter,
) -> Result<Vec<EventSummary>, JournalError> {
    let stored = record::read_delivery(value, delivery)?;
    if filter.source.as_ref().is_some_and(|source| *source != stored.delivery.source) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let owed: Vec<_> = owed::ids(delivery, record::read_owed(value, delivery)?).collect();
    for StoredEvent { index, admission, .. } in stored.events {
        let id = EventId { delivery, index };
        // Within a delivery events are always listed in their own order.
        if filter.after.is_some_and(|after| after.delivery == delivery && index <= after.index) {
            continue;
        }
        let (state, mut handoffs) = standing(engine, id, owed.iter().cloned())?;
        handoffs.iter_mut().for_each(|(_, state)| *state = shared.with_wall_times(*state));
        if filter.state.is_none_or(|wanted| wanted == state) {
            found.push(EventSummary {
                id,
                source: stored.delivery.source.clone(),
                admitted_at: ids::time_of(delivery),
                kind: admission.identity.kind,
                provider_id: admission.identity.known_by.id().map(str::to_owned),
                state,
                handoffs,
            });
        }
    }
    Ok(found)
}

/// Where an event stands, and each of its handoffs.
fn standing(
    engine: &dyn Engine,
    id: EventId,
    owed: impl Iterator<Item = (HandoffId, u64)>,
) -> Result<(EventState, Vec<(HandoffId, HandoffState)>), JournalError> {
    let handoffs: Vec<_> =
        read::handoffs_of(engine, id, owed)?.into_iter().map(|(id, handoff)| (id, handoff.state)).collect();
    let whereabouts = engine.get(Space::Inbox, &keys::whereabouts(id))?;
    let whereabouts = whereabouts.map(|bytes| record::read(&bytes, &id)).transpose()?;
    let state = match whereabouts {
        Some(Whereabouts::Inbox(_)) => EventState::Waiting,
        Some(Whereabouts::Held(_)) => EventState::Held,
        None => EventState::of(handoffs.iter().map(|(id, state)| (id, *state))),
    };
    Ok((state, handoffs))
}

/// Which outputs of an event to hand to these destinations again: the ones that were routed there before, or else all.
/// `None` when the event is not transformed yet.
fn outputs_for(
    engine: &dyn Engine,
    id: EventId,
    destinations: &[String],
) -> Result<Option<Vec<(String, u16)>>, JournalError> {
    let Some(outputs) = read::event(engine, id)?.and_then(|event| event.outputs) else { return Ok(None) };
    let before = read::handoffs_of(engine, id, owed::of_delivery(engine, id.delivery)?)?;
    let mut to = Vec::new();
    for destination in destinations {
        let routed = before.iter().filter(|(id, _)| id.destination == *destination);
        let mut routed: Vec<u16> = routed.map(|(id, _)| id.output).collect();
        if routed.is_empty() {
            routed = (0..).take(outputs.len()).collect();
        }
        to.extend(routed.into_iter().map(|output| (destination.clone(), output)));
    }
    Ok(Some(to))
}
