//! Dispatch: from the destinations' queues to the destinations, and before that from the inbox to the queues.
//!
//! Each destination has a task of its own ([`worker`]), its own window on its queue, connections, rate, concurrency and
//! breaker: one that is slow or away holds up no other. Everything is resumed from the journal; nothing lives only here.
//! A handoff is recorded after its attempt, so a crash in between means one more attempt: at least once.
//!
//! What is queued for a destination that the configuration no longer names stays queued, and goes on when it is named
//! again.

mod attempt;
pub mod backoff;
pub mod breaker;
pub(crate) mod cursor;
pub mod egress;
pub mod http;
pub mod lines;
pub mod outcome;
pub mod pace;
pub mod signature;
pub mod sink;
mod worker;

use std::{
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use hookgate_capabilities::CloudEvent;
use tokio::{sync::watch, task::JoinSet};

use self::{egress::Guard, http::EndpointError, sink::Sink, worker::Worker};
pub(crate) use crate::clock::now_ms;
use crate::{
    claims::{Claims, Reference},
    config::{Config, Destination},
    fanout::{Fanout, Ordered, Transform},
    journal::{HandoffId, Journal, KeptEvent},
    limits,
    route::Routes,
    telemetry::DestinationMetrics,
};

/// Before a task is started again that broke down.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Everything behind the commit, at work. Dropped, it stops at once; what was in flight is tried again after the next
/// start.
#[derive(Debug, Default)]
pub struct Dispatcher {
    /// By destination; also those that are being let go of.
    lanes: BTreeMap<String, Work>,
    fanout: Option<Work>,
}

/// What a [`Dispatcher`] is started from.
pub struct Prepared {
    lanes: Vec<Arc<Lane>>,
    routes: Arc<Routes>,
    ordered: Arc<Ordered>,
    journal: Journal,
}

/// Which destinations count as away, by name; kept up to date while they are worked.
#[derive(Clone, Debug, Default)]
pub struct Breakers(Arc<BTreeMap<String, Arc<AtomicBool>>>);

impl Breakers {
    /// As if they stood so.
    #[cfg(test)]
    pub fn standing<const N: usize>(breakers: [(&str, bool); N]) -> Breakers {
        let named = breakers.map(|(name, open)| (name.to_owned(), Arc::new(AtomicBool::new(open))));
        Breakers(Arc::new(BTreeMap::from(named)))
    }

    /// Whether the breaker of that destination is open; none when there is no such destination.
    pub fn is_open(&self, destination: &str) -> Option<bool> {
        self.0.get(destination).map(|open| open.load(Ordering::Relaxed))
    }
}

/// A destination that cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the destination `{destination}`: {why}")]
pub struct StartError {
    /// Its name.
    pub destination: String,
    /// Why.
    pub why: EndpointError,
}

/// One output of an event on its way to one destination.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Which.
    pub handoff: HandoffId,
    /// The event.
    pub event: KeptEvent,
    /// The output.
    pub output: CloudEvent,
    /// What stands for a payload that is kept elsewhere; its link begins to expire with this attempt.
    pub reference: Option<Reference>,
}

/// What every attempt at a destination shares.
struct Lane {
    destination: Arc<Destination>,
    sink: Sink,
    journal: Journal,
    claims: Option<Claims>,
    metrics: DestinationMetrics,
    breaker_open: Arc<AtomicBool>,
}

impl Lane {
    fn concurrency(&self) -> usize {
        self.sink.concurrency(self.destination.concurrency)
    }

    /// The latest time at which anything can be due that has been queued by `now` ([`Journal::wait_time`]): no pause is
    /// longer. What says that it is due later (it was queued under other settings, or in a store that was mended) is due now.
    fn latest_due(&self, now: u64) -> u64 {
        let longest = self.destination.retry.max.max(limits::RETRY_AFTER_TIME_MAX);
        now.saturating_add(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether a handoff that says that it is due then is to be tried now.
    fn is_due(&self, due: u64) -> bool {
        let now = self.journal.wait_time();
        due <= now || due > self.latest_due(now)
    }
}

impl Dispatcher {
    /// Makes the destinations of a configuration ready; nothing is connected or opened yet. `claims` is where large bodies
    /// are.
    pub fn prepare(config: &Config, journal: &Journal, claims: Option<&Claims>) -> Result<Prepared, StartError> {
        let guard = Guard::new(config.egress.allow.clone());
        let mut lanes = Vec::new();
        for destination in &config.destinations {
            let sink = Sink::new(destination, &guard)
                .map_err(|why| StartError { destination: destination.name.clone(), why })?;
            let metrics = DestinationMetrics::new(&destination.name);
            let (destination, journal, claims) = (destination.clone(), journal.clone(), claims.cloned());
            lanes.push(Arc::new(Lane { destination, sink, journal, claims, metrics, breaker_open: Arc::default() }));
        }
        let (routes, ordered) = (Arc::new(Routes::new(&config.routes)), Arc::new(Ordered::new(&config.sources)));
        Ok(Prepared { lanes, routes, ordered, journal: journal.clone() })
    }

    /// Starts transforming what is in the inbox and handing over what is in the queues. To be called on a runtime, and for
    /// one dispatcher of a journal: two would hand everything over twice.
    ///
    /// Whatever this dispatcher does already is exchanged part by part. A destination's new work begins when the old one
    /// has finished what is in flight, `within` that time; no destination waits for another's.
    pub fn work_on(&mut self, prepared: Prepared, transform: Arc<dyn Transform>, within: Duration) {
        let Prepared { lanes, routes, ordered, journal } = prepared;
        let mut before = std::mem::take(&mut self.lanes);
        for lane in lanes {
            let name = lane.destination.name.clone();
            let work = Work::after(before.remove(&name), within, |stopped| {
                keep_running("dispatch", move || Worker::new(lane.clone(), stopped.clone()).run())
            });
            self.lanes.insert(name, work);
        }
        // Those that are gone are kept until they have ended: they may come back.
        for (name, gone) in before {
            self.lanes.insert(name, Work::after(Some(gone), within, |_| std::future::ready(())));
        }
        self.fanout = Some(Work::after(self.fanout.take(), within, |stopped| {
            keep_running("fan-out", move || {
                let (routes, ordered) = (routes.clone(), ordered.clone());
                Fanout::new(journal.clone(), routes, ordered, transform.clone(), stopped.clone()).run()
            })
        }));
    }

    /// Takes nothing new and finishes what is in flight. False when that took longer than `within`: what was cut off is
    /// tried again after the next start.
    pub async fn stop(self, within: Duration) -> bool {
        let all = self.lanes.into_values().chain(self.fanout).map(|work| work.end(within));
        join_all(all).await.into_iter().all(|in_time| in_time)
    }
}

/// A task that can be told to stop. Dropped, it is cut off.
#[derive(Debug)]
struct Work {
    stop: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Work {
    /// Starts work that begins when the work before it has ended, cut off after that time if need be.
    fn after<F: Future<Output = ()> + Send + 'static>(
        before: Option<Work>,
        within: Duration,
        work: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Work {
        let (stop, stopped) = watch::channel(false);
        let work = work(stopped.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Some(before) = before
                && !before.end(within).await
            {
                tracing::warn!("attempts were still under way when the drain time-out was over; they are made again");
            }
            // It may have been told to stop before it could begin.
            let told = *stopped.borrow();
            if !told {
                work.await;
            }
        });
        Work { stop, task }
    }

    /// Tells it to stop and waits; false when it had to be cut off. It is gone in either case.
    async fn end(mut self, within: Duration) -> bool {
        // Nobody listens when it has ended.
        let _ = self.stop.send(true);
        let in_time = tokio::time::timeout(within, self.task.join_next()).await.is_ok();
        self.task.shutdown().await;
        in_time
    }
}

impl Prepared {
    /// Which destinations count as away.
    pub fn breakers(&self) -> Breakers {
        let named = self.lanes.iter().map(|lane| (lane.destination.name.clone(), lane.breaker_open.clone()));
        Breakers(Arc::new(named.collect()))
    }
}

/// Runs a task until it ends by itself; one that panics, which is a defect of ours, begins anew from the journal.
pub(crate) async fn keep_running<F: Future<Output = ()>>(name: &str, mut task: impl FnMut() -> F) {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        tracing::error!(task = name, "a task broke down and is started again");
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

/// Until the dispatcher is stopped, or gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that nobody can stop it any more: it was dropped.
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
