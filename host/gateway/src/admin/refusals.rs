//! Refused deliveries, and why they were refused.

use axum::{Json, extract::State};
use hookgate_model::trace::TraceId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    AdminState, ApiError,
    extract::{Path, Query},
    inbound,
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
/// The latest ones of each source, in memory only: a restart forgets them. For a wrong signature, a diagnosis says what
/// would make it valid. It is never sent to the sender.
#[utoipa::path(get, path = "/api/v1/refusals", operation_id = "list_refusals", tag = "refusals", params(Which),
    responses((status = 200, body = RefusalList), (status = 404, description = "No such source"))
)]
pub async fn list(State(state): State<AdminState>, Query(which): Query<Which>) -> Result<Json<RefusalList>, ApiError> {
    let live = state.live();
    let wanted: Vec<&Inbound> = match &which.source {
        Some(name) => vec![inbound(&live, name)?],
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
        (status = 400, description = "Not a trace id"),
        (status = 404, description = "No such refusal is kept"),
    )
)]
pub async fn show(State(state): State<AdminState>, Path(text): Path<String>) -> Result<Json<Refusal>, ApiError> {
    let trace: TraceId = text.parse().map_err(|error| ApiError::Malformed(format!("{text:?} is {error}")))?;
    let live = state.live();
    let found = live.sources.all().find_map(|inbound| {
        let entry = inbound.refusals.find(&trace)?;
        Some(refusal(&inbound.source.name, entry))
    });
    let gone = || {
        ApiError::NotFound(format!(
            "there is no refused delivery with the trace {text}: only the latest ones of each source and address are kept, \
             until the gateway stops"
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
