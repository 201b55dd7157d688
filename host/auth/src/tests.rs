//! Methods together, and what their own tests use.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use hookgate_net::egress::Guard;
use hookgate_settings::SecretText;

use super::*;
use crate::methods::{addresses::Addresses, api_key, basic};

pub(crate) fn named(name: &str, secrets: &[&str]) -> BTreeMap<String, Vec<SecretText>> {
    let secrets = secrets.iter().map(|secret| SecretText::new((*secret).to_owned())).collect();
    BTreeMap::from([(name.to_owned(), secrets)])
}

/// Proven things as `method subject`; or the kind of denial, and what could be shown.
pub(crate) async fn asked(auth: &Auth, headers: &[(&'static str, &str)], address: &str) -> Result<Vec<String>, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let authenticator = Authenticator::new(auth, &Fetcher::new(Guard::default()));
    let client = address.parse().map_or(Client::Unknown, Client::Address);
    let credentials = Credentials { headers: &map, client, certificate: None, now: 0 };
    match authenticator.authenticate(credentials).await {
        Ok(proofs) => Ok(proofs.iter().map(|proof| format!("{} {}", proof.method, proof.subject)).collect()),
        Err(denied) => {
            let kind = match &denied {
                Denied::Missing(..) => "missing",
                Denied::Wrong(..) => "wrong",
                Denied::Forbidden(..) => "forbidden",
                Denied::Unavailable(_) => "unavailable",
            };
            let schemes = denied.challenges().iter().map(|challenge| challenge.split(' ').next().unwrap());
            Err([kind].into_iter().chain(schemes).collect::<Vec<_>>().join(" "))
        }
    }
}

pub(crate) fn proven(proofs: &[&str]) -> Result<Vec<String>, String> {
    Ok(proofs.iter().map(|proof| (*proof).to_owned()).collect())
}

pub(crate) fn denied(why: &str) -> Result<Vec<String>, String> {
    Err(why.to_owned())
}

#[tokio::test]
async fn all_must_hold_and_of_alternatives_one() {
    let all = Auth { all: vec![addresses(), api_key::tests::method("")], any: vec![] };
    let key = [("x-api-key", "k1")];
    assert_eq!(asked(&all, &key, "192.0.2.7").await, proven(&["addresses 192.0.2.7", "api-key shop"]));
    assert_eq!(asked(&all, &key, "192.0.3.7").await, denied("forbidden"));
    assert_eq!(asked(&all, &[], "192.0.2.7").await, denied("missing ApiKey"));

    let any =
        Auth { all: vec![addresses()], any: vec![vec![basic::tests::method()], vec![api_key::tests::method("")]] };
    assert_eq!(asked(&any, &key, "192.0.2.7").await, proven(&["addresses 192.0.2.7", "api-key shop"]));
    assert_eq!(asked(&any, &[], "192.0.2.7").await, denied("missing Basic ApiKey"));
    assert_eq!(asked(&any, &[("x-api-key", "k3")], "192.0.2.7").await, denied("wrong Basic ApiKey"));
    assert_eq!(asked(&any, &key, "192.0.3.7").await, denied("forbidden"));
    assert_eq!(asked(&Auth::default(), &[], "::1").await, proven(&[]));
}

fn addresses() -> Method {
    Method { name: "addresses", asked: Box::new(Addresses(vec!["192.0.2.0/24".parse().unwrap()])) }
}
