//! `[egress]`: where the gateway may connect to, as far as it can be told before it connects.

use std::net::{IpAddr, Ipv4Addr};

use hookgate_net::egress::Guard;
use http::Uri;
use ipnet::IpNet;

use crate::table::Table;

/// Where destinations may be.
#[derive(Debug, Default)]
pub struct Egress {
    /// Networks that are reachable although the guard refuses them by itself.
    pub allow: Vec<IpNet>,
}

/// Reports a URL whose host is an address (or `localhost`) that the egress guard refuses. Names are looked up, and judged,
/// when there is something to send.
pub fn check_egress(table: &Table<'_>, key: &'static str, url: &Uri, egress: &Egress) {
    let host = url.host().unwrap_or_default().trim_end_matches('.');
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = match bare.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) if bare == "localhost" || bare.ends_with(".localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Err(_) => return,
    };
    let Err(refused) = Guard::new(egress.allow.clone()).check(address) else { return };
    let network = match address {
        IpAddr::V4(v4) if v4.is_loopback() => "127.0.0.0/8".to_owned(),
        IpAddr::V4(_) => format!("{address}/32"),
        IpAddr::V6(_) => format!("{address}/128"),
    };
    let what = format!("`{}`: the egress guard refuses {host} ({})", table.path_of(key), refused.why);
    table.problems().error(table.place(key), what, format!("add to [egress]: allow = [\"{network}\"]"));
}
