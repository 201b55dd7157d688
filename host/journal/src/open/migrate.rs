//! Moving a store to the other engine, or to another directory.
//!
//! The new one is built beside the old one, compared with it entry by entry, made durable, and only then sealed. Until
//! the seal changes the old store is the store; an interrupted move leaves a directory that the next one clears away.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use hookgate_config::{EngineKind, Store};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    engine::{Batch, Direction, Durability, Engine, EngineError, Space},
    open::{self, Opener, error::OpenError, remove_dir, seal},
    record::{
        keys,
        state::{Books, Delta, STATE},
    },
    types::JournalError,
};

/// Writes and bytes of a batch; small, since sled takes gigabytes of memory for large ones.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 1 << 20;

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// From this engine.
    pub from: &'static str,
    /// To this one.
    pub to: &'static str,
    /// Where it is now.
    pub path: PathBuf,
    /// Entries, compared one by one.
    pub entries: u64,
}

/// Why a store could not be moved; the old one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// One of the two cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is nothing to do.
    #[error("the store at {} is on {engine} already", path.display())]
    Already {
        /// The store's path.
        path: PathBuf,
        /// The engine.
        engine: &'static str,
    },
    /// There is a store where the new one should be.
    #[error("there is a store at {} already; name an empty directory", .0.display())]
    Occupied(PathBuf),
    /// Reading or writing failed.
    #[error("the store could not be moved: {0}; the old one is as it was")]
    Failed(String),
    /// The copy is not the same.
    #[error("the copy of `{0}` differs from the original; the old store is as it was")]
    Differs(&'static str),
}

/// Moves the store at `store.path` to an engine, in place or to `path`. The gateway must not run.
pub fn migrate(store: &Store, to: EngineKind, path: Option<&Path>) -> Result<Migrated, MigrateError> {
    let from = made_by(store)?;
    let source = Store { engine: from, path: store.path.clone(), ..*store };
    let open::Opened { engine, books, opener, sidecar } = open::open(&source)?;
    let target = match path {
        Some(path) => opener_elsewhere(&Store { engine: to, path: path.to_owned(), ..*store })?,
        None if from == to => {
            return Err(MigrateError::Already { path: store.path.clone(), engine: to.name() });
        }
        None => opener.with_engine(to),
    };
    remove_dir(&target.directory()).map_err(failed)?;
    let entries = copy(&*engine, books, &*target.engine()?)?;
    // Compared as it is after a restart.
    let (copied, _) = target.reopen(&sidecar)?;
    compare(&*engine, &*copied)?;
    drop(copied);
    seal::write(target.home.held_path(), to).map_err(failed)?;
    drop(engine);
    if path.is_none() {
        remove_dir(&opener.directory()).map_err(failed)?;
    }
    Ok(Migrated { from: from.name(), to: to.name(), path: target.path.clone(), entries })
}

/// The engine that a store is on, whatever the configuration says.
fn made_by(store: &Store) -> Result<EngineKind, MigrateError> {
    match seal::read(&store.path) {
        Ok(Some(seal)) => Ok(seal.engine),
        Ok(None) => Err(failed(format!("there is no store at {}", store.path.display()))),
        // Opening it says why.
        Err(_) => Ok(store.engine),
    }
}

fn opener_elsewhere(store: &Store) -> Result<Opener, MigrateError> {
    if matches!(seal::read(&store.path), Ok(Some(_)) | Err(_)) {
        return Err(MigrateError::Occupied(store.path.clone()));
    }
    Ok(Opener::take(store)?)
}

/// Copies all entries; the copy gets the same books, with batch numbers of its own.
fn copy(from: &dyn Engine, books: Books, to: &dyn Engine) -> Result<u64, MigrateError> {
    let mut copied = 0;
    let mut books = books;
    books.state.spaces = [0; Space::COUNT];
    for &space in Space::ALL {
        let mut batch = Batch::default();
        let mut result = Ok(());
        from.scan(space, &keys::all(), Direction::Forward, &mut |key, value| {
            if (space, key) != (Space::Meta, STATE) {
                batch.put(space, key.to_vec(), value.to_vec());
                copied += 1;
            }
            if batch.len() >= BATCH || batch.bytes() >= BATCH_BYTES {
                result = enter(&mut books, std::mem::take(&mut batch), to, Durability::Process);
            }
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
        enter(&mut books, batch, to, Durability::Process)?;
    }
    enter(&mut books, Batch::default(), to, Durability::Power)?;
    Ok(copied)
}

fn enter(books: &mut Books, mut batch: Batch, to: &dyn Engine, durability: Durability) -> Result<(), MigrateError> {
    let entry = books.next(&Delta::default(), &mut batch)?;
    books.enter(&entry);
    Ok(to.apply(batch, books.state.batch, durability)?)
}

fn compare(one: &dyn Engine, other: &dyn Engine) -> Result<(), MigrateError> {
    for &space in Space::ALL {
        if digest(one, space)? != digest(other, space)? {
            return Err(MigrateError::Differs(space.name()));
        }
    }
    Ok(())
}

/// A hash over all entries of a space in their order.
fn digest(engine: &dyn Engine, space: Space) -> Result<[u8; 32], EngineError> {
    let mut hash = Sha256::new();
    engine.scan(space, &keys::all(), Direction::Forward, &mut |key, value| {
        if (space, key) != (Space::Meta, STATE) {
            for part in [key, value] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(hash.finalize().into())
}

fn failed(e: impl ToString) -> MigrateError {
    MigrateError::Failed(e.to_string())
}

impl From<EngineError> for MigrateError {
    fn from(e: EngineError) -> Self {
        failed(e)
    }
}

impl From<JournalError> for MigrateError {
    fn from(e: JournalError) -> Self {
        failed(e)
    }
}
