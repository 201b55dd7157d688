//! Ahead-of-time artifacts: a component is compiled once and its native code kept for the next start.
//!
//! An artifact is native code that the process will run, so it is only taken when this user wrote it. The directory is held
//! by a descriptor, is this user's and has mode 0700; so is each file, with mode 0600, and it is opened below that
//! descriptor and looked at by its own. Neither the directories above nor what its path means later can put another file in
//! its place, and no other user can write one. A hash in front of the code finds damage. A file's name holds the component's
//! hash and the engine's (version, settings and processor features), so that nothing stale is ever loaded.

use std::{
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use hookgate_model::private;
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

/// Where artifacts are kept.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    /// For messages, and for the process that tries components.
    path: PathBuf,
    directory: Arc<File>,
}

/// Why the directory of artifacts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It cannot be made or read.
    #[error("the directory {} for compiled plugins cannot be used: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// Somebody else could put code there.
    #[error("the directory {} for compiled plugins must belong to this user, with mode 0700", .0.display())]
    NotPrivate(PathBuf),
}

/// Why an artifact is not taken.
#[derive(Debug, PartialEq, Eq)]
enum NotTaken {
    /// There is none, or it cannot be read.
    Missing,
    /// Another user wrote it or could have.
    NotPrivate,
    /// It is not what was written.
    Damaged,
    /// wasmtime does not take it: another version, or other processor features.
    Stale,
}

impl ArtifactStore {
    /// Opens (or makes) the directory and checks that it is private.
    pub fn open(path: &Path) -> Result<Self, ArtifactError> {
        let failed = |error| ArtifactError::Io(path.to_owned(), error);
        private::make_directory(path).map_err(failed)?;
        if !fs::symlink_metadata(path).map_err(failed)?.is_dir() {
            return Err(ArtifactError::NotPrivate(path.to_owned()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let directory = File::from(directory);
        if private::is_private(&directory.metadata().map_err(failed)?) {
            Ok(ArtifactStore { path: path.to_owned(), directory: Arc::new(directory) })
        } else {
            Err(ArtifactError::NotPrivate(path.to_owned()))
        }
    }

    /// The compiled component: from its artifact, or compiled now and kept.
    ///
    /// An artifact that cannot be written is not an error: the component is compiled again at the next start.
    pub fn component(&self, engine: &Engine, bytes: &[u8], hash: &str) -> wasmtime::Result<Component> {
        let name = format!("{hash}-{:016x}.cwasm", engine_hash(engine));
        let shown = self.path.join(&name);
        match self.load(engine, &name) {
            Ok(component) => return Ok(component),
            Err(NotTaken::Missing | NotTaken::Stale) => {}
            Err(NotTaken::NotPrivate) => {
                tracing::warn!(path = %shown.display(), "a plugin artifact that another user may have written is written anew");
            }
            Err(NotTaken::Damaged) => {
                tracing::warn!(path = %shown.display(), "a damaged plugin artifact is written anew");
            }
        }
        let component = Component::from_binary(engine, bytes)?;
        if let Err(error) = component.serialize().map_err(io::Error::other).and_then(|code| self.keep(&name, &code)) {
            tracing::warn!(path = %shown.display(), %error, "a plugin artifact could not be kept; it is compiled again at the next start");
        }
        Ok(component)
    }

    #[allow(unsafe_code)]
    fn load(&self, engine: &Engine, name: &str) -> Result<Component, NotTaken> {
        let file = self.read(name)?;
        let (hash, code) = file.split_at_checked(32).ok_or(NotTaken::Damaged)?;
        if hash != Sha256::digest(code).as_slice() {
            return Err(NotTaken::Damaged);
        }
        // SAFETY: the code is what `keep` wrote: only this user can write into the directory that was opened, the file is
        // this user's alone, too (both checked by their descriptors), and it is whole (checked above). wasmtime itself
        // refuses code of another version or for other processor features.
        unsafe { Component::deserialize(engine, code) }.map_err(|_| NotTaken::Stale)
    }

    /// The bytes of a file that only this user can have written.
    fn read(&self, name: &str) -> Result<Vec<u8>, NotTaken> {
        // A pipe in its place must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&*self.directory, name, flags, Mode::empty()).map_err(|_| NotTaken::Missing)?;
        let mut file = File::from(file);
        let metadata = file.metadata().map_err(|_| NotTaken::Missing)?;
        if !metadata.is_file() || !private::is_private(&metadata) {
            return Err(NotTaken::NotPrivate);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|_| NotTaken::Missing)?;
        Ok(bytes)
    }

    /// The directory, for another process that compiles.
    pub fn directory(&self) -> &Path {
        &self.path
    }

    /// Whether [`ArtifactStore::note_passed`] was called for a component, for this engine and this version of hookgate.
    pub fn has_passed(&self, engine: &Engine, hash: &str) -> bool {
        self.read(&passed(engine, hash)).is_ok_and(|note| note == Sha256::digest([]).as_slice())
    }

    /// Notes that a component was tried and has done no harm. Where that cannot be written it is tried again next time.
    pub fn note_passed(&self, engine: &Engine, hash: &str) {
        let name = passed(engine, hash);
        if let Err(error) = self.keep(&name, &[]) {
            let path = self.path.join(name);
            tracing::warn!(path = %path.display(), %error, "that a plugin was tried could not be noted; it is tried again");
        }
    }

    fn keep(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let temporary = format!(".{}-{:x}", std::process::id(), rand::random::<u64>());
        let directory = &*self.directory;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let written = openat(directory, &temporary, flags, Mode::RUSR | Mode::WUSR).map_err(io::Error::from);
        let written = written.and_then(|file| {
            let mut file = File::from(file);
            file.write_all(&Sha256::digest(code))?;
            file.write_all(code)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| Ok(renameat(directory, &temporary, directory, name)?));
        renamed.inspect_err(|_| _ = unlinkat(directory, &temporary, AtFlags::empty()))
    }
}

/// The name of the note that a component was tried.
fn passed(engine: &Engine, hash: &str) -> String {
    format!("{hash}-{:016x}-{}.passed", engine_hash(engine), env!("CARGO_PKG_VERSION"))
}

fn engine_hash(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The smallest component: nothing in it.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A store with one artifact in it, and that artifact's file.
    fn filled(path: &Path, engine: &Engine) -> (ArtifactStore, PathBuf) {
        let store = ArtifactStore::open(path).unwrap();
        store.component(engine, EMPTY, "empty").unwrap();
        let file = fs::read_dir(path).unwrap().next().unwrap().unwrap().path();
        (store, file)
    }

    fn name(file: &Path) -> &str {
        file.file_name().unwrap().to_str().unwrap()
    }

    #[test]
    fn a_directory_that_others_can_read_or_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        set_mode(directory.path(), 0o755);
        assert!(matches!(ArtifactStore::open(directory.path()), Err(ArtifactError::NotPrivate(_))));
        set_mode(directory.path(), 0o700);
        assert!(ArtifactStore::open(directory.path()).is_ok());
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        assert!(matches!(ArtifactStore::open(&link), Err(ArtifactError::NotPrivate(_))));
    }

    #[test]
    fn an_artifact_is_used_again_and_a_damaged_one_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let (store, file) = filled(&directory.path().join("artifacts"), &engine);
        let whole = fs::read(&file).unwrap();
        assert!(store.load(&engine, name(&file)).is_ok());

        for spoiled in [&whole[..whole.len() / 2], &whole[..10], b""] {
            fs::write(&file, spoiled).unwrap();
            assert_eq!(store.load(&engine, name(&file)).err(), Some(NotTaken::Damaged));
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&file, flipped).unwrap();
        store.component(&engine, EMPTY, "empty").unwrap();
        assert_eq!(fs::read(&file).unwrap(), whole);
    }

    #[test]
    fn a_file_that_others_could_have_written_or_a_link_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let (store, file) = filled(&directory.path().join("artifacts"), &engine);
        for mode in [0o644, 0o660, 0o602, 0o620] {
            set_mode(&file, mode);
            assert_eq!(store.load(&engine, name(&file)).err(), Some(NotTaken::NotPrivate), "{mode:o}");
        }
        store.component(&engine, EMPTY, "empty").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        assert_eq!(store.load(&engine, name(&file)).err(), Some(NotTaken::Missing));
    }

    #[test]
    fn what_the_path_means_later_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let (path, away) = (directory.path().join("artifacts"), directory.path().join("away"));
        let (store, file) = filled(&path, &engine);
        fs::rename(&path, &away).unwrap();
        // Somebody who may write into the directory above puts another one there.
        fs::create_dir(&path).unwrap();
        fs::write(&file, "not code of ours").unwrap();
        set_mode(&file, 0o600);
        assert!(store.load(&engine, name(&file)).is_ok());
        store.component(&engine, EMPTY, "other").unwrap();
        assert_eq!((fs::read_dir(&path).unwrap().count(), fs::read_dir(&away).unwrap().count()), (1, 2));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_of_another_user_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let (store, file) = filled(&directory.path().join("artifacts"), &engine);
        // Only root can give a file away; for anybody else there is nothing to try.
        if std::os::unix::fs::chown(&file, Some(65534), None).is_ok() {
            assert_eq!(store.load(&engine, name(&file)).err(), Some(NotTaken::NotPrivate));
        }
    }
}
