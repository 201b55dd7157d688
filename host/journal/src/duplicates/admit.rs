//! Admitting what was dropped, at an operator's order.

use std::sync::Arc;

use hookgate_capabilities::Admission;
use hookgate_model::ordering::SourceOrdering;

use super::{AdmittedByHand, DroppedContent, DroppedEvent, forget, places};
use crate::{
    Journal, claims,
    engine::Space,
    held::{self, Line},
    record::{self, keys},
    types::{EventId, JournalError, KeptDelivery},
    write::{Draft, Kind},
};

/// What became of an order to admit a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateOrder {
    /// It is an event now.
    Admitted(EventId),
    /// It was made an event before.
    AdmittedBefore(EventId),
    /// It is not known, or not any more.
    Unknown,
    /// Its content is not kept.
    WithoutContent,
}

impl Journal {
    /// Makes an event of a dropped duplicate, durably and in one atomic write. Its key goes on naming the event that came
    /// first. `ordering` is how its source puts events in order.
    pub async fn admit_duplicate(
        &self,
        id: EventId,
        ordering: Option<SourceOrdering>,
    ) -> Result<DuplicateOrder, JournalError> {
        self.write(Kind::Admission, move |draft| admit(draft, id, ordering.as_ref())).await
    }
}

fn admit(
    draft: &mut Draft<'_>,
    id: EventId,
    ordering: Option<&SourceOrdering>,
) -> Result<DuplicateOrder, JournalError> {
    let now = draft.now;
    let Some(mut dropped) = forget::dropped(draft, id.delivery)? else { return Ok(DuplicateOrder::Unknown) };
    let known = |event: &&mut DroppedEvent| event.index == id.index && event.expires > now;
    let Some(event) = dropped.events.iter_mut().find(known) else { return Ok(DuplicateOrder::Unknown) };
    if let Some(before) = event.admitted_as {
        return Ok(DuplicateOrder::AdmittedBefore(before));
    }
    let Some((delivery, admission)) = content(|space, key| draft.get(space, key), id, event)? else {
        return Ok(DuplicateOrder::WithoutContent);
    };
    let delivery = KeptDelivery { trace: dropped.trace.clone(), ..delivery };
    // Its place in the delivery stays: a version of the plugin that is tried on it finds it there.
    let index = place_of_content(id, event).map_or(id.index, |(_, _, at)| at.index);
    let new = EventId { delivery: draft.next_delivery(), index };
    event.admitted_as = Some(new);
    let origin = AdmittedByHand { of: event.of, duplicate: id, at: now };
    draft.writes.put(Space::Duplicates, places::admitted(new), record::write(&origin)?);
    draft.writes.put(Space::Duplicates, places::delivery(id.delivery), record::write(&dropped)?);
    if let Some(claim) = &delivery.claim {
        claims::refer(draft, new.delivery, claim.object)?;
    }
    let encoded = record::write_delivery(&delivery, index, &admission)?;
    draft.put_delivery(new.delivery, encoded);
    let source: Arc<str> = delivery.source.as_str().into();
    let line = ordering.and_then(|_| Line::of(&source, &admission));
    held::put_in_its_place(draft, &source, ordering.zip(line), new, delivery.request.received_at)?;
    Ok(DuplicateOrder::Admitted(new))
}

/// A dropped event with its delivery, from wherever its content is; none where that is not kept (any more).
pub(super) fn content(
    get: impl Fn(Space, &[u8]) -> Result<Option<Vec<u8>>, JournalError>,
    id: EventId,
    event: &DroppedEvent,
) -> Result<Option<(KeptDelivery, Admission)>, JournalError> {
    let Some((space, key, at)) = place_of_content(id, event) else { return Ok(None) };
    let Some(bytes) = get(space, &key)? else { return Ok(None) };
    let content = record::read_delivery(&bytes, at.delivery)?.take(at.index);
    Ok(content.map(|(delivery, event)| (delivery, event.admission)))
}

/// Where the delivery of a dropped event is kept, and under which id the event is in it.
fn place_of_content(id: EventId, event: &DroppedEvent) -> Option<(Space, Vec<u8>, EventId)> {
    match event.content {
        DroppedContent::Own => Some((Space::Duplicates, places::body(id.delivery), id)),
        DroppedContent::First => Some((Space::Deliveries, keys::delivery(event.of.delivery), event.of)),
        DroppedContent::NotKept => None,
    }
}
