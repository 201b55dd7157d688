//! Large bodies that are kept elsewhere, and what stands for them.

use hookgate_capabilities::{ByteRange, Payload};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A body that is kept in the object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The object.
    pub object: Uuid,
    /// In bytes.
    pub length: u64,
    /// Of the whole.
    pub sha256: [u8; 32],
    /// Of each part that is an event's own.
    pub ranges: Vec<(ByteRange, [u8; 32])>,
}

/// The part of a claim that is an event's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl Part {
    /// Whether it is the whole claim.
    pub fn is_whole(&self, claim: &Claim) -> bool {
        (self.offset, self.length) == (0, claim.length)
    }
}

/// Which part of a claim a payload is; none where the payload travels with the event.
pub fn part(claim: &Claim, payload: &Payload) -> Option<Part> {
    match payload {
        Payload::Body => Some(Part { offset: 0, length: claim.length, sha256: claim.sha256 }),
        Payload::BodyRange(range) => {
            let (_, sha256) = claim.ranges.iter().find(|(known, _)| known == range)?;
            let ByteRange { offset, length } = *range;
            Some(Part { offset, length, sha256: *sha256 })
        }
        Payload::Bytes(_) => None,
    }
}

/// What stands in a CloudEvent for data that is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where the data is, for a time.
    pub url: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_its_own_is_not_part_of_a_claim() {
        let range = ByteRange { offset: 2, length: 3 };
        let claim = Claim { object: Uuid::nil(), length: 9, sha256: [1; 32], ranges: vec![(range, [2; 32])] };
        let whole = part(&claim, &Payload::Body).unwrap();
        assert!(whole.is_whole(&claim) && whole.sha256 == [1; 32]);
        assert_eq!(part(&claim, &Payload::BodyRange(range)), Some(Part { offset: 2, length: 3, sha256: [2; 32] }));
        assert_eq!(part(&claim, &Payload::BodyRange(ByteRange { offset: 0, length: 3 })), None);
        assert_eq!(part(&claim, &Payload::Bytes(vec![1])), None);
    }
}
