//! Probes and metrics.

use axum::{Json, extract::State, response::IntoResponse};
use hookgate_journal as journal;
use hookgate_journal::Health;
use hookgate_model::human::bytes;
use http::{StatusCode, header};

use super::{AdminState, view::Readiness};

/// Whether the process is alive
///
/// Answers as long as the process can answer at all.
#[utoipa::path(get, path = "/healthz", tag = "gateway", security(()), responses((status = 200, body = String)))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// Whether deliveries are accepted
///
/// They are if the store works, its disk has its headroom and every source has its plugin.
#[utoipa::path(get, path = "/readyz", tag = "gateway", security(()),
    responses(
        (status = 200, description = "Deliveries are accepted", body = Readiness),
        (status = 503, description = "They are not, and why", body = Readiness),
    )
)]
pub async fn ready(State(state): State<AdminState>) -> impl IntoResponse {
    let readiness = readiness(&state).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// All metrics, for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "gateway",
    responses((status = 200, description = "Prometheus text format 0.0.4", body = String))
)]
pub async fn metrics(State(state): State<AdminState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (state.metrics)())
}

/// Whether deliveries are accepted, and every reason if not.
pub async fn readiness(state: &AdminState) -> Readiness {
    let asked = state.clone();
    let store = tokio::task::spawn_blocking(move || store_reasons(&asked)).await;
    let mut reasons = store.unwrap_or_else(|error| vec![format!("the store cannot be asked: {error}")]);
    let live = state.live();
    let without = live.config.sources.iter().filter(|source| !live.plugins.contains_key(&source.plugin));
    reasons.extend(without.map(|source| format!("the source {} has no plugin {}", source.name, source.plugin)));
    Readiness { ready: reasons.is_empty(), reasons }
}

fn store_reasons(state: &AdminState) -> Vec<String> {
    let live = state.live();
    let store = &live.config.store;
    let health = match state.journal.health() {
        Health::Ready => None,
        Health::Full(why) => Some(format!("the store takes no commits: the disk is full: {why}")),
        Health::Reopening(why) => Some(format!("the store is being opened again: {why}")),
        Health::Closed(why) => Some(format!("the store is closed: {why}")),
    };
    let disk = match journal::free_bytes(&store.path) {
        Ok(free) if free < store.headroom => {
            Some(format!("{} are free below the store, and store.headroom is {}", bytes(free), bytes(store.headroom)))
        }
        Ok(_) => None,
        Err(error) => Some(format!("the store's disk cannot be asked for its free space: {error}")),
    };
    health.into_iter().chain(disk).collect()
}
