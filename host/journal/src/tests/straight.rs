//! Events that are committed in their final form, with the handoffs that they owe.

use std::time::Duration;

use hookgate_capabilities::Position;
use hookgate_model::ordering::{Late, OnFailure};

use super::{ordering, support::*};
use crate::{engine::Space, *};

const NOW: u64 = 1_700_000_000_000;

fn id(event: EventId, destination: &str) -> HandoffId {
    HandoffId { destination: destination.to_owned(), event, output: 0 }
}

/// A delivery whose only event goes to these destinations.
fn straight(number: u64, to: &[&str]) -> Commit {
    let to = to.iter().map(|name| ((*name).to_owned(), 0)).collect();
    let routed = Some(Routed { outputs: vec![output("a")], to, strand: None });
    Commit { routed: vec![routed], ..commit(b"{}", &[Some(key(number))]) }
}

fn states(journal: &Journal, event: EventId) -> Vec<(String, HandoffState)> {
    let handoffs = journal.handoffs_of(event).unwrap();
    handoffs.into_iter().map(|(id, handoff)| (id.destination, handoff.state)).collect()
}

#[test]
fn one_commit_makes_the_event_its_outputs_and_its_handoffs() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let clock = TestClock::at(NOW);
        let opened = || Journal::open_with(&store, clock.clock(), Box::new(free_bytes)).unwrap();
        let journal = opened();
        let event = new(&wait(journal.commit(straight(1, &["orders", "audit"]))).unwrap());
        assert!(journal.waiting().is_empty());
        let check = |journal: &Journal| {
            assert_eq!(journal.event(event).unwrap().unwrap().outputs, Some(vec![output("a")]));
            assert_eq!(journal.queue("orders", None, 9).unwrap(), [(0, id(event, "orders"))]);
            let pending = |name: &str| (name.to_owned(), HandoffState::Pending(0));
            assert_eq!(states(journal, event), [pending("audit"), pending("orders")]);
            let stats = journal.stats().unwrap().destinations;
            assert_eq!((stats["orders"].queued, stats["audit"].queued), (1, 1));
        };
        check(&journal);
        close(journal);
        check(&opened());
    });
}

#[test]
fn the_first_attempt_makes_the_record_of_a_handoff() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let clock = TestClock::at(NOW);
        let journal = Journal::open_with(&store, clock.clock(), Box::new(free_bytes)).unwrap();
        let event = new(&wait(journal.commit(straight(1, &["orders", "audit"]))).unwrap());
        let (orders, audit) = (id(event, "orders"), id(event, "audit"));
        clock.set(NOW + 70);
        let oldest = |name: &str| journal.stats().unwrap().destinations[name].oldest;
        assert_eq!(oldest("orders"), Some(Duration::from_millis(70)));

        wait(journal.record(&audit, success(NOW), HandoffState::Delivered(NOW))).unwrap();
        assert_eq!(journal.handoff(&audit).unwrap().unwrap().tries, 1);
        assert!(journal.queue("audit", None, 9).unwrap().is_empty());
        assert!(!journal.stats().unwrap().destinations.contains_key("audit"));

        wait(journal.record(&orders, failure(NOW), HandoffState::Pending(500))).unwrap();
        assert_eq!(journal.queue("orders", None, 9).unwrap(), [(500, orders.clone())]);
        // It still waits since its commit.
        assert_eq!(oldest("orders"), Some(Duration::from_millis(70)));
        wait(journal.record(&orders, failure(NOW), HandoffState::Dead(NOW))).unwrap();
        assert_eq!(wait(journal.redrive(vec![orders.clone()])).unwrap(), 1);
        wait(journal.record(&orders, success(NOW), HandoffState::Delivered(NOW))).unwrap();
        assert!(journal.stats().unwrap().destinations.is_empty());
        assert_eq!(journal.handoff(&orders).unwrap().unwrap().attempts.len(), 3);
        // Only what an operator replays is queued again.
        assert!(wait(journal.replay(event, &["audit".to_owned()])).unwrap());
        assert_eq!(journal.queue("audit", None, 9).unwrap(), [(70, audit)]);
    });
}

#[test]
fn a_repeated_event_owes_nothing_and_a_new_one_beside_it_does() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&store(dir.path(), engine)).unwrap();
        let first = new(&wait(journal.commit(straight(1, &["orders"]))).unwrap());
        let mut both = straight(1, &["orders"]);
        both.events.push((admission(1), commit(b"", &[Some(key(2))]).events[0].1));
        both.routed.push(both.routed[0].clone());
        let admitted = wait(journal.commit(both)).unwrap();
        let [Admitted::Duplicate(known), Admitted::New(second)] = admitted[..] else { panic!("{admitted:?}") };
        assert_eq!(known, first);
        assert_eq!(second.index, 1);
        let queued: Vec<_> = journal.queue("orders", None, 9).unwrap().into_iter().map(|(_, id)| id.event).collect();
        assert_eq!(queued, [first, second]);
    });
}

#[test]
fn a_delivery_is_kept_until_its_handoffs_are_made() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let clock = TestClock::at(NOW);
        let journal = Journal::open_with(&store, clock.clock(), Box::new(free_bytes)).unwrap();
        let event = new(&wait(journal.commit(straight(1, &["orders"]))).unwrap());
        let unrouted = new(&wait(journal.commit(straight(2, &[]))).unwrap());
        clock.set(NOW + 2 * 3_600_000);
        let mut sweeper = sweep::Sweeper::default();
        sweeper.pass(&journal, store.retention).unwrap();
        assert!(journal.event(event).unwrap().is_some());
        assert!(journal.event(unrouted).unwrap().is_none());
        let delivered = HandoffState::Delivered(NOW);
        wait(journal.record(&id(event, "orders"), success(NOW), delivered)).unwrap();
        clock.set(NOW + 3 * 3_600_000);
        sweeper.pass(&journal, store.retention).unwrap();
        assert!(journal.event(event).unwrap().is_none());
    });
}

#[test]
fn after_a_loss_what_is_owed_is_queued_again() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let journal = Journal::open(&store).unwrap();
        let commits = (1..=3).map(|number| new(&wait(journal.commit(straight(number, &["orders"]))).unwrap()));
        let events: Vec<_> = commits.collect();
        let handoffs = [0, 1, 2].map(|number: usize| id(events[number], "orders"));
        wait(journal.record(&handoffs[0], success(NOW), HandoffState::Delivered(NOW))).unwrap();
        let lost = journal.queue("orders", None, 9).unwrap()[0].clone();
        let lose = move |draft: &mut write::Draft<'_>| {
            draft.writes.delete(Space::Queue, record::keys::timed(lost.0, &lost.1));
            Ok(())
        };
        wait(journal.write(write::Kind::Order, lose)).unwrap();
        close(journal);
        let done = accept_loss(&store).unwrap();
        assert_eq!((done.handoffs_requeued, done.orphans_removed, done.events_requeued), (1, 0, 0));
        let journal = Journal::open(&store).unwrap();
        let queued: Vec<_> = journal.queue("orders", None, 9).unwrap().into_iter().map(|(_, id)| id).collect();
        assert_eq!(queued, handoffs[1..]);
        assert_eq!(journal.stats().unwrap().destinations["orders"].queued, 2);
    });
}

/// An event of an ordering key, on its way to `orders` in its strand.
fn in_order(number: u64) -> Commit {
    let rules = ordering::rules(2_000, 30_000, Late::Deliver, 100);
    let mut commit = ordering::ordered(&[("acct".to_owned(), Position::Sequence(number))], rules);
    let strand = Some(Strand::of("shop", "acct", OnFailure::Block));
    commit.routed = vec![Some(Routed { outputs: vec![output("a")], to: vec![("orders".to_owned(), 0)], strand })];
    commit
}

fn sequence(journal: &Journal, event: EventId) -> String {
    let outputs = journal.event(event).unwrap().unwrap().outputs.unwrap();
    let said = outputs[0].extensions.iter().find(|(name, _)| name == "sequence").unwrap();
    format!("{:?}", said.1)
}

#[test]
fn an_event_whose_turn_it_is_joins_its_strand_with_its_commit() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&store(dir.path(), engine)).unwrap();
        let events = [1, 2].map(|number| new(&wait(journal.commit(in_order(number))).unwrap()));
        assert!(journal.waiting().is_empty());
        assert!(sequence(&journal, events[0]) < sequence(&journal, events[1]));
        let queue =
            || -> Vec<_> { journal.queue("orders", None, 9).unwrap().into_iter().map(|(_, id)| id.event).collect() };
        assert_eq!(queue(), events[..1]);
        wait(journal.record(&id(events[0], "orders"), success(NOW), HandoffState::Delivered(NOW))).unwrap();
        assert_eq!(queue(), events[1..]);
    });
}

#[test]
fn an_event_overtakes_none_that_is_held_or_in_the_inbox() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&store(dir.path(), engine)).unwrap();
        let [first, third, second] = [1, 3, 2].map(|number| new(&wait(journal.commit(in_order(number))).unwrap()));
        assert_eq!(journal.event(third).unwrap().unwrap().outputs, None, "it was held");
        assert!(journal.event(second).unwrap().unwrap().outputs.is_some());
        // The second one has released it.
        assert_eq!(journal.waiting(), [third]);
        let fourth = new(&wait(journal.commit(in_order(4))).unwrap());
        assert_eq!(journal.waiting(), [third, fourth]);
        let strand = || Strand::of("shop", "acct", OnFailure::Block);
        for event in [third, fourth] {
            let to = vec![("orders".to_owned(), 0)];
            wait(journal.fan_out_in_order(event, vec![output("a")], to, strand())).unwrap();
        }
        let fifth = new(&wait(journal.commit(in_order(5))).unwrap());
        for event in [first, second, third, fourth, fifth] {
            let queued = journal.queue("orders", None, 9).unwrap();
            assert_eq!(queued.len(), 1);
            assert_eq!(queued[0].1, id(event, "orders"));
            wait(journal.record(&queued[0].1, success(NOW), HandoffState::Delivered(NOW))).unwrap();
        }
    });
}
