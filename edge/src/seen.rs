//! What the origin has had lately, in the platform's key-value store.
//!
//! It spares the origin duplicates and promises nothing: what is missed here the origin finds by the event's id. So a store
//! that fails holds nothing up, and deliveries at the same time may lose an entry of each other's.
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

/// The store, as far as it is there, with what one delivery needs of it: each key is read once and written once.
pub struct Seen {
    bucket: Option<Bucket>,
    source: String,
    lifetime: u64,
    slots: Vec<Slot>,
}

/// A key of the store that was read.
struct Slot {
    /// The digits of an id that choose the key.
    digits: String,
    /// One after the other, the newest first; none where they could not be read.
    entries: Option<Vec<u8>>,
    is_changed: bool,
}

impl Seen {
    /// Opens the store.
    pub fn open(config: &Config) -> Seen {
        let bucket = config.store.as_ref().and_then(|name| logged(&format!("open {name:?}"), store::open(name)));
        let lifetime = u64::try_from(config.idempotency.as_millis()).unwrap_or(u64::MAX);
        Seen { bucket, source: config.source.clone(), lifetime, slots: Vec::new() }
    }

    /// Whether the origin has had this event.
    pub fn knows(&mut self, id: &str, now: u64) -> bool {
        let (bytes, lifetime) = (bytes_of(id), self.lifetime);
        let is_known = |entry: &[u8]| entry[..ID] == bytes && now.saturating_sub(noted_at(entry)) < lifetime;
        let entries = self.slot(id).entries.as_deref().unwrap_or_default();
        entries.chunks_exact(ENTRY).any(is_known)
    }

    /// Notes that it has had them, which were asked about before. Where a key could not be read nothing is written: that
    /// would remove the other events' entries.
    pub fn note(&mut self, ids: &[String], now: u64) {
        for id in ids {
            let slot = self.slot(id);
            slot.entries = slot.entries.take().map(|entries| with_entry(&entries, id, now));
            slot.is_changed = true;
        }
        let Some(bucket) = &self.bucket else { return };
        for slot in self.slots.iter().filter(|slot| slot.is_changed) {
            let Some(entries) = &slot.entries else { continue };
            if logged("set", bucket.set(&key_of(&self.source, &slot.digits), entries)).is_none() {
                return;
            }
        }
    }

    /// The key of an event; it is read unless it was read before.
    fn slot(&mut self, id: &str) -> &mut Slot {
        let digits = &id[..SLOT_DIGITS.min(id.len())];
        let at = self.slots.iter().position(|slot| slot.digits == digits).unwrap_or_else(|| {
            let entries = self.read(digits);
            self.slots.push(Slot { digits: digits.to_owned(), entries, is_changed: false });
            self.slots.len() - 1
        });
        &mut self.slots[at]
    }

    fn read(&mut self, digits: &str) -> Option<Vec<u8>> {
        let value = logged("get", self.bucket.as_ref()?.get(&key_of(&self.source, digits)));
        if value.is_none() {
            // Asked again for each event it would hold the delivery up.
            self.bucket = None;
        }
        value.map(Option::unwrap_or_default)
    }
}

fn key_of(source: &str, digits: &str) -> String {
    format!("seen/{source}/{digits}")
}

/// The entries with one more; the oldest goes where there are too many.
fn with_entry(entries: &[u8], id: &str, now: u64) -> Vec<u8> {
    let bytes = bytes_of(id);
    let mut all = [&bytes[..], &now.to_be_bytes()].concat();
    let others = entries.chunks_exact(ENTRY).filter(|entry| entry[..ID] != bytes).take(ENTRIES_MAX - 1);
    others.for_each(|entry| all.extend_from_slice(entry));
    all
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
