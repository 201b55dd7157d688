//! The narrow waist between the journal and an embedded store: everything that the journal asks of an engine.

pub(crate) mod disk;
pub(crate) mod fjall;
pub(crate) mod rewrite;
pub(crate) mod sled;

use std::{collections::BTreeMap, ops::ControlFlow};

use strum::{IntoStaticStr, VariantArray};

use crate::types::JournalError;

/// A part of the store with keys of its own. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
#[repr(u8)]
pub(crate) enum Space {
    /// What the journal knows of itself: format, counters.
    Meta = 0,
    /// Deliveries with what was admitted of them.
    Deliveries = 1,
    /// Idempotency keys.
    Idempotency = 2,
    /// What is to be looked at again, by time.
    Expiry = 3,
    /// Events that wait for `transform`, in their order, and the place of each event that waits or is held.
    Inbox = 4,
    /// What `transform` made of an event.
    Outputs = 5,
    /// Handoffs with their history.
    Handoffs = 6,
    /// Handoffs that wait, by destination and due time.
    Queue = 7,
    /// Dead letters, by destination and time.
    Dead = 8,
    /// Strands, by destination: the front of each, and the handoffs that wait behind it.
    Strands = 9,
    /// Enrolled secrets, sealed.
    Sealed = 10,
    /// Events that wait for their turn, by ordering key and position.
    Held = 11,
    /// The same, by the time when they need not wait any more.
    HeldDue = 12,
    /// What is known of each ordering key.
    OrderingKeys = 13,
    /// The objects that deliveries refer to, and those to be removed.
    Claims = 14,
    /// Of events that came again under another id: how often.
    Replays = 15,
    /// Versions of plugins, which of them are at work, and what was done with them.
    Plugins = 16,
    /// In what versions on trial differ from the active ones.
    Differences = 17,
    /// Duplicates that were dropped, and may be admitted after all.
    Duplicates = 18,
}

impl Space {
    /// Every space, in the order of their numbers.
    pub(crate) const ALL: &[Space] = Space::VARIANTS;

    pub(crate) const COUNT: usize = Space::ALL.len();

    /// The name on disk and in messages.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

/// Puts (`Some`) and deletes (`None`) that take effect together or not at all.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// A later write to a key replaces the earlier one.
    pub(crate) writes: BTreeMap<(Space, Vec<u8>), Option<Vec<u8>>>,
}

impl Batch {
    pub(crate) fn put(&mut self, space: Space, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert((space, key), Some(value));
    }

    pub(crate) fn delete(&mut self, space: Space, key: Vec<u8>) {
        self.writes.insert((space, key), None);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Bytes of keys and values, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.writes.iter().map(|((_, key), value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
    }

    pub(crate) fn len(&self) -> usize {
        self.writes.len()
    }
}

/// What a batch survives once [`Engine::apply`] has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of this process (it is in the kernel's hands).
    Process,
    /// The end of power (it is on the disk).
    Power,
}

/// Keys from `from` (included) to `to` (excluded).
#[derive(Clone, Debug)]
pub(crate) struct KeyRange {
    pub(crate) from: Vec<u8>,
    pub(crate) to: Vec<u8>,
}

/// Which end of a range comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// Sees a key and its value; `Break` ends the scan.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// An embedded store. Reads come from any thread, writes from one.
pub(crate) trait Engine: Send + Sync {
    /// The value of a key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Shows the range's entries in order until `visit` breaks off.
    fn scan(&self, space: Space, range: &KeyRange, direction: Direction, visit: Visit<'_>) -> Result<(), EngineError>;

    /// Applies a batch as a whole. After an error nothing is known of it, and the engine must be opened again.
    ///
    /// `number` grows by one from batch to batch.
    fn apply(&self, batch: Batch, number: u64, durability: Durability) -> Result<(), EngineError>;

    /// The number of the last batch that wrote to the space, as the space itself knows it. `None` where spaces cannot
    /// be lost one by one.
    fn last_batch(&self, space: Space) -> Result<Option<u64>, EngineError>;

    /// How many writes a batch should hold at most.
    fn batch_limit(&self) -> usize;

    /// Bytes on disk, roughly.
    fn size(&self) -> u64;
}

/// Why an engine could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The disk has no room left.
    #[error("{0}")]
    Full(String),
    /// What is stored cannot be read.
    #[error("{0}")]
    Damaged(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<std::io::Error> for EngineError {
    fn from(e: std::io::Error) -> Self {
        use std::io::ErrorKind::{
            AlreadyExists, FileTooLarge, InvalidData, NotFound, QuotaExceeded, StorageFull, UnexpectedEof,
        };
        match e.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => EngineError::Full(e.to_string()),
            // The engine knows of a file that is not there, or not whole.
            NotFound => EngineError::Damaged(format!("a file of it is missing ({e})")),
            // It begins anew where something is: the file that names what there is has gone.
            AlreadyExists => EngineError::Damaged(format!("a file of it is there that it does not know of ({e})")),
            InvalidData | UnexpectedEof => EngineError::Damaged(e.to_string()),
            _ => EngineError::Failed(e.to_string()),
        }
    }
}

impl From<EngineError> for JournalError {
    fn from(e: EngineError) -> Self {
        match e {
            EngineError::Full(why) => JournalError::Full(why),
            EngineError::Damaged(why) => JournalError::Damaged("of the store".to_owned(), why),
            EngineError::Failed(why) => JournalError::Failed(why),
        }
    }
}

/// Logs a key that cannot be read. It names nothing that could be worked on; the others go on.
pub(crate) fn unreadable(space: Space, key: &[u8]) {
    tracing::error!(space = space.name(), key = hex::encode(key), "unreadable key in the store");
}

/// The first `limit` keys of a range.
pub(crate) fn collect<K>(
    engine: &dyn Engine,
    space: Space,
    range: &KeyRange,
    limit: usize,
    mut read: impl FnMut(&[u8]) -> Option<K>,
) -> Result<Vec<K>, JournalError> {
    entries(engine, space, range, limit, |key, _| read(key))
}

/// The first `limit` entries of a range.
pub(crate) fn entries<K>(
    engine: &dyn Engine,
    space: Space,
    range: &KeyRange,
    limit: usize,
    mut read: impl FnMut(&[u8], &[u8]) -> Option<K>,
) -> Result<Vec<K>, JournalError> {
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    engine.scan(space, range, Direction::Forward, &mut |key, value| {
        match read(key, value) {
            Some(key) => found.push(key),
            None => unreadable(space, key),
        }
        if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}
