//! The decisions on one key: against the model, and what they promise.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, convert::Infallible};

use proptest::{collection::vec, prelude::*};

use super::{
    Buffer, Cause, Entry, KeyState, Kind, Shelf,
    model::{How, Model},
};

const HOLD: u64 = 100;

/// A key whose events are in memory.
#[derive(Debug, Default)]
struct Memory {
    held: BTreeMap<(u64, u64), u64>,
    left: Vec<(u64, How)>,
    told: Vec<(u64, Cause, u64)>,
}

impl Shelf for Memory {
    type Item = u64;
    type Error = Infallible;

    fn first(&mut self, from: u64) -> Result<Option<Entry<u64>>, Infallible> {
        let first = self.held.range((from, 0)..).next();
        Ok(first.map(|((position, arrival), due)| Entry { position: *position, arrival: *arrival, item: *due }))
    }

    fn hold(&mut self, entry: Entry<u64>) -> Result<(), Infallible> {
        self.held.insert((entry.position, entry.arrival), entry.item);
        Ok(())
    }

    fn take(&mut self, entry: &Entry<u64>) -> Result<(), Infallible> {
        self.held.remove(&(entry.position, entry.arrival)).unwrap();
        Ok(())
    }

    fn release(&mut self, entry: Entry<u64>, cause: Cause, missing: u64) -> Result<(), Infallible> {
        self.left.push((entry.arrival, How::InTime));
        self.told.push((entry.position, cause, missing));
        Ok(())
    }

    fn late(&mut self, entry: Entry<u64>) -> Result<(), Infallible> {
        self.left.push((entry.arrival, How::Late));
        self.told.push((entry.position, Cause::Late, 0));
        Ok(())
    }
}

/// One key in virtual time.
struct Key {
    kind: Kind,
    most: u64,
    now: u64,
    arrivals: u64,
    state: KeyState,
    memory: Memory,
}

impl Key {
    fn new(kind: Kind, most: u64) -> Key {
        Key { kind, most, now: 0, arrivals: 0, state: KeyState::default(), memory: Memory::default() }
    }

    fn buffer(&mut self) -> Buffer<'_, Memory> {
        Buffer { kind: self.kind, state: &mut self.state, shelf: &mut self.memory }
    }

    fn arrive(&mut self, position: u64) {
        let entry = Entry { position, arrival: self.arrivals, item: self.now + HOLD };
        self.arrivals += 1;
        let most = self.most;
        self.buffer().arrive(entry, most).unwrap();
    }

    /// As the journal does: of what is due the last by position, which takes all before it along.
    fn pass(&mut self, by: u64) {
        self.now += by;
        let now = self.now;
        let due = self.memory.held.iter().filter(|(_, due)| **due <= now).map(|(at, _)| *at).next_back();
        if let Some((position, arrival)) = due {
            self.buffer().due(position, arrival).unwrap();
        }
    }

    fn told(&mut self) -> Vec<(u64, Cause, u64)> {
        std::mem::take(&mut self.memory.told)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u64),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let position = prop_oneof![
        20 => 0u64..30,
        1 => Just(u64::MAX),
        1 => Just(u64::MAX - 1),
        1 => any::<u64>(),
    ];
    vec(prop_oneof![5 => position.prop_map(Step::Arrive), 2 => (0u64..HOLD).prop_map(Step::Pass)], 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_as_the_model(steps in steps(), sequence: bool, most in 1u64..12) {
        let kind = if sequence { Kind::Sequence } else { Kind::Timestamp };
        let mut key = Key::new(kind, most);
        let mut model = Model::new(kind, HOLD, most as usize);
        for step in steps {
            match step {
                Step::Arrive(position) => {
                    model.arrive(position, key.arrivals, key.now);
                    key.arrive(position);
                }
                Step::Pass(by) => {
                    key.pass(by);
                    model.pass(key.now);
                }
            }
            prop_assert_eq!(&key.memory.left, &model.left);
            prop_assert_eq!(key.state.held as usize, model.held());
            prop_assert_eq!(key.memory.held.len(), model.held());
            prop_assert!(key.memory.held.len() as u64 <= most);
            prop_assert!(key.memory.held.values().all(|due| *due > key.now), "held for longer than it may be");
        }
        key.pass(HOLD);
        prop_assert!(key.memory.held.is_empty());
        prop_assert_eq!(key.memory.left.len() as u64, key.arrivals, "nothing is lost, nothing goes twice");
    }

    /// Each event comes less than the window after its time.
    #[test]
    fn what_is_shuffled_within_the_window_leaves_in_order(events in vec((0u64..20, 0..HOLD), 1..100)) {
        let mut time = 0;
        let happened: Vec<u64> = events.iter().map(|(pause, _)| { time += pause; time }).collect();
        let mut arrivals: Vec<(u64, u64)> =
            happened.iter().zip(&events).map(|(at, (_, delay))| (at + delay, *at)).collect();
        arrivals.sort();
        let mut key = Key::new(Kind::Timestamp, 1000);
        for (arrives, at) in arrivals {
            key.pass(arrives - key.now);
            key.arrive(at);
        }
        key.pass(HOLD);
        let left: Vec<u64> = key.told().into_iter().map(|(position, cause, _)| {
            assert_eq!(cause, Cause::Window);
            position
        }).collect();
        prop_assert_eq!(left, happened);
    }

    /// All numbers come within the time that is waited for them.
    #[test]
    fn numbers_leave_without_a_gap(order in Just((1u64..60).collect::<Vec<_>>()).prop_shuffle()) {
        let mut key = Key::new(Kind::Sequence, 1000);
        for number in order {
            key.arrive(number);
            key.pass(1);
        }
        let left: Vec<_> = key.told();
        prop_assert_eq!(left, (1..60).map(|number| (number, Cause::InOrder, 0)).collect::<Vec<_>>());
    }
}

#[test]
fn missing_numbers_are_waited_for_and_then_given_up() {
    let mut key = Key::new(Kind::Sequence, 10);
    key.arrive(1);
    key.arrive(5);
    key.pass(HOLD - 1);
    key.arrive(4);
    assert_eq!(key.told(), [(1, Cause::InOrder, 0)]);
    key.pass(1);
    // 5 waited long enough, and takes 4 along.
    assert_eq!(key.told(), [(4, Cause::Gap, 2), (5, Cause::InOrder, 0)]);
    key.arrive(3);
    key.arrive(6);
    assert_eq!(key.told(), [(3, Cause::Late, 0), (6, Cause::InOrder, 0)]);
}

#[test]
fn a_numbering_that_is_joined_begins_with_the_smallest_that_came_in_time() {
    let mut key = Key::new(Kind::Sequence, 10);
    for number in [43, 42, 45] {
        key.arrive(number);
    }
    assert_eq!(key.told(), []);
    key.pass(HOLD);
    assert_eq!(key.told(), [(42, Cause::Gap, 0), (43, Cause::InOrder, 0), (45, Cause::Gap, 1)]);
}

#[test]
fn a_numbering_begins_anew_with_0_or_1_and_what_was_held_goes_first() {
    let mut key = Key::new(Kind::Sequence, 10);
    for number in [0, 1, 2, 6, 4, 1, 2] {
        key.arrive(number);
    }
    let told = key.told();
    assert_eq!(
        told[3..],
        [(4, Cause::Restart, 1), (6, Cause::Restart, 1), (1, Cause::Restart, 0), (2, Cause::InOrder, 0)]
    );
    // Two of the same numbering may be swapped at its beginning.
    let mut key = Key::new(Kind::Sequence, 10);
    for number in [1, 0, 1, 2] {
        key.arrive(number);
    }
    let expected = [(1, Cause::InOrder, 0), (0, Cause::Late, 0), (1, Cause::Late, 0), (2, Cause::InOrder, 0)];
    assert_eq!(key.told(), expected);
}

#[test]
fn a_number_that_comes_twice_while_it_is_held_is_late_behind_the_first() {
    let mut key = Key::new(Kind::Sequence, 10);
    for number in [0, 2, 2, 1] {
        key.arrive(number);
    }
    assert_eq!(key.told()[1..], [(1, Cause::InOrder, 0), (2, Cause::InOrder, 0), (2, Cause::Late, 0)]);
}

#[test]
fn nothing_overflows_at_the_end_of_the_numbers() {
    let mut key = Key::new(Kind::Sequence, 10);
    key.arrive(0);
    key.arrive(u64::MAX);
    key.arrive(u64::MAX);
    key.pass(HOLD);
    key.arrive(u64::MAX);
    key.arrive(7);
    key.arrive(1);
    let expected = [
        (0, Cause::InOrder, 0),
        (u64::MAX, Cause::Gap, u64::MAX - 1),
        (u64::MAX, Cause::Late, 0),
        (u64::MAX, Cause::Late, 0),
        (7, Cause::Late, 0),
        (1, Cause::Restart, 0),
    ];
    assert_eq!(key.told(), expected);
}

#[test]
fn a_full_key_releases_its_first_event() {
    let mut key = Key::new(Kind::Timestamp, 2);
    for at in [30, 20, 40, 10] {
        key.arrive(at);
    }
    assert_eq!(key.told(), [(20, Cause::Overflow, 0), (10, Cause::Late, 0)]);
    let mut key = Key::new(Kind::Sequence, 2);
    for number in [0, 5, 6, 9] {
        key.arrive(number);
    }
    assert_eq!(key.told()[1..], [(5, Cause::Overflow, 4), (6, Cause::InOrder, 0)]);
}
