//! Whose turn it is: what becomes of the events of one ordering key as they arrive, as missing ones come, and as time
//! runs out. Pure decisions; where the events are kept, and what releasing one means, is behind [`Shelf`].
//!
//! Events of a key are released in the order of their positions, equal ones in the order of arrival. What is held is
//! released at the latest when its time is over, and whatever stands before it goes first:
//!
//! * Sequence numbers: the next number goes at once, with all that follow it. A later one waits for those that are
//!   missing; is its time over, they are given up.
//! * Timestamps: whether one is missing is unknown, so each event waits.
//!
//! What arrives when its turn is past is late: nothing that was released is taken back.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// Numberings begin with 0 or 1.
const FIRST_NUMBER_MAX: u64 = 1;

/// Events of a key (or of a source) that one arrival releases at most because there are too many: more than one can be
/// there only after a bound was lowered.
pub const OVERFLOW_AT_ONCE: usize = 64;

/// What positions are. The numbers are part of the store's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Numbers without holes.
    Sequence = 0,
    /// Milliseconds since the epoch.
    Timestamp = 1,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Sequence, Kind::Timestamp];
}

/// Why an event was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Cause {
    /// Its number was the next one.
    InOrder,
    /// It was held for the window.
    Window,
    /// The numbers before it did not come in time.
    Gap,
    /// Too many were held.
    Overflow,
    /// The numbering began anew.
    Restart,
    /// Its turn was past.
    Late,
}

impl Cause {
    /// A word, for metrics.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
    /// The number that comes next, or the time that was released last; nothing was released yet where there is none. Wider
    /// than a position: behind the last number there is none.
    pub next: Option<u128>,
    /// How many events are held.
    pub held: u64,
}

/// An event in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<I> {
    /// Its number or time.
    pub position: u64,
    /// Rises from arrival to arrival.
    pub arrival: u64,
    /// The event.
    pub item: I,
}

/// Where the events of one key are held, and what becomes of events that are not held.
pub trait Shelf {
    /// What it holds.
    type Item;
    /// Why it could not.
    type Error;

    /// The first event that is held at that position or above, by position and arrival.
    fn first(&mut self, from: u64) -> Result<Option<Entry<Self::Item>>, Self::Error>;
    /// Holds an event.
    fn hold(&mut self, entry: Entry<Self::Item>) -> Result<(), Self::Error>;
    /// Holds an event no longer; [`Shelf::release`] or [`Shelf::late`] follows.
    fn take(&mut self, entry: &Entry<Self::Item>) -> Result<(), Self::Error>;
    /// An event goes on its way. `missing` numbers before it have not come.
    fn release(&mut self, entry: Entry<Self::Item>, cause: Cause, missing: u64) -> Result<(), Self::Error>;
    /// An event came after its turn.
    fn late(&mut self, entry: Entry<Self::Item>) -> Result<(), Self::Error>;
}

/// The events of one key.
#[derive(Debug)]
pub struct Buffer<'a, S> {
    /// What its positions are.
    pub kind: Kind,
    /// What is known of it.
    pub state: &'a mut KeyState,
    /// Its events.
    pub shelf: &'a mut S,
}

enum Turn {
    Past,
    Now,
    Restart,
    Ahead,
}

impl<S: Shelf> Buffer<'_, S> {
    /// An event has come. No more than `most` are held afterwards: the first ones make room.
    pub fn arrive(&mut self, entry: Entry<S::Item>, most: u64) -> Result<(), S::Error> {
        match self.turn(entry.position) {
            Turn::Past => self.shelf.late(entry),
            Turn::Now => {
                self.release(entry, Cause::InOrder)?;
                self.follow()
            }
            Turn::Restart => {
                self.release_until((u64::MAX, u64::MAX), Cause::Restart)?;
                self.state.next = None;
                self.release(entry, Cause::Restart)
            }
            Turn::Ahead => {
                self.shelf.hold(entry)?;
                self.state.held += 1;
                for _ in 0..OVERFLOW_AT_ONCE {
                    if self.state.held > most {
                        self.overflow()?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The time of an event is over: it goes, after all that stand before it.
    pub fn due(&mut self, position: u64, arrival: u64) -> Result<(), S::Error> {
        let cause = match self.kind {
            Kind::Sequence => Cause::Gap,
            Kind::Timestamp => Cause::Window,
        };
        self.release_until((position, arrival), cause)?;
        self.follow()
    }

    /// Too many are held: the first one goes.
    pub fn overflow(&mut self) -> Result<(), S::Error> {
        if let Some(first) = self.first()? {
            self.take(first, Cause::Overflow)?;
        }
        self.follow()
    }

    fn turn(&self, position: u64) -> Turn {
        let Some(next) = self.state.next else {
            let begins = self.kind == Kind::Sequence && position <= FIRST_NUMBER_MAX;
            return if begins { Turn::Now } else { Turn::Ahead };
        };
        let at = u128::from(position);
        match self.kind {
            Kind::Sequence if at == next => Turn::Now,
            // As long as no number above them was released, a 0 or 1 may well be one of the same numbering.
            Kind::Sequence if at < next && position <= FIRST_NUMBER_MAX && next > u128::from(FIRST_NUMBER_MAX) + 1 => {
                Turn::Restart
            }
            _ if at < next => Turn::Past,
            _ => Turn::Ahead,
        }
    }

    /// Numbers that need not wait any more.
    fn follow(&mut self) -> Result<(), S::Error> {
        if self.kind == Kind::Timestamp {
            return Ok(());
        }
        while let Some(first) = self.first()? {
            if self.state.next.is_none_or(|next| u128::from(first.position) > next) {
                break;
            }
            self.take(first, Cause::InOrder)?;
        }
        Ok(())
    }

    fn release_until(&mut self, until: (u64, u64), cause: Cause) -> Result<(), S::Error> {
        while let Some(first) = self.first()? {
            if (first.position, first.arrival) > until {
                break;
            }
            self.take(first, cause)?;
        }
        Ok(())
    }

    fn first(&mut self) -> Result<Option<Entry<S::Item>>, S::Error> {
        if self.state.held == 0 {
            return Ok(None);
        }
        // Nothing is held below, but for a number that came twice while it was held.
        let before = u128::from(self.kind == Kind::Sequence);
        let from = self.state.next.map_or(0, |next| next.saturating_sub(before));
        self.shelf.first(u64::try_from(from).unwrap_or(u64::MAX))
    }

    fn take(&mut self, first: Entry<S::Item>, cause: Cause) -> Result<(), S::Error> {
        self.shelf.take(&first)?;
        self.state.held = self.state.held.saturating_sub(1);
        match self.state.next {
            // A number that was held already when it came again.
            Some(next) if u128::from(first.position) < next => self.shelf.late(first),
            _ => self.release(first, cause),
        }
    }

    fn release(&mut self, entry: Entry<S::Item>, cause: Cause) -> Result<(), S::Error> {
        let at = u128::from(entry.position);
        let (missing, next) = match self.kind {
            Kind::Sequence => (self.state.next.map_or(0, |next| at.saturating_sub(next)), at + 1),
            Kind::Timestamp => (0, at),
        };
        let follows = missing == 0 && self.state.next.is_some();
        let cause = if cause == Cause::Gap && follows { Cause::InOrder } else { cause };
        self.state.next = Some(next);
        self.shelf.release(entry, cause, u64::try_from(missing).unwrap_or(u64::MAX))
    }
}
