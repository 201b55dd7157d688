//! The one thread that writes: gathers requests, applies them as one batch, makes it durable once, answers all.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use hookgate_model::limits::WAIT_TIME_NOTED_EVERY;
use metrics::Histogram;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    early::Early,
    engine::{Batch, Durability, Engine, EngineError, disk::Disk},
    open::{Opener, error::OpenError, sidecar::Sidecar},
    record::state::{Books, Delta, Entry},
    reorder,
    types::JournalError,
    write::{
        draft::{Draft, Group, ReadView},
        fronts::Changes,
        recent::Written,
        shared::{Health, Shared},
    },
};

/// Bytes of values that a batch gathers at most; a single request may have more.
const BATCH_BYTES: usize = 8 << 20;

/// Between two attempts at opening a failed store again.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Between two looks at the store's directory and a full disk while there are no requests.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// What a request asks of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It admits something new: durable, and refused when room runs out.
    Admission,
    /// An operator's: durable.
    Order,
    /// It moves on what was admitted: lost by a power cut, it is done again.
    Progress,
}

/// A request, with the permit that bounds how many wait.
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) job: Box<dyn Job>,
    /// The sweeper, which waits for each answer, needs none.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// What a request does.
pub(crate) trait Job: Send {
    /// Writes into the draft; the answer is due when the batch is applied. `None` when it could not (and has said so).
    fn run(self: Box<Self>, draft: &mut Draft<'_>) -> Option<Answer>;
    /// Answers without having done anything.
    fn refuse(self: Box<Self>, why: JournalError);
}

/// Answers a request with the outcome of its batch.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

/// A [`Job`] made of a function and the place where its result is awaited.
pub(crate) struct Task<W, T> {
    pub(crate) work: W,
    pub(crate) reply: oneshot::Sender<Result<T, JournalError>>,
}

impl<W, T> Job for Task<W, T>
where
    W: FnOnce(&mut Draft<'_>) -> Result<T, JournalError> + Send,
    T: Send + 'static,
{
    fn run(self: Box<Self>, draft: &mut Draft<'_>) -> Option<Answer> {
        let Task { work, reply } = *self;
        // The caller may have gone away; the request is carried out all the same.
        match work(draft) {
            Ok(value) => Some(Box::new(move |applied| drop(reply.send(applied.map(|()| value))))),
            Err(e) => {
                drop(reply.send(Err(e)));
                None
            }
        }
    }

    fn refuse(self: Box<Self>, why: JournalError) {
        drop(self.reply.send(Err(why)));
    }
}

/// The writer's own things.
pub(crate) struct Writer {
    /// Dropped first: once `shared` has no owner left, the store's lock is free.
    pub(crate) opener: Opener,
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: Receiver<Request>,
    pub(crate) disk: Disk,
    pub(crate) sidecar: Sidecar,
    pub(crate) early: Arc<Early>,
    pub(crate) books: Books,
    pub(crate) commits_per_batch: Histogram,
    /// When the time by which work waits was written down last.
    pub(crate) time_noted: Instant,
}

/// Why the writer cannot go on with the engine as it is.
enum Failure {
    /// The engine failed: it is opened again.
    Engine(EngineError),
    /// The store's path means another directory, or none: the engine is closed for good.
    Elsewhere(String),
}

impl From<EngineError> for Failure {
    fn from(e: EngineError) -> Failure {
        Failure::Engine(e)
    }
}

/// What the writer does next.
enum Next {
    Serve(Request),
    /// All handles are gone.
    End,
    /// The store's path means another directory, or none.
    Leave(String),
}

impl Writer {
    /// Serves until every handle is gone, then closes the store.
    pub(crate) fn run(mut self) {
        loop {
            let first = match self.next() {
                Next::Serve(first) => first,
                Next::End => break,
                Next::Leave(why) => {
                    self.leave(why);
                    break;
                }
            };
            // An engine that panics must not lose the answers of other requests.
            let served = catch_unwind(AssertUnwindSafe(|| self.batch(first)));
            let failed = || Err(EngineError::Failed("the engine panicked".to_owned()).into());
            match served.unwrap_or_else(|_| failed()) {
                Ok(()) => {}
                Err(Failure::Engine(e)) => self.reopen(e),
                Err(Failure::Elsewhere(why)) => self.leave(why),
            }
        }
        self.close();
    }

    fn close(&mut self) {
        self.early.settle();
        if self.shared.engine().is_ok()
            && let Err(e) = self.note_time()
        {
            tracing::debug!("the time by which work waits is not written down: {e}");
        }
        if !matches!(self.shared.health(), Health::Closed(_)) {
            self.shared.set_health(Health::Closed("the gateway stops".to_owned()));
        }
        self.shared.drop_engine();
        tracing::debug!("the store is closed");
    }

    /// The next request. Meanwhile it is noticed when the store's directory is another one, and a full disk is looked at: as
    /// long as it is full the gateway is not ready, and a balancer that knows this sends nothing that would make it look.
    fn next(&mut self) -> Next {
        loop {
            match self.requests.recv_timeout(LOOK_PAUSE) {
                Ok(request) => return Next::Serve(request),
                Err(RecvTimeoutError::Disconnected) => return Next::End,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.early.look();
            if let Err(why) = self.check_home() {
                return Next::Leave(why);
            }
            if matches!(self.shared.health(), Health::Full(_)) {
                drop(self.room());
            }
            if self.time_noted.elapsed() >= WAIT_TIME_NOTED_EVERY
                && self.something_waits()
                && !matches!(self.shared.health(), Health::Full(_))
                && let Err(e) = self.note_time()
            {
                self.reopen(e);
            }
        }
    }

    /// Whether the store's path still means the directory that was opened. When it does not, the gateway is not ready from
    /// then on, before any request is answered.
    fn check_home(&self) -> Result<(), String> {
        let checked = self.opener.home.check();
        checked.inspect_err(|why| self.shared.set_health(Health::Closed(why.clone())))
    }

    fn something_waits(&self) -> bool {
        !self.books.held.is_empty() || self.books.destinations.values().any(|counts| counts.queued > 0)
    }

    /// Writes down how far the time has passed by which work waits. Not synced, as progress.
    fn note_time(&mut self) -> Result<(), EngineError> {
        let Ok(engine) = self.shared.engine() else { return Ok(()) };
        let delta = Delta { hold_time: self.shared.hold_clock.now(), ..Delta::default() };
        if delta.hold_time == self.books.state.hold_time {
            return Ok(());
        }
        let mut batch = Batch::default();
        let entry = self.books.next(&delta, &mut batch).map_err(|e| EngineError::Failed(e.to_string()))?;
        let number = entry.state.batch;
        let applied = catch_unwind(AssertUnwindSafe(|| engine.apply(batch, number, Durability::Process)));
        applied.unwrap_or_else(|_| Err(EngineError::Failed("the engine panicked".to_owned())))?;
        self.enter(&entry);
        Ok(())
    }

    fn enter(&mut self, entry: &Entry) {
        self.time_noted = Instant::now();
        self.books.enter(entry);
        self.shared.books_mut().enter(entry);
    }

    /// Closes the engine for good: what the store's path means now is not this store, and nothing that is written would be
    /// found there after a restart.
    fn leave(&mut self, why: String) {
        tracing::error!(
            "{why}. The store is closed and everything is answered 503; put the directory back, or see that the one that is \
             there is the right one, and start the gateway again"
        );
        self.shared.drop_engine();
        let why = JournalError::Closed(why);
        while let Ok(request) = self.requests.recv() {
            request.job.refuse(why.clone());
        }
    }

    /// Serves the first request and all that wait behind it, as far as one batch goes.
    fn batch(&mut self, first: Request) -> Result<(), Failure> {
        if let Err(why) = self.check_home() {
            first.job.refuse(JournalError::Closed(why.clone()));
            return Err(Failure::Elsewhere(why));
        }
        let engine = match self.shared.engine() {
            Ok(engine) => engine,
            Err(e) => {
                first.job.refuse(e);
                return Ok(());
            }
        };
        let room = self.room();
        let (now, hold_now) = (self.shared.now(), self.shared.hold_clock.now());
        let view = ReadView {
            engine: &*engine,
            books: &self.books,
            fronts: &self.shared.fronts,
            recent: &self.shared.recent,
            ids: &self.shared.ids,
            now,
            hold_now,
        };
        let mut group = Group::default();
        let mut answers: Vec<(Answer, Option<OwnedSemaphorePermit>)> = Vec::new();
        let mut durability = Durability::Process;
        let mut bytes = 0;
        let mut commits = 0;
        let mut next = Some(first);
        while let Some(Request { kind, job, permit }) = next {
            match &room {
                Err(full) if kind == Kind::Admission => job.refuse(full.clone()),
                _ => {
                    if kind == Kind::Order {
                        self.shared.orders.fetch_add(1, Ordering::SeqCst);
                    }
                    let mut draft = Draft::new(view, &group);
                    if let Some(answer) = job.run(&mut draft) {
                        let synced = kind != Kind::Progress && !draft.may_be_lost;
                        let draft = draft.finish();
                        bytes += draft.batch.bytes();
                        group.absorb(draft);
                        answers.push((answer, permit));
                        commits += u32::from(kind == Kind::Admission);
                        if synced {
                            durability = Durability::Power;
                        }
                    }
                }
            }
            let more = group.batch.len() < engine.batch_limit() && bytes < BATCH_BYTES;
            next = if more { self.requests.try_recv().ok() } else { None };
        }
        group.delta.hold_time = hold_now;
        let applied = self.apply(&*engine, group, durability);
        if commits > 0 {
            self.commits_per_batch.record(commits);
        }
        drop(engine);
        // What was written by now is in the store's own directory. It counts only when a restart finds that one.
        let is_home = self.check_home();
        let outcome = match (&applied, &is_home) {
            (Err(e), _) => Err(JournalError::from(e.clone())),
            (Ok(()), Err(why)) => Err(JournalError::Closed(why.clone())),
            (Ok(()), Ok(())) => Ok(()),
        };
        for (answer, permit) in answers {
            answer(outcome.clone());
            drop(permit);
        }
        applied?;
        is_home.map_err(Failure::Elsewhere)
    }

    /// Whether there is room to admit something.
    fn room(&mut self) -> Result<(), JournalError> {
        let room = self.disk.room();
        match (&room, self.shared.health()) {
            (Ok(()), Health::Full(_)) => {
                tracing::info!("there is room on the disk again; deliveries are admitted");
                self.shared.set_health(Health::Ready);
            }
            (Err(why), Health::Ready) => {
                tracing::error!("{why}; deliveries are answered 503 until there is room");
                self.shared.set_health(Health::Full(why.clone()));
            }
            _ => {}
        }
        room.map_err(JournalError::Full)
    }

    fn apply(&mut self, engine: &dyn Engine, group: Group, durability: Durability) -> Result<(), EngineError> {
        let Group { mut batch, delta, wakes, notices, recent } = group;
        if batch.is_empty() && delta.retained.is_none() {
            return Ok(());
        }
        let entry = self.books.next(&delta, &mut batch).map_err(|e| EngineError::Failed(e.to_string()))?;
        let (changes, written) = (Changes::of(&batch), Written::by(&batch));
        engine.apply(batch, entry.state.batch, durability)?;
        self.shared.recent.applied(recent, &written);
        self.shared.fronts.applied(changes);
        if durability == Durability::Power {
            self.sidecar.note(&entry.state);
        }
        self.enter(&entry);
        reorder::report(&notices);
        if let Some(due) = wakes.held_until {
            self.shared.held_until(due);
        }
        if wakes.inbox {
            self.shared.inbox_grown().notify_one();
        }
        self.shared.grow(wakes.queues);
        Ok(())
    }

    /// Closes a failed engine and opens it again, as often as it takes; meanwhile everything is refused.
    fn reopen(&mut self, failed: EngineError) {
        // Whatever it was, a sync may have failed: then what is read is not what is on the disk. A full disk has said so
        // when it was written to.
        let mut distrusted = !matches!(failed, EngineError::Full(_));
        let mut why = JournalError::from(failed);
        tracing::error!("{why}");
        self.not_ready(&why);
        self.shared.drop_engine();
        loop {
            if let Err(why) = self.check_home() {
                return self.leave(why);
            }
            let rewritten = if distrusted { self.opener.rewrite_log() } else { Ok(()) };
            distrusted &= rewritten.is_err();
            match rewritten.and_then(|()| self.opener.reopen(&self.sidecar)) {
                Ok((engine, books)) => return self.ready(engine, books),
                Err(e @ OpenError::Lost { .. }) => {
                    tracing::error!("{e}");
                    self.shared.set_health(Health::Closed(e.to_string()));
                }
                Err(e) => {
                    tracing::error!("the store cannot be opened again yet: {e}");
                    distrusted |= matches!(e, OpenError::Failed { .. });
                    if let OpenError::Full { reason, .. } = e {
                        why = JournalError::Full(reason);
                    }
                    self.not_ready(&why);
                }
            }
            if self.refuse_for(REOPEN_PAUSE, &why) == Handles::Gone {
                return;
            }
        }
    }

    fn not_ready(&self, why: &JournalError) {
        self.shared.set_health(match why {
            JournalError::Full(reason) => Health::Full(reason.clone()),
            other => Health::Reopening(other.to_string()),
        });
    }

    fn ready(&mut self, engine: Arc<dyn Engine>, books: Books) {
        self.time_noted = Instant::now();
        self.shared.books_mut().clone_from(&books);
        self.books = books;
        self.shared.fronts.clear();
        self.shared.recent.clear();
        self.shared.set_engine(engine);
        self.shared.set_health(Health::Ready);
        self.shared.wake_all();
        tracing::info!("the store is open again");
    }

    fn refuse_for(&self, pause: Duration, why: &JournalError) -> Handles {
        let until = Instant::now() + pause;
        loop {
            match self.requests.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(request) => request.job.refuse(why.clone()),
                Err(RecvTimeoutError::Timeout) => return Handles::Held,
                Err(RecvTimeoutError::Disconnected) => return Handles::Gone,
            }
        }
    }
}

/// Whether handles are left that can send requests.
#[derive(PartialEq, Eq)]
enum Handles {
    Held,
    Gone,
}
