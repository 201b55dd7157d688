//! Secrets that a sender shows as they are: passwords of users, and API keys.
//!
//! Digests are compared, in constant time, with those of every secret: how long it takes tells neither which of them was
//! near nor how long they are.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hookgate_config::{ApiKeyAuth, SecretText};
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{Denied, credentials, only};

const BASIC: &str = "Basic realm=\"hookgate\", charset=\"UTF-8\"";
/// Not registered with IANA; a 401 has to name something (RFC 9110, 15.5.2).
const API_KEY: &str = "ApiKey realm=\"hookgate\"";

/// Secrets of named owners.
struct Known(Vec<(String, Vec<[u8; 32]>)>);

impl Known {
    fn new(secrets: &BTreeMap<String, Vec<SecretText>>) -> Self {
        let digests = |versions: &Vec<SecretText>| versions.iter().map(|text| digest(text.expose())).collect();
        Known(secrets.iter().map(|(owner, versions)| (owner.clone(), digests(versions))).collect())
    }

    /// The owner of a secret, among those of that name where one is given.
    fn owner(&self, secret: &str, name: Option<&str>) -> Option<&str> {
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

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// HTTP basic authentication (RFC 7617).
pub struct Users(Known);

impl Users {
    /// These users with their passwords.
    pub fn new(users: &BTreeMap<String, Vec<SecretText>>) -> Self {
        Users(Known::new(users))
    }

    /// The user.
    pub fn prove(&self, headers: &HeaderMap) -> Result<String, Denied> {
        let wrong = |why: &str| Denied::Wrong(why.to_owned(), vec![BASIC.to_owned()]);
        let encoded = credentials(headers, "Basic", BASIC)?;
        let decoded =
            BASE64_STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| wrong("no base64 behind Basic"))?;
        let text = std::str::from_utf8(&decoded).map_err(|_| wrong("user and password are not in UTF-8"))?;
        let (user, password) =
            text.split_once(':').ok_or_else(|| wrong("there is no colon between user and password"))?;
        let known = self.0.owner(password, Some(user));
        known.map(str::to_owned).ok_or_else(|| wrong("there is no user with this name and password"))
    }
}

/// Keys in a header.
pub struct ApiKeys {
    header: HeaderName,
    prefix: String,
    keys: Known,
}

impl ApiKeys {
    /// As configured.
    pub fn new(auth: &ApiKeyAuth) -> Self {
        ApiKeys { header: auth.header.clone(), prefix: auth.prefix.clone(), keys: Known::new(&auth.keys) }
    }

    /// The key's owner.
    pub fn prove(&self, headers: &HeaderMap) -> Result<String, Denied> {
        let challenge = || vec![API_KEY.to_owned()];
        let missing = || Denied::Missing(format!("there is no header {}", self.header), challenge());
        let value = only(headers, &self.header, API_KEY)?.ok_or_else(missing)?;
        let key = value.strip_prefix(&self.prefix);
        let known = key.and_then(|key| self.keys.owner(key, None)).map(str::to_owned);
        known.ok_or_else(|| Denied::Wrong(format!("the header {} holds none of the keys", self.header), challenge()))
    }
}
