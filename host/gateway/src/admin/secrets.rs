//! Secrets that providers have handed over: list them, accept further ones, forget them. Their values are never shown.

use std::time::Duration;

use axum::{Json, extract::State};
use hookgate_model::limits::HANDOVER_WINDOW_MS;
use uuid::Uuid;

use super::{
    AdminState, ApiError,
    answers::StoreFailed,
    configured,
    extract::Order,
    view::{ForgetOrder, Forgotten, HandedOverSecret, OpenOrder, Opened, SecretList, SourceSecrets, Time},
};
use crate::enrollment::EnrolledSecret;

/// The secrets that providers have handed over, by source
///
/// Includes sources that accept secrets and have none yet, and sources that are no longer configured and still have some.
#[utoipa::path(get, path = "/api/v1/secrets", operation_id = "list_secrets", tag = "secrets",
    responses((status = 200, body = SecretList))
)]
pub async fn list(State(state): State<AdminState>) -> Json<SecretList> {
    let live = state.live();
    let kept = state.enrollments.list();
    let taking = live.config.sources.iter().filter(|source| !source.handed_over.is_empty());
    let mut names: Vec<&str> = taking.map(|source| source.name.as_str()).collect();
    names.extend(kept.iter().map(|told| told.source.as_str()));
    names.sort_unstable();
    names.dedup();
    let show = |name: &str| SourceSecrets {
        source: name.to_owned(),
        open_until: state.enrollments.open_until(name).map(Time),
        secrets: kept.iter().filter(|told| told.source == name).map(secret).collect(),
    };
    Json(SecretList { sources: names.into_iter().map(show).collect() })
}

fn secret(told: &EnrolledSecret) -> HandedOverSecret {
    HandedOverSecret { secret: told.secret.clone(), version: told.version.to_string(), handed_over_at: Time(told.at) }
}

/// Let a source accept further secrets for a while
///
/// It accepts the first one without this. A restart closes the window.
#[utoipa::path(post, path = "/api/v1/secrets/open", operation_id = "open_secrets", tag = "secrets", request_body = OpenOrder, responses(
    (status = 200, description = "It accepts further secrets until then", body = Opened),
    (status = 404, description = "No such source"),
    (status = 409, description = "The source does not accept secrets from its provider"),
))]
pub async fn open(State(state): State<AdminState>, Order(order): Order<OpenOrder>) -> Result<Json<Opened>, ApiError> {
    let milliseconds = order.seconds.map_or(HANDOVER_WINDOW_MS.default, |seconds| seconds.saturating_mul(1000));
    if !(HANDOVER_WINDOW_MS.min..=HANDOVER_WINDOW_MS.max).contains(&milliseconds) {
        let (min, max) = (HANDOVER_WINDOW_MS.min / 1000, HANDOVER_WINDOW_MS.max / 1000);
        return Err(ApiError::Malformed(format!("`seconds` lies between {min} and {max}")));
    }
    let live = state.live();
    let source = configured(&live, &order.source)?;
    if source.handed_over.is_empty() {
        let text = format!("no secret of the source {:?} is configured as {{ handed-over = true }}", order.source);
        return Err(ApiError::Conflict(text));
    }
    let until = state.enrollments.open_window(&source.name, Duration::from_millis(milliseconds));
    tracing::warn!(source = source.name, until, "an operator lets a source accept further secrets");
    Ok(Json(Opened { source: order.source, open_until: Time(until) }))
}

/// Forget secrets that were handed over
///
/// Some, or all of a source. Deliveries that are signed with them are refused from then on. A source that has none left
/// accepts the next one that is handed over.
#[utoipa::path(post, path = "/api/v1/secrets/forget", operation_id = "forget_secrets", tag = "secrets", request_body = ForgetOrder,
    responses((status = 200, description = "They are forgotten", body = Forgotten), StoreFailed)
)]
pub async fn forget(
    State(state): State<AdminState>,
    Order(order): Order<ForgetOrder>,
) -> Result<Json<Forgotten>, ApiError> {
    if order.versions.is_empty() != order.all {
        return Err(ApiError::Malformed("say exactly one: `versions`, or `all`: true".to_owned()));
    }
    let version = |text: &String| {
        let no_version = format!("{text:?} is not a version; /api/v1/secrets lists them");
        Uuid::parse_str(text).map_err(|_| ApiError::Malformed(no_version))
    };
    let versions: Vec<Uuid> = order.versions.iter().map(version).collect::<Result<_, _>>()?;
    let forgotten = state.enrollments.forget(&order.source, &versions).await?;
    tracing::warn!(source = order.source, forgotten, "an operator had handed-over secrets forgotten");
    Ok(Json(Forgotten { forgotten }))
}
