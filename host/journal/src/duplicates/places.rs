//! The keys of the space; `super` draws them.

use uuid::Uuid;

use crate::{
    engine::KeyRange,
    record::keys::{self, NAME_MAX},
    types::EventId,
};

pub(super) const DELIVERY: u8 = b'd';
pub(super) const BODY: u8 = b'b';
pub(super) const FIRST: u8 = b'f';
pub(super) const NUMBERED: u8 = b'n';
pub(super) const TALLY: u8 = b's';
const ADMITTED: u8 = b'a';

/// `d:1 delivery:16`
pub(super) fn delivery(id: Uuid) -> Vec<u8> {
    of_delivery(DELIVERY, id)
}

/// `b:1 delivery:16`
pub(super) fn body(id: Uuid) -> Vec<u8> {
    of_delivery(BODY, id)
}

/// Reads the delivery of [`delivery`] and [`body`].
pub(super) fn read_delivery(key: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(key.get(1..)?).ok()
}

/// `f:1 delivery:16 index:2`
pub(super) fn first(id: EventId) -> Vec<u8> {
    of_event(FIRST, id)
}

/// Reads [`first`].
pub(super) fn read_first(key: &[u8]) -> Option<EventId> {
    keys::read_event(key.get(1..)?)
}

/// `a:1 delivery:16 index:2`
pub(super) fn admitted(id: EventId) -> Vec<u8> {
    of_event(ADMITTED, id)
}

/// What is kept of events of a delivery that an operator had admitted.
pub(crate) fn admitted_of(delivery: Uuid) -> KeyRange {
    keys::prefix(of_delivery(ADMITTED, delivery))
}

/// `s:1 length:1 source`
pub(super) fn tally(source: &str) -> Vec<u8> {
    of_source(TALLY, source)
}

/// `n:1 length:1 source number:8`
pub(super) fn numbered(source: &str, number: u64) -> Vec<u8> {
    let mut key = of_source(NUMBERED, source);
    key.extend(number.to_be_bytes());
    key
}

fn of_delivery(entry: u8, id: Uuid) -> Vec<u8> {
    [&[entry][..], id.as_bytes()].concat()
}

fn of_event(entry: u8, id: EventId) -> Vec<u8> {
    [&[entry][..], &keys::event(id)].concat()
}

fn of_source(entry: u8, source: &str) -> Vec<u8> {
    let length = source.len().min(NAME_MAX) as u8;
    [&[entry, length][..], source.as_bytes()].concat()
}
