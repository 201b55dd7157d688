//! The sender of a request: the address that `auth`, limits, shares and the log use.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net};

/// The sender of a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Its address: of the connection, or as a trusted proxy reports it.
    Address(IpAddr),
    /// A trusted proxy has reported no address, or an unreadable one.
    Unknown,
}

impl Client {
    /// The sender of a request: the peer itself or, if the peer is a trusted proxy, the last address of `X-Forwarded-For`
    /// that is not a trusted proxy's.
    ///
    /// The header is read from its end, because only what trusted proxies have appended can be believed. It is read as
    /// bytes: a sender can put bytes into it that are not text, and they must not hide what a proxy has appended behind
    /// them. The address is unknown if a trusted proxy stands where the sender's address should be, or a word that is
    /// not an address: a request is never taken for one of the proxy's own.
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
        let peer = peer.to_canonical();
        if !is_trusted(&peer) {
            return Client::Address(peer);
        }
        let values = headers.get_all("x-forwarded-for").iter();
        let hops: Vec<&[u8]> = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
        for hop in hops.into_iter().rev() {
            match address_of(hop) {
                Some(address) if is_trusted(&address) => {}
                Some(address) => return Client::Address(address),
                None => return Client::Unknown,
            }
        }
        Client::Unknown
    }

    /// Its address, if that is known.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Client::Address(address) => Some(address),
            Client::Unknown => None,
        }
    }

    /// What limits and shares count by: an IPv4 address, or the /64 of an IPv6 address, since a single customer has all of
    /// that. All unknown senders count as one.
    pub fn counted(self) -> Client {
        match self {
            Client::Address(IpAddr::V6(v6)) => {
                let [a, b, c, d, ..] = v6.segments();
                Client::Address(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            other => other,
        }
    }
}

impl From<SocketAddr> for Client {
    fn from(peer: SocketAddr) -> Client {
        Client::Address(peer.ip().to_canonical())
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client::Address(address) => address.fmt(f),
            Client::Unknown => f.write_str("unknown"),
        }
    }
}

/// An address with or without a port, brackets for IPv6.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

/// The addresses by which this machine reaches itself.
pub fn this_machine() -> [IpNet; 2] {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    [IpNet::V4(v4), IpNet::V6(Ipv6Addr::LOCALHOST.into())]
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(peer: &str, forwarded: &[&[u8]], expected: &str) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value).unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let client = Client::of(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(client.to_string(), expected);
    }

    #[test]
    fn a_stranger_cannot_forge_its_address() {
        check("203.0.113.9", &[b"198.51.100.1"], "203.0.113.9");
        check("203.0.113.9", &[b"\xff, 10.0.0.1"], "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_is_believed_for_the_last_hop_only() {
        check("10.0.0.1", &[b"198.51.100.1, 203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &[b"198.51.100.1", b"203.0.113.9, 10.2.3.4"], "203.0.113.9");
        check("::ffff:10.0.0.1", &[b"203.0.113.9:4711"], "203.0.113.9");
        check("::1", &[b"[2001:db8::1]"], "2001:db8::1");
        check("::1", &[b"[2001:db8::1]:4711"], "2001:db8::1");
    }

    #[test]
    fn bytes_that_are_not_text_do_not_hide_what_a_proxy_has_appended() {
        check("10.0.0.1", &[b"\xff, 203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &[b"\xff", b"203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &[b"\x80\xc3(,\xfe, 203.0.113.9, 10.2.3.4"], "203.0.113.9");
    }

    #[test]
    fn an_unreadable_or_missing_hop_is_unknown() {
        check("10.0.0.1", &[b"203.0.113.9, unknown"], "unknown");
        check("10.0.0.1", &[b"203.0.113.9, \xff"], "unknown");
        check("10.0.0.1", &[b"203.0.113.9\xff"], "unknown");
        check("10.0.0.1", &[b"203.0.113.9,"], "unknown");
        check("10.0.0.1", &[b"203.0.113.9", b""], "unknown");
        check("10.0.0.1", &[b"203.0.113.9, _hidden, 10.2.3.4"], "unknown");
        check("10.0.0.1", &[], "unknown");
        // The proxy 10.2.3.4 has not named its client.
        check("10.0.0.1", &[b"10.2.3.4"], "unknown");
    }

    #[test]
    fn ipv6_is_counted_by_its_64_and_unknown_senders_as_one() {
        let client = |address: &str| Client::Address(address.parse().unwrap());
        assert_eq!(client("2001:db8:1:2:3:4:5:6").counted(), client("2001:db8:1:2::"));
        assert_eq!(client("192.0.2.1").counted(), client("192.0.2.1"));
        assert_eq!(Client::Unknown.counted(), Client::Unknown);
    }
}
