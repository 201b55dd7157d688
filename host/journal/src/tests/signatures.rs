//! Signatures that come again: with the same events, with others, all at once, after a restart, after their time.

use super::support::*;
use crate::*;

const NOW: u64 = 1_700_000_000_000;
const WINDOW: u64 = 60_000;

fn opened(dir: &tempfile::TempDir, engine: hookgate_config::EngineKind) -> (Journal, TestClock) {
    let clock = TestClock::at(NOW);
    let journal = Journal::open_with(&store(dir.path(), engine), clock.clock(), Box::new(free_bytes)).unwrap();
    (journal, clock)
}

/// Events of these keys (0: none), verified by these signatures.
fn admit(journal: &Journal, keys: &[u64], signatures: &[u64]) -> Vec<Admitted> {
    let keys: Vec<_> = keys.iter().map(|n| (*n > 0).then(|| key(*n))).collect();
    let signatures: Vec<_> = signatures.iter().map(|n| key(1000 + n)).collect();
    wait(journal.commit(signed_commit(b"{}", &keys, &signatures, WINDOW))).unwrap()
}

#[test]
fn a_signature_admits_once() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let first = new(&admit(&journal, &[1], &[1]));
        assert_eq!(admit(&journal, &[1], &[1]), [Admitted::Duplicate(first)], "a retry");
        assert_eq!(admit(&journal, &[2], &[1]), [Admitted::Replayed(first)], "under another id");
        assert_eq!(admit(&journal, &[0], &[1]), [Admitted::Duplicate(first)], "without an id");
        assert_eq!(admit(&journal, &[2, 1], &[1]), [Admitted::Replayed(first), Admitted::Duplicate(first)]);
        let second = new(&admit(&journal, &[2], &[2]));
        assert_eq!(in_inbox(&journal), [first, second]);
    });
}

/// A provider that signs each event puts one that was admitted together with new ones.
#[test]
fn one_new_signature_among_known_ones_is_proof_enough() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let first = new(&admit(&journal, &[1], &[1]));
        let both = admit(&journal, &[1, 2], &[1, 2]);
        assert_eq!(both[0], Admitted::Duplicate(first));
        let second = both[1].event();
        assert_eq!(both[1], Admitted::New(second));
        assert_eq!(admit(&journal, &[3], &[2]), [Admitted::Replayed(second)]);
        assert_eq!(admit(&journal, &[3], &[2, 1]), [Admitted::Replayed(second)]);
    });
}

/// The retry of a provider that signs the time has a signature of its own, which can be captured like the first one.
#[test]
fn the_signature_of_a_duplicate_is_remembered_too() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let first = new(&admit(&journal, &[1], &[1]));
        assert_eq!(admit(&journal, &[1], &[2]), [Admitted::Duplicate(first)]);
        assert_eq!(admit(&journal, &[5], &[2]), [Admitted::Replayed(first)]);
    });
}

#[test]
fn copies_in_flight_under_different_ids_admit_one() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let admitted = wait(async {
            let commits = (1..=64).map(|n| {
                let commit = signed_commit(b"{}", &[Some(key(n))], &[key(1000)], WINDOW);
                let journal = journal.clone();
                tokio::spawn(async move { journal.commit(commit).await.unwrap() })
            });
            let mut admitted = Vec::new();
            for commit in commits.collect::<Vec<_>>() {
                admitted.extend(commit.await.unwrap());
            }
            admitted
        });
        let ids: Vec<EventId> = admitted.iter().map(|admitted| admitted.event()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(admitted.iter().filter(|admitted| matches!(admitted, Admitted::New(_))).count(), 1);
        assert_eq!(in_inbox(&journal), [ids[0]]);
    });
}

#[test]
fn they_outlive_a_restart_and_not_their_time() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = opened(&dir, engine);
        let first = new(&admit(&journal, &[1], &[1, 2]));
        close(journal);
        let (journal, clock) = opened(&dir, engine);
        assert_eq!(admit(&journal, &[2], &[1]), [Admitted::Replayed(first)]);
        assert_eq!(journal.stats().unwrap().keys, 3);
        let retention = std::time::Duration::from_secs(3600);
        clock.set(NOW + WINDOW);
        assert_eq!(sweep::Sweeper::default().pass(&journal, retention).unwrap().keys, 2, "the event's own stays");
        assert_eq!(journal.stats().unwrap().keys, 1);
        new(&admit(&journal, &[2], &[1]));
        assert_eq!(admit(&journal, &[1], &[1]), [Admitted::Duplicate(first)]);
    });
}

fn in_inbox(journal: &Journal) -> Vec<EventId> {
    journal.inbox(None, 10).unwrap().iter().map(|waiting| waiting.event).collect()
}
