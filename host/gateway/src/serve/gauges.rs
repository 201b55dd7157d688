use std::collections::{BTreeMap, BTreeSet};

use hookgate_journal as journal;
use hookgate_journal::Journal;
use hookgate_model::handoff::{ORDERING, TRANSFORM};
use hookgate_sandbox::Function;
use hookgate_telemetry::{
    DestinationMetrics, JournalMetrics, Metrics, TlsMetrics, enrolled_secrets,
    metrics::{held_events, plugin_breaker_open, plugin_version},
};
use parking_lot::Mutex;

use crate::{
    enrollment::Enrollments,
    live::{Current, Live},
    sources::Inbound,
};

/// Renders the metrics after bringing the gauges up to date.
pub(super) struct Gauges {
    metrics: Metrics,
    journal: Journal,
    current: Current,
    enrollments: Enrollments,
    of_journal: JournalMetrics,
    shown: Mutex<Shown>,
}

/// Labels of gauges that were set before. They are set to zero when what they name is gone; otherwise they would keep their
/// last value.
struct Shown {
    sources: BTreeSet<String>,
    /// Source, plugin, hash and role, each with whether it runs now.
    versions: BTreeMap<(String, String, String, &'static str), bool>,
    destinations: BTreeSet<String>,
}

impl Gauges {
    pub(super) fn new(metrics: Metrics, journal: Journal, current: Current, enrollments: Enrollments) -> Self {
        // Registers the TLS metrics, which a gateway without TLS shows as zero.
        let _ = TlsMetrics::new();
        let destinations = BTreeSet::from([TRANSFORM, ORDERING].map(str::to_owned));
        let shown = Shown { sources: BTreeSet::new(), versions: BTreeMap::new(), destinations };
        let of_journal = JournalMetrics::new();
        Gauges { metrics, journal, current, enrollments, of_journal, shown: Mutex::new(shown) }
    }

    pub(super) fn render(&self) -> String {
        let live = self.current.get();
        let mut shown = self.shown.lock();
        self.update_secrets(&live);
        update_breakers(&live, &mut shown);
        update_versions(&live, &mut shown);
        self.update_journal(&live, &mut shown);
        drop(shown);
        self.metrics.render()
    }

    fn update_secrets(&self, live: &Live) {
        let secrets = self.enrollments.list();
        for source in &live.config.sources {
            let count = secrets.iter().filter(|secret| secret.source == source.name).count();
            enrolled_secrets(&source.name).set(count as f64);
        }
    }

    fn update_journal(&self, live: &Live, shown: &mut Shown) {
        if let Ok(free) = journal::free_bytes(&live.config.store.path) {
            self.of_journal.free_bytes.set(free as f64);
        }
        // A store that is being reopened has no statistics. The gauges then keep their values.
        let Ok(stats) = self.journal.stats() else { return };
        self.of_journal.inbox.set(stats.inbox as f64);
        self.of_journal.bytes.set(stats.size as f64);
        let ordered = live.config.sources.iter().filter(|source| source.ordering.is_some());
        for source in ordered.map(|source| &source.name).chain(stats.held.keys()) {
            held_events(source).set(stats.held.get(source).copied().unwrap_or_default() as f64);
        }
        shown.destinations.extend(live.config.destinations.iter().map(|destination| destination.name.clone()));
        shown.destinations.extend(stats.destinations.keys().cloned());
        for name in &shown.destinations {
            let metrics = DestinationMetrics::new(name);
            let figures = stats.destinations.get(name);
            metrics.queued.set(figures.map_or(0, |figures| figures.queued) as f64);
            metrics.waiting.set(figures.map_or(0, |figures| figures.waiting) as f64);
            metrics.blocked_keys.set(figures.map_or(0, |figures| figures.blocking) as f64);
            metrics.oldest.set(figures.and_then(|figures| figures.oldest).unwrap_or_default().as_secs_f64());
        }
    }
}

fn update_breakers(live: &Live, shown: &mut Shown) {
    shown.sources.extend(live.config.sources.iter().map(|source| source.name.clone()));
    for name in &shown.sources {
        let inbound = live.sources.get(name);
        for function in Function::ALL {
            let is_open = |inbound: &Inbound| inbound.breakers.is_open(inbound.plugin.get().active.hash(), function);
            plugin_breaker_open(name, function.name()).set(f64::from(inbound.is_some_and(is_open)));
        }
    }
}

fn update_versions(live: &Live, shown: &mut Shown) {
    shown.versions.values_mut().for_each(|runs| *runs = false);
    shown.versions.extend(live.sources.versions().into_iter().map(|version| (version, true)));
    for ((source, plugin, hash, role), runs) in &shown.versions {
        plugin_version(source, plugin, hash, role).set(f64::from(*runs));
    }
}
