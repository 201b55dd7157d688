//! Admission: idempotency keys and signatures checked and events made durable, in one draft.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    draft::Draft,
    engine::Space,
    handoffs,
    held::{self, Line},
    ids,
    keys::{self, ClaimEntry},
    record::{self, EncodedDelivery, Known},
    types::{Admitted, Commit, EventId, EventKey, IdempotencyKey, JournalError, Marks, Replays},
};
use crate::config::SourceOrdering;

/// A [`Commit`] as the writer takes it.
#[derive(Debug)]
pub(super) struct Prepared {
    delivery: EncodedDelivery,
    keys: Vec<Option<EventKey>>,
    signatures: Vec<IdempotencyKey>,
    window_ms: u64,
    ordering: Option<SourceOrdering>,
    source: Arc<str>,
    received_at: u64,
    /// Of each event, the line in which it stands.
    lines: Vec<Option<Line>>,
    /// The object in which the body is.
    object: Option<Uuid>,
}

impl Prepared {
    /// Encodes a commit; done by the caller, the writer has no time for it.
    pub(super) fn new(commit: Commit) -> Result<Prepared, JournalError> {
        if commit.events.len() > usize::from(u16::MAX) {
            return Err(JournalError::Failed(format!(
                "a delivery of {} events; 65,535 is the most",
                commit.events.len()
            )));
        }
        let source = &commit.delivery.source;
        let lines = match commit.ordering {
            Some(_) => commit.events.iter().map(|(event, _)| Line::of(source, event)).collect(),
            None => Vec::new(),
        };
        Ok(Prepared {
            lines,
            ordering: commit.ordering,
            source: source.as_str().into(),
            received_at: commit.delivery.request.received_at,
            delivery: EncodedDelivery::new(&commit.delivery, commit.events.iter().map(|(event, _)| event))?,
            keys: commit.events.iter().map(|(_, key)| *key).collect(),
            object: commit.delivery.claim.as_ref().map(|claim| claim.object),
            signatures: commit.signatures.keys,
            window_ms: millis(commit.signatures.window),
        })
    }

    /// Admits the events whose keys are new, unless the delivery's signatures are known.
    pub(super) fn write(self, draft: &mut Draft<'_>) -> Result<Vec<Admitted>, JournalError> {
        if let Some(first) = self.seen_before(draft)? {
            return self.admit_nothing(draft, first);
        }
        let delivery = ids::next(draft.last_delivery(), draft.now, rand::random());
        let mut admitted = Vec::with_capacity(self.keys.len());
        let mut new = Vec::new();
        let mut remembered = Remembered::default();
        for (index, key) in (0..).zip(&self.keys) {
            let event = EventId { delivery, index };
            if let Some(key) = key {
                if let Some(before) = known_now(draft, &key.hash)? {
                    admitted.push(Admitted::Duplicate(before.event));
                    continue;
                }
                let expires = draft.now.saturating_add(millis(key.lasts));
                remembered.put(draft, &key.hash, Known { expires, event })?;
            }
            self.put_in_its_place(draft, event)?;
            admitted.push(Admitted::New(event));
            new.push(index);
        }
        self.remember_signatures(draft, &admitted, &mut remembered)?;
        remembered.finish(draft, delivery);
        if new.is_empty() {
            return Ok(admitted);
        }
        if let Some(object) = self.object {
            let of_delivery = keys::claim(ClaimEntry::OfDelivery, delivery);
            draft.writes.put(Space::Claims, of_delivery, object.as_bytes().to_vec());
            draft.writes.put(Space::Claims, keys::claim(ClaimEntry::Kept, object), Vec::new());
        }
        draft.writes.put(Space::Deliveries, keys::delivery(delivery), self.delivery.finish(&new));
        draft.delta.deliveries += 1;
        draft.delta.commits += 1;
        draft.delta.last = Some(delivery);
        Ok(admitted)
    }

    /// Into the inbox, or among those that wait for their turn.
    fn put_in_its_place(&self, draft: &mut Draft<'_>, event: EventId) -> Result<(), JournalError> {
        match (&self.ordering, self.lines.get(usize::from(event.index)).copied().flatten()) {
            (Some(rules), Some(line)) => held::arrive(
                draft,
                &held::Arrival { source: &self.source, rules, line, event, received_at: self.received_at },
            ),
            _ => handoffs::add_to_inbox(draft, event, Marks::default()),
        }
    }

    /// An event that came with the delivery's signatures, if all of them are known. One that is new is proof of something
    /// new: a provider that signs each event of a delivery may put known ones together with others.
    fn seen_before(&self, draft: &Draft<'_>) -> Result<Option<EventId>, JournalError> {
        let mut first = None;
        for key in &self.signatures {
            match known_now(draft, key)? {
                Some(known) => first = first.or(Some(known.event)),
                None => return Ok(None),
            }
        }
        Ok(first)
    }

    /// What became of the events of a delivery whose signatures are known.
    fn admit_nothing(&self, draft: &mut Draft<'_>, first: EventId) -> Result<Vec<Admitted>, JournalError> {
        let one = |key: &Option<EventKey>| {
            let Some(key) = key else { return Ok(Admitted::Duplicate(first)) };
            let known = known_now(draft, &key.hash)?;
            Ok(known.map_or(Admitted::Replayed(first), |known| Admitted::Duplicate(known.event)))
        };
        let admitted = self.keys.iter().map(one).collect::<Result<Vec<_>, JournalError>>()?;
        if admitted.contains(&Admitted::Replayed(first)) {
            note_replay(draft, first)?;
        }
        Ok(admitted)
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
                remembered.put(draft, key, Known { expires, event })?;
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

/// The first whole second at or after a time in milliseconds; the last one there is for times beyond the year 2106.
pub(super) fn second_after(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX)
}
