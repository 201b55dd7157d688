//! Secrets that providers hand over in a handshake: who may, where they are kept, and how a source finds them.
//!
//! ```text
//! handshake -> may it? -> sealed -> journal (durable) -> known -> the plugin's reply
//! ```
//!
//! Anybody can send a handshake. One is taken when the configuration says that the provider hands the secret over
//! (`secrets.NAME = { handed-over = true }`) and the source has no such secret yet; later ones while an operator has
//! opened a window. Windows are in memory only: after a restart all are closed.

mod seal;
mod source;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use hookgate_capabilities::{Enrollment, Reply};
use hookgate_config::{SecretText, Source};
use hookgate_journal::{Journal, JournalError, Sealed, SealedId};
use hookgate_model::{clock::now_ms, limits};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use self::seal::{KeyFileError, SealKey};
pub use self::{seal::carry_key, source::SourceSecrets};

/// The secrets that were handed over; cheap to clone. It outlives every configuration.
#[derive(Clone)]
pub struct HandedOver(Arc<Kept>);

struct Kept {
    journal: Journal,
    key: SealKey,
    known: ArcSwap<Known>,
    /// Until when a source takes further ones: by time that passes, and for operators in milliseconds since the epoch.
    windows: Mutex<HashMap<String, (Instant, u64)>>,
    /// Held by whoever changes what is known.
    turn: tokio::sync::Mutex<()>,
}

/// All of them, opened.
#[derive(Default)]
struct Known {
    /// Grows with every change.
    generation: u64,
    secrets: BTreeMap<Name, Vec<Version>>,
}

/// A source and the name of a secret of it.
type Name = (String, String);

/// One version of a secret.
#[derive(Clone)]
struct Version {
    id: Uuid,
    at: u64,
    text: SecretText,
}

/// A secret that was handed over, but for what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The source.
    pub source: String,
    /// The name of the secret.
    pub secret: String,
    /// Which one of that name.
    pub version: Uuid,
    /// When it was handed over, in milliseconds since the epoch.
    pub at: u64,
}

/// Why a secret is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Nobody expects one; for the operator.
    #[error("{0}")]
    Closed(String),
    /// It cannot be made durable.
    #[error(transparent)]
    Store(#[from] JournalError),
}

/// Why the secrets that the store keeps are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum HandedOverError {
    /// The store does not tell.
    #[error("the secrets that providers have handed over cannot be read: {0}")]
    Store(#[from] JournalError),
    /// The key's file.
    #[error("the file {} with the key of the secrets that providers have handed over: {}; the gateway's user must be able to read and write it", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// The key's file has something else in it.
    #[error("the file {} with the key of the secrets that providers have handed over does not hold a key, which is 64 hexadecimal digits; put it back from a copy, or, where no provider has handed over a secret yet, remove it, and a new one is made", .0.display())]
    Malformed(PathBuf),
    /// Others may have read the key.
    #[error("the file {} with the key of the secrets that providers have handed over is open to other users (mode {:04o}); chmod 0600 it, and if one of them may have read it, have the providers hand over new secrets", .0.display(), .1)]
    Exposed(PathBuf, u32),
    /// There are secrets and no key.
    #[error("the store keeps secrets that providers have handed over, and the file {} with their key is missing; put it back from a copy, or go on without them with `hookgate store forget-sealed`", .0.display())]
    Missing(PathBuf),
    /// Another key has sealed them.
    #[error(
        "the secret {secret} that was handed over to the source {source_name} does not open with {key}; put back the key that was in force then, or go on without them with `hookgate store forget-sealed`"
    )]
    OtherKey {
        /// The source.
        source_name: String,
        /// The name of the secret.
        secret: String,
        /// Which key was tried.
        key: String,
    },
}

impl HandedOver {
    /// Opens everything that the store keeps, with the configured key or the store's own, which is made where it is
    /// missing and nothing is sealed yet.
    pub fn open(journal: Journal, store: &Path, configured: Option<&SecretText>) -> Result<Self, HandedOverError> {
        let sealed = journal.sealed()?;
        let (key, called) = match configured {
            Some(text) => (SealKey::of_text(text), "store.seal-key".to_owned()),
            None => {
                let path = seal::file(store);
                let called = format!("the key in {}", path.display());
                (own_key(store, sealed.is_empty(), path)?, called)
            }
        };
        let mut known = Known::default();
        for Sealed { id, at, bytes } in sealed {
            let sealed = Sealed { id, at, bytes };
            let Ok(text) = key.open(&sealed) else {
                let SealedId { source, secret, .. } = sealed.id;
                return Err(HandedOverError::OtherKey { source_name: source, secret, key: called });
            };
            let SealedId { source, secret, version } = sealed.id;
            // From old to new in the store, from new to old here, as in a configuration.
            known.secrets.entry((source, secret)).or_default().insert(0, Version { id: version, at, text });
        }
        let (windows, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(HandedOver(Arc::new(Kept { journal, key, known: ArcSwap::from_pointee(known), windows, turn })))
    }

    /// Takes a secret over, durably, and gives what the provider is to be answered. The same secret once more is
    /// answered and not kept again.
    ///
    /// # Errors
    /// Nobody expects one, or it cannot be made durable.
    pub async fn take(&self, source: &Arc<Source>, handed_over: Enrollment) -> Result<Reply, NotTaken> {
        let (kept, source) = (self.clone(), source.clone());
        // By itself: whoever goes away halfway must not leave the store and what is known differing.
        let taking = tokio::spawn(async move { kept.take_in_turn(&source, handed_over).await });
        taking.await.unwrap_or_else(|error| Err(NotTaken::Store(JournalError::Failed(error.to_string()))))
    }

    async fn take_in_turn(&self, source: &Source, handed_over: Enrollment) -> Result<Reply, NotTaken> {
        let _turn = self.0.turn.lock().await;
        let Enrollment { secret, value, reply } = handed_over;
        let text = SecretText::new(value);
        let known = self.0.known.load_full();
        let versions = known.of(&source.name, &secret);
        if versions.iter().any(|version| is_same(&version.text, &text)) {
            return Ok(reply);
        }
        self.check_open(source, &secret, versions)?;
        let at = now_ms();
        let id = SealedId { source: source.name.clone(), secret, version: Uuid::now_v7() };
        let bytes = self.0.key.seal(&id, at, &text);
        self.0.journal.keep_sealed(Sealed { id: id.clone(), at, bytes }).await?;
        let SealedId { source, secret, version } = id;
        tracing::warn!(source, secret, %version, "a provider has handed over a secret, and it is taken from now on");
        self.change(|secrets| {
            secrets.entry((source, secret)).or_default().insert(0, Version { id: version, at, text });
        });
        Ok(reply)
    }

    fn check_open(&self, source: &Source, secret: &str, versions: &[Version]) -> Result<(), NotTaken> {
        let closed = |why: String| Err(NotTaken::Closed(why));
        if !source.handed_over.contains(secret) {
            return closed(format!("a secret was handed over, and secrets.{secret} is not {{ handed-over = true }}"));
        }
        if versions.len() >= limits::ENROLLED_VERSIONS_MAX {
            return closed(format!(
                "a further {secret} was handed over, and {} are kept: hookgate secrets forget takes old ones away",
                versions.len()
            ));
        }
        let has_none = versions.is_empty() && source.secrets.get(secret).is_none_or(Vec::is_empty);
        match has_none || self.open_until(&source.name).is_some() {
            true => Ok(()),
            false => closed(format!(
                "a further {secret} was handed over, and none is expected: hookgate secrets open {} lets it in",
                source.name
            )),
        }
    }

    /// Lets a source take further secrets for so long. Until when, in milliseconds since the epoch.
    pub fn open_window(&self, source: &str, time: Duration) -> u64 {
        let until = now_ms().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.windows().insert(source.to_owned(), (Instant::now() + time, until));
        until
    }

    /// Until when a source takes further secrets; none where it does not.
    pub fn open_until(&self, source: &str) -> Option<u64> {
        let mut windows = self.windows();
        let now = Instant::now();
        windows.retain(|_, (until, _)| *until > now);
        windows.get(source).map(|(_, until)| *until)
    }

    /// What is kept, by source and name, newest first.
    pub fn list(&self) -> Vec<Told> {
        let known = self.0.known.load();
        let told = |((source, secret), versions): (&Name, &Vec<Version>)| {
            let told = |version: &Version| Told {
                source: source.clone(),
                secret: secret.clone(),
                version: version.id,
                at: version.at,
            };
            versions.iter().map(told).collect::<Vec<_>>()
        };
        known.secrets.iter().flat_map(told).collect()
    }

    /// Forgets these versions of a source's secrets, or all of them where none is named. How many there were.
    ///
    /// # Errors
    /// It cannot be made durable.
    pub async fn forget(&self, source: &str, versions: &[Uuid]) -> Result<usize, JournalError> {
        let _turn = self.0.turn.lock().await;
        let is_meant = |told: &Told| told.source == source && (versions.is_empty() || versions.contains(&told.version));
        let doomed: Vec<Told> = self.list().into_iter().filter(is_meant).collect();
        let id =
            |told: &Told| SealedId { source: told.source.clone(), secret: told.secret.clone(), version: told.version };
        self.0.journal.forget_sealed(doomed.iter().map(id).collect()).await?;
        self.change(|secrets| {
            for told in &doomed {
                if let Some(versions) = secrets.get_mut(&(told.source.clone(), told.secret.clone())) {
                    versions.retain(|version| version.id != told.version);
                }
            }
            secrets.retain(|_, versions| !versions.is_empty());
        });
        Ok(doomed.len())
    }

    /// Only for whoever has the turn.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<Name, Vec<Version>>)) {
        let known = self.0.known.load_full();
        let mut secrets = known.secrets.clone();
        change(&mut secrets);
        self.0.known.store(Arc::new(Known { generation: known.generation + 1, secrets }));
    }

    fn windows(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, u64)>> {
        self.0.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(&self, source: &str, secret: &str) -> &[Version] {
        self.secrets.get(&(source.to_owned(), secret.to_owned())).map_or(&[], Vec::as_slice)
    }
}

fn own_key(store: &Path, may_be_made: bool, path: PathBuf) -> Result<SealKey, HandedOverError> {
    let read = match SealKey::of_file(store) {
        Err(KeyFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => match may_be_made {
            true => SealKey::make_file(store).map_err(KeyFileError::Io).and_then(|()| SealKey::of_file(store)),
            false => return Err(HandedOverError::Missing(path)),
        },
        read => read,
    };
    read.map_err(|error| match error {
        KeyFileError::Io(error) => HandedOverError::File(path, error),
        KeyFileError::Malformed => HandedOverError::Malformed(path),
        KeyFileError::Exposed(mode) => HandedOverError::Exposed(path, mode),
    })
}

fn is_same(one: &SecretText, other: &SecretText) -> bool {
    one.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
