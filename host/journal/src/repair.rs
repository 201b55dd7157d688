//! Going on after a loss: what is left of the store is made whole again.

use std::ops::ControlFlow;

use hookgate_config::Store;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    duplicates,
    engine::{Batch, Direction, Durability, Engine, EngineError, KeyRange, Space},
    handoffs::{indexed, waits},
    open::{self, Opener, error::OpenError},
    owed, read,
    record::{
        self, HeldEvent, Known, StoredEvent, Whereabouts, keys,
        state::{Books, Counts, Delta, State},
    },
    types::{EventId, Handoff, HandoffId, HandoffState, JournalError},
};

/// Entries that are looked at, and mended, at once.
const PAGE: usize = 100;

/// What was done so that the store can go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AcceptedLoss {
    /// Idempotency keys removed because their event is missing: the provider may send it again.
    pub keys_removed: u64,
    /// Entries of the inbox, of queues and of the dead letters removed because what they point at is missing.
    pub orphans_removed: u64,
    /// Events put back into the inbox because it is unknown whether they were handed on; they may arrive twice.
    pub events_requeued: u64,
    /// Handoffs put back into their queue or among the dead letters. Handoffs that waited for their turn are tried now.
    pub handoffs_requeued: u64,
}

/// Makes a store usable again whose opening said [`OpenError::Lost`]: what is missing stays missing, what is left is
/// made consistent. The gateway must not run.
pub fn accept_loss(store: &Store) -> Result<AcceptedLoss, OpenError> {
    let (opener, mut sidecar) = open::prepare(store)?;
    let engine = opener.engine()?;
    let books = opener.books(&*engine)?.ok_or_else(|| opener.damaged("it has no books".to_owned()))?;
    let mend = || -> Result<(AcceptedLoss, State), JournalError> {
        let batch = last_batch(&*engine, &books.state)?.max(sidecar.last().batch);
        let tickets = books.state.tickets.max(last_ticket(&*engine)?);
        let retained = books.state.retained;
        let hold_time = books.state.hold_time;
        let mut mender =
            Mender { engine: &*engine, retained, batch, tickets, hold_time, done: AcceptedLoss::default() };
        mender.keys()?;
        mender.held()?;
        mender.inbox()?;
        mender.strands()?;
        mender.index(Space::Queue)?;
        mender.index(Space::Dead)?;
        mender.handoffs()?;
        mender.deliveries()?;
        mender.duplicates()?;
        let state = mender.close(&books.state)?;
        Ok((mender.done, state))
    };
    let (done, state) = mend().map_err(|e| failed(&opener, e))?;
    drop(engine);
    sidecar.note(&state);
    Ok(done)
}

fn failed(opener: &Opener, e: JournalError) -> OpenError {
    opener.error(match e {
        JournalError::Full(why) => EngineError::Full(why),
        other => EngineError::Failed(other.to_string()),
    })
}

/// The highest batch number that any space knows.
fn last_batch(engine: &dyn Engine, state: &State) -> Result<u64, JournalError> {
    let mut last = state.batch;
    for &space in Space::ALL {
        last = last.max(engine.last_batch(space)?.unwrap_or_default());
    }
    Ok(last)
}

/// The last ticket in the inbox.
fn last_ticket(engine: &dyn Engine) -> Result<u64, JournalError> {
    let mut last = 0;
    engine.scan(Space::Inbox, &keys::prefix(keys::tickets()), Direction::Backward, &mut |key, _| {
        last = keys::read_ticket(key).map_or(0, |(ticket, _)| ticket);
        ControlFlow::Break(())
    })?;
    Ok(last)
}

struct Mender<'a> {
    engine: &'a dyn Engine,
    retained: Uuid,
    batch: u64,
    /// The last ticket given out.
    tickets: u64,
    /// Where the clock stands by which work waits.
    hold_time: u64,
    done: AcceptedLoss,
}

impl Mender<'_> {
    /// Keys whose event was lost (and not just swept after its retention).
    fn keys(&mut self) -> Result<(), JournalError> {
        self.each(Space::Idempotency, |mender, key, value, batch| {
            let lost = match Known::read(value, &hex::encode(key)) {
                Ok(known) => known.event.delivery > mender.retained && !mender.has(known.event.delivery)?,
                Err(_) => true,
            };
            if lost {
                batch.delete(Space::Idempotency, key.to_vec());
                mender.done.keys_removed += 1;
            }
            Ok(())
        })
    }

    /// Whose turn it is cannot be known where something is missing: what was held goes on, each key in its order, and what
    /// was known of keys is forgotten.
    fn held(&mut self) -> Result<(), JournalError> {
        self.each(Space::Held, |mender, key, value, batch| {
            batch.delete(Space::Held, key.to_vec());
            let Ok(HeldEvent { event, .. }) = record::read(value, &hex::encode(key)) else { return Ok(()) };
            if mender.whereabouts(event)?.is_none_or(|at| matches!(at, Whereabouts::Held(_))) {
                mender.put_into_inbox(event, batch)?;
            }
            Ok(())
        })?;
        for space in [Space::HeldDue, Space::OrderingKeys] {
            self.each(space, |_, key, _, batch| {
                batch.delete(space, key.to_vec());
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Entries of the inbox whose event is missing, and those of its two parts that do not agree.
    fn inbox(&mut self) -> Result<(), JournalError> {
        self.each(Space::Inbox, |mender, key, value, batch| {
            let (says, event) = match keys::read_ticket(key) {
                Some((ticket, event)) => (Some(Whereabouts::Inbox(ticket)), Some(event)),
                None => (record::read(value, &hex::encode(key)).ok(), keys::read_whereabouts(key)),
            };
            let agrees = match (says, event) {
                (Some(Whereabouts::Inbox(ticket)), Some(event)) => {
                    mender.has(event.delivery)?
                        && mender.engine.get(Space::Inbox, &keys::ticket(ticket, event))?.is_some()
                        && mender.whereabouts(event)? == Some(Whereabouts::Inbox(ticket))
                }
                _ => false,
            };
            if !agrees {
                batch.delete(Space::Inbox, key.to_vec());
                mender.done.orphans_removed += u64::from(keys::is_in_order(key));
            }
            Ok(())
        })
    }

    /// All strands end: whether the rest of a strand is complete cannot be known.
    fn strands(&mut self) -> Result<(), JournalError> {
        self.each(Space::Strands, |_, key, _, batch| {
            batch.delete(Space::Strands, key.to_vec());
            Ok(())
        })
    }

    /// Entries of the queues or of the dead letters that are not where their handoff says.
    fn index(&mut self, space: Space) -> Result<(), JournalError> {
        self.each(space, |mender, key, _, batch| {
            if let Some(id) = keys::read_waits(key) {
                let waits = mender.handoff(&id)?.is_some_and(|handoff| waits(&id, handoff.state));
                if !waits || !mender.has(id.event.delivery)? {
                    batch.delete(space, key.to_vec());
                }
                return Ok(());
            }
            let there = match keys::read_timed(key) {
                Some((_, id)) if mender.has(id.event.delivery)? => {
                    mender.handoff(&id)?.and_then(|h| indexed(&id, h.state))
                }
                _ => None,
            };
            if there.as_ref().is_none_or(|(in_space, at)| (*in_space, at.as_slice()) != (space, key)) {
                batch.delete(space, key.to_vec());
                mender.done.orphans_removed += 1;
            }
            Ok(())
        })
    }

    /// Handoffs that are not in the queue or among the dead letters although they say so.
    fn handoffs(&mut self) -> Result<(), JournalError> {
        self.each(Space::Handoffs, |mender, key, value, batch| {
            let Some(id) = keys::read_handoff(key) else { return Ok(()) };
            if !mender.has(id.event.delivery)? {
                batch.delete(Space::Handoffs, key.to_vec());
                mender.done.orphans_removed += 1;
                return Ok(());
            }
            let Ok(mut handoff) = record::read::<Handoff>(value, &id.event) else { return Ok(()) };
            if handoff.place.take().is_some() {
                // Of what waited, the first has been waiting longest: that is the order in which they are due now.
                if let HandoffState::Waiting(since) = handoff.state {
                    let age = hookgate_model::clock::now_ms().saturating_sub(since);
                    handoff.state = HandoffState::Pending(mender.hold_time.saturating_sub(age));
                }
                batch.put(Space::Handoffs, key.to_vec(), record::write(&handoff)?);
            }
            if waits(&id, handoff.state) && mender.engine.get(Space::Queue, &keys::waits(&id))?.is_none() {
                batch.put(Space::Queue, keys::waits(&id), mender.hold_time.to_be_bytes().to_vec());
            }
            if let Some((space, at)) = indexed(&id, handoff.state)
                && mender.engine.get(space, &at)?.is_none()
            {
                batch.put(space, at, Vec::new());
                mender.done.handoffs_requeued += 1;
            }
            Ok(())
        })
    }

    /// Events that are nowhere on their way.
    fn deliveries(&mut self) -> Result<(), JournalError> {
        self.each(Space::Deliveries, |mender, key, value, batch| {
            let Some(delivery) = keys::read_delivery(key) else { return Ok(()) };
            let Ok(stored) = record::read_delivery(value, delivery) else { return Ok(()) };
            for (id, queued) in owed::ids(delivery, record::read_owed(value, delivery)?) {
                let at = keys::timed(queued, &id);
                if mender.engine.get(Space::Handoffs, &keys::handoff(&id))?.is_none()
                    && mender.engine.get(Space::Queue, &at)?.is_none()
                {
                    batch.put(Space::Queue, at, owed::MARK.to_vec());
                    mender.done.handoffs_requeued += 1;
                }
            }
            for StoredEvent { index, outputs, .. } in stored.events {
                let event = EventId { delivery, index };
                if outputs.is_some() {
                    continue;
                }
                let waits = mender.engine.get(Space::Inbox, &keys::whereabouts(event))?.is_some();
                if !waits && !mender.any(Space::Handoffs, &keys::handoffs_of(event))? {
                    mender.put_into_inbox(event, batch)?;
                    mender.done.events_requeued += 1;
                }
            }
            Ok(())
        })
    }

    /// What points at dropped duplicates.
    fn duplicates(&mut self) -> Result<(), JournalError> {
        for batch in duplicates::rebuilt(self.engine)? {
            self.batch += 1;
            self.engine.apply(batch, self.batch, Durability::Process)?;
        }
        Ok(())
    }

    /// Counts everything anew and writes the books, durably.
    fn close(&mut self, before: &State) -> Result<State, JournalError> {
        let mut books = Books { state: before.clone(), ..Books::default() };
        books.state.inbox = 0;
        self.count(Space::Inbox, |key| books.state.inbox += u64::from(keys::read_ticket(key).is_some()))?;
        books.state.tickets = self.tickets;
        books.state.deliveries = self.count(Space::Deliveries, |_| {})?;
        books.state.keys = self.count(Space::Idempotency, |_| {})?;
        let destinations = &mut books.destinations;
        let mut of = |key: &[u8], dead: bool| {
            if let Some((_, id)) = keys::read_timed(key) {
                let counts: &mut Counts = destinations.entry(id.destination).or_default();
                *(if dead { &mut counts.dead } else { &mut counts.queued }) += 1;
            }
        };
        self.count(Space::Queue, |key| of(key, false))?;
        self.count(Space::Dead, |key| of(key, true))?;
        let mut batch = Batch::default();
        for key in State::destination_keys(self.engine)?.into_iter().chain(State::held_keys(self.engine)?) {
            batch.delete(Space::Meta, key);
        }
        books.write_destinations(&mut batch)?;
        for &space in Space::ALL {
            books.state.spaces[space as usize] = self.engine.last_batch(space)?.unwrap_or_default();
        }
        books.state.batch = self.batch;
        let books = books.next(&Delta::default(), &mut batch)?;
        self.engine.apply(batch, books.state.batch, Durability::Power)?;
        Ok(books.state)
    }

    /// Looks at every entry of a space, a page at a time, and applies what `mend` asks for.
    fn each(
        &mut self,
        space: Space,
        mend: impl Fn(&mut Self, &[u8], &[u8], &mut Batch) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let mut range = keys::all();
        loop {
            let mut page = Vec::new();
            self.engine.scan(space, &range, Direction::Forward, &mut |key, value| {
                page.push((key.to_vec(), value.to_vec()));
                if page.len() < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            range.from = keys::behind(last.clone());
            let mut batch = Batch::default();
            for (key, value) in &page {
                mend(self, key, value, &mut batch)?;
            }
            if !batch.is_empty() {
                self.batch += 1;
                self.engine.apply(batch, self.batch, Durability::Process)?;
            }
        }
    }

    fn count(&self, space: Space, mut see: impl FnMut(&[u8])) -> Result<u64, JournalError> {
        let mut count = 0;
        self.engine.scan(space, &keys::all(), Direction::Forward, &mut |key, _| {
            count += 1;
            see(key);
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    fn has(&self, delivery: Uuid) -> Result<bool, JournalError> {
        Ok(self.engine.get(Space::Deliveries, &keys::delivery(delivery))?.is_some())
    }

    fn whereabouts(&self, event: EventId) -> Result<Option<Whereabouts>, JournalError> {
        let bytes = self.engine.get(Space::Inbox, &keys::whereabouts(event))?;
        Ok(bytes.and_then(|bytes| record::read(&bytes, &event).ok()))
    }

    fn put_into_inbox(&mut self, event: EventId, batch: &mut Batch) -> Result<(), JournalError> {
        self.tickets += 1;
        let whereabouts = record::write(&Whereabouts::Inbox(self.tickets))?;
        batch.put(Space::Inbox, keys::ticket(self.tickets, event), Vec::new());
        batch.put(Space::Inbox, keys::whereabouts(event), whereabouts);
        Ok(())
    }

    fn handoff(&self, id: &HandoffId) -> Result<Option<Handoff>, JournalError> {
        match read::handoff(self.engine, id) {
            Err(JournalError::Damaged(..)) => Ok(None),
            found => found,
        }
    }

    fn any(&self, space: Space, range: &KeyRange) -> Result<bool, JournalError> {
        let mut any = false;
        self.engine.scan(space, range, Direction::Forward, &mut |_, _| {
            any = true;
            ControlFlow::Break(())
        })?;
        Ok(any)
    }
}
