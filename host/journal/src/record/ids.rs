//! Ids of deliveries: UUIDs of version 7 (RFC 9562, section 5.7) that only ever rise.

use parking_lot::Mutex;
use uuid::{Builder, Uuid};

/// The bits of a version 7 UUID that count up within a millisecond: `rand_a` (12) and `rand_b` (62).
const RAND_B: u32 = 62;

/// Gives out ids. They rise in the order in which they are given out, which need not be the order of commits.
#[derive(Debug)]
pub(crate) struct Ids(Mutex<Uuid>);

impl Ids {
    /// Ids above `last`.
    pub(crate) fn above(last: Uuid) -> Ids {
        Ids(Mutex::new(last))
    }

    /// The next one; `now` in milliseconds since the epoch.
    pub(crate) fn next(&self, now: u64) -> Uuid {
        let mut last = self.0.lock();
        *last = next(*last, now, rand::random());
        *last
    }
}

/// The id after `last`: of the time `now` (milliseconds since the epoch) where that is later, else just above `last`,
/// whatever the clock says.
fn next(last: Uuid, now: u64, random: [u8; 10]) -> Uuid {
    let fresh = Builder::from_unix_timestamp_millis(now, &random).into_uuid();
    if fresh > last { fresh } else { above(last) }
}

/// The smallest id of a millisecond and all later ones.
pub(crate) fn first_of(now: u64) -> Uuid {
    Builder::from_unix_timestamp_millis(now, &[0; 10]).into_uuid()
}

/// When an id was given out, in milliseconds since the epoch.
pub(crate) fn time_of(id: Uuid) -> u64 {
    (id.as_u128() >> 80) as u64
}

/// The next higher version 7 UUID: its 122 free bits, counted up by one.
fn above(id: Uuid) -> Uuid {
    let bits = id.as_u128();
    let low = bits & ((1 << RAND_B) - 1);
    let high = (bits >> 64) & 0xfff;
    let time = bits >> 80;
    let next = ((time << 74) | (high << RAND_B) | low) + 1;
    let mut random = [0; 10];
    random[..2].copy_from_slice(&(((next >> RAND_B) & 0xfff) as u16).to_be_bytes());
    random[2..].copy_from_slice(&((next & ((1 << RAND_B) - 1)) as u64).to_be_bytes());
    Builder::from_unix_timestamp_millis((next >> 74) as u64, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_rise_whatever_the_clock_does(times in proptest::collection::vec(0u64..1 << 47, 1..50), random: [u8; 10]) {
            let mut last = Uuid::nil();
            for now in times {
                let id = next(last, now, random);
                prop_assert!(id > last);
                prop_assert_eq!(id.get_version_num(), 7);
                prop_assert!(time_of(id) >= now);
                last = id;
            }
        }

        #[test]
        fn nothing_lies_between_an_id_and_the_next(now in 0u64..1 << 47, random: [u8; 10]) {
            let id = next(Uuid::nil(), now, random);
            let above = above(id);
            prop_assert!(above > id);
            prop_assert!(above.as_u128() - id.as_u128() == 1 || random[2..].iter().all(|b| *b == 0xff) || above.as_u128() & 0xffff == 0);
        }
    }

    #[test]
    fn a_full_millisecond_borrows_from_the_next() {
        let full = Builder::from_unix_timestamp_millis(7, &[0xff; 10]).into_uuid();
        assert_eq!(above(full), first_of(8));
    }
}
