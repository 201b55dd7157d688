//! Strands: the handoffs of one ordering key at one destination, which go out one after the other.
//!
//! Only the first handoff of a strand is ever in the queue (or a dead letter that blocks the others), so the dispatcher that
//! works the queue needs to know nothing of strands. The handoffs behind it wait here, numbered in the order of fan-out
//! without a gap. The write that takes the first one off its strand puts the next one into the queue. All are found by their
//! keys: a key under which millions of events have gone costs no more than its first one.

use hookgate_model::ordering::OnFailure;
use serde::{Deserialize, Serialize};

use crate::{
    Journal,
    engine::Space,
    record::{self, Record, keys},
    types::{EventId, Handoff, HandoffId, JournalError, Place, Strand, Turn},
    write::Draft,
};

impl Journal {
    /// How things stand around a handoff that has a place in a strand; none for any other.
    pub fn turn(&self, id: &HandoffId, handoff: &Handoff) -> Result<Option<Turn>, JournalError> {
        let Some(place) = &handoff.place else { return Ok(None) };
        let key = keys::front(&id.destination, &place.strand);
        let Some(front) = front(self.engine()?.get(Space::Strands, &key)?, id)? else { return Ok(None) };
        Ok(Some(Turn {
            first: front.first.id(&id.destination),
            before: place.number.saturating_sub(front.number),
            behind: front.end.saturating_sub(place.number).saturating_sub(1),
        }))
    }

    /// The handoffs that come behind one in its strand, in their order, at most `limit`, up to the first that is missing.
    pub fn behind(&self, id: &HandoffId, place: &Place, limit: usize) -> Result<Vec<HandoffId>, JournalError> {
        let engine = self.engine()?;
        let mut found = Vec::new();
        for number in (place.number + 1..).take(limit) {
            let key = keys::waiting(&id.destination, &place.strand, number);
            let Some(bytes) = engine.get(Space::Strands, &key)? else { break };
            let member: Member = record::read(&bytes, &format_args!("behind {} to {}", id.event, id.destination))?;
            found.push(member.id(&id.destination));
        }
        Ok(found)
    }
}

/// A handoff of a strand, whose destination stands in the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Member {
    event: EventId,
    output: u16,
}

impl Record for Member {
    const KIND: &'static str = "handoff that waits in a strand";
}

/// What is kept of a strand as a whole. A strand without handoffs is not kept.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Front {
    first: Member,
    /// The first one's number.
    number: u64,
    /// The next number to be given out.
    end: u64,
}

impl Record for Front {
    const KIND: &'static str = "front of the strand";
}

/// Puts a handoff at the end of a strand. Its place, and whether it is the first.
pub(super) fn join(draft: &mut Draft<'_>, id: &HandoffId, strand: &Strand) -> Result<(Place, bool), JournalError> {
    let Strand { hash, on_failure } = strand;
    let key = keys::front(&id.destination, hash);
    let member = Member { event: id.event, output: id.output };
    let before = front(draft.get(Space::Strands, &key)?, id)?;
    let after = match before {
        None => Front { first: member, number: 0, end: 1 },
        Some(front) => {
            let key = keys::waiting(&id.destination, hash, front.end);
            draft.writes.put(Space::Strands, key, record::write(&member)?);
            Front { end: front.end + 1, ..front }
        }
    };
    draft.writes.put(Space::Strands, key, record::write(&after)?);
    let blocks = *on_failure == OnFailure::Block;
    Ok((Place { strand: *hash, number: after.end - 1, blocks }, before.is_none()))
}

/// Takes a handoff off its strand. The one that is the first now, if the strand goes on.
pub(super) fn leave(
    draft: &mut Draft<'_>,
    id: &HandoffId,
    place: &Place,
) -> Result<Option<(HandoffId, Place)>, JournalError> {
    let key = keys::front(&id.destination, &place.strand);
    let Some(front) = front(draft.get(Space::Strands, &key)?, id)? else { return Ok(None) };
    if front.number != place.number {
        // None leaves before its turn, unless something was damaged; the others go on without it.
        draft.writes.delete(Space::Strands, keys::waiting(&id.destination, &place.strand, place.number));
        return Ok(None);
    }
    for number in front.number + 1..front.end {
        let waiting = keys::waiting(&id.destination, &place.strand, number);
        let Some(bytes) = draft.get(Space::Strands, &waiting)? else { continue };
        draft.writes.delete(Space::Strands, waiting);
        match record::read::<Member>(&bytes, &format_args!("behind {} to {}", id.event, id.destination)) {
            Ok(first) => {
                draft.writes.put(Space::Strands, key, record::write(&Front { first, number, ..front })?);
                return Ok(Some((first.id(&id.destination), Place { number, ..*place })));
            }
            Err(e) => tracing::error!("{e}; its strand goes on without it"),
        }
    }
    draft.writes.delete(Space::Strands, key);
    Ok(None)
}

fn front(bytes: Option<Vec<u8>>, id: &HandoffId) -> Result<Option<Front>, JournalError> {
    bytes.map(|bytes| record::read(&bytes, &format_args!("of {} to {}", id.event, id.destination))).transpose()
}

impl Member {
    fn id(&self, destination: &str) -> HandoffId {
        HandoffId { destination: destination.to_owned(), event: self.event, output: self.output }
    }
}
