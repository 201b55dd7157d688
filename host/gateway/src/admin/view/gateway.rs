//! The gateway, its sources and destinations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RunningVersion, Time};

/// The state of the gateway.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The version of hookgate.
    pub version: String,
    /// The store's engine, `fjall` or `sled`.
    pub engine: String,
    /// The time since its start.
    pub uptime_seconds: u64,
    /// Whether it accepts deliveries; `reasons` say why not.
    pub ready: bool,
    /// Every reason for which it accepts no deliveries.
    pub reasons: Vec<String>,
    /// The store.
    pub store: StoreStatus,
    /// Events that wait to be transformed and routed.
    pub inbox: QueueStatus,
    /// Held events by source; sources without any are left out.
    pub held: BTreeMap<String, u64>,
    /// The destinations that have waiting events or dead letters, including those that are no longer configured.
    pub queues: BTreeMap<String, DestinationQueue>,
}

/// The state of the store.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Its directory.
    pub path: String,
    /// Bytes on disk, roughly.
    pub bytes: u64,
    /// Deliveries kept.
    pub deliveries: u64,
    /// Idempotency keys kept.
    pub keys: u64,
}

/// The length and the age of a queue.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    /// Events in it.
    pub depth: u64,
    /// Since when the oldest event has been waiting.
    pub oldest_at: Option<Time>,
    /// The age of the oldest event.
    pub oldest_seconds: Option<u64>,
}

/// A destination's queue and dead letters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct DestinationQueue {
    /// The waiting events.
    #[serde(flatten)]
    pub queue: QueueStatus,
    /// Its dead letters.
    pub dead: u64,
    /// The number of waiting events that wait for another event of their ordering key.
    #[serde(default)]
    pub waiting: u64,
    /// The number of dead letters that block their ordering key.
    #[serde(default)]
    pub blocking: u64,
}

/// Whether the gateway accepts deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether it accepts them.
    pub ready: bool,
    /// The reasons if not.
    pub reasons: Vec<String>,
}

/// The sources.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceList {
    /// In the order of the configuration.
    pub sources: Vec<Source>,
}

/// A configured inbound endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The URL for the provider.
    pub url: String,
    /// Its plugin.
    pub plugin: String,
    /// Its active version first, then the one on trial.
    #[serde(default)]
    pub versions: Vec<RunningVersion>,
    /// The only component that it may use, if it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The number of live versions of each secret, by name.
    pub secrets: BTreeMap<String, usize>,
    /// The settings of the plugin.
    pub settings: BTreeMap<String, String>,
    /// The largest body, in bytes.
    pub body_bytes_max: u64,
    /// Verified deliveries, as `200/1s, 400 at once`; none: no limit.
    pub rate: Option<String>,
    /// How long an idempotency key is remembered.
    pub idempotency_ttl_seconds: u64,
    /// The calls of its plugin that are suspended because they broke many times in a row: `verify`, `transform`.
    #[serde(default)]
    pub plugin_out: Vec<String>,
}

/// The destinations.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DestinationList {
    /// In the order of the configuration.
    pub destinations: Vec<Destination>,
}

/// A receiver of events.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// `http`, `jsonl` or `stdout`.
    pub kind: String,
    /// The URL (credentials are masked) or the file.
    pub target: Option<String>,
    /// Its queue and dead letters.
    #[serde(flatten)]
    pub queue: DestinationQueue,
    /// Whether its breaker is open after many failures in a row; none if unknown.
    pub breaker_open: Option<bool>,
    /// Attempts at once.
    pub concurrency: usize,
    /// Attempts in a period, as `50/1s, 50 at once`; none: no limit.
    pub rate: Option<String>,
    /// Attempts before an event becomes a dead letter.
    pub attempts_max: u32,
}
