//! The seal: a small text file that says which format a store has and which engine it is on.
//!
//! It is replaced by renaming, so that it is always whole: a store exists from the moment its seal does, and moves from
//! one engine to the other in the moment its seal changes.
//!
//! ```text
//! hookgate store
//! format = 4
//! engine = fjall
//! ```

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use hookgate_config::EngineKind;

use crate::engine::disk::sync_dir;

/// The file's name.
pub(crate) const FILE: &str = "store";

/// The format that is written and read. Older ones were never released.
pub(crate) const FORMAT: u32 = 4;

const TITLE: &str = "hookgate store";

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) engine: EngineKind,
}

/// Why a seal cannot be used.
#[derive(Debug)]
pub(crate) enum SealError {
    Io(io::Error),
    OtherFormat(String),
    Damaged(String),
}

/// Reads the seal of a store; `None` where there is no store.
pub(crate) fn read(store: &Path) -> Result<Option<Seal>, SealError> {
    match std::fs::read_to_string(store.join(FILE)) {
        Ok(text) => parse(&text).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => Err(unreadable("it is not text")),
        Err(e) => Err(SealError::Io(e)),
    }
}

/// Writes the seal, durably.
pub(crate) fn write(store: &Path, engine: EngineKind) -> io::Result<()> {
    let new = store.join("store.new");
    let mut file = File::create(&new)?;
    write!(file, "{TITLE}\nformat = {FORMAT}\nengine = {}\n", engine.name())?;
    file.sync_all()?;
    std::fs::rename(&new, store.join(FILE))?;
    sync_dir(store)?;
    // The store's own name, where the directory was just made.
    store.canonicalize()?.parent().map_or(Ok(()), sync_dir)
}

fn parse(text: &str) -> Result<Seal, SealError> {
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(unreadable("it does not begin as one"));
    }
    let mut value = |name: &str| {
        let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        value.ok_or_else(|| unreadable("a line is missing"))
    };
    let format = value("format")?;
    if format != FORMAT.to_string() {
        return Err(SealError::OtherFormat(format.to_owned()));
    }
    match value("engine")? {
        "fjall" => Ok(Seal { engine: EngineKind::Fjall }),
        "sled" => Ok(Seal { engine: EngineKind::Sled }),
        _ => Err(unreadable("it names an unknown engine")),
    }
}

fn unreadable(why: &str) -> SealError {
    SealError::Damaged(format!("its file `{FILE}` is not a seal: {why}"))
}
