//! Held events, the same on both engines: late ones, bounds, clocks, memory, losses, rules that change.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hookgate_capabilities::{Ordering as Place, Position};
use hookgate_config::EngineKind;
use hookgate_model::handoff::{EventState, ORDERING};
use hookgate_model::ordering::{Late, OnFailure, SourceOrdering};

use super::support::*;
use crate::{
    engine::{Batch, Durability, Space},
    *,
};

const START: u64 = 1_700_000_000_000;
const WINDOW: u64 = 2_000;
const GAP_TIMEOUT: u64 = 30_000;

pub(super) fn rules(window: u64, gap_timeout: u64, late: Late, per_key: u64) -> SourceOrdering {
    SourceOrdering {
        window: Duration::from_millis(window),
        gap_timeout: Duration::from_millis(gap_timeout),
        late,
        per_key,
        per_source: 1_000_000,
        ahead: Duration::from_secs(3600),
        memory: Duration::from_secs(86_400),
        on_failure: OnFailure::Continue,
    }
}

/// A delivery with events of these keys and positions.
pub(super) fn ordered(events: &[(String, Position)], rules: SourceOrdering) -> Commit {
    let mut commit = commit(b"{}", &vec![None; events.len()]);
    for ((admission, _), (key, position)) in commit.events.iter_mut().zip(events) {
        admission.identity.ordering = Some(Place { key: key.clone(), position: *position });
    }
    commit.ordering = Some(rules);
    commit
}

/// A journal whose clock a test sets, and what it was told.
struct Bench {
    _dir: tempfile::TempDir,
    store: hookgate_config::Store,
    clock: TestClock,
    now: u64,
    journal: Journal,
    rules: SourceOrdering,
}

impl Bench {
    fn new(engine: EngineKind, late: Late) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let clock = TestClock::at(START);
        let journal = Journal::open_with(&store, clock.clock(), Box::new(free_bytes)).unwrap();
        let rules = rules(WINDOW, GAP_TIMEOUT, late, 100);
        Bench { _dir: dir, store, clock, now: START, journal, rules }
    }

    fn restarted(self) -> Bench {
        close(self.journal);
        let journal = Journal::open_with(&self.store, self.clock.clock(), Box::new(free_bytes)).unwrap();
        Bench { journal, ..self }
    }

    fn send(&self, key: &str, position: Position) -> EventId {
        new(&wait(self.journal.commit(ordered(&[(key.to_owned(), position)], self.rules.clone()))).unwrap())
    }

    fn times<const N: usize>(&self, key: &str, times: [u64; N]) -> [EventId; N] {
        times.map(|at| self.send(key, Position::Timestamp(START + at)))
    }

    fn numbers<const N: usize>(&self, key: &str, numbers: [u64; N]) -> [EventId; N] {
        numbers.map(|number| self.send(key, Position::Sequence(number)))
    }

    /// Time passes, by both clocks.
    fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.clock.set(self.now);
        // The sweeper may have begun a batch, which keeps the time of its beginning and still takes requests in. It is over
        // when this request is answered, so the next one sees the new time.
        wait(self.journal.has_claim(uuid::Uuid::nil())).unwrap();
        self.release();
    }

    fn release(&self) {
        let late = BTreeMap::from([("shop".to_owned(), self.rules.late)]);
        while wait(self.journal.release(late.clone())).unwrap() {}
    }

    fn inbox(&self) -> Vec<EventId> {
        self.journal.waiting()
    }

    fn marks(&self, event: EventId) -> Marks {
        let waiting = self.journal.inbox(None, usize::MAX).unwrap();
        waiting.iter().find(|waiting| waiting.event == event).unwrap().marks
    }

    fn state(&self, event: EventId) -> EventState {
        let filter = EventFilter { limit: 1000, ..EventFilter::default() };
        let listed = self.journal.events(&filter).unwrap();
        listed.items.iter().find(|listed| listed.id == event).unwrap().state
    }

    fn held(&self) -> u64 {
        self.journal.stats().unwrap().held.values().sum()
    }
}

fn on_both(late: Late, test: impl Fn(Bench)) {
    on_both_engines(|engine| test(Bench::new(engine, late)));
}

#[test]
fn times_leave_in_order_after_the_window_and_across_a_restart() {
    on_both(Late::Deliver, |mut bench| {
        let [c, a] = bench.times("x", [30, 10]);
        assert_eq!((bench.inbox(), bench.held()), (vec![], 2));
        assert_eq!(bench.state(a), EventState::Held);
        let Some(Stage::Held { until, number: None }) = bench.journal.stage(a).unwrap() else { panic!("not held") };
        assert_eq!(until, START + WINDOW);
        bench.pass(WINDOW - 1);
        let [b] = bench.times("x", [20]);
        assert_eq!(bench.journal.next_release().unwrap(), Some(Duration::from_millis(1)));
        let mut bench = bench.restarted();
        bench.pass(1);
        // The time that has passed since the last write is not known after a restart.
        bench.pass(WINDOW);
        assert_eq!((bench.inbox(), bench.held()), (vec![a, b, c], 0));
        assert_eq!(bench.journal.next_release().unwrap(), None);
        assert_eq!(bench.state(a), EventState::Waiting);
        let [early, same] = bench.times("x", [29, 30]);
        assert_eq!((bench.inbox().len(), bench.marks(early).late), (4, true));
        bench.pass(WINDOW);
        assert_eq!(bench.inbox().last(), Some(&same));
    });
}

#[test]
fn numbers_wait_for_each_other_and_say_what_is_missing() {
    on_both(Late::Deliver, |mut bench| {
        let [one, four, three] = bench.numbers("x", [1, 4, 3]);
        assert_eq!(bench.inbox(), [one]);
        let Some(Stage::Held { number, .. }) = bench.journal.stage(four).unwrap() else { panic!("not held") };
        assert_eq!(number, Some(2));
        let [other] = bench.numbers("y", [1]);
        let [two] = bench.numbers("x", [2]);
        assert_eq!(bench.inbox(), [one, other, two, three, four]);
        let [seven] = bench.numbers("x", [7]);
        bench.pass(GAP_TIMEOUT - 1);
        assert_eq!(bench.held(), 1);
        bench.pass(1);
        assert_eq!(bench.inbox().last(), Some(&seven));
        assert_eq!(bench.marks(seven), Marks { missing: 2, ..Marks::default() });
    });
}

#[test]
fn events_without_a_position_and_other_kinds_go_at_once() {
    on_both(Late::Deliver, |bench| {
        let first = bench.send("x", Position::Arrival);
        bench.times("x", [5]);
        let second = bench.send("x", Position::Arrival);
        let plain = new(&wait(bench.journal.commit(commit(b"{}", &[None]))).unwrap());
        assert_eq!((bench.inbox(), bench.held()), (vec![first, second, plain], 1));
    });
}

#[test]
fn a_late_event_is_a_dead_letter_that_can_be_redriven() {
    on_both(Late::DeadLetter, |mut bench| {
        let [b] = bench.times("x", [20]);
        bench.pass(WINDOW);
        let [a] = bench.times("x", [10]);
        assert_eq!((bench.inbox(), bench.state(a)), (vec![b], EventState::Dead));
        let letters = bench.journal.dead_letters(Some(ORDERING), None, 9).unwrap().items;
        assert_eq!(letters.len(), 1);
        let letter = bench.journal.handoff(&letters[0].1).unwrap().unwrap();
        assert!(letter.attempts[0].error.as_ref().unwrap().starts_with("late"));
        assert_eq!(wait(bench.journal.redrive_all(ORDERING)).unwrap(), 1);
        assert_eq!((bench.inbox(), bench.marks(a).late), (vec![b, a], true));
        wait(bench.journal.fan_out(a, vec![output("a")], Vec::new())).unwrap();
        assert_eq!(bench.state(a), EventState::Delivered);
        assert!(bench.journal.dead_letters(None, None, 9).unwrap().items.is_empty());
    });
}

#[test]
fn a_late_event_that_is_dropped_is_kept_until_its_retention_ends() {
    on_both(Late::Drop, |mut bench| {
        bench.numbers("x", [1, 2]);
        let [again] = bench.numbers("x", [2]);
        assert_eq!((bench.inbox().len(), bench.state(again)), (2, EventState::Dropped));
        assert!(bench.journal.dead_letters(None, None, 9).unwrap().items.is_empty());
        // It can be had all the same.
        assert!(wait(bench.journal.replay(again, &[])).unwrap());
        assert_eq!(bench.inbox().last(), Some(&again));
        wait(bench.journal.fan_out(again, Vec::new(), Vec::new())).unwrap();
        bench.pass(4_000_000);
        let swept = sweep::Sweeper::default().pass(&bench.journal, bench.store.retention).unwrap();
        assert_eq!((swept.deliveries, bench.journal.event(again).unwrap().is_none()), (1, true));
    });
}

#[test]
fn what_is_held_is_not_swept_and_a_replay_leaves_it_where_it_is() {
    on_both(Late::Deliver, |mut bench| {
        bench.rules.gap_timeout = Duration::from_secs(86_400);
        let [held] = bench.numbers("x", [5]);
        assert!(wait(bench.journal.replay(held, &["orders".to_owned()])).unwrap());
        assert_eq!((bench.inbox(), bench.held()), (vec![], 1));
        bench.pass(4_000_000);
        let swept = sweep::Sweeper::default().pass(&bench.journal, bench.store.retention).unwrap();
        assert_eq!((swept.deliveries, bench.held()), (0, 1));
        bench.pass(86_400_000);
        assert_eq!(bench.inbox(), [held]);
    });
}

#[test]
fn full_buffers_release_the_first_and_lose_nothing() {
    on_both(Late::Deliver, |mut bench| {
        bench.rules.per_key = 3;
        let [d, b, c, a] = bench.times("x", [40, 20, 30, 10]);
        assert_eq!((bench.inbox(), bench.held()), (vec![a], 3));
        assert!(bench.marks(a).overflow);
        // Of a source, the first one of the key of which an event is due first.
        (bench.rules.per_key, bench.rules.per_source) = (100, 4);
        bench.pass(1);
        let [y] = bench.times("y", [5]);
        let [z] = bench.times("z", [6]);
        assert_eq!((bench.inbox(), bench.held()), (vec![a, b], 4));
        assert!(bench.marks(b).overflow);
        bench.pass(WINDOW);
        let left = bench.inbox();
        assert_eq!((left.len(), bench.held()), (6, 0));
        let place = |id: EventId| left.iter().position(|left| *left == id).unwrap();
        assert!(place(c) < place(d) && left.contains(&y) && left.contains(&z));
        assert!(!bench.marks(d).overflow);
    });
}

#[test]
fn a_time_far_ahead_makes_no_other_event_late() {
    on_both(Late::Deliver, |mut bench| {
        let far = bench.send("x", Position::Timestamp(u64::MAX));
        bench.pass(WINDOW);
        assert_eq!(bench.marks(far), Marks { ahead: true, ..Marks::default() });
        let at = |bench: &Bench| Position::Timestamp(bench.now);
        let next = bench.send("x", at(&bench));
        bench.pass(WINDOW);
        assert_eq!((bench.inbox(), bench.marks(next)), (vec![far, next], Marks::default()));
        // A clock of ours that was set far back makes all times lie ahead: then the order of arrival is kept.
        let mut delivery = ordered(&[("x".to_owned(), at(&bench))], bench.rules.clone());
        Arc::make_mut(&mut delivery.delivery).request.received_at = 1;
        let last = new(&wait(bench.journal.commit(delivery)).unwrap());
        bench.pass(WINDOW);
        assert_eq!((bench.inbox(), bench.marks(last).late), (vec![far, next, last], false));
    });
}

#[test]
fn clocks_that_are_set_neither_hold_nor_release() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let (wall, steady) = (TestClock::at(START), TestClock::at(0));
        let clocks = || write::clock::Clocks { wall: wall.clock(), steady: steady.clock() };
        let journal = Journal::open_with(&store, clocks(), Box::new(free_bytes)).unwrap();
        let rules = rules(WINDOW, GAP_TIMEOUT, Late::Deliver, 10);
        let placed = [("x".to_owned(), Position::Timestamp(START))];
        let held = new(&wait(journal.commit(ordered(&placed, rules))).unwrap());
        for set_to in [0, START + 100_000_000] {
            wall.set(set_to);
            assert!(!wait(journal.release(BTreeMap::new())).unwrap());
            assert_eq!(journal.waiting(), []);
        }
        close(journal);
        // Whatever the clocks say after a start, the rest of the time is waited.
        wall.set(5);
        steady.set(1_000_000);
        let journal = Journal::open_with(&store, clocks(), Box::new(free_bytes)).unwrap();
        assert_eq!(journal.next_release().unwrap(), Some(Duration::from_millis(WINDOW)));
        steady.set(1_000_000 + WINDOW);
        wait(journal.release(BTreeMap::new())).unwrap();
        assert_eq!(journal.waiting(), [held]);
    });
}

#[test]
fn other_rules_hold_nothing_longer_and_none_hold_nothing() {
    on_both(Late::Deliver, |mut bench| {
        bench.rules.window = Duration::from_secs(3_600);
        bench.rules.per_key = 1_000;
        for n in 0..600 {
            bench.send("x", Position::Timestamp(START + 600 - n));
        }
        let [five] = bench.numbers("y", [5]);
        bench.rules.window = Duration::from_millis(WINDOW);
        wait(bench.journal.bring_forward("shop", Some(&bench.rules))).unwrap();
        assert_eq!(bench.journal.next_release().unwrap(), Some(Duration::from_millis(WINDOW)));
        bench.pass(WINDOW);
        let left = bench.inbox();
        assert_eq!((left.len(), bench.held()), (600, 1));
        assert_eq!(bench.state(five), EventState::Held);
        wait(bench.journal.bring_forward("shop", None)).unwrap();
        bench.release();
        assert_eq!((bench.inbox().last(), bench.held()), (Some(&five), 0));
    });
}

#[test]
fn a_key_for_each_event_is_forgotten_after_its_time() {
    let keys = u64::from(cases("HOOKGATE_ORDERING_KEYS", 3_000));
    on_both(Late::Deliver, |mut bench| {
        for page in 0..keys / 500 {
            let events: Vec<_> =
                (0..500).map(|n| (format!("key {}", page * 500 + n), Position::Timestamp(START + n))).collect();
            wait(bench.journal.commit(ordered(&events, bench.rules.clone()))).unwrap();
        }
        assert_eq!(bench.held(), keys);
        bench.pass(WINDOW);
        assert_eq!((bench.held(), bench.inbox().len() as u64), (0, keys));
        let mut sweeper = sweep::Sweeper::default();
        // The journal's own sweeper may come first: what counts is what is left.
        let mut sweep = |bench: &Bench| {
            sweeper.pass(&bench.journal, Duration::from_secs(1_000_000)).unwrap();
            let engine = bench.journal.0.shared.engine().unwrap();
            let most = usize::try_from(keys).unwrap() + 1;
            engine::collect(&*engine, Space::OrderingKeys, &record::keys::all(), most, |key| Some(key.to_vec()))
                .unwrap()
                .len()
        };
        bench.pass(80_000_000);
        assert_eq!(sweep(&bench) as u64, keys);
        // This one is remembered for longer.
        bench.times("key 7", [9_000]);
        bench.pass(10_000_000);
        assert_eq!(sweep(&bench), 1);
        bench.pass(90_000_000);
        assert_eq!(sweep(&bench), 0);
        let engine = bench.journal.0.shared.engine().unwrap();
        for space in [Space::Held, Space::HeldDue, Space::OrderingKeys, Space::Expiry] {
            let left = engine::collect(&*engine, space, &record::keys::all(), 9, |key| Some(key.to_vec())).unwrap();
            assert!(left.is_empty(), "{} keeps {left:?}", space.name());
        }
    });
}

#[test]
fn a_damaged_record_holds_up_no_other_key() {
    on_both(Late::Deliver, |mut bench| {
        let [b, a] = bench.times("x", [20, 10]);
        let [other] = bench.times("y", [10]);
        let engine = bench.journal.0.shared.engine().unwrap();
        let mut batch = Batch::default();
        for key in
            engine::collect(&*engine, Space::OrderingKeys, &record::keys::all(), 9, |key| Some(key.to_vec())).unwrap()
        {
            batch.put(Space::OrderingKeys, key, vec![9, 9]);
        }
        engine.apply(batch, 100, Durability::Process).unwrap();
        drop(engine);
        let [late] = bench.times("x", [5]);
        bench.pass(WINDOW);
        let mut left = bench.inbox();
        left.retain(|id| *id != other);
        assert_eq!((left, bench.held()), (vec![late, a, b], 0));
    });
}

#[test]
fn what_was_held_goes_on_after_a_loss() {
    on_both(Late::Deliver, |bench| {
        let [c, a, b] = bench.times("x", [30, 10, 20]);
        let [one] = bench.numbers("y", [1]);
        close(bench.journal);
        let mended = accept_loss(&bench.store).unwrap();
        assert_eq!(mended, AcceptedLoss::default());
        let journal = Journal::open(&bench.store).unwrap();
        assert_eq!(journal.waiting(), [one, a, b, c]);
        let stats = journal.stats().unwrap();
        assert_eq!((stats.inbox, stats.held), (4, BTreeMap::new()));
        let next = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        assert_eq!(journal.waiting().last(), Some(&next));
    });
}
