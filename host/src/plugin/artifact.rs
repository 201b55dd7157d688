//! Ahead-of-time artifacts: a component is compiled once and its native code kept for the next start.
//!
//! An artifact is native code that the process will run, so it is only taken from a directory that belongs to this user
//! and that nobody else can write, and only as this gateway itself wrote it: a file begins with the SHA-256 of the rest.
//! Its name holds the component's hash and the engine's (version, settings and processor features), so that nothing
//! stale is ever loaded.

use std::{
    fs,
    hash::{Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

/// Where artifacts are kept.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    directory: PathBuf,
}

/// Why the directory of artifacts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It cannot be made or read.
    #[error("the directory {} of plugin artifacts cannot be used: {}; set plugins.cache to one that can", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// Somebody else could put code there.
    #[error("the directory {} of plugin artifacts must belong to the user the gateway runs as, with mode 0700", .0.display())]
    NotPrivate(PathBuf),
}

impl ArtifactStore {
    /// Opens (or makes) the directory and checks that it is private.
    pub fn open(directory: &Path) -> Result<Self, ArtifactError> {
        let failed = |error| ArtifactError::Io(directory.to_owned(), error);
        make_private(directory).map_err(failed)?;
        match is_private(&fs::symlink_metadata(directory).map_err(failed)?) {
            true => Ok(ArtifactStore { directory: directory.to_owned() }),
            false => Err(ArtifactError::NotPrivate(directory.to_owned())),
        }
    }

    /// The compiled component: from its artifact, or compiled now and kept.
    ///
    /// An artifact that cannot be written is not an error: the component is compiled again at the next start.
    pub fn component(&self, engine: &Engine, bytes: &[u8], hash: &str) -> wasmtime::Result<Component> {
        let path = self.directory.join(format!("{hash}-{:016x}.cwasm", engine_hash(engine)));
        if let Some(component) = load(engine, &path) {
            return Ok(component);
        }
        let component = Component::from_binary(engine, bytes)?;
        if let Err(error) = component.serialize().map_err(io::Error::other).and_then(|code| self.keep(&path, &code)) {
            tracing::warn!(path = %path.display(), %error, "a plugin artifact could not be kept; it is compiled again at the next start");
        }
        Ok(component)
    }

    fn keep(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        let temporary = self.directory.join(format!(".{}-{:x}", std::process::id(), rand::random::<u64>()));
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(&Sha256::digest(code))?;
            file.write_all(code)?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| drop(fs::remove_file(&temporary)))
    }
}

fn engine_hash(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

#[allow(unsafe_code)]
fn load(engine: &Engine, path: &Path) -> Option<Component> {
    let file = fs::read(path).ok()?;
    let (hash, code) = file.split_at_checked(32)?;
    if hash != Sha256::digest(code).as_slice() {
        tracing::warn!(path = %path.display(), "a damaged plugin artifact was left aside and will be written anew");
        return None;
    }
    // SAFETY: the code is what `keep` wrote: the directory is this user's alone (checked at open), and the file is whole
    // (checked above). wasmtime itself refuses code of another version or for other processor features.
    unsafe { Component::deserialize(engine, code) }.ok()
}

#[cfg(unix)]
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(unix)]
fn is_private(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.is_dir() && metadata.mode() & 0o077 == 0 && metadata.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn make_private(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}

#[cfg(not(unix))]
fn is_private(metadata: &fs::Metadata) -> bool {
    metadata.is_dir()
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The smallest component: nothing in it.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_directory_that_others_can_read_or_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(ArtifactStore::open(directory.path()), Err(ArtifactError::NotPrivate(_))));
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(ArtifactStore::open(directory.path()).is_ok());
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        assert!(matches!(ArtifactStore::open(&link), Err(ArtifactError::NotPrivate(_))));
    }

    #[test]
    fn an_artifact_is_used_again_and_a_damaged_one_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let store = ArtifactStore::open(&directory.path().join("artifacts")).unwrap();
        let engine = Engine::default();
        store.component(&engine, EMPTY, "empty").unwrap();
        let file = fs::read_dir(&store.directory).unwrap().next().unwrap().unwrap().path();
        let whole = fs::read(&file).unwrap();
        assert!(load(&engine, &file).is_some());

        for spoiled in [&whole[..whole.len() / 2], &whole[..10], b""] {
            fs::write(&file, spoiled).unwrap();
            assert!(load(&engine, &file).is_none());
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&file, flipped).unwrap();
        store.component(&engine, EMPTY, "empty").unwrap();
        assert_eq!(fs::read(&file).unwrap(), whole);
    }
}
