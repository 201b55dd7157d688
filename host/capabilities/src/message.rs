//! Messages in pieces, so that a body is hashed where it lies.

use crate::{Body, ByteRange, CapabilityError, body::Bodies};

/// A piece of a message to be checked. Pieces follow each other with nothing between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes of the plugin's own.
    Bytes(&'a [u8]),
    /// The whole body, in the form that signatures are checked over.
    Body,
    /// A stretch of the body as plugins read it: offset and length in bytes.
    BodyRange((u64, u64)),
    /// The secret's own bytes, for schemes that hash them with the message.
    Secret,
}

/// Bytes of a message beyond twice the body: a plugin has no need of more, and hashing is time that nothing interrupts.
const MESSAGE_SURPLUS: u64 = 1 << 20;

/// A message whose pieces all exist.
pub(crate) struct Message<'a> {
    parts: &'a [Part<'a>],
    bodies: &'a Bodies,
}

impl<'a> Message<'a> {
    /// Checks that each stretch lies within the body and the whole is of a reasonable length, under a key as long as that.
    pub(crate) fn new(parts: &'a [Part<'a>], bodies: &'a Bodies, key: usize) -> Result<Self, CapabilityError> {
        let mut length = 0u64;
        for part in parts {
            length = length.saturating_add(match part {
                Part::Bytes(bytes) => bytes.len() as u64,
                Part::Body => bodies.signed.length(),
                Part::BodyRange(range) => stretch(&bodies.read, *range)?.length(),
                Part::Secret => key as u64,
            });
        }
        if length > 2 * bodies.longest() + MESSAGE_SURPLUS {
            Err(CapabilityError::MessageTooLong(length))
        } else {
            Ok(Message { parts, bodies })
        }
    }

    /// A message that is the whole body.
    pub(crate) fn of(bodies: &'a Bodies) -> Self {
        Message { parts: &[Part::Body], bodies }
    }

    /// Hands the pieces over in order, with `key` where the secret stands. What is in memory is not copied.
    pub(crate) fn feed(&self, key: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), CapabilityError> {
        for part in self.parts {
            match part {
                Part::Bytes(bytes) => take(bytes),
                Part::Body => self.bodies.signed.feed(&mut take)?,
                Part::BodyRange(range) => stretch(&self.bodies.read, *range)?.feed(&mut take)?,
                Part::Secret => take(key),
            }
        }
        Ok(())
    }

    /// All of it in one piece, for schemes that read a message twice.
    pub(crate) fn joined(&self, key: &[u8]) -> Result<Vec<u8>, CapabilityError> {
        let mut whole = Vec::new();
        self.feed(key, |piece| whole.extend_from_slice(piece))?;
        Ok(whole)
    }

    #[cfg(feature = "public-keys")]
    /// Whether it is in memory: only then may it be put into one piece.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.bodies.signed.in_memory().is_some()
    }
}

/// A stretch that must lie within the body.
fn stretch(body: &Body, (offset, length): (u64, u64)) -> Result<Body, CapabilityError> {
    body.slice(ByteRange { offset, length })
}
