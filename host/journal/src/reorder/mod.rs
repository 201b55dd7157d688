//! Ordering: events of one ordering key leave in the order of their positions, whatever the order in which they come.
//!
//! The decision on an event is part of its commit ([`buffer`] decides, `journal::held` keeps): it goes into the inbox, or
//! is held in the store until it is its turn (the gateway has a task that has the journal release it).

mod buffer;
#[cfg(test)]
pub(crate) mod model;
mod notice;
#[cfg(test)]
mod tests;

pub use self::{
    buffer::{Buffer, Cause, Entry, KeyState, Kind, OVERFLOW_AT_ONCE, Shelf},
    notice::{OrderingNotice, report},
};
