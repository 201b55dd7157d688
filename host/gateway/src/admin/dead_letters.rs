//! Dead letters: lists, stories, redriving and discarding.

use axum::{Json, extract::State};
use hookgate_journal::{Journal, JournalError};
use hookgate_model::handoff::{HandoffId, ORDERING, TRANSFORM};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    AdminState, ApiError,
    answers::StoreFailed,
    events::{event, event_id},
    extract::{Order, Path, Query},
    paging,
    story::{self, Told},
    view::{
        self, DeadLetter, DeadLetterId, DeadLetterList, DeadLetterSummary, Discarded, RedriveOrder, Redriven, Time,
    },
};

const LIST: &str = "dead-letters";

/// Which dead letters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// Of this destination only; `transform` for events that could not be transformed.
    destination: Option<String>,
    /// The last page's `next_page`.
    page: Option<String>,
    /// Dead letters a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// Dead letters: by destination, oldest first
#[utoipa::path(get, path = "/api/v1/dead-letters", operation_id = "list_dead_letters", tag = "dead letters", params(Which),
    responses((status = 200, body = DeadLetterList), StoreFailed)
)]
pub async fn list(
    State(state): State<AdminState>,
    Query(which): Query<Which>,
) -> Result<Json<DeadLetterList>, ApiError> {
    let after: Option<(u64, HandoffId)> = which.page.map(|token| paging::place(LIST, &token)).transpose()?;
    let limit = paging::limit(which.limit)?;
    let (dead_letters, next) = state
        .read(move |journal| {
            let page = journal.dead_letters(which.destination.as_deref(), after.as_ref(), limit)?;
            let found = page.items.into_iter().filter_map(|(at, id)| summary(journal, at, id).transpose());
            Ok((found.collect::<Result<_, _>>()?, page.next))
        })
        .await?;
    Ok(Json(DeadLetterList { dead_letters, next_page: next.and_then(|place| paging::token(LIST, &place)) }))
}

/// None if it was redriven in the meantime.
fn summary(journal: &Journal, died_at: u64, id: HandoffId) -> Result<Option<DeadLetterSummary>, JournalError> {
    let Some(handoff) = journal.handoff(&id)? else { return Ok(None) };
    let blocks = journal.turn(&id, &handoff)?.map(|turn| turn.behind);
    Ok(Some(DeadLetterSummary {
        destination: id.destination,
        event: id.event.to_string(),
        output: id.output,
        died_at: Time(died_at),
        tries: handoff.tries,
        last_attempt: handoff.attempts.last().map(story::attempt),
        blocks,
    }))
}

/// A dead letter: every attempt, and its event's whole story
#[utoipa::path(get, path = "/api/v1/dead-letters/{destination}/{event}/{output}", operation_id = "show_dead_letter", tag = "dead letters",
    params(
        ("destination" = String, description = "The destination's name; `transform` for events that could not be transformed"),
        ("event" = String, description = "The event's id"),
        ("output" = u16, description = "Which of the event's outputs, from 0", maximum = 65535),
    ),
    responses(
        (status = 200, body = DeadLetter),
        (status = 400, description = "Not an event id, or not an output"),
        (status = 404, description = "No such dead letter"),
        StoreFailed,
    )
)]
pub async fn show(
    State(state): State<AdminState>,
    Path((destination, event_text, output)): Path<(String, String, String)>,
) -> Result<Json<DeadLetter>, ApiError> {
    let id = HandoffId { destination, event: event_id(&event_text)?, output: output_number(&output)? };
    let asked = id.clone();
    let told = state
        .read(move |journal| {
            journal.handoff(&asked)?.map(|handoff| Told::new(journal, asked.clone(), handoff)).transpose()
        })
        .await?;
    let Some(told) = told.filter(Told::is_dead) else {
        let HandoffId { destination, output, .. } = id;
        let text = format!("output {output} of the event {event_text} is not a dead letter of {destination:?}");
        return Err(ApiError::NotFound(format!("{text}; see /api/v1/events/{event_text} for where it stands")));
    };
    Ok(Json(DeadLetter { handoff: story::handoff(&told), event: event(&state, id.event, false).await? }))
}

fn output_number(text: &str) -> Result<u16, ApiError> {
    text.parse().map_err(|_| ApiError::Malformed(format!("{text:?} {}", view::NOT_AN_OUTPUT)))
}

/// Redrive dead letters
///
/// Some, all of a destination, or all of them. Their attempts are counted from zero; the history stays.
#[utoipa::path(post, path = "/api/v1/dead-letters/redrive", operation_id = "redrive_dead_letters", tag = "dead letters", request_body = RedriveOrder, responses(
    (status = 200, description = "They are on their way", body = Redriven),
    (status = 404, description = "No such destination"),
    StoreFailed,
))]
pub async fn redrive(
    State(state): State<AdminState>,
    Order(order): Order<RedriveOrder>,
) -> Result<Json<Redriven>, ApiError> {
    let redriven = settle(&state, order, Fate::Redriven).await?;
    tracing::info!(redriven, "an operator had dead letters redriven");
    Ok(Json(Redriven { redriven }))
}

/// Discard dead letters
///
/// Some, all of a destination, or all of them. They count as finished: their history stays until the event's retention
/// ends, and then the disk space is freed. Until then an event can still be replayed.
#[utoipa::path(post, path = "/api/v1/dead-letters/discard", operation_id = "discard_dead_letters", tag = "dead letters", request_body = RedriveOrder, responses(
    (status = 200, description = "They are discarded", body = Discarded),
    (status = 404, description = "No such destination"),
    StoreFailed,
))]
pub async fn discard(
    State(state): State<AdminState>,
    Order(order): Order<RedriveOrder>,
) -> Result<Json<Discarded>, ApiError> {
    let discarded = settle(&state, order, Fate::Discarded).await?;
    tracing::warn!(discarded, "an operator had dead letters discarded");
    Ok(Json(Discarded { discarded }))
}

#[derive(Clone, Copy)]
enum Fate {
    Redriven,
    Discarded,
}

/// Redrives or discards what the order selects, and counts it.
async fn settle(state: &AdminState, order: RedriveOrder, fate: Fate) -> Result<usize, ApiError> {
    let journal = &state.journal;
    let destinations = match selection(state, order).await? {
        Selection::Destinations(names) => names,
        Selection::These(ids) => {
            return Ok(match fate {
                Fate::Redriven => journal.redrive(ids).await?,
                Fate::Discarded => journal.discard(ids).await?,
            });
        }
    };
    let mut settled = 0;
    for name in &destinations {
        settled += match fate {
            Fate::Redriven => journal.redrive_all(name).await?,
            Fate::Discarded => journal.discard_all(name).await?,
        };
    }
    Ok(settled)
}

/// Which dead letters an order selects.
enum Selection {
    These(Vec<HandoffId>),
    /// All dead letters of these destinations.
    Destinations(Vec<String>),
}

async fn selection(state: &AdminState, order: RedriveOrder) -> Result<Selection, ApiError> {
    match (&order.ids[..], order.destination, order.all) {
        ([], Some(destination), false) => {
            check_destination(state, &destination).await?;
            Ok(Selection::Destinations(vec![destination]))
        }
        ([], None, true) => Ok(Selection::Destinations(with_dead_letters(state).await?)),
        (ids @ [_, ..], None, false) => Ok(Selection::These(handoff_ids(ids)?)),
        _ => {
            let text = "say exactly one: `ids`, a `destination`, or `all`: true";
            Err(ApiError::Malformed(text.to_owned()))
        }
    }
}

/// A destination that is neither configured nor has dead letters is a mistake and must not look like a success.
async fn check_destination(state: &AdminState, name: &str) -> Result<(), ApiError> {
    let live = state.live();
    let dead = with_dead_letters(state).await?;
    let configured = live.config.destinations.iter().map(|destination| destination.name.as_str());
    let mut known: Vec<&str> = configured.chain(dead.iter().map(String::as_str)).chain([TRANSFORM, ORDERING]).collect();
    known.sort_unstable();
    known.dedup();
    if known.contains(&name) { Ok(()) } else { Err(ApiError::no_such("destination", name, &known)) }
}

/// The destinations with dead letters, including those that are no longer configured.
async fn with_dead_letters(state: &AdminState) -> Result<Vec<String>, ApiError> {
    let stats = state.read(|journal| journal.stats()).await?;
    Ok(stats.destinations.into_iter().filter(|(_, figures)| figures.dead > 0).map(|(name, _)| name).collect())
}

fn handoff_ids(ids: &[DeadLetterId]) -> Result<Vec<HandoffId>, ApiError> {
    let read = |id: &DeadLetterId| {
        Ok(HandoffId { destination: id.destination.clone(), event: event_id(&id.event)?, output: id.output })
    };
    ids.iter().map(read).collect()
}
