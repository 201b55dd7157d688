//! The idempotency key of an event: the same on every retry, and another one for every other event.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{Body, CapabilityError};

/// The first half of a SHA-256 of the source and either the provider's id of the event or its exact bytes.
pub type IdempotencyKey = [u8; 16];

/// By the provider's id.
pub fn by_id(source: &str, id: &str) -> IdempotencyKey {
    let mut hash = of_source(source);
    hash.update([1]);
    hash.update(id);
    half(hash)
}

/// By the event's own bytes.
///
/// # Errors
/// They are kept outside memory and cannot be read.
pub fn by_payload(source: &str, payload: &Body) -> Result<IdempotencyKey, CapabilityError> {
    let mut hash = of_source(source);
    hash.update([2]);
    payload.feed(|piece| hash.update(piece))?;
    Ok(half(hash))
}

/// By the event's own bytes and what the provider makes anew for each delivery.
///
/// # Errors
/// The bytes are kept outside memory and cannot be read.
pub fn by_delivery(source: &str, fresh: &[u8], payload: &Body) -> Result<IdempotencyKey, CapabilityError> {
    let mut hash = of_source(source);
    hash.update([3]);
    hash.update((fresh.len() as u64).to_be_bytes());
    hash.update(fresh);
    payload.feed(|piece| hash.update(piece))?;
    Ok(half(hash))
}

/// The keys of one delivery. Events of one delivery that have equal bytes and no id are several events, so the second and
/// every further one gets a key of its own. The keys do not depend on the order of the events that differ.
#[derive(Debug, Default)]
pub struct Occurrences(BTreeMap<IdempotencyKey, u64>);

impl Occurrences {
    /// The key of the next event whose key by itself would be `key`.
    pub fn distinct(&mut self, key: IdempotencyKey) -> IdempotencyKey {
        let before = self.0.entry(key).or_default();
        *before += 1;
        match *before {
            1 => key,
            number => {
                let mut hash = Sha256::new();
                hash.update(key);
                hash.update(number.to_be_bytes());
                half(hash)
            }
        }
    }
}

fn of_source(source: &str) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update((source.len() as u64).to_be_bytes());
    hash.update(source);
    hash
}

fn half(hash: Sha256) -> IdempotencyKey {
    let whole = hash.finalize();
    whole.first_chunk().copied().unwrap_or_default()
}
