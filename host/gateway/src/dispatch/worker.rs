//! What one destination has in hand: from its queue to attempts, as fast as it may.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hookgate_journal::JournalError;
use hookgate_model::{event::EventId, handoff::HandoffId, limits};
use hookgate_sinks::Health;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Lane,
    attempt::Report,
    breaker::{Breaker, Permit},
    pace::Pace,
};

/// Before the journal is asked again that has just failed.
const JOURNAL_PAUSE: Duration = Duration::from_secs(1);

/// The state of a destination that has work.
pub(super) struct Worker {
    pub(super) lane: Arc<Lane>,
    pace: Pace,
    breaker: Breaker,
    /// Due, in the order of the queue.
    ready: VecDeque<HandoffId>,
    /// In `ready` or in flight.
    taken: HashSet<HandoffId>,
    /// Their records cannot be read; they stay in the queue until the store is repaired.
    damaged: HashSet<HandoffId>,
    /// Attempts in flight.
    pub(super) in_flight: usize,
    /// The queue may hold something due that is not taken.
    stale: bool,
    /// Entries that are due later than anything can be were looked for.
    has_looked_far: bool,
    /// When the first of the rest is due, by the journal's clock for waiting.
    next_due: Option<u64>,
    /// The journal failed: not before that time.
    blocked_until: Option<Instant>,
}

/// What a destination may do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// An attempt at these handoffs. There may be more to start.
    Attempt(Vec<HandoffId>),
    /// Nothing until an attempt ends, its queue grows, or that time comes.
    Enough(Option<Instant>),
}

impl Worker {
    pub(super) fn new(lane: Arc<Lane>) -> Worker {
        Worker {
            pace: Pace::new(lane.destination.rate),
            lane,
            breaker: Breaker::default(),
            ready: VecDeque::new(),
            taken: HashSet::new(),
            damaged: HashSet::new(),
            in_flight: 0,
            stale: true,
            has_looked_far: false,
            next_due: None,
            blocked_until: None,
        }
    }

    /// Its queue may hold more than is known.
    pub(super) fn look_again(&mut self) {
        self.stale = true;
    }

    /// Whether there is nothing to remember of it: when its queue grows, a new worker does as well.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0
            && self.ready.is_empty()
            && self.damaged.is_empty()
            && !self.stale
            && self.next_due.is_none()
            && self.blocked_until.is_none()
            && self.breaker == Breaker::default()
            && self.lane.destination.rate.is_none()
    }

    /// Whether its latest attempts have failed.
    pub(super) fn is_failing(&self) -> bool {
        self.breaker != Breaker::default()
    }

    /// What it may do now.
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        if let Some(until) = self.blocked_until.filter(|until| now < *until) {
            return Turn::Enough(Some(until));
        }
        self.blocked_until = None;
        if self.ready.is_empty() && self.stale {
            self.refill(now);
        }
        if self.ready.is_empty() || self.blocked_until.is_some() {
            return Turn::Enough(self.next_look(now));
        }
        self.begin(now)
    }

    /// Reads a bounded window of what is due.
    fn refill(&mut self, now: Instant) {
        let lane = self.lane.clone();
        let name = &lane.destination.name;
        let (least, most) = limits::DISPATCH_WINDOW;
        let window = (lane.concurrency() * lane.sink.batch() * 2).clamp(least, most);
        let limit = self.taken.len() + self.damaged.len() + window;
        let clock = lane.journal.wait_time();
        let latest = lane.latest_due(clock);
        let far = Some((latest, last_of_all(name))).filter(|_| !self.has_looked_far);
        let look = || {
            let too_late = far.as_ref().map(|far| lane.journal.queue(name, Some(far), limit)).transpose()?;
            Ok::<_, JournalError>((lane.journal.queue(name, None, limit)?, too_late.unwrap_or_default()))
        };
        let (found, too_late) = match look() {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(destination = name, %error, "the queue cannot be read");
                self.blocked_until = Some(now + JOURNAL_PAUSE);
                return;
            }
        };
        self.has_looked_far = true;
        self.stale = found.len() == limit;
        self.next_due = None;
        for (due, id) in found {
            if due > clock {
                self.next_due = Some(due).filter(|due| *due <= latest);
                self.stale = false;
                break;
            }
            self.take(id);
        }
        too_late.into_iter().for_each(|(_, id)| self.take(id));
    }

    /// Takes a handoff that is due, unless it is in hand already.
    fn take(&mut self, id: HandoffId) {
        if !self.damaged.contains(&id) && self.taken.insert(id.clone()) {
            self.ready.push_back(id);
        }
    }

    /// An attempt, if the breaker, the concurrency and the rate let it begin.
    fn begin(&mut self, now: Instant) -> Turn {
        let (slots, most) = match self.breaker.permit(now) {
            Permit::All => (self.lane.concurrency(), self.lane.sink.batch()),
            Permit::One => (1, 1),
            Permit::NotBefore(until) => return Turn::Enough(Some(until)),
        };
        if self.in_flight >= slots {
            return Turn::Enough(None);
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
            return Turn::Enough(Some(now + wait));
        }
        self.in_flight += 1;
        self.breaker.started();
        self.show();
        Turn::Attempt(batch)
    }

    /// When something is due, the journal may be asked again, or there is less to remember.
    fn next_look(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next_due.map(|due| {
            let wait = Duration::from_millis(due.saturating_sub(self.lane.journal.wait_time()));
            now + wait.max(Duration::from_millis(1))
        });
        [due, self.blocked_until, self.breaker.ramp_end(now)].into_iter().flatten().min()
    }

    /// Takes in what became of an attempt.
    pub(super) fn settle(&mut self, report: Report) {
        self.in_flight = self.in_flight.saturating_sub(1);
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
            Some((Health::Well, _)) => self.breaker.well(Instant::now()),
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

fn last_of_all(destination: &str) -> HandoffId {
    let event = EventId { delivery: Uuid::max(), index: u16::MAX };
    HandoffId { destination: destination.to_owned(), event, output: u16::MAX }
}
