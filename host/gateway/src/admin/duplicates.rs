//! Dropped duplicates: lists, stories and admission.

use axum::{Json, extract::State};
use hookgate_journal as journal;
use hookgate_journal::{DropCause, DroppedContent, DuplicateFilter, DuplicateOrder, Journal, JournalError};
use hookgate_model::{
    event::{EventId, KeptEvent, KeyKind},
    limits,
    ordering::SourceOrdering,
    redact::Mask,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    AdminState, ApiError,
    answers::StoreFailed,
    events::{HowMuch, event_id, mask_of},
    extract::{Order, Path, Query},
    paging, story,
    view::{
        AdmitOrder, AdmittedDuplicate, AdmittedList, Duplicate, DuplicateContent, DuplicateList, DuplicateSummary,
        KnownBy, Payload, Time,
    },
};

const LIST: &str = "duplicates";

/// Which duplicates.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// Of this source only.
    source: Option<String>,
    /// Of the event with this id only.
    of: Option<String>,
    /// Dropped at that time or later.
    #[param(value_type = Option<Time>)]
    since: Option<Time>,
    /// Dropped before that time.
    #[param(value_type = Option<Time>)]
    until: Option<Time>,
    /// The last page's `next_page`.
    page: Option<String>,
    /// Duplicates a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Dropped duplicates, newest first
///
/// A duplicate is kept as long as the key by which it was recognised. The first 16 duplicates of an event are listed.
#[utoipa::path(get, path = "/api/v1/duplicates", operation_id = "list_duplicates", tag = "duplicates", params(Which),
    responses((status = 200, body = DuplicateList), StoreFailed)
)]
pub async fn list(
    State(state): State<AdminState>,
    Query(which): Query<Which>,
) -> Result<Json<DuplicateList>, ApiError> {
    let filter = DuplicateFilter {
        source: which.source,
        of: which.of.map(|id| event_id(&id)).transpose()?,
        since: which.since.map(|time| time.0),
        until: which.until.map(|time| time.0),
        after: which.page.map(|token| paging::place(LIST, &token)).transpose()?,
        limit: paging::limit(which.limit)?,
    };
    let page = state.read(move |journal| journal.duplicates(&filter)).await?;
    Ok(Json(DuplicateList {
        duplicates: page.items.into_iter().map(summary).collect(),
        next_page: page.next.and_then(|place| paging::token(LIST, &place)),
    }))
}

fn summary(duplicate: journal::Duplicate) -> DuplicateSummary {
    let journal::Duplicate { id, source, trace, at, event } = duplicate;
    DuplicateSummary {
        id: id.to_string(),
        duplicate_of: event.of.to_string(),
        source,
        dropped_at: Time(at),
        kept_until: Time(event.expires),
        known_by: match (event.cause, event.key_kind) {
            (DropCause::Signature | DropCause::Replay, _) => KnownBy::Signature,
            (DropCause::Key, KeyKind::Id) => KnownBy::Id,
            (DropCause::Key, KeyKind::Payload) => KnownBy::Payload,
            (DropCause::Key, KeyKind::Delivery) => KnownBy::Delivery,
            (DropCause::Key, KeyKind::Undeclared) => KnownBy::Undeclared,
        },
        replayed: event.cause == DropCause::Replay,
        provider_id: event.provider_id,
        kind: event.kind,
        trace,
        payload_bytes: event.payload_bytes,
        payload_sha256: hex::encode(event.payload_sha256),
        content: match event.content {
            DroppedContent::Own => DuplicateContent::Own,
            DroppedContent::First => DuplicateContent::First,
            DroppedContent::NotKept => DuplicateContent::NotKept,
        },
        admitted_as: event.admitted_as.map(|event| event.to_string()),
    }
}

/// A dropped duplicate with its content
#[utoipa::path(get, path = "/api/v1/duplicates/{id}", operation_id = "show_duplicate", tag = "duplicates",
    params(("id" = String, description = "The duplicate's own id"), HowMuch),
    responses(
        (status = 200, body = Duplicate),
        (status = 404, description = "No such duplicate is kept"),
        StoreFailed,
    )
)]
pub async fn show(
    State(state): State<AdminState>,
    Path(id): Path<String>,
    Query(how_much): Query<HowMuch>,
) -> Result<Json<Duplicate>, ApiError> {
    let id = event_id(&id)?;
    let found = state
        .read(move |journal| {
            let Some(duplicate) = journal.duplicate(id)? else { return Ok(None) };
            let brought = journal.duplicate_content(&duplicate)?;
            Ok(Some((duplicate, brought)))
        })
        .await?;
    let (duplicate, brought) = found.ok_or_else(|| unknown(id))?;
    let mask = mask_of(&state, &duplicate.source);
    let request =
        brought.as_ref().map(|event| story::request(&event.delivery.request, event.delivery.claim.as_ref(), &mask));
    let payload = match &brought {
        Some(event) => payload(event, how_much.payload, &mask)?,
        None => None,
    };
    Ok(Json(Duplicate { summary: summary(duplicate), request, payload }))
}

/// The payload of a duplicate; none if it is in the object store.
fn payload(event: &KeptEvent, wanted: bool, mask: &Mask) -> Result<Option<Payload>, ApiError> {
    if event.delivery.claim.is_some() {
        return Ok(None);
    }
    let bytes = event.admission.payload.of(&event.delivery.request.body);
    let bytes = bytes.map_err(|error| ApiError::Damaged(format!("the payload of {}: {error}", event.id)))?;
    Ok(Some(story::payload(&mask.body(&bytes), bytes.len(), wanted)))
}

/// Admit duplicates after all
///
/// Each becomes a new event with an id of its own, and goes where its source's events go; its key still refers to the
/// original event. A duplicate that was admitted before is not admitted again. If one of the ids is unknown, nothing is
/// admitted.
#[utoipa::path(post, path = "/api/v1/duplicates/admit", operation_id = "admit_duplicates", tag = "duplicates", request_body = AdmitOrder, responses(
    (status = 200, description = "They are admitted", body = AdmittedList),
    (status = 404, description = "No such duplicate is kept"),
    (status = 409, description = "Its content is not kept"),
    StoreFailed,
))]
pub async fn admit(
    State(state): State<AdminState>,
    Order(AdmitOrder { ids }): Order<AdmitOrder>,
) -> Result<Json<AdmittedList>, ApiError> {
    if ids.is_empty() || ids.len() > limits::DUPLICATES_ADMITTED_AT_ONCE {
        let text = format!("name 1 to {} duplicates in `ids`", limits::DUPLICATES_ADMITTED_AT_ONCE);
        return Err(ApiError::Malformed(text));
    }
    let ids = ids.iter().map(|id| event_id(id)).collect::<Result<Vec<_>, _>>()?;
    let known = state.read(move |journal| look_up(journal, ids)).await?;
    let mut duplicates = Vec::with_capacity(known.len());
    for (id, duplicate) in known {
        duplicates.push(duplicate.ok_or_else(|| unknown(id))?);
    }
    let mut admitted = Vec::with_capacity(duplicates.len());
    for duplicate in duplicates {
        admitted.push(admit_one(&state, &duplicate).await?);
    }
    Ok(Json(AdmittedList { admitted }))
}

/// Each id with its duplicate, if that is kept.
fn look_up(journal: &Journal, ids: Vec<EventId>) -> Result<Vec<(EventId, Option<journal::Duplicate>)>, JournalError> {
    ids.into_iter().map(|id| Ok((id, journal.duplicate(id)?))).collect()
}

async fn admit_one(state: &AdminState, duplicate: &journal::Duplicate) -> Result<AdmittedDuplicate, ApiError> {
    let journal::Duplicate { id, source, event, .. } = duplicate;
    let (now, before) = match state.journal.admit_duplicate(*id, ordering_of(state, source)).await? {
        DuplicateOrder::Admitted(now) => (now, false),
        DuplicateOrder::AdmittedBefore(now) => (now, true),
        DuplicateOrder::Unknown => return Err(unknown(*id)),
        DuplicateOrder::WithoutContent => {
            let first = event.of;
            let text = format!(
                "the content of the duplicate {id} is not kept: it was too large, or store.retention was shortened; \
                 replay the original event instead ({first}), or have the provider send it again"
            );
            return Err(ApiError::Conflict(text));
        }
    };
    if !before {
        tracing::info!(source, duplicate = %id, event = %now, "an operator had a duplicate admitted");
    }
    Ok(AdmittedDuplicate { duplicate: id.to_string(), event: now.to_string(), before })
}

/// The current ordering of a source; none if it is no longer configured.
fn ordering_of(state: &AdminState, source: &str) -> Option<SourceOrdering> {
    let live = state.live();
    live.config.sources.iter().find(|one| one.name == source).and_then(|one| one.ordering.clone())
}

fn unknown(id: EventId) -> ApiError {
    let text = format!(
        "there is no dropped duplicate {id}; it may have expired, since a duplicate is kept as long as the key by which it \
         was recognised (idempotency.ttl, or idempotency.fallback-window), at most for store.retention"
    );
    ApiError::NotFound(text)
}
