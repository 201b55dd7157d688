//! The journal against a simple model of it: random work, clock steps and restarts; everything that can be asked must
//! agree after each step.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use hookgate_config::EngineKind;
use hookgate_model::handoff::TRANSFORM;
use hookgate_model::ordering::OnFailure;
use proptest::{collection::vec, prelude::*};

use super::support::*;
use crate::*;

const START: u64 = 1_700_000_000_000;
const TTL: u64 = 600_000;
/// How long signatures are remembered.
const SIGNED: u64 = 400_000;
const DESTINATIONS: [&str; 3] = ["a", "ab", "b"];

#[derive(Clone, Debug)]
enum Step {
    /// A delivery with events of these keys (0: none), verified by these signatures. In their final form if so many outputs
    /// go to the destinations whose bit is set.
    Commit(Vec<u8>, Vec<u8>, Option<(u8, u16)>),
    /// The first event of the inbox, so many outputs to the destinations whose bit is set, in a strand.
    FanOut(u8, u16, Option<(u8, OnFailure)>),
    FanOutFailed,
    /// The first handoff of a destination's queue.
    Record(usize, Outcome),
    /// The first handoff of a destination's queue with all that wait behind it, all delivered.
    RecordRun(usize),
    Redrive(usize),
    Discard(usize),
    /// The n-th dead letter of a destination.
    RedriveOne(usize, usize),
    DiscardOne(usize, usize),
    /// The n-th event that was ever admitted.
    Replay(usize, Option<usize>),
    /// The n-th duplicate that is listed.
    AdmitDuplicate(usize),
    Clock(i32),
    Sweep,
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Delivered,
    Retry(u16),
    Dead,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![Just(Outcome::Delivered), any::<u16>().prop_map(Outcome::Retry), Just(Outcome::Dead),];
    let strand = (0u8..2, prop_oneof![Just(OnFailure::Continue), Just(OnFailure::Block)]);
    let step = prop_oneof![
        6 => (vec(0u8..6, 1..4), vec(0u8..6, 0..3), proptest::option::of((0u8..8, 0u16..3)))
            .prop_map(|(keys, signatures, straight)| Step::Commit(keys, signatures, straight)),
        6 => (0u8..8, 1u16..3, proptest::option::weighted(0.7, strand)).prop_map(|(to, outputs, strand)| Step::FanOut(to, outputs, strand)),
        1 => Just(Step::FanOutFailed),
        8 => (0..3usize, outcome).prop_map(|(to, outcome)| Step::Record(to, outcome)),
        2 => (0..3usize).prop_map(Step::RecordRun),
        1 => (0..4usize).prop_map(Step::Redrive),
        1 => (0..4usize).prop_map(Step::Discard),
        1 => (0..3usize, 0..3usize).prop_map(|(to, n)| Step::RedriveOne(to, n)),
        1 => (0..3usize, 0..3usize).prop_map(|(to, n)| Step::DiscardOne(to, n)),
        1 => (0..20usize, proptest::option::of(0..3usize)).prop_map(|(event, to)| Step::Replay(event, to)),
        2 => (0..6usize).prop_map(Step::AdmitDuplicate),
        2 => prop_oneof![-5_000..5_000i32, 500_000..700_000i32, 3_000_000..4_000_000i32].prop_map(Step::Clock),
        1 => Just(Step::Sweep),
        1 => Just(Step::Restart),
    ];
    vec(step, 1..60)
}

/// What the journal must know.
#[derive(Default)]
struct Model {
    now: u64,
    /// The time by which handoffs wait.
    waited: u64,
    keys: BTreeMap<u8, (u64, EventId)>,
    signatures: BTreeMap<u8, (u64, EventId)>,
    /// In the order of tickets.
    inbox: Vec<EventId>,
    handoffs: BTreeMap<HandoffId, (HandoffState, usize, u32)>,
    /// By destination and number of the strand: its handoffs, and whether each keeps its place when it dies.
    strands: BTreeMap<(String, u8), VecDeque<(HandoffId, bool)>>,
    /// How many outputs each transformed event has.
    outputs: BTreeMap<EventId, u16>,
    admitted: Vec<EventId>,
    swept: BTreeSet<EventId>,
    /// Those that were recorded.
    dropped: BTreeMap<EventId, DroppedModel>,
}

#[derive(Clone, Copy)]
struct DroppedModel {
    of: EventId,
    expires: u64,
    admitted_as: Option<EventId>,
}

/// The journal's own sweeper comes at any time, and the clock may be set back by a little: what expires so soon may be
/// there or not.
const SOON: u64 = 20_000;

impl Model {
    fn queue(&self, destination: &str) -> Vec<(u64, HandoffId)> {
        self.timed(destination, |state| if let HandoffState::Pending(due) = state { Some(due) } else { None })
    }

    fn dead(&self, destination: &str) -> Vec<(u64, HandoffId)> {
        self.timed(destination, |state| if let HandoffState::Dead(at) = state { Some(at) } else { None })
    }

    fn timed(&self, destination: &str, time: impl Fn(HandoffState) -> Option<u64>) -> Vec<(u64, HandoffId)> {
        let of = self.handoffs.iter().filter(|(id, _)| id.destination == destination);
        let mut found: Vec<_> = of.filter_map(|(id, (state, ..))| Some((time(*state)?, id.clone()))).collect();
        found.sort();
        found
    }

    fn queue_anew(&mut self, id: HandoffId, strand: Option<(u8, OnFailure)>) {
        let (before, attempts, _) = self.handoffs.get(&id).copied().unwrap_or((HandoffState::Dead(0), 0, 0));
        if matches!(before, HandoffState::Waiting(_)) {
            return;
        }
        let mut state = HandoffState::Pending(self.waited);
        if let (None, Some((number, on_failure))) = (self.strand_of(&id), strand) {
            let strand = self.strands.entry((id.destination.clone(), number)).or_default();
            if !strand.is_empty() {
                state = HandoffState::Waiting(self.now);
            }
            strand.push_back((id.clone(), on_failure == OnFailure::Block));
        }
        self.handoffs.insert(id, (state, attempts, 0));
    }

    fn strand_of(&self, id: &HandoffId) -> Option<(String, u8)> {
        let found = self.strands.iter().find(|(_, strand)| strand.iter().any(|(member, _)| member == id));
        found.map(|(key, _)| key.clone())
    }

    /// Moves a handoff to a state; a strand whose first one it was goes on.
    fn put(&mut self, id: &HandoffId, state: HandoffState) {
        self.handoffs.get_mut(id).unwrap().0 = state;
        let Some(key) = self.strand_of(id) else { return };
        let strand = self.strands.get_mut(&key).unwrap();
        assert_eq!(strand[0].0, *id, "only the first of a strand is worked on");
        let leaves = match state {
            HandoffState::Delivered(_) | HandoffState::Discarded(_) => true,
            HandoffState::Dead(_) => !strand[0].1,
            HandoffState::Pending(_) | HandoffState::Waiting(_) => false,
        };
        if leaves {
            strand.pop_front();
            if let Some((next, _)) = strand.front() {
                self.handoffs.get_mut(next).unwrap().0 = HandoffState::Pending(self.waited);
            }
        }
    }

    fn tried(&mut self, id: &HandoffId, state: HandoffState) {
        let handoff = self.handoffs.get_mut(id).unwrap();
        (handoff.1, handoff.2) = (handoff.1 + 1, handoff.2 + 1);
        self.put(id, state);
    }

    /// What is listed, newest delivery first.
    fn listed(&self) -> Vec<(EventId, EventId, Option<EventId>)> {
        let lasting = self.dropped.iter().filter(|(_, dropped)| dropped.expires > self.now + SOON);
        let mut listed: Vec<_> = lasting.map(|(id, dropped)| (*id, dropped.of, dropped.admitted_as)).collect();
        listed.sort_by_key(|(id, ..)| (std::cmp::Reverse(id.delivery), id.index));
        listed
    }

    fn first_waiting(&mut self) -> Option<EventId> {
        (!self.inbox.is_empty()).then(|| self.inbox.remove(0))
    }

    fn put_into_inbox(&mut self, event: EventId) {
        if !self.inbox.contains(&event) {
            self.inbox.push(event);
        }
    }

    fn finished(&self, event: EventId) -> bool {
        let delivery = event.delivery;
        !self.inbox.iter().any(|id| id.delivery == delivery)
            && self.handoffs.iter().all(|(id, (state, ..))| id.event.delivery != delivery || state.is_finished())
    }

    /// How many of a destination wait, and how many dead letters block a strand.
    fn waiting_and_blocking(&self, destination: &str) -> (u64, u64) {
        let of = self.strands.iter().filter(|((name, _), strand)| name == destination && !strand.is_empty());
        let blocked =
            |strand: &VecDeque<(HandoffId, bool)>| matches!(self.handoffs[&strand[0].0].0, HandoffState::Dead(_));
        of.fold((0, 0), |(waiting, blocking), (_, strand)| {
            (waiting + strand.len() as u64 - 1, blocking + u64::from(blocked(strand)))
        })
    }
}

fn run(engine: EngineKind, steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), engine);
    let clock = TestClock::at(START);
    let mut journal = Journal::open_with(&store, clock.clock(), Box::new(free_bytes)).unwrap();
    let mut sweeper = sweep::Sweeper::default();
    let mut model = Model { now: START, ..Model::default() };
    for step in steps {
        match step {
            Step::Clock(by) => {
                model.now = model.now.saturating_add_signed(by.into());
                model.waited += u64::try_from(by).unwrap_or(0);
                clock.set(model.now);
                assert_eq!(journal.wait_time(), model.waited);
            }
            Step::Restart => {
                close(journal);
                journal = Journal::open_with(&store, clock.clock(), Box::new(free_bytes)).unwrap();
                sweeper = sweep::Sweeper::default();
            }
            other => do_step(&journal, &mut sweeper, store.retention, &mut model, other),
        }
        compare(&journal, &model);
    }
}

fn do_step(journal: &Journal, sweeper: &mut sweep::Sweeper, retention: Duration, model: &mut Model, step: Step) {
    match step {
        Step::Commit(keys, signatures, straight) => do_commit(journal, model, &keys, &signatures, straight),
        Step::FanOut(to, outputs, strand) => do_fan_out(journal, model, to, outputs, strand),
        Step::FanOutFailed => {
            let Some(event) = model.first_waiting() else { return };
            wait(journal.fan_out_failed(event, "it trapped".to_owned())).unwrap();
            let id = HandoffId { destination: TRANSFORM.to_owned(), event, output: 0 };
            let (_, attempts, tries) = model.handoffs.get(&id).copied().unwrap_or((HandoffState::Dead(0), 0, 0));
            model.handoffs.insert(id, (HandoffState::Dead(model.now), attempts + 1, tries + 1));
        }
        Step::Record(to, outcome) => {
            let Some((_, id)) = model.queue(DESTINATIONS[to]).first().cloned() else { return };
            let state = match outcome {
                Outcome::Delivered => HandoffState::Delivered(model.now),
                Outcome::Retry(ms) => HandoffState::Pending(model.waited + u64::from(ms)),
                Outcome::Dead => HandoffState::Dead(model.now),
            };
            wait(journal.record(&id, failure(model.now), state)).unwrap();
            model.tried(&id, state);
        }
        Step::RecordRun(to) => {
            let Some((_, id)) = model.queue(DESTINATIONS[to]).first().cloned() else { return };
            let behind = match journal.handoff(&id).unwrap().unwrap().place {
                Some(place) => journal.behind(&id, &place, 100).unwrap(),
                None => Vec::new(),
            };
            let expected = model
                .strand_of(&id)
                .map_or_else(Vec::new, |key| model.strands[&key].iter().skip(1).map(|(id, _)| id.clone()).collect());
            assert_eq!(behind, expected);
            let all: Vec<_> = std::iter::once(id).chain(behind).collect();
            let state = HandoffState::Delivered(model.now);
            let steps = all.iter().map(|id| (id.clone(), success(model.now), state)).collect();
            wait(journal.record_all(steps)).unwrap();
            all.iter().for_each(|id| model.tried(id, state));
        }
        Step::Redrive(to) | Step::Discard(to) => {
            let name = DESTINATIONS.get(to).copied().unwrap_or(TRANSFORM);
            let due = model.dead(name);
            let redrive = matches!(step, Step::Redrive(_));
            let moved = if redrive { wait(journal.redrive_all(name)) } else { wait(journal.discard_all(name)) };
            assert_eq!(moved.unwrap(), due.len());
            due.iter().for_each(|(_, id)| do_move_dead(model, id, redrive));
        }
        Step::RedriveOne(to, n) | Step::DiscardOne(to, n) => {
            let Some((_, id)) = model.dead(DESTINATIONS[to]).get(n).cloned() else { return };
            let redrive = matches!(step, Step::RedriveOne(..));
            let ids = vec![id.clone()];
            let moved = if redrive { wait(journal.redrive(ids)) } else { wait(journal.discard(ids)) };
            assert_eq!(moved.unwrap(), 1);
            do_move_dead(model, &id, redrive);
        }
        Step::Replay(event, to) => {
            let Some(&event) = model.admitted.get(event) else { return };
            let to: Vec<String> = to.map(|to| DESTINATIONS[to].to_owned()).into_iter().collect();
            let kept = wait(journal.replay(event, &to)).unwrap();
            assert_eq!(kept, !model.swept.contains(&event));
            match to.first() {
                _ if !kept => {}
                Some(destination) if model.outputs.contains_key(&event) => {
                    let before: Vec<_> = model.handoffs.keys().filter(|id| id.event == event).cloned().collect();
                    let mut again: Vec<_> = before.into_iter().filter(|id| id.destination == *destination).collect();
                    if again.is_empty() {
                        again = (0..model.outputs[&event])
                            .map(|output| HandoffId { destination: destination.clone(), event, output })
                            .collect();
                    }
                    again.into_iter().for_each(|id| model.queue_anew(id, None));
                }
                _ => model.put_into_inbox(event),
            }
        }
        Step::AdmitDuplicate(n) => {
            let Some((id, _, before)) = model.listed().get(n).copied() else { return };
            match (before, wait(journal.admit_duplicate(id, None)).unwrap()) {
                (Some(before), DuplicateOrder::AdmittedBefore(event)) => assert_eq!(event, before),
                (None, DuplicateOrder::Admitted(event)) => {
                    assert!(model.admitted.last().is_none_or(|last| event > *last));
                    model.admitted.push(event);
                    model.put_into_inbox(event);
                    model.dropped.get_mut(&id).unwrap().admitted_as = Some(event);
                }
                other => panic!("{id}: {other:?}"),
            }
        }
        Step::Sweep => {
            sweeper.pass(journal, retention).unwrap();
            // What is swept must have been finished; the model does not tell when.
            let gone = model.admitted.iter().filter(|id| journal.event(**id).unwrap().is_none());
            for id in gone.copied().collect::<Vec<_>>() {
                assert!(model.finished(id), "{id} was swept too early");
                model.swept.insert(id);
                model.handoffs.retain(|handoff, _| handoff.event != id);
            }
            model.keys.retain(|_, (expires, _)| *expires > model.now);
            model.signatures.retain(|_, (expires, _)| *expires > model.now);
        }
        Step::Clock(_) | Step::Restart => unreachable!(),
    }
}

fn do_fan_out(journal: &Journal, model: &mut Model, to: u8, outputs: u16, strand: Option<(u8, OnFailure)>) {
    let Some(event) = model.first_waiting() else { return };
    let Routed { outputs: made, to, .. } = routed(to, outputs);
    match strand {
        Some((number, on_failure)) => {
            let strand = Strand::of("shop", &number.to_string(), on_failure);
            wait(journal.fan_out_in_order(event, made, to.clone(), strand)).unwrap();
        }
        None => wait(journal.fan_out(event, made, to.clone())).unwrap(),
    }
    model.outputs.insert(event, outputs);
    let transform = HandoffId { destination: TRANSFORM.to_owned(), event, output: 0 };
    if let Some(before) = model.handoffs.get_mut(&transform).filter(|before| !before.0.is_finished()) {
        before.0 = HandoffState::Delivered(model.now);
    }
    for (destination, output) in to {
        model.queue_anew(HandoffId { destination, event, output }, strand);
    }
}

/// So many outputs to the destinations whose bit is set.
fn routed(to: u8, outputs: u16) -> Routed {
    let names: Vec<_> =
        DESTINATIONS.iter().enumerate().filter(|(n, _)| to & (1 << n) != 0).map(|(_, name)| name).collect();
    let pairs = (0..outputs).flat_map(|output| names.iter().map(move |name| ((**name).to_owned(), output)));
    Routed { outputs: vec![output("a"); outputs.into()], to: pairs.collect(), strand: None }
}

fn do_move_dead(model: &mut Model, id: &HandoffId, redrive: bool) {
    if !redrive {
        return model.put(id, HandoffState::Discarded(model.now));
    }
    if id.destination == TRANSFORM {
        model.put_into_inbox(id.event);
    }
    model.handoffs.get_mut(id).unwrap().2 = 0;
    model.put(id, HandoffState::Pending(model.waited));
}

fn do_commit(journal: &Journal, model: &mut Model, keys: &[u8], signatures: &[u8], straight: Option<(u8, u16)>) {
    let named: Vec<_> = keys.iter().map(|n| (*n > 0).then(|| key(u64::from(*n)))).collect();
    let signed: Vec<_> = signatures.iter().map(|n| key(1000 + u64::from(*n))).collect();
    let mut commit = signed_commit(b"{}", &named, &signed, SIGNED);
    if let Some((to, outputs)) = straight {
        commit.id = Some(journal.next_delivery());
        commit.routed = vec![Some(routed(to, outputs)); keys.len()];
    }
    let committed = wait(journal.take_in(commit)).unwrap();
    let (admitted, mut dropped) = (committed.events, committed.dropped.into_iter());
    assert_eq!(admitted.len(), keys.len());
    let now = model.now;
    let known = |kept: &BTreeMap<u8, (u64, EventId)>, n: &u8| {
        kept.get(n).filter(|(expires, _)| *expires > now).map(|(_, event)| *event)
    };
    let seen: Option<Vec<EventId>> = signatures.iter().map(|n| known(&model.signatures, n)).collect();
    let replayed = seen.and_then(|seen| seen.first().copied());
    let signature_expires = signatures.first().and_then(|n| model.signatures.get(n)).map(|(expires, _)| *expires);
    for (n, admitted) in keys.iter().zip(&admitted) {
        let before = known(&model.keys, n).filter(|_| *n > 0);
        if !matches!(admitted, Admitted::New(_)) {
            let expires = before.map(|_| model.keys[n].0).or(signature_expires).unwrap();
            let dropped = dropped.next().unwrap();
            assert_eq!(dropped.of, admitted.event());
            if dropped.recorded {
                model.dropped.insert(dropped.id, DroppedModel { of: dropped.of, expires, admitted_as: None });
            }
        }
        match (before, replayed, *admitted) {
            (Some(first), _, Admitted::Duplicate(id)) => assert_eq!(id, first),
            (None, Some(first), Admitted::Duplicate(id)) if *n == 0 => assert_eq!(id, first),
            (None, Some(first), Admitted::Replayed(id)) if *n > 0 => assert_eq!(id, first),
            (None, None, Admitted::New(id)) => {
                let previous = model.admitted.last();
                assert!(previous.is_none_or(|last| id > *last), "{id} is not above {previous:?}");
                model.admitted.push(id);
                match straight {
                    Some((to, outputs)) => {
                        model.outputs.insert(id, outputs);
                        for (destination, output) in routed(to, outputs).to {
                            model.queue_anew(HandoffId { destination, event: id, output }, None);
                        }
                    }
                    None => model.put_into_inbox(id),
                }
                if *n > 0 {
                    model.keys.insert(*n, (now + TTL, id));
                }
            }
            other => panic!("{other:?}"),
        }
    }
    if replayed.is_none() {
        let new = admitted.iter().find(|admitted| matches!(admitted, Admitted::New(_)));
        let event = new.or(admitted.first()).unwrap().event();
        for n in signatures {
            if known(&model.signatures, n).is_none() {
                model.signatures.insert(*n, (now + SIGNED, event));
            }
        }
    }
}

fn compare(journal: &Journal, model: &Model) {
    assert_eq!(journal.waiting(), model.inbox);
    let stats = journal.stats().unwrap();
    assert_eq!(stats.inbox, model.inbox.len() as u64);
    let listed = journal.duplicates(&DuplicateFilter { limit: usize::MAX, ..DuplicateFilter::default() }).unwrap();
    let lasting = listed.items.into_iter().filter(|duplicate| duplicate.event.expires > model.now + SOON);
    let lasting: Vec<_> = lasting.map(|one| (one.id, one.event.of, one.event.admitted_as)).collect();
    assert_eq!(lasting, model.listed(), "duplicates");
    for name in DESTINATIONS.iter().copied().chain([TRANSFORM]) {
        let (queue, dead) = (model.queue(name), model.dead(name));
        if name != TRANSFORM {
            assert_eq!(journal.queue(name, None, 1000).unwrap(), queue, "queue of {name}");
            let behind = queue.first().map_or(&queue[..], |_| &queue[1..]);
            assert_eq!(journal.queue(name, queue.first(), 1000).unwrap(), behind, "rest of the queue of {name}");
        }
        assert_eq!(journal.dead_letters(Some(name), None, 1000).unwrap().items, dead, "dead letters of {name}");
        let counted = stats.destinations.get(name);
        let counted = counted.map_or((0, 0, 0, 0), |of| (of.queued, of.dead, of.waiting, of.blocking));
        let (waiting, blocking) = model.waiting_and_blocking(name);
        let queued = if name == TRANSFORM { 0 } else { queue.len() as u64 + waiting };
        assert_eq!(counted, (queued, dead.len() as u64, waiting, blocking), "counters of {name}");
    }
    for (id, (state, attempts, tries)) in &model.handoffs {
        let handoff = journal.handoff(id).unwrap().unwrap();
        assert_eq!(
            (handoff.state, handoff.attempts.len().min(32), handoff.tries),
            (*state, (*attempts).min(32), *tries)
        );
        let strand = model.strand_of(id).map(|key| &model.strands[&key]);
        let at = strand.and_then(|strand| strand.iter().position(|(member, _)| member == id));
        let turn = journal.turn(id, &handoff).unwrap();
        let expected = strand.zip(at).map(|(strand, at)| Turn {
            first: strand[0].0.clone(),
            before: at as u64,
            behind: (strand.len() - at - 1) as u64,
        });
        assert_eq!(turn, expected, "turn of {id:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases("HOOKGATE_MODEL_CASES", 24), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fjall_does_as_the_model(steps in steps()) {
        run(EngineKind::Fjall, steps);
    }

    #[test]
    fn sled_does_as_the_model(steps in steps()) {
        run(EngineKind::Sled, steps);
    }
}
