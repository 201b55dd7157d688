//! All that a source asks of its senders: methods that must all hold, and alternatives.

use std::sync::Arc;

use hookgate_model::{event::Sender, limits};
use hookgate_net::fetch::Fetcher;
use hookgate_settings::{Key, Kind, Table, key};
use http::HeaderName;

use crate::{Around, Asked, Credentials, Denied, METHODS, Prover};

/// Who may send to a source, before its plugin is asked.
#[derive(Debug, Default)]
pub struct Auth {
    /// All of these hold.
    pub all: Vec<Method>,
    /// And one of these, with all that is in it; empty where there are no alternatives.
    pub any: Vec<Vec<Method>>,
}

/// A method with its settings.
#[derive(Debug)]
pub struct Method {
    /// As in the configuration.
    pub name: &'static str,
    /// What it asks for.
    pub asked: Box<dyn Asked>,
}

/// The keys of an alternative.
const ALTERNATIVE: &[Key] = &{
    let mut keys = [METHODS[0].key; METHODS.len()];
    let mut at = 0;
    while at < METHODS.len() {
        keys[at] = METHODS[at].key;
        at += 1;
    }
    keys
};

/// The keys of `auth`.
pub const KEYS: &[Key] = &hookgate_settings::joined::<{ METHODS.len() + 1 }>(&[
    ALTERNATIVE,
    &[key(
        "any",
        Kind::Tables(ALTERNATIVE),
        "Alternatives with the keys above: one must hold, with all that is in it.",
    )],
]);

impl Auth {
    /// Reads the table; `None` when something in it is missing or wrong.
    pub fn read(table: &Table<'_>, around: &Around<'_>) -> Option<Auth> {
        let all = read_methods(table, around);
        let alternatives = table.tables("any");
        if table.has("any") && !(1..=limits::AUTH_ENTRIES_MAX).contains(&alternatives.len()) {
            let what = format!("`{}` has {} alternatives", table.path_of("any"), alternatives.len());
            table.problems().error(table.place("any"), what, "write at least one, or leave it out");
        }
        let any: Vec<_> = alternatives.iter().map(|table| read_alternative(table, around)).collect();
        Some(Auth { all: all?, any: any.into_iter().collect::<Option<_>>()? })
    }

    /// Every method in it.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.all.iter().chain(self.any.iter().flatten())
    }

    /// Whether nothing has to be proven.
    pub fn is_open(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }
}

fn read_alternative(table: &Table<'_>, around: &Around<'_>) -> Option<Vec<Method>> {
    let methods = read_methods(table, around)?;
    if methods.is_empty() {
        let what = "an alternative of `any` asks for nothing: every sender would be let in";
        table.problems().error(table.at, what, "write what has to hold, or take it out");
    }
    Some(methods)
}

/// The methods of a table, the cheap ones first.
fn read_methods(table: &Table<'_>, around: &Around<'_>) -> Option<Vec<Method>> {
    let set = METHODS.iter().filter(|kind| table.has(kind.key.name));
    // All of them are read, so that every mistake is found.
    let methods: Vec<Option<Method>> =
        set.map(|kind| Some(Method { name: kind.key.name, asked: (kind.read)(table, around)? })).collect();
    check_headers(table, methods.iter().flatten());
    methods.into_iter().collect()
}

/// A header can hold one thing: two methods that want it at once would let no sender in.
fn check_headers<'m>(table: &Table<'_>, methods: impl Iterator<Item = &'m Method>) {
    let headers: Vec<HeaderName> = methods.filter_map(|method| method.asked.header()).collect();
    if let Some(twice) = headers.iter().enumerate().find_map(|(at, name)| headers[..at].contains(name).then_some(name))
    {
        let what = format!("two methods that must both hold look for their credentials in the header {twice}");
        table.problems().error(table.at, what, "put them into `any`, as alternatives, or let one have another header");
    }
}

/// What a source asks of its senders, ready to be checked.
pub struct Authenticator {
    all: Vec<Check>,
    any: Vec<Vec<Check>>,
    headers: Vec<HeaderName>,
}

/// A method that is ready, with its name.
type Check = (&'static str, Arc<dyn Prover>);

impl Authenticator {
    /// Makes ready what a source asks for.
    pub fn new(auth: &Auth, fetcher: &Fetcher) -> Self {
        let checks = |methods: &Vec<Method>| -> Vec<Check> {
            methods.iter().map(|method| (method.name, method.asked.prover(fetcher))).collect()
        };
        let mut headers: Vec<HeaderName> = auth.methods().filter_map(|method| method.asked.header()).collect();
        headers.dedup();
        Authenticator { all: checks(&auth.all), any: auth.any.iter().map(checks).collect(), headers }
    }

    /// The headers that may hold credentials.
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    /// Whether all that is asked for holds: what was proven, or why not.
    pub async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Vec<Sender>, Denied> {
        let mut proofs = prove_all(&self.all, credentials).await?;
        if self.any.is_empty() {
            return Ok(proofs);
        }
        let mut denied = Vec::new();
        for alternative in &self.any {
            match prove_all(alternative, credentials).await {
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

async fn prove_all(checks: &[Check], credentials: Credentials<'_>) -> Result<Vec<Sender>, Denied> {
    let mut proofs = Vec::with_capacity(checks.len());
    for (method, prover) in checks {
        let subject = prover.prove(credentials).await?;
        proofs.push(Sender { method: (*method).to_owned(), subject: cut(subject) });
    }
    Ok(proofs)
}

/// A name that a stranger has chosen, as long as it may be here.
fn cut(mut subject: String) -> String {
    subject.truncate(subject.floor_char_boundary(limits::AUTH_SUBJECT_BYTES_MAX));
    subject
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_subjects_are_cut_between_letters() {
        assert_eq!(cut("ß".repeat(300)).len(), limits::AUTH_SUBJECT_BYTES_MAX);
        assert_eq!(cut("a".to_owned() + &"ß".repeat(300)).len(), limits::AUTH_SUBJECT_BYTES_MAX - 1);
    }
}
