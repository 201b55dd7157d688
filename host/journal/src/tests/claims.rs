//! Objects that deliveries refer to: known with the commit, listed when the delivery goes.

use hookgate_model::claim::Claim;
use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::support::*;
use crate::*;

const NOW: u64 = 1_700_000_000_000;

fn claim(object: Uuid) -> Claim {
    Claim { object, length: 1 << 30, sha256: [7; 32], ranges: Vec::new() }
}

fn claimed(object: Uuid, keys: &[Option<IdempotencyKey>]) -> Commit {
    let mut commit = commit(b"", keys);
    Arc::make_mut(&mut commit.delivery).claim = Some(claim(object));
    commit
}

#[test]
fn an_object_is_known_from_the_commit_to_the_sweep_and_listed_until_it_is_removed() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock::at(NOW);
        let journal = Journal::open_with(&store(dir.path(), engine), clock.clock(), Box::new(free_bytes)).unwrap();
        let [kept, duplicate, loose] = [1, 2, 3].map(Uuid::from_u128);
        let event = new(&wait(journal.commit(claimed(kept, &[Some(key(1))]))).unwrap());
        assert_eq!(journal.event(event).unwrap().unwrap().delivery.claim, Some(claim(kept)));
        // A delivery that brings nothing new refers to nothing.
        let again = wait(journal.commit(claimed(duplicate, &[Some(key(1))]))).unwrap();
        assert_eq!(again, [Admitted::Duplicate(event)]);
        let known = || [kept, duplicate, loose].map(|object| wait(journal.has_claim(object)).unwrap());
        assert_eq!(known(), [true, false, false]);

        let plain = new(&wait(journal.commit(commit(b"{}", &[None]))).unwrap());
        for event in [event, plain] {
            wait(journal.fan_out(event, vec![], vec![])).unwrap();
        }
        assert!(journal.released_claims(10).unwrap().is_empty());
        clock.set(NOW + 10_000_000);
        assert_eq!(sweep::Sweeper::default().pass(&journal, Duration::from_secs(3600)).unwrap().deliveries, 2);
        assert_eq!((known(), journal.released_claims(10).unwrap()), ([false; 3], vec![kept]));
        wait(journal.forget_claims(vec![kept])).unwrap();
        assert!(journal.released_claims(10).unwrap().is_empty());
        let engine = journal.0.shared.engine().unwrap();
        let left = engine::collect(&*engine, engine::Space::Claims, &record::keys::all(), 10, |key| Some(key.to_vec()))
            .unwrap();
        assert_eq!(left, Vec::<Vec<u8>>::new());
    });
}
