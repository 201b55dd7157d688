//! Fan-out: from the inbox to the destinations' queues.
//!
//! Takes admitted events in the order of the inbox, which is that of their arrival, but for those that were held until it
//! was their turn. Has them transformed, checks what comes out, asks the routes, and has the journal queue it all in one
//! write. An event without outputs, or without a route, is done then; one that cannot be transformed becomes a dead letter
//! of the pseudo-destination `transform`.
//!
//! Several events are transformed at once, of one source not all of them, and the results of a source are put into the
//! journal in the order of the inbox. A source whose plugin is slow or broken holds up others only when thousands
//! of its events ([`limits::FANOUT_EVENTS_MAX`]) wait before theirs.
//!
//! While a plugin is out ([`hookgate_sandbox`]'s breaker), its source's events rest, in their order and without being worked
//! on: nothing is lost by waiting. What an event has broken of the plugin counts on: after its last try it is a dead letter,
//! so that a run of events on which a plugin breaks does not keep those behind it for ever.
//!
//! An event that was being transformed when a process died is transformed alone, and not any more when that has happened
//! [`limits::TRANSFORM_DEATHS_MAX`] times: it is a dead letter then, so that no event can keep the gateway from starting.
//!
//! Of one strand a single result is on its way into the journal at a time. A store that fails takes some results and
//! refuses others; the next event of an ordering key must not get in while the one before it is tried again.

mod lane;

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use hookgate_capabilities::CloudEvent;
use hookgate_config as config;
use hookgate_journal::{Journal, JournalError};
use hookgate_model::{
    event::{EventId, KeptEvent, Waiting},
    handoff::{Strand, TRANSFORM},
    limits,
    ordering::OnFailure,
};
use hookgate_sandbox::tame;
use hookgate_telemetry::metrics::{dead_letters, transformed};
use tokio::{
    sync::{RwLock, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use self::lane::{Ended, Lane, Next, Resting};
use crate::{
    route::Routes,
    tasks::{Cursor, stopped},
};
use hookgate_cloudevents as cloudevents;

/// Events read from the inbox at once.
const WINDOW: usize = 256;
/// How often the inbox is read from its front, for what could not be read before.
const LOOK_BACK: Duration = Duration::from_secs(2);
/// Before the journal is asked again that has just failed.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);
/// Before an object store is asked again that is away.
const AWAY_PAUSE: Duration = Duration::from_secs(5);
/// Between the tries at an event on which the plugin breaks.
const BROKEN_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// Why an event whose record is gone is a dead letter.
const GONE: &str = "the event is not kept any more";

/// What puts events into CloudEvents: the source's plugin.
#[async_trait::async_trait]
pub trait Transform: Send + Sync {
    /// The outputs of an event: none to leave it out.
    async fn transform(&self, event: &KeptEvent) -> Result<Transformed, TransformError>;
}

/// What the plugin has made of an event.
#[derive(Clone, Debug, Default)]
pub struct Transformed {
    /// Its outputs, not checked yet.
    pub outputs: Vec<CloudEvent>,
    /// Part of the event's JSON counted as absent while the plugin read it.
    pub is_incomplete: bool,
}

impl From<Vec<CloudEvent>> for Transformed {
    fn from(outputs: Vec<CloudEvent>) -> Self {
        Transformed { outputs, is_incomplete: false }
    }
}

/// Why an event has no outputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// The plugin says that it cannot; it would say so again.
    #[error("the plugin cannot transform the event: {0}")]
    Refused(String),
    /// The plugin trapped or went over its limits, or is not there; worth some more tries.
    #[error("the plugin broke: {0}")]
    Broken(String),
    /// So many processes have died while they transformed the event: it is not tried again.
    #[error(
        "the gateway's process ended {0} times while this event was being transformed, so it is not tried again; correct \
         the plugin, then redrive it"
    )]
    Deadly(u8),
    /// The plugin has broken too often to be asked now; again after so long.
    #[error("the plugin is out")]
    Out(Duration),
    /// Its large body cannot be read now; it is tried until it can.
    #[error("the event's body cannot be read: {0}")]
    Away(String),
}

/// A result on its way into the journal: of which event, and of which strand.
type Applying = Pin<Box<dyn Future<Output = (EventId, Option<Strand>)> + Send>>;

/// What is to be put into the journal, or why there is nothing.
type Done = Result<Routed, String>;

/// What has become of an event, on its way into the journal.
struct Decided {
    event: EventId,
    /// None where the event's record is gone or damaged.
    source: Option<String>,
    done: Done,
}

/// The outputs of an event and where they go.
#[derive(Clone)]
struct Routed {
    outputs: Vec<CloudEvent>,
    to: Vec<(String, u16)>,
    /// What the event belongs to, where its source keeps the order.
    strand: Option<Strand>,
}

/// The sources that keep their events in order, each with what a dead letter means there.
#[derive(Debug, Default)]
pub struct Ordered(HashMap<String, OnFailure>);

impl Ordered {
    /// Those of a configuration.
    pub fn new(sources: &[Arc<config::Source>]) -> Ordered {
        let ordered =
            sources.iter().filter_map(|source| Some((source.name.clone(), source.ordering.as_ref()?.on_failure)));
        Ordered(ordered.collect())
    }

    /// Whether the events of a source are put in order, so that their outputs say in which.
    fn holds(&self, source: &str) -> bool {
        self.0.contains_key(source)
    }

    /// The strand of an event; none when it has no ordering key, or its source does not keep the order.
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
    /// Everything that has been read from the inbox and is not out of it.
    held: HashSet<EventId>,
    /// Bytes of bodies that wait.
    held_bytes: usize,
    transforming: JoinSet<(String, EventId, Ended)>,
    applying: FuturesUnordered<Applying>,
    /// Each strand of which a result is on its way, with those that come behind it.
    strands: HashMap<Strand, VecDeque<Decided>>,
    cursor: Cursor<u64>,
    /// The inbox may hold something that is not held.
    stale: bool,
    blocked_until: Option<Instant>,
}

struct Shared {
    journal: Journal,
    routes: Arc<Routes>,
    ordered: Arc<Ordered>,
    transform: Arc<dyn Transform>,
    /// Held by every call of a plugin, and by a suspect's alone.
    calls: RwLock<()>,
}

impl Fanout {
    /// Ready to run.
    pub fn new(
        journal: Journal,
        routes: Arc<Routes>,
        ordered: Arc<Ordered>,
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

    /// Works until told to stop. What has not been put into the journal then stays in the inbox.
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
        // Those behind them stay in the inbox.
        while self.applying.next().await.is_some() {}
    }

    /// Starts what may be started: first what waits, then what is new in the inbox.
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

    /// When the next of the events that rest may be started. None while there is no room for it: a transformation that
    /// ends makes some.
    fn rested_at(&self) -> Option<Instant> {
        let now = Instant::now();
        let has_room = self.transforming.len() < limits::TRANSFORMS_MAX && self.blocked_until.is_none();
        self.sources.values().filter_map(|lane| lane.wakes_at(now)).min().filter(|_| has_room)
    }

    /// Starts events again that have rested for as long as their plugin was out.
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
                    Ok(None) => lane.end(id, Ended::Done(Err(GONE.to_owned())), now),
                    Err(error @ JournalError::Damaged(..)) => {
                        lane.end(id, Ended::Done(Err(error.to_string())), now);
                    }
                    Err(error) => {
                        tracing::error!(event = %id, %error, "the event cannot be read");
                        lane.end(id, Ended::Out(resting, JOURNAL_PAUSE), now);
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
                        // Its place is before those that came after it.
                        lane.waiting.push_front(Next::Id(waiting));
                        self.blocked_until = Some(Instant::now() + JOURNAL_PAUSE);
                        return;
                    }
                },
            }
        }
    }

    /// Takes in a window of the inbox.
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

    /// An event whose record is gone is a dead letter.
    fn gone(&mut self, id: EventId) {
        self.apply(Decided { event: id, source: None, done: Err(GONE.to_owned()) });
    }

    /// So is one whose record is damaged.
    fn damaged(&mut self, id: EventId, error: &JournalError) {
        self.apply(Decided { event: id, source: None, done: Err(error.to_string()) });
    }

    fn transformed(&mut self, ended: Result<(String, EventId, Ended), JoinError>) {
        let (source, id, ended) = match ended {
            Ok(ended) => ended,
            // A defect of ours: the events are still in the inbox, and the task begins anew from there.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        let Some(lane) = self.sources.get_mut(&source) else { return };
        lane.end(id, ended, Instant::now());
        self.apply_done(&source);
    }

    /// Puts into the journal what is done of a source.
    fn apply_done(&mut self, source: &str) {
        let Some(lane) = self.sources.get_mut(source) else { return };
        for (event, done) in lane.take_done() {
            self.apply(Decided { event, source: Some(source.to_owned()), done });
        }
        if self.sources.get(source).is_some_and(Lane::is_empty) {
            self.sources.remove(source);
        }
    }

    /// Puts a result into the journal, behind those of its strand. Those waiting are asked first in the order in which they
    /// come here, which is the order in which the journal writes them.
    fn apply(&mut self, decided: Decided) {
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

    /// Tokio makes a future yield after a number of steps, and one that yields here would come to the journal after the
    /// next. So these are exempt. Each waits for the store after a few steps.
    ///
    /// An event is counted once its result is in the journal: what is cut off before that is transformed again.
    fn write(&mut self, decided: Decided, strand: Option<Strand>) {
        let journal = self.shared.journal.clone();
        self.applying.push(Box::pin(tokio::task::unconstrained(async move {
            let Decided { event, source, done } = decided;
            while let Err(error) = write(&journal, event, done.clone()).await {
                tracing::warn!(%event, %error, "a transformed event waits for the store");
                sleep(JOURNAL_PAUSE).await;
            }
            count(source.as_deref(), &done);
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

/// Counts what has become of an event.
fn count(source: Option<&str>, done: &Done) {
    let outcome = match done {
        Ok(Routed { outputs, .. }) if outputs.is_empty() => "empty",
        Ok(Routed { to, .. }) if to.is_empty() => "unrouted",
        Ok(_) => "routed",
        Err(_) => {
            dead_letters(TRANSFORM).increment(1);
            "failed"
        }
    };
    if let Some(source) = source {
        transformed(source, outcome).increment(1);
    }
}

impl Shared {
    /// Transforms, checks and routes one event.
    async fn process(&self, event: &KeptEvent, mut state: Resting) -> Ended {
        let (source, trace) = (&event.delivery.source, &event.delivery.trace);
        let waiting = &state.waiting;
        let done = match self.transform(event, &mut state.failures).await {
            Err(TransformError::Out(pause)) => return Ended::Out(state, pause),
            Ok(Transformed { mut outputs, is_incomplete }) => cloudevents::check_all(&outputs).map(|()| {
                if is_incomplete {
                    cloudevents::say_unread(&mut outputs);
                }
                if self.ordered.holds(source) {
                    cloudevents::say_order(&mut outputs, event, waiting);
                }
                let to = self.destinations(event, &outputs);
                Routed { outputs, to, strand: self.ordered.strand(event) }
            }),
            Err(error) => Err(error.to_string()),
        }
        .map_err(|why| tame(&why));
        match &done {
            Ok(Routed { outputs, to, .. }) if !to.is_empty() => {
                tracing::debug!(trace, event = %event.id, source, outputs = outputs.len(), handoffs = to.len(), "routed");
            }
            Ok(_) => {}
            Err(reason) => {
                tracing::error!(trace, event = %event.id, source, reason, "the event cannot be transformed: a dead letter");
            }
        }
        Ended::Done(done)
    }

    /// Asks the plugin, again after a pause where it broke. `failures` are those of this event so far.
    async fn transform(&self, event: &KeptEvent, failures: &mut usize) -> Result<Transformed, TransformError> {
        loop {
            let outcome = self.transform_once_there(event).await;
            let Err(TransformError::Broken(reason)) = outcome else { return outcome };
            let Some(pause) = BROKEN_PAUSES.get(*failures) else { return Err(TransformError::Broken(reason)) };
            *failures += 1;
            let (source, trace) = (&event.delivery.source, &event.delivery.trace);
            tracing::warn!(trace, event = %event.id, source, reason, "the plugin broke and is tried again");
            sleep(*pause).await;
        }
    }

    /// Asks the plugin, for as long as the event's body cannot be read. Behind it the source's later events wait, as they
    /// do behind every transformation.
    async fn transform_once_there(&self, event: &KeptEvent) -> Result<Transformed, TransformError> {
        loop {
            match self.transform_marked(event).await {
                Err(TransformError::Away(reason)) => {
                    let (source, trace) = (&event.delivery.source, &event.delivery.trace);
                    tracing::warn!(trace, event = %event.id, source, reason, "an event waits for the object store");
                    sleep(AWAY_PAUSE).await;
                }
                decided => return decided,
            }
        }
    }

    /// Asks the plugin, with the event marked meanwhile. One that was being transformed when a process died is asked for
    /// alone: should it end this one, too, no other event is accused.
    async fn transform_marked(&self, event: &KeptEvent) -> Result<Transformed, TransformError> {
        let deaths = self.journal.transform_deaths(event.id);
        if deaths >= limits::TRANSFORM_DEATHS_MAX {
            return Err(TransformError::Deadly(deaths));
        }
        let _alone = if deaths > 0 { Some(self.calls.write().await) } else { None };
        let _beside_others = if deaths == 0 { Some(self.calls.read().await) } else { None };
        let _mark = self.journal.mark_transform(event.id);
        self.transform.transform(event).await
    }

    /// Each output's destinations: a handoff for each pair.
    fn destinations(&self, event: &KeptEvent, outputs: &[CloudEvent]) -> Vec<(String, u16)> {
        let numbered = (0_u16..).zip(outputs);
        let pairs = numbered.flat_map(|(number, output)| {
            self.routes.destinations(event, output).into_iter().map(move |name| (name.to_owned(), number))
        });
        pairs.collect()
    }
}
