//! What the handles, the writer and the sweeper have in common.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    clock::{CalmClock, Clocks, WaitClock},
    engine::Engine,
    heads::Heads,
    ids,
    lock::lock,
    state::Books,
    types::{HandoffState, JournalError},
};

/// How long closing waits for reads that are under way.
const READS_TIMEOUT: Duration = Duration::from_secs(30);

/// How the store does.
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

pub(super) struct Shared {
    /// Tells when events come and when what is kept expires.
    pub(super) clock: CalmClock,
    /// Tells when held events and queued handoffs are due.
    pub(super) hold_clock: WaitClock,
    /// When the next look at held events is due, by their clock.
    pub(super) next_release: AtomicU64,
    /// `None` while it is being opened again.
    engine: RwLock<Option<Arc<dyn Engine>>>,
    health: RwLock<Health>,
    books: RwLock<Arc<Books>>,
    /// Where queues begin.
    pub(super) heads: Heads,
    /// Counts operators' orders as the writer runs them.
    pub(super) orders: AtomicU64,
    inbox_grown: Notify,
    release_nears: Notify,
    queues_grown: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Shared {
    pub(super) fn new(engine: Arc<dyn Engine>, books: Books, clocks: Clocks) -> Self {
        let last = Some(books.state.last).filter(|last| *last != Uuid::nil()).map(ids::time_of);
        Shared {
            hold_clock: WaitClock::from(books.state.hold_time, clocks.steady.clone()),
            clock: CalmClock::new(clocks, last),
            next_release: AtomicU64::new(u64::MAX),
            engine: RwLock::new(Some(engine)),
            health: RwLock::default(),
            books: RwLock::new(Arc::new(books)),
            heads: Heads::default(),
            orders: AtomicU64::new(0),
            inbox_grown: Notify::new(),
            release_nears: Notify::new(),
            queues_grown: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Where a handoff stands, with all times in milliseconds since the epoch.
    pub(super) fn told(&self, state: HandoffState) -> HandoffState {
        match state {
            HandoffState::Pending(due) => {
                HandoffState::Pending(self.now().saturating_add(due).saturating_sub(self.hold_clock.now()))
            }
            told => told,
        }
    }

    /// The engine, or why there is none just now.
    pub(super) fn engine(&self) -> Result<Arc<dyn Engine>, JournalError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner).clone();
        engine.ok_or_else(|| match self.health() {
            Health::Full(why) => JournalError::Full(why),
            Health::Reopening(why) => JournalError::Failed(why),
            Health::Closed(why) => JournalError::Closed(why),
            Health::Ready => JournalError::Failed("it is being opened again".to_owned()),
        })
    }

    pub(super) fn set_engine(&self, engine: Arc<dyn Engine>) {
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = Some(engine);
    }

    /// Closes the engine, once the reads under way are done.
    pub(super) fn drop_engine(&self) {
        let Some(mut engine) = self.engine.write().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let begun = Instant::now();
        while Arc::get_mut(&mut engine).is_none() && begun.elapsed() < READS_TIMEOUT {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn health(&self) -> Health {
        self.health.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_health(&self, health: Health) {
        *self.health.write().unwrap_or_else(PoisonError::into_inner) = health;
    }

    pub(super) fn books(&self) -> Arc<Books> {
        self.books.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wakes all that wait for something: the store was opened again, and nobody knows what they have missed.
    pub(super) fn wake_all(&self) {
        self.inbox_grown.notify_one();
        self.release_nears.notify_one();
        for queue in lock(&self.queues_grown).values() {
            queue.notify_one();
        }
    }

    pub(super) fn set_books(&self, books: Books) {
        *self.books.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(books);
    }

    pub(super) fn inbox_grown(&self) -> &Notify {
        &self.inbox_grown
    }

    pub(super) fn release_nears(&self) -> &Notify {
        &self.release_nears
    }

    /// Something is held that is due then: whoever waits for a later time is woken.
    pub(super) fn held_until(&self, due: u64) {
        if due < self.next_release.load(Ordering::SeqCst) {
            self.release_nears.notify_one();
        }
    }

    pub(super) fn queue_grown(&self, destination: &str) -> Arc<Notify> {
        let mut queues = lock(&self.queues_grown);
        match queues.get(destination) {
            Some(notify) => notify.clone(),
            None => queues.entry(destination.to_owned()).or_default().clone(),
        }
    }
}
