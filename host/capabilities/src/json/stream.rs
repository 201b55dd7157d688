//! A JSON document that is not in memory, read from its beginning to its end. Only what is taken out of it comes into
//! memory, within bounds.

use super::{Failed, input::Input};
use crate::{CapabilityError, body::Stored};

/// All values that are taken out of one document, and the longest key.
const VALUES_MAX: u64 = 16 << 20;

/// The document.
pub(super) struct Stream<'s> {
    stored: &'s Stored,
    block: Vec<u8>,
    /// The first unread byte of the block.
    read: usize,
    /// Where the block begins in the document.
    block_at: u64,
    utf8: Utf8,
    /// What is kept, from this place of the document on.
    kept: Vec<u8>,
    kept_from: u64,
    /// How many want it kept.
    keepers: usize,
}

impl<'s> Stream<'s> {
    pub(super) fn new(stored: &'s Stored) -> Self {
        Stream {
            stored,
            block: Vec::new(),
            read: 0,
            block_at: 0,
            utf8: Utf8::default(),
            kept: Vec::new(),
            kept_from: 0,
            keepers: 0,
        }
    }

    /// Reads the next block; an empty one at the end.
    fn fill(&mut self) -> Result<(), Failed> {
        self.block_at += self.block.len() as u64;
        self.read = 0;
        let left = self.stored.length() - self.block_at;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.stored.block());
        self.block.resize(length, 0);
        self.stored.read_at(self.block_at, &mut self.block).map_err(Failed::Call)?;
        if !self.utf8.takes(&self.block) || (left == length as u64 && !self.utf8.is_whole()) {
            return Err(Failed::Document("the JSON is not UTF-8".to_owned()));
        }
        Ok(())
    }
}

impl Input for Stream<'_> {
    type Text = String;

    fn ahead(&mut self) -> Result<&[u8], Failed> {
        if self.read == self.block.len() {
            self.fill()?;
        }
        Ok(self.block.get(self.read..).unwrap_or_default())
    }

    fn advance(&mut self, bytes: usize) -> Result<(), Failed> {
        if self.keepers > 0 {
            let passed = self.block.get(self.read..self.read + bytes).unwrap_or_default();
            self.kept.extend_from_slice(passed);
            if self.kept.len() as u64 > VALUES_MAX {
                return Err(Failed::Call(CapabilityError::AnswerTooLong));
            }
        }
        self.read += bytes;
        Ok(())
    }

    fn position(&self) -> u64 {
        self.block_at + self.read as u64
    }

    fn keep(&mut self) {
        if self.keepers == 0 {
            self.kept_from = self.position();
        }
        self.keepers += 1;
    }

    fn kept(&mut self, from: u64) -> Result<String, Failed> {
        let bytes = self.kept.get((from - self.kept_from) as usize..).unwrap_or_default().to_vec();
        self.keepers -= 1;
        if self.keepers == 0 {
            self.kept.clear();
        }
        String::from_utf8(bytes).map_err(|_| Failed::Document("the JSON is not UTF-8".to_owned()))
    }

    fn copied_bytes_max(&self) -> u64 {
        VALUES_MAX
    }

    fn answer_bytes_max(&self) -> u64 {
        VALUES_MAX
    }
}

/// Checks bytes for UTF-8 whose characters may lie across blocks.
#[derive(Default)]
struct Utf8 {
    /// The beginning of a character whose end is still to come.
    begun: Vec<u8>,
}

impl Utf8 {
    /// Takes some more bytes; false when they are none.
    fn takes(&mut self, mut bytes: &[u8]) -> bool {
        while !self.begun.is_empty() {
            let Some((first, rest)) = bytes.split_first() else { return true };
            self.begun.push(*first);
            bytes = rest;
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => (),
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => true,
            Err(error) => {
                self.begun = bytes[error.valid_up_to()..].to_vec();
                error.error_len().is_none()
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.begun.is_empty()
    }
}
