//! Opening a store: whose it is, which engine made it, whether it is whole.

pub(crate) mod error;
mod home;
pub(crate) mod migrate;
pub(crate) mod seal;
pub(crate) mod sidecar;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use hookgate_config::{EngineKind, Store};

use crate::{
    engine::{Batch, Durability, Engine, EngineError, Space, fjall::Fjall, rewrite::rewrite_log, sled::Sled},
    open::{
        error::OpenError,
        home::Home,
        seal::{Seal, SealError},
        sidecar::{Acknowledged, Sidecar},
    },
    record::state::{Books, Delta, State},
};

/// The sidecar's file.
const ACKNOWLEDGED: &str = "acknowledged";

/// Whether there is a store at a path, be it damaged.
pub fn is_there(path: &Path) -> bool {
    [seal::FILE, ACKNOWLEDGED].iter().any(|file| path.join(file).exists())
}

/// Opens the engine of a store, the first time and after failures.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) path: PathBuf,
    pub(crate) kind: EngineKind,
    pub(crate) cache: u64,
    /// Held as long as the store is open.
    pub(crate) home: Arc<Home>,
}

/// An opened store.
pub(crate) struct Opened {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) books: Books,
    pub(crate) opener: Opener,
    pub(crate) sidecar: Sidecar,
}

/// Opens the store, made anew where there is none, and makes sure that nothing acknowledged is missing.
pub(crate) fn open(store: &Store) -> Result<Opened, OpenError> {
    let (opener, sidecar) = prepare(store)?;
    let (engine, books) = opener.reopen(&sidecar)?;
    Ok(Opened { engine, books, opener, sidecar })
}

/// Everything but the engine: lock, seal, sidecar. Makes the store where there is none.
pub(crate) fn prepare(store: &Store) -> Result<(Opener, Sidecar), OpenError> {
    let opener = Opener::take(store)?;
    let unusable = |e: io::Error| OpenError::Unusable { path: store.path.clone(), reason: e.to_string() };
    let path = opener.home.held_path();
    let noted = path.join(ACKNOWLEDGED);
    let acknowledged_before = noted.exists();
    match seal::read(path) {
        Ok(Some(seal)) => opener.check_seal(&seal)?,
        Ok(None) if acknowledged_before => {
            return Err(opener.damaged(format!("its file `{}` is missing", seal::FILE)));
        }
        Ok(None) => opener.make()?,
        Err(SealError::Io(e)) => return Err(unusable(e)),
        Err(SealError::OtherFormat(found)) => {
            return Err(OpenError::OtherFormat { path: store.path.clone(), found, known: seal::FORMAT });
        }
        Err(SealError::Damaged(reason)) => return Err(opener.damaged(reason)),
    }
    let sidecar = Sidecar::open(&noted).map_err(unusable)?;
    Ok((opener, sidecar))
}

impl Opener {
    /// Makes and locks the directory.
    pub(crate) fn take(store: &Store) -> Result<Opener, OpenError> {
        let home = Arc::new(Home::take(&store.path)?);
        Ok(Opener { path: store.path.clone(), kind: store.engine, cache: store.cache, home })
    }

    /// The same store on another engine.
    pub(crate) fn with_engine(&self, kind: EngineKind) -> Opener {
        Opener { path: self.path.clone(), kind, cache: self.cache, home: self.home.clone() }
    }

    /// Where an engine keeps its files.
    pub(crate) fn directory(&self) -> PathBuf {
        self.home.held_path().join(self.kind.name())
    }

    /// Opens the engine and makes sure that nothing acknowledged is missing.
    pub(crate) fn reopen(&self, sidecar: &Sidecar) -> Result<(Arc<dyn Engine>, Books), OpenError> {
        if !self.directory().is_dir() {
            return Err(self.damaged(format!("its directory `{}` is missing", self.kind.name())));
        }
        let engine = self.engine()?;
        let books = self.books(&*engine)?.ok_or_else(|| self.damaged("it has no books".to_owned()))?;
        self.check_whole(&*engine, &books.state, sidecar.last())?;
        Ok((engine, books))
    }

    /// Brings what the closed engine will replay onto the disk, for sure: after a failed sync.
    pub(crate) fn rewrite_log(&self) -> Result<(), OpenError> {
        rewrite_log(self.kind, &self.directory()).map_err(|e| self.error(e.into()))
    }

    /// Opens the engine as it is.
    pub(crate) fn engine(&self) -> Result<Arc<dyn Engine>, OpenError> {
        open_engine(self.kind, &self.directory(), self.cache).map_err(|e| self.error(e))
    }

    /// The books of an engine.
    pub(crate) fn books(&self, engine: &dyn Engine) -> Result<Option<Books>, OpenError> {
        Books::load(engine).map_err(|e| self.damaged(e.to_string()))
    }

    fn check_seal(&self, seal: &Seal) -> Result<(), OpenError> {
        let (made_by, wanted) = (seal.engine.name(), self.kind.name());
        if made_by != wanted {
            return Err(OpenError::OtherEngine { path: self.path.clone(), made_by, wanted });
        }
        Ok(())
    }

    /// Makes an empty store: first the engine with its books, then the seal. What an interrupted attempt has left is
    /// removed: without seal and sidecar nothing in it was ever acknowledged.
    fn make(&self) -> Result<(), OpenError> {
        let unusable = |e: io::Error| self.error(e.into());
        remove_dir(&self.directory()).map_err(unusable)?;
        let engine = self.engine()?;
        let mut batch = Batch::default();
        let books = Books::default().next(&Delta::default(), &mut batch).map_err(|e| self.damaged(e.to_string()))?;
        engine.apply(batch, books.state.batch, Durability::Power).map_err(|e| self.error(e))?;
        drop(engine);
        seal::write(self.home.held_path(), self.kind).map_err(unusable)
    }

    /// Compares what the store has with what was acknowledged, and its spaces with each other.
    fn check_whole(&self, engine: &dyn Engine, state: &State, noted: Acknowledged) -> Result<(), OpenError> {
        if state.batch < noted.batch {
            let commits = noted.commits.saturating_sub(state.commits);
            let what = format!(
                "{commits} acknowledged commits are missing (it ends at batch {}, acknowledged were {})",
                state.batch, noted.batch
            );
            return Err(OpenError::Lost { path: self.path.clone(), what, commits });
        }
        for &space in Space::ALL {
            let there = engine.last_batch(space).map_err(|e| self.error(e))?;
            let due = state.spaces[space as usize];
            if there.is_some_and(|there| there != due) {
                let there = there.unwrap_or_default();
                let name = space.name();
                let what = format!("`{name}` ends at batch {there}, and should end at {due}; some commits are missing");
                return Err(OpenError::Lost { path: self.path.clone(), what, commits: due.abs_diff(there) });
            }
        }
        Ok(())
    }

    pub(crate) fn damaged(&self, reason: String) -> OpenError {
        OpenError::Damaged { path: self.path.clone(), reason }
    }

    pub(crate) fn error(&self, e: EngineError) -> OpenError {
        let path = self.path.clone();
        match e {
            EngineError::Full(reason) => OpenError::Full { path, reason },
            EngineError::Damaged(reason) => OpenError::Damaged { path, reason },
            EngineError::Failed(reason) => OpenError::Failed { path, reason },
        }
    }
}

/// Opens an engine. A panic inside it (both engines have them for files they did not expect) counts as damage.
pub(crate) fn open_engine(kind: EngineKind, dir: &Path, cache: u64) -> Result<Arc<dyn Engine>, EngineError> {
    let open = || -> Result<Arc<dyn Engine>, EngineError> {
        Ok(match kind {
            EngineKind::Fjall => Arc::new(Fjall::open(dir, cache)?),
            EngineKind::Sled => Arc::new(Sled::open(dir, cache)?),
        })
    };
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(EngineError::Damaged(format!("{} gave up on it: {text}", kind.name())))
    })
}

/// Removes a directory if it is there.
pub(crate) fn remove_dir(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
