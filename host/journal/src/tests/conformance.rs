//! What the journal promises, the same on both engines.

use super::support::*;
use crate::*;

#[test]
fn an_event_goes_all_the_way() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let journal = Journal::open(&store).unwrap();
        let id = new(&wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap());
        assert_eq!(journal.waiting(), [id]);
        let kept = journal.event(id).unwrap().unwrap();
        assert_eq!(kept.delivery, commit(b"{}", &[]).delivery);
        assert_eq!((kept.admission, kept.outputs), (admission(0), None));

        let to = vec![("orders".to_owned(), 0), ("audit".to_owned(), 0)];
        wait(journal.fan_out(id, vec![output("a")], to)).unwrap();
        assert_eq!(journal.waiting(), []);
        assert_eq!(journal.event(id).unwrap().unwrap().outputs, Some(vec![output("a")]));
        let queued = journal.queue("orders", None, 10).unwrap();
        let handoff = HandoffId { destination: "orders".to_owned(), event: id, output: 0 };
        assert_eq!(queued.iter().map(|(_, id)| id).collect::<Vec<_>>(), [&handoff]);

        wait(journal.record(&handoff, failure(5), HandoffState::Pending(9_000))).unwrap();
        assert_eq!(journal.queue("orders", None, 10).unwrap(), [(9_000, handoff.clone())]);
        wait(journal.record(&handoff, success(9_001), HandoffState::Delivered(9_013))).unwrap();
        assert_eq!(journal.queue("orders", None, 10).unwrap(), []);
        let history = journal.handoff(&handoff).unwrap().unwrap();
        assert_eq!(history.state, HandoffState::Delivered(9_013));
        assert_eq!(history.attempts, [failure(5), success(9_001)]);
        assert_eq!(history.tries, 2);
        assert_eq!(journal.queue("audit", None, 10).unwrap().len(), 1);
    });
}

#[test]
fn everything_is_there_after_a_restart() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), engine);
        let journal = Journal::open(&store).unwrap();
        let first = new(&wait(journal.commit(commit(b"one", &[Some(key(1))]))).unwrap());
        let second = new(&wait(journal.commit(commit(b"two", &[Some(key(2))]))).unwrap());
        wait(journal.fan_out(first, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
        let queued = journal.queue("orders", None, 10).unwrap();
        close(journal);

        let journal = Journal::open(&store).unwrap();
        assert_eq!(journal.waiting(), [second]);
        assert_eq!(journal.queue("orders", None, 10).unwrap(), queued);
        assert_eq!(wait(journal.commit(commit(b"one", &[Some(key(1))]))).unwrap(), [Admitted::Duplicate(first)]);
        let third = new(&wait(journal.commit(commit(b"three", &[Some(key(3))]))).unwrap());
        assert!(third > second);
    });
}

#[test]
fn copies_in_flight_admit_one() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&store(dir.path(), engine)).unwrap();
        let copies = 64;
        let admitted = wait(async {
            let commits = (0..copies).map(|_| {
                let journal = journal.clone();
                tokio::spawn(async move { journal.commit(commit(b"{}", &[Some(key(7))])).await.unwrap() })
            });
            let mut admitted = Vec::new();
            for commit in commits.collect::<Vec<_>>() {
                admitted.extend(commit.await.unwrap());
            }
            admitted
        });
        let ids: Vec<EventId> =
            admitted.iter().filter_map(|a| if let Admitted::New(id) = a { Some(*id) } else { None }).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(admitted.iter().filter(|a| **a == Admitted::Duplicate(ids[0])).count(), copies - 1);
        assert_eq!(journal.waiting(), ids);
    });
}

#[test]
fn a_delivery_may_bring_old_and_new_events() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&store(dir.path(), engine)).unwrap();
        let first = new(&wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap());
        let keys = [Some(key(2)), Some(key(1)), Some(key(2)), None, None];
        let admitted = wait(journal.commit(commit(b"{}", &keys))).unwrap();
        let Admitted::New(EventId { delivery, index: 0 }) = admitted[0] else { panic!("{admitted:?}") };
        let event = |index| EventId { delivery, index };
        let new = Admitted::New;
        let old = Admitted::Duplicate;
        assert_eq!(admitted, [new(event(0)), old(first), old(event(0)), new(event(3)), new(event(4))]);
        assert_eq!(journal.waiting(), [first, event(0), event(3), event(4)]);
        assert_eq!(journal.event(event(4)).unwrap().unwrap().admission, admission(4));
        assert!(journal.event(event(1)).unwrap().is_none());
    });
}

#[test]
fn queues_of_names_that_begin_alike_are_apart() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&store(dir.path(), engine)).unwrap();
        let id = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        let names = ["a", "ab", "abc", "a\0"];
        let to = names.iter().map(|name| ((*name).to_owned(), 0)).collect();
        wait(journal.fan_out(id, vec![output("a")], to)).unwrap();
        for name in names {
            let queued = journal.queue(name, None, 10).unwrap();
            assert_eq!(queued.len(), 1, "{name:?}");
            assert_eq!(queued[0].1.destination, name);
        }
    });
}
