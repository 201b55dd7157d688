//! Trials of versions: beside the active ones, and on stored deliveries.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use hookgate_journal::{JournalError, KeptDifference, KeptTrial, TrialCounts};
use hookgate_model::{event::EventId, limits};
use hookgate_sandbox::Provider;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    AdminState, ApiError,
    answers::StoreFailed,
    extract::{Path, Query, Whole},
    inbound, paging,
    view::{
        Agreement, Comparison, Difference, DifferenceList, Part, PluginReplay, PluginVersion, ReplayDifference, Time,
        Trial, TrialMode,
    },
};
use crate::trial::{self, Bounds, Found};

const LIST: &str = "differences";

/// The active version of a source, and the one on trial
#[utoipa::path(get, path = "/api/v1/sources/{name}/trial", operation_id = "show_trial", tag = "gateway", params(("name" = String, description = "The source's name")),
    responses(
        (status = 200, body = Trial),
        (status = 404, description = "No such source"),
        StoreFailed,
    )
)]
pub async fn show(State(state): State<AdminState>, Path(name): Path<String>) -> Result<Json<Trial>, ApiError> {
    let live = state.live();
    let running = inbound(&live, &name)?.plugin.get();
    let source = name.clone();
    let comparisons = state.read(move |journal| journal.trials(&source)).await?;
    let (mode, percent) = match running.trial.as_ref().map(|trial| trial.mode) {
        None => (None, None),
        Some(hookgate_model::trial::TrialMode::Shadow) => (Some(TrialMode::Shadow), None),
        Some(hookgate_model::trial::TrialMode::Canary(percent)) => (Some(TrialMode::Canary), Some(percent)),
    };
    Ok(Json(Trial {
        source: name,
        active: version(&running.active),
        candidate: running.trial.as_ref().map(|trial| version(&trial.candidate)),
        mode,
        percent,
        comparisons: comparisons.into_iter().map(comparison).collect(),
    }))
}

/// Which differences.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// Of the version with this hash; by default of the one on trial, or the one that was tried last.
    candidate: Option<String>,
    /// The last page's `next_page`.
    page: Option<String>,
    /// Differences a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// The differences between a shadow and the active version, newest first
#[utoipa::path(get, path = "/api/v1/sources/{name}/differences", operation_id = "list_differences", tag = "gateway", params(("name" = String, description = "The source's name"), Which),
    responses(
        (status = 200, body = DifferenceList),
        (status = 404, description = "No such source"),
        StoreFailed,
    )
)]
pub async fn differences(
    State(state): State<AdminState>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Result<Json<DifferenceList>, ApiError> {
    let live = state.live();
    let running = inbound(&live, &name)?.plugin.get();
    let on_trial = running.trial.as_ref().map(|trial| trial.candidate.hash().to_owned());
    let (place, limit) = match which.page {
        Some(token) => (Some(paging::place::<(String, u64)>(LIST, &token)?), paging::limit(which.limit)?),
        None => (None, paging::limit(which.limit)?),
    };
    let named = place.as_ref().map(|(candidate, _)| candidate.clone()).or(which.candidate).or(on_trial);
    let found = state
        .read(move |journal| {
            let tried_last = || -> Result<_, JournalError> {
                Ok(journal.trials(&name)?.into_iter().next().map(|trial| trial.candidate))
            };
            let Some(candidate) = named.map_or_else(tried_last, |named| Ok(Some(named)))? else { return Ok(None) };
            let before = place.map(|(_, number)| number);
            Ok(Some((journal.differences(&name, &candidate, before, limit)?, candidate)))
        })
        .await?;
    let Some((page, candidate)) = found else {
        return Ok(Json(DifferenceList { candidate: None, differences: Vec::new(), next_page: None }));
    };
    Ok(Json(DifferenceList {
        next_page: page.next.and_then(|number| paging::token(LIST, &(&candidate, number))),
        candidate: Some(candidate),
        differences: page.items.into_iter().map(difference).collect(),
    }))
}

/// The version to try, and the deliveries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct On {
    /// A version that the gateway has, by the hash of its component (or the beginning of it) or by its plugin's name, if the body is empty.
    version: Option<String>,
    /// Deliveries that were admitted at that time or later.
    #[param(value_type = Option<Time>)]
    since: Option<Time>,
    /// The largest number of deliveries, newest first.
    #[param(minimum = 1, maximum = 100000, default = 1000)]
    limit: Option<u64>,
}

/// Have a version judge stored deliveries, and report what it would have done
///
/// The verdicts have no effect. The body is a component; without a body, `version` names a version that the gateway has. A
/// replay takes at most 45 seconds; it ends if the client disconnects.
#[utoipa::path(post, path = "/api/v1/sources/{name}/replay-plugin", operation_id = "replay_plugin", tag = "gateway", params(("name" = String, description = "The source's name"), On),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "A component, or an empty body"),
    responses(
        (status = 200, body = PluginReplay),
        (status = 400, description = "An invalid parameter, or a body that is not a plugin"),
        (status = 404, description = "No such source, or no such version"),
        (status = 409, description = "Another replay is in progress"),
        StoreFailed,
    )
)]
pub async fn replay(
    State(state): State<AdminState>,
    Path(name): Path<String>,
    Query(on): Query<On>,
    Whole(component): Whole,
) -> Result<Json<PluginReplay>, ApiError> {
    let bounds = bounds(&on)?;
    let live = state.live();
    let inbound = inbound(&live, &name)?;
    let versions = super::versions::of(&state)?;
    // One at a time: deliveries need the processor too.
    let Ok(_turn) = TURN.try_acquire() else {
        return Err(ApiError::Conflict("another replay is in progress; try again when it has ended".to_owned()));
    };
    let candidate = match (on.version, component.is_empty()) {
        (None, false) => {
            let compiled = versions.compile(component.to_vec()).await;
            compiled.map_err(|error| ApiError::Malformed(format!("the body is not a plugin: {error}")))?
        }
        (Some(version), true) => versions.named(&live, inbound, &version).await?,
        (None, true) => return Err(ApiError::Malformed("send a component, or name a `version`".to_owned())),
        (Some(_), false) => {
            return Err(ApiError::Malformed("send a component or name a `version`, not both".to_owned()));
        }
    };
    let hash = candidate.hash();
    tracing::info!(source = name, hash, "an operator has a version tried on stored deliveries");
    let report = trial::recorded(&state.journal, state.claims.as_ref(), inbound, &candidate, bounds).await?;
    Ok(Json(PluginReplay {
        source: name,
        candidate: version(&Provider::Sandboxed(candidate)),
        active: version(&inbound.plugin.get().active),
        judged: report.judged,
        differing: report.differing,
        not_judged: report.unjudged,
        recorded: agreement(report.recorded),
        at_work: agreement(report.active),
        differences: report.found.into_iter().map(replay_difference).collect(),
        more: report.more,
    }))
}

static TURN: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(1);

fn bounds(on: &On) -> Result<Bounds, ApiError> {
    let limits::Range { default, min, max } = limits::TRIAL_REPLAY_DELIVERIES;
    let limit = on.limit.unwrap_or(default);
    if !(min..=max).contains(&limit) {
        return Err(ApiError::Malformed(format!("`limit` must be {min} to {max}, not {limit}")));
    }
    let deliveries = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Bounds { since: on.since.map(|time| time.0), deliveries, time: limits::TRIAL_REPLAY_TIME_MAX })
}

fn version(provider: &Provider) -> PluginVersion {
    let (name, hash) = provider.stamp();
    PluginVersion { name, hash }
}

fn comparison(trial: KeptTrial) -> Comparison {
    let KeptTrial { candidate, since, last, counts, differences: _ } = trial;
    let TrialCounts { compared, differing, parts, skipped_busy, skipped_large, not_judged } = counts;
    let parts: BTreeMap<Part, u64> = Part::ALL.into_iter().zip(parts).filter(|(_, count)| *count > 0).collect();
    let (since, last) = (Time(since), Time(last));
    Comparison { candidate, since, last, compared, differing, parts, skipped_busy, skipped_large, not_judged }
}

fn difference(kept: KeptDifference) -> Difference {
    let KeptDifference { at, trace, events, difference } = kept;
    shown(at, trace, &events, difference)
}

fn replay_difference(found: Found) -> ReplayDifference {
    let Found { at, trace, events, against, difference } = found;
    ReplayDifference { against, difference: shown(at, trace, &events, difference) }
}

fn shown(at: u64, trace: String, events: &[EventId], difference: hookgate_model::trial::Difference) -> Difference {
    let hookgate_model::trial::Difference { part, what, before, after } = difference;
    let events = events.iter().map(EventId::to_string).collect();
    Difference { at: Time(at), trace, events, part, what, before, after }
}

fn agreement(agreement: trial::Agreement) -> Agreement {
    let trial::Agreement { differing, parts } = agreement;
    Agreement { differing, parts }
}
