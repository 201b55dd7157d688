//! Moving a store from one engine to the other.

use std::{collections::BTreeMap, fs, ops::ControlFlow, path::Path};

use hookgate_capabilities::Position;
use hookgate_config::EngineKind;
use hookgate_model::ordering::{Late, OnFailure};

use super::{
    ordering::{ordered, rules},
    support::*,
};
use crate::{
    engine::{Direction, Space},
    open::migrate::MigrateError,
    *,
};

const DIRECTIONS: [(EngineKind, EngineKind); 2] =
    [(EngineKind::Fjall, EngineKind::Sled), (EngineKind::Sled, EngineKind::Fjall)];

/// A store with something in every space.
fn fill(path: &Path, engine: EngineKind) -> Vec<EventId> {
    let journal = Journal::open(&store(path, engine)).unwrap();
    let mut ids = Vec::new();
    for n in 0..150 {
        let body = vec![b'x'; if n == 7 { 50_000 } else { 100 }];
        ids.push(new(&wait(journal.commit(commit(&body, &[Some(key(n))]))).unwrap()));
    }
    let to = || vec![("orders".to_owned(), 0), ("audit".to_owned(), 0)];
    for (n, id) in ids[..100].iter().enumerate() {
        let strand = Strand::of("shop", &(n % 7).to_string(), OnFailure::Block);
        match n {
            0..50 => wait(journal.fan_out(*id, vec![output("a")], to())).unwrap(),
            _ => wait(journal.fan_out_in_order(*id, vec![output("a")], to(), strand)).unwrap(),
        }
    }
    let dead = HandoffId { destination: "orders".to_owned(), event: ids[0], output: 0 };
    wait(journal.record(&dead, failure(1), HandoffState::Dead(2))).unwrap();
    wait(journal.commit(commit(b"another body", &[Some(key(8))]))).unwrap();
    let held = [("key".to_owned(), Position::Sequence(7))];
    wait(journal.commit(ordered(&held, rules(2_000, 3_600_000, Late::Deliver, 10)))).unwrap();
    close(journal);
    ids
}

type Dump = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// Everything but the counters of the store itself, which count batches.
fn dump(path: &Path, engine: EngineKind) -> Dump {
    let (opener, sidecar) = open::prepare(&store(path, engine)).unwrap();
    let (engine, _) = opener.reopen(&sidecar).unwrap();
    let mut all = Dump::new();
    for &space in Space::ALL {
        let scanned = engine.scan(space, &record::keys::all(), Direction::Forward, &mut |key, value| {
            if (space, key) != (Space::Meta, record::state::STATE) {
                all.insert((space, key.to_vec()), value.to_vec());
            }
            ControlFlow::Continue(())
        });
        scanned.unwrap();
    }
    all
}

#[test]
fn a_store_moves_whole_and_works_on() {
    for (from, to) in DIRECTIONS {
        let dir = tempfile::tempdir().unwrap();
        let ids = fill(dir.path(), from);
        let before = dump(dir.path(), from);
        // What an interrupted move leaves behind.
        fs::create_dir(dir.path().join(to.name())).unwrap();
        fs::write(dir.path().join(to.name()).join("half"), "x").unwrap();

        let moved = migrate(&store(dir.path(), from), to, None).unwrap();
        assert_eq!((moved.from, moved.to), (from.name(), to.name()));
        assert_eq!(dump(dir.path(), to), before);
        assert!(!dir.path().join(from.name()).exists());
        let journal = Journal::open(&store(dir.path(), to)).unwrap();
        assert_eq!(journal.waiting(), ids[100..]);
        assert_eq!(journal.stats().unwrap().held["shop"], 1);
        let dropped = journal.duplicates(&DuplicateFilter { limit: 10, ..Default::default() }).unwrap().items;
        assert_eq!(dropped.iter().map(|duplicate| duplicate.event.of).collect::<Vec<_>>(), [ids[8]]);
        let again = wait(journal.commit(commit(b"{}", &[Some(key(3))]))).unwrap();
        assert_eq!(again, [Admitted::Duplicate(ids[3])]);
        new(&wait(journal.commit(commit(b"{}", &[Some(key(999))]))).unwrap());
        close(journal);
        Journal::open(&store(dir.path(), to)).unwrap();
    }
}

#[test]
fn a_store_moves_to_another_directory_and_stays() {
    for (from, to) in DIRECTIONS {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fill(dir.path(), from);
        migrate(&store(dir.path(), from), to, Some(elsewhere.path())).unwrap();
        assert_eq!(dump(elsewhere.path(), to), dump(dir.path(), from));
        let again = migrate(&store(dir.path(), from), to, Some(elsewhere.path())).unwrap_err();
        assert!(matches!(again, MigrateError::Occupied(_)), "{again}");
    }
}

#[test]
fn a_store_that_is_there_already_or_not_at_all_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), EngineKind::Sled);
    // The configuration may name the engine to come already.
    let already = migrate(&store(dir.path(), EngineKind::Fjall), EngineKind::Sled, None).unwrap_err();
    assert!(matches!(already, MigrateError::Already { .. }), "{already}");
    let nothing = dir.path().join("nothing");
    let error = migrate(&store(&nothing, EngineKind::Sled), EngineKind::Fjall, None).unwrap_err();
    assert!(matches!(error, MigrateError::Failed(_)), "{error}");
    assert!(!nothing.exists());
}
