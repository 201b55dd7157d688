//! One task for each destination: from its queue to attempts, as fast as it may.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hookgate_model::{event::EventId, handoff::HandoffId, limits};
use hookgate_sinks::Health;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::{
    Lane,
    attempt::{Report, attempt},
    breaker::{Breaker, Permit},
    pace::Pace,
};
use crate::tasks::{Cursor, stopped};

/// How often the queue is read from its front, whatever came in where.
const LOOK_BACK: Duration = Duration::from_secs(10);
/// How far before the last one taken the queue is read on: entries of one moment come in any order.
const OVERLAP_MS: u64 = 1000;
/// Before the journal is asked again that has just failed.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// The state of a destination's task.
pub(super) struct Worker {
    lane: Arc<Lane>,
    stop: watch::Receiver<bool>,
    pace: Pace,
    breaker: Breaker,
    /// Due, in the order of the queue.
    ready: VecDeque<HandoffId>,
    /// In `ready` or in flight.
    taken: HashSet<HandoffId>,
    /// Their records cannot be read; they stay in the queue until the store is repaired.
    damaged: HashSet<HandoffId>,
    in_flight: JoinSet<Report>,
    cursor: Cursor<u64>,
    /// The queue may hold something due that is not taken.
    stale: bool,
    /// When the first of the rest is due, by the journal's clock for waiting.
    next_due: Option<u64>,
    /// The journal failed: not before that time.
    blocked_until: Option<Instant>,
}

impl Worker {
    pub(super) fn new(lane: Arc<Lane>, stop: watch::Receiver<bool>) -> Worker {
        Worker {
            pace: Pace::new(lane.destination.rate),
            lane,
            stop,
            breaker: Breaker::default(),
            ready: VecDeque::new(),
            taken: HashSet::new(),
            damaged: HashSet::new(),
            in_flight: JoinSet::new(),
            cursor: Cursor::new(LOOK_BACK),
            stale: true,
            next_due: None,
            blocked_until: None,
        }
    }

    /// Works until told to stop, then finishes what is in flight. What has not been tried stays in the queue.
    pub(super) async fn run(mut self) {
        let grown = self.lane.journal.queue_grown(&self.lane.destination.name);
        loop {
            let wake_at = self.advance();
            tokio::select! {
                () = stopped(&mut self.stop) => break,
                Some(report) = self.in_flight.join_next() => self.settle(report),
                () = grown.notified() => self.stale = true,
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => self.stale = true,
            }
        }
        while let Some(report) = self.in_flight.join_next().await {
            self.settle(report);
        }
    }

    /// Takes and starts what may be started now; when to look again though nothing has happened.
    fn advance(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(until) = self.blocked_until.filter(|until| now < *until) {
            return Some(until);
        }
        self.blocked_until = None;
        loop {
            if self.ready.is_empty() && self.stale {
                self.refill(now);
            }
            if self.blocked_until.is_some() || self.ready.is_empty() {
                return self.next_look(now);
            }
            if let Started::Enough(wake_at) = self.start(now) {
                return wake_at;
            }
        }
    }

    /// Reads a bounded window of what is due.
    fn refill(&mut self, now: Instant) {
        let lane = self.lane.clone();
        let name = &lane.destination.name;
        let (least, most) = limits::DISPATCH_WINDOW;
        let window = (lane.concurrency() * lane.sink.batch() * 2).clamp(least, most);
        let limit = self.taken.len() + self.damaged.len() + window;
        let after = self.cursor.at(now).map(|due| (due.saturating_sub(OVERLAP_MS), first_of_all(name)));
        let clock = lane.journal.wait_time();
        let looked = lane.journal.queue(name, after.as_ref(), limit).and_then(|found| match after {
            None => Ok((found, lane.journal.queue(name, Some(&(lane.latest_due(clock), last_of_all(name))), limit)?)),
            Some(_) => Ok((found, Vec::new())),
        });
        let (found, too_late) = match looked {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(destination = name, %error, "the queue cannot be read");
                self.blocked_until = Some(now + JOURNAL_PAUSE);
                return;
            }
        };
        self.stale = found.len() == limit;
        self.next_due = None;
        for (due, id) in found {
            if due > clock {
                self.next_due = Some(due).filter(|due| *due <= lane.latest_due(clock));
                self.stale = false;
                break;
            }
            if self.take(id) {
                self.cursor.advance(due);
            }
        }
        for (_, id) in too_late {
            self.take(id);
        }
    }

    /// Takes a handoff that is due, unless it is in hand already.
    fn take(&mut self, id: HandoffId) -> bool {
        if self.damaged.contains(&id) {
            return false;
        }
        let is_new = self.taken.insert(id.clone());
        if is_new {
            self.ready.push_back(id)
        } else {
            self.cursor.pass_over()
        }
        is_new
    }

    /// Starts one attempt, if the breaker, the concurrency and the rate let it.
    fn start(&mut self, now: Instant) -> Started {
        let (slots, most) = match self.breaker.permit(now) {
            Permit::All => (self.lane.concurrency(), self.lane.sink.batch()),
            Permit::One => (1, 1),
            Permit::NotBefore(until) => return Started::Enough(Some(until)),
        };
        if self.in_flight.len() >= slots {
            return Started::Enough(None);
        }
        let mut batch = Vec::new();
        let mut wait = Duration::ZERO;
        while batch.len() < most && !self.ready.is_empty() {
            match self.pace.take() {
                Ok(()) => batch.extend(self.ready.pop_front()),
                Err(earliest) => {
                    wait = earliest;
                    break;
                }
            }
        }
        if batch.is_empty() {
            return Started::Enough(Some(now + wait));
        }
        self.in_flight.spawn(attempt(self.lane.clone(), batch));
        self.show();
        Started::One
    }

    /// When something is due, or the front of the queue is to be looked at.
    fn next_look(&self, now: Instant) -> Option<Instant> {
        let due = self.next_due.map(|due| {
            let wait = Duration::from_millis(due.saturating_sub(self.lane.journal.wait_time()));
            now + wait.max(Duration::from_millis(1))
        });
        [due, self.cursor.look_back_at(), self.blocked_until].into_iter().flatten().min()
    }

    /// Takes in what became of an attempt.
    fn settle(&mut self, report: Result<Report, JoinError>) {
        let report = match report {
            Ok(report) => report,
            // A defect of ours. What was in flight is still in the queue; the task begins anew from there.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        for id in report.done {
            self.taken.remove(&id);
        }
        for id in report.left.into_iter().rev() {
            self.ready.push_front(id);
        }
        for id in report.damaged {
            self.taken.remove(&id);
            self.damaged.insert(id);
        }
        if report.journal_failed {
            self.blocked_until = Some(Instant::now() + JOURNAL_PAUSE);
        }
        if let Some(due) = report.next_due {
            self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
        }
        self.observe(report.health);
        self.show();
    }

    fn observe(&mut self, health: Option<(Health, Option<Duration>)>) {
        let was_open = self.breaker.is_open();
        match health {
            Some((Health::Well, _)) => self.breaker.well(),
            Some((Health::Unwell, asked)) => {
                self.breaker.unwell(&self.lane.destination.retry, asked, Instant::now(), &mut rand::rng());
            }
            Some((Health::Unknown, _)) | None => {}
        }
        let destination = &self.lane.destination.name;
        match (was_open, self.breaker.is_open()) {
            (false, true) => tracing::warn!(destination, "the destination is away: one event at a time is tried"),
            (true, false) => tracing::info!(destination, "the destination is back"),
            _ => {}
        }
    }

    fn show(&self) {
        let flying = self.taken.len().saturating_sub(self.ready.len());
        self.lane.metrics.in_flight.set(flying as f64);
        self.lane.metrics.breaker_open.set(u8::from(self.breaker.is_open()));
        self.lane.breaker_open.store(self.breaker.is_open(), Ordering::Relaxed);
    }
}

/// The next worker starts its counts from zero, and there may be no next one.
impl Drop for Worker {
    fn drop(&mut self) {
        self.lane.metrics.in_flight.set(0.0);
        self.lane.metrics.breaker_open.set(0.0);
    }
}

/// Whether there may be more to start.
enum Started {
    One,
    /// Nothing more until an attempt ends, or that time comes.
    Enough(Option<Instant>),
}

fn first_of_all(destination: &str) -> HandoffId {
    let event = EventId { delivery: Uuid::nil(), index: 0 };
    HandoffId { destination: destination.to_owned(), event, output: 0 }
}

fn last_of_all(destination: &str) -> HandoffId {
    let event = EventId { delivery: Uuid::max(), index: u16::MAX };
    HandoffId { destination: destination.to_owned(), event, output: u16::MAX }
}
