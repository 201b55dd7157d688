//! Who may send: what `auth` of a source asks for, read from the configuration and proven from the head of a request,
//! before its body is read and its plugin is asked.
//!
//! A method is a file below [`methods`]: its key, its reader, what it proves, its tests. It knows nothing of the others.
//! What it has proven is kept with the delivery; what it was proven with (a password, a key, a token) is seen there and
//! nowhere else.

mod auth;
pub mod methods;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
pub use auth::{Auth, Authenticator, KEYS, Method};
use hookgate_net::{client::Client, fetch::Fetcher, tls::ClientCertificate};
use hookgate_settings::{Egress, Key, Table};
use http::{HeaderMap, HeaderName, header::AUTHORIZATION};

/// The methods, the cheap ones first: they are asked in this order.
const METHODS: &[Kind] =
    &[methods::addresses::KIND, methods::mtls::KIND, methods::api_key::KIND, methods::basic::KIND, methods::jwt::KIND];

/// A method of authentication, as it stands in the list of them.
pub struct Kind {
    /// Its key in `auth`; the name is also that of the method in the journal and in logs.
    key: Key,
    /// Reads its settings from `auth` (the whole table); `None` when something in them is missing or wrong, which is
    /// reported.
    read: fn(&Table<'_>, &Around<'_>) -> Option<Box<dyn Asked>>,
}

/// What the settings of a method are checked against.
pub struct Around<'a> {
    /// Whether the listener asks clients for certificates.
    pub asks_for_certificates: bool,
    /// Where keys may be fetched.
    pub egress: &'a Egress,
}

/// What a method asks for, as configured.
pub trait Asked: fmt::Debug + Send + Sync {
    /// The header that holds its credentials.
    fn header(&self) -> Option<HeaderName> {
        None
    }

    /// Makes it ready. Keys are fetched when they are needed; the fetcher remembers them.
    fn prover(&self, fetcher: &Fetcher) -> Arc<dyn Prover>;
}

/// A method that is ready.
#[async_trait]
pub trait Prover: Send + Sync {
    /// Whom the credentials prove.
    async fn prove(&self, credentials: Credentials<'_>) -> Result<String, Denied>;
}

/// What the sender of a request shows.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// Of the request.
    pub headers: &'a HeaderMap,
    /// The sender, as far as the connection and trusted proxies show.
    pub client: Client,
    /// On the connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// When the request came, in milliseconds since the epoch.
    pub now: u64,
}

/// Why a sender is refused. The texts are for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There are no credentials; what could be shown, as `WWW-Authenticate` says it (RFC 9110, 11.6.1).
    Missing(String, Vec<String>),
    /// They are wrong; what could be shown.
    Wrong(String, Vec<String>),
    /// The sender is known and may not send; what would have to be shown.
    Forbidden(String, Vec<String>),
    /// They cannot be checked now.
    Unavailable(String),
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

/// The one value of a header; `None` if it is missing.
///
/// # Errors
/// It is there several times, so that it is open which of them counts; or it is not text.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName, challenge: &str) -> Result<Option<&'h str>, Denied> {
    let mut values = headers.get_all(name).iter();
    let wrong = |why: &str| Denied::Wrong(format!("the header {name} {why}"), vec![challenge.to_owned()]);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| wrong("is not text")),
        (Some(_), Some(_)) => Err(wrong("is there several times")),
    }
}

/// What follows the name of a scheme in `Authorization` (RFC 9110, 11.6.2).
///
/// # Errors
/// As [`only`]; or it is of another scheme, which counts as missing.
fn authorization<'h>(headers: &'h HeaderMap, scheme: &str, challenge: &str) -> Result<&'h str, Denied> {
    let missing = |why: String| Denied::Missing(why, vec![challenge.to_owned()]);
    let value = only(headers, &AUTHORIZATION, challenge)?;
    let value = value.ok_or_else(|| missing("there is no header authorization".to_owned()))?;
    match value.split_once(' ') {
        Some((name, rest)) if name.eq_ignore_ascii_case(scheme) => Ok(rest.trim()),
        _ => Err(missing(format!("the header authorization is not of the scheme {scheme}"))),
    }
}
