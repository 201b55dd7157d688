//! Order at the destinations: the handoffs of an ordering key go into the queue one after the other, on both engines.

use std::time::Duration;

use hookgate_config::EngineKind;
use hookgate_model::{handoff::EventState, ordering::OnFailure};

use super::support::*;
use crate::{
    engine::{Direction, Space},
    *,
};

const NOW: u64 = 1_700_000_000_000;

fn opened(dir: &tempfile::TempDir, engine: EngineKind) -> (Journal, TestClock) {
    let clock = TestClock::at(NOW);
    (Journal::open_with(&store(dir.path(), engine), clock.clock(), Box::new(free_bytes)).unwrap(), clock)
}

fn handoff(event: EventId, output: u16) -> HandoffId {
    HandoffId { destination: "orders".to_owned(), event, output }
}

/// So many events of one key, routed to `orders`; their handoffs.
fn routed(journal: &Journal, key: &str, count: usize) -> Vec<HandoffId> {
    let strand = Strand::of("shop", key, OnFailure::Continue);
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        let to = vec![("orders".to_owned(), 0)];
        wait(journal.fan_out_in_order(id, vec![output("a")], to, strand)).unwrap();
        ids.push(handoff(id, 0));
    }
    ids
}

fn queued(journal: &Journal) -> Vec<HandoffId> {
    journal.queue("orders", None, 100).unwrap().into_iter().map(|(_, id)| id).collect()
}

fn deliver(journal: &Journal, id: &HandoffId) {
    wait(journal.record(id, success(NOW), HandoffState::Delivered(NOW))).unwrap();
}

/// Entries that strands have in the store.
fn kept(journal: &Journal) -> usize {
    let mut count = 0;
    let counted = journal.0.shared.engine().unwrap().scan(
        Space::Strands,
        &record::keys::all(),
        Direction::Forward,
        &mut |_, _| {
            count += 1;
            std::ops::ControlFlow::Continue(())
        },
    );
    counted.unwrap();
    count
}

#[test]
fn keys_go_one_by_one_beside_each_other_and_leave_nothing_behind() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _clock) = opened(&dir, engine);
        let (a, b) = (routed(&journal, "a", 3), routed(&journal, "b", 2));
        for n in 0..3 {
            let first: Vec<_> = [a.get(n), b.get(n)].into_iter().flatten().cloned().collect();
            assert_eq!(queued(&journal), first);
            first.iter().for_each(|id| deliver(&journal, id));
        }
        assert_eq!((queued(&journal), kept(&journal)), (vec![], 0));
        assert_eq!(journal.stats().unwrap().destinations.len(), 0);
    });
}

#[test]
fn outputs_of_an_event_go_one_after_the_other() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _clock) = opened(&dir, engine);
        let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        let to = (0..3).map(|output| ("orders".to_owned(), output)).collect();
        let strand = Strand::of("shop", "a", OnFailure::Block);
        wait(journal.fan_out_in_order(id, vec![output("a"); 3], to, strand)).unwrap();
        for output in 0..3 {
            assert_eq!(queued(&journal), [handoff(id, output)]);
            deliver(&journal, &handoff(id, output));
        }
    });
}

#[test]
fn what_waits_is_not_finished_whatever_its_age() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let ids = routed(&journal, "a", 2);
        clock.set(NOW + 3_600_001);
        let mut sweeper = sweep::Sweeper::default();
        let mut sweep = || sweeper.pass(&journal, Duration::from_secs(3600)).unwrap().deliveries;
        assert_eq!(sweep(), 0);
        let states = EventFilter { state: Some(EventState::Pending), limit: 9, ..EventFilter::default() };
        assert_eq!(journal.events(&states).unwrap().items.len(), 2);
        deliver(&journal, &ids[0]);
        clock.set(NOW + 3_602_001);
        assert_eq!(sweep(), 1);
        assert_eq!(queued(&journal), ids[1..]);
        deliver(&journal, &ids[1]);
        clock.set(NOW + 3_604_001);
        assert_eq!((sweep(), kept(&journal)), (1, 0));
    });
}

/// Of what waits one record is damaged, one entry too, one record is gone: those behind them go on.
#[test]
fn what_is_damaged_holds_up_nothing_behind_it() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _clock) = opened(&dir, engine);
        let ids = routed(&journal, "a", 5);
        let place = journal.handoff(&ids[2]).unwrap().unwrap().place.unwrap();
        let harmed = ids.clone();
        let harm = move |draft: &mut Draft<'_>| {
            draft.writes.put(Space::Handoffs, record::keys::handoff(&harmed[1]), vec![1, 0xff, 0xff]);
            draft.writes.put(Space::Strands, record::keys::waiting("orders", &place.strand, place.number), vec![9]);
            draft.writes.delete(Space::Handoffs, record::keys::handoff(&harmed[3]));
            Ok(())
        };
        wait(journal.write(Kind::Order, harm)).unwrap();
        deliver(&journal, &ids[0]);
        assert_eq!(queued(&journal), ids[4..]);
        deliver(&journal, &ids[4]);
        assert_eq!(kept(&journal), 0);
    });
}

#[test]
fn a_replay_of_what_waits_leaves_it_in_its_turn_and_one_of_what_has_arrived_goes_at_once() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _clock) = opened(&dir, engine);
        let ids = routed(&journal, "a", 3);
        assert!(wait(journal.replay(ids[1].event, &["orders".to_owned()])).unwrap());
        assert_eq!(queued(&journal), ids[..1]);
        deliver(&journal, &ids[0]);
        assert!(wait(journal.replay(ids[0].event, &["orders".to_owned()])).unwrap());
        assert_eq!(queued(&journal), ids[..2]);
        deliver(&journal, &ids[0]);
        assert_eq!(queued(&journal), ids[1..2]);
    });
}

#[test]
fn after_an_accepted_loss_everything_that_waited_is_queued() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let mut ids = Vec::new();
        for n in 0..4 {
            clock.set(NOW + n);
            ids.extend(routed(&journal, "a", 1));
        }
        close(journal);
        let done = accept_loss(&store(dir.path(), engine)).unwrap();
        assert_eq!(done.handoffs_requeued, 3);
        let (journal, _clock) = opened(&dir, engine);
        assert_eq!((queued(&journal), kept(&journal)), (ids.clone(), 0));
        let figures = journal.stats().unwrap().destinations["orders"];
        assert_eq!((figures.queued, figures.waiting), (4, 0));
        ids.iter().rev().for_each(|id| deliver(&journal, id));
        assert_eq!(queued(&journal), []);
    });
}

#[test]
fn sources_and_keys_are_told_apart() {
    let of = |source, key| Strand::of(source, key, OnFailure::Continue);
    assert_ne!(of("ab", "c"), of("a", "bc"));
    assert_ne!(of("a", ""), of("", "a"));
    assert_eq!(of("a", "b"), of("a", "b"));
}
