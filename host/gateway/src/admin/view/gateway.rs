//! The gateway, its sources and destinations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RunningVersion, Time};

/// How the gateway does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The version of hookgate.
    pub version: String,
    /// The store's engine, `fjall` or `sled`.
    pub engine: String,
    /// How long it has been running.
    pub uptime_seconds: u64,
    /// Whether it takes deliveries; `reasons` say why not.
    pub ready: bool,
    /// What keeps it from taking deliveries.
    pub reasons: Vec<String>,
    /// The store.
    pub store: StoreStatus,
    /// Events that wait to be transformed and routed.
    pub inbox: QueueStatus,
    /// Events that wait for their turn, by source; those with none are left out.
    pub held: BTreeMap<String, u64>,
    /// By destination, those with something in the queue or dead, whether they are configured or not.
    pub queues: BTreeMap<String, DestinationQueue>,
}

/// How the store does.
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

/// How long a queue is, and for how long it has been.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    /// Events in it.
    pub depth: u64,
    /// Since when the oldest has been waiting.
    pub oldest_at: Option<Time>,
    /// The same as an age.
    pub oldest_seconds: Option<u64>,
}

/// A destination's queue and dead letters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct DestinationQueue {
    /// What waits.
    #[serde(flatten)]
    pub queue: QueueStatus,
    /// Its dead letters.
    pub dead: u64,
    /// Of what waits, how much waits for another event of its ordering key.
    #[serde(default)]
    pub waiting: u64,
    /// Of the dead letters, how many block their ordering key.
    #[serde(default)]
    pub blocking: u64,
}

/// Whether the gateway takes deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether it does.
    pub ready: bool,
    /// Why not.
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
    /// What providers are told.
    pub url: String,
    /// Its plugin.
    pub plugin: String,
    /// Its active version first, then the one on trial.
    #[serde(default)]
    pub versions: Vec<RunningVersion>,
    /// The only component that it may use, where it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Each secret's name, and how many live versions it has.
    pub secrets: BTreeMap<String, usize>,
    /// What the plugin is told.
    pub settings: BTreeMap<String, String>,
    /// Bytes of body at most.
    pub body_bytes_max: u64,
    /// Verified deliveries, as `200/1s, 400 at once`; none: as many as come.
    pub rate: Option<String>,
    /// How long an idempotency key is remembered.
    pub idempotency_ttl_seconds: u64,
    /// What of its plugin is left alone because it broke many times in a row: `verify`, `transform`.
    #[serde(default)]
    pub plugin_out: Vec<String>,
}

/// The destinations.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DestinationList {
    /// In the order of the configuration.
    pub destinations: Vec<Destination>,
}

/// Where events go.
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
    /// Whether it is left alone after many failures in a row; none where that is not known.
    pub breaker_open: Option<bool>,
    /// Attempts at once.
    pub concurrency: usize,
    /// Attempts in a period, as `50/1s, 50 at once`; none: as many as there are.
    pub rate: Option<String>,
    /// Attempts before an event becomes a dead letter.
    pub attempts_max: u32,
}
