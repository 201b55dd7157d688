//! An issuer's keys, fetched when the first token comes and kept: fresh for as long as the issuer says, within bounds;
//! for some time longer while it cannot be asked; then no sender is let in until it can.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use hookgate_model::limits;
use hookgate_net::{
    fetch::{Document, Fetcher, Query},
    jose::{KeySet, Token, Verdict},
};
use http::Uri;
use serde::Deserialize;
use tokio::time::Instant;

/// The keys of an issuer.
pub struct IssuerKeys(Arc<Inner>);

struct Inner {
    place: Place,
    fetcher: Fetcher,
    known: Mutex<Option<Known>>,
    /// They are being fetched in the background.
    refreshing: AtomicBool,
}

enum Place {
    /// At this URL.
    Url(Uri),
    /// Where the OpenID configuration of this URL says, if it is of this issuer.
    Configuration(Uri, String),
}

/// Keys out of a document.
#[derive(Clone)]
struct Known {
    /// Of the document.
    number: u64,
    set: Arc<KeySet>,
    /// When it was read.
    since: Instant,
}

/// What counts of an OpenID configuration (OpenID Connect Discovery 1.0, 3; RFC 8414, 2).
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

impl IssuerKeys {
    /// At a URL.
    pub fn at(url: Uri, fetcher: Fetcher) -> Self {
        IssuerKeys::new(Place::Url(url), fetcher)
    }

    /// Where the issuer's OpenID configuration, at this URL, says.
    pub fn discovered(configuration: Uri, issuer: String, fetcher: Fetcher) -> Self {
        IssuerKeys::new(Place::Configuration(configuration, issuer), fetcher)
    }

    fn new(place: Place, fetcher: Fetcher) -> Self {
        let (known, refreshing) = (Mutex::default(), AtomicBool::default());
        IssuerKeys(Arc::new(Inner { place, fetcher, known, refreshing }))
    }

    /// Judges a token's signature. For one that the known keys cannot have made they are fetched anew, once in a while: the
    /// issuer may have another key by now.
    ///
    /// # Errors
    /// There are no keys now, in words for the operator.
    pub async fn judge(&self, token: &Token<'_>) -> Result<Verdict, String> {
        let known = self.0.current().await?;
        let verdict = known.set.judge(token);
        let perhaps_newer = match verdict {
            Verdict::Right => false,
            Verdict::Wrong => token.key_id.is_none(),
            Verdict::NoKey => !known.set.has(token.key_id.as_deref()),
        };
        if perhaps_newer { Ok(self.0.newer(&known).await?.set.judge(token)) } else { Ok(verdict) }
    }
}

impl Inner {
    /// The keys, fetched where there are none. Where there are some and it is only time for newer ones, callers do not wait.
    async fn current(self: &Arc<Self>) -> Result<Known, String> {
        if let Some(at_hand) = self.at_hand() {
            return at_hand;
        }
        let Some(known) = self.still_known() else { return self.fetch().await };
        if !self.refreshing.swap(true, Ordering::AcqRel) {
            let keys = self.clone();
            tokio::spawn(async move {
                // What becomes of it is in the fetcher's log, and at hand for the next one.
                let _ = keys.fetch().await;
                keys.refreshing.store(false, Ordering::Release);
            });
        }
        Ok(known)
    }

    /// What is there without asking anybody.
    fn at_hand(&self) -> Option<Result<Known, String>> {
        let query = match &self.place {
            Place::Url(url) => Query::get(url.clone()),
            Place::Configuration(url, issuer) => match self.fetcher.at_hand(&Query::get(url.clone()))? {
                Ok(document) => match place_of_keys(&document, issuer) {
                    Ok(query) => query,
                    Err(error) => return Some(Err(error)),
                },
                Err(error) => return Some(self.still_known().ok_or(error.to_string())),
            },
        };
        let found = self.fetcher.at_hand(&query)?;
        Some(found.map_err(|error| error.to_string()).and_then(|document| self.read(&document)))
    }

    async fn fetch(&self) -> Result<Known, String> {
        let document = self.fetcher.get(&self.query().await?).await.map_err(|error| error.to_string())?;
        self.read(&document)
    }

    /// Keys that are newer than these, as far as the issuer may be asked; else the same.
    async fn newer(&self, than: &Known) -> Result<Known, String> {
        let query = self.query().await?;
        let document = self.fetcher.newer(&query, than.number).await.map_err(|error| error.to_string())?;
        self.read(&document)
    }

    /// Where the keys are.
    async fn query(&self) -> Result<Query, String> {
        match &self.place {
            Place::Url(url) => Ok(Query::get(url.clone())),
            Place::Configuration(url, issuer) => {
                let document = self.fetcher.get(&Query::get(url.clone())).await.map_err(|error| error.to_string())?;
                place_of_keys(&document, issuer)
            }
        }
    }

    /// The keys of a document, read once. One without keys leaves those that are known.
    fn read(&self, document: &Document) -> Result<Known, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.as_ref().filter(|known| known.number == document.number) {
            return Ok(same.clone());
        }
        match KeySet::parse(&document.bytes) {
            Ok(set) => {
                let read = Known { number: document.number, set: Arc::new(set), since: Instant::now() };
                *known = Some(read.clone());
                Ok(read)
            }
            Err(error) => {
                tracing::warn!(%error, "what was fetched as an issuer's keys is none");
                known
                    .clone()
                    .filter(Known::is_usable)
                    .ok_or_else(|| format!("the issuer's keys cannot be read: {error}"))
            }
        }
    }

    fn still_known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(Known::is_usable)
    }
}

impl Known {
    /// Keys that were withdrawn must not count for ever.
    fn is_usable(&self) -> bool {
        self.since.elapsed() < limits::FETCHED_AGE_MAX + limits::FETCHED_STALE_MAX
    }
}

/// The issuer in it must be the one that was asked for: else it speaks for somebody else (OpenID Connect Discovery 1.0, 4.3).
fn place_of_keys(document: &Document, issuer: &str) -> Result<Query, String> {
    let configuration: Configuration = serde_json::from_slice(&document.bytes)
        .map_err(|error| format!("the issuer's OpenID configuration cannot be read: {error}"))?;
    if configuration.issuer != issuer {
        return Err("the issuer's OpenID configuration is of another issuer".to_owned());
    }
    let url =
        configuration.jwks_uri.parse().map_err(|_| "`jwks_uri` of the OpenID configuration is not a URL".to_owned());
    url.map(Query::get)
}
