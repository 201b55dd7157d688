//! Stores whose directory is moved away, removed or exchanged while they are open and under load.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use hookgate_config::EngineKind;

use super::{child::*, support::*};
use crate::*;

/// Commits that are acknowledged before the directory changes: enough for both engines to have flushed.
const BEFORE: usize = 150;

/// A journal that takes commits without a pause.
struct Loaded {
    journal: Journal,
    acks: Arc<Mutex<Acks>>,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
}

impl Loaded {
    fn open(path: &Path, engine: EngineKind) -> Loaded {
        let journal = Journal::open(&store(path, engine)).unwrap();
        let (acks, stop): (Arc<Mutex<Acks>>, Arc<AtomicBool>) = Default::default();
        let send = |first: u64| {
            let (journal, acks, stop) = (journal.clone(), acks.clone(), stop.clone());
            std::thread::spawn(move || {
                for key in (first..).step_by(4) {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Ok(admitted) = wait(journal.commit(commit_of(key))) {
                        acks.lock().unwrap().admitted.insert(key, admitted[0].event());
                    }
                }
            })
        };
        let senders = (0..4).map(send).collect();
        Loaded { journal, acks, stop, senders }
    }

    fn wait_for(&self, acknowledged: usize) {
        eventually(|| self.acks.lock().unwrap().admitted.len() >= acknowledged);
    }

    /// It takes nothing any more, says so, and is not opened again by itself.
    fn is_closed(&self) {
        let refused = wait(self.journal.commit(commit_of(u64::MAX - 1)));
        assert!(matches!(&refused, Err(JournalError::Closed(why)) if why.contains("not the directory")), "{refused:?}");
        eventually(|| matches!(self.journal.health(), Health::Closed(_)));
        let before = self.acks.lock().unwrap().admitted.len();
        // Reads that are under way end first.
        eventually(|| self.journal.inbox(None, 1).is_err() && self.journal.stats().is_err());
        for _ in 0..20 {
            assert!(wait(self.journal.commit(commit_of(u64::MAX - 1))).is_err());
        }
        assert_eq!(self.acks.lock().unwrap().admitted.len(), before, "something was acknowledged after that");
    }

    fn end(self) -> Acks {
        self.stop.store(true, Ordering::SeqCst);
        self.senders.into_iter().for_each(|sender| sender.join().unwrap());
        close(self.journal);
        Arc::into_inner(self.acks).unwrap().into_inner().unwrap()
    }
}

fn paths(dir: &tempfile::TempDir) -> (PathBuf, PathBuf) {
    (dir.path().join("data"), dir.path().join("away"))
}

#[test]
fn a_store_that_is_moved_away_acknowledges_nothing_more_and_has_all_once_it_is_back() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (path, away) = paths(&dir);
        let loaded = Loaded::open(&path, engine);
        loaded.wait_for(BEFORE);
        fs::rename(&path, &away).unwrap();
        loaded.is_closed();
        let acks = loaded.end();
        assert!(!path.exists(), "nothing is made where the store was");
        fs::rename(&away, &path).unwrap();
        check(&path, engine, &acks).unwrap();
    });
}

#[test]
fn a_store_that_is_removed_acknowledges_nothing_more() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (path, _) = paths(&dir);
        let loaded = Loaded::open(&path, engine);
        loaded.wait_for(BEFORE);
        // The engine may make a file in a directory that is just being emptied.
        eventually(|| fs::remove_dir_all(&path).is_ok());
        loaded.is_closed();
        loaded.end();
        assert!(!path.exists(), "nothing is made where the store was");
    });
}

#[test]
fn two_gateways_after_an_exchange_leave_each_others_stores_alone() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (path, away) = paths(&dir);
        let first = Loaded::open(&path, engine);
        first.wait_for(BEFORE);
        fs::rename(&path, &away).unwrap();
        let second = Loaded::open(&path, engine);
        second.wait_for(BEFORE);
        first.is_closed();
        let acks = first.end();
        second.wait_for(2 * BEFORE);
        let acks_of_second = second.end();
        check(&path, engine, &acks_of_second).unwrap();
        check(&away, engine, &acks).unwrap();
    });
}

#[test]
fn an_idle_store_notices_as_well() {
    on_both_engines(|engine| {
        let dir = tempfile::tempdir().unwrap();
        let (path, away) = paths(&dir);
        let journal = Journal::open(&store(&path, engine)).unwrap();
        fs::rename(&path, &away).unwrap();
        eventually(|| matches!(journal.health(), Health::Closed(why) if why.contains("moved away or removed")));
        close(journal);
    });
}

#[test]
fn a_disk_that_cannot_be_asked_has_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let silent = Box::new(|_: &Path| Err(std::io::Error::other("no answer")));
    let journal =
        Journal::open_with(&store(dir.path(), EngineKind::Fjall), write::clock::system_clock(), silent).unwrap();
    let refused = wait(journal.commit(commit_of(1)));
    assert!(matches!(&refused, Err(JournalError::Full(why)) if why.contains("no answer")), "{refused:?}");
    close(journal);
}

#[test]
fn directories_are_made_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made").join("data");
    close(Journal::open(&store(&path, EngineKind::Fjall)).unwrap());
    for made in [&path, path.parent().unwrap()] {
        assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700, "{}", made.display());
    }
}
