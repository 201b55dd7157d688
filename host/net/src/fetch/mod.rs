//! Small documents that the host fetches and remembers: key sets, certificates.
//!
//! Every request goes through the egress guard, to `https` (to `http` only where `[egress] allow` names the address),
//! follows no redirect, and is bounded in time and size. Of several who want the same document at once one asks; all
//! others wait for what it gets. What is remembered is bounded whatever is asked for.

mod cache;
mod request;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use hookgate_capabilities::SecretText;
use hookgate_model::limits;
use hookgate_telemetry::FetchMetrics;
use http::Uri;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{OwnedMutexGuard, Semaphore, SemaphorePermit},
    time::Instant,
};

use self::cache::Cache;
use crate::egress::{self, Connector, Guard, HttpClient};

/// Fetches, and remembers what it has fetched; cheap to clone.
#[derive(Clone)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    guard: Guard,
    /// Made at their first use: reading the certificate authorities takes time, and not every machine has some.
    tls: OnceLock<Result<HttpClient, String>>,
    plain: OnceLock<Result<HttpClient, String>>,
    cache: Mutex<Cache>,
    waits: Semaphore,
    strangers: Semaphore,
    metrics: FetchMetrics,
}

/// What is asked for.
#[derive(Clone)]
pub struct Query {
    url: Uri,
    /// A JSON text to be posted; without it the document is got.
    body: Option<Arc<SecretText>>,
    /// Identifies the query; without secrets.
    name: Arc<str>,
}

/// A document that was fetched.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// The body of the answer.
    pub bytes: Bytes,
    /// Another one for each document that was fetched, growing: the same number means the same document.
    pub number: u64,
    /// From then on a newer one is fetched, while this one is still used.
    old_from: Instant,
    fresh_until: Instant,
    usable_until: Instant,
}

/// Whether asking for a document anew can bring more than is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew {
    /// It was asked for anew a moment ago: this is what there is.
    Current,
    /// It may be older than what the server has now.
    Outdated,
}

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url} could not be fetched: {why}")]
pub struct FetchError {
    /// Without its query, which may hold a token.
    pub url: String,
    /// What went wrong.
    pub why: Failure,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// Too slow.
    #[error("no whole answer within {time:?}", time = limits::FETCH_TIME_MAX)]
    TimedOut,
    /// Redirects are not followed.
    #[error("it answered {0}, a redirect, which is not followed; use the address that it leads to")]
    Redirect(u16),
    /// No success.
    #[error("it answered {0}")]
    Status(u16),
    /// Too large.
    #[error("its answer is larger than {max} bytes", max = limits::FETCHED_BYTES_MAX)]
    TooLarge,
    /// No certificate authorities.
    #[error(
        "the system's certificate authorities cannot be read: {0}; install `ca-certificates`, or set SSL_CERT_FILE"
    )]
    Roots(String),
    /// Too many are waiting already.
    #[error("{max} are waiting for documents already", max = limits::FETCH_WAITS_MAX)]
    Busy,
}

impl Query {
    /// A document by GET.
    pub fn get(url: Uri) -> Query {
        let name = format!("GET {url}").into();
        Query { url, body: None, name }
    }

    /// The answer to a POST of a JSON text. `about` distinguishes queries of one URL and holds no secret.
    pub fn post(url: Uri, json: SecretText, about: &str) -> Query {
        let name = format!("POST {url} {about}").into();
        Query { url, body: Some(Arc::new(json)), name }
    }

    /// The URL without its query, which may hold a token, and without user and password.
    fn shown(&self) -> String {
        let host = self.url.host().unwrap_or_default();
        let port = self.url.port().map_or(String::new(), |port| format!(":{port}"));
        format!("{}://{host}{port}{}", self.url.scheme_str().unwrap_or("?"), self.url.path())
    }
}

impl Fetcher {
    /// A fetcher that connects to what the guard lets pass.
    pub fn new(guard: Guard) -> Fetcher {
        Fetcher(Arc::new(Inner {
            guard,
            tls: OnceLock::new(),
            plain: OnceLock::new(),
            cache: Mutex::default(),
            waits: Semaphore::new(limits::FETCH_WAITS_MAX),
            strangers: Semaphore::new(limits::FETCH_STRANGERS_MAX),
            metrics: FetchMetrics::new(),
        }))
    }

    /// The document that is remembered, or the failure of a moment ago; none when it must be fetched. A document that is
    /// out of date stands in for a newer one for as long as its server fails, and not without end.
    pub fn at_hand(&self, query: &Query) -> Option<Result<Arc<Document>, FetchError>> {
        self.0.cache().look(&query.name, Instant::now())
    }

    /// The document, fetched where it is not at hand.
    ///
    /// # Errors
    /// It cannot be had now; also for some seconds after a failure.
    pub async fn get(&self, query: &Query) -> Result<Arc<Document>, FetchError> {
        if let Some(known) = self.at_hand(query) {
            return known;
        }
        let _wait = self.wait(query)?;
        let turn = self.turn(query).await;
        match self.at_hand(query) {
            // The holder of the turn before has fetched it.
            Some(known) => known,
            None => self.fetch(query, turn).await,
        }
    }

    /// Notes that a key of the document has verified a signature: it is the provider's own, and not made up by a stranger.
    pub fn prove(&self, query: &Query) {
        self.0.cache().prove(&query.name);
    }

    /// Whether [`Fetcher::prove`] was called for it, as far as is remembered.
    pub fn is_proven(&self, query: &Query) -> bool {
        self.0.cache().is_proven(&query.name)
    }

    /// Whether it is being fetched now, so that another caller does not cause another request.
    pub fn is_under_way(&self, query: &Query) -> bool {
        self.0.cache().is_under_way(&query.name)
    }

    /// Fetches a proven document again in the background, shortly before it is out of date. No request waits for that.
    pub fn keep_fresh(&self, query: &Query) {
        if !self.0.cache().is_due(&query.name, Instant::now()) {
            return;
        }
        let (fetcher, query) = (self.clone(), query.clone());
        tokio::spawn(async move {
            let Ok(_wait) = fetcher.wait(&query) else { return };
            let Ok(turn) = fetcher.0.cache().flight(&query.name).try_lock_owned() else { return };
            // What becomes of it is in the log.
            let _ = fetcher.fetch(&query, turn).await;
        });
    }

    /// Room for a fetch that a stranger may have brought about.
    ///
    /// # Errors
    /// As many wait as may; the others are kept free for what is proven.
    pub fn stranger(&self, query: &Query) -> Result<SemaphorePermit<'_>, FetchError> {
        self.0.strangers.try_acquire().map_err(|_| failed(query, Failure::Busy))
    }

    /// Whether a document can be asked for anew because something is missing from it: a key of a new id. At most once in
    /// a while, so that made-up ids cannot make us flood a server.
    pub fn anew(&self, query: &Query) -> Anew {
        self.0.cache().anew(&query.name, Instant::now())
    }

    /// A document that is newer than the one of this number, as far as [`Fetcher::anew`] allows; else what is at hand.
    ///
    /// # Errors
    /// It was asked for anew and could not be had.
    pub async fn newer(&self, query: &Query, than: u64) -> Result<Arc<Document>, FetchError> {
        let _wait = self.wait(query)?;
        let turn = self.turn(query).await;
        match self.at_hand(query) {
            Some(Ok(document)) if document.number > than => return Ok(document),
            Some(Err(error)) => return Err(error),
            Some(Ok(document)) if self.anew(query) == Anew::Current => return Ok(document),
            Some(Ok(_)) | None => {}
        }
        if let Some(failed) = self.0.cache().ask_anew(&query.name, Instant::now()) {
            return Err(failed);
        }
        self.fetch(query, turn).await
    }

    /// Gets a URL for what that brings about there; nothing is remembered and the body is not read.
    ///
    /// # Errors
    /// It was not answered with a success.
    pub async fn visit(&self, url: Uri) -> Result<(), FetchError> {
        let query = Query::get(url);
        let _wait = self.wait(&query)?;
        let sent = request::send(self.0.client(&query)?, &query).await;
        self.0.metrics.count(sent.is_ok());
        sent.map(drop).map_err(|why| failed(&query, why))
    }

    fn wait(&self, query: &Query) -> Result<SemaphorePermit<'_>, FetchError> {
        self.0.waits.try_acquire().map_err(|_| failed(query, Failure::Busy))
    }

    /// Waits until no other task fetches the same document.
    async fn turn(&self, query: &Query) -> OwnedMutexGuard<()> {
        let flight = self.0.cache().flight(&query.name);
        flight.lock_owned().await
    }

    /// In a task of its own: a sender who hangs up must not have it begin anew each time.
    async fn fetch(&self, query: &Query, turn: OwnedMutexGuard<()>) -> Result<Arc<Document>, FetchError> {
        let (inner, asked) = (self.0.clone(), query.clone());
        let fetching = tokio::spawn(async move {
            let fetched = match inner.client(&asked) {
                Ok(client) => request::fetch(client, &asked).await.map_err(|why| failed(&asked, why)),
                Err(error) => Err(error),
            };
            inner.metrics.count(fetched.is_ok());
            if let Err(error) = &fetched {
                tracing::warn!(%error, "a document could not be fetched");
            }
            let known = inner.cache().learn(&asked.name, fetched, Instant::now());
            drop(turn);
            known
        });
        let broken = |error: tokio::task::JoinError| Err(failed(query, Failure::Unreachable(error.to_string())));
        fetching.await.unwrap_or_else(broken)
    }
}

impl Inner {
    fn client(&self, query: &Query) -> Result<&HttpClient, FetchError> {
        let tls = query.url.scheme_str() == Some("https");
        let client = if tls { &self.tls } else { &self.plain };
        let make = || {
            let connector = Connector::mostly_tls(self.guard.clone());
            egress::client(tls, limits::FETCH_IDLE_CONNECTIONS, connector).map_err(|error| error.to_string())
        };
        client.get_or_init(make).as_ref().map_err(|text| failed(query, Failure::Roots(text.clone())))
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock()
    }
}

fn failed(query: &Query, why: Failure) -> FetchError {
    FetchError { url: query.shown(), why }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({})", self.shown())
    }
}

#[cfg(test)]
mod tests;
