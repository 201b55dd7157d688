//! Dispatch: from the destinations' queues to the destinations.
//!
//! One task starts the attempts of all destinations in turn ([`scheduler`]). Each has its own window on its queue,
//! connections, rate, concurrency and breaker ([`worker`]): one that is slow or away holds up no other. Everything is resumed
//! from the journal; nothing lives only here.
//! A handoff is recorded after its attempt, so a crash in between means one more attempt: at least once.
//!
//! What is queued for a destination that the configuration no longer names stays queued, and goes on when it is named
//! again.

mod attempt;
pub mod backoff;
pub mod breaker;
pub mod pace;
mod scheduler;
mod worker;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hookgate_config::Destination;
use hookgate_journal::Journal;
use hookgate_model::limits;
use hookgate_net::egress::Guard;
use hookgate_sinks::{Sink, SinkError};
use hookgate_telemetry::DestinationMetrics;

pub use self::scheduler::{Lanes, Scheduler};
use crate::claims::Claims;

/// Which destinations count as away, by name; kept up to date while they are worked.
#[derive(Clone, Debug, Default)]
pub struct DestinationHealth(Arc<BTreeMap<String, Arc<AtomicBool>>>);

impl DestinationHealth {
    /// Those of destinations that are ready.
    pub fn of(lanes: &[Arc<Lane>]) -> DestinationHealth {
        let named = lanes.iter().map(|lane| (lane.destination.name.clone(), lane.breaker_open.clone()));
        DestinationHealth(Arc::new(named.collect()))
    }

    /// As if they stood so.
    #[cfg(test)]
    pub fn standing<const N: usize>(breakers: [(&str, bool); N]) -> DestinationHealth {
        let named = breakers.map(|(name, open)| (name.to_owned(), Arc::new(AtomicBool::new(open))));
        DestinationHealth(Arc::new(BTreeMap::from(named)))
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
    pub why: SinkError,
}

/// A destination that is ready to be worked: what every attempt at it shares.
pub struct Lane {
    destination: Arc<Destination>,
    sink: Box<dyn Sink>,
    journal: Journal,
    claims: Option<Claims>,
    metrics: DestinationMetrics,
    breaker_open: Arc<AtomicBool>,
}

impl Lane {
    /// Makes a destination ready; nothing is connected or opened yet. `claims` is where large bodies are.
    ///
    /// # Errors
    /// It cannot be used as it is configured.
    pub fn new(
        destination: &Arc<Destination>,
        guard: &Guard,
        journal: &Journal,
        claims: Option<&Claims>,
    ) -> Result<Lane, StartError> {
        let sink = destination.target.open(guard, destination.concurrency);
        let sink = sink.map_err(|why| StartError { destination: destination.name.clone(), why })?;
        let metrics = DestinationMetrics::new(&destination.name);
        let (destination, journal, claims) = (destination.clone(), journal.clone(), claims.cloned());
        Ok(Lane { destination, sink, journal, claims, metrics, breaker_open: Arc::default() })
    }

    /// The destination's name.
    pub fn name(&self) -> &str {
        &self.destination.name
    }

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
