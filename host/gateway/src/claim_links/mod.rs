//! `GET /claims/{event}`: the payload of an event, whole or in part (RFC 9110, 14), for readers with a link.

mod readers;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use hookgate_capabilities::Payload;
use hookgate_capabilities::cloudevents::is_media_type;
use hookgate_journal::Journal;
use hookgate_model::{
    claim::{Claim, Part, part},
    event::{EventId, KeptEvent},
    limits,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body_util::Full;
use http_range_header::RangeUnsatisfiableError;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{task::spawn_blocking, time::timeout};

use self::readers::{Blocks, Readers, Reading};
use crate::{
    claims::{BadLink, ClaimError, Claims, Stretch},
    ingress::{Client, Refused},
};

/// The body of an answer: in memory, or read while it is sent.
pub enum AnswerBody {
    /// In memory.
    Whole(Full<Bytes>),
    /// Read while it is sent.
    Streamed(Streamed),
}

/// Bytes of an object on their way out.
pub struct Streamed {
    reading: Reading,
    left: u64,
}

impl From<Full<Bytes>> for AnswerBody {
    fn from(body: Full<Bytes>) -> AnswerBody {
        AnswerBody::Whole(body)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            AnswerBody::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            AnswerBody::Streamed(body) => body.reading.poll_next(context).map(|next| {
                let next = next?;
                if let Ok(block) = &next {
                    body.left = body.left.saturating_sub(block.len() as u64);
                }
                Some(next.map(Frame::data))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Whole(body) => body.is_end_stream(),
            AnswerBody::Streamed(body) => body.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Whole(body) => body.size_hint(),
            AnswerBody::Streamed(body) => SizeHint::with_exact(body.left),
        }
    }
}

/// The event's id in a path `/claims/{event}`.
pub fn event_of(path: &str) -> Option<&str> {
    path.strip_prefix("/claims/").filter(|id| !id.is_empty() && !id.contains('/'))
}

/// Serves the payloads of events to readers with a link; cheap to clone.
#[derive(Clone)]
pub struct ClaimLinks {
    claims: Claims,
    readers: Arc<Readers>,
}

impl ClaimLinks {
    /// Serves these claims.
    pub fn new(claims: Claims) -> ClaimLinks {
        ClaimLinks { claims, readers: Arc::new(Readers::new()) }
    }

    /// Answers a request for the payload of an event.
    ///
    /// # Errors
    /// The link is forged or has expired, the event does not exist, the range lies outside, or there are too many readers.
    pub async fn serve(
        &self,
        journal: &Journal,
        client: Client,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Response<AnswerBody>, Refused> {
        let id = event_of(uri.path()).ok_or(Refused::UnknownPath)?;
        self.claims.check_link(id, uri.query().unwrap_or_default()).map_err(|bad| match bad {
            BadLink::Forged => Refused::ClaimForged,
            BadLink::Expired => Refused::ClaimExpired,
        })?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Refused::ClaimMethod);
        }
        let event = self.event(journal, id).await?;
        let claimed =
            event.delivery.claim.as_ref().and_then(|claim| Some((claim, part(claim, &event.admission.payload)?)));
        let (claim, part) = claimed.ok_or(Refused::UnknownClaim)?;
        let etag = format!("\"{}\"", hex::encode(part.sha256));
        let (from, length, status) = match wanted(headers, &etag, part.length)? {
            Some((from, to)) => (from, to - from, StatusCode::PARTIAL_CONTENT),
            None => (0, part.length, StatusCode::OK),
        };
        let body = if *method == Method::HEAD || length == 0 {
            AnswerBody::Whole(Full::default())
        } else {
            self.stream(client, claim, part.offset + from, length).await?
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        describe(response.headers_mut(), &event, &part, &etag);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
        if status == StatusCode::PARTIAL_CONTENT {
            let range = format!("bytes {from}-{}/{}", from + length - 1, part.length);
            headers.extend(HeaderValue::try_from(range).ok().map(|range| (header::CONTENT_RANGE, range)));
        }
        Ok(response)
    }

    async fn event(&self, journal: &Journal, id: &str) -> Result<KeptEvent, Refused> {
        let id: EventId = id.parse().map_err(|_| Refused::UnknownClaim)?;
        let journal = journal.clone();
        let read = spawn_blocking(move || journal.event(id)).await;
        match read {
            Ok(Ok(Some(event))) => Ok(event),
            Ok(Ok(None)) => Err(Refused::UnknownClaim),
            Ok(Err(error)) => Err(Refused::ClaimFailed(error.to_string())),
            Err(error) => Err(Refused::ClaimFailed(error.to_string())),
        }
    }

    async fn stream(&self, client: Client, claim: &Claim, from: u64, length: u64) -> Result<AnswerBody, Refused> {
        let place = self.readers.place(client).await.ok_or(Refused::ClaimsBusy)?;
        let found = timeout(limits::CLAIM_STORE_TIME_MAX, self.claims.read(claim, from..from + length)).await;
        let found = found.unwrap_or_else(|_| Err(ClaimError::Failed("the object store does not answer".to_owned())));
        self.claims.count_read(&found);
        let found = found.map_err(|error| Refused::ClaimFailed(error.to_string()))?;
        let blocks: Blocks = match found {
            Stretch::File(file) => Box::pin(blocks_of(Arc::new(file), from, length)),
            Stretch::Stream(stream) => Box::pin(stream.map(|block| block.map_err(io::Error::other))),
        };
        // A store that stops responding must not hold the place of a reader without end.
        let blocks = Box::pin(stream::unfold(blocks, |mut blocks| async move {
            let next = timeout(limits::CLAIM_STORE_TIME_MAX, blocks.next()).await;
            match next {
                Ok(next) => Some((next?, blocks)),
                Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), Box::pin(stream::empty()) as Blocks)),
            }
        }));
        Ok(AnswerBody::Streamed(Streamed { reading: self.readers.begin(client, place, blocks), left: length }))
    }
}

/// A stretch of a file, block by block.
fn blocks_of(file: Arc<File>, from: u64, length: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((file, from, length), |(file, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let block = left.min(limits::CLAIM_SENT_BLOCK_BYTES);
        let reading = file.clone();
        let read = spawn_blocking(move || {
            let mut bytes = vec![0; block as usize];
            reading.read_exact_at(&mut bytes, at).map(|()| Bytes::from(bytes))
        });
        let bytes = read.await.map_err(io::Error::other)??;
        Ok(Some((bytes, (file, at + block, left - block))))
    })
}

/// The requested bytes, from the first to behind the last; `None` for all. Several ranges, or an invalid one, are ignored, as
/// RFC 9110 (14.2) allows.
fn wanted(headers: &HeaderMap, etag: &str, length: u64) -> Result<Option<(u64, u64)>, Refused> {
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    // A part is useful only if the reader has the same bytes.
    if headers.get(header::IF_RANGE).is_some_and(|condition| condition.as_bytes() != etag.as_bytes()) {
        return Ok(None);
    }
    let Ok(parsed) = http_range_header::parse_range_header(range) else { return Ok(None) };
    if parsed.len() != 1 {
        return Ok(None);
    }
    match parsed.validate(length).as_deref() {
        Ok([one]) => Ok(Some((*one.start(), one.end() + 1))),
        Err(RangeUnsatisfiableError::Unsatisfiable) => Err(Refused::ClaimRange(length)),
        _ => Ok(None),
    }
}

/// Adds the headers that describe the payload. Providers choose its type and bytes, so no browser may run them as a page of
/// the gateway.
fn describe(headers: &mut HeaderMap, event: &KeptEvent, part: &Part, etag: &str) {
    let declared = match event.admission.payload {
        Payload::Body => event.delivery.request.headers.iter().find(|(name, _)| name == "content-type"),
        _ => None,
    };
    let declared = declared.and_then(|(_, value)| std::str::from_utf8(value).ok()).filter(|text| is_media_type(text));
    let content_type = declared.and_then(|text| HeaderValue::from_str(text).ok());
    headers.insert(header::CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.extend(HeaderValue::try_from(etag).ok().map(|etag| (header::ETAG, etag)));
    // RFC 9530.
    let digest = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, part.sha256);
    let digest = HeaderValue::try_from(format!("sha-256=:{digest}:"));
    headers.extend(digest.ok().map(|digest| (header::HeaderName::from_static("repr-digest"), digest)));
    for (name, value) in [
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, "private, no-transform"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str, length: u64) -> Result<Option<(u64, u64)>, Refused> {
        let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_str(text).unwrap())]);
        wanted(&headers, "\"e\"", length)
    }

    #[test]
    fn one_range_is_understood_and_everything_else_is_the_whole() {
        assert_eq!(range("bytes=0-0", 10), Ok(Some((0, 1))));
        assert_eq!(range("bytes=2-", 10), Ok(Some((2, 10))));
        assert_eq!(range("bytes=-3", 10), Ok(Some((7, 10))));
        assert_eq!(range("bytes=-30", 10), Ok(Some((0, 10))));
        assert_eq!(range("bytes=10-", 10), Err(Refused::ClaimRange(10)));
        assert_eq!(range("bytes=0-0", 0), Err(Refused::ClaimRange(0)));
        // Beyond any end, however many digits it has.
        assert_eq!(range("bytes=99999999999999999999999-", 10), Err(Refused::ClaimRange(10)));
        for other in ["bytes=5-2", "bytes=0-1,3-4", "items=0-1", "bytes=x"] {
            assert_eq!(range(other, 10), Ok(None), "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_range_never_reaches_beyond_the_end(text in "bytes=[0-9,-]{0,12}", length in 0_u64..100) {
            if let Ok(Some((from, to))) = range(&text, length) {
                prop_assert!(from < to && to <= length, "{text} of {length}: {from} to {to}");
            }
        }
    }

    #[test]
    fn only_a_single_name_is_an_event() {
        assert_eq!(event_of("/claims/a.1"), Some("a.1"));
        for other in ["/claims/", "/claims/a/b", "/claim/a", "/in/claims"] {
            assert_eq!(event_of(other), None, "{other}");
        }
    }
}
