//! Components of versions by content hash, in a directory of the store.
//!
//! ```text
//! STORE/plugin-versions/HASH.wasm      durable before the journal knows of it; read only when its hash is right
//! STORE/plugin-versions/active.json    which version is active for which source, for readers without the journal
//! ```
//!
//! The journal is authoritative. The second file copies a part of it, so that `hookgate check` knows what a running gateway has
//! activated.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use hookgate_model::{limits, private};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const DIRECTORY: &str = "plugin-versions";
const ACTIVE: &str = "active.json";

/// The directory of components; made with the first one.
#[derive(Clone, Debug)]
pub struct Files {
    directory: PathBuf,
}

/// The version that is activated for a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// The plugin that the source named at that time.
    pub plugin: String,
    /// The SHA-256 of the component, in hex.
    pub hash: String,
}

impl Files {
    /// The files of the store at that path.
    pub fn of_store(store: &Path) -> Files {
        Files { directory: store.join(DIRECTORY) }
    }

    /// The path of the component with that hash.
    pub fn path(&self, hash: &str) -> PathBuf {
        self.directory.join(format!("{hash}.wasm"))
    }

    /// Keeps a component durably. An existing file is left as it is, unless it is damaged.
    pub fn keep(&self, hash: &str, component: &[u8]) -> io::Result<()> {
        if self.read(hash).is_ok() {
            return Ok(());
        }
        self.write(&self.path(hash), component, true)
    }

    /// The component with that hash, which is checked.
    pub fn read(&self, hash: &str) -> io::Result<Vec<u8>> {
        let path = self.path(hash);
        if fs::metadata(&path)?.len() > limits::PLUGIN_FILE_BYTES_MAX {
            return Err(io::Error::other("it is larger than any component"));
        }
        let component = fs::read(&path)?;
        if hex::encode(Sha256::digest(&component)) == hash {
            Ok(component)
        } else {
            Err(io::Error::other("it is damaged: its hash differs from its name"))
        }
    }

    /// Removes the component with that hash, if it is there.
    pub fn remove(&self, hash: &str) -> io::Result<()> {
        match fs::remove_file(self.path(hash)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes which versions are active for which sources. Not synced, because each start writes it again.
    pub fn note_active(&self, active: &BTreeMap<String, Active>) -> io::Result<()> {
        if active.is_empty() && !self.directory.exists() {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(active).map_err(io::Error::other)?;
        self.write(&self.directory.join(ACTIVE), &text, false)
    }

    /// Which versions are active for which sources, as written last.
    pub fn active(&self) -> BTreeMap<String, Active> {
        let text = fs::read(self.directory.join(ACTIVE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Copies everything to another store.
    pub fn carry(&self, to: &Path) -> io::Result<()> {
        let target = to.join(DIRECTORY);
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        private::make_directory(&target)?;
        for entry in entries {
            let entry = entry?;
            fs::copy(entry.path(), target.join(entry.file_name()))?;
        }
        sync_directory(&target)
    }

    /// Under another name first, so that the file is whole or not there.
    fn write(&self, path: &Path, bytes: &[u8], durably: bool) -> io::Result<()> {
        private::make_directory(&self.directory)?;
        let temporary = self.directory.join(format!(".{}-{:x}", std::process::id(), rand::random::<u64>()));
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            if durably { file.sync_all() } else { Ok(()) }
        });
        let renamed = written.and_then(|()| fs::rename(&temporary, path));
        renamed.inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        if durably {
            sync_directory(&self.directory).and_then(|()| self.directory.parent().map_or(Ok(()), sync_directory))
        } else {
            Ok(())
        }
    }
}

/// Makes the names in a directory durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(directory)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    #[test]
    fn what_is_kept_is_read_again_and_damage_is_seen_and_mended() {
        let store = tempfile::tempdir().unwrap();
        let files = Files::of_store(store.path());
        let hash = hash(b"component");
        assert_eq!(files.read(&hash).unwrap_err().kind(), io::ErrorKind::NotFound);
        files.keep(&hash, b"component").unwrap();
        assert_eq!(files.read(&hash).unwrap(), b"component");
        fs::write(files.path(&hash), b"componenT").unwrap();
        assert!(files.read(&hash).unwrap_err().to_string().contains("damaged"));
        files.keep(&hash, b"component").unwrap();
        assert_eq!(files.read(&hash).unwrap(), b"component");
        assert_eq!(fs::read_dir(store.path().join(DIRECTORY)).unwrap().count(), 1, "nothing half is left");
        files.remove(&hash).unwrap();
        files.remove(&hash).unwrap();
        assert!(files.read(&hash).is_err());
    }

    #[test]
    fn what_is_active_is_written_down_and_goes_along_to_another_store() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = Files::of_store(one.path());
        assert_eq!(files.active(), BTreeMap::new());
        files.note_active(&BTreeMap::new()).unwrap();
        assert_eq!(fs::read_dir(one.path()).unwrap().count(), 0, "nothing is made where there is nothing to say");
        let active = Active { plugin: "stripe".to_owned(), hash: hash(b"x") };
        let active = BTreeMap::from([("shop".to_owned(), active)]);
        files.keep(&hash(b"x"), b"x").unwrap();
        files.note_active(&active).unwrap();
        files.carry(other.path()).unwrap();
        let carried = Files::of_store(other.path());
        assert_eq!((carried.active(), carried.read(&hash(b"x")).unwrap()), (active, b"x".to_vec()));
    }
}
