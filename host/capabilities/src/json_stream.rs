//! A JSON document that is not in memory, read from its beginning to its end.
//!
//! What the reader of a document in memory checks beforehand is checked here while it goes by: that it is UTF-8, that it
//! is nested no deeper than allowed, and that what is taken out of it stays within bounds.

use std::{
    cell::RefCell,
    io::{self, Read},
};

use crate::{CapabilityError, body::Stored, json::DEPTH_MAX};

/// All values that are taken out of one document, and the longest key.
const VALUES_MAX: u64 = 16 << 20;

/// The document.
pub(crate) struct Stream<'s> {
    stored: &'s Stored,
    state: RefCell<State>,
}

/// Why the reading ended before the document did.
pub(crate) enum Failed {
    /// The call of the plugin ends.
    Call(CapabilityError),
    /// It is no document as it should be.
    Document(String),
}

#[derive(Default)]
struct State {
    block: Vec<u8>,
    /// The next byte to give out.
    given: usize,
    /// Where the next block begins in the document.
    next: u64,
    nesting: Nesting,
    utf8: Utf8,
    /// Bytes of the values that were taken.
    taken: u64,
    /// Bytes read since the last place at which the reader keeps nothing: they may all be in a buffer.
    held: u64,
    /// What is read is passed over and kept nowhere.
    passing: bool,
    failed: Option<Failed>,
}

impl<'s> Stream<'s> {
    pub(crate) fn new(stored: &'s Stored) -> Self {
        Stream { stored, state: RefCell::default() }
    }

    /// Why the reading ended early, if that was the reason.
    pub(crate) fn failed(&self) -> Option<Failed> {
        self.state.borrow_mut().failed.take()
    }

    /// The reader keeps nothing of what came before. What comes is passed over, or else may all be in its buffer: a key, a
    /// text, a value that is taken.
    pub(crate) fn at_a_boundary(&self, passing: bool) {
        let mut state = self.state.borrow_mut();
        (state.held, state.passing) = (0, passing);
    }

    /// The value is whole, and so long.
    pub(crate) fn end_value(&self, length: usize) -> Result<(), &'static str> {
        let mut state = self.state.borrow_mut();
        state.held = 0;
        state.taken += length as u64;
        match state.taken > VALUES_MAX {
            true => Err(state.too_much()),
            false => Ok(()),
        }
    }
}

impl Read for &Stream<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        if state.given == state.block.len() && !state.fill(self.stored)? {
            return Ok(0);
        }
        let rest = &state.block[state.given..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        state.given += length;
        state.held += length as u64;
        if !state.passing && state.taken + state.held > VALUES_MAX {
            return Err(io::Error::other(state.too_much()));
        }
        Ok(length)
    }
}

impl State {
    /// Reads the next block; false at the end.
    fn fill(&mut self, stored: &Stored) -> io::Result<bool> {
        let left = stored.length() - self.next;
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(stored.block());
        self.block.resize(length, 0);
        self.given = 0;
        if let Err(error) = stored.read_at(self.next, &mut self.block) {
            return Err(self.fail(Failed::Call(error)));
        }
        self.next += length as u64;
        if !self.utf8.takes(&self.block) || (left == length as u64 && !self.utf8.is_whole()) {
            return Err(self.fail(Failed::Document("the JSON is not UTF-8".to_owned())));
        }
        if !self.nesting.takes(&self.block) {
            let why = format!("the JSON is nested deeper than {DEPTH_MAX} levels");
            return Err(self.fail(Failed::Document(why)));
        }
        Ok(length > 0)
    }

    fn too_much(&mut self) -> &'static str {
        self.failed = Some(Failed::Call(CapabilityError::AnswerTooLong));
        "too much is taken out of the document"
    }

    fn fail(&mut self, why: Failed) -> io::Error {
        self.failed = Some(why);
        io::Error::other("the reading ended early")
    }
}

/// Counts how deep arrays and objects are nested.
#[derive(Default)]
pub(crate) struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes some more bytes; false when they go too deep.
    pub(crate) fn takes(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => (),
            }
            if self.depth > DEPTH_MAX {
                return false;
            }
        }
        true
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
