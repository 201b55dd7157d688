//! The journal: what was admitted, durably, and what became of it.
//!
//! The stages before it hand over a [`Commit`]; the stages behind it ask what is waiting and record what happened.
//! Nothing outside this module knows the name of an engine or the layout of a record.

mod claim_refs;
mod clock;
mod commit;
mod differences;
mod disk;
mod draft;
mod duplicates;
mod engine;
mod fjall;
mod handoffs;
mod heads;
mod held;
mod home;
mod ids;
mod keys;
mod lock;
mod migrate;
mod open;
mod open_error;
mod orders;
mod page;
mod plugins;
mod read;
mod record;
mod recorded;
pub mod reorder;
mod repair;
mod rewrite;
mod seal;
mod sealed;
mod shared;
mod sidecar;
mod sled;
mod state;
mod strands;
mod suspects;
mod sweep;
mod types;
mod writer;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use hookgate_capabilities::CloudEvent;
use hookgate_config::Store;
use hookgate_model::ordering::{Late, SourceOrdering};
use hookgate_telemetry::JournalMetrics;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use self::{
    clock::Clocks,
    commit::Prepared,
    draft::Draft,
    engine::Space,
    keys::ClaimEntry,
    shared::Shared,
    suspects::Suspects,
    writer::{Kind, Request, Task, Writer},
};
pub use self::{
    differences::{KeptDifference, KeptTrial, TrialCounts, TrialNote},
    disk::free_bytes,
    duplicates::{
        AdmittedByHand, DroppedContent, DroppedEvent, Duplicate, DuplicateFilter, DuplicateOrder, Recurrences,
    },
    migrate::{MigrateError, Migrated, migrate},
    open::is_there,
    open_error::OpenError,
    orders::{DestinationStats, EventFilter, EventState, EventSummary, Stats, TimedHandoff},
    page::Page,
    plugins::{Activation, KeptPlugins, KeptVersion, PluginChanges, PluginEvent, PluginHistory},
    recorded::Recorded,
    repair::{AcceptedLoss, accept_loss},
    sealed::{Sealed, SealedId},
    shared::Health,
    suspects::TransformMark,
    types::*,
};

/// Requests that wait for the writer at most; whoever comes then waits for a permit.
const WAITING: usize = 1024;

/// Dead letters that are redriven or discarded in one write.
const DEAD_PAGE: usize = 100;

/// What is done to a dead letter; false when it is none.
type MoveDead = fn(&mut Draft<'_>, &HandoffId) -> Result<bool, JournalError>;

/// The open journal: the handle that the stages share, cheap to clone. The store is closed when the last one is
/// dropped.
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    permits: Arc<Semaphore>,
    metrics: JournalMetrics,
    /// How long deliveries are kept.
    retention: Duration,
    suspects: Arc<Suspects>,
    /// Dropped with the handle, which tells the sweeper to stop.
    _sweeping: mpsc::Sender<()>,
}

impl Journal {
    /// Opens (or makes) the store.
    pub fn open(store: &Store) -> Result<Journal, OpenError> {
        Journal::open_with(store, Clocks::system(), Box::new(free_bytes))
    }

    fn open_with(store: &Store, clocks: impl Into<Clocks>, free: disk::FreeBytes) -> Result<Journal, OpenError> {
        let open::Opened { engine, books, opener, sidecar } = open::open(store)?;
        let shared = Arc::new(Shared::new(engine, books.clone(), clocks.into()));
        let waits = |event| held::stage(&shared, event).is_ok_and(|stage| stage.is_some());
        let suspects = Suspects::open(opener.home.held_path(), waits).map(Arc::new);
        let suspects = suspects.map_err(|e| opener.error(e.into()))?;
        let (requests, waiting) = mpsc::channel();
        let (_sweeping, stop) = mpsc::channel();
        let disk = disk::Disk::new(store.path.clone(), store.headroom, free);
        let metrics = JournalMetrics::new();
        let commits_per_batch = metrics.batch.clone();
        let writer = Writer {
            shared: shared.clone(),
            requests: waiting,
            opener,
            disk,
            sidecar,
            books,
            commits_per_batch,
            time_noted: Instant::now(),
        };
        let permits = Arc::new(Semaphore::new(WAITING));
        let retention = store.retention;
        let handle = Arc::new(Handle { shared, requests, permits, metrics, suspects, retention, _sweeping });
        let sweep = Arc::downgrade(&handle);
        let spawned =
            thread::Builder::new().name("journal-writer".to_owned()).spawn(move || writer.run()).and_then(|_| {
                let sweeper = thread::Builder::new().name("journal-sweeper".to_owned());
                sweeper.spawn(move || sweep::run(&sweep, &stop, retention))
            });
        spawned.map_err(|e| OpenError::Unusable { path: store.path.clone(), reason: e.to_string() })?;
        Ok(Journal(handle))
    }

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

    /// Events that wait to be transformed and routed, in their order, behind the ticket `after`.
    pub fn inbox(&self, after: Option<u64>, limit: usize) -> Result<Vec<Waiting>, JournalError> {
        read::inbox(&self.0.shared, after, limit)
    }

    /// All events in the inbox, in their order, for tests.
    #[doc(hidden)]
    #[allow(clippy::unwrap_used)]
    pub fn waiting(&self) -> Vec<EventId> {
        self.inbox(None, usize::MAX).unwrap().into_iter().map(|waiting| waiting.event).collect()
    }

    /// Woken whenever the inbox has grown (`Notify::notify_one`).
    pub fn inbox_grown(&self) -> &Notify {
        self.0.shared.inbox_grown()
    }

    /// Where an event is that is not transformed yet; none when it is, or is not kept.
    pub fn stage(&self, event: EventId) -> Result<Option<Stage>, JournalError> {
        held::stage(&self.0.shared, event)
    }

    /// How long it takes until the next held event is due; none when nothing is held. Whoever is held sooner from then on
    /// wakes [`Journal::release_nears`].
    pub fn next_release(&self) -> Result<Option<Duration>, JournalError> {
        let shared = &self.0.shared;
        // What comes during the look wakes as well.
        shared.next_release.store(u64::MAX, Ordering::SeqCst);
        let due = held::next_due(shared)?;
        shared.next_release.store(due.unwrap_or(u64::MAX), Ordering::SeqCst);
        Ok(due.map(|due| Duration::from_millis(due.saturating_sub(shared.hold_clock.now()))))
    }

    /// Woken whenever something is held that is due sooner than what was known.
    pub fn release_nears(&self) -> &Notify {
        self.0.shared.release_nears()
    }

    /// Releases held events that are due, a bounded number of them, each ordering key in its order, in one atomic write
    /// (not synced: after a power cut they are held and due once more). Whether more may be due. `late` says for each
    /// source what becomes of numbers that came twice.
    pub async fn release(&self, late: BTreeMap<String, Late>) -> Result<bool, JournalError> {
        self.write(Kind::Progress, move |draft| held::release_due(draft, &late)).await
    }

    /// Has nothing that a source holds wait longer than its rules say from now on; without rules it is due at once.
    pub async fn bring_forward(&self, source: &str, rules: Option<&SourceOrdering>) -> Result<(), JournalError> {
        for kind in reorder::Kind::ALL {
            let hold = rules.map_or(Duration::ZERO, |rules| held::hold(rules, kind));
            let hold = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
            let until = self.0.shared.hold_clock.now().saturating_add(hold);
            let mut from = None;
            loop {
                let source = source.to_owned();
                let change = move |draft: &mut Draft<'_>| held::bring_forward(draft, &source, kind, until, from);
                match self.write(Kind::Progress, change).await? {
                    None => break,
                    next => from = next,
                }
            }
        }
        Ok(())
    }

    /// Sources of which events are held.
    pub fn holding(&self) -> Vec<String> {
        self.0.shared.books().held.keys().cloned().collect()
    }

    /// An event with its delivery.
    pub fn event(&self, id: EventId) -> Result<Option<KeptEvent>, JournalError> {
        read::event(&*self.0.shared.engine()?, id)
    }

    /// How often an event came again under another id and was turned away; none when it did not.
    pub fn replays(&self, id: EventId) -> Result<Option<Replays>, JournalError> {
        commit::replays(self.0.shared.engine()?.get(Space::Replays, &keys::event(id))?, id)
    }

    /// Takes an event out of the inbox: keeps what `transform` made of it and queues each (destination, output), due at
    /// once, in one atomic write (not synced: after a crash the inbox still has the event, and the work is done again).
    pub async fn fan_out(
        &self,
        event: EventId,
        outputs: Vec<CloudEvent>,
        to: Vec<(String, u16)>,
    ) -> Result<(), JournalError> {
        self.write(Kind::Progress, move |draft| handoffs::fan_out(draft, event, &outputs, to, None)).await?;
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
        self.write(Kind::Progress, move |draft| handoffs::fan_out(draft, event, &outputs, to, Some(strand))).await?;
        self.0.suspects.clear(event);
        Ok(())
    }

    /// Takes an event out of the inbox that could not be transformed: a dead letter of the pseudo-destination
    /// [`TRANSFORM`].
    pub async fn fan_out_failed(&self, event: EventId, reason: String) -> Result<(), JournalError> {
        self.write(Kind::Progress, move |draft| handoffs::fan_out_failed(draft, event, reason)).await?;
        self.0.suspects.clear(event);
        Ok(())
    }

    /// Marks an event whose transformation begins, until the mark is dropped: should the process die meanwhile, the next one
    /// knows what it was at. None where that cannot be noted.
    pub fn mark_transform(&self, event: EventId) -> Option<TransformMark> {
        self.0.suspects.mark(event)
    }

    /// How many processes have died while they transformed an event that is still in the inbox.
    pub fn transform_deaths(&self, event: EventId) -> u8 {
        self.0.suspects.deaths(event)
    }

    /// Handoffs of a destination in the order of their due times, those after `after`, at most `limit`: (due, id). Due
    /// times are those of [`Journal::wait_time`].
    pub fn queue(
        &self,
        destination: &str,
        after: Option<&TimedHandoff>,
        limit: usize,
    ) -> Result<Vec<(u64, HandoffId)>, JournalError> {
        handoffs::check_name(destination)?;
        read::queue(&self.0.shared, destination, after, limit)
    }

    /// The time in milliseconds since the epoch, as the store goes by it: the system's clock without its jumps.
    pub fn now(&self) -> u64 {
        self.0.shared.now()
    }

    /// Where the clock stands by which handoffs wait, in milliseconds. It passes only while the store is open, goes on after
    /// a restart, and does not heed the system's clock.
    pub fn wait_time(&self) -> u64 {
        self.0.shared.hold_clock.now()
    }

    /// Where a handoff stands, with all times in milliseconds since the epoch: for operators.
    pub fn told(&self, state: HandoffState) -> HandoffState {
        self.0.shared.told(state)
    }

    /// Woken whenever something new was queued for the destination.
    pub fn queue_grown(&self, destination: &str) -> Arc<Notify> {
        self.0.shared.queue_grown(destination)
    }

    /// A handoff with its history.
    pub fn handoff(&self, id: &HandoffId) -> Result<Option<Handoff>, JournalError> {
        read::handoff(&*self.0.shared.engine()?, id)
    }

    /// How things stand around a handoff that has a place in a strand; none for any other.
    pub fn turn(&self, id: &HandoffId, handoff: &Handoff) -> Result<Option<Turn>, JournalError> {
        let Some(place) = &handoff.place else { return Ok(None) };
        strands::turn(&*self.0.shared.engine()?, id, place)
    }

    /// The handoffs that come behind one in its strand, in their order, at most `limit`.
    pub fn behind(&self, id: &HandoffId, place: &Place, limit: usize) -> Result<Vec<HandoffId>, JournalError> {
        strands::behind(&*self.0.shared.engine()?, id, place, limit)
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
            steps.try_for_each(|(id, attempt, state)| handoffs::record_attempt(draft, &id, attempt, state))
        };
        self.write(Kind::Progress, record).await
    }

    /// Whether a delivery refers to an object. The writer looks, behind whatever is on its way to it: what a commit whose
    /// outcome nobody has heard has done is known by then.
    pub async fn has_claim(&self, object: Uuid) -> Result<bool, JournalError> {
        let key = keys::claim(ClaimEntry::Kept, object);
        self.write(Kind::Progress, move |draft| Ok(draft.get(Space::Claims, &key)?.is_some())).await
    }

    /// Objects to which no delivery refers any more.
    pub fn released_claims(&self, limit: usize) -> Result<Vec<Uuid>, JournalError> {
        let range = keys::prefix(vec![ClaimEntry::Released as u8]);
        engine::collect(&*self.0.shared.engine()?, Space::Claims, &range, limit, keys::read_claim)
    }

    /// Forgets objects that are removed.
    pub async fn forget_claims(&self, objects: Vec<Uuid>) -> Result<(), JournalError> {
        let forget = move |draft: &mut Draft<'_>| {
            for object in objects {
                draft.writes.delete(Space::Claims, keys::claim(ClaimEntry::Released, object));
            }
            Ok(())
        };
        self.write(Kind::Progress, forget).await
    }

    /// How the store does; for `/readyz`.
    pub fn health(&self) -> Health {
        self.0.shared.health()
    }

    /// The figures of the store.
    pub fn stats(&self) -> Result<Stats, JournalError> {
        orders::stats(&self.0.shared)
    }

    /// A page of the events that are kept.
    pub fn events(&self, filter: &EventFilter) -> Result<Page<EventSummary, EventId>, JournalError> {
        orders::events(&self.0.shared, filter)
    }

    /// The handoffs of an event, with their histories.
    pub fn handoffs_of(&self, id: EventId) -> Result<Vec<(HandoffId, Handoff)>, JournalError> {
        orders::handoffs_of(&*self.0.shared.engine()?, id)
    }

    /// A page of dead letters (of one destination, or of all of them by name), each with the time of its death, oldest
    /// first. `after` is the last page's `next`.
    pub fn dead_letters(
        &self,
        destination: Option<&str>,
        after: Option<&TimedHandoff>,
        limit: usize,
    ) -> Result<Page<TimedHandoff, TimedHandoff>, JournalError> {
        orders::dead_letters(&*self.0.shared.engine()?, destination, after, limit)
    }

    /// Sends these dead letters on their way again, due at once: attempts are counted from zero, the history is kept.
    /// Those of [`TRANSFORM`] and [`ORDERING`] go back to the inbox. How many of them were dead letters.
    pub async fn redrive(&self, ids: Vec<HandoffId>) -> Result<usize, JournalError> {
        self.move_dead(ids, handoffs::redrive).await
    }

    /// [`Journal::redrive`] for all dead letters that a destination has now.
    pub async fn redrive_all(&self, destination: &str) -> Result<usize, JournalError> {
        self.move_all_dead(destination, handoffs::redrive).await
    }

    /// Gives these dead letters up: they are finished, and go with their event when its retention ends. How many of them
    /// were dead letters.
    pub async fn discard(&self, ids: Vec<HandoffId>) -> Result<usize, JournalError> {
        self.move_dead(ids, handoffs::discard).await
    }

    /// [`Journal::discard`] for all dead letters that a destination has now.
    pub async fn discard_all(&self, destination: &str) -> Result<usize, JournalError> {
        self.move_all_dead(destination, handoffs::discard).await
    }

    async fn move_dead(&self, ids: Vec<HandoffId>, step: MoveDead) -> Result<usize, JournalError> {
        let work = move |draft: &mut Draft<'_>| {
            let mut moved = 0;
            for id in &ids {
                moved += usize::from(step(draft, id)?);
            }
            Ok(moved)
        };
        self.write(Kind::Order, work).await
    }

    async fn move_all_dead(&self, destination: &str, step: MoveDead) -> Result<usize, JournalError> {
        let mut moved = 0;
        // What dies meanwhile is not meant.
        let Some(last) = orders::last_dead(&*self.0.shared.engine()?, destination)? else { return Ok(moved) };
        let mut after = None;
        loop {
            let page = self.dead_letters(Some(destination), after.as_ref(), DEAD_PAGE)?;
            let ids: Vec<HandoffId> = page.items.into_iter().filter(|one| *one <= last).map(|(_, id)| id).collect();
            let is_last = ids.len() < DEAD_PAGE;
            moved += self.move_dead(ids, step).await?;
            match page.next {
                Some(next) if !is_last => after = Some(next),
                _ => return Ok(moved),
            }
        }
    }

    /// Hands an event on again, whatever became of it before: to these destinations, or, when none is named (or it was
    /// never transformed), through `transform` and the routes as if it had just come. False when it is not kept any
    /// more.
    pub async fn replay(&self, event: EventId, destinations: &[String]) -> Result<bool, JournalError> {
        let to = match destinations {
            [] => None,
            named => orders::outputs_for(&*self.0.shared.engine()?, event, named)?,
        };
        let replay = move |draft: &mut Draft<'_>| match to {
            Some(to) => handoffs::hand_off_again(draft, event, to),
            None => handoffs::transform_again(draft, event),
        };
        self.write(Kind::Order, replay).await
    }

    /// Keeps a sealed secret, durably.
    pub async fn keep_sealed(&self, sealed: Sealed) -> Result<(), JournalError> {
        self.write(Kind::Admission, move |draft| {
            sealed.write(draft);
            Ok(())
        })
        .await
    }

    /// Every sealed secret, by source and name, the oldest of each first.
    pub fn sealed(&self) -> Result<Vec<Sealed>, JournalError> {
        sealed::all(&*self.0.shared.engine()?)
    }

    /// Removes these sealed secrets, durably.
    pub async fn forget_sealed(&self, ids: Vec<SealedId>) -> Result<(), JournalError> {
        self.write(Kind::Order, move |draft| {
            ids.iter().for_each(|id| id.forget(draft));
            Ok(())
        })
        .await
    }

    /// The versions of plugins that are kept, and which of them work for which source.
    pub fn plugins(&self) -> Result<KeptPlugins, JournalError> {
        plugins::all(&*self.0.shared.engine()?)
    }

    /// The last `limit` entries of the plugins' history that are wanted, newest first.
    pub fn plugin_history(
        &self,
        limit: usize,
        wanted: impl Fn(&PluginHistory) -> bool,
    ) -> Result<Vec<PluginHistory>, JournalError> {
        plugins::history(&*self.0.shared.engine()?, limit, wanted)
    }

    /// Makes changes of what is kept of plugins, durably and as a whole.
    pub async fn change_plugins(&self, changes: PluginChanges) -> Result<(), JournalError> {
        self.write(Kind::Order, move |draft| changes.write(draft)).await
    }

    /// Makes the store fail under whatever is being written, as an engine that panics does, for tests. It is opened again.
    #[doc(hidden)]
    pub async fn break_down(&self) {
        let broken: Result<(), _> = self.write(Kind::Progress, |_| panic!("the store fails, for a test")).await;
        assert!(broken.is_err());
    }

    /// Hands a request to the writer and waits for its answer.
    async fn write<T, W>(&self, kind: Kind, work: W) -> Result<T, JournalError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Draft<'_>) -> Result<T, JournalError> + Send + 'static,
    {
        let permit = self.0.permits.clone().acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        self.0.submit(kind, Some(permit), work, reply)?;
        answer.await.map_err(|_| closed())?
    }
}

impl Handle {
    fn submit<T, W>(
        &self,
        kind: Kind,
        permit: Option<OwnedSemaphorePermit>,
        work: W,
        reply: oneshot::Sender<Result<T, JournalError>>,
    ) -> Result<(), JournalError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Draft<'_>) -> Result<T, JournalError> + Send + 'static,
    {
        let request = Request { kind, job: Box::new(Task { work, reply }), permit };
        self.requests.send(request).map_err(|_| closed())
    }
}

fn closed() -> JournalError {
    JournalError::Failed("the journal's writer gave no answer".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
