//! The state of the gateway.

use axum::{Json, extract::State};
use hookgate_config::EngineKind;
use hookgate_journal::{DestinationStats, Stats};
use hookgate_model::clock::now_ms;

use super::{
    AdminState, ApiError,
    answers::StoreFailed,
    health,
    view::{DestinationQueue, QueueStatus, Status, StoreStatus, Time},
};

/// The state of the gateway: version, store, queues
#[utoipa::path(get, path = "/api/v1/status", tag = "gateway", responses((status = 200, body = Status), StoreFailed))]
pub async fn status(State(state): State<AdminState>) -> Result<Json<Status>, ApiError> {
    let stats = state.read(|journal| journal.stats()).await?;
    let live = state.live();
    let readiness = health::readiness(&state).await;
    let now = now_ms();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: match live.config.store.engine {
            EngineKind::Fjall => "fjall".to_owned(),
            EngineKind::Sled => "sled".to_owned(),
        },
        uptime_seconds: state.started.elapsed().as_secs(),
        ready: readiness.ready,
        reasons: readiness.reasons,
        store: StoreStatus {
            path: live.config.store.path.display().to_string(),
            bytes: stats.size,
            deliveries: stats.deliveries,
            keys: stats.keys,
        },
        inbox: queue(stats.inbox, stats.inbox_oldest, now),
        held: stats.held.clone(),
        queues: stats.destinations.iter().map(|(name, stats)| (name.clone(), destination(stats, now))).collect(),
    }))
}

/// The figures of a configured destination; zero if the store does not know it.
pub fn of_destination(stats: &Stats, name: &str) -> DestinationQueue {
    stats.destinations.get(name).map(|stats| destination(stats, now_ms())).unwrap_or_default()
}

fn destination(stats: &DestinationStats, now: u64) -> DestinationQueue {
    let DestinationStats { queued, dead, waiting, blocking, oldest } = *stats;
    let oldest = oldest.map(|age| now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
    DestinationQueue { queue: queue(queued, oldest, now), dead, waiting, blocking }
}

fn queue(depth: u64, oldest: Option<u64>, now: u64) -> QueueStatus {
    QueueStatus {
        depth,
        oldest_at: oldest.map(Time),
        oldest_seconds: oldest.map(|oldest| now.saturating_sub(oldest) / 1000),
    }
}
