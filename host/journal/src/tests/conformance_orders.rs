//! Dead letters, redriving, replaying, listing: the same on both engines.

use std::time::Duration;

use hookgate_model::handoff::{EventState, TRANSFORM};

use super::support::*;
use crate::*;

const NOW: u64 = 1_700_000_000_000;

fn opened(dir: &tempfile::TempDir, engine: hookgate_config::EngineKind) -> (Journal, TestClock) {
    let clock = TestClock::at(NOW);
    (Journal::open_with(&store(dir.path(), engine), clock.clock(), Box::new(free_bytes)).unwrap(), clock)
}

fn handoff(destination: &str, event: EventId) -> HandoffId {
    HandoffId { destination: destination.to_owned(), event, output: 0 }
}

#[test]
fn a_dead_letter_is_redriven_with_its_history() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        wait(journal.fan_out(id, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
        let dead = handoff("orders", id);
        wait(journal.record(&dead, failure(NOW), HandoffState::Dead(NOW + 1))).unwrap();
        assert_eq!(journal.dead_letters(None, None, 10).unwrap().items, [(NOW + 1, dead.clone())]);
        assert_eq!(journal.dead_letters(Some("other"), None, 10).unwrap().items, []);
        assert_eq!(journal.queue("orders", None, 10).unwrap(), []);

        clock.set(NOW + 5000);
        assert_eq!(wait(journal.redrive_all("orders")).unwrap(), 1);
        assert_eq!(journal.dead_letters(None, None, 10).unwrap().items, []);
        assert_eq!(journal.queue("orders", None, 10).unwrap(), [(5000, dead.clone())]);
        let history = journal.handoff(&dead).unwrap().unwrap();
        assert_eq!((history.tries, history.attempts), (0, vec![failure(NOW)]));
        assert_eq!(wait(journal.redrive(vec![dead])).unwrap(), 0);
    });
}

#[test]
fn what_could_not_be_transformed_goes_back_to_the_inbox() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _clock) = opened(&dir, engine);
        let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        wait(journal.fan_out_failed(id, "it trapped".to_owned())).unwrap();
        assert_eq!(journal.waiting(), []);
        let dead = handoff(TRANSFORM, id);
        assert_eq!(journal.dead_letters(Some(TRANSFORM), None, 10).unwrap().items, [(NOW, dead.clone())]);
        assert_eq!(journal.handoff(&dead).unwrap().unwrap().attempts[0].error.as_deref(), Some("it trapped"));

        assert_eq!(wait(journal.redrive_all(TRANSFORM)).unwrap(), 1);
        assert_eq!(journal.waiting(), [id]);
        wait(journal.fan_out(id, vec![], vec![])).unwrap();
        assert_eq!(journal.handoff(&dead).unwrap().unwrap().state, HandoffState::Delivered(NOW));
        assert_eq!(journal.stats().unwrap().destinations.len(), 0);
    });
}

#[test]
fn an_event_is_replayed_to_where_it_went_or_through_transform() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        wait(journal.fan_out(id, vec![output("a"), output("b")], vec![("orders".to_owned(), 1)])).unwrap();
        let done = HandoffId { output: 1, ..handoff("orders", id) };
        wait(journal.record(&done, success(NOW), HandoffState::Delivered(NOW))).unwrap();

        clock.set(NOW + 7);
        assert!(wait(journal.replay(id, &["orders".to_owned()])).unwrap());
        assert_eq!(journal.queue("orders", None, 10).unwrap(), [(7, done.clone())]);
        assert!(wait(journal.replay(id, &["audit".to_owned()])).unwrap());
        assert_eq!(journal.queue("audit", None, 10).unwrap().len(), 2);

        assert!(wait(journal.replay(id, &[])).unwrap());
        assert_eq!(journal.waiting(), [id]);
        clock.set(NOW + 9);
        wait(journal.fan_out(id, vec![output("a"), output("b")], vec![("orders".to_owned(), 1)])).unwrap();
        assert_eq!(journal.queue("orders", None, 10).unwrap(), [(9, done)]);
        let unknown = EventId { index: 9, delivery: uuid::Uuid::nil() };
        assert!(!wait(journal.replay(unknown, &[])).unwrap());
    });
}

#[test]
fn events_are_listed_page_by_page_in_both_directions() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let mut ids = Vec::new();
        for n in 0..7 {
            clock.set(NOW + n * 1000);
            let admitted = wait(journal.commit(commit(b"{}", &[None, None]))).unwrap();
            ids.extend(admitted.iter().map(|admitted| admitted.event()));
        }
        let list = |filter: EventFilter| {
            let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = journal.events(&EventFilter { after, limit: 3, ..filter.clone() }).unwrap();
                all.extend(page.items.iter().map(|event| event.id));
                pages += 1;
                match page.next {
                    Some(next) => after = Some(next),
                    None => return (all, pages),
                }
            }
        };
        let oldest = EventFilter { oldest_first: true, ..EventFilter::default() };
        let (listed, pages) = list(oldest.clone());
        assert_eq!(listed, ids);
        assert!(pages >= 4);
        let mut newest: Vec<EventId> = ids.chunks(2).rev().flatten().copied().collect();
        assert_eq!(list(EventFilter::default()).0, newest);
        newest.truncate(4);
        assert_eq!(list(EventFilter { since: Some(NOW + 5000), ..EventFilter::default() }).0, newest);
        assert_eq!(list(EventFilter { source: Some("other".to_owned()), ..EventFilter::default() }).0, []);

        wait(journal.fan_out(ids[3], vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
        wait(journal.fan_out(ids[4], vec![], vec![])).unwrap();
        let of = |state| list(EventFilter { state: Some(state), ..oldest.clone() }).0;
        assert_eq!(of(EventState::Pending), [ids[3]]);
        assert_eq!(of(EventState::Unrouted), [ids[4]]);
        assert_eq!(of(EventState::Waiting).len(), ids.len() - 2);
    });
}

#[test]
fn figures_are_right_after_a_restart() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _clock) = opened(&dir, engine);
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(new(&wait(journal.commit(commit(b"{}", &[Some(key(n))]))).unwrap()));
        }
        for id in &ids[..3] {
            wait(journal.fan_out(*id, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
        }
        wait(journal.record(&handoff("orders", ids[0]), failure(1), HandoffState::Dead(2))).unwrap();
        wait(journal.record(&handoff("orders", ids[1]), success(1), HandoffState::Delivered(2))).unwrap();
        let before = journal.stats().unwrap();
        assert_eq!((before.deliveries, before.keys, before.inbox), (5, 5, 2));
        let orders = before.destinations["orders"];
        assert_eq!((orders.queued, orders.dead, orders.oldest), (1, 1, Some(Duration::ZERO)));
        assert_eq!(before.inbox_oldest, Some(NOW));
        close(journal);
        let after = opened(&dir, engine).0.stats().unwrap();
        assert_eq!(Stats { size: 0, ..after }, Stats { size: 0, ..before });
    });
}

#[test]
fn keys_are_new_again_after_their_time_swept_or_not() {
    on_both_engines(|engine| {
        for swept in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (journal, clock) = opened(&dir, engine);
            let first = new(&wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap());
            clock.set(NOW + 599_999);
            let again = wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap();
            assert_eq!(again, [Admitted::Duplicate(first)]);
            clock.set(NOW + 600_000);
            if swept {
                sweep::Sweeper::default().pass(&journal, Duration::from_secs(3600)).unwrap();
                assert_eq!(journal.stats().unwrap().keys, 0);
            }
            let second = new(&wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap());
            assert_eq!(journal.stats().unwrap().keys, 1);
            // The note about the first one must not take the second one's key away.
            sweep::Sweeper::default().pass(&journal, Duration::from_secs(3600)).unwrap();
            let again = wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap();
            assert_eq!(again, [Admitted::Duplicate(second)]);
        }
    });
}

#[test]
fn what_is_finished_goes_after_its_retention_and_the_rest_stays() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let retention = Duration::from_secs(3600);
        let ids: Vec<EventId> = (0..5).map(|_| new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap())).collect();
        let [waiting, pending, dead, delivered, unrouted] = ids[..] else { unreachable!() };
        for id in [pending, dead, delivered] {
            wait(journal.fan_out(id, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
        }
        wait(journal.fan_out(unrouted, vec![], vec![])).unwrap();
        wait(journal.record(&handoff("orders", dead), failure(1), HandoffState::Dead(2))).unwrap();
        wait(journal.record(&handoff("orders", delivered), success(1), HandoffState::Delivered(2))).unwrap();
        let mut sweeper = sweep::Sweeper::default();
        let mut sweep = || sweeper.pass(&journal, retention).unwrap().deliveries;
        let kept = || ids.iter().filter(|id| journal.event(**id).unwrap().is_some()).copied().collect::<Vec<_>>();

        clock.set(NOW + 3_600_000);
        assert_eq!((sweep(), kept()), (0, ids.clone()));
        clock.set(NOW + 3_600_001);
        assert_eq!((sweep(), kept()), (2, vec![waiting, pending, dead]));
        assert_eq!(journal.handoffs_of(delivered).unwrap(), []);
        assert_eq!((sweep(), kept()), (0, vec![waiting, pending, dead]));

        wait(journal.record(&handoff("orders", pending), success(1), HandoffState::Delivered(2))).unwrap();
        wait(journal.fan_out(waiting, vec![], vec![])).unwrap();
        clock.set(NOW + 3_601_001);
        assert_eq!((sweep(), kept()), (2, vec![dead]));
        wait(journal.redrive_all("orders")).unwrap();
        assert_eq!((sweep(), kept()), (0, vec![dead]));
        wait(journal.record(&handoff("orders", dead), success(1), HandoffState::Delivered(2))).unwrap();
        clock.set(NOW + 3_602_001);
        assert_eq!((sweep(), kept()), (1, vec![]));
        let stats = journal.stats().unwrap();
        assert_eq!((stats.deliveries, stats.inbox, stats.destinations.len()), (0, 0, 0));
    });
}

#[test]
fn large_values_come_back_whole_and_go_whole() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        for length in [3_000, 4_000, 4_001, 70_000, 1_500_000] {
            let body: Vec<u8> = (0..length).map(|n: usize| (n * 7 % 251) as u8).collect();
            let id = new(&wait(journal.commit(commit(&body, &[Some(key(length as u64))]))).unwrap());
            assert_eq!(journal.event(id).unwrap().unwrap().delivery.request.body, body);
            wait(journal.fan_out(id, vec![], vec![])).unwrap();
        }
        clock.set(NOW + 10_000_000);
        let swept = sweep::Sweeper::default().pass(&journal, Duration::from_secs(3600)).unwrap();
        assert_eq!(swept, sweep::Swept { keys: 5, deliveries: 5, ..Default::default() });
        let engine = journal.0.shared.engine().unwrap();
        for space in [engine::Space::Deliveries, engine::Space::Idempotency, engine::Space::Expiry] {
            let left = engine::collect(&*engine, space, &record::keys::all(), 10, |key| Some(key.to_vec())).unwrap();
            assert_eq!(left, Vec::<Vec<u8>>::new(), "{space:?}");
        }
    });
}

#[test]
fn a_history_keeps_its_first_and_its_latest_attempts() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _clock) = opened(&dir, engine);
        let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        wait(journal.fan_out(id, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
        let handoff = handoff("orders", id);
        for n in 0..100 {
            wait(journal.record(&handoff, failure(n), HandoffState::Pending(NOW + n))).unwrap();
        }
        let history = journal.handoff(&handoff).unwrap().unwrap();
        assert_eq!(history.tries, 100);
        let times: Vec<u64> = history.attempts.iter().map(|attempt| attempt.at).collect();
        assert_eq!(times, (0..8).chain(44..100).collect::<Vec<u64>>());
        assert_eq!(journal.queue("orders", None, 10).unwrap(), [(NOW + 99, handoff)]);
    });
}

/// An order between the sweeper's look and its write is as any other write: what it finishes is swept later.
#[test]
fn what_is_finished_while_the_sweeper_looks_is_swept_later() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let retention = Duration::from_secs(3600);
        let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        wait(journal.fan_out(id, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
        clock.set(NOW + 3_700_000);
        let between = journal.clone();
        let delivered = move || {
            let id = handoff("orders", id);
            wait(between.record(&id, success(1), HandoffState::Delivered(2))).unwrap();
        };
        let mut sweeper = sweep::Sweeper::default();
        sweeper.before_write = Some(Box::new(delivered));
        // Whether the note is due at once depends on the clock's second.
        let swept = sweeper.pass(&journal, retention).unwrap().deliveries;
        clock.set(NOW + 3_702_000);
        assert_eq!(swept + sweeper.pass(&journal, retention).unwrap().deliveries, 1);
        assert!(journal.event(id).unwrap().is_none());
    });
}

#[test]
fn discarded_dead_letters_keep_their_history_until_retention_takes_them() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let retention = Duration::from_secs(3600);
        let commit = || new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        let (one, other, transform) = (commit(), commit(), commit());
        for id in [one, other] {
            wait(journal.fan_out(id, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
            wait(journal.record(&handoff("orders", id), failure(1), HandoffState::Dead(NOW))).unwrap();
        }
        wait(journal.fan_out_failed(transform, "it trapped".to_owned())).unwrap();
        let mut sweeper = sweep::Sweeper::default();
        clock.set(NOW + 3_600_001);
        assert_eq!(sweeper.pass(&journal, retention).unwrap().deliveries, 0, "dead letters stay");

        let chosen = vec![handoff("orders", one), handoff("nowhere", one)];
        assert_eq!(wait(journal.discard(chosen.clone())).unwrap(), 1);
        assert_eq!(wait(journal.discard(chosen)).unwrap(), 0);
        let kept = journal.handoff(&handoff("orders", one)).unwrap().unwrap();
        assert_eq!((kept.state, kept.attempts), (HandoffState::Discarded(NOW + 3_600_001), vec![failure(1)]));
        assert_eq!(wait(journal.redrive(vec![handoff("orders", one)])).unwrap(), 0);
        assert_eq!(wait(journal.discard_all("orders")).unwrap(), 1);
        assert_eq!(wait(journal.discard_all(TRANSFORM)).unwrap(), 1);
        assert_eq!(journal.stats().unwrap().destinations.len(), 0);
        assert_eq!(journal.waiting(), []);
        clock.set(NOW + 3_602_001);
        assert_eq!(sweeper.pass(&journal, retention).unwrap().deliveries, 3);
        assert_eq!(journal.handoffs_of(one).unwrap(), []);
    });
}

#[test]
fn of_very_many_attempts_the_number_left_out_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _clock) = opened(&dir, hookgate_config::EngineKind::Fjall);
    let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
    wait(journal.fan_out(id, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
    let id = handoff("orders", id);
    let record = |at| wait(journal.record(&id, failure(at), HandoffState::Dead(NOW))).unwrap();
    let kept = || journal.handoff(&id).unwrap().unwrap();
    (0..hookgate_model::limits::RETRY_ATTEMPTS.default).for_each(record);
    assert_eq!((kept().attempts.len() as u64, kept().left_out), (hookgate_model::limits::RETRY_ATTEMPTS.default, 0));
    (hookgate_model::limits::RETRY_ATTEMPTS.default..100).for_each(record);
    let times: Vec<u64> = kept().attempts.iter().map(|attempt| attempt.at).collect();
    assert_eq!((times, kept().left_out), ((0..8).chain(44..100).collect(), 36));
    wait(journal.redrive(vec![id.clone()])).unwrap();
    assert_eq!(kept().left_out, 36);
}
