//! After a loss: what points at dropped deliveries is made anew from what is left of them.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{DroppedDelivery, Recurrences, Tally, places};
use crate::{
    engine::{Batch, Direction, Engine, Space},
    record::{
        self,
        keys::{self, Due, second_after},
    },
    types::{EventId, JournalError},
};

/// Writes of one batch.
const BATCH: usize = 100;

type Writes = BTreeMap<(Space, Vec<u8>), Option<Vec<u8>>>;

/// What is found in the space.
#[derive(Default)]
struct Found {
    writes: Writes,
    firsts: BTreeMap<EventId, Recurrences>,
    tallies: BTreeMap<String, Tally>,
    /// How often events have come again, as it is written.
    counts: BTreeMap<EventId, u64>,
}

/// The writes that make the space whole.
pub(crate) fn rebuilt(engine: &dyn Engine) -> Result<Vec<Batch>, JournalError> {
    let mut found = Found::default();
    let mut failed = Ok(());
    engine.scan(Space::Duplicates, &keys::all(), Direction::Forward, &mut |key, value| {
        failed = found.see(engine, key, value);
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed?;
    let mut batches: Vec<Batch> = Vec::new();
    for (number, (place, value)) in found.finish()?.into_iter().enumerate() {
        if number % BATCH == 0 {
            batches.push(Batch::default());
        }
        if let Some(batch) = batches.last_mut() {
            batch.writes.insert(place, value);
        }
    }
    Ok(batches)
}

impl Found {
    fn see(&mut self, engine: &dyn Engine, key: &[u8], value: &[u8]) -> Result<(), JournalError> {
        let place = (Space::Duplicates, key.to_vec());
        match (key.first().copied(), places::read_delivery(key)) {
            (Some(places::DELIVERY), Some(delivery)) => match record::read::<DroppedDelivery>(value, &delivery) {
                Ok(dropped) => self.note(delivery, &dropped),
                Err(e) => {
                    tracing::error!("{e}; it is removed");
                    self.writes.insert(place, None);
                }
            },
            (Some(places::BODY), delivery) => {
                let there = match delivery {
                    Some(delivery) => engine.get(Space::Duplicates, &places::delivery(delivery))?.is_some(),
                    None => false,
                };
                if !there {
                    self.writes.insert(place, None);
                }
            }
            (Some(places::FIRST), _) => {
                if let Some(of) = places::read_first(key)
                    && let Ok(Recurrences { count, .. }) = record::read(value, &of)
                {
                    self.counts.insert(of, count);
                }
                self.writes.entry(place).or_insert(None);
            }
            // What is made anew of them is not to be removed.
            (Some(places::NUMBERED | places::TALLY), _) => _ = self.writes.entry(place).or_insert(None),
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, delivery: uuid::Uuid, dropped: &DroppedDelivery) {
        let DroppedDelivery { source, at, number, bytes, events, .. } = dropped;
        for event in events {
            let recurrences = self.firsts.entry(event.of).or_default();
            recurrences.kept.push(EventId { delivery, index: event.index });
            recurrences.count += 1;
            recurrences.last = recurrences.last.max(*at);
        }
        let empty = Tally { first: *number, ..Tally::default() };
        let tally = self.tallies.entry(source.clone()).or_insert(empty);
        tally.first = tally.first.min(*number);
        tally.next = tally.next.max(number.saturating_add(1));
        tally.deliveries += 1;
        tally.bytes = tally.bytes.saturating_add(*bytes);
        self.put(Space::Duplicates, places::numbered(source, *number), delivery.as_bytes().to_vec());
        let note = keys::expiry(Due::Duplicates, second_after(dropped.expires()), delivery);
        self.put(Space::Expiry, note, Vec::new());
    }

    fn put(&mut self, space: Space, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert((space, key), Some(value));
    }

    fn finish(mut self) -> Result<Writes, JournalError> {
        for (of, mut recurrences) in std::mem::take(&mut self.firsts) {
            recurrences.count = recurrences.count.max(self.counts.get(&of).copied().unwrap_or_default());
            self.put(Space::Duplicates, places::first(of), record::write(&recurrences)?);
        }
        for (source, tally) in std::mem::take(&mut self.tallies) {
            self.put(Space::Duplicates, places::tally(&source), record::write(&tally)?);
        }
        Ok(self.writes)
    }
}
