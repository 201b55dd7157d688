//! The keys of every space. Numbers are big-endian, so that bytes sort as numbers do.

use uuid::Uuid;

use crate::{
    engine::KeyRange,
    reorder::Kind,
    types::{EventId, HandoffId, JournalError},
};

/// Longest name of a destination, in bytes: its length is one byte of a key.
pub(crate) const NAME_MAX: usize = u8::MAX as usize;

/// A destination's name that fits into a key.
pub(crate) fn check_name(destination: &str) -> Result<(), JournalError> {
    if destination.is_empty() {
        return Err(JournalError::Failed("a destination without a name".to_owned()));
    }
    if destination.len() > NAME_MAX {
        return Err(JournalError::Failed(format!("the destination's name has more than {} bytes", NAME_MAX)));
    }
    Ok(())
}

/// Bytes of an event in a key.
const EVENT: usize = 18;

/// `delivery:16`
pub(crate) fn delivery(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// Reads [`delivery`].
pub(crate) fn read_delivery(key: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(key).ok()
}

/// `delivery:16 index:2`
pub(crate) fn event(id: EventId) -> Vec<u8> {
    let mut key = Vec::with_capacity(EVENT);
    push_event(&mut key, id);
    key
}

/// Reads [`event`].
pub(crate) fn read_event(key: &[u8]) -> Option<EventId> {
    let (delivery, index) = key.split_at_checked(16)?;
    Some(EventId { delivery: Uuid::from_slice(delivery).ok()?, index: u16::from_be_bytes(index.try_into().ok()?) })
}

/// What an entry of the inbox's space is about.
const IN_ORDER: u8 = 0;
const OF_EVENT: u8 = b'e';

/// `0:1 ticket:8 delivery:16 index:2`: an event in the inbox, which is worked off in the order of tickets.
pub(crate) fn ticket(ticket: u64, id: EventId) -> Vec<u8> {
    let mut key = Vec::with_capacity(9 + EVENT);
    key.push(IN_ORDER);
    key.extend(ticket.to_be_bytes());
    push_event(&mut key, id);
    key
}

/// Reads [`ticket`].
pub(crate) fn read_ticket(key: &[u8]) -> Option<(u64, EventId)> {
    let (ticket, event) = key.strip_prefix(&[IN_ORDER])?.split_first_chunk()?;
    Some((u64::from_be_bytes(*ticket), read_event(event)?))
}

/// What the keys of [`ticket`] begin with.
pub(crate) fn tickets() -> Vec<u8> {
    vec![IN_ORDER]
}

/// A key behind the event that has that ticket.
pub(crate) fn behind_ticket(ticket: u64) -> Vec<u8> {
    // No event has such an id.
    self::ticket(ticket, EventId { delivery: Uuid::max(), index: u16::MAX })
}

/// `e:1 delivery:16 index:2`: where an event is that waits in the inbox or is held.
pub(crate) fn whereabouts(id: EventId) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + EVENT);
    key.push(OF_EVENT);
    push_event(&mut key, id);
    key
}

/// Reads [`whereabouts`].
pub(crate) fn read_whereabouts(key: &[u8]) -> Option<EventId> {
    read_event(key.strip_prefix(&[OF_EVENT])?)
}

/// Whether a key of the inbox's space is one of [`ticket`]'s.
pub(crate) fn is_in_order(key: &[u8]) -> bool {
    key.first() != Some(&OF_EVENT)
}

/// Where the events of a delivery are.
pub(crate) fn whereabouts_of(delivery: Uuid) -> KeyRange {
    let mut key = vec![OF_EVENT];
    key.extend(delivery.as_bytes());
    prefix(key)
}

/// A source with an ordering key and a kind of position, hashed.
pub(crate) type OrderingHash = [u8; 16];

/// Where an event is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct HeldAt {
    pub(crate) key: OrderingHash,
    pub(crate) position: u64,
    /// A ticket: it rises from arrival to arrival.
    pub(crate) arrival: u64,
}

/// `key:16 position:8 arrival:8`
pub(crate) fn held(at: &HeldAt) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    push_held(&mut key, at);
    key
}

/// Reads [`held`].
pub(crate) fn read_held(key: &[u8]) -> Option<HeldAt> {
    let (hash, rest) = key.split_first_chunk()?;
    let (position, arrival) = rest.split_first_chunk()?;
    let arrival = u64::from_be_bytes(arrival.try_into().ok()?);
    Some(HeldAt { key: *hash, position: u64::from_be_bytes(*position), arrival })
}

/// The held events of an ordering key from a position on.
pub(crate) fn held_from(key: &OrderingHash, position: u64) -> KeyRange {
    let mut range = prefix(key.to_vec());
    range.from.extend(position.to_be_bytes());
    // A hash of nothing but 0xff has no end of its own.
    if range.to.is_empty() {
        range.to = vec![u8::MAX; 33];
    }
    range
}

/// `length:1 source kind:1`: what [`held_due`] begins with.
pub(crate) fn held_line(source: &str, kind: Kind) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + source.len() + 8 + 32);
    key.push(source.len().min(NAME_MAX) as u8);
    key.extend(source.as_bytes());
    key.push(kind as u8);
    key
}

/// `length:1 source kind:1 due:8 key:16 position:8 arrival:8`
pub(crate) fn held_due(source: &str, kind: Kind, due: u64, at: &HeldAt) -> Vec<u8> {
    let mut key = held_line(source, kind);
    key.extend(due.to_be_bytes());
    push_held(&mut key, at);
    key
}

/// Reads when [`held_due`] says that the event is due, and where it is held.
pub(crate) fn read_held_due(key: &[u8]) -> Option<(u64, HeldAt)> {
    let (due, at) = key.get(held_line_of(key).len()..)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*due), read_held(at)?))
}

/// The part of [`held_due`] that [`held_line`] makes.
pub(crate) fn held_line_of(key: &[u8]) -> &[u8] {
    let length = key.first().map_or(0, |length| 2 + usize::from(*length));
    key.get(..length).unwrap_or(key)
}

fn push_held(key: &mut Vec<u8>, at: &HeldAt) {
    key.extend(at.key);
    key.extend(at.position.to_be_bytes());
    key.extend(at.arrival.to_be_bytes());
}

/// `delivery:16 index:2 output:2 destination`
pub(crate) fn handoff(id: &HandoffId) -> Vec<u8> {
    let mut key = Vec::with_capacity(EVENT + 2 + id.destination.len());
    push_event(&mut key, id.event);
    key.extend(id.output.to_be_bytes());
    key.extend(id.destination.as_bytes());
    key
}

/// Reads [`handoff`].
pub(crate) fn read_handoff(key: &[u8]) -> Option<HandoffId> {
    let (event, rest) = key.split_at_checked(EVENT)?;
    let (output, destination) = rest.split_first_chunk()?;
    Some(HandoffId {
        destination: String::from_utf8(destination.to_vec()).ok()?,
        event: read_event(event)?,
        output: u16::from_be_bytes(*output),
    })
}

/// All handoffs of an event.
pub(crate) fn handoffs_of(id: EventId) -> KeyRange {
    prefix(event(id))
}

/// `length:1 destination time:8 delivery:16 index:2 output:2`: a handoff in the queue (by due time) or among the dead
/// letters (by time of death). The length in front keeps destinations apart whose names begin alike.
pub(crate) fn timed(time: u64, id: &HandoffId) -> Vec<u8> {
    let mut key = of_destination(&id.destination);
    key.extend(time.to_be_bytes());
    push_event(&mut key, id.event);
    key.extend(id.output.to_be_bytes());
    key
}

/// Reads [`timed`]; none for a key of [`waits`].
pub(crate) fn read_timed(key: &[u8]) -> Option<(u64, HandoffId)> {
    let (length, rest) = key.split_first().filter(|(length, _)| **length != BY_AGE)?;
    let (destination, rest) = rest.split_at_checked(usize::from(*length))?;
    let (time, rest) = rest.split_first_chunk()?;
    let (event, output) = rest.split_at_checked(EVENT)?;
    let id = HandoffId {
        destination: String::from_utf8(destination.to_vec()).ok()?,
        event: read_event(event)?,
        output: u16::from_be_bytes(output.try_into().ok()?),
    };
    Some((u64::from_be_bytes(*time), id))
}

/// In front of the keys of the queue's space that stand in the order of admission. Destinations have names, so no length
/// is 0.
const BY_AGE: u8 = 0;

/// `0:1 length:1 destination delivery:16 index:2 output:2`: a handoff that waits, in the queue or in its strand.
pub(crate) fn waits(id: &HandoffId) -> Vec<u8> {
    let mut key = waiting_for(&id.destination);
    push_event(&mut key, id.event);
    key.extend(id.output.to_be_bytes());
    key
}

/// Reads [`waits`].
pub(crate) fn read_waits(key: &[u8]) -> Option<HandoffId> {
    let (length, rest) = key.strip_prefix(&[BY_AGE])?.split_first()?;
    let (destination, rest) = rest.split_at_checked(usize::from(*length))?;
    let (event, output) = rest.split_at_checked(EVENT)?;
    Some(HandoffId {
        destination: String::from_utf8(destination.to_vec()).ok()?,
        event: read_event(event)?,
        output: u16::from_be_bytes(output.try_into().ok()?),
    })
}

/// `0:1 length:1 destination`: what [`waits`] begins with.
pub(crate) fn waiting_for(destination: &str) -> Vec<u8> {
    [&[BY_AGE], &of_destination(destination)[..]].concat()
}

/// `length:1 destination`; names of more than [`NAME_MAX`] bytes are refused before they come here.
pub(crate) fn of_destination(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len() + 8 + EVENT + 2);
    key.push(name.len().min(NAME_MAX) as u8);
    key.extend(name.as_bytes());
    key
}

/// The part of [`timed`] that [`of_destination`] makes.
pub(crate) fn destination_of(key: &[u8]) -> &[u8] {
    let length = key.first().map_or(0, |length| 1 + usize::from(*length));
    key.get(..length).unwrap_or(key)
}

/// `length:1 destination strand:16`: the front of a strand.
pub(crate) fn front(destination: &str, strand: &[u8; 16]) -> Vec<u8> {
    let mut key = of_destination(destination);
    key.extend(strand);
    key
}

/// `length:1 destination strand:16 number:8`: a handoff behind the front.
pub(crate) fn waiting(destination: &str, strand: &[u8; 16], number: u64) -> Vec<u8> {
    let mut key = front(destination, strand);
    key.extend(number.to_be_bytes());
    key
}

/// What an entry of the expiry space is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Due {
    /// Idempotency keys, listed in the value.
    Keys = 0,
    /// A delivery beyond its retention that was not finished then.
    Delivery = 1,
    /// What is known of an ordering key, by whose hash the entry is found.
    OrderingKey = 2,
    /// A delivery of which something was dropped.
    Duplicates = 3,
}

/// `kind:1 second:4 delivery:16`
pub(crate) fn expiry(kind: Due, second: u32, id: Uuid) -> Vec<u8> {
    let mut key = Vec::with_capacity(21);
    key.push(kind as u8);
    key.extend(second.to_be_bytes());
    key.extend(id.as_bytes());
    key
}

/// Reads the delivery of [`expiry`].
pub(crate) fn read_expiry(key: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(key.get(5..)?).ok()
}

/// Everything of a kind that is due at that second or before.
pub(crate) fn expired(kind: Due, second: u32) -> KeyRange {
    let mut to = vec![kind as u8];
    match second.checked_add(1) {
        Some(next) => to.extend(next.to_be_bytes()),
        None => to = vec![kind as u8 + 1],
    }
    KeyRange { from: vec![kind as u8], to }
}

/// What an entry of the claims space is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ClaimEntry {
    /// By delivery: its object.
    OfDelivery = 0,
    /// By object: a delivery refers to it.
    Kept = 1,
    /// By object: no delivery refers to it any more, and it is to be removed.
    Released = 2,
}

/// `entry:1 id:16`
pub(crate) fn claim(entry: ClaimEntry, id: Uuid) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(entry as u8);
    key.extend(id.as_bytes());
    key
}

/// Reads the id of [`claim`].
pub(crate) fn read_claim(key: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(key.get(1..)?).ok()
}

/// Everything that begins with `prefix`, which must not be all 0xff.
pub(crate) fn prefix(prefix: Vec<u8>) -> KeyRange {
    let mut to = prefix.clone();
    while let Some(last) = to.pop() {
        if last < u8::MAX {
            to.push(last + 1);
            break;
        }
    }
    KeyRange { from: prefix, to }
}

/// Every key of a space.
pub(crate) fn all() -> KeyRange {
    KeyRange { from: vec![0], to: vec![u8::MAX; NAME_MAX + 64] }
}

/// The first key behind `key`.
pub(crate) fn behind(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn push_event(key: &mut Vec<u8>, id: EventId) {
    key.extend(id.delivery.as_bytes());
    key.extend(id.index.to_be_bytes());
}
/// The first whole second at or after a time in milliseconds; the last one there is for times beyond the year 2106.
pub(crate) fn second_after(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX)
}
