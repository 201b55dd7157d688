//! Enrolled secrets, which providers have handed over: sealed bytes under a name. Only the gateway's enrollment can
//! open them.

use std::ops::ControlFlow;

use uuid::Uuid;

use crate::{
    Journal,
    engine::{Direction, Space},
    record::keys,
    types::JournalError,
    write::{Draft, Kind},
};

/// The version of the record.
const VERSION: u8 = 1;

/// Which sealed secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SealedId {
    /// The source's name, of at most 255 bytes.
    pub source: String,
    /// The secret's name, of at most 255 bytes.
    pub secret: String,
    /// UUID version 7, so that those of one secret sort by age.
    pub version: Uuid,
}

/// A sealed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which.
    pub id: SealedId,
    /// When it was handed over, in milliseconds since the epoch.
    pub at: u64,
    /// What only the holder of the seal key can read.
    pub bytes: Vec<u8>,
}

impl Journal {
    /// Keeps a sealed secret, durably.
    pub async fn keep_sealed(&self, sealed: Sealed) -> Result<(), JournalError> {
        self.write(Kind::Admission, move |draft| {
            sealed.write(draft);
            Ok(())
        })
        .await
    }

    /// Every sealed secret, by source and name, the oldest of each first.
    pub fn sealed(&self) -> Result<Vec<Sealed>, JournalError> {
        let mut found = Vec::new();
        let mut damaged = None;
        self.engine()?.scan(Space::Sealed, &keys::all(), Direction::Forward, &mut |key, value| match Sealed::read(
            key, value,
        ) {
            Some(sealed) => {
                found.push(sealed);
                ControlFlow::Continue(())
            }
            None => {
                damaged = Some(hex::encode(key));
                ControlFlow::Break(())
            }
        })?;
        match damaged {
            Some(key) => {
                Err(JournalError::Damaged(format!("sealed secret {key}"), "wrong version or length".to_owned()))
            }
            None => Ok(found),
        }
    }

    /// Removes these sealed secrets, durably.
    pub async fn forget_sealed(&self, ids: Vec<SealedId>) -> Result<(), JournalError> {
        self.write(Kind::Order, move |draft| {
            ids.iter().for_each(|id| id.forget(draft));
            Ok(())
        })
        .await
    }
}

impl SealedId {
    /// `length:1 source length:1 secret version:16`
    pub fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.source.len() + self.secret.len() + 18);
        for name in [&self.source, &self.secret] {
            key.push(name.len().min(keys::NAME_MAX) as u8);
            key.extend(name.as_bytes());
        }
        key.extend(self.version.as_bytes());
        key
    }

    fn read(key: &[u8]) -> Option<SealedId> {
        let (source, rest) = name(key)?;
        let (secret, version) = name(rest)?;
        Some(SealedId { source, secret, version: Uuid::from_slice(version).ok()? })
    }

    pub(super) fn forget(&self, draft: &mut Draft<'_>) {
        draft.writes.delete(Space::Sealed, self.key());
    }
}

impl Sealed {
    /// `version:1 at:8 bytes`
    pub(super) fn write(&self, draft: &mut Draft<'_>) {
        let value = [&[VERSION][..], &self.at.to_be_bytes(), &self.bytes].concat();
        draft.writes.put(Space::Sealed, self.id.key(), value);
    }

    fn read(key: &[u8], value: &[u8]) -> Option<Sealed> {
        let (at, bytes) = value.strip_prefix(&[VERSION])?.split_first_chunk()?;
        Some(Sealed { id: SealedId::read(key)?, at: u64::from_be_bytes(*at), bytes: bytes.to_vec() })
    }
}

fn name(key: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = key.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((String::from_utf8(name.to_vec()).ok()?, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_read_as_they_are_written(source in "[a-z0-9_-]{1,64}", secret in "[a-z0-9-]{1,64}", bits: u128) {
            let id = SealedId { source, secret, version: Uuid::from_u128(bits) };
            prop_assert_eq!(SealedId::read(&id.key()), Some(id));
        }

        #[test]
        fn any_key_is_read_without_a_panic(key in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = SealedId::read(&key);
        }
    }
}
