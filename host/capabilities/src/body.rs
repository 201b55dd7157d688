//! The bytes of a delivery: in memory, or somewhere else and read in pieces.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;

use crate::{ByteRange, CapabilityError};

/// Bytes that are not in memory. Every call blocks.
pub trait ReadBytes: fmt::Debug + Send + Sync {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `into` with the bytes from `offset` on, which are there.
    ///
    /// # Errors
    /// Whatever the disk or the object store says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// How many to ask for at a time when all are read one after the other.
    fn block(&self) -> usize {
        256 << 10
    }
}

/// A body, or the part of one that is an event's own. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// Elsewhere.
    Stored(Stored),
}

/// The two forms of a delivery's body: they differ where it was received with a content coding. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    /// What plugins read, and what ranges refer to.
    pub read: Body,
    /// What signatures and digests of the whole body are checked over.
    pub signed: Body,
}

/// A stretch of bytes that are not in memory.
#[derive(Clone, Debug)]
pub struct Stored {
    bytes: Arc<dyn ReadBytes>,
    offset: u64,
    length: u64,
}

/// The most that one read brings into memory of a body that is elsewhere: more does not help a guest, whose own memory
/// bounds it as well.
pub(crate) const READ_MAX: u64 = 16 << 20;

impl Body {
    /// All of these bytes, which are not in memory.
    pub fn stored(bytes: Arc<dyn ReadBytes>) -> Body {
        let length = bytes.length();
        Body::Stored(Stored { bytes, offset: 0, length })
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        match self {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::Stored(stored) => stored.length,
        }
    }

    /// The bytes where they are in memory.
    pub fn in_memory(&self) -> Option<&Bytes> {
        match self {
            Body::Memory(bytes) => Some(bytes),
            Body::Stored(_) => None,
        }
    }

    /// A part of it, without reading anything.
    ///
    /// # Errors
    /// The range lies outside.
    pub fn slice(&self, range: ByteRange) -> Result<Body, CapabilityError> {
        let ByteRange { offset, length } = range;
        let whole = self.length();
        if offset.checked_add(length).is_none_or(|end| end > whole) {
            return Err(CapabilityError::OutsideBody { offset, length, body: whole });
        }
        Ok(match self {
            // It lies within the bytes, so both numbers fit.
            Body::Memory(bytes) => Body::Memory(bytes.slice(offset as usize..(offset + length) as usize)),
            Body::Stored(stored) => {
                Body::Stored(Stored { bytes: stored.bytes.clone(), offset: stored.offset + offset, length })
            }
        })
    }

    /// A stretch, cut where the body ends.
    ///
    /// # Errors
    /// It is not in memory, and cannot be read or is longer than one read may be.
    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, CapabilityError> {
        match self {
            Body::Memory(bytes) => Ok(clipped(bytes, offset, length).to_vec()),
            Body::Stored(stored) => {
                let from = offset.min(stored.length);
                let length = length.min(stored.length - from);
                if length > READ_MAX {
                    return Err(CapabilityError::ReadTooLong(length));
                }
                let mut bytes = vec![0; length as usize];
                stored.read_at(from, &mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// Hands all bytes over in order, in one piece where they are in memory.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn feed(&self, mut take: impl FnMut(&[u8])) -> Result<(), CapabilityError> {
        match self {
            Body::Memory(bytes) => take(bytes),
            Body::Stored(stored) => {
                let mut block = vec![0; stored.block()];
                let mut at = 0;
                while at < stored.length {
                    let piece = piece(&mut block, stored.length - at);
                    stored.read_at(at, piece)?;
                    take(piece);
                    at += piece.len() as u64;
                }
            }
        }
        Ok(())
    }
}

impl Bodies {
    /// A body without a content coding.
    pub(crate) fn of(body: Body) -> Bodies {
        Bodies { read: body.clone(), signed: body }
    }

    /// Whether the two differ.
    pub(crate) fn differ(&self) -> bool {
        match (&self.read, &self.signed) {
            // Nearly always they are one and the same memory, which is seen without looking at its bytes.
            (Body::Memory(read), Body::Memory(signed)) => {
                let is_one = read.as_ptr() == signed.as_ptr() && read.len() == signed.len();
                !is_one && read != signed
            }
            // Bodies outside memory have no content coding.
            _ => false,
        }
    }

    /// The longer of the two, in bytes.
    pub(crate) fn longest(&self) -> u64 {
        self.read.length().max(self.signed.length())
    }
}

impl Stored {
    #[cfg(feature = "stored")]
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn block(&self) -> usize {
        self.bytes.block().max(1)
    }

    /// Fills `into` from a place in the stretch.
    pub(crate) fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), CapabilityError> {
        let read = self.bytes.read_at(self.offset + at, into);
        read.map_err(|error| CapabilityError::Unreadable(error.to_string()))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::Memory(bytes)
    }
}

/// As much of a block as is left to read.
fn piece(block: &mut [u8], left: u64) -> &mut [u8] {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
    &mut block[..length]
}

/// A stretch, cut where `bytes` end.
fn clipped(bytes: &[u8], offset: u64, length: u64) -> &[u8] {
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    &bytes[index(offset)..index(offset.saturating_add(length))]
}
