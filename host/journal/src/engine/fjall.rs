//! fjall, the default engine: a keyspace for each space, one write-ahead journal for all.
//!
//! `docs/store.md` explains how it is driven, and why.

use std::{io, ops::Bound, path::Path};

use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode,
    config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry, PinningPolicy},
};

use crate::engine::{Batch, Direction, Durability, Engine, EngineError, KeyRange, Space, Visit, disk::sync_dir};

/// Threads for flushes and compactions: more than cores, since a flush that waits behind a compaction holds up writes.
const WORKERS: usize = 4;

/// The least that fjall allows; what a start has to replay is about this and one journal more.
const JOURNALS: u64 = 64 << 20;

/// Bytes of each space that wait in memory for a flush. All of them together, and those being flushed, bound the memory
/// that writes take: 16 + 11 · 4 MiB, at most five times (one active and four sealed).
const MEMTABLE_DELIVERIES: u64 = (16 << 20) / SMALLER;
const MEMTABLE_OTHERS: u64 = (4 << 20) / SMALLER;

/// In tests, so that small stores are flushed and compacted, too.
const SMALLER: u64 = if cfg!(test) { 128 } else { 1 };

/// The key under which each space keeps the number of the last batch that wrote to it. No other key has one byte.
const SEAL: [u8; 1] = [0xff];

/// An open fjall database.
pub(crate) struct Fjall {
    db: Database,
    spaces: [Keyspace; Space::COUNT],
}

impl Fjall {
    /// Opens or makes a database; `cache` in bytes.
    pub(crate) fn open(dir: &Path, cache: u64) -> Result<Fjall, EngineError> {
        let db = Database::builder(dir)
            .cache_size(cache)
            .worker_threads(WORKERS)
            .max_journaling_size(JOURNALS)
            // fjall compresses again what it replays, to check it: costly, and tied to the compressor's exact output.
            .journal_compression(CompressionType::None)
            .manual_journal_persist(true)
            .open()?;
        let open = |space: Space| db.keyspace(space.name(), || options(space));
        let spaces = [
            open(Space::Meta)?,
            open(Space::Deliveries)?,
            open(Space::Idempotency)?,
            open(Space::Expiry)?,
            open(Space::Inbox)?,
            open(Space::Outputs)?,
            open(Space::Handoffs)?,
            open(Space::Queue)?,
            open(Space::Dead)?,
            open(Space::Strands)?,
            open(Space::Sealed)?,
            open(Space::Held)?,
            open(Space::HeldDue)?,
            open(Space::OrderingKeys)?,
            open(Space::Claims)?,
            open(Space::Replays)?,
            open(Space::Plugins)?,
            open(Space::Differences)?,
            open(Space::Duplicates)?,
        ];
        sync_names(dir)?;
        Ok(Fjall { db, spaces })
    }

    fn space(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
    }
}

/// fjall syncs what is in a keyspace's directory, but not the directory's own name: a power cut could take whole
/// keyspaces away, without a word at the next start.
fn sync_names(dir: &Path) -> io::Result<()> {
    sync_dir(&dir.join("keyspaces"))?;
    sync_dir(dir)?;
    dir.parent().map_or(Ok(()), sync_dir)
}

fn options(space: Space) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default()
        .manual_journal_persist(true)
        .max_memtable_size(if space == Space::Deliveries { MEMTABLE_DELIVERIES } else { MEMTABLE_OTHERS });
    match space {
        // Most of what is written: compressed from the first flush on, where the default begins with the third level.
        Space::Deliveries => options.data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4)),
        // Nearly every look-up is for a key that is not there (ordering keys: where each event has its own): a filter on
        // every level, kept in memory, answers it without reading the disk.
        Space::Idempotency | Space::OrderingKeys => options
            .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(14.0))))
            .filter_block_pinning_policy(PinningPolicy::all(true))
            .index_block_pinning_policy(PinningPolicy::all(true)),
        // Read by range only.
        Space::Expiry | Space::Inbox | Space::Queue | Space::Dead | Space::Sealed | Space::HeldDue => {
            options.filter_policy(FilterPolicy::all(FilterPolicyEntry::None))
        }
        _ => options,
    }
}

impl Engine for Fjall {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.space(space).get(key)?.map(|value| value.to_vec()))
    }

    fn scan(&self, space: Space, range: &KeyRange, direction: Direction, visit: Visit<'_>) -> Result<(), EngineError> {
        let bounds = (Bound::Included(range.from.as_slice()), Bound::Excluded(range.to.as_slice()));
        if range.from >= range.to {
            return Ok(());
        }
        let mut entries = self.space(space).range::<&[u8], _>(bounds);
        loop {
            let entry = match direction {
                Direction::Forward => entries.next(),
                Direction::Backward => entries.next_back(),
            };
            let Some(entry) = entry else { return Ok(()) };
            let (key, value) = entry.into_inner()?;
            if *key != SEAL && visit(&key, &value).is_break() {
                return Ok(());
            }
        }
    }

    fn apply(&self, batch: Batch, number: u64, durability: Durability) -> Result<(), EngineError> {
        let mut out = self.db.batch().durability(Some(match durability {
            Durability::Process => PersistMode::Buffer,
            Durability::Power => PersistMode::SyncData,
        }));
        let mut last = None;
        for ((space, key), value) in batch.writes {
            if last != Some(space) {
                out.insert(self.space(space), SEAL, number.to_be_bytes());
                last = Some(space);
            }
            match value {
                Some(value) => out.insert(self.space(space), key, value),
                None => out.remove(self.space(space), key),
            }
        }
        Ok(out.commit()?)
    }

    fn last_batch(&self, space: Space) -> Result<Option<u64>, EngineError> {
        let seal = self.space(space).get(SEAL)?;
        let number = seal.and_then(|bytes| <[u8; 8]>::try_from(&*bytes).ok()).map_or(0, u64::from_be_bytes);
        Ok(Some(number))
    }

    fn batch_limit(&self) -> usize {
        2048
    }

    fn size(&self) -> u64 {
        self.db.disk_space().unwrap_or(0)
    }
}

impl From<fjall::Error> for EngineError {
    fn from(e: fjall::Error) -> Self {
        use fjall::Error as E;
        match e {
            E::Io(e) | E::Storage(LsmError::Io(e)) => e.into(),
            E::Storage(e) => EngineError::Damaged(e.to_string()),
            E::JournalRecovery(_)
            | E::InvalidVersion(_)
            | E::InvalidTrailer
            | E::InvalidTag(_)
            | E::Decompress(_)
            | E::Unrecoverable => EngineError::Damaged(e.to_string()),
            E::Poisoned => EngineError::Failed("an earlier write failed, possibly for want of room".to_owned()),
            other => EngineError::Failed(other.to_string()),
        }
    }
}
