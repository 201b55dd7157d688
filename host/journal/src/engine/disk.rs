//! Room on the disk.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The file system that the store is on.
pub(crate) struct Disk {
    path: PathBuf,
    headroom: u64,
    free: FreeBytes,
}

/// Returns how many bytes may still be written at a path.
pub(crate) type FreeBytes = Box<dyn Fn(&Path) -> io::Result<u64> + Send>;

impl Disk {
    /// `headroom`: bytes to leave free.
    pub(crate) fn new(path: PathBuf, headroom: u64, free: FreeBytes) -> Self {
        Disk { path, headroom, free }
    }

    /// Whether more than the headroom is free; if not, in words what is. A path that cannot be asked has no room.
    pub(crate) fn room(&self) -> Result<(), String> {
        let free = (self.free)(&self.path)
            .map_err(|e| format!("the free space at {} cannot be asked for: {e}", self.path.display()))?;
        if free >= self.headroom {
            return Ok(());
        }
        const MIB: u64 = 1 << 20;
        let (free, headroom) = (free / MIB, self.headroom.div_ceil(MIB));
        Err(format!("{free} MiB are free at {}, and the store's headroom is {headroom} MiB", self.path.display()))
    }
}

/// Bytes that may still be written where `path` is.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
