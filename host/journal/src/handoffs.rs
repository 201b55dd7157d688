//! Handoffs: out of the inbox, through the queue, to delivered or dead, and back on request. All in drafts.

use hookgate_capabilities::CloudEvent;
use hookgate_model::{
    handoff::{FIRST_ATTEMPTS, ORDERING, TRANSFORM},
    limits::RETRY_ATTEMPTS,
};

use crate::{
    Journal,
    engine::Space,
    owed,
    record::{
        self, Whereabouts,
        keys::{self, Due, second_after},
        state::Change,
    },
    strands,
    types::{Attempt, EventId, Handoff, HandoffId, HandoffState, JournalError, Marks, Place, Strand},
    write::{Draft, Kind},
};

/// How many attempts of a handoff are kept beside the [first ones](FIRST_ATTEMPTS).
const LATEST_ATTEMPTS: usize = 56;

// Where nothing else is configured a dead letter has its whole history.
const _: () = assert!((FIRST_ATTEMPTS + LATEST_ATTEMPTS) as u64 >= RETRY_ATTEMPTS.default);

/// Bytes of an attempt's error that are kept.
const ERROR_MAX: usize = 1024;

impl Journal {
    /// Takes an event out of the inbox: keeps what `transform` made of it and queues each (destination, output), due at
    /// once, in one atomic write (not synced: after a crash the inbox still has the event, and the work is done again).
    pub async fn fan_out(
        &self,
        event: EventId,
        outputs: Vec<CloudEvent>,
        to: Vec<(String, u16)>,
    ) -> Result<(), JournalError> {
        self.write(Kind::Progress, move |draft| fan_out(draft, event, &outputs, to, None)).await?;
        self.0.suspects.clear(event);
        Ok(())
    }

    /// As [`Journal::fan_out`], for an event whose handoffs go out one after the other with those of its strand: each is
    /// due when none is left before it at its destination.
    pub async fn fan_out_in_order(
        &self,
        event: EventId,
        outputs: Vec<CloudEvent>,
        to: Vec<(String, u16)>,
        strand: Strand,
    ) -> Result<(), JournalError> {
        self.write(Kind::Progress, move |draft| fan_out(draft, event, &outputs, to, Some(strand))).await?;
        self.0.suspects.clear(event);
        Ok(())
    }

    /// Takes an event out of the inbox that could not be transformed: a dead letter of the pseudo-destination
    /// [`TRANSFORM`].
    pub async fn fan_out_failed(&self, event: EventId, reason: String) -> Result<(), JournalError> {
        self.write(Kind::Progress, move |draft| fan_out_failed(draft, event, reason)).await?;
        self.0.suspects.clear(event);
        Ok(())
    }

    /// Records an attempt and where the handoff stands after it, in one atomic write (not synced: a lost record means
    /// one more attempt).
    pub async fn record(&self, id: &HandoffId, attempt: Attempt, state: HandoffState) -> Result<(), JournalError> {
        self.record_all(vec![(id.clone(), attempt, state)]).await
    }

    /// [`Journal::record`] for several in one atomic write, in their order.
    pub async fn record_all(&self, attempts: Vec<(HandoffId, Attempt, HandoffState)>) -> Result<(), JournalError> {
        let record = move |draft: &mut Draft<'_>| {
            let mut steps = attempts.into_iter();
            steps.try_for_each(|(id, attempt, state)| record_attempt(draft, &id, attempt, state))
        };
        self.write(Kind::Progress, record).await
    }
}

/// Takes an event out of the inbox and queues its outputs, at the end of the event's strand where it has one. Does nothing
/// when it is not in the inbox any more.
pub(super) fn fan_out(
    draft: &mut Draft<'_>,
    event: EventId,
    outputs: &Vec<CloudEvent>,
    to: Vec<(String, u16)>,
    strand: Option<Strand>,
) -> Result<(), JournalError> {
    if !take_out_of_inbox(draft, event)? {
        return Ok(());
    }
    draft.writes.put(Space::Outputs, keys::event(event), record::write(outputs)?);
    for gateways_own in [TRANSFORM, ORDERING] {
        let id = HandoffId { destination: gateways_own.to_owned(), event, output: 0 };
        if let Some(before) = get(draft, &id)?.filter(|before| !before.handoff.state.is_finished()) {
            let state = HandoffState::Delivered(draft.now);
            set(draft, &id, Some(&before), Handoff { state, ..before.handoff.clone() })?;
        }
    }
    if to.is_empty() {
        finished(draft, event);
    }
    for (destination, output) in to {
        queue_anew(draft, HandoffId { destination, event, output }, strand.as_ref())?;
    }
    Ok(())
}

/// Takes an event out of the inbox: a dead letter of [`TRANSFORM`].
pub(super) fn fan_out_failed(draft: &mut Draft<'_>, event: EventId, reason: String) -> Result<(), JournalError> {
    if !take_out_of_inbox(draft, event)? {
        return Ok(());
    }
    let id = HandoffId { destination: TRANSFORM.to_owned(), event, output: 0 };
    let at = draft.now;
    let before = get(draft, &id)?;
    let attempt = Attempt { at, took: 0, status: None, error: Some(reason) };
    let after = with_attempt(before.as_ref(), attempt, HandoffState::Dead(at));
    set(draft, &id, before.as_ref(), after)
}

/// Adds an attempt and moves the handoff to where it stands after it.
pub(super) fn record_attempt(
    draft: &mut Draft<'_>,
    id: &HandoffId,
    attempt: Attempt,
    state: HandoffState,
) -> Result<(), JournalError> {
    let before = get(draft, id)?;
    let after = with_attempt(before.as_ref(), attempt, state);
    set(draft, id, before.as_ref(), after)
}

/// Sends a dead letter on its way again, its history kept. False when it is not a dead letter.
pub(super) fn redrive(draft: &mut Draft<'_>, id: &HandoffId) -> Result<bool, JournalError> {
    let Some(before) = get(draft, id)? else { return Ok(false) };
    if !matches!(before.handoff.state, HandoffState::Dead(_)) {
        return Ok(false);
    }
    let after = Handoff { state: HandoffState::Pending(draft.hold_now), tries: 0, ..before.handoff.clone() };
    set(draft, id, Some(&before), after)?;
    match id.destination.as_str() {
        TRANSFORM => put_into_inbox(draft, id.event, Marks::default())?,
        ORDERING => put_into_inbox(draft, id.event, Marks { late: true, ..Marks::default() })?,
        _ => {}
    }
    Ok(true)
}

/// An event that came after its turn goes no further: a dead letter of [`ORDERING`], or one that is given up at once.
pub(super) fn refuse_late(
    draft: &mut Draft<'_>,
    event: EventId,
    state: HandoffState,
    reason: &str,
) -> Result<(), JournalError> {
    let id = HandoffId { destination: ORDERING.to_owned(), event, output: 0 };
    let attempt = Attempt { at: draft.now, took: 0, status: None, error: Some(reason.to_owned()) };
    set(draft, &id, None, with_attempt(None, attempt, state))
}

/// Gives a dead letter up: it is finished, its history kept until the event's retention ends. False when it is not a dead
/// letter.
pub(super) fn discard(draft: &mut Draft<'_>, id: &HandoffId) -> Result<bool, JournalError> {
    let Some(before) = get(draft, id)? else { return Ok(false) };
    if !matches!(before.handoff.state, HandoffState::Dead(_)) {
        return Ok(false);
    }
    let after = Handoff { state: HandoffState::Discarded(draft.now), ..before.handoff.clone() };
    set(draft, id, Some(&before), after)?;
    Ok(true)
}

/// Puts an event back into the inbox, whatever became of it. False when it is not kept (any more).
pub(super) fn transform_again(draft: &mut Draft<'_>, event: EventId) -> Result<bool, JournalError> {
    if !kept(draft, event)? {
        return Ok(false);
    }
    put_into_inbox(draft, event, Marks::default())?;
    Ok(true)
}

/// Queues these handoffs again, whatever became of them, each by itself: only one that has a place in a strand keeps
/// it. False when the event is not kept (any more).
pub(super) fn hand_off_again(
    draft: &mut Draft<'_>,
    event: EventId,
    to: Vec<(String, u16)>,
) -> Result<bool, JournalError> {
    if !kept(draft, event)? {
        return Ok(false);
    }
    for (destination, output) in to {
        queue_anew(draft, HandoffId { destination, event, output }, None)?;
    }
    Ok(true)
}

/// Queues a handoff that may have a history. One that waits in a strand is left alone: its turn comes.
pub(super) fn queue_anew(draft: &mut Draft<'_>, id: HandoffId, strand: Option<&Strand>) -> Result<(), JournalError> {
    keys::check_name(&id.destination)?;
    let before = get(draft, &id)?;
    let handoff = before.as_ref().map(|before| &before.handoff);
    if matches!(handoff, Some(Handoff { state: HandoffState::Waiting(_), .. })) {
        return Ok(());
    }
    let (place, is_first) = match (handoff.and_then(|handoff| handoff.place), strand) {
        (None, Some(strand)) => {
            let (place, is_first) = strands::join(draft, &id, strand)?;
            (Some(place), is_first)
        }
        (place, _) => (place, true),
    };
    let state = if is_first { HandoffState::Pending(draft.hold_now) } else { HandoffState::Waiting(draft.now) };
    let (attempts, left_out) = handoff.map(|handoff| (handoff.attempts.clone(), handoff.left_out)).unwrap_or_default();
    set(draft, &id, before.as_ref(), Handoff { state, attempts, tries: 0, left_out, place })
}

/// Writes a handoff and moves its keys in the queue and among the dead letters to where its state says. When it loses its
/// place in a strand by that, the strand goes on.
fn set(draft: &mut Draft<'_>, id: &HandoffId, before: Option<&Before>, mut after: Handoff) -> Result<(), JournalError> {
    keys::check_name(&id.destination)?;
    let name = id.destination.as_str();
    after.place = after.place.filter(|place| place.is_kept(after.state));
    if let Some(Before { handoff, .. }) = before {
        draft.delta.change(name, -counted(id, handoff));
        if let Some((space, key)) = indexed(id, handoff.state) {
            draft.writes.delete(space, key);
        }
    }
    let (waited, queued) = match before {
        Some(Before { queued: Some(queued), .. }) => (false, *queued),
        Some(Before { handoff, .. }) => (waits(id, handoff.state), draft.hold_now),
        None => (false, draft.hold_now),
    };
    match (waited, waits(id, after.state)) {
        (false, true) => draft.writes.put(Space::Queue, keys::waits(id), queued.to_be_bytes().to_vec()),
        (true, false) => draft.writes.delete(Space::Queue, keys::waits(id)),
        _ => {}
    }
    draft.delta.change(name, counted(id, &after));
    if let Some((space, key)) = indexed(id, after.state) {
        draft.writes.put(space, key, Vec::new());
        if space == Space::Queue {
            draft.wakes.queues.insert(name.to_owned());
        }
    }
    if after.state.is_finished() {
        finished(draft, id.event);
    }
    draft.writes.put(Space::Handoffs, keys::handoff(id), record::write(&after)?);
    match before.and_then(|before| before.handoff.place) {
        Some(place) if after.place.is_none() => go_on(draft, id, place),
        _ => Ok(()),
    }
}

/// Queues what comes behind a handoff that leaves its strand.
fn go_on(draft: &mut Draft<'_>, left: &HandoffId, place: Place) -> Result<(), JournalError> {
    let mut last = (left.clone(), place);
    while let Some((next, place)) = strands::leave(draft, &last.0, &last.1)? {
        match get(draft, &next) {
            Ok(Some(waiting)) => {
                let state = HandoffState::Pending(draft.hold_now);
                return set(draft, &next, Some(&waiting), Handoff { state, ..waiting.handoff.clone() });
            }
            // What it was is unknown; the handoffs behind it must not wait for it for ever.
            Ok(None) => tracing::error!(event = %next.event, destination = next.destination, "a handoff is missing"),
            Err(e @ JournalError::Damaged(..)) => tracing::error!("{e}; its strand goes on without it"),
            Err(e) => return Err(e),
        }
        last = (next, place);
    }
    Ok(())
}

/// Where a handoff in that state must be found apart from under its own key.
pub(super) fn indexed(id: &HandoffId, state: HandoffState) -> Option<(Space, Vec<u8>)> {
    match state {
        // The inbox is the queue of these.
        HandoffState::Pending(_) if !waits(id, state) => None,
        HandoffState::Pending(due) => Some((Space::Queue, keys::timed(due, id))),
        HandoffState::Dead(at) => Some((Space::Dead, keys::timed(at, id))),
        // The strand knows where it waits.
        HandoffState::Waiting(_) => None,
        HandoffState::Delivered(_) | HandoffState::Discarded(_) => None,
    }
}

/// Whether a handoff waits to be tried. That it does, and since when, stands in the queue's space, apart from when it
/// is due.
pub(super) fn waits(id: &HandoffId, state: HandoffState) -> bool {
    let is_gateways_own = [TRANSFORM, ORDERING].contains(&id.destination.as_str());
    !is_gateways_own && matches!(state, HandoffState::Pending(_) | HandoffState::Waiting(_))
}

/// What a handoff adds to the counters of its destination.
pub(super) fn counted(id: &HandoffId, handoff: &Handoff) -> Change {
    let nothing = Change::default();
    match handoff.state {
        HandoffState::Pending(_) if id.destination == TRANSFORM => nothing,
        HandoffState::Pending(_) => Change { queued: 1, ..nothing },
        HandoffState::Waiting(_) => Change { queued: 1, waiting: 1, ..nothing },
        HandoffState::Dead(_) => Change { dead: 1, blocking: i64::from(handoff.place.is_some()), ..nothing },
        HandoffState::Delivered(_) | HandoffState::Discarded(_) => nothing,
    }
}

/// Something of the event is finished: has the sweeper passed it by already, it must look again.
fn finished(draft: &mut Draft<'_>, event: EventId) {
    if event.delivery <= draft.retained() {
        let key = keys::expiry(Due::Delivery, second_after(draft.now), event.delivery);
        draft.writes.put(Space::Expiry, key, Vec::new());
    }
}

fn take_out_of_inbox(draft: &mut Draft<'_>, event: EventId) -> Result<bool, JournalError> {
    let key = keys::whereabouts(event);
    let Some(Whereabouts::Inbox(ticket)) = whereabouts(draft, event)? else { return Ok(false) };
    draft.writes.delete(Space::Inbox, key);
    draft.writes.delete(Space::Inbox, keys::ticket(ticket, event));
    draft.delta.inbox -= 1;
    Ok(true)
}

/// Puts an event into the inbox, behind all others. One that is there, or is held, stays where it is.
fn put_into_inbox(draft: &mut Draft<'_>, event: EventId, marks: Marks) -> Result<(), JournalError> {
    if whereabouts(draft, event)?.is_none() {
        add_to_inbox(draft, event, marks)?;
    }
    draft.wakes.inbox = true;
    Ok(())
}

/// As [`put_into_inbox`], for an event that is known not to be there.
pub(super) fn add_to_inbox(draft: &mut Draft<'_>, event: EventId, marks: Marks) -> Result<(), JournalError> {
    let ticket = draft.ticket();
    let marks = if marks == Marks::default() { Vec::new() } else { record::write(&marks)? };
    draft.writes.put(Space::Inbox, keys::ticket(ticket, event), marks);
    draft.writes.put(Space::Inbox, keys::whereabouts(event), record::write(&Whereabouts::Inbox(ticket))?);
    draft.delta.inbox += 1;
    draft.wakes.inbox = true;
    Ok(())
}

fn whereabouts(draft: &Draft<'_>, event: EventId) -> Result<Option<Whereabouts>, JournalError> {
    let bytes = draft.get(Space::Inbox, &keys::whereabouts(event))?;
    bytes.map(|bytes| record::read(&bytes, &event)).transpose()
}

fn kept(draft: &Draft<'_>, event: EventId) -> Result<bool, JournalError> {
    Ok(draft.get(Space::Deliveries, &keys::delivery(event.delivery))?.is_some())
}

/// A handoff before a change.
struct Before {
    handoff: Handoff,
    /// When its commit queued it, if it has no record of its own yet.
    queued: Option<u64>,
}

fn get(draft: &Draft<'_>, id: &HandoffId) -> Result<Option<Before>, JournalError> {
    if let Some(bytes) = draft.get(Space::Handoffs, &keys::handoff(id))? {
        let handoff = record::read(&bytes, &format_args!("{} to {}", id.event, id.destination))?;
        return Ok(Some(Before { handoff, queued: None }));
    }
    if let Some(queued) = draft.queued_recently(id) {
        return Ok(Some(Before { handoff: owed::untried(queued), queued: Some(queued) }));
    }
    let queued = match owed::queued(draft.get(Space::Deliveries, &keys::delivery(id.event.delivery))?, id) {
        // What is left of the event goes on as if nothing was owed; the handoff itself cannot be made.
        Err(e @ JournalError::Damaged(..)) => {
            tracing::error!("{e}");
            None
        }
        queued => queued?,
    };
    Ok(queued.map(|queued| Before { handoff: owed::untried(queued), queued: Some(queued) }))
}

fn with_attempt(before: Option<&Before>, mut attempt: Attempt, state: HandoffState) -> Handoff {
    let new = Handoff { state, attempts: Vec::new(), tries: 0, left_out: 0, place: None };
    let before = before.map_or(new, |before| before.handoff.clone());
    let Handoff { mut attempts, tries, mut left_out, place, .. } = before;
    if let Some(error) = &mut attempt.error {
        error.truncate(error.floor_char_boundary(ERROR_MAX));
    }
    attempts.push(attempt);
    if attempts.len() > FIRST_ATTEMPTS + LATEST_ATTEMPTS {
        attempts.remove(FIRST_ATTEMPTS);
        left_out = left_out.saturating_add(1);
    }
    Handoff { state, attempts, tries: tries.saturating_add(1), left_out, place }
}
