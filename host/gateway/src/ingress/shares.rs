//! Rooms of a fixed size that strangers fill, and the share of each.
//!
//! A holder may have as much of a room as is still free for all others. So a single address gets half of it, and each further
//! one at most half of the rest: a few addresses never fill it. A holder with nothing may take one thing of any size, if it
//! fits. The last eighth is for small things.

use std::{collections::HashMap, sync::Arc};

use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::sync::Notify;

use hookgate_net::client::Client;

/// The fraction of a room that is for small things only: one part of this number.
const PARTS_FOR_SMALL: u64 = 8;
/// A source may have this many times the free part: three quarters of the room if it is the only one.
const SOURCE_FACTOR: u64 = 3;

/// A room: connections, bytes of bodies, bytes of heads, readers of claims.
#[derive(Debug)]
pub struct Shares {
    total: u64,
    exempt: Vec<IpNet>,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    taken: u64,
    held: HashMap<Holder, u64>,
}

/// To whose account something is charged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Client(Client),
    Source(Arc<str>),
}

/// A part of a room, held until it is dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<Shares>,
    holders: Vec<Holder>,
    units: u64,
}

/// The size class of what is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// It may have the last part of the room.
    Small,
    /// It leaves the last part to small things.
    Large,
}

impl Size {
    /// The class of `bytes`; up to `small_bytes_max` counts as small.
    pub fn of(bytes: u64, small_bytes_max: u64) -> Size {
        if bytes <= small_bytes_max { Size::Small } else { Size::Large }
    }
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The room is full.
    Full,
    /// The holder has its share.
    OverShare,
}

impl Shares {
    /// A room of `total` units. Addresses in `exempt` may have all of it, because they forward requests of many senders.
    pub fn new(total: u64, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Shares { total, exempt, state: Mutex::default(), freed: Notify::new() })
    }

    /// An empty share, charged to a client.
    pub fn of_client(self: &Arc<Self>, client: Client) -> Share {
        let is_exempt =
            client.address().is_some_and(|address| self.exempt.iter().any(|network| network.contains(&address)));
        let holder = (!is_exempt).then(|| Holder::Client(client.counted()));
        Share { of: self.clone(), holders: holder.into_iter().collect(), units: 0 }
    }

    /// Waits until something may have been given back after this call.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Share {
    /// Charges the share to a source as well.
    pub fn and_source(mut self, name: &str) -> Share {
        self.holders.push(Holder::Source(name.into()));
        self
    }

    /// Takes further units, at once or not at all. A holder that waited here would keep its units from holders that could
    /// finish with them.
    pub fn take(&mut self, units: u64, size: Size) -> Result<(), NoRoom> {
        let mut state = self.of.state.lock();
        let room = match size {
            Size::Small => self.of.total,
            Size::Large => self.of.total - self.of.total / PARTS_FOR_SMALL,
        };
        let taken = state.taken.saturating_add(units);
        let free = self.of.total.saturating_sub(taken);
        let is_over = |holder: &Holder| {
            let held = state.held.get(holder).copied().unwrap_or_default();
            let has_others = held > self.units;
            has_others && held.saturating_add(units) > holder.factor().saturating_mul(free)
        };
        // Checked first, because a holder over its share must not wait for room or push others out.
        if self.holders.iter().any(is_over) {
            return Err(NoRoom::OverShare);
        }
        if taken > room {
            return Err(NoRoom::Full);
        }
        state.taken = taken;
        for holder in &self.holders {
            *state.held.entry(holder.clone()).or_default() += units;
        }
        self.units += units;
        Ok(())
    }

    /// Gives units back.
    pub fn give_back(&mut self, units: u64) {
        let units = units.min(self.units);
        if units == 0 {
            return;
        }
        self.units -= units;
        let mut state = self.of.state.lock();
        state.taken = state.taken.saturating_sub(units);
        for holder in &self.holders {
            let left = state.held.get(holder).map_or(0, |held| held.saturating_sub(units));
            if left == 0 {
                state.held.remove(holder);
            } else {
                state.held.insert(holder.clone(), left);
            }
        }
        drop(state);
        self.of.freed.notify_one();
    }
}

impl Holder {
    /// How many times the free part it may have.
    fn factor(&self) -> u64 {
        match self {
            Holder::Client(_) => 1,
            Holder::Source(_) => SOURCE_FACTOR,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.units);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(address: &str) -> Client {
        Client::Address(address.parse().unwrap())
    }

    /// Takes one unit after the other until there are no more.
    fn fill(room: &Arc<Shares>, client: Client) -> Vec<Share> {
        let one = || {
            let mut share = room.of_client(client);
            share.take(1, Size::Small).map(|()| share)
        };
        std::iter::from_fn(|| one().ok()).collect()
    }

    #[test]
    fn an_address_has_half_and_further_ones_leave_room_for_the_next() {
        let room = Shares::new(120, Vec::new());
        let first = fill(&room, client("2001:db8::1"));
        assert_eq!(first.len(), 60);
        assert!(fill(&room, client("2001:db8::2")).is_empty(), "the /64 has its share");
        let others: Vec<_> = (1..5).map(|n| fill(&room, client(&format!("192.0.2.{n}")))).collect();
        assert_eq!(others.iter().map(Vec::len).collect::<Vec<_>>(), [30, 15, 7, 4]);
        drop((first, others));
        let state = room.state.lock();
        assert!(state.held.is_empty() && state.taken == 0, "nothing is remembered of what was given back");
    }

    #[test]
    fn a_proxy_may_have_all_and_unknown_senders_share() {
        let room = Shares::new(16, vec!["10.0.0.0/8".parse().unwrap()]);
        let unknown = fill(&room, Client::Unknown);
        assert_eq!(unknown.len(), 8);
        assert_eq!(fill(&room, client("10.0.0.1")).len(), 8);
    }

    #[test]
    fn a_source_leaves_room_for_other_sources_even_of_the_same_sender() {
        let room = Shares::new(100, vec!["127.0.0.0/8".parse().unwrap()]);
        let begin = |source: &str, units| {
            let mut share = room.of_client(client("127.0.0.1")).and_source(source);
            share.take(units, Size::Small).map(|()| share)
        };
        let busy: Vec<_> = std::iter::from_fn(|| begin("busy", 5).ok()).collect();
        assert_eq!(busy.len(), 15);
        assert!(begin("quiet", 5).is_ok());
    }

    #[test]
    fn the_last_part_is_for_what_is_small_and_a_first_large_thing_fits_beside_the_share() {
        let room = Shares::new(80, Vec::new());
        let mut large = room.of_client(client("192.0.2.1"));
        large.take(70, Size::Large).unwrap();
        assert_eq!(large.take(1, Size::Large), Err(NoRoom::Full));
        let mut more = room.of_client(client("192.0.2.1"));
        assert_eq!(more.take(6, Size::Small), Err(NoRoom::OverShare));
        let mut small = room.of_client(client("192.0.2.2"));
        assert_eq!(small.take(1, Size::Large), Err(NoRoom::Full));
        small.take(10, Size::Small).unwrap();
        assert_eq!(room.of_client(client("192.0.2.3")).take(1, Size::Small), Err(NoRoom::Full));
    }

    proptest! {
        /// The next address finds room, regardless of what four addresses take.
        #[test]
        fn a_few_addresses_never_fill_a_room(takes in prop::collection::vec((0..4_u8, 1..8_u64), 0..2_000)) {
            let room = Shares::new(1_000, Vec::new());
            let mut held = Vec::new();
            for (sender, units) in takes {
                let mut share = room.of_client(client(&format!("192.0.2.{sender}")));
                if share.take(units, Size::Small).is_ok() {
                    held.push(share);
                }
            }
            prop_assert!(room.of_client(client("198.51.100.1")).take(10, Size::Small).is_ok());
        }
    }
}
