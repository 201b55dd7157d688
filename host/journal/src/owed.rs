//! Handoffs that a commit queued, and that have not been tried.
//!
//! An event that is transformed before its commit is written in its final form: its outputs stand in the record of its
//! delivery, and so do the handoffs that it owes. Such a handoff has an entry in its destination's queue and no record of its
//! own. It gets one with its first attempt, which is the only one of most handoffs.

use crate::{
    engine::{Engine, Space},
    record::{self, Owed, keys},
    types::{EventId, Handoff, HandoffId, HandoffState, JournalError},
};

/// The value of a queue's entry for an owed handoff; other entries have none.
pub(super) const MARK: &[u8] = &[1];

/// A handoff that has not been tried.
pub(super) fn untried(queued: u64) -> Handoff {
    Handoff { state: HandoffState::Pending(queued), attempts: Vec::new(), tries: 0, left_out: 0, place: None }
}

/// When a handoff was queued, if the commit of its event did that, by the stored delivery.
pub(super) fn queued(delivery: Option<Vec<u8>>, id: &HandoffId) -> Result<Option<u64>, JournalError> {
    let Some(bytes) = delivery else { return Ok(None) };
    let owed = record::read_owed(&bytes, id.event.delivery)?;
    let owes = |owed: &&Owed| {
        let mut to = owed.to.iter();
        owed.index == id.event.index && to.any(|(name, output)| *name == id.destination && *output == id.output)
    };
    Ok(owed.iter().find(owes).map(|owed| owed.queued))
}

/// All handoffs that the commit of a delivery queued, tried or not.
pub(super) fn of_delivery(
    engine: &dyn Engine,
    delivery: uuid::Uuid,
) -> Result<impl Iterator<Item = (HandoffId, u64)> + use<>, JournalError> {
    let stored = engine.get(Space::Deliveries, &keys::delivery(delivery))?;
    let owed = stored.map(|bytes| record::read_owed(&bytes, delivery)).transpose()?.unwrap_or_default();
    Ok(ids(delivery, owed))
}

/// The ids of owed handoffs, each with the time at which it was queued.
pub(super) fn ids(delivery: uuid::Uuid, owed: Vec<Owed>) -> impl Iterator<Item = (HandoffId, u64)> {
    owed.into_iter().flat_map(move |Owed { index, queued, to }| {
        let event = EventId { delivery, index };
        to.into_iter().map(move |(destination, output)| (HandoffId { destination, event, output }, queued))
    })
}
