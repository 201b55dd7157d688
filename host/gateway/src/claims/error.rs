//! Why a body could not be kept, or not be read again.

use std::{io, path::Path};

/// Why a body could not be kept, or not be read again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The disk has less free space than the headroom.
    #[error("there is no room for a large body: {0}; free some, or lower `store.headroom`")]
    Full(String),
    /// The disk or the object store failed.
    #[error("the object store failed: {0}; see `[claims]` in the configuration")]
    Failed(String),
    /// The object is gone.
    #[error("the object {0} is not in the object store any more")]
    Missing(uuid::Uuid),
}

impl ClaimError {
    pub(super) fn of_path(path: &Path, error: &io::Error) -> ClaimError {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        let text = format!("{}: {error}", path.display());
        match error.kind() {
            StorageFull | QuotaExceeded => ClaimError::Full(text),
            _ => ClaimError::Failed(text),
        }
    }

    pub(super) fn of_store(error: &object_store::Error) -> ClaimError {
        ClaimError::Failed(error.to_string())
    }
}
