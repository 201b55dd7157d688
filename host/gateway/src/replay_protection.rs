//! Replay protection: signatures that were seen before.
//!
//! Many providers do not sign the id of an event (GitHub, Shopify). An attacker who has captured a delivery can send it again
//! under another id, with a valid signature. So each signature that a plugin has verified is remembered beside the
//! idempotency keys, and a delivery without a new signature is not admitted again.

use hookgate_capabilities::Proofs;
use hookgate_config::{Replay, Source};
use hookgate_journal::Signatures;
use sha2::{Digest, Sha256};

/// Collects signatures while a delivery of this source is judged; `None` if the source has no replay protection.
pub fn proofs_for(source: &Source) -> Option<Proofs> {
    source.replay.as_ref().map(|_| Proofs::default())
}

/// The signatures of an authentic delivery that are to be remembered.
pub fn signatures(source: &Source, proofs: Option<&Proofs>) -> Signatures {
    let (Some(Replay { window, .. }), Some(proofs)) = (&source.replay, proofs) else { return Signatures::default() };
    let key = |proof: [u8; 32]| {
        let mut hash = Sha256::new();
        hash.update((source.name.len() as u64).to_be_bytes());
        hash.update(&source.name);
        // The keys of events have 1 to 3 here.
        hash.update([4]);
        hash.update(proof);
        hash.finalize().first_chunk().copied()
    };
    Signatures { keys: proofs.noted().into_iter().filter_map(key).collect(), window: *window }
}
