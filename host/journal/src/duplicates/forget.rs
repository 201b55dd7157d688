//! Forgetting what was dropped: when its time is over, or when a source has dropped more than may be kept.

use hookgate_model::limits;
use uuid::Uuid;

use super::{DroppedDelivery, Recurrences, Tally, places};
use crate::{
    claims,
    engine::Space,
    record::{
        self,
        keys::{self, Due, second_after},
    },
    types::{EventId, JournalError},
    write::Draft,
};

/// Forgets deliveries by the sweeper's notes of them. How many there were.
pub(crate) fn forget(draft: &mut Draft<'_>, notes: Vec<(Vec<u8>, Uuid)>) -> Result<u64, JournalError> {
    let mut forgotten = 0;
    for (note, delivery) in notes {
        let dropped = match dropped(draft, delivery) {
            Ok(Some(dropped)) => dropped,
            Ok(None) => {
                draft.writes.delete(Space::Expiry, note);
                continue;
            }
            Err(e @ JournalError::Damaged(..)) => {
                tracing::error!("{e}; it is forgotten");
                draft.writes.delete(Space::Expiry, note);
                delete(draft, delivery);
                continue;
            }
            Err(e) => return Err(e),
        };
        // The clock may have been set back since the sweeper looked.
        if dropped.expires() > draft.now {
            continue;
        }
        let mut tally = tally(draft, &dropped.source)?;
        remove(draft, delivery, &dropped, &mut tally)?;
        let place = places::tally(&dropped.source);
        if tally.deliveries == 0 {
            draft.writes.delete(Space::Duplicates, place);
        } else {
            draft.writes.put(Space::Duplicates, place, record::write(&tally)?);
        }
        forgotten += 1;
    }
    Ok(forgotten)
}

/// Forgets the oldest deliveries of a source while there are too many; `newest` stays.
pub(super) fn make_room(
    draft: &mut Draft<'_>,
    source: &str,
    newest: u64,
    tally: &mut Tally,
) -> Result<(), JournalError> {
    let is_full = |tally: &Tally| {
        tally.deliveries > limits::DUPLICATES_OF_SOURCE_MAX || tally.bytes > limits::DUPLICATES_OF_SOURCE_BYTES_MAX
    };
    while is_full(tally) && tally.first < newest {
        let place = places::numbered(source, tally.first);
        tally.first += 1;
        // Those that have expired have left a gap.
        let Some(bytes) = draft.get(Space::Duplicates, &place)? else { continue };
        draft.writes.delete(Space::Duplicates, place);
        let Ok(delivery) = Uuid::from_slice(&bytes) else { continue };
        match dropped(draft, delivery) {
            Ok(Some(dropped)) => remove(draft, delivery, &dropped, tally)?,
            Ok(None) => {}
            Err(e @ JournalError::Damaged(..)) => {
                tracing::error!("{e}; it is forgotten");
                delete(draft, delivery);
                tally.deliveries = tally.deliveries.saturating_sub(1);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// What was dropped of a delivery.
pub(super) fn dropped(draft: &Draft<'_>, delivery: Uuid) -> Result<Option<DroppedDelivery>, JournalError> {
    let bytes = draft.get(Space::Duplicates, &places::delivery(delivery))?;
    bytes.map(|bytes| record::read(&bytes, &delivery)).transpose()
}

/// The tally of a source. One that cannot be read begins anew: what was counted by it expires in its time.
pub(super) fn tally(draft: &Draft<'_>, source: &str) -> Result<Tally, JournalError> {
    let Some(bytes) = draft.get(Space::Duplicates, &places::tally(source))? else { return Ok(Tally::default()) };
    Ok(record::read(&bytes, &source).inspect_err(|e| tracing::error!("{e}; it begins anew")).unwrap_or_default())
}

/// Removes a delivery with everything that points at it.
fn remove(
    draft: &mut Draft<'_>,
    delivery: Uuid,
    dropped: &DroppedDelivery,
    tally: &mut Tally,
) -> Result<(), JournalError> {
    tally.deliveries = tally.deliveries.saturating_sub(1);
    tally.bytes = tally.bytes.saturating_sub(dropped.bytes);
    draft.writes.delete(Space::Duplicates, places::numbered(&dropped.source, dropped.number));
    draft.writes.delete(Space::Expiry, keys::expiry(Due::Duplicates, second_after(dropped.expires()), delivery));
    delete(draft, delivery);
    for event in &dropped.events {
        forget_recurrence(draft, event.of, EventId { delivery, index: event.index })?;
    }
    match dropped.object {
        Some(object) => claims::let_go(draft, object),
        None => Ok(()),
    }
}

fn delete(draft: &mut Draft<'_>, delivery: Uuid) {
    draft.writes.delete(Space::Duplicates, places::delivery(delivery));
    draft.writes.delete(Space::Duplicates, places::body(delivery));
}

/// The event that came first has one duplicate less that is kept; with the last of them its count goes.
fn forget_recurrence(draft: &mut Draft<'_>, of: EventId, id: EventId) -> Result<(), JournalError> {
    let place = places::first(of);
    let Some(bytes) = draft.get(Space::Duplicates, &place)? else { return Ok(()) };
    let mut recurrences: Recurrences = match record::read(&bytes, &of) {
        Ok(recurrences) => recurrences,
        Err(e) => {
            tracing::error!("{e}; it is forgotten");
            Recurrences::default()
        }
    };
    recurrences.kept.retain(|kept| *kept != id);
    if recurrences.kept.is_empty() {
        draft.writes.delete(Space::Duplicates, place);
    } else {
        draft.writes.put(Space::Duplicates, place, record::write(&recurrences)?);
    }
    Ok(())
}
