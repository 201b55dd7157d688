//! Events: lists, stories, and once more.

use axum::{
    Json,
    body::Bytes,
    extract::{
        Path, Query, State,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
};
use hookgate_journal::EventFilter;
use hookgate_model::{
    event::EventId,
    handoff::{ORDERING, TRANSFORM},
    human::did_you_mean,
    redact::Mask,
};
use http::HeaderMap;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    AdminState, ApiError, Problem, body, paging,
    story::{self, CameAgain, Told},
    view::{Event, EventList, EventState, ReplayOrder, Replayed, Time},
};

const LIST: &str = "events";

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// Of this source only.
    source: Option<String>,
    /// In this state only.
    state: Option<EventState>,
    /// Admitted at that time or later.
    #[param(value_type = Option<Time>)]
    since: Option<Time>,
    /// Admitted before that time.
    #[param(value_type = Option<Time>)]
    until: Option<Time>,
    /// Oldest first in place of newest first.
    oldest_first: bool,
    /// The last page's `next_page`.
    page: Option<String>,
    /// Events a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// What was admitted, newest first
#[utoipa::path(get, path = "/api/v1/events", operation_id = "list_events", tag = "events", params(Which), responses(
    (status = 200, body = EventList),
    (status = 400, description = "A parameter that makes no sense", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
))]
pub async fn list(
    State(state): State<AdminState>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<EventList>, ApiError> {
    let Query(which) = which?;
    let filter = EventFilter {
        source: which.source,
        state: which.state.map(story::journal_state),
        since: which.since.map(|time| time.0),
        until: which.until.map(|time| time.0),
        oldest_first: which.oldest_first,
        after: which.page.map(|token| paging::place(LIST, &token)).transpose()?,
        limit: paging::limit(which.limit)?,
    };
    let page = state.read(move |journal| journal.events(&filter)).await?;
    Ok(Json(EventList {
        events: page.items.into_iter().map(story::summary).collect(),
        next_page: page.next.and_then(|place| paging::token(LIST, &place)),
    }))
}

/// How much of an event.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct HowMuch {
    /// With its bytes, and the data that was made of them.
    pub(super) payload: bool,
}

/// An event's whole story
///
/// Who sent it and when, what the plugin said of it and made of it, and every attempt at every destination.
#[utoipa::path(get, path = "/api/v1/events/{id}", operation_id = "show_event", tag = "events", params(("id" = String, description = "The event's id"), HowMuch),
    responses(
        (status = 200, body = Event),
        (status = 404, description = "No such event is kept", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
    how_much: Result<Query<HowMuch>, QueryRejection>,
) -> Result<Json<Event>, ApiError> {
    let id = event_id(&id?)?;
    Ok(Json(event(&state, id, how_much?.payload).await?))
}

/// The event of that id.
pub async fn event(state: &AdminState, id: EventId, with_payload: bool) -> Result<Event, ApiError> {
    let found = state
        .read(move |journal| {
            let (stage, again) = (journal.stage(id)?, CameAgain::of(journal, id)?);
            Ok((journal.event(id)?, Told::all_of(journal, id)?, stage, again))
        })
        .await?;
    let (Some(event), handoffs, stage, again) = found else { return Err(gone(id)) };
    let reference = match &state.claims {
        Some(claims) => claims.reference(&event).await,
        None => None,
    };
    let mask = mask_of(state, &event.delivery.source);
    let told = story::event(&event, &handoffs, stage, with_payload, reference, &mask)?;
    Ok(again.add_to(told))
}

/// Masks the credentials of a source, as it is configured now.
pub fn mask_of(state: &AdminState, source: &str) -> Mask {
    let live = state.live();
    let secrets = live.sources.get(source).map(|inbound| inbound.secrets.by_name());
    Mask::of(&secrets.unwrap_or_default())
}

/// Reads an event's id.
pub fn event_id(text: &str) -> Result<EventId, ApiError> {
    text.parse().map_err(|error| ApiError::Malformed(format!("{text:?} is {error}")))
}

fn gone(id: EventId) -> ApiError {
    let text = format!("there is no event {id}, or none any more: events are kept for store.retention");
    ApiError::NotFound(text)
}

/// Hand an event on once more
///
/// To destinations of your choice, or to wherever it went before; or have the plugin transform it again, as the plugin
/// is now. Receivers see the same event id as before.
#[utoipa::path(post, path = "/api/v1/events/{id}/replay", operation_id = "replay_event", tag = "events", params(("id" = String, description = "The event's id")),
    request_body(content = Option<ReplayOrder>, description = "Nothing for wherever it went before"),
    responses(
        (status = 200, description = "It is on its way", body = Replayed),
        (status = 400, description = "An order that makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such event is kept", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It went nowhere before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The store does not answer", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn replay(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    order: Result<Bytes, BytesRejection>,
) -> Result<Json<Replayed>, ApiError> {
    let id = event_id(&id?)?;
    let order: ReplayOrder = body::json_or_nothing(&headers, order)?;
    let destinations = destinations_of(&state, id, order.destinations, order.transform).await?;
    if !state.journal.replay(id, &destinations).await? {
        return Err(gone(id));
    }
    tracing::info!(event = %id, ?destinations, transform = order.transform, "an operator had an event replayed");
    Ok(Json(Replayed { event: id.to_string(), destinations, transform: order.transform }))
}

/// Where a replay goes; nowhere by name when the routes are to say.
async fn destinations_of(
    state: &AdminState,
    id: EventId,
    named: Vec<String>,
    transform: bool,
) -> Result<Vec<String>, ApiError> {
    match (named.is_empty(), transform) {
        (true, true) => Ok(Vec::new()),
        (false, true) => {
            let text = "with `transform` the routes say where the event goes; leave out `destinations`";
            Err(ApiError::Malformed(text.to_owned()))
        }
        (false, false) => check_destinations(state, named),
        (true, false) => {
            let handoffs = state.read(move |journal| journal.handoffs_of(id)).await?;
            let mut before: Vec<String> = handoffs.into_iter().map(|(id, _)| id.destination).collect();
            before.retain(|name| name != TRANSFORM && name != ORDERING);
            before.sort();
            before.dedup();
            let text = "the event went nowhere before; name `destinations`, or `transform` it again";
            if before.is_empty() { Err(ApiError::Conflict(text.to_owned())) } else { Ok(before) }
        }
    }
}

fn check_destinations(state: &AdminState, mut named: Vec<String>) -> Result<Vec<String>, ApiError> {
    let live = state.live();
    let configured: Vec<&str> = live.config.destinations.iter().map(|one| one.name.as_str()).collect();
    named.sort();
    named.dedup();
    match named.iter().find(|name| !configured.contains(&name.as_str())) {
        Some(name) => {
            let (near, there) = (did_you_mean(name, configured.iter().copied()), configured.join(", "));
            Err(ApiError::Malformed(format!("there is no destination {name:?}{near}; there are: {there}")))
        }
        None => Ok(named),
    }
}
