//! Admission: idempotency keys and signatures checked and events made durable, in one draft.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use hookgate_model::ordering::SourceOrdering;
use uuid::Uuid;

use crate::{
    Journal, claims,
    duplicates::{self, Brought, Description, Repeat},
    engine::Space,
    held::{self, Line},
    record::{
        self, EncodedDelivery, Known,
        keys::{self, second_after},
    },
    types::{
        Admitted, Commit, Committed, ContentHash, DropCause, Dropped, EventId, EventKey, IdempotencyKey, JournalError,
        Replays, Routed, RoutedEvent,
    },
    write::{Draft, Kind},
};

impl Journal {
    /// What became of the events of [`Journal::take_in`].
    pub async fn commit(&self, commit: Commit) -> Result<Vec<Admitted>, JournalError> {
        Ok(self.take_in(commit).await?.events)
    }

    /// Makes a delivery's events durable, those whose keys are new, in one atomic, group-committed, fsynced write. What is
    /// dropped is recorded in the same write; where nothing is new that is not synced, and survives the process.
    pub async fn take_in(&self, commit: Commit) -> Result<Committed, JournalError> {
        let prepared = Prepared::new(commit, self.0.retention)?;
        let began = Instant::now();
        let committed = self.write(Kind::Admission, move |draft| prepared.write(draft)).await;
        match &committed {
            Ok(_) => self.0.metrics.commit.record(began.elapsed()),
            Err(JournalError::Full(_)) => self.0.metrics.full.increment(1),
            Err(_) => self.0.metrics.failed.increment(1),
        }
        committed
    }

    /// How often an event came again under another id and was turned away; none when it did not.
    pub fn replays(&self, id: EventId) -> Result<Option<Replays>, JournalError> {
        replays(self.engine()?.get(Space::Replays, &keys::event(id))?, id)
    }
}

/// A [`Commit`] as the writer takes it.
#[derive(Debug)]
pub(super) struct Prepared {
    id: Option<Uuid>,
    delivery: EncodedDelivery,
    /// The events that are transformed and routed, each with where its outputs go.
    routed: Vec<Option<RoutedEvent>>,
    keys: Vec<Option<EventKey>>,
    signatures: Vec<IdempotencyKey>,
    window_ms: u64,
    ordering: Option<SourceOrdering>,
    source: Arc<str>,
    received_at: u64,
    /// Of each event, the line in which it stands.
    lines: Vec<Option<Line>>,
    /// The object in which the body is, and its length.
    object: Option<(Uuid, u64)>,
    trace: String,
    /// Of each event, what is to be known if it is dropped.
    descriptions: Vec<Description>,
    /// How long deliveries are kept, in milliseconds.
    retention: u64,
}

impl Prepared {
    /// Encodes a commit. The caller does that, to keep the writer thread free. Deliveries are kept for `retention`.
    pub(super) fn new(commit: Commit, retention: Duration) -> Result<Prepared, JournalError> {
        if commit.events.len() > usize::from(u16::MAX) {
            return Err(JournalError::Failed(format!(
                "a delivery of {} events; 65,535 is the most",
                commit.events.len()
            )));
        }
        let descriptions = duplicates::describe(&commit)?;
        let source = &commit.delivery.source;
        let lines = match commit.ordering {
            Some(_) => commit.events.iter().map(|(event, _)| Line::of(source, event)).collect(),
            None => Vec::new(),
        };
        let unordered = |routed: &&Routed| routed.strand.is_none();
        let outputs = |index: usize| commit.routed.get(index)?.as_ref().filter(unordered).map(|routed| &routed.outputs);
        let events = commit.events.iter().enumerate().map(|(index, (event, _))| (event, outputs(index)));
        let encoded = EncodedDelivery::new(&commit.delivery, events)?;
        let bytes = usize::try_from(encoded.bytes()).unwrap_or(usize::MAX);
        let routed = commit.routed.into_iter().zip(&commit.events);
        let routed = routed.map(|(routed, (event, _))| {
            let (delivery, admission) = (commit.delivery.clone(), event.clone());
            routed.map(|routed| RoutedEvent { delivery, admission, routed, bytes })
        });
        Ok(Prepared {
            lines,
            ordering: commit.ordering,
            source: source.as_str().into(),
            received_at: commit.delivery.request.received_at,
            id: commit.id,
            delivery: encoded,
            routed: routed.collect(),
            keys: commit.events.iter().map(|(_, key)| *key).collect(),
            object: commit.delivery.claim.as_ref().map(|claim| (claim.object, claim.length)),
            trace: commit.delivery.trace.clone(),
            descriptions,
            retention: millis(retention),
            signatures: commit.signatures.keys,
            window_ms: millis(commit.signatures.window),
        })
    }

    /// Admits the events whose keys are new, unless the delivery's signatures are known.
    pub(super) fn write(mut self, draft: &mut Draft<'_>) -> Result<Committed, JournalError> {
        let delivery = self.id.unwrap_or_else(|| draft.next_delivery());
        if let Some(first) = self.seen_before(draft)? {
            return self.admit_nothing(draft, delivery, first);
        }
        let mut events = Vec::with_capacity(self.keys.len());
        let mut repeats = Vec::new();
        let mut new = Vec::new();
        let mut owed = Vec::new();
        let mut remembered = Remembered::default();
        for (index, key) in (0..).zip(std::mem::take(&mut self.keys)) {
            let event = EventId { delivery, index };
            if let Some(key) = key {
                if let Some(before) = known_now(draft, &key.hash)? {
                    events.push(Admitted::Duplicate(before.event));
                    repeats.push(self.repeat(index, before, DropCause::Key));
                    continue;
                }
                let expires = draft.now.saturating_add(millis(key.lasts));
                remembered.put(draft, &key.hash, Known { expires, event, content: self.content(index) })?;
            }
            match self.routed.get_mut(usize::from(index)).and_then(Option::take) {
                Some(routed) if routed.routed.strand.is_none() => owed.extend(routed.admit(draft, event)?),
                routed => {
                    draft.arriving = routed.map(|routed| (event, routed));
                    let ordering = self.ordering.as_ref().zip(self.lines.get(usize::from(index)).copied().flatten());
                    held::put_in_its_place(draft, &self.source, ordering, event, self.received_at)?;
                    draft.arriving = None;
                }
            }
            events.push(Admitted::New(event));
            new.push(index);
        }
        self.remember_signatures(draft, &events, &mut remembered)?;
        draft.may_be_lost = new.is_empty() && remembered.is_empty();
        remembered.finish(draft, delivery);
        let (dropped, mut keeps_object) = self.drop_repeats(draft, delivery, &repeats)?;
        if !new.is_empty() {
            if let Some((object, _)) = self.object {
                claims::refer(draft, delivery, object)?;
                keeps_object = true;
            }
            draft.put_delivery(delivery, self.delivery.finish(&new, &owed)?);
        }
        let in_final_form = std::mem::take(&mut draft.in_final_form);
        Ok(Committed { events, dropped, in_final_form, keeps_object })
    }

    fn content(&self, index: u16) -> ContentHash {
        self.descriptions.get(usize::from(index)).map(|description| description.content).unwrap_or_default()
    }

    fn repeat(&self, index: u16, before: Known, cause: DropCause) -> Repeat {
        let Known { expires, event, content } = before;
        Repeat { index, of: event, cause, expires, same_content: content == self.content(index) }
    }

    /// Records what is not admitted. Whether the body's object is kept for it.
    fn drop_repeats(
        &self,
        draft: &mut Draft<'_>,
        delivery: Uuid,
        repeats: &[Repeat],
    ) -> Result<(Vec<Dropped>, bool), JournalError> {
        if repeats.is_empty() {
            return Ok((Vec::new(), false));
        }
        draft.delta.last = draft.delta.last.max(Some(delivery));
        let brought = Brought {
            source: &self.source,
            trace: &self.trace,
            events: &self.descriptions,
            encoded: &self.delivery,
            object: self.object,
            retention: self.retention,
        };
        duplicates::keep(draft, delivery, &brought, repeats)
    }

    /// An event that came with the delivery's signatures, if all of them are known. One that is new is proof of something
    /// new: a provider that signs each event of a delivery may put known ones together with others.
    fn seen_before(&self, draft: &Draft<'_>) -> Result<Option<Known>, JournalError> {
        let mut first = None;
        for key in &self.signatures {
            match known_now(draft, key)? {
                Some(known) => first = first.or(Some(known)),
                None => return Ok(None),
            }
        }
        Ok(first)
    }

    /// What became of the events of a delivery whose signatures are known.
    fn admit_nothing(&self, draft: &mut Draft<'_>, delivery: Uuid, first: Known) -> Result<Committed, JournalError> {
        let mut events = Vec::with_capacity(self.keys.len());
        let mut repeats = Vec::with_capacity(self.keys.len());
        for (index, key) in (0..).zip(&self.keys) {
            let known = match key {
                Some(key) => known_now(draft, &key.hash)?,
                None => None,
            };
            let (event, repeat) = match (key, known) {
                (_, Some(known)) => (Admitted::Duplicate(known.event), self.repeat(index, known, DropCause::Key)),
                (None, None) => (Admitted::Duplicate(first.event), self.repeat(index, first, DropCause::Signature)),
                (Some(_), None) => (Admitted::Replayed(first.event), self.repeat(index, first, DropCause::Replay)),
            };
            events.push(event);
            repeats.push(repeat);
        }
        if events.contains(&Admitted::Replayed(first.event)) {
            note_replay(draft, first.event)?;
        }
        draft.may_be_lost = true;
        let (dropped, keeps_object) = self.drop_repeats(draft, delivery, &repeats)?;
        Ok(Committed { events, dropped, in_final_form: Vec::new(), keeps_object })
    }

    /// Also where no event is new: a provider that tries again signs anew, and that too can be captured.
    fn remember_signatures(
        &self,
        draft: &mut Draft<'_>,
        admitted: &[Admitted],
        remembered: &mut Remembered,
    ) -> Result<(), JournalError> {
        let is_new = |admitted: &&Admitted| matches!(admitted, Admitted::New(_));
        let Some(event) = admitted.iter().find(is_new).or(admitted.first()).map(|admitted| admitted.event()) else {
            return Ok(());
        };
        let expires = draft.now.saturating_add(self.window_ms);
        for key in &self.signatures {
            if known_now(draft, key)?.is_none() {
                remembered.put(draft, key, Known { expires, event, content: ContentHash::default() })?;
            }
        }
        Ok(())
    }
}

/// Counts a replay with the event that was there first, as long as that is kept.
fn note_replay(draft: &mut Draft<'_>, first: EventId) -> Result<(), JournalError> {
    if draft.get(Space::Deliveries, &keys::delivery(first.delivery))?.is_none() {
        return Ok(());
    }
    let before = replays(draft.get(Space::Replays, &keys::event(first))?, first)?;
    let count = before.map_or(0, |before| before.count).saturating_add(1);
    draft.writes.put(Space::Replays, keys::event(first), record::write(&Replays { count, last: draft.now })?);
    Ok(())
}

/// What is stored of an event's replays.
pub(super) fn replays(stored: Option<Vec<u8>>, event: EventId) -> Result<Option<Replays>, JournalError> {
    stored.map(|bytes| record::read(&bytes, &event)).transpose()
}

/// The keys that a commit has had remembered, by the second in which they are to be forgotten.
#[derive(Default)]
struct Remembered(BTreeMap<u32, Vec<u8>>);

impl Remembered {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, draft: &mut Draft<'_>, key: &IdempotencyKey, value: Known) -> Result<(), JournalError> {
        draft.delta.keys += i64::from(known(draft, key)?.is_none());
        draft.writes.put(Space::Idempotency, key.to_vec(), value.write());
        self.0.entry(second_after(value.expires)).or_default().extend(key);
        Ok(())
    }

    /// Notes them for the sweeper.
    fn finish(self, draft: &mut Draft<'_>, delivery: Uuid) {
        for (second, listed) in self.0 {
            draft.writes.put(Space::Expiry, keys::expiry(keys::Due::Keys, second, delivery), listed);
        }
    }
}

/// What is remembered under a key and counts now.
fn known_now(draft: &Draft<'_>, key: &IdempotencyKey) -> Result<Option<Known>, JournalError> {
    Ok(known(draft, key)?.filter(|known| known.expires > draft.now))
}

/// What is remembered under a key, expired or not.
pub(super) fn known(draft: &Draft<'_>, key: &IdempotencyKey) -> Result<Option<Known>, JournalError> {
    let bytes = draft.get(Space::Idempotency, key)?;
    bytes.map(|bytes| Known::read(&bytes, &format_args!("{:032x}", u128::from_be_bytes(*key)))).transpose()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
