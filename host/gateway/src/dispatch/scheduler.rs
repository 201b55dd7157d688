//! One task for all destinations: whose turn it is to start an attempt.
//!
//! A destination has a [`Worker`] while it has work: something in its queue, an attempt in flight, a breaker that remembers
//! failures. One that is idle has none, and costs nothing. Workers that can start an attempt stand in a ring, and each turn
//! starts one attempt; a worker that waits (for a due time, its rate, its breaker) has one timer. So a destination with a long
//! queue does not hold up another one, and a destination that hangs holds its own attempts only.
//!
//! The attempts of all destinations have a bound. As it is approached, those that have many in flight stop before those that
//! have few, and those that fail may use half of it only.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use hookgate_journal::Journal;
use hookgate_model::{handoff::HandoffId, limits};
use tokio::{
    sync::watch,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{
    Lane,
    attempt::{Report, attempt},
    worker::{Turn, Worker},
};
use crate::tasks::stopped;

/// The destinations of a configuration.
#[derive(Clone, Default)]
pub struct Lanes {
    by_name: Arc<BTreeMap<Arc<str>, Arc<Lane>>>,
    /// How long attempts may go on that began under the configuration before.
    within: Duration,
}

impl Lanes {
    /// Destinations that are ready. Attempts that began at those before them may go on for `within`.
    pub fn new(lanes: impl IntoIterator<Item = Arc<Lane>>, within: Duration) -> Lanes {
        let by_name = lanes.into_iter().map(|lane| (Arc::from(lane.name()), lane));
        Lanes { by_name: Arc::new(by_name.collect()), within }
    }
}

/// The task.
pub struct Scheduler {
    journal: Journal,
    lanes: watch::Receiver<Lanes>,
    stop: watch::Receiver<bool>,
    workers: HashMap<Arc<str>, Worker>,
    /// Destinations whose attempts in flight began under another configuration, and until when those may go on. Nothing else is
    /// started for them.
    leaving: BTreeMap<Arc<str>, Instant>,
    /// The destinations that may start an attempt, in turn.
    ring: VecDeque<Arc<str>>,
    in_ring: BTreeSet<Arc<str>>,
    /// When a destination that waits is to be looked at again.
    timers: BTreeSet<(Instant, Arc<str>)>,
    timer_of: HashMap<Arc<str>, Instant>,
    in_flight: JoinSet<Report>,
    /// The destination of each attempt.
    attempts: HashMap<Id, (Arc<str>, AbortHandle)>,
}

impl Scheduler {
    /// Prepares the task; [`Scheduler::run`] starts it. A journal may have one only: two would deliver everything twice.
    pub fn new(journal: Journal, lanes: watch::Receiver<Lanes>, stop: watch::Receiver<bool>) -> Scheduler {
        Scheduler {
            journal,
            lanes,
            stop,
            workers: HashMap::new(),
            leaving: BTreeMap::new(),
            ring: VecDeque::new(),
            in_ring: BTreeSet::new(),
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
            in_flight: JoinSet::new(),
            attempts: HashMap::new(),
        }
    }

    /// Works until it is stopped, then finishes what is in flight. What has not been tried stays in the queues.
    pub async fn run(mut self) {
        self.lanes.mark_unchanged();
        self.look_at(self.journal.queued_destinations());
        loop {
            self.start();
            let wake_at = self.timers.first().map(|(at, _)| *at);
            tokio::select! {
                () = stopped(&mut self.stop) => break,
                Some(ended) = self.in_flight.join_next_with_id() => self.ended(ended),
                grown = self.journal.queues_grown() => self.look_at(grown),
                Ok(()) = self.lanes.changed() => self.reload(),
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => self.wake(),
            }
        }
        while let Some(ended) = self.in_flight.join_next_with_id().await {
            self.ended(ended);
        }
    }

    /// Starts attempts, one for each destination in turn, as long as there is room.
    fn start(&mut self) {
        let mut passed = 0;
        while passed < self.ring.len() && self.in_flight.len() < limits::ATTEMPTS_MAX {
            let Some(name) = self.ring.pop_front() else { return };
            if !self.has_room_for(&name) {
                self.ring.push_back(name);
                passed += 1;
                continue;
            }
            self.in_ring.remove(&name);
            let is_leaving = self.leaving.contains_key(&name);
            let Some(worker) = self.workers.get_mut(&name).filter(|_| !is_leaving) else { continue };
            match worker.turn(Instant::now()) {
                Turn::Attempt(batch) => {
                    let lane = worker.lane.clone();
                    self.begin(&name, lane, batch);
                    self.give_turn(name);
                    passed = 0;
                }
                Turn::Enough(wake_at) => {
                    if worker.is_idle() {
                        self.workers.remove(&name);
                    }
                    self.set_timer(&name, wake_at);
                }
            }
        }
    }

    /// Whether a destination may start one more attempt beside those of all others.
    fn has_room_for(&self, name: &str) -> bool {
        let free = limits::ATTEMPTS_MAX.saturating_sub(self.in_flight.len());
        let Some(worker) = self.workers.get(name) else { return true };
        let free = if worker.is_failing() { free.saturating_sub(limits::ATTEMPTS_MAX / 2) } else { free };
        worker.in_flight < free
    }

    fn begin(&mut self, name: &Arc<str>, lane: Arc<Lane>, batch: Vec<HandoffId>) {
        let handle = self.in_flight.spawn(attempt(lane, batch));
        self.attempts.insert(handle.id(), (name.clone(), handle));
    }

    /// Puts a destination at the end of the ring.
    fn give_turn(&mut self, name: Arc<str>) {
        if !self.leaving.contains_key(&name) && self.in_ring.insert(name.clone()) {
            self.ring.push_back(name);
        }
    }

    fn set_timer(&mut self, name: &Arc<str>, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.timer_of.insert(name.clone(), at),
            None => self.timer_of.remove(name),
        };
        if let Some(before) = before {
            self.timers.remove(&(before, name.clone()));
        }
        self.timers.extend(at.map(|at| (at, name.clone())));
    }

    /// Gives a turn to the destinations whose time has come.
    fn wake(&mut self) {
        let now = Instant::now();
        while let Some((at, name)) = self.timers.first().cloned().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, name.clone()));
            self.timer_of.remove(&name);
            if self.leaving.contains_key(&name) {
                self.cut_off(&name);
            } else {
                self.look_at([name]);
            }
        }
    }

    /// Gives a turn to destinations whose queues may have grown. Without a lane, what is queued for them stays.
    fn look_at<N: Into<Arc<str>>>(&mut self, names: impl IntoIterator<Item = N>) {
        let lanes = self.lanes.borrow().by_name.clone();
        for name in names {
            let name: Arc<str> = name.into();
            match (self.workers.get_mut(&name), lanes.get(&name)) {
                (Some(worker), _) => worker.look_again(),
                (None, Some(lane)) => _ = self.workers.insert(name.clone(), Worker::new(lane.clone())),
                (None, None) => continue,
            }
            self.give_turn(name);
        }
    }

    /// Takes in the end of an attempt.
    fn ended(&mut self, ended: Result<(Id, Report), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some((name, _)) = self.attempts.remove(&id) else { return };
        let Some(worker) = self.workers.get_mut(&name) else { return };
        match ended {
            Ok((_, report)) => worker.settle(report),
            // A defect of ours. What was in flight is still in the queue; the task begins anew from there.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // It was cut off.
            Err(_) => worker.in_flight = worker.in_flight.saturating_sub(1),
        }
        if worker.in_flight == 0 && self.leaving.remove(&name).is_some() {
            return self.replace(name);
        }
        self.give_turn(name);
    }

    /// Another configuration is in force. A destination begins under it when its attempts in flight have ended; no
    /// destination waits for another one.
    fn reload(&mut self) {
        let within = self.lanes.borrow_and_update().within;
        let until = Instant::now() + within;
        for name in self.workers.keys().cloned().collect::<Vec<_>>() {
            match self.workers.get(&name).map(|worker| worker.in_flight) {
                Some(0) | None => self.replace(name),
                Some(_) => {
                    self.leaving.insert(name.clone(), until);
                    self.set_timer(&name, Some(until));
                }
            }
        }
        self.look_at(self.journal.queued_destinations());
    }

    /// Begins anew with a destination as it is configured now.
    fn replace(&mut self, name: Arc<str>) {
        self.workers.remove(&name);
        self.set_timer(&name, None);
        self.look_at([name]);
    }

    /// Ends attempts that began under another configuration and have gone on for too long.
    fn cut_off(&mut self, name: &str) {
        tracing::warn!("attempts were still under way when the drain time-out was over; they are made again");
        for (of, attempt) in self.attempts.values() {
            if **of == *name {
                attempt.abort();
            }
        }
    }
}
