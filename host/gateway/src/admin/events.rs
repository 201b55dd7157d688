//! Events: lists, stories and replays.

use axum::{Json, extract::State};
use hookgate_journal::EventFilter;
use hookgate_model::{
    event::EventId,
    handoff::{ORDERING, TRANSFORM},
    human::did_you_mean,
    redact::Mask,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    AdminState, ApiError,
    answers::StoreFailed,
    extract::{Order, Path, Query},
    paging,
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
    /// Oldest first instead of newest first.
    oldest_first: bool,
    /// The last page's `next_page`.
    page: Option<String>,
    /// Events a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Events, newest first
#[utoipa::path(get, path = "/api/v1/events", operation_id = "list_events", tag = "events", params(Which),
    responses((status = 200, body = EventList), StoreFailed)
)]
pub async fn list(State(state): State<AdminState>, Query(which): Query<Which>) -> Result<Json<EventList>, ApiError> {
    let filter = EventFilter {
        source: which.source,
        state: which.state,
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

/// How much to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct HowMuch {
    /// Include the payload, and the data of outputs.
    pub(super) payload: bool,
}

/// An event's whole story
///
/// Its sender, the plugin's description and outputs, and every attempt at every destination.
#[utoipa::path(get, path = "/api/v1/events/{id}", operation_id = "show_event", tag = "events", params(("id" = String, description = "The event's id"), HowMuch),
    responses(
        (status = 200, body = Event),
        (status = 404, description = "No such event is kept"),
        StoreFailed,
    )
)]
pub async fn show(
    State(state): State<AdminState>,
    Path(id): Path<String>,
    Query(how_much): Query<HowMuch>,
) -> Result<Json<Event>, ApiError> {
    let id = event_id(&id)?;
    Ok(Json(event(&state, id, how_much.payload).await?))
}

/// The event with that id.
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
    let text = format!("there is no event {id}; it may have expired, since events are kept for store.retention");
    ApiError::NotFound(text)
}

/// Deliver an event again
///
/// To destinations of your choice, or to those that it went to before; or transform it again with the current plugin and
/// route it. Receivers see the same event id as before.
#[utoipa::path(post, path = "/api/v1/events/{id}/replay", operation_id = "replay_event", tag = "events", params(("id" = String, description = "The event's id")),
    request_body(content = Option<ReplayOrder>, description = "Without a body: to the destinations that it went to before"),
    responses(
        (status = 200, description = "It is on its way", body = Replayed),
        (status = 404, description = "No such event is kept"),
        (status = 409, description = "It has not been routed to a destination before"),
        StoreFailed,
    )
)]
pub async fn replay(
    State(state): State<AdminState>,
    Path(id): Path<String>,
    Order(order): Order<ReplayOrder>,
) -> Result<Json<Replayed>, ApiError> {
    let id = event_id(&id)?;
    let destinations = destinations_of(&state, id, order.destinations, order.transform).await?;
    if !state.journal.replay(id, &destinations).await? {
        return Err(gone(id));
    }
    tracing::info!(event = %id, ?destinations, transform = order.transform, "an operator had an event replayed");
    Ok(Json(Replayed { event: id.to_string(), destinations, transform: order.transform }))
}

/// The destinations of a replay; none if the event is routed again.
async fn destinations_of(
    state: &AdminState,
    id: EventId,
    named: Vec<String>,
    transform: bool,
) -> Result<Vec<String>, ApiError> {
    match (named.is_empty(), transform) {
        (true, true) => Ok(Vec::new()),
        (false, true) => {
            let text = "with `transform` the event is routed again; leave out `destinations`";
            Err(ApiError::Malformed(text.to_owned()))
        }
        (false, false) => check_destinations(state, named),
        (true, false) => {
            let handoffs = state.read(move |journal| journal.handoffs_of(id)).await?;
            let mut before: Vec<String> = handoffs.into_iter().map(|(id, _)| id.destination).collect();
            before.retain(|name| name != TRANSFORM && name != ORDERING);
            before.sort();
            before.dedup();
            let text = "the event has had no destination before; name `destinations`, or `transform` it again";
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
