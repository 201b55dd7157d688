//! Who sends: what `auth` of a source asks for, proven from the head of a request, before its body is read and its plugin
//! is asked.
//!
//! A method proves one thing and knows nothing of the others. What it has proven is kept with the delivery; what it was
//! proven with (a password, a key, a token) is seen here and nowhere else.

mod certificate;
mod jwt;
mod known;

use hookgate_config::{Auth, AuthMethod, CertificateName};
use hookgate_model::{event::Sender, limits};
use hookgate_net::fetch::Fetcher;
use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use ipnet::IpNet;

use self::{
    jwt::Tokens,
    known::{ApiKeys, Users},
};
use crate::ingress::{Client, ClientCertificate};

/// What the sender of a request shows.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// Of the request.
    pub headers: &'a HeaderMap,
    /// Who asks, as far as the connection and trusted proxies tell.
    pub client: Client,
    /// On the connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// When the request came, in milliseconds since the epoch.
    pub now: u64,
}

/// Why somebody is not let in. The texts are for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There are no credentials; what could be shown, as `WWW-Authenticate` says it (RFC 9110, 11.6.1).
    Missing(String, Vec<String>),
    /// They are wrong; what could be shown.
    Wrong(String, Vec<String>),
    /// It is known who it is, and that is nobody who may send; what would have to be shown.
    Forbidden(String, Vec<String>),
    /// They cannot be checked now.
    Unavailable(String),
}

/// What a source asks of its senders.
pub struct Authenticator {
    all: Vec<Method>,
    any: Vec<Vec<Method>>,
    headers: Vec<HeaderName>,
}

enum Method {
    Addresses(Vec<IpNet>),
    Mtls(Vec<CertificateName>),
    ApiKeys(ApiKeys),
    Users(Users),
    Tokens(Tokens),
}

impl Authenticator {
    /// Makes ready what a source asks for. Keys are fetched when they are needed; the fetcher remembers them.
    pub fn new(auth: &Auth, fetcher: &Fetcher) -> Self {
        let method = |method: &AuthMethod| match method {
            AuthMethod::Addresses(networks) => Method::Addresses(networks.clone()),
            AuthMethod::Mtls(allow) => Method::Mtls(allow.clone()),
            AuthMethod::ApiKey(auth) => Method::ApiKeys(ApiKeys::new(auth)),
            AuthMethod::Basic(users) => Method::Users(Users::new(users)),
            AuthMethod::Jwt(auth) => Method::Tokens(Tokens::new(auth, fetcher)),
        };
        let methods = |methods: &Vec<AuthMethod>| methods.iter().map(method).collect();
        let mut headers: Vec<HeaderName> = auth.methods().filter_map(AuthMethod::header).collect();
        headers.dedup();
        Authenticator { all: methods(&auth.all), any: auth.any.iter().map(methods).collect(), headers }
    }

    /// The headers that may hold credentials.
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// Whether all that is asked for holds: what was proven, or why not.
    pub async fn authenticate(&self, shown: Shown<'_>) -> Result<Vec<Sender>, Denied> {
        let mut proofs = prove_all(&self.all, shown).await?;
        if self.any.is_empty() {
            return Ok(proofs);
        }
        let mut denied = Vec::new();
        for alternative in &self.any {
            match prove_all(alternative, shown).await {
                Ok(more) => {
                    proofs.extend(more);
                    return Ok(proofs);
                }
                Err(why) => denied.push(why),
            }
        }
        Err(Denied::of_alternatives(denied))
    }
}

async fn prove_all(methods: &[Method], shown: Shown<'_>) -> Result<Vec<Sender>, Denied> {
    let mut proofs = Vec::with_capacity(methods.len());
    for method in methods {
        let (method, subject) = match method {
            Method::Addresses(networks) => ("addresses", address(networks, shown.client)?),
            Method::Mtls(allow) => ("mtls", certificate::prove(allow, shown.certificate)?),
            Method::ApiKeys(keys) => ("api-key", keys.prove(shown.headers)?),
            Method::Users(users) => ("basic", users.prove(shown.headers)?),
            Method::Tokens(tokens) => ("jwt", tokens.prove(shown.headers, shown.now).await?),
        };
        proofs.push(Sender { method: method.to_owned(), subject: cut(subject) });
    }
    Ok(proofs)
}

fn address(networks: &[IpNet], client: Client) -> Result<String, Denied> {
    let forbidden = |why: String| Err(Denied::Forbidden(why, vec![]));
    match client {
        Client::Address(address) if networks.iter().any(|network| network.contains(&address)) => Ok(address.to_string()),
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

/// A name that somebody else has chosen, as long as it may be here.
fn cut(mut subject: String) -> String {
    subject.truncate(subject.floor_char_boundary(limits::AUTH_SUBJECT_BYTES_MAX));
    subject
}

/// The one value of a header; none where it is not there.
///
/// # Errors
/// It is there several times, or is not text: nobody could say which of them counts.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName, challenge: &str) -> Result<Option<&'h str>, Denied> {
    let mut values = headers.get_all(name).iter();
    let wrong = |why: &str| Denied::Wrong(format!("the header {name} {why}"), vec![challenge.to_owned()]);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| wrong("is not text")),
        (Some(_), Some(_)) => Err(wrong("is there several times")),
    }
}

/// What follows the name of a scheme in `Authorization` (RFC 9110, 11.6.2); none where the header is not there.
///
/// # Errors
/// As [`only`]; or it is of another scheme, which counts as missing.
fn credentials<'h>(headers: &'h HeaderMap, scheme: &str, challenge: &str) -> Result<&'h str, Denied> {
    let missing = |why: String| Denied::Missing(why, vec![challenge.to_owned()]);
    let value = only(headers, &AUTHORIZATION, challenge)?;
    let value = value.ok_or_else(|| missing("there is no header authorization".to_owned()))?;
    match value.split_once(' ') {
        Some((name, rest)) if name.eq_ignore_ascii_case(scheme) => Ok(rest.trim()),
        _ => Err(missing(format!("the header authorization is not of the scheme {scheme}"))),
    }
}

impl Denied {
    /// Of several alternatives the one that came furthest, with what could be shown for any of them.
    fn of_alternatives(denied: Vec<Denied>) -> Denied {
        let rank = |denied: &Denied| match denied {
            Denied::Missing(..) => 0,
            Denied::Forbidden(..) => 1,
            Denied::Wrong(..) => 2,
            // Perhaps it would be let in if it could be checked: it must not be told that it is wrong.
            Denied::Unavailable(_) => 3,
        };
        let challenges: Vec<String> = denied.iter().flat_map(Denied::challenges).cloned().collect();
        match denied.into_iter().max_by_key(rank) {
            Some(Denied::Missing(why, _)) => Denied::Missing(why, challenges),
            Some(Denied::Wrong(why, _)) => Denied::Wrong(why, challenges),
            Some(other) => other,
            None => Denied::Forbidden("there is no alternative".to_owned(), vec![]),
        }
    }

    fn challenges(&self) -> &[String] {
        match self {
            Denied::Missing(_, challenges) | Denied::Wrong(_, challenges) | Denied::Forbidden(_, challenges) => {
                challenges
            }
            Denied::Unavailable(_) => &[],
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use hookgate_config::{ApiKeyAuth, SecretText};
    use hookgate_net::egress::Guard;

    use super::*;

    fn named(name: &str, secrets: &[&str]) -> BTreeMap<String, Vec<SecretText>> {
        let secrets = secrets.iter().map(|secret| SecretText::new((*secret).to_owned())).collect();
        BTreeMap::from([(name.to_owned(), secrets)])
    }

    fn basic() -> AuthMethod {
        AuthMethod::Basic(named("ann", &["new:secret", "old"]))
    }

    fn api_key(prefix: &str) -> AuthMethod {
        let header = HeaderName::from_static("x-api-key");
        AuthMethod::ApiKey(ApiKeyAuth { header, prefix: prefix.to_owned(), keys: named("shop", &["k1", "k2"]) })
    }

    fn addresses() -> AuthMethod {
        AuthMethod::Addresses(vec!["192.0.2.0/24".parse().unwrap()])
    }

    /// Proven things as `method subject`; or the kind of denial, and what could be shown.
    async fn asked(auth: &Auth, headers: &[(&'static str, &str)], address: &str) -> Result<Vec<String>, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let authenticator = Authenticator::new(auth, &Fetcher::new(Guard::default()));
        let client = address.parse().map_or(Client::Unknown, Client::Address);
        let shown = Shown { headers: &map, client, certificate: None, now: 0 };
        match authenticator.authenticate(shown).await {
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

    fn proven(proofs: &[&str]) -> Result<Vec<String>, String> {
        Ok(proofs.iter().map(|proof| (*proof).to_owned()).collect())
    }

    fn denied(why: &str) -> Result<Vec<String>, String> {
        Err(why.to_owned())
    }

    #[tokio::test]
    async fn users_are_known_by_their_passwords() {
        let auth = Auth { all: vec![basic()], any: vec![] };
        // ann:new:secret, ann:old, bob:old, no colon, no base64
        let cases = [
            ("Basic YW5uOm5ldzpzZWNyZXQ=", proven(&["basic ann"])),
            ("basic   YW5uOm9sZA==", proven(&["basic ann"])),
            ("Basic Ym9iOm9sZA==", denied("wrong Basic")),
            ("Basic YW5u", denied("wrong Basic")),
            ("Basic YW5uOg==", denied("wrong Basic")),
            ("Basic !", denied("wrong Basic")),
            ("Basic", denied("missing Basic")),
            ("Bearer YW5uOm9sZA==", denied("missing Basic")),
        ];
        for (value, expected) in cases {
            assert_eq!(asked(&auth, &[("authorization", value)], "::1").await, expected, "{value}");
        }
        assert_eq!(asked(&auth, &[], "::1").await, denied("missing Basic"));
        let twice = [("authorization", "Basic YW5uOm9sZA=="), ("authorization", "Basic YW5uOm9sZA==")];
        assert_eq!(asked(&auth, &twice, "::1").await, denied("wrong Basic"));
    }

    #[tokio::test]
    async fn owners_are_known_by_their_keys() {
        let auth = Auth { all: vec![api_key("")], any: vec![] };
        let cases =
            [("k1", proven(&["api-key shop"])), ("k2", proven(&["api-key shop"])), ("k3", denied("wrong ApiKey"))];
        for (value, expected) in cases {
            assert_eq!(asked(&auth, &[("x-api-key", value)], "::1").await, expected, "{value}");
        }
        assert_eq!(asked(&auth, &[("authorization", "k1")], "::1").await, denied("missing ApiKey"));
        let auth = Auth { all: vec![api_key("Key ")], any: vec![] };
        assert_eq!(asked(&auth, &[("x-api-key", "Key k1")], "::1").await, proven(&["api-key shop"]));
        assert_eq!(asked(&auth, &[("x-api-key", "k1")], "::1").await, denied("wrong ApiKey"));
    }

    #[tokio::test]
    async fn all_must_hold_and_of_alternatives_one() {
        let all = Auth { all: vec![addresses(), api_key("")], any: vec![] };
        let key = [("x-api-key", "k1")];
        assert_eq!(asked(&all, &key, "192.0.2.7").await, proven(&["addresses 192.0.2.7", "api-key shop"]));
        assert_eq!(asked(&all, &key, "192.0.3.7").await, denied("forbidden"));
        assert_eq!(asked(&all, &[], "192.0.2.7").await, denied("missing ApiKey"));

        let any = Auth { all: vec![addresses()], any: vec![vec![basic()], vec![api_key("")]] };
        assert_eq!(asked(&any, &key, "192.0.2.7").await, proven(&["addresses 192.0.2.7", "api-key shop"]));
        assert_eq!(asked(&any, &[], "192.0.2.7").await, denied("missing Basic ApiKey"));
        assert_eq!(asked(&any, &[("x-api-key", "k3")], "192.0.2.7").await, denied("wrong Basic ApiKey"));
        assert_eq!(asked(&any, &key, "192.0.3.7").await, denied("forbidden"));
        assert_eq!(asked(&Auth::default(), &[], "::1").await, proven(&[]));
    }

    #[test]
    fn long_subjects_are_cut_between_letters() {
        assert_eq!(cut("ß".repeat(300)).len(), limits::AUTH_SUBJECT_BYTES_MAX);
        assert_eq!(cut("a".to_owned() + &"ß".repeat(300)).len(), limits::AUTH_SUBJECT_BYTES_MAX - 1);
    }
}
