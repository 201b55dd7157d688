//! How many of a listener's connections one address has: its share, so that a single sender does not lock out all others.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use ipnet::IpNet;

use super::client::counted;

/// The connections of every address.
#[derive(Debug)]
pub struct Shares {
    max: usize,
    exempt: Vec<IpNet>,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of an address, until it is dropped.
#[derive(Debug)]
pub struct Share(Option<(Arc<Shares>, IpAddr)>);

impl Shares {
    /// So many for each address; for those in `exempt` without a bound.
    pub fn new(max: usize, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Shares { max, exempt, held: Mutex::default() })
    }

    /// One more for an address; none when it has its share.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Share> {
        let peer = peer.to_canonical();
        if self.exempt.iter().any(|net| net.contains(&peer)) {
            return Some(Share(None));
        }
        let address = counted(peer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = held.entry(address).or_default();
        if *of_address >= self.max {
            return None;
        }
        *of_address += 1;
        Some(Share(Some((self.clone(), address))))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((shares, address)) = &self.0 else { return };
        let mut held = shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get(address).map_or(0, |held| held.saturating_sub(1));
        match left {
            0 => held.remove(address),
            left => held.insert(*address, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_a_proxy_all_it_wants() {
        let shares = Shares::new(2, vec!["10.0.0.0/8".parse().unwrap()]);
        let take = |peer: &str| shares.take(peer.parse().unwrap());
        let (first, second) = (take("2001:db8::1"), take("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(take("2001:db8::3").is_none(), "the /64 has its share");
        assert!(take("2001:db8:0:1::1").is_some() && take("192.0.2.1").is_some());
        drop(first);
        let third = take("2001:db8::3");
        assert!(third.is_some(), "a connection that ends makes room");
        let proxied: Vec<_> = (0..9).map(|_| take("::ffff:10.0.0.1")).collect();
        assert!(proxied.iter().all(Option::is_some));
        drop((second, third, proxied));
        assert!(shares.held.lock().unwrap().is_empty(), "nothing is remembered of connections that have ended");
    }
}
