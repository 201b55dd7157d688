//! Events that wait for their turn: how [`Buffer`] decides, in drafts.
//!
//! An event is held under its ordering key and position, and once more under its source and the time when it is due. What
//! is known of a key stands under the key's hash. All that one arrival changes is part of the commit that brings it, so
//! that nothing is lost or held twice, whatever happens; of a key only as much is read as is released.

mod shelf;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hookgate_capabilities::{Admission, Position};
use hookgate_model::ordering::{Late, SourceOrdering};
use sha2::{Digest, Sha256};

use self::shelf::DraftShelf;
use crate::{
    Journal,
    engine::{Engine, Space},
    read,
    record::{
        self, HeldEvent, OrderingKey, Whereabouts,
        keys::{self, Due, HeldAt, OrderingHash, second_after},
    },
    reorder::{Buffer, Entry, KeyState, Kind, OVERFLOW_AT_ONCE, OrderingNotice},
    straight,
    types::{EventId, JournalError, Marks, Stage},
    write::{self, Draft, Shared},
};

/// Events that are due, or whose time changes, in one write; what stands before them goes with them.
const AT_ONCE: usize = 256;

impl Journal {
    /// The stage of an event that is not yet transformed; `None` when it is transformed, or not kept.
    pub fn stage(&self, event: EventId) -> Result<Option<Stage>, JournalError> {
        stage(&self.0.shared, event)
    }

    /// How long it takes until the next held event is due; `None` when nothing is held. An event that is held later and due
    /// sooner wakes [`Journal::release_nears`].
    pub fn next_release(&self) -> Result<Option<Duration>, JournalError> {
        let shared = &self.0.shared;
        // An event that comes during the look wakes as well.
        shared.next_release.store(u64::MAX, Ordering::SeqCst);
        let due = next_due(shared)?;
        shared.next_release.store(due.unwrap_or(u64::MAX), Ordering::SeqCst);
        Ok(due.map(|due| Duration::from_millis(due.saturating_sub(shared.hold_clock.now()))))
    }

    /// Releases held events that are due, a bounded number of them, each ordering key in its order, in one atomic write
    /// (not synced: after a power cut they are held and due once more). Whether more may be due. `late` says for each
    /// source what becomes of numbers that came twice.
    pub async fn release(&self, late: BTreeMap<String, Late>) -> Result<bool, JournalError> {
        self.write(write::Kind::Progress, move |draft| release_due(draft, &late)).await
    }

    /// Shortens the waits of the events that a source holds to what its rules now say; without rules they are due at once.
    pub async fn bring_forward(&self, source: &str, rules: Option<&SourceOrdering>) -> Result<(), JournalError> {
        for kind in Kind::ALL {
            let hold = rules.map_or(Duration::ZERO, |rules| hold(rules, kind));
            let hold = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
            let until = self.0.shared.hold_clock.now().saturating_add(hold);
            let mut from = None;
            loop {
                let source = source.to_owned();
                let change = move |draft: &mut Draft<'_>| bring_forward(draft, &source, kind, until, from);
                match self.write(write::Kind::Progress, change).await? {
                    None => break,
                    next => from = next,
                }
            }
        }
        Ok(())
    }

    /// Sources with held events.
    pub fn holding(&self) -> Vec<String> {
        self.0.shared.books().held.keys().cloned().collect()
    }
}

/// Where an event of a source with ordering stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    key: OrderingHash,
    kind: Kind,
    position: u64,
}

impl Line {
    /// None for an event that has no position: it goes on as it comes.
    pub(crate) fn of(source: &str, event: &Admission) -> Option<Line> {
        let ordering = event.identity.ordering.as_ref()?;
        let (kind, position) = match ordering.position {
            Position::Arrival => return None,
            Position::Sequence(number) => (Kind::Sequence, number),
            Position::Timestamp(at) => (Kind::Timestamp, at),
        };
        Some(Line { key: hash(source, kind, &ordering.key), kind, position })
    }
}

fn hash(source: &str, kind: Kind, key: &str) -> OrderingHash {
    let mut hash = Sha256::new();
    hash.update((source.len() as u64).to_be_bytes());
    hash.update(source);
    hash.update([kind as u8]);
    hash.update(key);
    let mut short = OrderingHash::default();
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}

/// An event that has just come.
pub(crate) struct Arrival<'a> {
    pub(crate) source: &'a Arc<str>,
    pub(crate) rules: &'a SourceOrdering,
    pub(crate) line: Line,
    pub(crate) event: EventId,
    /// In milliseconds since the epoch.
    pub(crate) received_at: u64,
}

/// How long an event is held at most.
pub(crate) fn hold(rules: &SourceOrdering, kind: Kind) -> Duration {
    match kind {
        Kind::Sequence => rules.gap_timeout,
        Kind::Timestamp => rules.window,
    }
}

/// Decides on an event that has just come, and on those that it releases.
pub(crate) fn arrive(draft: &mut Draft<'_>, arrival: &Arrival<'_>) -> Result<(), JournalError> {
    let Arrival { source, rules, line: Line { key, kind, mut position }, event, received_at } = *arrival;
    let before = known(draft, &key)?;
    let mut state = before.map_or_else(KeyState::default, |known| known.state);
    let too_far = received_at.saturating_add(ms(rules.ahead));
    let ahead = kind == Kind::Timestamp && position > too_far;
    if ahead {
        // Not before events that were released: which clock is wrong is unknown, and it may be the gateway's.
        let released = state.next.map_or(0, |next| u64::try_from(next).unwrap_or(u64::MAX));
        position = received_at.max(released);
    }
    let due = draft.hold_now.saturating_add(ms(hold(rules, kind)));
    let entry = Entry { position, arrival: draft.ticket(), item: HeldEvent { event, due, ahead } };
    if ahead {
        draft.notices.push(OrderingNotice::ahead(source, event));
    }
    let mut shelf = DraftShelf::new(draft, source, key, kind, rules.late);
    Buffer { kind, state: &mut state, shelf: &mut shelf }.arrive(entry, rules.per_key)?;
    let after = OrderingKey { state, touched: draft.now, memory: ms(rules.memory) };
    if before.is_none() {
        note(draft, &key, &after);
    }
    draft.writes.put(Space::OrderingKeys, key.to_vec(), record::write(&after)?);
    make_room(draft, source, rules)
}

/// While a source holds too many the one that is due first makes room, or rather the first one of its key.
fn make_room(draft: &mut Draft<'_>, source: &Arc<str>, rules: &SourceOrdering) -> Result<(), JournalError> {
    for _ in 0..OVERFLOW_AT_ONCE {
        if draft.held_of(source) <= rules.per_source {
            return Ok(());
        }
        let mut first: Option<(u64, HeldAt, Kind)> = None;
        for kind in Kind::ALL {
            let page = draft.front_page(Space::HeldDue, keys::held_line(source, kind), 1)?;
            let there = page.first().and_then(|(key, _)| keys::read_held_due(key)).map(|(due, at)| (due, at, kind));
            first = [first, there].into_iter().flatten().min_by_key(|(due, at, _)| (*due, *at));
        }
        let Some((_, at, kind)) = first else { return Ok(()) };
        with_buffer(draft, source, kind, at.key, rules.late, |buffer| buffer.overflow())?;
    }
    Ok(())
}

/// Releases what is due, at most [`AT_ONCE`] events and what stands before them. Whether there may be more. `late` says
/// what becomes of numbers that came twice.
pub(crate) fn release_due(draft: &mut Draft<'_>, late: &BTreeMap<String, Late>) -> Result<bool, JournalError> {
    let mut left = AT_ONCE;
    for source in draft.holding() {
        let policy = late.get(&source).copied().unwrap_or(Late::Deliver);
        let source: Arc<str> = source.into();
        for kind in Kind::ALL {
            let page = draft.front_page(Space::HeldDue, keys::held_line(&source, kind), left)?;
            let entries = page.into_iter().filter_map(|(key, _)| Some((keys::read_held_due(&key)?, key)));
            let due: Vec<_> = entries.take_while(|((due, _), _)| *due <= draft.hold_now).collect();
            left -= due.len();
            // Of each key the last one that is due; what stands before it goes first anyway.
            let mut last: BTreeMap<OrderingHash, HeldAt> = BTreeMap::new();
            for ((_, at), place) in due {
                let entry = last.entry(at.key).or_insert(at);
                *entry = at.max(*entry);
                // One whose record is damaged cannot be released, and must not be in the way.
                draft.writes.delete(Space::HeldDue, place);
            }
            for at in last.into_values() {
                with_buffer(draft, &source, kind, at.key, policy, |buffer| buffer.due(at.position, at.arrival))?;
            }
            if left == 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Works on a key that holds something.
fn with_buffer<'d, 'e>(
    draft: &'d mut Draft<'e>,
    source: &Arc<str>,
    kind: Kind,
    key: OrderingHash,
    late: Late,
    work: impl FnOnce(&mut Buffer<'_, DraftShelf<'_, 'e>>) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let mut known = match known(draft, &key)? {
        Some(known) => known,
        None => counted_anew(draft, &key)?,
    };
    known.touched = draft.now;
    let mut shelf = DraftShelf::new(draft, source, key, kind, late);
    work(&mut Buffer { kind, state: &mut known.state, shelf: &mut shelf })?;
    draft.writes.put(Space::OrderingKeys, key.to_vec(), record::write(&known)?);
    Ok(())
}

/// Where a change of times goes on.
pub(crate) type Place = Vec<u8>;

/// Brings forward what is due after `until`, from a place on; where to go on, if there is more. For a source whose rules
/// have changed: nothing is held longer than the present rules say.
pub(crate) fn bring_forward(
    draft: &mut Draft<'_>,
    source: &str,
    kind: Kind,
    until: u64,
    from: Option<Place>,
) -> Result<Option<Place>, JournalError> {
    let mut range = keys::prefix(keys::held_line(source, kind));
    let beyond = until.saturating_add(1).to_be_bytes();
    range.from = from.unwrap_or_else(|| [&keys::held_line(source, kind)[..], &beyond].concat());
    let page = draft.page(Space::HeldDue, &range, AT_ONCE)?;
    for (key, _) in &page {
        let Some((_, at)) = keys::read_held_due(key) else { continue };
        let place = keys::held(&at);
        let Some(bytes) = draft.get(Space::Held, &place)? else { continue };
        let Ok(held) = record::read::<HeldEvent>(&bytes, &hex::encode(&place)) else { continue };
        draft.writes.delete(Space::HeldDue, key.clone());
        draft.writes.put(Space::HeldDue, keys::held_due(source, kind, until, &at), Vec::new());
        draft.writes.put(Space::Held, place, record::write(&HeldEvent { due: until, ..held })?);
    }
    draft.wakes.held_until = page.first().map(|_| until);
    Ok(page.last().filter(|_| page.len() == AT_ONCE).map(|(key, _)| keys::behind(key.clone())))
}

/// When the next event is due, by the clock that held events wait by.
pub(crate) fn next_due(shared: &Shared) -> Result<Option<u64>, JournalError> {
    let mut next = None;
    let holding: Vec<_> = shared.books().held.keys().cloned().collect();
    for source in holding {
        for kind in Kind::ALL {
            let line = keys::held_line(&source, kind);
            let first = read::from_front(shared, Space::HeldDue, line, None, 1, |key, _| keys::read_held_due(key))?;
            next = [next, first.first().map(|(due, _)| *due)].into_iter().flatten().min();
        }
    }
    Ok(next)
}

/// Where an event is that is not transformed yet.
pub(crate) fn stage(shared: &Shared, event: EventId) -> Result<Option<Stage>, JournalError> {
    let engine = shared.engine()?;
    let Some(bytes) = engine.get(Space::Inbox, &keys::whereabouts(event))? else { return Ok(None) };
    let Whereabouts::Held(at) = record::read(&bytes, &event)? else { return Ok(Some(Stage::Inbox)) };
    let held = engine.get(Space::Held, &keys::held(&at))?;
    // It may have gone between the two looks.
    let Some(held) = held else { return Ok(Some(Stage::Inbox)) };
    let held: HeldEvent = record::read(&held, &event)?;
    let until = shared.now().saturating_add(held.due.saturating_sub(shared.hold_clock.now()));
    let key = ordering_key(engine.get(Space::OrderingKeys, &at.key)?, &at.key)?;
    let next = key.and_then(|known| u64::try_from(known.state.next?).ok());
    let number = next.filter(|_| is_sequence(&*engine, event).unwrap_or(false));
    Ok(Some(Stage::Held { until, number }))
}

fn is_sequence(engine: &dyn Engine, event: EventId) -> Result<bool, JournalError> {
    let ordering = read::event(engine, event)?.and_then(|kept| kept.admission.identity.ordering);
    Ok(ordering.is_some_and(|ordering| matches!(ordering.position, Position::Sequence(_))))
}

/// Forgets keys of which nothing has come for as long as they are remembered, and looks at the others again when that may
/// be so. How many were forgotten.
pub(crate) fn forget(draft: &mut Draft<'_>, notes: Vec<(Vec<u8>, OrderingHash)>) -> Result<u64, JournalError> {
    let mut forgotten = 0;
    for (place, key) in notes {
        draft.writes.delete(Space::Expiry, place);
        let known = match ordering_key(draft.get(Space::OrderingKeys, &key)?, &key) {
            Ok(Some(known)) => known,
            Ok(None) => continue,
            Err(e) => {
                tracing::error!("{e}; it is forgotten");
                draft.writes.delete(Space::OrderingKeys, key.to_vec());
                continue;
            }
        };
        if known.state.held == 0 && known.touched.saturating_add(known.memory) <= draft.now {
            draft.writes.delete(Space::OrderingKeys, key.to_vec());
            forgotten += 1;
        } else {
            note(draft, &key, &known);
        }
    }
    Ok(forgotten)
}

/// Has the sweeper look at a key when it may be forgotten. There is one note for each key that is known.
fn note(draft: &mut Draft<'_>, key: &OrderingHash, known: &OrderingKey) {
    let at = known.touched.saturating_add(known.memory).max(draft.now + 1);
    let place = keys::expiry(Due::OrderingKey, second_after(at), uuid::Uuid::from_bytes(*key));
    draft.writes.put(Space::Expiry, place, Vec::new());
}

/// What is known of a key. A damaged record is replaced by a count of the held events, so that none stays behind.
fn known(draft: &Draft<'_>, key: &OrderingHash) -> Result<Option<OrderingKey>, JournalError> {
    match ordering_key(draft.get(Space::OrderingKeys, key)?, key) {
        Err(e @ JournalError::Damaged(..)) => {
            tracing::error!("{e}; its events go on as if it were new");
            counted_anew(draft, key).map(Some)
        }
        known => known,
    }
}

fn counted_anew(draft: &Draft<'_>, key: &OrderingHash) -> Result<OrderingKey, JournalError> {
    let held = draft.page(Space::Held, &keys::held_from(key, 0), usize::MAX)?.len() as u64;
    Ok(OrderingKey { state: KeyState { next: None, held }, touched: draft.now, memory: 0 })
}

fn ordering_key(bytes: Option<Vec<u8>>, key: &OrderingHash) -> Result<Option<OrderingKey>, JournalError> {
    bytes.map(|bytes| record::read(&bytes, &hex::encode(key))).transpose()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Admits an event, or holds it until its turn. `ordering` has the rules of its source and its line.
pub(crate) fn put_in_its_place(
    draft: &mut Draft<'_>,
    source: &Arc<str>,
    ordering: Option<(&SourceOrdering, Line)>,
    event: EventId,
    received_at: u64,
) -> Result<(), JournalError> {
    match ordering {
        Some((rules, line)) => arrive(draft, &Arrival { source, rules, line, event, received_at }),
        None => straight::admit_in_turn(draft, event, Marks::default()),
    }
}
