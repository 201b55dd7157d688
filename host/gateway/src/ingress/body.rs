//! Reads the body of a request: whole, or not at all. A large one of a source with a claim check goes to the object store while
//! it arrives.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use hookgate_model::limits;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use ipnet::IpNet;
use tokio::time::{Instant, timeout_at};

use super::{
    Refused,
    shares::{Share, Shares, Size},
};
use crate::claims::{ClaimError, Claims, Upload};
use hookgate_net::client::Client;

/// The memory that the bodies of all deliveries share. Without it the bound would be connections times streams times bytes,
/// which is more than a machine has.
#[derive(Clone, Debug)]
pub struct BodyRoom(Arc<Shares>);

impl BodyRoom {
    /// A free room of `bytes`. Addresses in `exempt` may have all of it.
    pub fn new(bytes: u64, exempt: Vec<IpNet>) -> Self {
        BodyRoom(Shares::new(bytes, exempt))
    }

    /// An empty share, charged to a client and a source.
    pub fn place(&self, client: Client, source: &str) -> Share {
        self.0.of_client(client).and_source(source)
    }
}

/// The bounds of a body, and where it goes.
pub struct BodyBounds<'a> {
    /// Bytes at most.
    pub max: u64,
    /// For all of it. A body for the object store gets more as it arrives ([`limits::CLAIM_BYTES_A_SECOND_MIN`]).
    pub time: Duration,
    /// Its share of the memory of all bodies.
    pub place: Share,
    /// Bodies of more bytes than this go to the object store.
    pub claims: Option<(u64, &'a Claims)>,
}

/// A whole body.
pub enum WholeBody {
    /// In memory.
    Memory(Bytes),
    /// In a spool file, on its way to the object store.
    Upload(Box<Upload>),
}

/// Reads the exact bytes of a body. The returned share holds its memory until it is dropped.
///
/// # Errors
/// [`Refused::TooLarge`], at once if `content-length` says so; [`Refused::TooSlow`]; [`Refused::Truncated`] when the
/// sender went away or broke the framing; [`Refused::Overloaded`]; [`Refused::ClaimFailed`] and [`Refused::StoreFull`] when
/// it cannot be stored.
pub async fn read_body(mut body: Incoming, bounds: BodyBounds<'_>) -> Result<(WholeBody, Share), Refused> {
    let expected = body.size_hint().lower();
    let mut reading = Reading::new(bounds, expected);
    let read = if expected > reading.bounds.max {
        Err(Refused::TooLarge(reading.bounds.max))
    } else {
        reading.read(&mut body).await
    };
    match read {
        Ok(()) => Ok(reading.finish()),
        Err(refused) => {
            // Frees the received bytes, and removes them from the object store.
            drop(reading);
            if matches!(
                refused,
                Refused::TooLarge(_) | Refused::Overloaded | Refused::ClaimFailed(_) | Refused::StoreFull(_)
            ) {
                discard(body, limits::DISCARD_BYTES_MAX).await;
            }
            Err(refused)
        }
    }
}

/// A body that is being read.
struct Reading<'a> {
    bounds: BodyBounds<'a>,
    began: Instant,
    /// Bytes that the head announces. More may come if it announces nothing.
    expected: u64,
    length: u64,
    first: Option<Bytes>,
    rest: BytesMut,
    upload: Option<Upload>,
}

impl<'a> Reading<'a> {
    fn new(bounds: BodyBounds<'a>, expected: u64) -> Self {
        let (began, rest) = (Instant::now(), BytesMut::new());
        Reading { bounds, began, expected, length: 0, first: None, rest, upload: None }
    }

    async fn read(&mut self, body: &mut Incoming) -> Result<(), Refused> {
        if self.is_for_claims(self.expected) {
            self.go_to_claims().await?;
        }
        loop {
            let frame = match timeout_at(self.deadline(), body.frame()).await {
                Err(_) => return Err(Refused::TooSlow),
                Ok(None) => return Ok(()),
                Ok(Some(Err(_))) => return Err(Refused::Truncated),
                Ok(Some(Ok(frame))) => frame,
            };
            // Plugins do not use trailers.
            let Ok(data) = frame.into_data() else { continue };
            self.length += data.len() as u64;
            if self.length > self.bounds.max {
                return Err(Refused::TooLarge(self.bounds.max));
            }
            if self.upload.is_none() && self.is_for_claims(self.length) {
                self.go_to_claims().await?;
            }
            match &mut self.upload {
                Some(upload) => upload.take(data).await?,
                None => self.gather(data)?,
            }
        }
    }

    fn is_for_claims(&self, length: u64) -> bool {
        self.bounds.claims.is_some_and(|(above, _)| length > above)
    }

    /// A body for the object store may take longer while it keeps coming.
    fn deadline(&self) -> Instant {
        let more = match self.upload {
            Some(_) => Duration::from_secs(self.length / limits::CLAIM_BYTES_A_SECOND_MIN),
            None => Duration::ZERO,
        };
        self.began + self.bounds.time + more
    }

    /// Writes the body to the object store from here on, beginning with the received bytes.
    async fn go_to_claims(&mut self) -> Result<(), Refused> {
        let Some((_, claims)) = self.bounds.claims else { return Ok(()) };
        self.hold(claims.upload_bytes())?;
        let mut upload = claims.begin_upload(self.expected.max(self.length)).await?;
        upload.take(self.gathered()).await?;
        self.upload = Some(upload);
        Ok(())
    }

    fn gather(&mut self, data: Bytes) -> Result<(), Refused> {
        self.hold(data.len())?;
        // A body in one piece, as small ones are, is not copied.
        match &self.first {
            None => self.first = Some(data),
            Some(head) => {
                if self.rest.is_empty() {
                    self.rest.extend_from_slice(head);
                }
                self.rest.extend_from_slice(&data);
            }
        }
        Ok(())
    }

    /// Takes room for further bytes.
    fn hold(&mut self, bytes: usize) -> Result<(), Refused> {
        let size = Size::of(self.expected.max(self.length).max(bytes as u64), limits::SMALL_BODY_BYTES_MAX);
        self.bounds.place.take(bytes as u64, size).map_err(|_| Refused::Overloaded)
    }

    /// The received bytes in memory.
    fn gathered(&mut self) -> Bytes {
        let first = self.first.take().unwrap_or_default();
        if self.rest.is_empty() { first } else { std::mem::take(&mut self.rest).freeze() }
    }

    fn finish(mut self) -> (WholeBody, Share) {
        let body = match self.upload.take() {
            Some(upload) => WholeBody::Upload(Box::new(upload)),
            None => WholeBody::Memory(self.gathered()),
        };
        (body, self.bounds.place)
    }
}

impl From<ClaimError> for Refused {
    fn from(error: ClaimError) -> Refused {
        match error {
            ClaimError::Full(_) => Refused::StoreFull(error.to_string()),
            _ => Refused::ClaimFailed(error.to_string()),
        }
    }
}

/// Discards a little of the body of an unauthenticated sender, and nothing if the sender waits for `100 Continue`.
pub async fn discard_of_stranger(body: Incoming, headers: &HeaderMap) {
    if !headers.contains_key(http::header::EXPECT) {
        discard(body, limits::AUTH_DISCARD_BYTES_MAX).await;
    }
}

/// Discards some of the rest, so that the sender reads the answer instead of a reset connection.
async fn discard(mut body: Incoming, mut left: usize) {
    let deadline = Instant::now() + limits::DISCARD_TIME_MAX;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(fewer) => left = fewer,
            None => return,
        }
    }
}
