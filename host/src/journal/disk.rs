//! Room on the disk.

use std::path::{Path, PathBuf};

/// The file system that the store is on.
pub(super) struct Disk {
    path: PathBuf,
    headroom: u64,
    free: FreeBytes,
}

/// Tells how many bytes may still be written at a path, where that is known.
pub(super) type FreeBytes = Box<dyn Fn(&Path) -> Option<u64> + Send>;

impl Disk {
    /// `headroom`: bytes to leave free.
    pub(super) fn new(path: PathBuf, headroom: u64, free: FreeBytes) -> Self {
        Disk { path, headroom, free }
    }

    /// Whether more than the headroom is free; if not, in words what is.
    pub(super) fn room(&self) -> Result<(), String> {
        let Some(free) = (self.free)(&self.path) else { return Ok(()) };
        if free >= self.headroom {
            return Ok(());
        }
        const MIB: u64 = 1 << 20;
        let (free, headroom) = (free / MIB, self.headroom.div_ceil(MIB));
        Err(format!("{free} MiB are free at {}, and the store's headroom is {headroom} MiB", self.path.display()))
    }
}

/// Bytes that may still be written where `path` is. `None` where the system does not say: then only a failed write tells.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// As on Unix, where the system does not say.
#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> Option<u64> {
    None
}
