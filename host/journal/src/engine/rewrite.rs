//! Making sure that what is read again is on the disk, after a sync has failed.
//!
//! Linux marks the pages of a failed fsync as clean: they are read back from memory as if all were well, a later fsync
//! says so too, and the disk has never seen them. An engine that replays its log from there would let the journal answer
//! `duplicate` to a delivery that a power cut takes away. So the log is written anew, from what is read to another file.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hookgate_config::EngineKind;

use crate::engine::disk::sync_dir;

/// Bytes that are copied at once.
const PIECE: usize = 64 << 10;

/// How long an engine may still hold the lock on its log after it was closed.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Rewrites the log of a closed engine, which is kept in `dir`.
pub(crate) fn rewrite_log(kind: EngineKind, dir: &Path) -> io::Result<()> {
    for log in logs(kind, dir)? {
        let new = log.with_extension("rewritten");
        replace(&log, &new).inspect_err(|_| drop(std::fs::remove_file(&new)))?;
    }
    sync_dir(dir)
}

/// The files that are replayed. All else an engine of ours syncs before it refers to it, and does not when that fails.
fn logs(kind: EngineKind, dir: &Path) -> io::Result<Vec<PathBuf>> {
    match kind {
        EngineKind::Sled => Ok(vec![dir.join("db")]),
        EngineKind::Fjall => {
            let paths = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
            Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "jnl")).collect())
        }
    }
}

fn replace(log: &Path, new: &Path) -> io::Result<()> {
    let from = File::options().read(true).write(true).open(log)?;
    wait_until_unlocked(&from)?;
    let to = File::create(new)?;
    copy(&from, &to)?;
    to.sync_all()?;
    std::fs::rename(new, log)
}

/// sled locks its log, and its threads may go on for a moment after it was closed.
fn wait_until_unlocked(log: &File) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match log.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("the engine does not let go of its log")),
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
}

/// Copies by reading and writing: `copy_file_range`, which `io::copy` uses, may share the very blocks that were never
/// written. Zeros become holes, since logs are made longer than they are full.
fn copy(mut from: &File, mut to: &File) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut length = 0;
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            return to.set_len(length);
        }
        if piece[..read].iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(length))?;
            to.write_all(&piece[..read])?;
        }
        length += read as u64;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_rewritten_log_is_the_same_in_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = vec![7; PIECE + 5];
        bytes.resize(5 * PIECE, 0);
        bytes[3 * PIECE + 9] = 1;
        let (log, other) = (dir.path().join("3.jnl"), dir.path().join("lock"));
        std::fs::write(&log, &bytes).unwrap();
        std::fs::write(&other, "x").unwrap();
        let before = File::open(&log).unwrap();
        rewrite_log(EngineKind::Fjall, dir.path()).unwrap();
        assert!(std::fs::read(&log).unwrap() == bytes);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        // The old file is another one than that which has its name now.
        File::options().write(true).open(&log).unwrap().set_len(3).unwrap();
        assert_eq!(before.metadata().unwrap().len(), bytes.len() as u64);
    }
}
