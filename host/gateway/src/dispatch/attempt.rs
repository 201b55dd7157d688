//! One attempt from the queue to the record of what became of it.

use std::{iter, sync::Arc, time::Duration};

use futures_util::future::join_all;
use hookgate_config::Retry;
use hookgate_journal::JournalError;
use hookgate_model::{
    handoff::{Attempt, Handoff, HandoffId, HandoffState, Place},
    limits,
};
use hookgate_sinks::{Advice, Health, Outcome, Parcel};
use tokio::time::Instant;

use super::{
    Lane,
    backoff::{self, Asked},
};

/// Between two tries at recording what happened: the store is being opened again, or its disk is full.
const RECORD_PAUSE: Duration = Duration::from_millis(500);

/// What the worker has to know of an attempt.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Recorded, or not waiting any more.
    pub done: Vec<HandoffId>,
    /// Not tried: they wait as before.
    pub left: Vec<HandoffId>,
    /// Their records are damaged; nothing can be done for them.
    pub damaged: Vec<HandoffId>,
    /// When the first of them is due again, by the journal's clock for waiting.
    pub next_due: Option<u64>,
    /// How the destination does, and the pause that it asked for.
    pub health: Option<(Health, Option<Duration>)>,
    /// The journal could not be read.
    pub journal_failed: bool,
}

/// A handoff that is to be tried.
struct Due {
    parcel: Parcel,
    standing: Standing,
}

/// How a handoff stands before an attempt.
struct Standing {
    tries: u32,
    place: Option<Place>,
    /// It is the next one of its strand after the one before it in the attempt.
    follows: bool,
}

/// What became of a handoff by an attempt.
struct Settled {
    id: HandoffId,
    attempt: Attempt,
    state: HandoffState,
    health: Health,
    asked: Option<Duration>,
}

/// What the journal knows of a handoff.
enum Loaded {
    Due(Box<Due>),
    /// It is not waiting any more.
    Gone,
    /// It waits, and what it would hand over cannot be had.
    Lost(String),
}

/// Tries to hand over these, and records what became of each.
pub(super) async fn attempt(lane: Arc<Lane>, ids: Vec<HandoffId>) -> Report {
    let mut report = Report::default();
    let due = load_all(&lane, ids, &mut report).await;
    if due.is_empty() {
        return report;
    }
    let at = lane.journal.now();
    let began = Instant::now();
    let (parcels, standings): (Vec<_>, Vec<_>) = due.into_iter().map(|due| (due.parcel, due.standing)).unzip();
    let outcomes = lane.sink.attempt(&parcels, lane.destination.timeout).await;
    let took = began.elapsed();
    lane.metrics.attempt.record(took);

    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let mut runs: Vec<Vec<Settled>> = Vec::new();
    for ((parcel, standing), outcome) in parcels.iter().zip(&standings).zip(outcomes) {
        let run = runs.last_mut().filter(|_| standing.follows);
        if run.as_ref().and_then(|run| run.last()).is_some_and(|before| before.is_tried_again()) {
            // Its turn has not come: as far as its history goes, it was not tried.
            continue;
        }
        let settled = settle(&lane, parcel, standing, outcome, at, took);
        match run {
            Some(run) => run.push(settled),
            None => runs.push(vec![settled]),
        }
    }
    for (recorded, run) in record_runs(&lane, runs).await {
        for settled in run {
            report.observe(settled.health, settled.asked);
            report.enter(settled.id, settled.state, recorded.clone());
        }
    }
    report
}

/// Records what became of all handoffs in one write. If one of them has a damaged record, each run is recorded by itself.
async fn record_runs(lane: &Lane, runs: Vec<Vec<Settled>>) -> Vec<(Result<(), JournalError>, Vec<Settled>)> {
    if record(lane, runs.iter().flatten()).await.is_ok() {
        return runs.into_iter().map(|run| (Ok(()), run)).collect();
    }
    let recording = runs.into_iter().map(|run| async move { (record(lane, run.iter()).await, run) });
    join_all(recording).await
}

/// What an outcome means for a handoff.
fn settle(lane: &Lane, parcel: &Parcel, standing: &Standing, outcome: Outcome, at: u64, took: u64) -> Settled {
    let ended = Ended { at: at.saturating_add(took), waited: lane.journal.wait_time() };
    let state = next_state(&lane.destination.retry, standing.tries, &outcome, &ended);
    tell(lane, parcel, standing, &outcome, state, took);
    let (health, asked, status) = (outcome.health(), asked(&outcome), outcome.status);
    let error = outcome.result.err().map(|failure| failure.error);
    Settled { id: parcel.handoff.clone(), attempt: Attempt { at, took, status, error }, state, health, asked }
}

impl Settled {
    fn is_tried_again(&self) -> bool {
        matches!(self.state, HandoffState::Pending(_))
    }
}

impl Report {
    fn enter(&mut self, id: HandoffId, state: HandoffState, recorded: Result<(), JournalError>) {
        if let Err(error) = recorded {
            tracing::error!(event = %id.event, destination = id.destination, %error, "a handoff is left where it is");
            return self.damaged.push(id);
        }
        if let HandoffState::Pending(due) = state {
            self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
        }
        self.done.push(id);
    }

    /// One failure of the destination outweighs what else the attempt says.
    fn observe(&mut self, health: Health, asked: Option<Duration>) {
        match (health, &self.health) {
            (Health::Unwell, _) | (Health::Well, None) => self.health = Some((health, asked)),
            _ => {}
        }
    }
}

/// Loads what fits into memory together.
async fn load_all(lane: &Lane, ids: Vec<HandoffId>, report: &mut Report) -> Vec<Due> {
    let mut due: Vec<Due> = Vec::with_capacity(ids.len());
    let mut bytes = 0;
    // Those of strands come on top of what was asked for.
    let mut room = lane.sink.batch().saturating_sub(ids.len());
    for id in ids {
        if report.journal_failed || (bytes >= limits::ATTEMPT_BYTES_MAX) {
            report.left.push(id);
            continue;
        }
        match load(lane, &id, Turn::HasCome) {
            Ok(Loaded::Due(one)) => {
                let behind = followers(lane, &one, room);
                room = room.saturating_sub(behind.len());
                for mut one in iter::once(*one).chain(behind) {
                    if let Some(claims) = &lane.claims {
                        one.parcel.reference = claims.reference(&one.parcel.event).await;
                    }
                    bytes += one.bytes();
                    due.push(one);
                }
            }
            Ok(Loaded::Gone) => report.done.push(id),
            Ok(Loaded::Lost(error)) => bury(lane, id, error, report).await,
            Err(JournalError::Damaged(..)) => report.damaged.push(id),
            Err(error) => {
                tracing::error!(destination = lane.destination.name, %error, "the queue waits for the store");
                report.journal_failed = true;
                report.left.push(id);
            }
        }
    }
    due
}

/// What may be tried together with a handoff: the next ones of its strand, where several go out in one write. Not where a
/// dead letter would have to hold up those behind it, nor where each counts towards a rate.
fn followers(lane: &Lane, first: &Due, room: usize) -> Vec<Due> {
    let goes_on = |due: &Due| due.standing.place.is_some_and(|place| !place.blocks);
    let Some(place) = first.standing.place.filter(|_| goes_on(first) && lane.destination.rate.is_none()) else {
        return Vec::new();
    };
    let limit = room.min(limits::ATTEMPT_RUN_MAX - 1);
    // Whatever cannot be had here is told of when its turn comes.
    let ids = lane.journal.behind(&first.parcel.handoff, &place, limit).unwrap_or_default();
    let mut bytes = first.bytes();
    let due = ids.iter().map_while(|id| match load(lane, id, Turn::Comes) {
        Ok(Loaded::Due(due)) if goes_on(&due) && bytes < limits::ATTEMPT_BYTES_MAX => {
            bytes += due.bytes();
            Some(*due)
        }
        _ => None,
    });
    due.collect()
}

impl Due {
    fn bytes(&self) -> usize {
        self.parcel.event.delivery.body().len()
    }
}

/// Whether a handoff of a strand may be tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// When it is in the queue.
    HasCome,
    /// While it waits, right behind the one before it.
    Comes,
}

fn load(lane: &Lane, id: &HandoffId, turn: Turn) -> Result<Loaded, JournalError> {
    let Some(Handoff { state, tries, place, .. }) = lane.journal.handoff(id)? else { return Ok(Loaded::Gone) };
    match (state, turn) {
        (HandoffState::Pending(due), Turn::HasCome) if lane.is_due(due) => {}
        (HandoffState::Waiting(_), Turn::Comes) => {}
        _ => return Ok(Loaded::Gone),
    }
    let event = match lane.journal.event(id.event) {
        Ok(Some(event)) => event,
        Ok(None) => return Ok(Loaded::Lost("the event is not kept any more".to_owned())),
        Err(error @ JournalError::Damaged(..)) => return Ok(Loaded::Lost(error.to_string())),
        Err(error) => return Err(error),
    };
    let output = event.outputs.as_ref().and_then(|outputs| outputs.get(usize::from(id.output))).cloned();
    let Some(output) = output else { return Ok(Loaded::Lost("the event has no such output any more".to_owned())) };
    let parcel = Parcel { handoff: id.clone(), event, output, reference: None };
    let standing = Standing { tries, place, follows: turn == Turn::Comes };
    Ok(Loaded::Due(Box::new(Due { parcel, standing })))
}

/// Makes a dead letter of what cannot be tried.
async fn bury(lane: &Lane, id: HandoffId, error: String, report: &mut Report) {
    tracing::error!(event = %id.event, destination = id.destination, error, "a handoff became a dead letter");
    let at = lane.journal.now();
    let attempt = Attempt { at, took: 0, status: None, error: Some(error) };
    let state = HandoffState::Dead(at);
    let settled = Settled { id, attempt, state, health: Health::Unknown, asked: None };
    let recorded = record(lane, iter::once(&settled)).await;
    lane.metrics.dead_letters.increment(1);
    report.enter(settled.id, state, recorded);
}

/// Records what became of a handoff and of those that follow it in its strand, however long it takes: trying the
/// destination again because the store is away would only double the events. An error says that a record is damaged.
async fn record<'a>(lane: &Lane, run: impl Iterator<Item = &'a Settled> + Clone) -> Result<(), JournalError> {
    loop {
        let steps = run.clone().map(|one| (one.id.clone(), one.attempt.clone(), one.state)).collect();
        match lane.journal.record_all(steps).await {
            Ok(()) => return Ok(()),
            Err(error @ JournalError::Damaged(..)) => return Err(error),
            Err(error) => {
                let event = run.clone().next().map(|one| tracing::field::display(one.id.event));
                let destination = &lane.destination.name;
                tracing::warn!(event, destination, %error, "an attempt waits to be recorded");
                tokio::time::sleep(RECORD_PAUSE).await;
            }
        }
    }
}

/// When an attempt ended.
struct Ended {
    /// In milliseconds since the epoch.
    at: u64,
    /// By the journal's clock for waiting.
    waited: u64,
}

/// Where a handoff stands after an attempt, `tries` having gone before it.
fn next_state(retry: &Retry, tries: u32, outcome: &Outcome, ended: &Ended) -> HandoffState {
    let failure = match &outcome.result {
        Ok(()) => return HandoffState::Delivered(ended.at),
        Err(failure) => failure,
    };
    let again = |asked| backoff::pause(retry, tries.saturating_add(1), asked, &mut rand::rng());
    let pause = match failure.advice {
        Advice::GiveUp => None,
        Advice::Retry(after) => again(Asked { after, is_overloaded: false }),
        Advice::RetryLater(after) => again(Asked { after, is_overloaded: true }),
    };
    let due = |pause: Duration| ended.waited.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
    pause.map_or(HandoffState::Dead(ended.at), |pause| HandoffState::Pending(due(pause)))
}

fn asked(outcome: &Outcome) -> Option<Duration> {
    match outcome.result.as_ref().err()?.advice {
        Advice::Retry(after) | Advice::RetryLater(after) => after,
        Advice::GiveUp => None,
    }
}

/// One line in the log and one count for each attempt.
fn tell(lane: &Lane, parcel: &Parcel, standing: &Standing, outcome: &Outcome, state: HandoffState, took: u64) {
    let delivery = &parcel.event.delivery;
    let (trace, event, destination) = (&delivery.trace, &parcel.handoff.event, &lane.destination.name);
    let (status, number) = (outcome.status, standing.tries.saturating_add(1));
    let error = outcome.result.as_ref().err().map(|failure| failure.error.as_str());
    match state {
        HandoffState::Delivered(at) => {
            tracing::info!(trace, %event, destination, status, attempt = number, took, "delivered");
            let since = Duration::from_millis(at.saturating_sub(delivery.request.received_at));
            lane.metrics.delivery.record(since);
            lane.metrics.delivered.increment(1);
        }
        HandoffState::Pending(due) => {
            let again_in = due.saturating_sub(lane.journal.wait_time());
            tracing::warn!(trace, %event, destination, status, attempt = number, took, error, again_in, "not delivered yet");
            lane.metrics.retry.increment(1);
        }
        HandoffState::Dead(_) => {
            tracing::error!(trace, %event, destination, status, attempt = number, took, error, "a dead letter");
            if standing.place.is_some_and(|place| place.blocks) {
                tracing::error!(trace, %event, destination, "its ordering key goes no further until it is redriven or discarded");
            }
            lane.metrics.dead.increment(1);
            lane.metrics.dead_letters.increment(1);
        }
        // No attempt ends so: only an operator discards, and only what was not tried waits.
        HandoffState::Discarded(_) | HandoffState::Waiting(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookgate_sinks::Failure;

    #[test]
    fn attempts_are_counted_with_the_one_just_made() {
        let retry = Retry { attempts: 3, first: Duration::from_millis(0), max: Duration::from_secs(1) };
        let failed = Outcome::unreachable("away".to_owned());
        let ended = Ended { at: 5, waited: 3 };
        assert_eq!(next_state(&retry, 0, &failed, &ended), HandoffState::Pending(3));
        assert_eq!(next_state(&retry, 1, &failed, &ended), HandoffState::Pending(3));
        assert_eq!(next_state(&retry, 2, &failed, &ended), HandoffState::Dead(5));
        assert_eq!(next_state(&retry, u32::MAX, &failed, &ended), HandoffState::Dead(5));
        assert_eq!(next_state(&retry, 9, &Outcome::delivered(Some(200)), &ended), HandoffState::Delivered(5));
    }

    #[test]
    fn what_is_given_up_is_dead_at_once_and_a_retry_after_moves_the_due_time() {
        let retry = Retry { attempts: 3, first: Duration::from_millis(1), max: Duration::from_millis(1) };
        let ended = Ended { at: 5, waited: 3 };
        assert_eq!(next_state(&retry, 0, &Outcome::undeliverable(String::new()), &ended), HandoffState::Dead(5));
        let advice = Advice::Retry(Some(Duration::from_secs(7)));
        let failure = Failure { error: String::new(), advice, health: Health::Unwell };
        let outcome = Outcome { status: Some(503), result: Err(failure) };
        let HandoffState::Pending(due) = next_state(&retry, 0, &outcome, &ended) else { panic!("it is tried again") };
        assert!((7003..=7003 + 1400).contains(&due), "{due}");
    }

    #[test]
    fn one_failure_of_the_destination_outweighs_the_rest_of_a_batch() {
        let mut report = Report::default();
        for health in [Health::Unknown, Health::Well, Health::Unwell, Health::Well, Health::Unknown] {
            report.observe(health, None);
        }
        assert_eq!(report.health, Some((Health::Unwell, None)));
    }
}
