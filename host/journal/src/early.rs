//! Whether events are being transformed before their commit, and whether they were when the process died.
//!
//! An event that ends the process before its commit is in no inbox, where [`crate::suspects`] would find it. Its provider sends
//! it again, and it would end one process after the other. So the next process transforms nothing before its commit for a
//! while: the event goes into the inbox, and is found there.
//!
//! A file beside the engine holds one byte, written without a sync: `1` from the first such call on, until there has been none
//! for a second. A busy gateway writes it once: with two writes for each delivery, deliveries wait for each other
//! (docs/benchmarks.md).
//! A process that is killed within a second after such a call counts as one that the call has ended.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use hookgate_model::limits::EARLY_TRANSFORM_REST;
use parking_lot::Mutex;

use crate::Journal;

const FILE: &str = "transforming-early";

const NONE: u8 = b'0';
const SOME: u8 = b'1';

impl Journal {
    /// Notes that events are transformed before their commit, until that is dropped. `None` when it cannot be noted, and for a
    /// while after a process has died in that: the events are to be transformed after their commit.
    pub fn begin_early_transform(&self) -> Option<EarlyTransform> {
        self.0.early.begin()
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct Early {
    file: File,
    in_flight: AtomicUsize,
    /// The file says that there are some.
    is_noted: AtomicBool,
    /// There were some since the last look.
    was_used: AtomicBool,
    /// Held while the file is written; whether that failed last time, which was logged.
    failed: Mutex<bool>,
    /// A process has died in such a call.
    rests_until: Option<Instant>,
}

/// Events that are being transformed before their commit.
#[derive(Debug)]
pub struct EarlyTransform(Arc<Early>);

impl Early {
    /// Opens or makes the file, and starts from nothing.
    pub(super) fn open(store: &Path) -> io::Result<Early> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(store.join(FILE))?;
        let mut byte = Vec::new();
        (&file).take(1).read_to_end(&mut byte)?;
        let has_died = byte == [SOME];
        if has_died {
            tracing::warn!(
                "the process died while an event was being transformed before its commit, or a second later: for an hour all \
                 events are transformed after their commit"
            );
        }
        file.write_all_at(&[NONE], 0)?;
        Ok(Early {
            file,
            in_flight: AtomicUsize::new(0),
            is_noted: AtomicBool::new(false),
            was_used: AtomicBool::new(false),
            failed: Mutex::new(false),
            rests_until: has_died.then(|| Instant::now() + EARLY_TRANSFORM_REST),
        })
    }

    fn begin(self: &Arc<Self>) -> Option<EarlyTransform> {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        // Counted before the look at the note: who takes the note away looks in the opposite order.
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let begun = EarlyTransform(self.clone());
        self.was_used.store(true, Ordering::Relaxed);
        (self.is_noted.load(Ordering::SeqCst) || self.note()).then_some(begun)
    }

    fn note(&self) -> bool {
        let mut failed = self.failed.lock();
        if !self.is_noted.load(Ordering::SeqCst) && self.write(&mut failed, SOME) {
            self.is_noted.store(true, Ordering::SeqCst);
        }
        self.is_noted.load(Ordering::SeqCst)
    }

    /// Takes the note away when there was no such call since the last look.
    pub(super) fn look(&self) {
        if self.is_noted.load(Ordering::SeqCst) && !self.was_used.swap(false, Ordering::Relaxed) {
            self.settle();
        }
    }

    /// Takes the note away unless such a call is under way.
    pub(super) fn settle(&self) {
        let mut failed = self.failed.lock();
        if !self.is_noted.swap(false, Ordering::SeqCst) {
            return;
        }
        let none = self.in_flight.load(Ordering::SeqCst) == 0;
        // Where it cannot be written, the file says more than there is.
        if !none || !self.write(&mut failed, NONE) {
            self.is_noted.store(true, Ordering::SeqCst);
        }
    }

    fn write(&self, failed: &mut bool, byte: u8) -> bool {
        let written = self.file.write_all_at(&[byte], 0);
        if let (Err(error), false) = (&written, *failed) {
            tracing::warn!(%error, "cannot note that events are transformed before their commit");
        }
        *failed = written.is_err();
        written.is_ok()
    }
}

impl Drop for EarlyTransform {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn open(dir: &tempfile::TempDir) -> Arc<Early> {
        Arc::new(Early::open(dir.path()).unwrap())
    }

    fn rests(dir: &tempfile::TempDir) -> bool {
        open(dir).begin().is_none()
    }

    #[test]
    fn after_a_death_in_such_a_call_there_is_none_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let early = open(&dir);
        let first = early.begin().unwrap();
        drop(early.begin().unwrap());
        assert!(rests(&dir));
        // That process has begun no such call, and has ended as it should.
        assert!(!rests(&dir));
        drop(first);
    }

    #[test]
    fn the_note_is_taken_away_when_there_was_no_call_between_two_looks() {
        let dir = tempfile::tempdir().unwrap();
        let early = open(&dir);
        drop(early.begin().unwrap());
        early.look();
        assert!(early.is_noted.load(Ordering::SeqCst), "there was a call a moment ago");
        let under_way = early.begin().unwrap();
        early.look();
        early.look();
        assert!(early.is_noted.load(Ordering::SeqCst), "a call is under way");
        drop(under_way);
        early.look();
        assert!(!early.is_noted.load(Ordering::SeqCst));
        drop(early);
        assert!(!rests(&dir));
    }

    /// Calls begin and end while the note is being taken away: whenever one is under way, the file says so.
    #[test]
    fn no_call_is_under_way_without_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let early = open(&dir);
        let working = AtomicUsize::new(3);
        /// Also where the work fails.
        struct Done<'a>(&'a AtomicUsize);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let _done = Done(&working);
                    for _ in 0..500 {
                        let _under_way = early.begin().unwrap();
                        assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), [SOME]);
                    }
                });
            }
            scope.spawn(|| {
                while working.load(Ordering::SeqCst) > 0 {
                    early.settle();
                    // The lock is not a fair one.
                    std::thread::yield_now();
                }
            });
        });
    }

    #[test]
    fn what_is_not_the_mark_of_a_call_is_none() {
        let dir = tempfile::tempdir().unwrap();
        for content in ["", "0", "x", "garbage"] {
            std::fs::write(dir.path().join(FILE), content).unwrap();
            assert!(!rests(&dir), "{content}");
        }
    }
}
