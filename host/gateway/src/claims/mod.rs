//! The claim check: large bodies kept in an object store, and a link to them in what is sent.
//!
//! ```text
//! upload: spool file (+ parts for a bucket) -> verified through the file -> kept: an object -> commit
//! ```
//!
//! A body above its source's bound is never in memory as a whole. While it arrives it is written to a spool file, and to the
//! bucket if one is configured. It is verified from the file, and becomes a durable object before the commit that refers to it.
//! Uploads in progress are noted in files beside the spool. After a crash, noted objects that are not in the journal are removed
//! ([`keeper`]).

mod bytes;
mod error;
pub mod keeper;
mod link;
mod objects;
mod s3;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod upload;

use std::{collections::HashSet, ops::Range, path::PathBuf, sync::Arc, time::Duration};

use hookgate_capabilities::Body;
use hookgate_config as config;
use hookgate_model::{
    claim::{self, Claim, Reference},
    event::{KeptDelivery, KeptEvent},
    private,
};
use hookgate_telemetry::ClaimMetrics;
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

pub use self::{bytes::Blob, error::ClaimError, link::BadLink, objects::Stretch, upload::Upload};
use self::{link::Links, objects::Objects};

/// The claims of a gateway, cheap to clone.
#[derive(Clone)]
pub struct Claims(Arc<Parts>);

struct Parts {
    objects: Objects,
    /// The directory of uploads in progress: a note for each, and the spool files.
    incoming: PathBuf,
    links: Links,
    /// Bytes of disk to leave free.
    headroom: u64,
    /// Objects that are being worked on. Their files in `incoming` are not left behind.
    under_way: Mutex<HashSet<Uuid>>,
    /// Objects that may or may not be in the journal.
    doubtful: Mutex<Vec<Uuid>>,
    grown: Notify,
    metrics: ClaimMetrics,
}

/// The body of a kept delivery, from its record or from the object store.
///
/// # Errors
/// It is in the object store, and cannot be opened.
pub async fn body_of(delivery: &KeptDelivery, claims: Option<&Claims>) -> Result<Body, ClaimError> {
    match (&delivery.claim, claims) {
        (None, _) => Ok(Body::Memory(delivery.body().clone())),
        (Some(claim), Some(claims)) => Ok(claims.body(claim).await?.body()),
        (Some(claim), None) => Err(ClaimError::Missing(claim.object)),
    }
}

impl Claims {
    /// Opens the object store of the configuration; a bucket is not contacted yet. [`keeper::run`] cleans up what an earlier
    /// process has left unfinished.
    pub fn open(config: &config::Claims, store: &config::Store, public_url: &str) -> Result<Claims, ClaimError> {
        let incoming = config.path.join("incoming");
        let objects = Objects::open(config)?;
        private::make_directory(&incoming).map_err(|error| ClaimError::of_path(&incoming, &error))?;
        let left =
            upload::left_behind(&incoming, Duration::ZERO).map_err(|error| ClaimError::of_path(&incoming, &error))?;
        Ok(Claims(Arc::new(Parts {
            objects,
            incoming,
            links: Links::open(config, public_url)?,
            headroom: store.headroom,
            under_way: Mutex::default(),
            doubtful: Mutex::new(left),
            grown: Notify::new(),
            metrics: ClaimMetrics::new(),
        })))
    }

    /// The bytes of a claim, to be read in pieces.
    ///
    /// # Errors
    /// The object is not there, or cannot be opened.
    pub async fn body(&self, claim: &Claim) -> Result<Blob, ClaimError> {
        let opened = self.0.objects.body(claim).await;
        opened.inspect_err(|_| self.0.metrics.read_failed.increment(1))
    }

    /// The reference to the payload of an event whose body is a claim, with a link whose time begins now. `None` if the payload
    /// travels with the event.
    pub async fn reference(&self, event: &KeptEvent) -> Option<Reference> {
        let claim = event.delivery.claim.as_ref()?;
        let part = claim::part(claim, &event.admission.payload)?;
        let own = if self.0.links.to_objects() && part.is_whole(claim) {
            self.0.objects.link(claim.object, self.0.links.ttl()).await
        } else {
            None
        };
        let url = own.unwrap_or_else(|| self.0.links.to(event.id));
        Some(Reference { url, length: part.length, sha256: part.sha256 })
    }

    /// Checks a link to an event's payload.
    ///
    /// # Errors
    /// It is forged or has expired.
    pub fn check_link(&self, event: &str, query: &str) -> Result<(), BadLink> {
        self.0.links.check(event, query)
    }

    /// A stretch of a claim's bytes.
    ///
    /// # Errors
    /// The object is not there, or cannot be opened.
    pub async fn read(&self, claim: &Claim, bytes: Range<u64>) -> Result<Stretch, ClaimError> {
        self.0.objects.get(claim, bytes).await
    }

    /// Counts a request for a claim.
    pub fn count_read<T>(&self, found: &Result<T, ClaimError>) {
        let counter = if found.is_ok() { &self.0.metrics.reads } else { &self.0.metrics.read_failed };
        counter.increment(1);
    }

    /// Lets the keeper find out whether the journal has an object.
    fn doubt(&self, object: Uuid) {
        self.doubt_later(object);
        self.0.grown.notify_one();
    }

    /// The same, at the next regular look of the keeper.
    fn doubt_later(&self, object: Uuid) {
        self.0.doubtful.lock().push(object);
    }
}
