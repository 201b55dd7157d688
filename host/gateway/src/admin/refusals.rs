//! Deliveries that were refused, and why.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::PathRejection, rejection::QueryRejection},
};
use hookgate_model::trace::TraceId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    AdminState, ApiError, Problem,
    view::{Diagnosis, Finding, Header, Refusal, RefusalList, RefusedRequest, Time},
};
use crate::{
    refused_deliveries::{DiagnosisState, Entry, RefusedDelivery},
    sources::Inbound,
};

/// Which refusals.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// Of this source only.
    source: Option<String>,
}

/// Refused deliveries, newest first
///
/// The latest ones of each source, in memory only: a restart forgets them. Of those whose signature was wrong, what would
/// have to be different for it to be right. The sender is never told.
#[utoipa::path(get, path = "/api/v1/refusals", operation_id = "list_refusals", tag = "refusals", params(Which), responses(
    (status = 200, body = RefusalList),
    (status = 400, description = "A filter that makes no sense", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such source", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AdminState>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<RefusalList>, ApiError> {
    let Query(which) = which?;
    let live = state.live();
    let wanted: Vec<&Inbound> = match &which.source {
        Some(name) => {
            let missing = || ApiError::NotFound(format!("there is no source {name:?}"));
            vec![live.sources.get(name).ok_or_else(missing)?]
        }
        None => live.sources.all().collect(),
    };
    let of = |inbound: &&Inbound| {
        let name = inbound.source.name.clone();
        inbound.refusals.list().into_iter().map(move |entry| refusal(&name, entry))
    };
    let mut refusals: Vec<Refusal> = wanted.iter().flat_map(of).collect();
    refusals.sort_by_key(|refusal| std::cmp::Reverse(refusal.at.0));
    Ok(Json(RefusalList { refusals, left_out: wanted.iter().map(|inbound| inbound.refusals.left_out()).sum() }))
}

/// One refused delivery, by its trace
#[utoipa::path(get, path = "/api/v1/refusals/{trace}", operation_id = "show_refusal", tag = "refusals",
    params(("trace" = String, description = "As in the reply's header hookgate-trace")),
    responses(
        (status = 200, body = Refusal),
        (status = 400, description = "Not a trace id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such refusal is kept", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    State(state): State<AdminState>,
    trace: Result<Path<String>, PathRejection>,
) -> Result<Json<Refusal>, ApiError> {
    let Path(text) = trace?;
    let trace: TraceId = text.parse().map_err(|error| ApiError::Malformed(format!("{text:?} is {error}")))?;
    let live = state.live();
    let found = live.sources.all().find_map(|inbound| {
        let entry = inbound.refusals.find(&trace)?;
        Some(refusal(&inbound.source.name, entry))
    });
    let gone = || {
        ApiError::NotFound(format!(
            "no refused delivery of the trace {text} is kept: the latest ones of each source and address are, until the \
             gateway stops"
        ))
    };
    found.map(Json).ok_or_else(gone)
}

fn refusal(source: &str, entry: Entry) -> Refusal {
    let (diagnosis, findings) = match entry.diagnosis {
        DiagnosisState::NotYet => (Diagnosis::Pending, Vec::new()),
        DiagnosisState::Found(findings) => (Diagnosis::Done, findings),
        DiagnosisState::NotPossible => (Diagnosis::NotPossible, Vec::new()),
        DiagnosisState::TooMany => (Diagnosis::TooMany, Vec::new()),
    };
    let finding = |finding: crate::refused_deliveries::Finding| Finding {
        cause: finding.cause.name().to_owned(),
        text: finding.text,
    };
    Refusal {
        trace: entry.trace.to_string(),
        source: source.to_owned(),
        at: Time(entry.at),
        client: entry.client.address().map(|address| address.to_string()),
        cause: entry.cause.to_owned(),
        reason: entry.inside,
        findings: findings.into_iter().map(finding).collect(),
        diagnosis,
        request: entry.delivery.map(request),
    }
}

fn request(delivery: RefusedDelivery) -> RefusedRequest {
    let RefusedDelivery { method, url, headers, body_bytes, body } = delivery;
    RefusedRequest {
        method,
        url,
        headers: headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
        body_bytes,
        body: body.and_then(|body| String::from_utf8(body.to_vec()).ok()),
    }
}
