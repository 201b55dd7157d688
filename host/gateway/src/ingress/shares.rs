//! Rooms of a fixed size that strangers fill, and how much of a room one of them may have.
//!
//! A holder may have as much of a room as is still free for all others. So one address alone gets half of it, and each
//! further one at most half of what is left: a few addresses never fill it. A holder that has nothing yet may take one
//! thing, however large, if it fits. The last eighth is for small things.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ipnet::IpNet;
use tokio::sync::Notify;

use hookgate_net::client::Client;

/// One part in so many of a room is for small things only.
const PARTS_FOR_SMALL: u64 = 8;
/// A source may have so many times what is free: three quarters of the room if it is the only one.
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

/// On whose account something is held.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Client(Client),
    Source(Arc<str>),
}

/// What is held, until it is dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<Shares>,
    holders: Vec<Holder>,
    units: u64,
}

/// What something is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// It may have the last part of the room.
    Small,
    /// It leaves the last part to small things.
    Large,
}

impl Size {
    /// Of so many bytes, of which so many count as small.
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
    /// A room of so many units. Addresses in `exempt` may have all of it: those bring everybody's requests.
    pub fn new(total: u64, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Shares { total, exempt, state: Mutex::default(), freed: Notify::new() })
    }

    /// A share with nothing in it, on the account of a client.
    pub fn of_client(self: &Arc<Self>, client: Client) -> Share {
        let is_exempt =
            client.address().is_some_and(|address| self.exempt.iter().any(|network| network.contains(&address)));
        let holder = (!is_exempt).then(|| Holder::Client(client.counted()));
        Share { of: self.clone(), holders: holder.into_iter().collect(), units: 0 }
    }

    /// Waits until something may have been given back since this was called.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Share {
    /// On the account of a source as well.
    pub fn and_source(mut self, name: &str) -> Share {
        self.holders.push(Holder::Source(name.into()));
        self
    }

    /// Takes so many units on top of what is held, at once or not at all: a holder that waited here would keep what it
    /// has from those that could finish with it.
    pub fn take(&mut self, units: u64, size: Size) -> Result<(), NoRoom> {
        let mut state = self.of.state.lock().unwrap_or_else(PoisonError::into_inner);
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
        // First, since a holder that has its share must not wait for room, nor have others make room for it.
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

    /// Gives so many units back of what is held.
    pub fn give_back(&mut self, units: u64) {
        let units = units.min(self.units);
        if units == 0 {
            return;
        }
        self.units -= units;
        let mut state = self.of.state.lock().unwrap_or_else(PoisonError::into_inner);
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
    /// How many times what is free it may have.
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
        let state = room.state.lock().unwrap();
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
    fn a_source_leaves_room_for_other_sources_whoever_sends() {
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
        /// Whatever four addresses take, the next one finds room.
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
