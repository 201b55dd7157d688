//! Fan-out: from the inbox to the destinations' queues.
//!
//! Takes admitted events in the order of the inbox, which is the order of arrival, or of release for held events. Each event
//! is transformed, its outputs are checked and routed, and the journal queues all of them in one write. An event without
//! outputs, or without a route, is done then. One that cannot be transformed becomes a dead letter of the pseudo-destination
//! `transform`.
//!
//! Several events are transformed at once, a bounded number of them from one source. The results of a source are written to
//! the journal in the order of the inbox. A source with a slow or broken plugin holds up others only when thousands of its
//! events ([`limits::FANOUT_EVENTS_MAX`]) wait before theirs.
//!
//! While a plugin is out ([`hookgate_sandbox`]'s breaker), the events of its source rest in their order. The failures of an
//! event still count: after its last try it becomes a dead letter, so that a run of events that break a plugin does not hold
//! up later events without end.
//!
//! An event that was being transformed when the process died is transformed alone the next time. When that has happened
//! [`limits::TRANSFORM_DEATHS_MAX`] times it becomes a dead letter, so that no event can keep the gateway from starting.
//!
//! Only one result of a strand is being written to the journal at a time. A failing store accepts some results and refuses
//! others; the next event of an ordering key must not be written while the one before it is tried again.

mod lane;
mod transform;

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use hookgate_config as config;
use hookgate_journal::{Journal, JournalError, Routed};
use hookgate_model::{
    event::{EventId, KeptEvent, Waiting},
    handoff::{Strand, TRANSFORM},
    limits,
    ordering::OnFailure,
};
use hookgate_telemetry::metrics::{dead_letters, transformed};
use tokio::{
    sync::{RwLock, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};

pub use self::transform::{Transform, TransformError, Transformed, route};
use self::{
    lane::{Lane, Next, Resting, TransformEnd},
    transform::Shared,
};
use crate::{
    route::Routes,
    tasks::{Cursor, stopped},
};

/// Events read from the inbox at once.
const WINDOW: usize = 256;
/// How often the inbox is read from its front, for events that could not be read before.
const LOOK_BACK: Duration = Duration::from_secs(2);
/// Before the journal is asked again after a failure.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);
/// Why an event whose record is gone is a dead letter.
const GONE: &str = "the event is not kept any more";

/// A result on its way into the journal, with its event and strand.
type PendingWrite = Pin<Box<dyn Future<Output = (EventId, Option<Strand>)> + Send>>;

/// What became of an event, or why it has no outputs.
type Done = Result<Routed, String>;

/// The result of an event, to be written to the journal.
struct EventResult {
    event: EventId,
    /// `None` if the record of the event is missing or damaged.
    source: Option<String>,
    done: Done,
}

/// The ordered sources, each with its rule for dead letters.
#[derive(Debug, Default)]
pub struct OrderedSources(HashMap<String, OnFailure>);

impl OrderedSources {
    /// The ordered sources of a configuration.
    pub fn new(sources: &[Arc<config::Source>]) -> OrderedSources {
        let ordered =
            sources.iter().filter_map(|source| Some((source.name.clone(), source.ordering.as_ref()?.on_failure)));
        OrderedSources(ordered.collect())
    }

    /// Whether the events of a source are ordered, so that their outputs carry their position.
    pub fn holds(&self, source: &str) -> bool {
        self.0.contains_key(source)
    }

    /// The strand of an event; `None` if it has no ordering key or its source is not ordered.
    fn strand(&self, event: &KeptEvent) -> Option<Strand> {
        let source = &event.delivery.source;
        let on_failure = *self.0.get(source)?;
        let key = &event.admission.identity.ordering.as_ref()?.key;
        Some(Strand::of(source, key, on_failure))
    }
}

/// The fan-out task.
pub struct Fanout {
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    sources: HashMap<String, Lane>,
    /// All events that were read from the inbox and are still in it.
    held: HashSet<EventId>,
    /// The bodies of waiting events, in bytes.
    held_bytes: usize,
    transforming: JoinSet<(String, EventId, TransformEnd)>,
    applying: FuturesUnordered<PendingWrite>,
    /// Each strand with a result on its way, and the results that follow it.
    strands: HashMap<Strand, VecDeque<EventResult>>,
    cursor: Cursor<u64>,
    /// The inbox may contain events that are not in `held`.
    stale: bool,
    blocked_until: Option<Instant>,
}

impl Fanout {
    /// Prepares the task; [`Fanout::run`] starts it.
    pub fn new(
        journal: Journal,
        routes: Arc<Routes>,
        ordered: Arc<OrderedSources>,
        transform: Arc<dyn Transform>,
        stop: watch::Receiver<bool>,
    ) -> Fanout {
        Fanout {
            shared: Arc::new(Shared { journal, routes, ordered, transform, calls: RwLock::default() }),
            stop,
            sources: HashMap::new(),
            held: HashSet::new(),
            held_bytes: 0,
            transforming: JoinSet::new(),
            applying: FuturesUnordered::new(),
            strands: HashMap::new(),
            cursor: Cursor::new(LOOK_BACK),
            stale: true,
            blocked_until: None,
        }
    }

    /// Runs until it is stopped. Events that are not written to the journal by then stay in the inbox.
    pub async fn run(mut self) {
        let shared = self.shared.clone();
        let grown = shared.journal.inbox_grown();
        loop {
            self.advance();
            let wake_at = [self.blocked_until, self.cursor.look_back_at()].into_iter().flatten().min();
            let rested_at = self.rested_at();
            tokio::select! {
                () = stopped(&mut self.stop) => break,
                Some(ended) = self.transforming.join_next() => self.transformed(ended),
                Some((id, strand)) = self.applying.next() => self.applied(id, strand),
                () = grown.notified() => self.stale = true,
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => self.stale = true,
                () = sleep_until(rested_at.unwrap_or_else(Instant::now)), if rested_at.is_some() => {}
            }
        }
        self.transforming.abort_all();
        // Later results stay in the inbox.
        while self.applying.next().await.is_some() {}
    }

    /// Starts events: waiting ones first, then new ones from the inbox.
    fn advance(&mut self) {
        if self.blocked_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.blocked_until = None;
        self.wake_resting();
        let names: Vec<_> =
            self.sources.iter().filter(|(_, lane)| lane.may_start()).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.start_waiting(&name);
        }
        while self.stale
            && self.blocked_until.is_none()
            && self.transforming.len() < limits::TRANSFORMS_MAX
            && self.held.len() < limits::FANOUT_EVENTS_MAX
        {
            if let Err(error) = self.read_inbox() {
                tracing::error!(%error, "the inbox cannot be read");
                self.blocked_until = Some(Instant::now() + JOURNAL_PAUSE);
                return;
            }
        }
    }

    /// When the next resting event may be started. `None` while there is no room for it; the end of a transformation makes
    /// room.
    fn rested_at(&self) -> Option<Instant> {
        let now = Instant::now();
        let has_room = self.transforming.len() < limits::TRANSFORMS_MAX && self.blocked_until.is_none();
        self.sources.values().filter_map(|lane| lane.wakes_at(now)).min().filter(|_| has_room)
    }

    /// Restarts events that rested while their plugin was out.
    fn wake_resting(&mut self) {
        let now = Instant::now();
        let rested = |lane: &Lane| lane.wakes_at(now).is_some_and(|at| at <= now);
        let names: Vec<_> =
            self.sources.iter().filter(|(_, lane)| rested(lane)).map(|(name, _)| name.clone()).collect();
        for source in names {
            while self.transforming.len() < limits::TRANSFORMS_MAX && self.blocked_until.is_none() {
                let Some(lane) = self.sources.get_mut(&source) else { break };
                let Some((id, resting)) = lane.wake(now) else { break };
                match self.shared.journal.event(id) {
                    Ok(Some(event)) => self.spawn(event, resting),
                    Ok(None) => lane.end(id, TransformEnd::Done(Err(GONE.to_owned())), now),
                    Err(error @ JournalError::Damaged(..)) => {
                        lane.end(id, TransformEnd::Done(Err(error.to_string())), now);
                    }
                    Err(error) => {
                        tracing::error!(event = %id, %error, "the event cannot be read");
                        lane.end(id, TransformEnd::Out(resting, JOURNAL_PAUSE), now);
                        self.blocked_until = Some(now + JOURNAL_PAUSE);
                    }
                }
            }
            self.apply_done(&source);
        }
    }

    fn start_waiting(&mut self, source: &str) {
        while self.transforming.len() < limits::TRANSFORMS_MAX {
            let Some(lane) = self.sources.get_mut(source).filter(|lane| lane.may_start()) else { return };
            match lane.waiting.pop_front() {
                None => return,
                Some(Next::Read(event, waiting)) => {
                    self.held_bytes = self.held_bytes.saturating_sub(event.delivery.body().len());
                    self.start(*event, waiting);
                }
                Some(Next::Id(waiting)) => match self.shared.journal.event(waiting.event) {
                    Ok(Some(event)) => self.start(event, waiting),
                    Ok(None) => self.gone(waiting.event),
                    Err(error @ JournalError::Damaged(..)) => self.damaged(waiting.event, &error),
                    Err(error) => {
                        tracing::error!(event = %waiting.event, %error, "the event cannot be read");
                        // It keeps its place in front.
                        lane.waiting.push_front(Next::Id(waiting));
                        self.blocked_until = Some(Instant::now() + JOURNAL_PAUSE);
                        return;
                    }
                },
            }
        }
    }

    /// Reads a window of the inbox.
    fn read_inbox(&mut self) -> Result<(), JournalError> {
        let limit = self.held.len() + WINDOW;
        let after = self.cursor.at(Instant::now()).copied();
        let window = self.shared.journal.inbox(after, limit)?;
        self.stale = window.len() == limit;
        for waiting in window {
            let id = waiting.event;
            if self.held.len() >= limits::FANOUT_EVENTS_MAX {
                self.stale = true;
                break;
            }
            if self.held.contains(&id) {
                self.cursor.pass_over();
                continue;
            }
            match self.shared.journal.event(id) {
                Ok(Some(event)) => self.take(event, waiting),
                Ok(None) => self.gone(id),
                Err(error @ JournalError::Damaged(..)) => self.damaged(id, &error),
                Err(error) => {
                    self.stale = true;
                    return Err(error);
                }
            }
            self.cursor.advance(waiting.ticket);
        }
        Ok(())
    }

    fn take(&mut self, event: KeptEvent, waiting: Waiting) {
        self.held.insert(event.id);
        let lane = self.sources.entry(event.delivery.source.clone()).or_default();
        if lane.may_start_next() && self.transforming.len() < limits::TRANSFORMS_MAX {
            return self.start(event, waiting);
        }
        let bytes = event.delivery.body().len();
        if self.held_bytes + bytes <= limits::FANOUT_WAITING_BYTES_MAX {
            self.held_bytes += bytes;
            lane.waiting.push_back(Next::Read(Box::new(event), waiting));
        } else {
            lane.waiting.push_back(Next::Id(waiting));
        }
    }

    fn start(&mut self, event: KeptEvent, waiting: Waiting) {
        self.sources.entry(event.delivery.source.clone()).or_default().start(event.id);
        self.spawn(event, Resting { waiting, failures: 0 });
    }

    fn spawn(&mut self, event: KeptEvent, resting: Resting) {
        let shared = self.shared.clone();
        self.transforming.spawn(async move {
            let ended = shared.process(&event, resting).await;
            (event.delivery.source.clone(), event.id, ended)
        });
    }

    /// An event whose record is missing becomes a dead letter.
    fn gone(&mut self, id: EventId) {
        self.apply(EventResult { event: id, source: None, done: Err(GONE.to_owned()) });
    }

    /// An event whose record is damaged becomes a dead letter.
    fn damaged(&mut self, id: EventId, error: &JournalError) {
        self.apply(EventResult { event: id, source: None, done: Err(error.to_string()) });
    }

    fn transformed(&mut self, ended: Result<(String, EventId, TransformEnd), JoinError>) {
        let (source, id, ended) = match ended {
            Ok(ended) => ended,
            // A defect of hookgate. The events are still in the inbox, from which the task starts again.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        let Some(lane) = self.sources.get_mut(&source) else { return };
        lane.end(id, ended, Instant::now());
        self.apply_done(&source);
    }

    /// Writes the finished events of a source to the journal.
    fn apply_done(&mut self, source: &str) {
        let Some(lane) = self.sources.get_mut(source) else { return };
        for (event, done) in lane.take_done() {
            self.apply(EventResult { event, source: Some(source.to_owned()), done });
        }
        if self.sources.get(source).is_some_and(Lane::is_empty) {
            self.sources.remove(source);
        }
    }

    /// Writes a result to the journal, after the earlier ones of its strand. Writes are first polled in the order in which they
    /// are pushed here, which is the order in which the journal writes them.
    fn apply(&mut self, decided: EventResult) {
        self.held.insert(decided.event);
        let Ok(Routed { strand: Some(strand), .. }) = decided.done else { return self.write(decided, None) };
        match self.strands.entry(strand) {
            Entry::Occupied(mut behind) => behind.get_mut().push_back(decided),
            Entry::Vacant(first) => {
                first.insert(VecDeque::new());
                self.write(decided, Some(strand));
            }
        }
    }

    /// Tokio makes a future yield after a number of steps. One that yields here would reach the journal after the next, so these
    /// futures are exempt. Each waits for the store after a few steps.
    ///
    /// An event is counted once its result is in the journal, because one that is cut off before is transformed again.
    fn write(&mut self, decided: EventResult, strand: Option<Strand>) {
        let journal = self.shared.journal.clone();
        self.applying.push(Box::pin(tokio::task::unconstrained(async move {
            let EventResult { event, source, done } = decided;
            while let Err(error) = write(&journal, event, done.clone()).await {
                tracing::warn!(%event, %error, "a transformed event waits for the store");
                sleep(JOURNAL_PAUSE).await;
            }
            match (&source, &done) {
                (Some(source), Ok(routed)) => transformed(source, outcome_of(routed)).increment(1),
                (source, Err(_)) => count_failed(source.as_deref()),
                (None, Ok(_)) => {}
            }
            (event, strand)
        })));
    }

    fn applied(&mut self, id: EventId, strand: Option<Strand>) {
        self.held.remove(&id);
        let Some(strand) = strand else { return };
        match self.strands.get_mut(&strand).and_then(VecDeque::pop_front) {
            Some(next) => self.write(next, Some(strand)),
            None => _ = self.strands.remove(&strand),
        }
    }
}

async fn write(journal: &Journal, id: EventId, done: Done) -> Result<(), JournalError> {
    match done {
        Ok(Routed { outputs, to, strand: None }) => journal.fan_out(id, outputs, to).await,
        Ok(Routed { outputs, to, strand: Some(strand) }) => journal.fan_out_in_order(id, outputs, to, strand).await,
        Err(reason) => journal.fan_out_failed(id, reason).await,
    }
}

/// What became of an event that is transformed, as metrics call it.
pub fn outcome_of(routed: &Routed) -> &'static str {
    match routed {
        Routed { outputs, .. } if outputs.is_empty() => "empty",
        Routed { to, .. } if to.is_empty() => "unrouted",
        Routed { .. } => "routed",
    }
}

/// Counts an event that cannot be transformed. The source is unknown if its record is missing.
fn count_failed(source: Option<&str>) {
    dead_letters(TRANSFORM).increment(1);
    if let Some(source) = source {
        transformed(source, "failed").increment(1);
    }
}
