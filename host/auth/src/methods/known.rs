//! Secrets that a sender shows as they are: passwords of users, and API keys.
//!
//! Digests are compared, in constant time, with those of every secret: how long it takes tells neither which of them was
//! near nor how long they are.

use std::{collections::BTreeMap, fmt};

use hookgate_model::limits;
use hookgate_settings::{SecretText, Table, named, secret};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use toml::de::DeValue;

/// Digests of the live secrets of named owners.
#[derive(Clone)]
pub struct Known(Vec<(String, Vec<[u8; 32]>)>);

impl Known {
    /// These secrets, by the names of their owners.
    pub fn new(secrets: &BTreeMap<String, Vec<SecretText>>) -> Self {
        let digests = |versions: &Vec<SecretText>| versions.iter().map(|text| digest(text.expose())).collect();
        Known(secrets.iter().map(|(owner, versions)| (owner.clone(), digests(versions))).collect())
    }

    /// Reads a table of secrets by the names of their owners.
    pub fn read(table: &Table<'_>, name: &'static str) -> Known {
        Known::new(&read_named_secrets(table, name))
    }

    /// The owner of a secret, among those of that name where one is given.
    pub fn owner(&self, secret: &str, name: Option<&str>) -> Option<&str> {
        let (digest, mut found) = (digest(secret), None);
        for (owner, versions) in &self.0 {
            let fits = versions.iter().fold(Choice::from(0), |fits, version| fits | version.ct_eq(&digest));
            if bool::from(fits) && name.is_none_or(|name| name == owner) {
                found = Some(owner.as_str());
            }
        }
        found
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(owner, versions)| (owner, versions.len()))).finish()
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn read_named_secrets(table: &Table<'_>, name: &'static str) -> BTreeMap<String, Vec<SecretText>> {
    let (key, entries) = named(table, name);
    if table.has(name) && !(1..=limits::AUTH_ENTRIES_MAX).contains(&entries.len()) {
        let what = format!("`{}` has {} names", table.path_of(name), entries.len());
        let instead = format!("write 1 to {}: {name} = {{ NAME = {{ env = \"SECRET\" }} }}", limits::AUTH_ENTRIES_MAX);
        table.problems().error(table.place(name), what, instead);
    }
    let mut secrets = BTreeMap::new();
    for (owner, value) in entries {
        let (at, owner) = (owner.span().start, owner.get_ref());
        let path = table.path_of(&format!("{name}.{owner}"));
        let wrong = |what: &str, instead: &str| table.problems().error(at, format!("`{path}` {what}"), instead);
        if owner.is_empty() || owner.contains([':', '\n']) || owner.len() > limits::AUTH_SUBJECT_BYTES_MAX {
            wrong("is not a name: it is empty, too long or holds a colon", "take another name");
        }
        if matches!(value.get_ref(), DeValue::Array(items) if items.is_empty()) {
            wrong("has no secret", &key.kind.instead());
        }
        let versions = secret::versions_in(&table.context, &path, key, value);
        secrets.insert(owner.to_string(), versions.into_iter().map(|(text, _)| text).collect());
    }
    secrets
}
