//! The sender's address is in one of these networks.

use std::sync::Arc;

use async_trait::async_trait;
use hookgate_net::{client::Client, fetch::Fetcher};
use hookgate_settings::{Kind as Takes, Table, key};
use ipnet::IpNet;

use crate::{Around, Asked, Credentials, Denied, Kind, Prover};

/// This method.
pub const KIND: Kind = Kind {
    key: key("addresses", Takes::Networks, "The sender's address is in one of these; see `server.trusted-proxies`."),
    read,
};

/// The networks.
#[derive(Clone, Debug)]
pub struct Addresses(pub Vec<IpNet>);

fn read(table: &Table<'_>, _: &Around<'_>) -> Option<Box<dyn Asked>> {
    let networks = table.networks("addresses");
    let at = table.place("addresses");
    if networks.is_empty() {
        let what = format!("`{}` is empty: no sender would be let in", table.path_of("addresses"));
        table.problems().error(at, what, "write the sender's networks, or leave it out");
    }
    if networks.iter().any(|network| network.prefix_len() == 0) {
        let what = format!("`{}` holds every address: it keeps no sender out", table.path_of("addresses"));
        table.problems().warning(at, what, "write the sender's networks only");
    }
    Some(Box::new(Addresses(networks)))
}

impl Asked for Addresses {
    fn prover(&self, _: &Fetcher) -> Arc<dyn Prover> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Prover for Addresses {
    async fn prove(&self, credentials: Credentials<'_>) -> Result<String, Denied> {
        let forbidden = |why: String| Err(Denied::Forbidden(why, vec![]));
        match credentials.client {
            Client::Address(address) if self.0.iter().any(|network| network.contains(&address)) => {
                Ok(address.to_string())
            }
            Client::Address(address) => {
                forbidden(format!("the address {address} is in none of the networks of `addresses`"))
            }
            Client::Unknown => forbidden(
                "the sender's address is unknown: a proxy of `server.trusted-proxies` has put none into X-Forwarded-For, or \
                 one that cannot be read"
                    .to_owned(),
            ),
        }
    }
}
