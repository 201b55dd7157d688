//! The state that the handles, the writer and the sweeper share.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use serde::Serialize;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    Journal,
    engine::Engine,
    record::{
        ids::{self, Ids},
        state::Books,
    },
    types::{HandoffState, JournalError},
    write::{
        clock::{CalmClock, Clocks, WaitClock},
        fronts::Fronts,
        recent::Recent,
    },
};

/// How long closing waits for reads that are under way.
const READS_TIMEOUT: Duration = Duration::from_secs(30);

/// The state of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "kebab-case")]
pub enum Health {
    /// It takes commits.
    #[default]
    Ready,
    /// It takes no commits until there is room on the disk; what was admitted goes on.
    Full(String),
    /// A write failed; it is being opened again.
    Reopening(String),
    /// It is closed for good: the gateway stops, acknowledged commits are missing, or the store's directory is another one.
    Closed(String),
}

impl Journal {
    /// The state of the store; for `/readyz`.
    pub fn health(&self) -> Health {
        self.0.shared.health()
    }

    /// The store's time in milliseconds since the epoch: the system's clock without its jumps.
    pub fn now(&self) -> u64 {
        self.0.shared.now()
    }

    /// An id for a delivery that is about to be committed. It is above all ids that were given out before.
    pub fn next_delivery(&self) -> Uuid {
        self.0.shared.ids.next(self.now())
    }

    /// The clock by which handoffs wait, in milliseconds. It runs only while the store is open, goes on after a restart, and
    /// is independent of the system's clock.
    pub fn wait_time(&self) -> u64 {
        self.0.shared.hold_clock.now()
    }

    /// The state of a handoff with its times in milliseconds since the epoch: for operators.
    pub fn with_wall_times(&self, state: HandoffState) -> HandoffState {
        self.0.shared.with_wall_times(state)
    }

    /// Woken whenever the inbox has grown (`Notify::notify_one`).
    pub fn inbox_grown(&self) -> &Notify {
        self.0.shared.inbox_grown()
    }

    /// Woken whenever something is held that is due sooner than what was known.
    pub fn release_nears(&self) -> &Notify {
        self.0.shared.release_nears()
    }

    /// Waits until something new is queued. The destinations for which that is so; all that have something queued after the
    /// store was opened again. There must be one caller only.
    pub async fn queues_grown(&self) -> BTreeSet<String> {
        let shared = &self.0.shared;
        loop {
            // What grows between the look and the wait wakes as well.
            let grown = std::mem::take(&mut *shared.grown.lock());
            if !grown.is_empty() {
                return grown;
            }
            shared.queues_grown.notified().await;
        }
    }

    /// The destinations that have something queued.
    pub fn queued_destinations(&self) -> Vec<String> {
        self.0.shared.queued_destinations().collect()
    }
}

pub(crate) struct Shared {
    /// Times of receipt and of expiry.
    pub(crate) clock: CalmClock,
    /// When held events and queued handoffs are due.
    pub(crate) hold_clock: WaitClock,
    /// When the next look at held events is due, by their clock.
    pub(crate) next_release: AtomicU64,
    /// `None` while it is being opened again.
    engine: RwLock<Option<Arc<dyn Engine>>>,
    health: RwLock<Health>,
    books: RwLock<Books>,
    /// Ids of deliveries.
    pub(crate) ids: Ids,
    /// What comes next in queues.
    pub(crate) fronts: Fronts,
    /// Events that were committed a moment ago.
    pub(crate) recent: Recent,
    /// Counts operators' orders as the writer runs them.
    pub(crate) orders: AtomicU64,
    inbox_grown: Notify,
    release_nears: Notify,
    queues_grown: Notify,
    /// The destinations that have had something queued since the last look.
    grown: Mutex<BTreeSet<String>>,
}

impl Shared {
    pub(crate) fn new(engine: Arc<dyn Engine>, books: Books, clocks: Clocks) -> Self {
        let last = Some(books.state.last).filter(|last| *last != Uuid::nil()).map(ids::time_of);
        Shared {
            hold_clock: WaitClock::from(books.state.hold_time, clocks.steady.clone()),
            clock: CalmClock::new(clocks, last),
            next_release: AtomicU64::new(u64::MAX),
            engine: RwLock::new(Some(engine)),
            health: RwLock::default(),
            ids: Ids::above(books.state.last),
            books: RwLock::new(books),
            fronts: Fronts::default(),
            recent: Recent::default(),
            orders: AtomicU64::new(0),
            inbox_grown: Notify::new(),
            release_nears: Notify::new(),
            queues_grown: Notify::new(),
            grown: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The state of a handoff with its times in milliseconds since the epoch.
    pub(crate) fn with_wall_times(&self, state: HandoffState) -> HandoffState {
        match state {
            HandoffState::Pending(due) => {
                HandoffState::Pending(self.now().saturating_add(due).saturating_sub(self.hold_clock.now()))
            }
            other => other,
        }
    }

    /// The engine, or why it is not open now.
    pub(crate) fn engine(&self) -> Result<Arc<dyn Engine>, JournalError> {
        let engine = self.engine.read().clone();
        engine.ok_or_else(|| match self.health() {
            Health::Full(why) => JournalError::Full(why),
            Health::Reopening(why) => JournalError::Failed(why),
            Health::Closed(why) => JournalError::Closed(why),
            Health::Ready => JournalError::Failed("it is being opened again".to_owned()),
        })
    }

    pub(crate) fn set_engine(&self, engine: Arc<dyn Engine>) {
        *self.engine.write() = Some(engine);
    }

    /// Closes the engine, once the reads under way are done.
    pub(crate) fn drop_engine(&self) {
        let Some(mut engine) = self.engine.write().take() else { return };
        let begun = Instant::now();
        while Arc::get_mut(&mut engine).is_none() && begun.elapsed() < READS_TIMEOUT {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.health.read().clone()
    }

    pub(crate) fn set_health(&self, health: Health) {
        *self.health.write() = health;
    }

    /// The counters as of the last batch. The writer waits while they are read.
    pub(crate) fn books(&self) -> RwLockReadGuard<'_, Books> {
        self.books.read()
    }

    pub(crate) fn books_mut(&self) -> RwLockWriteGuard<'_, Books> {
        self.books.write()
    }

    /// Wakes all waiting tasks: the store was opened again, and what they have missed is unknown.
    pub(crate) fn wake_all(&self) {
        self.inbox_grown.notify_one();
        self.release_nears.notify_one();
        self.grow(self.queued_destinations());
    }

    pub(crate) fn inbox_grown(&self) -> &Notify {
        &self.inbox_grown
    }

    pub(crate) fn release_nears(&self) -> &Notify {
        &self.release_nears
    }

    /// An event is held that is due then: a task that waits for a later time is woken.
    pub(crate) fn held_until(&self, due: u64) {
        if due < self.next_release.load(Ordering::SeqCst) {
            self.release_nears.notify_one();
        }
    }

    /// Something was queued for these destinations.
    pub(crate) fn grow(&self, destinations: impl IntoIterator<Item = String>) {
        let mut grown = self.grown.lock();
        grown.extend(destinations);
        if !grown.is_empty() {
            self.queues_grown.notify_one();
        }
    }

    fn queued_destinations(&self) -> impl Iterator<Item = String> + use<> {
        let books = self.books();
        let queued = books.destinations.iter().filter(|(_, counts)| counts.queued > 0);
        queued.map(|(name, _)| name.clone()).collect::<Vec<_>>().into_iter()
    }
}
