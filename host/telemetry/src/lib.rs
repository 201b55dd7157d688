//! What the gateway tells of itself: logs, metrics, and the trace id that ties them to a delivery.

mod measures;
pub mod metrics;
mod process;

pub use metrics::{
    ClaimMetrics, DestinationMetrics, FetchMetrics, JournalMetrics, Metrics, PluginMetrics, ServerMetrics,
    SourceMetrics, TlsMetrics, handed_over_secrets,
};
