//! A small file beside the engine that remembers how far commits were acknowledged.
//!
//! It is written after each sync and never synced itself, so it is never ahead of the synced writes. A
//! store that is behind it has lost acknowledged commits; an engine would open it without a word (fjall #311).
//!
//! ```text
//! offset  0: "hgack\0\0\1"   8 bytes
//! offset  8: batch            8 bytes, big-endian: the last synced batch
//! offset 16: commits          8 bytes, big-endian: commits acknowledged by then
//! offset 24: check            8 bytes, the first ones of the SHA-256 of all before
//! ```

use std::{fs::File, io, path::Path};

use sha2::{Digest, Sha256};

use crate::record::state::State;

const MAGIC: [u8; 8] = *b"hgack\0\0\x01";
const LENGTH: usize = 32;

/// How far commits were acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) batch: u64,
    pub(crate) commits: u64,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Sidecar {
    file: File,
    last: Acknowledged,
    failed: bool,
}

impl Sidecar {
    /// Opens or makes the file. One that cannot be made sense of (a power cut may leave anything of what was never
    /// synced) counts as none.
    pub(crate) fn open(path: &Path) -> io::Result<Sidecar> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let last = std::fs::read(path).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        Ok(Sidecar { file, last, failed: false })
    }

    /// How far commits were acknowledged before.
    pub(crate) fn last(&self) -> Acknowledged {
        self.last
    }

    /// Notes a synced batch.
    pub(crate) fn note(&mut self, state: &State) {
        self.last = Acknowledged { batch: state.batch, commits: state.commits };
        let written = write_at_start(&self.file, &encode(self.last));
        if let (Err(e), false) = (&written, self.failed) {
            tracing::warn!("cannot note how far commits were acknowledged: {e}; a loss may go unnoticed");
        }
        self.failed = written.is_err();
    }
}

fn encode(acknowledged: Acknowledged) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&acknowledged.batch.to_be_bytes());
    bytes[16..24].copy_from_slice(&acknowledged.commits.to_be_bytes());
    let check = Sha256::digest(&bytes[..24]);
    bytes[24..].copy_from_slice(&check[..8]);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Acknowledged> {
    let number = |from: usize| Some(u64::from_be_bytes(bytes.get(from..from + 8)?.try_into().ok()?));
    let acknowledged = Acknowledged { batch: number(8)?, commits: number(16)? };
    (bytes == encode(acknowledged)).then_some(acknowledged)
}

#[cfg(unix)]
fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(not(unix))]
fn write_at_start(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    use std::io::{Seek, Write};
    file.rewind()?;
    file.write_all(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acknowledged");
        let mut sidecar = Sidecar::open(&path).unwrap();
        assert_eq!(sidecar.last(), Acknowledged::default());
        sidecar.note(&State { batch: 7, commits: 5, ..State::default() });
        sidecar.note(&State { batch: 9, commits: 6, ..State::default() });
        assert_eq!(Sidecar::open(&path).unwrap().last(), Acknowledged { batch: 9, commits: 6 });
    }

    #[test]
    fn a_torn_file_counts_as_none() {
        let whole = encode(Acknowledged { batch: 9, commits: 6 });
        for cut in 0..LENGTH {
            assert_eq!(decode(&whole[..cut]), None);
            let mut garbled = whole;
            garbled[cut] ^= 0x10;
            assert_eq!(decode(&garbled), None);
        }
    }
}
