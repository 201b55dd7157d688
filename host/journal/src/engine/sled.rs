//! sled 0.34, the second engine: one tree, a byte in front of each key that names the space.
//!
//! sled is safe only when driven as here; each rule comes from a failure that was seen (`docs/store.md`):
//!
//! * Its background flush is off, and nothing but the journal's writer writes.
//! * Its own `flush` does not reach the disk's platter (`sync_file_range`), so each durable batch is followed by an
//!   fdatasync on a descriptor of ours.
//! * What it made when it was opened (configuration, snapshots, names) is synced by us, too: it does not.
//! * No value is longer than 4 KiB: longer ones go to files of their own that it never syncs. They are cut into chunks.
//! * Every key is read before it is written: without that, large batches took gigabytes of memory.

use std::{
    fs::File,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use crate::engine::{Batch, Direction, Durability, Engine, EngineError, KeyRange, Space, Visit, disk::sync_dir};

/// Bytes of a value that stay in one piece, and bytes of a chunk of a longer one.
const WHOLE_MAX: usize = 4000;

/// In front of a value: it follows, or the number of its chunks does.
const WHOLE: u8 = 0;
const CHUNKED: u8 = 1;

/// Set in the first byte of a chunk's key.
const CHUNK: u8 = 0x80;

/// How long sled may hold its lock after it was closed, and how often it is tried.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// An open sled database.
pub(crate) struct Sled {
    db: sled::Db,
    /// sled's log, for fdatasync.
    log: File,
}

impl Sled {
    /// Opens or makes a database; `cache` in bytes (sled takes it as a hint: its memory is not bounded by it).
    pub(crate) fn open(dir: &Path, cache: u64) -> Result<Sled, EngineError> {
        let db = open_when_closed(&sled::Config::new().path(dir).cache_capacity(cache).flush_every_ms(None))?;
        sync_all_in(dir)?;
        if let Some(parent) = dir.parent() {
            sync_dir(parent)?;
        }
        Ok(Sled { db, log: File::open(dir.join("db"))? })
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let full = full_key(space, key);
        // A value may be replaced while its chunks are read; then it is read again.
        for _ in 0..3 {
            let Some(head) = self.db.get(&full)? else { return Ok(None) };
            if let Some(value) = self.value(space, key, &head)? {
                return Ok(Some(value));
            }
        }
        Err(EngineError::Damaged(format!("a chunk is missing in `{}`", space.name())))
    }

    /// The value that a head stands for; `None` when a chunk is not there.
    fn value(&self, space: Space, key: &[u8], head: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        match head.split_first() {
            Some((&WHOLE, value)) => Ok(Some(value.to_vec())),
            Some((&CHUNKED, _)) => {
                let mut value = Vec::new();
                for number in 0..chunks(head) {
                    let Some(chunk) = self.db.get(chunk_key(space, key, number))? else { return Ok(None) };
                    value.extend_from_slice(&chunk);
                }
                Ok(Some(value))
            }
            _ => Err(EngineError::Damaged(format!("an unknown kind of value in `{}`", space.name()))),
        }
    }

    fn put(&self, out: &mut sled::Batch, space: Space, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.delete_chunks(out, space, key)?;
        let full = full_key(space, key);
        if value.len() <= WHOLE_MAX {
            out.insert(full, [&[WHOLE], value].concat());
            return Ok(());
        }
        let pieces = value.chunks(WHOLE_MAX);
        let mut head = vec![CHUNKED];
        head.extend((pieces.len() as u32).to_be_bytes());
        out.insert(full, head);
        for (number, piece) in (0..).zip(pieces) {
            let chunk = chunk_key(space, key, number);
            self.db.get(&chunk)?;
            out.insert(chunk, piece);
        }
        Ok(())
    }

    fn delete_chunks(&self, out: &mut sled::Batch, space: Space, key: &[u8]) -> Result<(), EngineError> {
        let head = self.db.get(full_key(space, key))?;
        for number in 0..head.as_deref().map_or(0, chunks) {
            out.remove(chunk_key(space, key, number));
        }
        Ok(())
    }
}

impl Engine for Sled {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        guarded(|| self.read(space, key))
    }

    fn scan(&self, space: Space, range: &KeyRange, direction: Direction, visit: Visit<'_>) -> Result<(), EngineError> {
        if range.from >= range.to {
            return Ok(());
        }
        guarded(|| {
            let mut entries = self.db.range(full_key(space, &range.from)..full_key(space, &range.to));
            loop {
                let entry = match direction {
                    Direction::Forward => entries.next(),
                    Direction::Backward => entries.next_back(),
                };
                let Some((key, head)) = entry.transpose()? else { return Ok(()) };
                let Some((_, key)) = key.split_first() else { continue };
                let value = match self.value(space, key, &head)? {
                    Some(value) => value,
                    // Replaced or deleted meanwhile.
                    None => match self.read(space, key)? {
                        Some(value) => value,
                        None => continue,
                    },
                };
                if let ControlFlow::Break(()) = visit(key, &value) {
                    return Ok(());
                }
            }
        })
    }

    fn apply(&self, batch: Batch, _number: u64, durability: Durability) -> Result<(), EngineError> {
        guarded(|| {
            let mut out = sled::Batch::default();
            for ((space, key), value) in &batch.writes {
                match value {
                    Some(value) => self.put(&mut out, *space, key, value)?,
                    None => {
                        self.delete_chunks(&mut out, *space, key)?;
                        out.remove(full_key(*space, key));
                    }
                }
            }
            self.db.apply_batch(out)?;
            // Into the kernel's hands; sled keeps what it has not written yet in buffers of its own.
            self.db.flush()?;
            if durability == Durability::Power {
                self.log.sync_data()?;
            }
            Ok(())
        })
    }

    fn last_batch(&self, _space: Space) -> Result<Option<u64>, EngineError> {
        Ok(None)
    }

    fn batch_limit(&self) -> usize {
        384
    }

    fn size(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

/// sled's threads may hold its lock for a moment after it was closed. The journal has a lock of its own, so that no
/// other process can be the one that holds it.
fn open_when_closed(config: &sled::Config) -> Result<sled::Db, EngineError> {
    let begun = Instant::now();
    loop {
        match config.open() {
            Err(e) if is_locked(&e) && begun.elapsed() < LOCK_TIMEOUT => std::thread::sleep(LOCK_PAUSE),
            opened => return Ok(opened?),
        }
    }
}

/// sled says so in words only.
fn is_locked(e: &sled::Error) -> bool {
    matches!(e, sled::Error::Io(e) if e.to_string().starts_with("could not acquire lock"))
}

/// `space:1 key`
fn full_key(space: Space, key: &[u8]) -> Vec<u8> {
    [&[space as u8], key].concat()
}

/// `space|0x80:1 key number:4`
fn chunk_key(space: Space, key: &[u8], number: u32) -> Vec<u8> {
    [&[space as u8 | CHUNK], key, &number.to_be_bytes()].concat()
}

/// How many chunks a value has beside its head.
fn chunks(head: &[u8]) -> u32 {
    match head.split_first() {
        Some((&CHUNKED, number)) => number.try_into().map_or(0, u32::from_be_bytes),
        _ => 0,
    }
}

/// Syncs every file of a directory, and the directory.
fn sync_all_in(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { sync_dir(&path)? } else { File::open(path)?.sync_all()? }
    }
    sync_dir(dir)
}

/// sled has panics for what it did not expect in its files; they are errors here.
fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(EngineError::Damaged("sled gave up on its files (see the message on stderr)".to_owned()))
    })
}

impl From<sled::Error> for EngineError {
    fn from(e: sled::Error) -> Self {
        match e {
            sled::Error::Io(e) => e.into(),
            // Also reported for a file whose head makes no sense.
            sled::Error::Corruption { .. } | sled::Error::Unsupported(_) => EngineError::Damaged(e.to_string()),
            other => EngineError::Failed(other.to_string()),
        }
    }
}
