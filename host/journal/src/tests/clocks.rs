//! A system's clock that jumps: nothing waits for it, and nothing is forgotten by it.

use std::time::Duration;

use hookgate_config::EngineKind;
use hookgate_model::limits::CLOCK_SETTLE_MS;

use super::support::*;
use crate::{write::clock::Clocks, *};

const START: u64 = 1_700_000_000_000;
const DAY: u64 = 24 * 60 * 60 * 1000;
/// As in [`commit`].
const TTL: u64 = 600_000;

/// A journal with two clocks that a test sets.
struct Bench {
    dir: tempfile::TempDir,
    engine: EngineKind,
    wall: TestClock,
    steady: TestClock,
    passed: u64,
}

impl Bench {
    fn new(engine: EngineKind) -> (Bench, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench { dir, engine, wall: TestClock::at(START), steady: TestClock::at(0), passed: 0 };
        let journal = bench.open();
        (bench, journal)
    }

    fn open(&self) -> Journal {
        let clocks = Clocks { wall: self.wall.clock(), steady: self.steady.clock() };
        Journal::open_with(&store(self.dir.path(), self.engine), clocks, Box::new(|_| Ok(u64::MAX))).unwrap()
    }

    /// Time passes, and the wall clock is ahead of it by so much.
    fn pass(&mut self, ms: u64, ahead: u64) {
        self.passed += ms;
        self.steady.set(self.passed);
        self.wall.set(START + self.passed + ahead);
    }
}

fn queued(journal: &Journal) -> EventId {
    let event = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
    wait(journal.fan_out(event, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
    event
}

fn is_due(journal: &Journal, event: EventId) -> bool {
    let (due, _) = journal.queue("orders", None, 9).unwrap().into_iter().find(|(_, id)| id.event == event).unwrap();
    due <= journal.wait_time()
}

#[test]
fn what_is_queued_while_the_clock_is_fast_or_slow_is_due_at_once() {
    on_both_engines(|engine| {
        for ahead in [60_000, 10 * DAY, 365 * DAY] {
            let (mut bench, journal) = Bench::new(engine);
            bench.pass(1000, ahead);
            let event = queued(&journal);
            assert!(is_due(&journal, event));
            bench.pass(1000, 0);
            assert!(is_due(&journal, event));
            // Also for a gateway that starts with the right clock.
            close(journal);
            let journal = bench.open();
            assert!(is_due(&journal, event));
            close(journal);
        }
    });
}

#[test]
fn a_pause_passes_whatever_the_clock_does() {
    on_both_engines(|engine| {
        let (mut bench, journal) = Bench::new(engine);
        let event = queued(&journal);
        let id = HandoffId { destination: "orders".to_owned(), event, output: 0 };
        let due = journal.wait_time() + 30_000;
        wait(journal.record(&id, failure(1), HandoffState::Pending(due))).unwrap();
        for ahead in [0, 10 * DAY, 0] {
            bench.pass(9000, ahead);
            assert!(!is_due(&journal, event), "not before its time");
        }
        // Operators see when it will be tried, by the clock on the wall.
        assert_eq!(journal.with_wall_times(HandoffState::Pending(due)), HandoffState::Pending(START + 30_000));
        bench.pass(3000, 0);
        assert!(is_due(&journal, event));
        close(journal);
    });
}

#[test]
fn what_has_passed_of_a_pause_is_known_after_a_restart() {
    on_both_engines(|engine| {
        let (mut bench, journal) = Bench::new(engine);
        let event = queued(&journal);
        let id = HandoffId { destination: "orders".to_owned(), event, output: 0 };
        wait(journal.record(&id, failure(1), HandoffState::Pending(30_000))).unwrap();
        bench.pass(29_999, 0);
        close(journal);
        let journal = bench.open();
        assert!(!is_due(&journal, event));
        bench.pass(1, 0);
        assert!(is_due(&journal, event));
        close(journal);
    });
}

#[test]
fn the_age_of_the_oldest_grows_with_the_time_that_passes() {
    on_both_engines(|engine| {
        let (mut bench, journal) = Bench::new(engine);
        let oldest = |journal: &Journal| journal.stats().unwrap().destinations["orders"].oldest;
        bench.pass(1000, 10 * DAY);
        let event = queued(&journal);
        bench.pass(65_000, 0);
        let younger = queued(&journal);
        assert_eq!(oldest(&journal), Some(Duration::from_secs(65)));
        // A pause until its next attempt makes it no younger.
        let id = |event| HandoffId { destination: "orders".to_owned(), event, output: 0 };
        wait(journal.record(&id(event), failure(1), HandoffState::Pending(journal.wait_time() + DAY))).unwrap();
        bench.pass(1000, 0);
        assert_eq!(oldest(&journal), Some(Duration::from_secs(66)));
        wait(journal.record(&id(event), success(1), HandoffState::Delivered(2))).unwrap();
        assert_eq!(oldest(&journal), Some(Duration::from_secs(1)));
        close(journal);
        let journal = bench.open();
        assert_eq!(oldest(&journal), Some(Duration::from_secs(1)));
        wait(journal.record(&id(younger), success(1), HandoffState::Delivered(2))).unwrap();
        assert!(!journal.stats().unwrap().destinations.contains_key("orders"));
        close(journal);
    });
}

#[test]
fn a_jump_forth_and_back_forgets_no_key_and_sweeps_no_event() {
    on_both_engines(|engine| {
        let (mut bench, journal) = Bench::new(engine);
        let retention = store(bench.dir.path(), engine).retention;
        let mut sweeper = sweep::Sweeper::default();
        let first = new(&wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap());
        wait(journal.fan_out(first, Vec::new(), Vec::new())).unwrap();
        bench.pass(1000, 10 * DAY);
        let again = |journal: &Journal| wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap();
        assert_eq!(again(&journal), [Admitted::Duplicate(first)], "during the jump");
        assert!(!journal.0.shared.clock.is_sure());
        assert_eq!(sweeper.pass(&journal, retention).unwrap(), sweep::Swept::default());
        bench.pass(1000, 0);
        assert_eq!(again(&journal), [Admitted::Duplicate(first)], "after it");
        assert_eq!(sweeper.pass(&journal, retention).unwrap(), sweep::Swept::default());
        assert!(journal.event(first).unwrap().is_some());
        // By time that passes both are forgotten.
        bench.pass(TTL, 0);
        assert!(matches!(again(&journal)[..], [Admitted::New(_)]));
        bench.pass(u64::try_from(retention.as_millis()).unwrap(), 0);
        assert_eq!(sweeper.pass(&journal, retention).unwrap().deliveries, 1);
        close(journal);
    });
}

#[test]
fn a_start_with_a_wrong_clock_sweeps_nothing_at_first() {
    let (mut bench, journal) = Bench::new(EngineKind::Fjall);
    let first = new(&wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap());
    close(journal);
    bench.pass(0, 10 * DAY);
    let journal = bench.open();
    assert!(!journal.0.shared.clock.is_sure());
    bench.pass(1000, 0);
    assert_eq!(wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap(), [Admitted::Duplicate(first)]);
    // A clock that stays so is believed in the end.
    bench.pass(CLOCK_SETTLE_MS, 0);
    assert!(journal.0.shared.clock.is_sure());
    close(journal);
}

#[test]
fn dead_letters_of_a_time_when_the_clock_was_fast_are_redriven_with_the_others() {
    on_both_engines(|engine| {
        let (_bench, journal) = Bench::new(engine);
        for at in [START, START + 10 * DAY] {
            let id = HandoffId { destination: "orders".to_owned(), event: queued(&journal), output: 0 };
            wait(journal.record(&id, failure(at), HandoffState::Dead(at))).unwrap();
        }
        assert_eq!(wait(journal.redrive_all("orders")).unwrap(), 2);
        close(journal);
    });
}
