//! Polls files, for commands that follow their changes.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use hookgate_model::limits::WATCH_EVERY;

/// Reveals a changed file: its modification time and its length.
type State = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The files below a directory, as last seen.
pub struct Watch<F> {
    directory: PathBuf,
    is_of_interest: F,
    seen: State,
}

impl<F: Fn(&Path) -> bool> Watch<F> {
    /// The files below a directory, in folders that are of interest.
    pub fn new(directory: &Path, is_of_interest: F) -> Self {
        let seen = state(directory, &is_of_interest);
        Watch { directory: directory.to_owned(), is_of_interest, seen }
    }

    /// Waits until a file has changed since the last call, and then until no further changes occur.
    pub async fn changed(&mut self) {
        let mut before = self.seen.clone();
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            let now = state(&self.directory, &self.is_of_interest);
            if now == before && now != self.seen {
                self.seen = now;
                return;
            }
            before = now;
        }
    }
}

/// Unreadable files count as missing, since they may be incomplete.
fn state(directory: &Path, is_of_interest: &impl Fn(&Path) -> bool) -> State {
    let mut found = State::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for path in entries.filter_map(io::Result::ok).map(|entry| entry.path()).filter(|path| is_of_interest(path)) {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => directories.push(path),
                Ok(metadata) => _ = found.insert(path, (metadata.modified().ok(), metadata.len())),
                Err(_) => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_once_and_what_is_of_no_interest_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("src")).unwrap();
        fs::write(path("src/lib.rs"), "1").unwrap();
        fs::create_dir(path("target")).unwrap();
        let mut watch = Watch::new(directory.path(), |path| !path.ends_with("target"));
        let none = |changed: Result<(), _>| assert!(changed.is_err());

        fs::write(path("target/x"), "1").unwrap();
        none(tokio::time::timeout(WATCH_EVERY * 10, watch.changed()).await);
        fs::write(path("src/lib.rs"), "22").unwrap();
        watch.changed().await;
        none(tokio::time::timeout(WATCH_EVERY * 10, watch.changed()).await);
        fs::remove_file(path("src/lib.rs")).unwrap();
        watch.changed().await;
    }
}
