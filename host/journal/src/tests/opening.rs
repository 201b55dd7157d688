//! Stores that are in use, of another kind, damaged, or not whole.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hookgate_config::EngineKind;

use super::support::*;
use crate::{
    engine::{Batch, Durability, Space},
    *,
};

fn open(dir: &Path, engine: EngineKind) -> Result<Journal, OpenError> {
    Journal::open(&store(dir, engine))
}

/// A closed store with that many commits, keys 0 and on.
fn filled(dir: &Path, engine: EngineKind, commits: u64) {
    let journal = open(dir, engine).unwrap();
    for n in 0..commits {
        wait(journal.commit(commit(format!("body number {n:05}").as_bytes(), &[Some(key(n))]))).unwrap();
    }
    close(journal);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target)
        } else {
            assert!(fs::copy(entry.path(), target).is_ok())
        }
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_second_gateway_is_told_who_has_the_store() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), engine).unwrap();
        let second = open(dir.path(), engine).map(|_| ()).unwrap_err();
        assert!(
            matches!(&second, OpenError::InUse { holder, .. } if *holder == format!("process {}", std::process::id()))
        );
        close(first);
        open(dir.path(), engine).unwrap();
    });
}

#[test]
fn the_other_engine_is_told_how_to_move() {
    for (made_by, other) in [(EngineKind::Fjall, EngineKind::Sled), (EngineKind::Sled, EngineKind::Fjall)] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), made_by, 1);
        let error = open(dir.path(), other).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::OtherEngine { .. }), "{error}");
        assert!(error.to_string().contains("hookgate store migrate"), "{error}");
    }
}

#[test]
fn a_store_without_a_right_seal_is_not_touched() {
    type Expected = fn(&OpenError) -> bool;
    let cases: [(&str, Option<&str>, Expected); 5] = [
        ("no seal", None, |e| matches!(e, OpenError::Damaged { .. })),
        ("empty seal", Some(""), |e| matches!(e, OpenError::Damaged { .. })),
        (
            "next format",
            Some("hookgate store\nformat = 999\nengine = fjall\n"),
            |e| matches!(e, OpenError::OtherFormat { found, known: open::seal::FORMAT, .. } if found == "999"),
        ),
        ("unknown engine", Some("hookgate store\nformat = 4\nengine = rocks\n"), |e| {
            matches!(e, OpenError::Damaged { .. })
        }),
        ("not ours", Some("something else\n"), |e| matches!(e, OpenError::Damaged { .. })),
    ];
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), EngineKind::Fjall, 3);
    let seal = fs::read(dir.path().join(open::seal::FILE)).unwrap();
    for (name, text, expected) in cases {
        match text {
            Some(text) => fs::write(dir.path().join(open::seal::FILE), text).unwrap(),
            None => fs::remove_file(dir.path().join(open::seal::FILE)).unwrap(),
        }
        let error = open(dir.path(), EngineKind::Fjall).map(|_| ()).unwrap_err();
        assert!(expected(&error), "{name}: {error}");
    }
    fs::write(dir.path().join(open::seal::FILE), seal).unwrap();
    assert_eq!(open(dir.path(), EngineKind::Fjall).unwrap().waiting().len(), 3);
}

#[test]
fn an_unfinished_first_start_is_started_again() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), engine, 0);
        fs::remove_file(dir.path().join(open::seal::FILE)).unwrap();
        fs::remove_file(dir.path().join("acknowledged")).unwrap();
        open(dir.path(), engine).unwrap();
    });
}

#[test]
fn a_path_that_cannot_be_a_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = open(&path, EngineKind::Fjall).map(|_| ()).unwrap_err();
        assert!(matches!(&error, OpenError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

/// Whatever is done to whichever file: the store opens with all that was acknowledged, or says why not. It never panics,
/// and it never opens with something missing.
#[test]
fn damage_to_any_file_is_noticed_or_harmless() {
    on_both_engines(|engine| {
        let whole = tempfile::tempdir().unwrap();
        filled(whole.path(), engine, 60);
        let mut refused = 0;
        for file in files(whole.path()) {
            let name = file.strip_prefix(whole.path()).unwrap();
            // Who holds it, and what was acknowledged: not the store itself.
            if ["lock", "acknowledged"].iter().any(|own| name == Path::new(own)) {
                continue;
            }
            for harm in ["cut", "garble", "remove"] {
                let dir = tempfile::tempdir().unwrap();
                copy_dir(whole.path(), dir.path());
                let mut bytes = fs::read(&file).unwrap();
                let used = bytes.iter().rposition(|b| *b != 0).unwrap_or(0);
                let (middle, end) = (used / 2, (used / 2 + 64).min(bytes.len()));
                match harm {
                    "cut" => bytes.truncate(middle),
                    "garble" => bytes[middle..end].iter_mut().for_each(|byte| *byte ^= 0x5a),
                    _ => {}
                }
                let target = dir.path().join(name);
                if harm == "remove" {
                    fs::remove_file(&target).unwrap()
                } else {
                    fs::write(&target, bytes).unwrap()
                }
                match open(dir.path(), engine) {
                    Ok(journal) => {
                        let there = journal.inbox(None, 100);
                        let missing = there.as_ref().map_or(0, |inbox| 60 - inbox.len());
                        assert_eq!(missing, 0, "{harm} {}: {there:?}", name.display());
                    }
                    Err(e) => {
                        refused += 1;
                        assert!(!matches!(e, OpenError::InUse { .. }), "{harm} {}: {e}", name.display());
                    }
                }
            }
        }
        assert!(refused > 0);
    });
}

#[test]
fn a_store_behind_what_was_acknowledged_is_not_opened_until_the_loss_is_accepted() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), engine, 5);
        let engine_dir = dir.path().join(engine.name());
        let old = tempfile::tempdir().unwrap();
        copy_dir(&engine_dir, old.path());
        filled(dir.path(), engine, 12);
        fs::remove_dir_all(&engine_dir).unwrap();
        copy_dir(old.path(), &engine_dir);

        let error = open(dir.path(), engine).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Lost { commits: 7, .. }), "{error}");
        assert!(error.to_string().contains("hookgate store accept-loss"), "{error}");
        accept_loss(&store(dir.path(), engine)).unwrap();
        let journal = open(dir.path(), engine).unwrap();
        assert_eq!(journal.stats().unwrap().deliveries, 5);
        for n in 0..12 {
            let again = wait(journal.commit(commit(b"{}", &[Some(key(n))]))).unwrap();
            assert_eq!(matches!(again[..], [Admitted::New(_)]), n >= 5, "{n}: {again:?}");
        }
        close(journal);
        open(dir.path(), engine).unwrap();
    });
}

/// fjall #311: what follows a damaged batch in its journal is dropped without a word.
#[test]
fn damage_in_the_middle_of_fjalls_journal_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), EngineKind::Fjall, 40);
    let file =
        files(&dir.path().join("fjall")).into_iter().find(|f| f.extension().is_some_and(|e| e == "jnl")).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let needle = b"body number 00020";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    // The tag of an item before the body: the reader takes it for the end of what was written.
    bytes[at - 300..at].iter_mut().for_each(|byte| *byte = 0xee);
    fs::write(&file, bytes).unwrap();
    let error = open(dir.path(), EngineKind::Fjall).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Lost { .. } | OpenError::Damaged { .. }), "{error}");
}

/// Each space of fjall's reaches the disk on its own: one may be behind while the counters are not.
#[test]
fn a_space_that_was_lost_alone_is_noticed_and_mended() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path(), EngineKind::Fjall).unwrap();
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(new(&wait(journal.commit(commit(b"{}", &[Some(key(n))]))).unwrap()));
    }
    wait(journal.fan_out(ids[0], vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
    close(journal);
    let (opener, _sidecar) = open::prepare(&store(dir.path(), EngineKind::Fjall)).unwrap();
    let engine = opener.engine().unwrap();
    let mut batch = Batch::default();
    batch.delete(Space::Deliveries, record::keys::delivery(ids[3].delivery));
    let queued = engine::collect(&*engine, Space::Queue, &record::keys::all(), 9, |key| Some(key.to_vec())).unwrap();
    queued.into_iter().for_each(|key| batch.delete(Space::Queue, key));
    let waiting = engine::collect(&*engine, Space::Inbox, &record::keys::prefix(record::keys::tickets()), 9, |key| {
        Some(key.to_vec())
    })
    .unwrap();
    batch.delete(Space::Inbox, waiting[0].clone());
    engine.apply(batch, 2, Durability::Power).unwrap();
    drop((engine, opener));

    let error = open(dir.path(), EngineKind::Fjall).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Lost { .. }), "{error}");
    let mended = accept_loss(&store(dir.path(), EngineKind::Fjall)).unwrap();
    let expected = AcceptedLoss { keys_removed: 1, orphans_removed: 1, events_requeued: 1, handoffs_requeued: 1 };
    assert_eq!(mended, expected);
    let journal = open(dir.path(), EngineKind::Fjall).unwrap();
    assert_eq!(journal.waiting(), [ids[2], ids[1]]);
    assert_eq!(journal.queue("orders", None, 9).unwrap().len(), 1);
    let stats = journal.stats().unwrap();
    assert_eq!((stats.deliveries, stats.keys, stats.inbox, stats.destinations["orders"].queued), (3, 3, 2, 1));
    assert!(stats.destinations["orders"].oldest.is_some(), "what waits is known by its age again");
}

#[test]
fn a_damaged_record_is_an_error_and_the_others_go_on() {
    on_both_engines(|kind| {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path(), kind).unwrap();
        let bad = new(&wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap());
        let good = new(&wait(journal.commit(commit(b"{}", &[Some(key(2))]))).unwrap());
        let engine = journal.0.shared.engine().unwrap();
        for damage in [vec![], vec![9, 9, 9], vec![1], vec![1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]] {
            let mut batch = Batch::default();
            batch.put(Space::Deliveries, record::keys::delivery(bad.delivery), damage.clone());
            batch.put(Space::Idempotency, key(1).to_vec(), damage);
            engine.apply(batch, 100, Durability::Process).unwrap();
            assert!(matches!(journal.event(bad), Err(JournalError::Damaged(..))));
            let again = wait(journal.commit(commit(b"{}", &[Some(key(1))])));
            assert!(matches!(again, Err(JournalError::Damaged(..))), "{again:?}");
            assert_eq!(journal.waiting(), [bad, good]);
            assert!(journal.event(good).unwrap().is_some());
            let listed = journal.events(&EventFilter { limit: 9, ..EventFilter::default() }).unwrap();
            assert_eq!(listed.items.len(), 1);
        }
        wait(journal.fan_out_failed(bad, "damaged".to_owned())).unwrap();
        assert_eq!(journal.waiting(), [good]);
    });
}

/// A balancer that goes by `/readyz` sends nothing to a gateway whose disk is full: it must see by itself that there is
/// room again.
#[test]
fn room_is_noticed_without_traffic() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let free = Arc::new(AtomicU64::new(0));
        let told = free.clone();
        let roomy = hookgate_config::Store { headroom: 1 << 20, ..store(dir.path(), engine) };
        let fake = Box::new(move |_: &Path| Ok(told.load(Ordering::SeqCst)));
        let journal = Journal::open_with(&roomy, write::clock::system_clock(), fake).unwrap();
        let refused = wait(journal.commit(commit(b"{}", &[Some(key(1))])));
        assert!(matches!(refused, Err(JournalError::Full(_))), "{refused:?}");
        assert!(matches!(journal.health(), Health::Full(_)));
        free.store(2 << 20, Ordering::SeqCst);
        eventually(|| journal.health() == Health::Ready);
    });
}

/// sled holds its lock for a moment after it was closed, and a first start closes and opens it.
#[test]
fn new_stores_open_at_the_first_start() {
    let fast = Path::new("/dev/shm");
    for round in 0..40 {
        for engine in ENGINES {
            let dir = if fast.is_dir() { tempfile::tempdir_in(fast).unwrap() } else { tempfile::tempdir().unwrap() };
            close(open(dir.path(), engine).unwrap_or_else(|e| panic!("{engine:?}, round {round}: {e}")));
            open(dir.path(), engine).unwrap_or_else(|e| panic!("{engine:?}, round {round}, again: {e}"));
        }
    }
}

#[test]
fn a_missing_file_is_told_as_damage() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), EngineKind::Fjall, 3);
    let mut damaged = 0;
    for file in files(&dir.path().join("fjall/keyspaces")) {
        for flip in [false, true] {
            let copy = tempfile::tempdir().unwrap();
            copy_dir(dir.path(), copy.path());
            let harmed = copy.path().join(file.strip_prefix(dir.path()).unwrap());
            let mut bytes = fs::read(&file).unwrap();
            match bytes.first_mut().filter(|_| flip) {
                Some(first) => {
                    *first ^= 0x40;
                    fs::write(&harmed, bytes).unwrap();
                }
                None => fs::remove_file(&harmed).unwrap(),
            }
            match open(copy.path(), EngineKind::Fjall) {
                Ok(journal) => assert_eq!(journal.waiting().len(), 3, "{}", file.display()),
                Err(OpenError::Damaged { .. }) => damaged += 1,
                Err(e) => assert!(matches!(e, OpenError::Lost { .. }), "{}: {e}", file.display()),
            }
        }
    }
    assert!(damaged > 0);
}

#[test]
fn below_the_headroom_nothing_is_admitted_and_the_rest_goes_on() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let journal = open(dir.path(), engine).unwrap();
        let id = new(&wait(journal.commit(commit(b"{}", &[Some(key(1))]))).unwrap());
        close(journal);
        let tight = hookgate_config::Store { headroom: u64::MAX, ..store(dir.path(), engine) };
        let journal = Journal::open(&tight).unwrap();
        let refused = wait(journal.commit(commit(b"{}", &[Some(key(2))])));
        assert!(matches!(refused, Err(JournalError::Full(_))), "{refused:?}");
        assert!(matches!(journal.health(), Health::Full(_)));
        wait(journal.fan_out(id, vec![output("a")], vec![("orders".to_owned(), 0)])).unwrap();
        assert_eq!(journal.stats().unwrap().destinations["orders"].queued, 1);
        close(journal);
        let journal = open(dir.path(), engine).unwrap();
        new(&wait(journal.commit(commit(b"{}", &[Some(key(2))]))).unwrap());
    });
}
