//! Metrics, for Prometheus: counted in atomics that each stage looks up once, rendered when someone asks.
//!
//! [`Metrics::install`] comes first; handles made before it count nothing.

use std::{fmt, time::Duration};

use hookgate_model::event::KeyKind;
use metrics::{Counter, Gauge, Histogram, Recorder, SetRecorderError};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use super::measures::reference;
use super::{
    handles::{counter, gauge, histogram},
    measures::{self as measure, Kind, Measure},
    process,
};

/// What was counted so far.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// Something else in this process counts already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metrics are set up already")]
pub struct AlreadyInstalled;

impl Metrics {
    /// Counts from now on, for the whole process.
    pub fn install() -> Result<Metrics, AlreadyInstalled> {
        let recorder = recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_: SetRecorderError<_>| AlreadyInstalled)?;
        let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
        gauge(&measure::BUILD_INFO, &[version, os, arch]).set(1.0);
        Ok(Metrics { handle })
    }

    /// All of it in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        process::update();
        self.handle.render()
    }

    /// Folds what histograms have taken in into their buckets, for ever: else it would pile up until someone renders.
    pub async fn keep_up(self) {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            self.handle.run_upkeep();
        }
    }
}

/// Few enough for nothing to be felt, often enough for little to pile up.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// A recorder that knows every measure of the list.
fn recorder() -> PrometheusRecorder {
    let bucketed = |builder: PrometheusBuilder, measure: &&Measure| match measure.kind {
        Kind::Histogram(buckets) => builder
            .set_buckets_for_metric(Matcher::Full(measure.name.to_owned()), buckets)
            .expect("a test sees to it that no list of buckets is empty"),
        Kind::Counter | Kind::Gauge => builder,
    };
    let recorder = measure::ALL.iter().fold(PrometheusBuilder::new(), bucketed).build_recorder();
    for measure in measure::ALL {
        let (name, unit, help) = (measure.name.into(), Some(measure.unit), measure.help.into());
        match measure.kind {
            Kind::Counter => recorder.describe_counter(name, unit, help),
            Kind::Gauge => recorder.describe_gauge(name, unit, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, unit, help),
        }
    }
    recorder
}

/// Sets a series to 0 for each word of the measure's last label. A counter that appears with its first increment begins
/// at 1, and Prometheus' `increase()` never sees that increment.
fn begin_at_zero(measure: &Measure, owner: &str) {
    for word in measure.words {
        counter(measure, &[owner, word]).increment(0);
    }
}

/// The listener for providers.
#[derive(Clone, Debug)]
pub struct ServerMetrics {
    /// Open connections.
    pub connections: Gauge,
    /// Requests that are not answered yet.
    pub requests_in_flight: Gauge,
    /// Refusals of requests that lead to no source.
    pub refusals: Refusals,
}

impl ServerMetrics {
    /// Looks the handles up: refusals by these causes.
    pub fn new(causes: impl Iterator<Item = &'static str>) -> Self {
        ServerMetrics {
            connections: gauge(&measure::CONNECTIONS, &[]),
            requests_in_flight: gauge(&measure::REQUESTS_IN_FLIGHT, &[]),
            refusals: Refusals::new("", causes),
        }
    }
}

/// TLS on the listener for providers.
#[derive(Clone, Debug)]
pub struct TlsMetrics {
    /// Handshakes that came about.
    pub done: Counter,
    /// Handshakes that did not.
    pub failed: Counter,
    /// Handshakes that took too long.
    pub late: Counter,
    /// When the certificate in use expires, in seconds since the epoch.
    pub expires: Gauge,
}

impl TlsMetrics {
    /// Looks the handles up.
    pub fn new() -> Self {
        let handshakes = |outcome: &str| counter(&measure::TLS_HANDSHAKES, &[outcome]);
        TlsMetrics {
            done: handshakes("done"),
            failed: handshakes("failed"),
            late: handshakes("late"),
            expires: gauge(&measure::TLS_EXPIRY, &[]),
        }
    }
}

impl Default for TlsMetrics {
    fn default() -> Self {
        TlsMetrics::new()
    }
}

/// Large bodies in the object store.
#[derive(Clone, Debug)]
pub struct ClaimMetrics {
    /// Objects that were made.
    pub stored: Counter,
    /// Their bytes.
    pub stored_bytes: Counter,
    /// Bodies that were removed again.
    pub discarded: Counter,
    /// Objects that no event needed any more.
    pub removed: Counter,
    /// Requests that got bytes.
    pub reads: Counter,
    /// Bodies that could not be stored.
    pub store_failed: Counter,
    /// Objects that could not be read.
    pub read_failed: Counter,
    /// Objects that could not be removed.
    pub remove_failed: Counter,
}

impl ClaimMetrics {
    /// Looks the handles up.
    pub fn new() -> Self {
        let outcome = |name| counter(&measure::CLAIMS, &[name]);
        let failed = |name| counter(&measure::CLAIM_FAILURES, &[name]);
        ClaimMetrics {
            stored: outcome("stored"),
            stored_bytes: counter(&measure::CLAIM_STORED_BYTES, &[]),
            discarded: outcome("discarded"),
            removed: outcome("removed"),
            reads: outcome("read"),
            store_failed: failed("store"),
            read_failed: failed("read"),
            remove_failed: failed("remove"),
        }
    }
}

impl Default for ClaimMetrics {
    fn default() -> Self {
        ClaimMetrics::new()
    }
}

/// A source.
#[derive(Clone, Debug)]
pub struct SourceMetrics {
    /// Deliveries with a new event at least.
    pub accepted: Counter,
    /// Deliveries without one.
    pub duplicate: Counter,
    /// Handshakes.
    pub answered: Counter,
    /// New events.
    pub events: Counter,
    /// Deliveries whose signature came before under another id.
    pub replays: Counter,
    duplicates: [(KeyKind, Counter); KeyKind::ALL.len()],
    refused: Counter,
    refusals: Refusals,
}

impl SourceMetrics {
    /// Looks the handles up, and has everything that is counted of the source begin at 0: refusals by these causes.
    pub fn new(source: &str, causes: impl Iterator<Item = &'static str>) -> Self {
        for measure in [
            &measure::TRANSFORMED,
            &measure::ORDERING_RELEASED,
            &measure::PLUGIN_BREAKER_OPENED,
            &measure::TRIAL_DIFFERENCES,
            &measure::TRIAL_SKIPPED,
        ] {
            begin_at_zero(measure, source);
        }
        ordering_ahead(source).increment(0);
        trial_compared(source).increment(0);
        let deliveries = |outcome: &str| counter(&measure::DELIVERIES, &[source, outcome]);
        SourceMetrics {
            accepted: deliveries("accepted"),
            duplicate: deliveries("duplicate"),
            answered: deliveries("answered"),
            refused: deliveries("refused"),
            events: counter(&measure::EVENTS, &[source]),
            replays: counter(&measure::REPLAYS, &[source]),
            duplicates: KeyKind::ALL.map(|kind| (kind, counter(&measure::DUPLICATES, &[source, kind.name()]))),
            refusals: Refusals::new(source, causes),
        }
    }

    /// An event had come before, and was known by a key of that kind.
    pub fn duplicate_dropped(&self, by: KeyKind) {
        for (_, counter) in self.duplicates.iter().filter(|(kind, _)| *kind == by) {
            counter.increment(1);
        }
    }

    /// A delivery was refused for a cause of the refusal table.
    pub fn refused(&self, cause: &str) {
        self.refused.increment(1);
        self.refusals.count(cause);
    }
}

/// Events of a source that left the inbox, by outcome: `routed`, `unrouted`, `empty` or `failed`. Looked up each time:
/// sources that are gone from the configuration still have events.
pub fn transformed(source: &str, outcome: &str) -> Counter {
    counter(&measure::TRANSFORMED, &[source, outcome])
}

/// Jumps of the system's clock.
pub fn clock_jumps() -> Counter {
    counter(&measure::CLOCK_JUMPS, &[])
}

/// Secrets that a source's provider has handed over.
pub fn enrolled_secrets(source: &str) -> Gauge {
    gauge(&measure::ENROLLED_SECRETS, &[source])
}

/// Has what is done with the versions of a plugin, as sources call it, begin at 0.
pub fn begin_plugin_swaps(plugin: &str) {
    begin_at_zero(&measure::PLUGIN_SWAPS, plugin);
}

/// What was done with a plugin's versions, in a word. Rare enough to be looked up.
pub fn plugin_swaps(plugin: &str, outcome: &str) -> Counter {
    counter(&measure::PLUGIN_SWAPS, &[plugin, outcome])
}

/// An active version of a source, or is tried by it.
pub fn plugin_version(source: &str, plugin: &str, hash: &str, role: &str) -> Gauge {
    gauge(&measure::PLUGIN_VERSION, &[source, plugin, hash, role])
}

/// Events of a source whose turn was decided, by cause. Looked up each time, once for all events of a write.
pub fn ordering_released(source: &str, cause: &str) -> Counter {
    counter(&measure::ORDERING_RELEASED, &[source, cause])
}

/// Events of a source whose time lies too far ahead.
pub fn ordering_ahead(source: &str) -> Counter {
    counter(&measure::ORDERING_AHEAD, &[source])
}

/// Events of a source that wait for their turn.
pub fn held_events(source: &str) -> Gauge {
    gauge(&measure::HELD_EVENTS, &[source])
}

/// Deliveries of a source that a version on trial has judged beside the active one.
pub fn trial_compared(source: &str) -> Counter {
    counter(&measure::TRIAL_COMPARED, &[source])
}

/// Those that it judges differently, by the part in which it does.
pub fn trial_differences(source: &str, part: &str) -> Counter {
    counter(&measure::TRIAL_DIFFERENCES, &[source, part])
}

/// Those that it has not judged, by cause.
pub fn trial_skipped(source: &str, cause: &str) -> Counter {
    counter(&measure::TRIAL_SKIPPED, &[source, cause])
}

/// Events that became dead letters of a destination, or of `transform`.
pub fn dead_letters(destination: &str) -> Counter {
    counter(&measure::DEAD_LETTERS, &[destination])
}

/// Refusals by cause.
#[derive(Clone, Debug)]
pub struct Refusals(Vec<(&'static str, Counter)>);

impl Refusals {
    fn new(source: &str, causes: impl Iterator<Item = &'static str>) -> Self {
        Refusals(causes.map(|cause| (cause, counter(&measure::REFUSALS, &[source, cause]))).collect())
    }

    /// One more for a cause of the refusal table.
    pub fn count(&self, cause: &str) {
        let found = self.0.iter().find(|(name, _)| *name == cause);
        debug_assert!(found.is_some(), "{cause} is not in the refusal table");
        if let Some((_, counter)) = found {
            counter.increment(1);
        }
    }
}

/// A plugin.
#[derive(Clone, Debug)]
pub struct PluginMetrics {
    /// Calls of `verify`, in seconds.
    pub verify: Histogram,
    /// Calls of `transform`, in seconds.
    pub transform: Histogram,
    plugin: Option<String>,
}

impl PluginMetrics {
    /// Counts nothing: of a plugin that has not said its name yet.
    pub fn none() -> Self {
        PluginMetrics { verify: Histogram::noop(), transform: Histogram::noop(), plugin: None }
    }

    /// Looks the handles up, and has failures begin at 0.
    pub fn new(plugin: &str) -> Self {
        begin_at_zero(&measure::PLUGIN_FAILURES, plugin);
        PluginMetrics {
            verify: histogram(&measure::PLUGIN_CALL_SECONDS, &[plugin, "verify"]),
            transform: histogram(&measure::PLUGIN_CALL_SECONDS, &[plugin, "transform"]),
            plugin: Some(plugin.to_owned()),
        }
    }

    /// A call broke the rules, for a cause in a word. Rare enough to be looked up.
    pub fn failed(&self, cause: &str) {
        if let Some(plugin) = &self.plugin {
            counter(&measure::PLUGIN_FAILURES, &[plugin, cause]).increment(1);
        }
    }
}

/// 1 while a function of a source's plugin is out.
pub fn plugin_breaker_open(source: &str, call: &str) -> Gauge {
    gauge(&measure::PLUGIN_BREAKER_OPEN, &[source, call])
}

/// Times that it was taken out. Rare enough to be looked up.
pub fn plugin_breaker_opened(source: &str, call: &str) -> Counter {
    counter(&measure::PLUGIN_BREAKER_OPENED, &[source, call])
}

/// What the host fetches.
#[derive(Clone, Debug)]
pub struct FetchMetrics {
    fetched: Counter,
    failed: Counter,
}

impl FetchMetrics {
    /// Looks the handles up.
    pub fn new() -> Self {
        let fetches = |outcome: &str| counter(&measure::FETCHES, &[outcome]);
        FetchMetrics { fetched: fetches("fetched"), failed: fetches("failed") }
    }

    /// One request more.
    pub fn count(&self, fetched: bool) {
        if fetched { self.fetched.increment(1) } else { self.failed.increment(1) }
    }
}

impl Default for FetchMetrics {
    fn default() -> Self {
        FetchMetrics::new()
    }
}

/// The journal.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    /// From handing over to durable, in seconds.
    pub commit: Histogram,
    /// Commits in one batch.
    pub batch: Histogram,
    /// Commits for which there was no room.
    pub full: Counter,
    /// Commits that the disk or the engine failed.
    pub failed: Counter,
    /// Events that wait to be transformed.
    pub inbox: Gauge,
    /// The store's size on disk.
    pub bytes: Gauge,
    /// Free on the store's disk.
    pub free_bytes: Gauge,
}

impl JournalMetrics {
    /// Looks the handles up.
    pub fn new() -> Self {
        // Its alert sees the first one only if the series is there before.
        clock_jumps().increment(0);
        JournalMetrics {
            commit: histogram(&measure::COMMIT_SECONDS, &[]),
            batch: histogram(&measure::COMMITS_PER_BATCH, &[]),
            full: counter(&measure::COMMIT_FAILURES, &["full"]),
            failed: counter(&measure::COMMIT_FAILURES, &["failed"]),
            inbox: gauge(&measure::INBOX_EVENTS, &[]),
            bytes: gauge(&measure::STORE_BYTES, &[]),
            free_bytes: gauge(&measure::STORE_FREE_BYTES, &[]),
        }
    }
}

impl Default for JournalMetrics {
    fn default() -> Self {
        JournalMetrics::new()
    }
}

/// A destination, or `transform` for events that have no form yet.
#[derive(Clone, Debug)]
pub struct DestinationMetrics {
    /// Events that wait.
    pub queued: Gauge,
    /// Age of the oldest of them, in seconds.
    pub oldest: Gauge,
    /// Those of them that wait for another one of their ordering key.
    pub waiting: Gauge,
    /// Ordering keys that a dead letter blocks.
    pub blocked_keys: Gauge,
    /// Attempts under way.
    pub in_flight: Gauge,
    /// 1 while the breaker is open.
    pub breaker_open: Gauge,
    /// Attempts that succeeded.
    pub delivered: Counter,
    /// Attempts that failed and will be followed by another.
    pub retry: Counter,
    /// Attempts that failed for good.
    pub dead: Counter,
    /// Attempts, in seconds.
    pub attempt: Histogram,
    /// From receipt to arrival, in seconds.
    pub delivery: Histogram,
    /// Events that became dead letters.
    pub dead_letters: Counter,
}

impl DestinationMetrics {
    /// Looks the handles up.
    pub fn new(destination: &str) -> Self {
        let attempts = |outcome: &str| counter(&measure::ATTEMPTS, &[destination, outcome]);
        let gauge = |measure| gauge(measure, &[destination]);
        let histogram = |measure| histogram(measure, &[destination]);
        DestinationMetrics {
            queued: gauge(&measure::QUEUE_EVENTS),
            oldest: gauge(&measure::QUEUE_OLDEST_SECONDS),
            waiting: gauge(&measure::WAITING_EVENTS),
            blocked_keys: gauge(&measure::BLOCKED_ORDERING_KEYS),
            in_flight: gauge(&measure::IN_FLIGHT),
            breaker_open: gauge(&measure::BREAKER_OPEN),
            delivered: attempts("delivered"),
            retry: attempts("retry"),
            dead: attempts("dead"),
            attempt: histogram(&measure::ATTEMPT_SECONDS),
            delivery: histogram(&measure::DELIVERY_SECONDS),
            dead_letters: dead_letters(destination),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSES: [&str; 4] = ["unknown-source", "malformed", "stale", "too-large"];

    /// What is rendered after `work`, with a recorder of its own.
    fn rendered(work: impl FnOnce()) -> String {
        let recorder = recorder();
        metrics::with_local_recorder(&recorder, work);
        recorder.handle().render()
    }

    #[test]
    fn every_measure_has_a_handle_and_is_rendered_with_its_help() {
        let text = rendered(|| {
            let (plugin, journal, destination) =
                (PluginMetrics::new("stripe"), JournalMetrics::new(), DestinationMetrics::new("orders"));
            let (_server, _source) =
                (ServerMetrics::new(CAUSES.into_iter()), SourceMetrics::new("stripe", CAUSES.into_iter()));
            let (_tls, _fetches, _claims) = (TlsMetrics::new(), FetchMetrics::new(), ClaimMetrics::new());
            gauge(&measure::BUILD_INFO, &["0.1.0", "linux", "x86_64"]).set(1.0);
            process::update();
            plugin.failed("trap");
            transformed("stripe", "routed").increment(1);
            enrolled_secrets("asana").set(1.0);
            ordering_released("stripe", "window").increment(1);
            ordering_ahead("stripe").increment(1);
            trial_compared("stripe").increment(1);
            trial_differences("stripe", "verdict").increment(1);
            trial_skipped("stripe", "busy").increment(1);
            held_events("stripe").set(1.0);
            plugin_breaker_open("stripe", "verify").set(0.0);
            plugin_breaker_opened("stripe", "verify").increment(1);
            clock_jumps().increment(1);
            plugin_swaps("stripe", "activated").increment(1);
            plugin_version("shop", "stripe", "ab", "active").set(1.0);
            let histograms =
                [&plugin.verify, &journal.commit, &journal.batch, &destination.attempt, &destination.delivery];
            histograms.iter().for_each(|histogram| histogram.record(1.0));
        });
        for measure in measure::ALL {
            assert!(text.contains(&format!("# HELP {} ", measure.name)), "{}\n{text}", measure.name);
        }
        let rendered = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(rendered, measure::ALL.len(), "{text}");
    }

    #[test]
    fn the_words_of_differences_are_the_parts_of_an_answer() {
        use hookgate_model::trial::Part;

        assert_eq!(measure::TRIAL_DIFFERENCES.words, Part::ALL.map(Part::word));
    }

    #[test]
    fn a_refusal_counts_for_its_source_and_its_cause() {
        let text = rendered(|| {
            let source = SourceMetrics::new("stripe", CAUSES.into_iter());
            source.refused("stale");
            source.refused("stale");
            source.refused("too-large");
            ServerMetrics::new(CAUSES.into_iter()).refusals.count("unknown-source");
        });
        for line in [
            "hookgate_deliveries_total{source=\"stripe\",outcome=\"refused\"} 3",
            "hookgate_refusals_total{source=\"stripe\",cause=\"stale\"} 2",
            "hookgate_refusals_total{source=\"stripe\",cause=\"too-large\"} 1",
            "hookgate_refusals_total{source=\"stripe\",cause=\"malformed\"} 0",
            "hookgate_refusals_total{source=\"\",cause=\"unknown-source\"} 1",
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "{line}\n{text}");
        }
    }

    #[test]
    fn plugin_calls_fall_into_buckets_of_microseconds() {
        let text = rendered(|| PluginMetrics::new("stripe").verify.record(Duration::from_micros(23)));
        let count = |bound: &str| {
            format!("hookgate_plugin_call_seconds_bucket{{plugin=\"stripe\",call=\"verify\",le=\"{bound}\"}}")
        };
        assert!(text.contains(&format!("{} 0", count("0.00002"))), "{text}");
        assert!(text.contains(&format!("{} 1", count("0.00003"))), "{text}");
    }
}
