//! What the origin has had lately, in the platform's key-value store.
//!
//! It spares the origin duplicates and promises nothing: what is missed here the origin finds by the event's id. So a store
//! that fails holds nothing up, and writers at the same time may lose an entry of each other's.
//!
//! The platforms' stores forget nothing by themselves, so what is kept is bounded: a source has 4,096 keys of at most 16
//! events each, of which the oldest goes when another comes.

use crate::{
    bindings::keyvalue::store::{self, Bucket, Error},
    config::Config,
    log,
};

/// An entry: the event's id, and when it was noted, in milliseconds since the epoch, in big-endian.
const ID: usize = 16;
const ENTRY: usize = ID + 8;
const ENTRIES_MAX: usize = 16;
/// Hexadecimal digits of an id that choose the key.
const SLOT_DIGITS: usize = 3;

/// The store, as far as it is there.
pub struct Seen {
    bucket: Option<Bucket>,
    source: String,
    lifetime: u64,
}

impl Seen {
    /// Opens the store.
    pub fn open(config: &Config) -> Seen {
        let bucket = config.store.as_ref().and_then(|name| logged(&format!("open {name:?}"), store::open(name)));
        let lifetime = u64::try_from(config.idempotency.as_millis()).unwrap_or(u64::MAX);
        Seen { bucket, source: config.source.clone(), lifetime }
    }

    /// Whether the origin has had this event.
    pub fn knows(&self, id: &str, now: u64) -> bool {
        let Some(bucket) = &self.bucket else { return false };
        let slot = logged("get", bucket.get(&self.slot(id))).flatten().unwrap_or_default();
        let bytes = bytes_of(id);
        slot.chunks_exact(ENTRY)
            .any(|entry| entry[..ID] == bytes && now.saturating_sub(noted_at(entry)) < self.lifetime)
    }

    /// Notes that it has had them.
    pub fn note(&self, ids: &[String], now: u64) {
        let Some(bucket) = &self.bucket else { return };
        for id in ids {
            let (key, bytes) = (self.slot(id), bytes_of(id));
            let Some(slot) = logged("get", bucket.get(&key)) else { return };
            let slot = slot.unwrap_or_default();
            let others = slot.chunks_exact(ENTRY).filter(|entry| entry[..ID] != bytes).take(ENTRIES_MAX - 1);
            let entry = [&bytes[..], &now.to_be_bytes()].concat();
            let entries: Vec<&[u8]> = std::iter::once(&entry[..]).chain(others).collect();
            if logged("set", bucket.set(&key, &entries.concat())).is_none() {
                return;
            }
        }
    }

    fn slot(&self, id: &str) -> String {
        format!("seen/{}/{}", self.source, &id[..SLOT_DIGITS.min(id.len())])
    }
}

/// An id is hexadecimal digits.
fn bytes_of(id: &str) -> [u8; ID] {
    u128::from_str_radix(id, 16).unwrap_or_default().to_be_bytes()
}

fn noted_at(entry: &[u8]) -> u64 {
    entry[ID..].first_chunk().map_or(0, |time| u64::from_be_bytes(*time))
}

/// An answer, unless there is none: then the log tells.
fn logged<T>(what: &str, answer: Result<T, Error>) -> Option<T> {
    let why = match answer {
        Ok(answer) => return Some(answer),
        Err(Error::NoSuchStore) => "there is no such store, or the component may not use it".to_owned(),
        Err(Error::AccessDenied) => "the component may not use this store".to_owned(),
        Err(Error::Other(why)) => why,
    };
    let means = "the delivery goes on, and the origin finds duplicates by their ids";
    log::line("store-failed", format_args!("{what}: {why}; {means}"));
    None
}
