//! Reading a request's body: whole, or not at all. Large ones of a source with a claim check go to the object store while
//! they arrive.

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
use crate::claims::{Arrival, ClaimError, Claims};
use hookgate_net::client::Client;

/// The memory that the bodies of all deliveries share. Without it connections times streams times bytes would be the
/// bound, which no machine has.
#[derive(Clone, Debug)]
pub struct BodyRoom(Arc<Shares>);

impl BodyRoom {
    /// So many bytes, all free. Addresses in `exempt` may have all of them.
    pub fn new(bytes: u64, exempt: Vec<IpNet>) -> Self {
        BodyRoom(Shares::new(bytes, exempt))
    }

    /// An empty place, on the account of a client and of a source.
    pub fn place(&self, client: Client, source: &str) -> Share {
        self.0.of_client(client).and_source(source)
    }
}

/// What a body may be, and where it goes.
pub struct BodyBounds<'a> {
    /// Bytes at most.
    pub max: u64,
    /// For all of it; where it goes to the object store more, by what has come ([`limits::CLAIM_BYTES_A_SECOND_MIN`]).
    pub time: Duration,
    /// Its place in the memory of all bodies.
    pub place: Share,
    /// Bodies of more bytes than this go to the object store.
    pub claims: Option<(u64, &'a Claims)>,
}

/// A body that is whole.
pub enum WholeBody {
    /// In memory.
    Memory(Bytes),
    /// In a spool file, on its way to the object store.
    Arrived(Box<Arrival>),
}

/// Reads the exact bytes of a body. What of it is in memory keeps its place until the second value is dropped.
///
/// # Errors
/// [`Refused::TooLarge`], at once where `content-length` tells; [`Refused::TooSlow`]; [`Refused::Truncated`] when the
/// sender went away or broke the framing; [`Refused::Overloaded`]; [`Refused::ClaimFailed`] and [`Refused::StoreFull`] when
/// it cannot be stored.
pub async fn read_body(mut body: Incoming, bounds: BodyBounds<'_>) -> Result<(WholeBody, Share), Refused> {
    let expected = body.size_hint().lower();
    let mut reading = Reading::new(bounds, expected);
    let read = match expected > reading.bounds.max {
        true => Err(Refused::TooLarge(reading.bounds.max)),
        false => reading.read(&mut body).await,
    };
    match read {
        Ok(()) => Ok(reading.finish()),
        Err(refused) => {
            // What has come needs its place no more, and is removed from the object store.
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
    /// Bytes that the head promises; more may come where it promises nothing.
    expected: u64,
    length: u64,
    first: Option<Bytes>,
    rest: BytesMut,
    arrival: Option<Arrival>,
}

impl<'a> Reading<'a> {
    fn new(bounds: BodyBounds<'a>, expected: u64) -> Self {
        let (began, rest) = (Instant::now(), BytesMut::new());
        Reading { bounds, began, expected, length: 0, first: None, rest, arrival: None }
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
            // Trailers are of no use to a plugin.
            let Ok(data) = frame.into_data() else { continue };
            self.length += data.len() as u64;
            if self.length > self.bounds.max {
                return Err(Refused::TooLarge(self.bounds.max));
            }
            if self.arrival.is_none() && self.is_for_claims(self.length) {
                self.go_to_claims().await?;
            }
            match &mut self.arrival {
                Some(arrival) => arrival.take(data).await?,
                None => self.gather(data)?,
            }
        }
    }

    fn is_for_claims(&self, length: u64) -> bool {
        self.bounds.claims.is_some_and(|(above, _)| length > above)
    }

    /// A body that goes to the object store may take long, as long as it comes.
    fn deadline(&self) -> Instant {
        let more = match self.arrival {
            Some(_) => Duration::from_secs(self.length / limits::CLAIM_BYTES_A_SECOND_MIN),
            None => Duration::ZERO,
        };
        self.began + self.bounds.time + more
    }

    /// From here on it is written to the object store, and what has come first.
    async fn go_to_claims(&mut self) -> Result<(), Refused> {
        let Some((_, claims)) = self.bounds.claims else { return Ok(()) };
        self.hold(claims.arrival_bytes())?;
        let mut arrival = claims.arrive(self.expected.max(self.length)).await?;
        arrival.take(self.gathered()).await?;
        self.arrival = Some(arrival);
        Ok(())
    }

    fn gather(&mut self, data: Bytes) -> Result<(), Refused> {
        self.hold(data.len())?;
        // A body that comes in one piece, as small ones do, is not copied.
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

    /// Takes room for so many bytes more.
    fn hold(&mut self, bytes: usize) -> Result<(), Refused> {
        let size = Size::of(self.expected.max(self.length).max(bytes as u64), limits::SMALL_BODY_BYTES_MAX);
        self.bounds.place.take(bytes as u64, size).map_err(|_| Refused::Overloaded)
    }

    /// What is in memory.
    fn gathered(&mut self) -> Bytes {
        let first = self.first.take().unwrap_or_default();
        if self.rest.is_empty() { first } else { std::mem::take(&mut self.rest).freeze() }
    }

    fn finish(mut self) -> (WholeBody, Share) {
        let body = match self.arrival.take() {
            Some(arrival) => WholeBody::Arrived(Box::new(arrival)),
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

/// Of a sender who is not let in little is swallowed; and nothing of one who waits to be asked for the body.
pub async fn discard_of_stranger(body: Incoming, headers: &HeaderMap) {
    if !headers.contains_key(http::header::EXPECT) {
        discard(body, limits::AUTH_DISCARD_BYTES_MAX).await;
    }
}

/// Swallows some of what is still coming, so that the sender reads the answer instead of a reset connection.
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
