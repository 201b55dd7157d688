//! Held events against the model: several keys in one journal, random arrivals, time and restarts.

use std::{collections::BTreeMap, time::Duration};

use hookgate_capabilities::Position;
use hookgate_config::EngineKind;
use hookgate_model::ordering::Late;
use proptest::{collection::vec, prelude::*};

use super::{ordering::*, support::*};
use crate::{
    reorder::{
        Kind,
        model::{How, Model},
    },
    *,
};

const START: u64 = 1_700_000_000_000;
const HOLD: u64 = 1_000;
const MOST: u64 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// A delivery with events of these keys and positions.
    Commit(Vec<(u8, u8)>),
    Clock(i32),
    FanOut,
    Restart,
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => vec((0u8..4, 0u8..16), 1..5).prop_map(Step::Commit),
        4 => prop_oneof![0..400i32, 900..1_100i32, Just(-100_000)].prop_map(Step::Clock),
        2 => Just(Step::FanOut),
        1 => Just(Step::Restart),
        1 => Just(Step::Sweep),
    ];
    vec(step, 1..40)
}

/// Even keys have times, odd ones numbers.
fn kind(key: u8) -> Kind {
    if key.is_multiple_of(2) { Kind::Timestamp } else { Kind::Sequence }
}

fn position(key: u8, place: u8) -> Position {
    match kind(key) {
        Kind::Timestamp => Position::Timestamp(START + u64::from(place)),
        Kind::Sequence => Position::Sequence(u64::from(place)),
    }
}

struct World {
    models: BTreeMap<u8, Model>,
    /// Events by their number, with their key.
    admitted: Vec<(EventId, u8)>,
    /// What has left the inbox.
    gone: Vec<(EventId, bool)>,
}

impl World {
    fn commit(&mut self, journal: &Journal, events: &[(u8, u8)]) {
        let now = journal.0.shared.hold_clock.now();
        let rules = rules(HOLD, HOLD, Late::Deliver, MOST);
        let placed: Vec<_> = events.iter().map(|(key, place)| (format!("k{key}"), position(*key, *place))).collect();
        let admitted = wait(journal.commit(ordered(&placed, rules))).unwrap();
        for ((key, place), admitted) in events.iter().zip(admitted) {
            let Admitted::New(id) = admitted else { panic!("{admitted:?}") };
            let model = self.models.entry(*key).or_insert_with(|| Model::new(kind(*key), HOLD, MOST as usize));
            let at = if kind(*key) == Kind::Timestamp { START + u64::from(*place) } else { u64::from(*place) };
            model.arrive(at, self.admitted.len() as u64, now);
            self.admitted.push((id, *key));
        }
    }

    fn release(&mut self, journal: &Journal) {
        let now = journal.0.shared.hold_clock.now();
        while wait(journal.release(BTreeMap::new())).unwrap() {}
        self.models.values_mut().for_each(|model| model.pass(now));
    }

    fn fan_out(&mut self, journal: &Journal) {
        let Some(first) = journal.inbox(None, 1).unwrap().first().copied() else { return };
        wait(journal.fan_out(first.event, vec![output("a")], Vec::new())).unwrap();
        self.gone.push((first.event, first.marks.late));
    }

    fn compare(&self, journal: &Journal) {
        let waiting = journal.inbox(None, usize::MAX).unwrap();
        assert!(waiting.is_sorted_by_key(|waiting| waiting.ticket));
        let mut left = self.gone.clone();
        left.extend(waiting.iter().map(|waiting| (waiting.event, waiting.marks.late)));
        for (key, model) in &self.models {
            let of_key = |event: &EventId| self.admitted.iter().any(|(id, of)| id == event && of == key);
            let left: Vec<_> = left.iter().filter(|(event, _)| of_key(event)).copied().collect();
            let expected: Vec<_> =
                model.left.iter().map(|(number, how)| (self.admitted[*number as usize].0, *how == How::Late)).collect();
            assert_eq!(left, expected, "key {key}");
        }
        let held: usize = self.models.values().map(Model::held).sum();
        let stats = journal.stats().unwrap();
        assert_eq!(stats.held.values().sum::<u64>(), held as u64);
        assert_eq!(stats.inbox, waiting.len() as u64);
        assert_eq!(journal.next_release().unwrap().is_some(), held > 0);
        let states = self.admitted.iter().map(|(id, _)| journal.stage(*id).unwrap());
        let held_of_stage = states.filter(|stage| matches!(stage, Some(Stage::Held { .. }))).count();
        assert_eq!(held_of_stage, held);
    }
}

fn run(engine: EngineKind, steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), engine);
    let clock = TestClock::at(START);
    let mut now = START;
    let mut journal = Journal::open_with(&store, clock.clock(), Box::new(free_bytes)).unwrap();
    let mut world = World { models: BTreeMap::new(), admitted: Vec::new(), gone: Vec::new() };
    for step in steps {
        match step {
            Step::Commit(events) => world.commit(&journal, &events),
            Step::Clock(by) => {
                now = now.saturating_add_signed(by.into());
                clock.set(now);
            }
            Step::FanOut => world.fan_out(&journal),
            Step::Restart => {
                close(journal);
                journal = Journal::open_with(&store, clock.clock(), Box::new(free_bytes)).unwrap();
            }
            Step::Sweep => drop(sweep::Sweeper::default().pass(&journal, Duration::from_secs(1)).unwrap()),
        }
        world.release(&journal);
        world.compare(&journal);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases("HOOKGATE_MODEL_CASES", 24), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fjall_orders_as_the_model(steps in steps()) {
        run(EngineKind::Fjall, steps);
    }

    #[test]
    fn sled_orders_as_the_model(steps in steps()) {
        run(EngineKind::Sled, steps);
    }
}
