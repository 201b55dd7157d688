//! What an event is known by, on every retry the same and for every other event another.

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
