//! The directory of an open store: held by a descriptor, locked, and known again.
//!
//! A path may come to mean another directory, or none, while the store is open: somebody moves it away, removes it, or puts
//! another one there. The engines make files by path at any time, so they are given a path that leads through the
//! descriptor: whatever happens to the name, they write into the directory that was opened and into no other. The writer
//! asks [`Home::check`] with each batch, and closes the store when the path means something else.

use std::{
    fs::{self, File, Metadata, TryLockError},
    io::{self, Write},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use hookgate_model::private;

use crate::open::error::OpenError;

const LOCK: &str = "lock";

/// The held and locked directory.
#[derive(Debug)]
pub(crate) struct Home {
    /// As it is configured; for messages and for [`Home::check`].
    path: PathBuf,
    /// The same through the descriptor, where the system has that.
    held_path: PathBuf,
    /// The lock file, which holds the process id of its owner.
    lock: File,
    identity: Identity,
    _directory: File,
}

/// What a file is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Drop for Home {
    /// Closing the file is not enough: a process that is being started has a copy of it for a moment, and with it the lock.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Home {
    /// Makes the directory where there is none, for this user only, and locks it.
    pub(crate) fn take(path: &Path) -> Result<Home, OpenError> {
        let unusable = |e: io::Error| OpenError::Unusable { path: path.to_owned(), reason: e.to_string() };
        private::make_directory(path).map_err(unusable)?;
        let directory = File::open(path).map_err(unusable)?;
        let held_path = through_descriptor(&directory).map_err(unusable)?.unwrap_or_else(|| path.to_owned());
        let file = held_path.join(LOCK);
        let mut lock =
            File::options().read(true).write(true).create(true).truncate(false).open(&file).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(e)) => return Err(unusable(e)),
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&file).unwrap_or_default();
                let holder = match pid.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                return Err(OpenError::InUse { path: path.to_owned(), holder });
            }
        }
        let pid = format!("{}\n", std::process::id());
        lock.set_len(0).and_then(|()| lock.write_all(pid.as_bytes())).map_err(unusable)?;
        let identity = Identity::of(&lock.metadata().map_err(unusable)?);
        Ok(Home { path: path.to_owned(), held_path, lock, identity, _directory: directory })
    }

    /// A path into the directory that was opened, whatever its name means by now.
    pub(crate) fn held_path(&self) -> &Path {
        &self.held_path
    }

    /// Whether the configured path still means the directory that was opened; if not, in words what it means.
    pub(crate) fn check(&self) -> Result<(), String> {
        let what = match fs::metadata(self.path.join(LOCK)) {
            Ok(metadata) if Identity::of(&metadata) == self.identity => return Ok(()),
            Ok(_) => "another directory is there now".to_owned(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => "it was moved away or removed".to_owned(),
            Err(e) => format!("it cannot be asked ({e})"),
        };
        Err(format!("{} is not the directory any more that this gateway has opened: {what}", self.path.display()))
    }
}

/// The path of an open directory through its descriptor; none where the system has no such paths.
fn through_descriptor(directory: &File) -> io::Result<Option<PathBuf>> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    let identity = Identity::of(&directory.metadata()?);
    Ok(Some(path).filter(|path| fs::metadata(path).is_ok_and(|there| Identity::of(&there) == identity)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_let_go_of_is_free_even_while_a_copy_of_its_file_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::take(dir.path()).unwrap();
        assert!(matches!(Home::take(dir.path()), Err(OpenError::InUse { .. })));
        let _copy = home.lock.try_clone().unwrap();
        drop(home);
        assert!(Home::take(dir.path()).is_ok());
    }

    #[test]
    fn a_moved_removed_or_exchanged_directory_is_noticed_and_its_own_is_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, away) = (dir.path().join("data"), dir.path().join("away"));
        let home = Home::take(&path).unwrap();
        assert_eq!(home.check(), Ok(()));
        fs::rename(&path, &away).unwrap();
        assert!(home.check().unwrap_err().contains("moved away or removed"));
        let other = Home::take(&path).unwrap();
        assert!(home.check().unwrap_err().contains("another directory"));
        assert_eq!(other.check(), Ok(()));
        // What is written through the descriptor goes into its own directory.
        fs::write(home.held_path().join("mine"), "x").unwrap();
        assert!(away.join("mine").exists() && !path.join("mine").exists());
        drop(other);
        fs::remove_dir_all(&path).unwrap();
        fs::rename(&away, &path).unwrap();
        assert_eq!(home.check(), Ok(()));
        fs::remove_file(path.join(LOCK)).unwrap();
        assert!(home.check().is_err());
    }
}
