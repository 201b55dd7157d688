//! Every metric, once: its name, what it is, its labels, its meaning. The recorder's descriptions and buckets come
//! from here, and so does the table in `docs/operating/metrics.md`.

use metrics::Unit;

/// One metric, in the naming of Prometheus (<https://prometheus.io/docs/practices/naming/>).
pub(super) struct Measure {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What the last label can be, where [`super::metrics`] sets a series for each of them to 0 at the start.
    pub words: &'static [&'static str],
    /// One line.
    pub help: &'static str,
}

/// How it counts.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values up to each of these.
    Histogram(&'static [f64]),
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Measure {
    counter_of(name, labels, &[], help)
}

/// A counter whose last label is one of these words.
const fn counter_of(
    name: &'static str,
    labels: &'static [&'static str],
    words: &'static [&'static str],
    help: &'static str,
) -> Measure {
    Measure { name, kind: Kind::Counter, unit: Unit::Count, labels, words, help }
}

const fn gauge(name: &'static str, unit: Unit, labels: &'static [&'static str], help: &'static str) -> Measure {
    Measure { name, kind: Kind::Gauge, unit, labels, words: &[], help }
}

const fn seconds(
    name: &'static str,
    buckets: &'static [f64],
    labels: &'static [&'static str],
    help: &'static str,
) -> Measure {
    Measure { name, kind: Kind::Histogram(buckets), unit: Unit::Seconds, labels, words: &[], help }
}

/// A call takes 10 to 100 µs; one that runs into its time a quarter of a second.
const CALL_BUCKETS: &[f64] = &[
    5e-6, 1e-5, 1.5e-5, 2e-5, 3e-5, 5e-5, 7.5e-5, 1e-4, 1.5e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2,
    0.1, 0.25, 1.0, 10.0,
];
/// A sync of a good disk takes 50 µs, of a slow one 20 ms; a busy store now and then a second.
const COMMIT_BUCKETS: &[f64] =
    &[1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// An attempt may take as long as its time-out, which is at most 5 minutes.
const ATTEMPT_BUCKETS: &[f64] =
    &[1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// At once, or after retries of up to days.
const DELIVERY_BUCKETS: &[f64] =
    &[5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0];
const BATCH_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

pub(super) const BUILD_INFO: Measure = gauge(
    "hookgate_build_info",
    Unit::Count,
    &["version", "os", "arch"],
    "Always 1: which version runs, and for which system it was built.",
);
pub(super) const CONNECTIONS: Measure =
    gauge("hookgate_connections", Unit::Count, &[], "Open connections from providers.");
pub(super) const TLS_HANDSHAKES: Measure = counter(
    "hookgate_tls_handshakes_total",
    &["outcome"],
    "Handshakes of `server.tls`: `done`, `failed` (no TLS, no version or certificate in common), `late`.",
);
pub(super) const TLS_EXPIRY: Measure = gauge(
    "hookgate_tls_certificate_expiry_timestamp_seconds",
    Unit::Seconds,
    &[],
    "When the certificate in use expires, in seconds since the epoch; 0 without `server.tls`.",
);
pub(super) const REQUESTS_IN_FLIGHT: Measure =
    gauge("hookgate_requests_in_flight", Unit::Count, &[], "Requests from providers that are not answered yet.");
pub(super) const DELIVERIES: Measure = counter(
    "hookgate_deliveries_total",
    &["source", "outcome"],
    "Deliveries: `accepted` (a new event at least), `duplicate`, `answered` (a handshake), `refused`.",
);
pub(super) const EVENTS: Measure = counter("hookgate_events_total", &["source"], "New events that were made durable.");
pub(super) const DUPLICATES: Measure = counter(
    "hookgate_duplicates_total",
    &["source", "by"],
    "Events that had come before and were not admitted again, by what they were known: `id`, `payload`, `delivery` or `undeclared`.",
);
pub(super) const REPLAYS: Measure = counter(
    "hookgate_replays_total",
    &["source"],
    "Deliveries whose signature came before under another id, whatever they were answered; counted only with `replay`.",
);
pub(super) const REFUSALS: Measure = counter(
    "hookgate_refusals_total",
    &["source", "cause"],
    "Deliveries that were turned away, by the causes listed above; `source` is empty where there is none of that name.",
);
pub(super) const ENROLLED_SECRETS: Measure = gauge(
    "hookgate_handed_over_secrets",
    Unit::Count,
    &["source"],
    "Secrets that the provider has handed over in handshakes and that are kept.",
);
pub(super) const PLUGIN_CALL_SECONDS: Measure = seconds(
    "hookgate_plugin_call_seconds",
    CALL_BUCKETS,
    &["plugin", "call"],
    "One call of a plugin; `call` is `verify` or `transform`. The sandbox is part of it, unless `transform` follows `verify` in one.",
);
pub(super) const PLUGIN_SWAPS: Measure = counter_of(
    "hookgate_plugin_swaps_total",
    &["plugin", "outcome"],
    &["installed", "refused", "activated", "rolled-back", "trial-begun", "trial-ended", "removed"],
    "What was done with versions of plugins: `installed`, `refused`, `activated`, `rolled-back`, `trial-begun`, `trial-ended`, \
     `removed`; what changes the work of a source counts once for each.",
);
pub(super) const PLUGIN_VERSION: Measure = gauge(
    "hookgate_plugin_version_info",
    Unit::Count,
    &["source", "plugin", "hash", "role"],
    "1 for each active version: `active`, or on trial as `canary` or `shadow`; 0 for earlier ones.",
);
pub(super) const PLUGIN_FAILURES: Measure = counter_of(
    "hookgate_plugin_failures_total",
    &["plugin", "cause"],
    &["trap", "timeout", "memory", "rules"],
    "Calls that broke the rules: `trap`, `timeout`, `memory`, `rules` (an answer that must not be).",
);
pub(super) const PLUGIN_BREAKER_OPEN: Measure = gauge(
    "hookgate_plugin_breaker_open",
    Unit::Count,
    &["source", "call"],
    "1 while the source's plugin is left alone because it broke many times in a row; `call` is `verify` or `transform`.",
);
pub(super) const PLUGIN_BREAKER_OPENED: Measure = counter_of(
    "hookgate_plugin_breaker_opened_total",
    &["source", "call"],
    &["verify", "transform"],
    "Times that the source's plugin was taken out.",
);
pub(super) const TRIAL_COMPARED: Measure = counter(
    "hookgate_trial_compared_total",
    &["source"],
    "Deliveries that a version on trial has judged beside the active one (shadow).",
);
pub(super) const TRIAL_DIFFERENCES: Measure = counter_of(
    "hookgate_trial_differences_total",
    &["source", "part"],
    &["verdict", "identity", "ordering", "payload", "reply", "output"],
    "Deliveries of these that it judges differently, by part: `verdict`, `identity`, `ordering`, `payload`, `reply`, `output`.",
);
pub(super) const TRIAL_SKIPPED: Measure = counter_of(
    "hookgate_trial_skipped_total",
    &["source", "cause"],
    &["busy", "large", "keys", "body"],
    "Deliveries that it has not judged: `busy` (too many waited for it), `large` (the body), `keys` (they are not at \
     hand), `body` (it cannot be read).",
);
pub(super) const FETCHES: Measure = counter(
    "hookgate_fetches_total",
    &["outcome"],
    "Requests of the host for key sets, certificates and confirmations: `fetched`, `failed`.",
);
pub(super) const COMMIT_SECONDS: Measure = seconds(
    "hookgate_journal_commit_seconds",
    COMMIT_BUCKETS,
    &[],
    "From a commit's handing over until it is durable.",
);
pub(super) const COMMITS_PER_BATCH: Measure = Measure {
    name: "hookgate_journal_batch_commits",
    kind: Kind::Histogram(BATCH_BUCKETS),
    unit: Unit::Count,
    labels: &[],
    words: &[],
    help: "Commits that one sync made durable.",
};
pub(super) const COMMIT_FAILURES: Measure = counter(
    "hookgate_journal_failures_total",
    &["cause"],
    "Commits that did not become durable: `full` (no room), `failed` (the disk or the engine).",
);
pub(super) const CLOCK_JUMPS: Measure = counter(
    "hookgate_clock_jumps_total",
    &[],
    "Times that the system's clock moved by more than 10 seconds against the time that passed.",
);
pub(super) const INBOX_EVENTS: Measure =
    gauge("hookgate_inbox_events", Unit::Count, &[], "Durable events that wait to be transformed and routed.");
pub(super) const HELD_EVENTS: Measure = gauge(
    "hookgate_ordering_held_events",
    Unit::Count,
    &["source"],
    "Durable events that wait for their turn among those of their ordering key.",
);
pub(super) const ORDERING_RELEASED: Measure = counter_of(
    "hookgate_ordering_released_total",
    &["source", "cause"],
    &["in-order", "window", "gap", "overflow", "restart", "late"],
    "Events with a position whose turn was decided: `in-order` (the next number), `window` (held for its time), `gap` \
     (numbers before it did not come in time), `overflow` (too many were held), `restart` (the numbering began anew), \
     `late` (its turn was past).",
);
pub(super) const ORDERING_AHEAD: Measure = counter(
    "hookgate_ordering_ahead_total",
    &["source"],
    "Events whose time lies too far ahead, so that the time of receipt stood in.",
);
pub(super) const TRANSFORMED: Measure = counter_of(
    "hookgate_transformed_events_total",
    &["source", "outcome"],
    &["routed", "unrouted", "empty", "failed"],
    "Events that left the inbox: `routed`, `unrouted` (no route wants them), `empty` (the plugin leaves them out), \
     `failed` (dead letters of `transform`).",
);
pub(super) const STORE_BYTES: Measure = gauge("hookgate_store_bytes", Unit::Bytes, &[], "The store's size on disk.");
pub(super) const STORE_FREE_BYTES: Measure =
    gauge("hookgate_store_free_bytes", Unit::Bytes, &[], "What is free on the store's disk; compare `store.headroom`.");
pub(super) const QUEUE_EVENTS: Measure =
    gauge("hookgate_queue_events", Unit::Count, &["destination"], "Events that wait for the destination.");
pub(super) const QUEUE_OLDEST_SECONDS: Measure = gauge(
    "hookgate_queue_oldest_seconds",
    Unit::Seconds,
    &["destination"],
    "How long the oldest of them has been waiting, by time that passed and not by the clock; 0 when none is. A replayed or redriven event counts from then.",
);
pub(super) const IN_FLIGHT: Measure = gauge("hookgate_in_flight", Unit::Count, &["destination"], "Attempts under way.");
pub(super) const BREAKER_OPEN: Measure = gauge(
    "hookgate_breaker_open",
    Unit::Count,
    &["destination"],
    "1 while the destination is left alone after many failures in a row.",
);
pub(super) const ATTEMPTS: Measure = counter(
    "hookgate_attempts_total",
    &["destination", "outcome"],
    "Attempts: `delivered`, `retry` (failed, to be tried again), `dead` (failed for good).",
);
pub(super) const ATTEMPT_SECONDS: Measure =
    seconds("hookgate_attempt_seconds", ATTEMPT_BUCKETS, &["destination"], "One attempt.");
pub(super) const DELIVERY_SECONDS: Measure = seconds(
    "hookgate_delivery_seconds",
    DELIVERY_BUCKETS,
    &["destination"],
    "From the receipt of a delivery to its event's arrival at the destination.",
);
pub(super) const DEAD_LETTERS: Measure = counter(
    "hookgate_dead_letters_total",
    &["destination"],
    "Events that became dead letters; `destination` is `transform` for events that could not be transformed, \
     `ordering` for events that came after their turn.",
);

pub(super) const WAITING_EVENTS: Measure = gauge(
    "hookgate_waiting_events",
    Unit::Count,
    &["destination"],
    "Events that wait for the destination and for an earlier event of their ordering key.",
);
pub(super) const BLOCKED_ORDERING_KEYS: Measure = gauge(
    "hookgate_blocked_ordering_keys",
    Unit::Count,
    &["destination"],
    "Ordering keys that go no further at the destination until a dead letter is redriven or discarded.",
);

pub(super) const CLAIMS: Measure = counter(
    "hookgate_claims_total",
    &["outcome"],
    "Large bodies: `stored` (an object was made), `discarded` (removed again: refused, a duplicate, left by a crash), `removed` (no event needs it any more), `read` (sent to someone who had a link).",
);
pub(super) const CLAIM_STORED_BYTES: Measure =
    counter("hookgate_claim_stored_bytes_total", &[], "Bytes of the bodies that became objects.");
pub(super) const CLAIM_FAILURES: Measure = counter(
    "hookgate_claim_failures_total",
    &["operation"],
    "What the object store (or the disk of the spool) could not do: `store`, `read`, `remove`.",
);

pub(super) const PROCESS_CPU_SECONDS: Measure =
    counter("process_cpu_seconds_total", &[], "Processor time that the gateway has taken, in whole seconds.");
pub(super) const PROCESS_START_TIME: Measure = gauge(
    "process_start_time_seconds",
    Unit::Seconds,
    &[],
    "When the gateway was started, in seconds since the epoch.",
);
pub(super) const PROCESS_RESIDENT_MEMORY: Measure =
    gauge("process_resident_memory_bytes", Unit::Bytes, &[], "Memory of the gateway that is in RAM.");
pub(super) const PROCESS_VIRTUAL_MEMORY: Measure =
    gauge("process_virtual_memory_bytes", Unit::Bytes, &[], "Address space of the gateway.");
pub(super) const PROCESS_OPEN_FDS: Measure = gauge("process_open_fds", Unit::Count, &[], "Open file descriptors.");
pub(super) const PROCESS_MAX_FDS: Measure =
    gauge("process_max_fds", Unit::Count, &[], "How many file descriptors may be open.");

/// All of them, in the order of the way of a delivery.
pub(super) const ALL: &[&Measure] = &[
    &BUILD_INFO,
    &CONNECTIONS,
    &TLS_HANDSHAKES,
    &TLS_EXPIRY,
    &REQUESTS_IN_FLIGHT,
    &DELIVERIES,
    &EVENTS,
    &DUPLICATES,
    &REPLAYS,
    &REFUSALS,
    &ENROLLED_SECRETS,
    &PLUGIN_CALL_SECONDS,
    &PLUGIN_FAILURES,
    &PLUGIN_BREAKER_OPEN,
    &PLUGIN_BREAKER_OPENED,
    &TRIAL_COMPARED,
    &TRIAL_DIFFERENCES,
    &TRIAL_SKIPPED,
    &PLUGIN_SWAPS,
    &PLUGIN_VERSION,
    &FETCHES,
    &COMMIT_SECONDS,
    &COMMITS_PER_BATCH,
    &COMMIT_FAILURES,
    &CLOCK_JUMPS,
    &INBOX_EVENTS,
    &HELD_EVENTS,
    &ORDERING_RELEASED,
    &ORDERING_AHEAD,
    &TRANSFORMED,
    &STORE_BYTES,
    &STORE_FREE_BYTES,
    &QUEUE_EVENTS,
    &QUEUE_OLDEST_SECONDS,
    &WAITING_EVENTS,
    &BLOCKED_ORDERING_KEYS,
    &IN_FLIGHT,
    &BREAKER_OPEN,
    &ATTEMPTS,
    &ATTEMPT_SECONDS,
    &DELIVERY_SECONDS,
    &DEAD_LETTERS,
    &CLAIMS,
    &CLAIM_STORED_BYTES,
    &CLAIM_FAILURES,
    &PROCESS_CPU_SECONDS,
    &PROCESS_START_TIME,
    &PROCESS_RESIDENT_MEMORY,
    &PROCESS_VIRTUAL_MEMORY,
    &PROCESS_OPEN_FDS,
    &PROCESS_MAX_FDS,
];

/// All of them, as a table in Markdown.
pub fn reference() -> String {
    let row = |measure: &&Measure| {
        let kind = match measure.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let unit = match measure.unit {
            Unit::Seconds => ", seconds",
            Unit::Bytes => ", bytes",
            _ => "",
        };
        let labels: Vec<String> = measure.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {kind}{unit} | {} | {} |\n", measure.name, labels.join(", "), measure.help)
    };
    format!("| Metric | Type | Labels | What it says |\n|---|---|---|---|\n{}", ALL.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_docs_is_the_list_of_metrics() {
        hookgate_golden::check_docs_part("operating/metrics.md", "metrics", &reference());
    }

    #[test]
    fn names_follow_the_conventions() {
        for measure in ALL {
            let ending = match (measure.kind, measure.unit) {
                (Kind::Counter, _) => "_total",
                (_, Unit::Seconds) => "_seconds",
                (_, Unit::Bytes) => "_bytes",
                _ => "",
            };
            let begins = ["hookgate_", "process_"].iter().any(|prefix| measure.name.starts_with(prefix));
            assert!(begins && measure.name.ends_with(ending), "{}", measure.name);
        }
    }

    #[test]
    fn buckets_grow() {
        for measure in ALL {
            if let Kind::Histogram(buckets) = measure.kind {
                assert!(!buckets.is_empty() && buckets.is_sorted_by(|a, b| a < b), "{}", measure.name);
            }
        }
    }
}
