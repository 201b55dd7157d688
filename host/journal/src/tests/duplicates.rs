//! Dropped duplicates: recorded with the commit that drops them, bounded, admitted at an order, forgotten with their key.

use hookgate_model::claim::Claim;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hookgate_capabilities::{KnownBy, Position};
use hookgate_config::EngineKind;
use hookgate_model::{limits, ordering::Late};
use uuid::Uuid;

use super::{
    ordering::{ordered, rules},
    support::*,
};
use crate::{engine::Space, *};

const NOW: u64 = 1_700_000_000_000;
/// How long the keys of the tests are remembered.
const TTL: u64 = 600_000;
const RETENTION: Duration = Duration::from_secs(3600);

fn opened(dir: &tempfile::TempDir, engine: EngineKind) -> (Journal, TestClock) {
    let clock = TestClock::at(NOW);
    let journal = Journal::open_with(&store(dir.path(), engine), clock.clock(), Box::new(free_bytes)).unwrap();
    (journal, clock)
}

fn take_in(journal: &Journal, commit: Commit) -> Committed {
    wait(journal.take_in(commit)).unwrap()
}

/// A delivery of one event without an id, known by the bytes of its payload.
fn undeclared(body: &[u8], number: u64) -> Commit {
    let mut commit = commit(body, &[Some(key(number))]);
    let (admission, event_key) = &mut commit.events[0];
    admission.identity.known_by = KnownBy::Undeclared;
    event_key.as_mut().unwrap().kind = KeyKind::Undeclared;
    commit
}

fn of_source(source: &str, mut commit: Commit) -> Commit {
    Arc::make_mut(&mut commit.delivery).source = source.to_owned();
    commit
}

fn all() -> DuplicateFilter {
    DuplicateFilter { limit: usize::MAX, ..DuplicateFilter::default() }
}

fn listed(journal: &Journal, filter: &DuplicateFilter) -> Vec<EventId> {
    journal.duplicates(filter).unwrap().items.into_iter().map(|duplicate| duplicate.id).collect()
}

fn body_of(journal: &Journal, id: EventId) -> Vec<u8> {
    let duplicate = journal.duplicate(id).unwrap().unwrap();
    journal.duplicate_content(&duplicate).unwrap().unwrap().delivery.request.body.to_vec()
}

fn admitted(journal: &Journal, id: EventId) -> EventId {
    match wait(journal.admit_duplicate(id, None)).unwrap() {
        DuplicateOrder::Admitted(event) => event,
        other => panic!("{other:?}"),
    }
}

/// Every key of the space.
fn left(journal: &Journal, space: Space) -> Vec<Vec<u8>> {
    let engine = journal.0.shared.engine().unwrap();
    engine::collect(&*engine, space, &record::keys::all(), usize::MAX, |key| Some(key.to_vec())).unwrap()
}

#[test]
fn a_copy_under_an_id_is_recorded_and_its_content_is_with_the_first() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let first = new(&take_in(&journal, commit(b"{}", &[Some(key(1))])).events);
        assert_eq!(listed(&journal, &all()), []);
        clock.set(NOW + 5);
        let committed = take_in(&journal, commit(b"{}", &[Some(key(1))]));
        assert_eq!(committed.events, [Admitted::Duplicate(first)]);
        let [dropped] = &committed.dropped[..] else { panic!("{committed:?}") };
        assert_eq!((dropped.of, dropped.cause, dropped.recorded), (first, DropCause::Key, true));
        let duplicate = journal.duplicate(dropped.id).unwrap().unwrap();
        assert_eq!((duplicate.at, duplicate.source.as_str()), (NOW + 5, "shop"));
        let event = duplicate.event;
        assert_eq!((event.of, event.content, event.expires), (first, DroppedContent::First, NOW + TTL));
        assert_eq!((event.provider_id.as_deref(), event.kind.as_deref()), (Some("evt_0"), Some("paid")));
        assert_eq!((event.payload_bytes, event.admitted_as), (2, None));
        assert_eq!(body_of(&journal, dropped.id), b"{}");
        let again = journal.recurrences(first).unwrap().unwrap();
        assert_eq!((again.count, again.last, again.kept), (1, NOW + 5, vec![dropped.id]));
    });
}

#[test]
fn another_body_is_kept_and_so_is_any_without_an_id() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        take_in(&journal, commit(b"one", &[Some(key(1))]));
        let other = take_in(&journal, commit(b"another", &[Some(key(1))])).dropped[0].id;
        take_in(&journal, undeclared(b"same", 2));
        let same = take_in(&journal, undeclared(b"same", 2)).dropped[0].id;
        for (id, body) in [(other, &b"another"[..]), (same, b"same")] {
            assert_eq!(journal.duplicate(id).unwrap().unwrap().event.content, DroppedContent::Own);
            assert_eq!(body_of(&journal, id), body);
        }
    });
}

/// The body of a request may be empty, and the URL say everything.
#[test]
fn the_same_bytes_at_another_url_are_another_content() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        take_in(&journal, commit(b"", &[Some(key(1))]));
        let mut elsewhere = commit(b"", &[Some(key(1))]);
        Arc::make_mut(&mut elsewhere.delivery).request.url.push_str("?status=failed");
        let id = take_in(&journal, elsewhere).dropped[0].id;
        let event = admitted(&journal, id);
        assert!(journal.event(event).unwrap().unwrap().delivery.request.url.ends_with("?status=failed"));
    });
}

#[test]
fn a_duplicate_is_admitted_once_and_its_key_stays() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let first = new(&take_in(&journal, commit(b"one", &[Some(key(1))])).events);
        for body in [&b"one"[..], b"another"] {
            clock.set(NOW + 1000);
            let id = take_in(&journal, commit(body, &[Some(key(1))])).dropped[0].id;
            let event = admitted(&journal, id);
            assert!(event > id, "{event} is a new event");
            let kept = journal.event(event).unwrap().unwrap();
            assert_eq!((&kept.delivery.request.body[..], &kept.admission), (body, &admission(0)));
            assert_eq!(journal.waiting().last(), Some(&event));
            assert_eq!(
                journal.admitted_by_hand(event).unwrap(),
                Some(AdmittedByHand { of: first, duplicate: id, at: NOW + 1000 })
            );
            assert_eq!(journal.duplicate(id).unwrap().unwrap().event.admitted_as, Some(event));
            let again = wait(journal.admit_duplicate(id, None)).unwrap();
            assert_eq!(again, DuplicateOrder::AdmittedBefore(event));
            assert_eq!(take_in(&journal, commit(body, &[Some(key(1))])).events, [Admitted::Duplicate(first)]);
        }
        assert_eq!(journal.waiting().len(), 3);
        assert_eq!(journal.stats().unwrap().deliveries, 3);
        let unknown = EventId { delivery: Uuid::nil(), index: 0 };
        assert_eq!(wait(journal.admit_duplicate(unknown, None)).unwrap(), DuplicateOrder::Unknown);
    });
}

#[test]
fn an_admitted_one_waits_for_its_turn_where_its_source_has_an_order() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let rules = rules(2_000, 3_600_000, Late::Deliver, 10);
        let third = || {
            let mut commit = ordered(&[("key".to_owned(), Position::Timestamp(NOW))], rules.clone());
            commit.events[0].1 = Some(EventKey { hash: key(3), lasts: Duration::from_secs(600), kind: KeyKind::Id });
            commit
        };
        take_in(&journal, third());
        let id = take_in(&journal, third()).dropped[0].id;
        let DuplicateOrder::Admitted(event) = wait(journal.admit_duplicate(id, Some(rules.clone()))).unwrap() else {
            panic!("it was not admitted")
        };
        assert!(matches!(journal.stage(event).unwrap(), Some(Stage::Held { .. })));
        assert_eq!(journal.stats().unwrap().held["shop"], 2);
    });
}

#[test]
fn of_a_delivery_each_dropped_event_is_recorded_by_itself() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let first = new(&take_in(&journal, commit(b"{}", &[Some(key(1))])).events);
        let committed = take_in(&journal, commit(b"other", &[Some(key(2)), Some(key(1)), Some(key(2)), Some(key(1))]));
        let delivery = committed.events[0].event().delivery;
        let event = |index| EventId { delivery, index };
        let ids: Vec<_> = committed.dropped.iter().map(|dropped| (dropped.id, dropped.of)).collect();
        assert_eq!(ids, [(event(1), first), (event(2), event(0)), (event(3), first)]);
        assert_eq!(listed(&journal, &all()), [event(1), event(2), event(3)]);
        let of_first = DuplicateFilter { of: Some(first), ..all() };
        assert_eq!(listed(&journal, &of_first), [event(1), event(3)]);
        let one = DuplicateFilter { limit: 1, ..all() };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = journal.duplicates(&DuplicateFilter { after, ..one.clone() }).unwrap();
            found.extend(page.items.into_iter().map(|duplicate| duplicate.id));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, [event(1), event(2), event(3)]);
        let new = admitted(&journal, event(3));
        assert_eq!(new.index, 3, "its place in the delivery stays");
        assert_eq!(journal.event(new).unwrap().unwrap().admission, admission(3));
        assert_eq!(journal.event(new).unwrap().unwrap().delivery.request.body, &b"other"[..]);
    });
}

#[test]
fn lists_are_newest_first_and_filtered() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let mut ids = Vec::new();
        for n in 0..4 {
            let commit = || of_source(if n % 2 == 0 { "a" } else { "b" }, commit(b"{}", &[Some(key(n))]));
            take_in(&journal, commit());
            clock.set(NOW + n * 10);
            ids.push(take_in(&journal, commit()).dropped[0].id);
        }
        assert_eq!(listed(&journal, &all()), [ids[3], ids[2], ids[1], ids[0]]);
        assert_eq!(listed(&journal, &DuplicateFilter { source: Some("a".to_owned()), ..all() }), [ids[2], ids[0]]);
        let (since, until) = (Some(NOW + 10), Some(NOW + 30));
        assert_eq!(listed(&journal, &DuplicateFilter { since, until, ..all() }), [ids[2], ids[1]]);
    });
}

#[test]
fn a_replay_is_recorded_with_its_body() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let signed =
            |key: u64| signed_commit(b"{}", &[Some(super::support::key(key))], &[super::support::key(9)], 60_000);
        let first = new(&take_in(&journal, signed(1)).events);
        let committed = take_in(&journal, signed(2));
        assert_eq!(committed.events, [Admitted::Replayed(first)]);
        let duplicate = journal.duplicate(committed.dropped[0].id).unwrap().unwrap();
        assert_eq!((duplicate.event.cause, duplicate.event.expires), (DropCause::Replay, NOW + 60_000));
        assert_eq!(duplicate.event.content, DroppedContent::Own);
        admitted(&journal, duplicate.id);
    });
}

#[test]
fn of_one_event_the_first_are_recorded_and_the_others_counted() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let first = new(&take_in(&journal, commit(b"{}", &[Some(key(1))])).events);
        let most = limits::DUPLICATES_OF_EVENT_MAX;
        for n in 0..most + 5 {
            let dropped = take_in(&journal, commit(format!("{n}").as_bytes(), &[Some(key(1))])).dropped;
            assert_eq!(dropped[0].recorded, n < most);
        }
        assert_eq!(listed(&journal, &all()).len(), most);
        let again = journal.recurrences(first).unwrap().unwrap();
        assert_eq!((again.count, again.kept.len()), (most as u64 + 5, most));
    });
}

#[test]
fn of_one_source_the_oldest_go_when_their_bytes_are_too_many() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        // Three objects fit that are too large for a fourth one.
        let length = limits::DUPLICATES_OF_SOURCE_BYTES_MAX / 3 - (1 << 20);
        let claimed = |number: u64| {
            let mut commit = commit(b"", &[Some(key(1))]);
            let object = Uuid::from_u128(number.into());
            Arc::make_mut(&mut commit.delivery).claim =
                Some(Claim { object, length, sha256: [number as u8; 32], ranges: Vec::new() });
            commit
        };
        let ids: Vec<EventId> =
            (0..6).filter_map(|n| Some(take_in(&journal, claimed(n)).dropped.first()?.id)).collect();
        assert_eq!(listed(&journal, &all()), [ids[4], ids[3], ids[2]]);
        let has = |number: u64| wait(journal.has_claim(Uuid::from_u128(number.into()))).unwrap();
        assert_eq!((0..6).filter(|n| has(*n)).collect::<Vec<_>>(), [0, 3, 4, 5]);
        let released: BTreeSet<_> = journal.released_claims(10).unwrap().into_iter().collect();
        assert_eq!(released, BTreeSet::from([1, 2].map(Uuid::from_u128)));
        // Another source has a share of its own.
        let other = of_source("other", commit(b"{}", &[Some(key(1))]));
        take_in(&journal, other);
        assert_eq!(listed(&journal, &all()).len(), 4);
    });
}

/// An object goes when neither the duplicate nor the event that was made of it refers to it any more.
#[test]
fn the_object_of_a_duplicate_goes_with_the_last_that_refers_to_it() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let object = Uuid::from_u128(7);
        let mut large = commit(b"", &[Some(key(1))]);
        Arc::make_mut(&mut large.delivery).claim =
            Some(Claim { object, length: 1 << 20, sha256: [7; 32], ranges: Vec::new() });
        take_in(&journal, commit(b"{}", &[Some(key(1))]));
        let committed = take_in(&journal, large);
        assert!(committed.keeps_object);
        let event = admitted(&journal, committed.dropped[0].id);
        wait(journal.fan_out(event, vec![], vec![])).unwrap();
        let mut sweeper = sweep::Sweeper::default();
        clock.set(NOW + TTL);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert!(!left(&journal, Space::Duplicates).contains(&vec![b's', 4, b's', b'h', b'o', b'p']));
        assert!(wait(journal.has_claim(object)).unwrap());
        assert!(journal.released_claims(10).unwrap().is_empty());
        clock.set(NOW + TTL + 10_000_000);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert_eq!(journal.released_claims(10).unwrap(), [object]);
    });
}

#[test]
fn what_is_too_large_is_listed_without_its_content() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let mut large = commit(b"", &[Some(key(1))]);
        let (object, length) = (Uuid::from_u128(7), limits::DUPLICATES_OF_SOURCE_BYTES_MAX);
        Arc::make_mut(&mut large.delivery).claim = Some(Claim { object, length, sha256: [7; 32], ranges: Vec::new() });
        take_in(&journal, commit(b"{}", &[Some(key(1))]));
        let committed = take_in(&journal, large);
        assert!(!committed.keeps_object);
        let id = committed.dropped[0].id;
        assert_eq!(journal.duplicate(id).unwrap().unwrap().event.content, DroppedContent::NotKept);
        assert_eq!(wait(journal.admit_duplicate(id, None)).unwrap(), DuplicateOrder::WithoutContent);
    });
}

#[test]
fn everything_goes_with_the_key() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        take_in(&journal, commit(b"one", &[Some(key(1))]));
        take_in(&journal, undeclared(b"two", 2));
        clock.set(NOW + 1000);
        take_in(&journal, commit(b"another", &[Some(key(1))]));
        let id = take_in(&journal, undeclared(b"two", 2)).dropped[0].id;
        let mut sweeper = sweep::Sweeper::default();
        clock.set(NOW + TTL - 1);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert_eq!(listed(&journal, &all()).len(), 2);
        clock.set(NOW + TTL);
        assert_eq!(listed(&journal, &all()), [], "not even before the sweeper has come");
        assert_eq!(wait(journal.admit_duplicate(id, None)).unwrap(), DuplicateOrder::Unknown);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert_eq!(left(&journal, Space::Duplicates), Vec::<Vec<u8>>::new());
        assert_eq!(left(&journal, Space::Expiry), Vec::<Vec<u8>>::new());
        new(&take_in(&journal, undeclared(b"two", 2)).events);
    });
}

/// Where keys live longer than events, duplicates go with the retention, and what they brought is not looked for with an
/// event that goes before them.
#[test]
fn nothing_is_kept_for_longer_than_events_are() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, clock) = opened(&dir, engine);
        let long = || {
            let mut commit = commit(b"{}", &[Some(key(1))]);
            commit.events[0].1.as_mut().unwrap().lasts = Duration::from_secs(1_000_000);
            commit
        };
        let first = new(&take_in(&journal, long()).events);
        wait(journal.fan_out(first, vec![], vec![])).unwrap();
        clock.set(NOW + 1_000_000);
        let id = take_in(&journal, long()).dropped[0].id;
        let mut sweeper = sweep::Sweeper::default();
        clock.set(NOW + 3_600_001);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert!(journal.event(first).unwrap().is_none(), "its retention is over");
        assert_eq!(body_of(&journal, id), b"{}");
        let event = admitted(&journal, id);
        assert!(journal.event(event).unwrap().is_some());
        clock.set(NOW + 4_600_000);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert_eq!(listed(&journal, &all()), []);
        assert!(
            journal.admitted_by_hand(event).unwrap().is_some(),
            "it tells where it comes from as long as it is kept"
        );
        wait(journal.fan_out(event, vec![], vec![])).unwrap();
        clock.set(NOW + 9_000_000);
        sweeper.pass(&journal, RETENTION).unwrap();
        assert_eq!(left(&journal, Space::Duplicates), Vec::<Vec<u8>>::new());
    });
}

#[test]
fn duplicates_outlive_a_restart_and_an_accepted_loss() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let first = new(&take_in(&journal, commit(b"one", &[Some(key(1))])).events);
        for body in ["two", "three", "four"] {
            take_in(&journal, commit(body.as_bytes(), &[Some(key(1))]));
        }
        let before = (listed(&journal, &all()), journal.recurrences(first).unwrap());
        close(journal);
        let (journal, _) = opened(&dir, engine);
        assert_eq!((listed(&journal, &all()), journal.recurrences(first).unwrap()), before);
        let kept = left(&journal, Space::Duplicates);
        close(journal);

        accept_loss(&store(dir.path(), engine)).unwrap();
        let (journal, clock) = opened(&dir, engine);
        assert_eq!(left(&journal, Space::Duplicates), kept);
        assert_eq!((listed(&journal, &all()), journal.recurrences(first).unwrap()), before);
        admitted(&journal, before.0[0]);
        clock.set(NOW + TTL);
        sweep::Sweeper::default().pass(&journal, RETENTION).unwrap();
        assert_eq!(left(&journal, Space::Duplicates).len(), 1, "what is left tells where the event comes from");
    });
}
