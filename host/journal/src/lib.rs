//! The journal: what was admitted, durably, and what became of it.
//!
//! The stages before it hand over a [`Commit`]; the stages behind it ask what is waiting and record what happened.
//! Nothing outside this crate knows the name of an engine or the layout of a record.
//!
//! The modules stand in layers: the engines, the records, how a store is opened and how it is written. Above them there is
//! one file per topic, with the part of `impl Journal` that belongs to it.

// Used by every layer.
mod page;
pub mod reorder;
mod types;

// The layers, from bottom to top.
mod engine;
mod open;
mod record;
mod write;

// The topics.
mod claims;
mod commit;
mod dead_letters;
mod differences;
mod duplicates;
mod early;
mod events;
mod handoffs;
mod held;
mod owed;
mod plugins;
mod read;
mod recorded;
mod repair;
mod sealed;
mod stats;
mod straight;
mod strands;
mod suspects;
mod sweep;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use hookgate_config::Store;
use hookgate_telemetry::JournalMetrics;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use self::{
    dead_letters::TimedHandoff,
    differences::{KeptDifference, KeptTrial, TrialCounts, TrialNote},
    duplicates::{
        AdmittedByHand, DroppedContent, DroppedEvent, Duplicate, DuplicateFilter, DuplicateOrder, Recurrences,
    },
    early::EarlyTransform,
    engine::disk::free_bytes,
    events::{EventFilter, EventSummary},
    open::{
        error::OpenError,
        is_there,
        migrate::{MigrateError, Migrated, migrate},
    },
    page::Page,
    plugins::{Activation, KeptPlugins, KeptVersion, PluginChanges, PluginEvent, PluginHistory},
    recorded::Recorded,
    repair::{AcceptedLoss, accept_loss},
    sealed::{Sealed, SealedId},
    stats::{DestinationStats, Stats},
    suspects::TransformMark,
    types::*,
    write::Health,
};
use self::{
    early::Early,
    engine::{Engine, disk},
    suspects::Suspects,
    write::{Clocks, Draft, Kind, Request, Shared, Task, Writer},
};

/// How many requests may wait for the writer. Further callers wait for a permit.
const WAITING: usize = 1024;

/// The open journal: the handle that the stages share, cheap to clone. The store is closed when the last handle is
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
    early: Arc<Early>,
    /// Dropped with the handle, which stops the sweeper.
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
        let early = Early::open(opener.home.held_path()).map(Arc::new).map_err(|e| opener.error(e.into()))?;
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
            early: early.clone(),
            books,
            commits_per_batch,
            time_noted: Instant::now(),
        };
        let permits = Arc::new(Semaphore::new(WAITING));
        let retention = store.retention;
        let handle = Arc::new(Handle { shared, requests, permits, metrics, suspects, early, retention, _sweeping });
        let sweep = Arc::downgrade(&handle);
        let spawned =
            thread::Builder::new().name("journal-writer".to_owned()).spawn(move || writer.run()).and_then(|_| {
                let sweeper = thread::Builder::new().name("journal-sweeper".to_owned());
                sweeper.spawn(move || sweep::run(&sweep, &stop, retention))
            });
        spawned.map_err(|e| OpenError::Unusable { path: store.path.clone(), reason: e.to_string() })?;
        Ok(Journal(handle))
    }

    /// Makes the store fail under whatever is being written, as an engine that panics does, for tests. It is opened again.
    #[doc(hidden)]
    pub async fn break_down(&self) {
        let broken: Result<(), _> = self.write(Kind::Progress, |_| panic!("the store fails, for a test")).await;
        assert!(broken.is_err());
    }

    fn engine(&self) -> Result<Arc<dyn Engine>, JournalError> {
        self.0.shared.engine()
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
