//! Secrets that providers hand over in a handshake: when they are accepted, where they are kept, and how a source reads them.
//!
//! ```text
//! handshake -> accepted? -> sealed -> journal (durable) -> known -> the plugin's reply
//! ```
//!
//! Handshakes are not authenticated. The first secret is accepted if the configuration says that the provider hands it over
//! (`secrets.NAME = { handed-over = true }`) and the source does not have one yet. Later ones are accepted while an operator
//! has opened a window. Windows are in memory only: after a restart all are closed.

mod seal;
mod source;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use hookgate_capabilities::{Enrollment, Reply};
use hookgate_config::{SecretText, Source};
use hookgate_journal::{Journal, JournalError, Sealed, SealedId};
use hookgate_model::{clock::now_ms, limits};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use self::seal::{KeyFileError, SealKey};
pub use self::{seal::carry_key, source::SourceSecrets};

/// The secrets that were handed over; cheap to clone. They outlive every configuration.
#[derive(Clone)]
pub struct Enrollments(Arc<Parts>);

struct Parts {
    journal: Journal,
    key: SealKey,
    known: ArcSwap<KnownSecrets>,
    /// Until when a source accepts further secrets: as an instant, and in milliseconds since the epoch for operators.
    windows: Mutex<HashMap<String, (Instant, u64)>>,
    /// Held while `known` is changed.
    turn: tokio::sync::Mutex<()>,
}

/// All secrets, unsealed.
#[derive(Default)]
struct KnownSecrets {
    /// Grows with every change.
    generation: u64,
    secrets: BTreeMap<Name, Vec<Version>>,
}

/// A source, and the name of one of its secrets.
type Name = (String, String);

/// One version of a secret.
#[derive(Clone)]
struct Version {
    id: Uuid,
    at: u64,
    text: SecretText,
}

/// A secret that was handed over, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolledSecret {
    /// The source.
    pub source: String,
    /// The name of the secret.
    pub secret: String,
    /// Its version.
    pub version: Uuid,
    /// When it was handed over, in milliseconds since the epoch.
    pub at: u64,
}

/// Why a secret is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotEnrolled {
    /// None is expected. The text is for the operator.
    #[error("{0}")]
    Closed(String),
    /// It cannot be made durable.
    #[error(transparent)]
    Store(#[from] JournalError),
}

/// Why the stored secrets cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EnrollmentsError {
    /// The store cannot be read.
    #[error("the secrets that providers have handed over cannot be read: {0}")]
    Store(#[from] JournalError),
    /// The key's file.
    #[error("the file {} with the key of the secrets that providers have handed over: {}; the gateway's user must be able to read and write it", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// The key's file does not hold a key.
    #[error("the file {} with the key of the secrets that providers have handed over does not hold a key, which is 64 hexadecimal digits; put it back from a copy, or, where no provider has handed over a secret yet, remove it, and a new one is made", .0.display())]
    Malformed(PathBuf),
    /// Others may have read the key.
    #[error("the file {} with the key of the secrets that providers have handed over is open to other users (mode {:04o}); chmod 0600 it, and if one of them may have read it, have the providers hand over new secrets", .0.display(), .1)]
    Exposed(PathBuf, u32),
    /// There are secrets but no key.
    #[error("the store keeps secrets that providers have handed over, and the file {} with their key is missing; put it back from a copy, or go on without them with `hookgate store forget-sealed`", .0.display())]
    Missing(PathBuf),
    /// They were sealed with another key.
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

impl Enrollments {
    /// Unseals the stored secrets with the configured key or the store's own. The store's key is made if it is missing and
    /// nothing is sealed yet.
    pub fn open(journal: Journal, store: &Path, configured: Option<&SecretText>) -> Result<Self, EnrollmentsError> {
        let sealed = journal.sealed()?;
        let (key, called) = match configured {
            Some(text) => (SealKey::of_text(text), "store.seal-key".to_owned()),
            None => {
                let path = seal::file(store);
                let called = format!("the key in {}", path.display());
                (own_key(store, sealed.is_empty(), path)?, called)
            }
        };
        let mut known = KnownSecrets::default();
        for Sealed { id, at, bytes } in sealed {
            let sealed = Sealed { id, at, bytes };
            let Ok(text) = key.open(&sealed) else {
                let SealedId { source, secret, .. } = sealed.id;
                return Err(EnrollmentsError::OtherKey { source_name: source, secret, key: called });
            };
            let SealedId { source, secret, version } = sealed.id;
            // The store lists old ones first. Here, as in a configuration, the newest comes first.
            known.secrets.entry((source, secret)).or_default().insert(0, Version { id: version, at, text });
        }
        let (windows, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Enrollments(Arc::new(Parts { journal, key, known: ArcSwap::from_pointee(known), windows, turn })))
    }

    /// Keeps a secret durably, and returns the reply for the provider. A secret that is known already is not kept again.
    ///
    /// # Errors
    /// None is expected, or it cannot be made durable.
    pub async fn enroll(&self, source: &Arc<Source>, enrollment: Enrollment) -> Result<Reply, NotEnrolled> {
        let (enrollments, source) = (self.clone(), source.clone());
        // In a task of its own: if the sender goes away, the store and `known` must still agree.
        let enrolling = tokio::spawn(async move { enrollments.enroll_in_turn(&source, enrollment).await });
        enrolling.await.unwrap_or_else(|error| Err(NotEnrolled::Store(JournalError::Failed(error.to_string()))))
    }

    async fn enroll_in_turn(&self, source: &Source, enrollment: Enrollment) -> Result<Reply, NotEnrolled> {
        let _turn = self.0.turn.lock().await;
        let Enrollment { secret, value, reply } = enrollment;
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
        tracing::warn!(source, secret, %version, "a provider has handed over a secret, and it is accepted from now on");
        self.change(|secrets| {
            secrets.entry((source, secret)).or_default().insert(0, Version { id: version, at, text });
        });
        Ok(reply)
    }

    fn check_open(&self, source: &Source, secret: &str, versions: &[Version]) -> Result<(), NotEnrolled> {
        let closed = |why: String| Err(NotEnrolled::Closed(why));
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
        if has_none || self.open_until(&source.name).is_some() {
            Ok(())
        } else {
            closed(format!(
                "a further {secret} was handed over, and none is expected: hookgate secrets open {} lets it in",
                source.name
            ))
        }
    }

    /// Lets a source accept further secrets for `time`. Returns the end in milliseconds since the epoch.
    pub fn open_window(&self, source: &str, time: Duration) -> u64 {
        let until = now_ms().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.windows().insert(source.to_owned(), (Instant::now() + time, until));
        until
    }

    /// Until when a source accepts further secrets, if it does.
    pub fn open_until(&self, source: &str) -> Option<u64> {
        let mut windows = self.windows();
        let now = Instant::now();
        windows.retain(|_, (until, _)| *until > now);
        windows.get(source).map(|(_, until)| *until)
    }

    /// All secrets by source and name, newest first.
    pub fn list(&self) -> Vec<EnrolledSecret> {
        let known = self.0.known.load();
        let mut list = Vec::new();
        for ((source, secret), versions) in &known.secrets {
            list.extend(versions.iter().map(|Version { id, at, .. }| EnrolledSecret {
                source: source.clone(),
                secret: secret.clone(),
                version: *id,
                at: *at,
            }));
        }
        list
    }

    /// Forgets these versions of a source's secrets, or all if `versions` is empty. Returns their number.
    ///
    /// # Errors
    /// It cannot be made durable.
    pub async fn forget(&self, source: &str, versions: &[Uuid]) -> Result<usize, JournalError> {
        let _turn = self.0.turn.lock().await;
        let is_meant = |secret: &EnrolledSecret| {
            secret.source == source && (versions.is_empty() || versions.contains(&secret.version))
        };
        let doomed: Vec<EnrolledSecret> = self.list().into_iter().filter(is_meant).collect();
        let id = |secret: &EnrolledSecret| SealedId {
            source: secret.source.clone(),
            secret: secret.secret.clone(),
            version: secret.version,
        };
        self.0.journal.forget_sealed(doomed.iter().map(id).collect()).await?;
        self.change(|secrets| {
            for secret in &doomed {
                if let Some(versions) = secrets.get_mut(&(secret.source.clone(), secret.secret.clone())) {
                    versions.retain(|version| version.id != secret.version);
                }
            }
            secrets.retain(|_, versions| !versions.is_empty());
        });
        Ok(doomed.len())
    }

    /// The caller holds `turn`.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<Name, Vec<Version>>)) {
        let known = self.0.known.load_full();
        let mut secrets = known.secrets.clone();
        change(&mut secrets);
        self.0.known.store(Arc::new(KnownSecrets { generation: known.generation + 1, secrets }));
    }

    fn windows(&self) -> parking_lot::MutexGuard<'_, HashMap<String, (Instant, u64)>> {
        self.0.windows.lock()
    }
}

impl KnownSecrets {
    fn of(&self, source: &str, secret: &str) -> &[Version] {
        self.secrets.get(&(source.to_owned(), secret.to_owned())).map_or(&[], Vec::as_slice)
    }
}

fn own_key(store: &Path, may_be_made: bool, path: PathBuf) -> Result<SealKey, EnrollmentsError> {
    let read = match SealKey::of_file(store) {
        Err(KeyFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            if may_be_made {
                SealKey::make_file(store).map_err(KeyFileError::Io).and_then(|()| SealKey::of_file(store))
            } else {
                return Err(EnrollmentsError::Missing(path));
            }
        }
        read => read,
    };
    read.map_err(|error| match error {
        KeyFileError::Io(error) => EnrollmentsError::File(path, error),
        KeyFileError::Malformed => EnrollmentsError::Malformed(path),
        KeyFileError::Exposed(mode) => EnrollmentsError::Exposed(path, mode),
    })
}

fn is_same(one: &SecretText, other: &SecretText) -> bool {
    one.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
