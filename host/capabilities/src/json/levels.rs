//! The arrays and objects that are open, innermost last: one bit each.

use super::Failed;

/// The most levels that can be open at once; they take 8 MiB. Only a hostile document has more.
const LEVELS_MAX: usize = 64 << 20;

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Array,
    Object,
}

/// All that are open.
#[derive(Default)]
pub(super) struct Levels {
    bits: Vec<u64>,
    open: usize,
}

impl Levels {
    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open
    }

    /// The innermost.
    pub(super) fn last(&self) -> Option<Level> {
        let last = self.open.checked_sub(1)?;
        let bit = self.bits.get(last / 64)? >> (last % 64) & 1;
        Some(if bit == 1 { Level::Object } else { Level::Array })
    }

    /// Opens one more.
    pub(super) fn push(&mut self, level: Level) -> Result<(), Failed> {
        if self.open == LEVELS_MAX {
            return Err(Failed::Document(format!("the JSON is nested deeper than {LEVELS_MAX} levels")));
        }
        let (word, bit) = (self.open / 64, 1 << (self.open % 64));
        match self.bits.get_mut(word) {
            Some(bits) if level == Level::Object => *bits |= bit,
            Some(bits) => *bits &= !bit,
            None => self.bits.push(if level == Level::Object { bit } else { 0 }),
        }
        self.open += 1;
        Ok(())
    }

    /// Closes the innermost.
    pub(super) fn pop(&mut self) {
        self.open = self.open.saturating_sub(1);
    }
}
