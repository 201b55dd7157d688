//! The metrics of the gateway: a list of measures, and handles that each stage looks up once.

mod handles;
mod measures;
pub mod metrics;
mod process;

pub use metrics::{
    ClaimMetrics, DestinationMetrics, FetchMetrics, JournalMetrics, Metrics, PluginMetrics, ServerMetrics,
    SourceMetrics, TlsMetrics, enrolled_secrets,
};
