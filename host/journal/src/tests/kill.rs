//! kill -9 at random moments, under load and while opening: nothing that was reported is lost, nothing is there twice.
//!
//! `HOOKGATE_KILL_ROUNDS` sets the rounds for each engine.

use hookgate_config::EngineKind;

use super::{child::*, support::*};
use crate::*;

fn kill_over_and_over(engine: EngineKind) {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Acks::default();
    for round in 0..cases("HOOKGATE_KILL_ROUNDS", 12) {
        let load =
            Load { store: dir.path(), engine, first_key: u64::from(round) * 1_000_000, commits: 100_000, acks: None };
        let mut child = load.command().spawn().unwrap();
        // Every third round it is killed early, while it may still be opening the store.
        let lines = if round % 3 == 2 { 0 } else { rand::random_range(1..600) };
        let before = all.admitted.len() + all.fanned_out.len();
        all.read_until(&mut child, |acks| acks.admitted.len() + acks.fanned_out.len() - before >= lines);
        assert_eq!(all.refused, Vec::<String>::new());
        check(dir.path(), engine, &all).unwrap_or_else(|e| panic!("round {round} on {engine:?}: {e}"));
        check_progress(&dir, engine, &all);
    }
    assert!(all.admitted.len() > 100, "only {} commits were acknowledged", all.admitted.len());
}

/// What was reported out of the inbox is not in it again: the kernel had it when the process was killed.
fn check_progress(dir: &tempfile::TempDir, engine: EngineKind, acks: &Acks) {
    let journal = Journal::open(&store(dir.path(), engine)).unwrap();
    let waiting: std::collections::HashSet<_> = journal.waiting().into_iter().collect();
    for id in &acks.fanned_out {
        assert!(!waiting.contains(id), "{id} is in the inbox again");
        assert!(journal.event(*id).unwrap().unwrap().outputs.is_some());
    }
    close(journal);
}

#[test]
fn fjall_survives_kill_9() {
    kill_over_and_over(EngineKind::Fjall);
}

#[test]
fn sled_survives_kill_9() {
    kill_over_and_over(EngineKind::Sled);
}
