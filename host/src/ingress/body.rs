//! Reading a request's body: whole, or not at all. Large ones of a source with a claim check go to the object store while
//! they arrive.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::Refused;
use crate::{
    claims::{Arrival, ClaimError, Claims},
    limits,
};

/// The memory that the bodies of all deliveries share. Without it connections times streams times bytes would be the
/// bound, which no machine has.
#[derive(Clone, Debug)]
pub struct BodyRoom(Arc<Semaphore>);

/// A body's place in memory, for as long as it is held.
#[derive(Debug)]
pub struct HeldRoom(Option<OwnedSemaphorePermit>);

impl BodyRoom {
    /// So many bytes, all free.
    pub fn new(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        BodyRoom(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes so many bytes on top of what is held, at once or not at all: whoever waited here would keep what it has
    /// from those whose turn it is.
    fn take(&self, bytes: usize, held: &mut HeldRoom) -> Result<(), Refused> {
        let bytes = u32::try_from(bytes).map_err(|_| Refused::Overloaded)?;
        let more = self.0.clone().try_acquire_many_owned(bytes).map_err(|_| Refused::Overloaded)?;
        match &mut held.0 {
            Some(held) => held.merge(more),
            None => held.0 = Some(more),
        }
        Ok(())
    }
}

/// What a body may be, and where it goes.
pub struct BodyBounds<'a> {
    /// Bytes at most.
    pub max: u64,
    /// For all of it; where it goes to the object store more, by what has come ([`limits::CLAIM_BYTES_A_SECOND_MIN`]).
    pub time: Duration,
    /// The memory of all bodies.
    pub room: &'a BodyRoom,
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

/// Reads the exact bytes of a body. What of it is in memory has its place in the room until the second value is dropped.
///
/// # Errors
/// [`Refused::TooLarge`], at once where `content-length` tells; [`Refused::TooSlow`]; [`Refused::Truncated`] when the
/// sender went away or broke the framing; [`Refused::Overloaded`]; [`Refused::ClaimFailed`] and [`Refused::StoreFull`] when
/// it cannot be stored.
pub async fn read_body(mut body: Incoming, bounds: BodyBounds<'_>) -> Result<(WholeBody, HeldRoom), Refused> {
    let mut reading = Reading::new(bounds);
    let expected = body.size_hint().lower();
    let read = match expected > reading.bounds.max {
        true => Err(Refused::TooLarge(reading.bounds.max)),
        false => reading.read(&mut body, expected).await,
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
    length: u64,
    first: Option<Bytes>,
    rest: BytesMut,
    held: HeldRoom,
    arrival: Option<Arrival>,
}

impl<'a> Reading<'a> {
    fn new(bounds: BodyBounds<'a>) -> Self {
        let held = HeldRoom(None);
        Reading { bounds, began: Instant::now(), length: 0, first: None, rest: BytesMut::new(), held, arrival: None }
    }

    async fn read(&mut self, body: &mut Incoming, expected: u64) -> Result<(), Refused> {
        if self.is_for_claims(expected) {
            self.go_to_claims(expected).await?;
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
                self.go_to_claims(expected.max(self.length)).await?;
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
    async fn go_to_claims(&mut self, expected: u64) -> Result<(), Refused> {
        let Some((_, claims)) = self.bounds.claims else { return Ok(()) };
        self.bounds.room.take(claims.arrival_bytes(), &mut self.held)?;
        let mut arrival = claims.arrive(expected).await?;
        arrival.take(self.gathered()).await?;
        self.arrival = Some(arrival);
        Ok(())
    }

    fn gather(&mut self, data: Bytes) -> Result<(), Refused> {
        self.bounds.room.take(data.len(), &mut self.held)?;
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

    /// What is in memory.
    fn gathered(&mut self) -> Bytes {
        let first = self.first.take().unwrap_or_default();
        if self.rest.is_empty() { first } else { std::mem::take(&mut self.rest).freeze() }
    }

    fn finish(mut self) -> (WholeBody, HeldRoom) {
        let body = match self.arrival.take() {
            Some(arrival) => WholeBody::Arrived(Box::new(arrival)),
            None => WholeBody::Memory(self.gathered()),
        };
        (body, self.held)
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
