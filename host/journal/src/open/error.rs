//! Why a store is not opened.

use std::path::PathBuf;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made, read or written.
    #[error("the store at {} cannot be used: {reason}; `[store] path` must name a directory that this user may write to", path.display())]
    Unusable {
        /// The store's path.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Its files cannot be opened, read or written.
    #[error("the store at {} cannot be opened: {reason}; see that this user may read and write everything in it, that nothing else has it open, and that the disk is sound (the system's log)", path.display())]
    Failed {
        /// The store's path.
        path: PathBuf,
        /// What the engine says.
        reason: String,
    },
    /// Somebody else has it open.
    #[error("the store at {} is in use by {holder}; stop that gateway first, or give this one another `[store] path`", path.display())]
    InUse {
        /// The store's path.
        path: PathBuf,
        /// The other process, as far as it is known.
        holder: String,
    },
    /// It was made with the other engine.
    #[error("the store at {} was made by {made_by}, and the configuration says `engine = \"{wanted}\"`; write `engine = \"{made_by}\"`, or move it with `hookgate store migrate --to {wanted}`", path.display())]
    OtherEngine {
        /// The store's path.
        path: PathBuf,
        /// The engine that it is on.
        made_by: &'static str,
        /// The engine that was asked for.
        wanted: &'static str,
    },
    /// It has a format that this version does not know.
    #[error("the store at {} has format {found}, and this version of hookgate reads format {known}; open it with the version that wrote it, or give this one another `[store] path`", path.display())]
    OtherFormat {
        /// The store's path.
        path: PathBuf,
        /// The format that it says it has.
        found: String,
        /// The only format known here.
        known: u32,
    },
    /// It is not a store, or not a whole one.
    #[error("the store at {} is damaged: {reason}; restore it from a copy, or move it away and start with an empty one (events that were not delivered yet are lost then)", path.display())]
    Damaged {
        /// The store's path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It opens, but acknowledged commits are not in it.
    #[error("the store at {} has lost what was acknowledged: {what}; restore it from a copy, or go on without them with `hookgate store accept-loss`", path.display())]
    Lost {
        /// The store's path.
        path: PathBuf,
        /// What is missing.
        what: String,
        /// Commits that were acknowledged and are missing, as far as that is known.
        commits: u64,
    },
    /// The disk is full.
    #[error("the store at {} cannot be opened: the disk is full ({reason}); free some room", path.display())]
    Full {
        /// The store's path.
        path: PathBuf,
        /// What the engine says.
        reason: String,
    },
}
