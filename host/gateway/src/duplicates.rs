//! Counts and logs dropped duplicates. The journal keeps them, and operators can admit them later.

use hookgate_journal::{DropCause, Dropped};
use hookgate_model::trace::TraceId;
use hookgate_telemetry::SourceMetrics;

/// Counts and logs the events of a delivery that were dropped. Replays have a counter of their own.
pub fn report(source: &str, metrics: &SourceMetrics, dropped: &[Dropped], trace: &TraceId) {
    for Dropped { id, of, cause, key_kind, kind, recorded } in dropped {
        let known_by = match cause {
            DropCause::Key => key_kind.name(),
            DropCause::Signature | DropCause::Replay => "signature",
        };
        if *cause != DropCause::Replay {
            metrics.duplicate_dropped(*key_kind);
        }
        let kind = kind.as_deref();
        // Without a record nothing can be shown under its id.
        let duplicate = recorded.then(|| tracing::field::display(id));
        tracing::info!(source, %trace, event = %of, duplicate, kind, known_by, "a duplicate was dropped");
    }
}
