//! Links to claims: signed, for a time.
//!
//! `{public-url}/claims/{event}?expires={seconds since the epoch}&signature={base64url}`; the signature is HMAC-SHA256
//! over `claims`, the event's id and the time, with a line break between them. The key is the configuration's, or one
//! that the gateway makes once and keeps beside its claims.

use std::{fs, io, io::Write, path::Path, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use hookgate_config as config;
use hookgate_config::DataRef;
use hookgate_model::{clock::now_ms, event::EventId};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{ClaimError, objects::sync_directory};

/// Bytes of a key that the gateway makes.
const KEY_BYTES: usize = 32;

/// Makes and checks links.
pub(super) struct Links {
    /// The first signs; all of them verify.
    keys: Vec<Hmac<Sha256>>,
    public_url: String,
    ttl: Duration,
    dataref: DataRef,
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLink {
    /// It was not made by this gateway.
    Forged,
    /// It has expired.
    Expired,
}

impl Links {
    pub fn open(config: &config::Claims, public_url: &str) -> Result<Links, ClaimError> {
        let keys = match &config.keys[..] {
            [] => vec![keyed(&own_key(&config.path.join("key"))?)],
            keys => keys.iter().map(|key| keyed(key.expose().as_bytes())).collect(),
        };
        let public_url = config.public_url.clone().unwrap_or_else(|| public_url.to_owned());
        Ok(Links { keys, public_url, ttl: config.url_ttl, dataref: config.dataref })
    }

    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Whether events name the objects' own URLs.
    pub fn to_objects(&self) -> bool {
        self.dataref == DataRef::Object
    }

    /// A link whose time begins now.
    pub fn to(&self, event: EventId) -> String {
        let expires = now_ms() / 1000 + self.ttl.as_secs();
        let tag = self.keys.first().map(|key| signed(key, &event.to_string(), &expires.to_string()));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(tag.map(|mac| mac.finalize().into_bytes()).unwrap_or_default());
        format!("{}/claims/{event}?expires={expires}&signature={signature}", self.public_url)
    }

    /// Checks the query of a link. The signature comes first, so that nothing from a forger is parsed.
    pub fn check(&self, event: &str, query: &str) -> Result<(), BadLink> {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        let (Some(expires), Some(signature)) = (value("expires"), value("signature")) else {
            return Err(BadLink::Forged);
        };
        let tag = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadLink::Forged)?;
        if !self.keys.iter().any(|key| signed(key, event, expires).verify_slice(&tag).is_ok()) {
            return Err(BadLink::Forged);
        }
        match expires.parse::<u64>() {
            Ok(expires) if expires > now_ms() / 1000 => Ok(()),
            Ok(_) => Err(BadLink::Expired),
            Err(_) => Err(BadLink::Forged),
        }
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"))
}

fn signed(key: &Hmac<Sha256>, event: &str, expires: &str) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for piece in ["claims\n", event, "\n", expires] {
        mac.update(piece.as_bytes());
    }
    mac
}

/// The gateway's own key, made at its first start.
fn own_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, ClaimError> {
    let failed = |error: &io::Error| ClaimError::of_path(path, error);
    match fs::read(path) {
        Ok(key) if key.len() == KEY_BYTES => return Ok(Zeroizing::new(key)),
        Ok(_) => {
            return Err(ClaimError::Failed(format!(
                "{} is not a key; remove it, and a new one is made",
                path.display()
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    let key = Zeroizing::new(rand::random::<[u8; KEY_BYTES]>());
    make_key(path, &*key).map_err(|error| failed(&error))?;
    Ok(Zeroizing::new(key.to_vec()))
}

/// Writes it whole or not at all, for this user only.
fn make_key(path: &Path, key: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    // A temporary file is for its owner only from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(key)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(directory)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn links(keys: &[&str], ttl: u64) -> Links {
        Links {
            keys: keys.iter().map(|key| keyed(key.as_bytes())).collect(),
            public_url: "https://hooks.example".to_owned(),
            ttl: Duration::from_secs(ttl),
            dataref: DataRef::Gateway,
        }
    }

    fn event() -> EventId {
        EventId { delivery: Uuid::from_u128(7), index: 3 }
    }

    fn query(link: &str) -> &str {
        link.split_once('?').unwrap().1
    }

    #[test]
    fn a_link_opens_its_event_until_its_time_is_over() {
        let link = links(&["k"], 60).to(event());
        assert!(link.starts_with("https://hooks.example/claims/00000000-0000-0000-0000-000000000007.3?"), "{link}");
        assert_eq!(links(&["k"], 60).check(&event().to_string(), query(&link)), Ok(()));
        assert_eq!(links(&["k"], 60).check("another", query(&link)), Err(BadLink::Forged));
        let over = links(&["k"], 0).to(event());
        assert_eq!(links(&["k"], 60).check(&event().to_string(), query(&over)), Err(BadLink::Expired));
    }

    #[test]
    fn the_newest_key_signs_and_the_ones_before_still_open() {
        let id = event().to_string();
        let (old, new) = (links(&["old"], 60).to(event()), links(&["new", "old"], 60).to(event()));
        assert_eq!(links(&["new", "old"], 60).check(&id, query(&old)), Ok(()));
        assert_eq!(links(&["new"], 60).check(&id, query(&new)), Ok(()));
        assert_eq!(links(&["new"], 60).check(&id, query(&old)), Err(BadLink::Forged));
    }

    proptest! {
        #[test]
        fn no_other_query_opens_anything(text in ".{0,60}", at in any::<prop::sample::Index>(), to in any::<char>()) {
            let (links, id) = (links(&["k"], 60), event().to_string());
            prop_assert_eq!(links.check(&id, &text), Err(BadLink::Forged));
            let link = links.to(event());
            let mut changed: Vec<char> = query(&link).chars().collect();
            let at = at.index(changed.len());
            prop_assume!(changed[at] != to);
            changed[at] = to;
            let changed: String = changed.into_iter().collect();
            prop_assert_eq!(links.check(&id, &changed), Err(BadLink::Forged));
        }
    }

    #[test]
    fn a_key_is_made_once_and_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let first = own_key(&path).unwrap();
        assert_eq!((first.len(), *own_key(&path).unwrap() == *first), (KEY_BYTES, true));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        assert!(own_key(&path).unwrap_err().to_string().contains("is not a key"));
    }
}
