//! One request for a document.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hookgate_model::limits;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::{Failure, Query};
use crate::egress::{HttpClient, USER_AGENT, whole_story};

/// A document as its server has sent it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub bytes: Bytes,
    /// For how long it may be used without asking again.
    pub age: Duration,
}

/// Asks for a document and reads it whole.
pub(super) async fn fetch(client: &HttpClient, query: &Query) -> Result<Fetched, Failure> {
    let fetching = async {
        let response = send_unbounded(client, query).await?;
        let age = age(response.headers());
        Ok(Fetched { bytes: read(response).await?, age })
    };
    timeout(limits::FETCH_TIME_MAX, fetching).await.unwrap_or(Err(Failure::TimedOut))
}

/// Asks, and waits for the head of an answer that says success.
pub(super) async fn send(client: &HttpClient, query: &Query) -> Result<Response<Incoming>, Failure> {
    timeout(limits::FETCH_TIME_MAX, send_unbounded(client, query)).await.unwrap_or(Err(Failure::TimedOut))
}

async fn send_unbounded(client: &HttpClient, query: &Query) -> Result<Response<Incoming>, Failure> {
    let response = client.request(request(query)).await;
    let response = response.map_err(|error| Failure::Unreachable(whole_story(&error)))?;
    match response.status() {
        status if status.is_success() => Ok(response),
        status if status.is_redirection() => Err(Failure::Redirect(status.as_u16())),
        status => Err(Failure::Status(status.as_u16())),
    }
}

fn request(query: &Query) -> Request<Full<Bytes>> {
    let body = query.body.as_ref().map_or(Bytes::new(), |body| Bytes::copy_from_slice(body.expose().as_bytes()));
    let mut request = Request::new(Full::new(body));
    *request.uri_mut() = query.url.clone();
    request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    if query.body.is_some() {
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request
}

/// The whole body, which is given up as soon as it is known to be too large.
async fn read(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let mut body = response.into_body();
    if body.size_hint().lower() > limits::FETCHED_BYTES_MAX as u64 {
        return Err(Failure::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Unreachable(format!("its answer broke off: {error}")))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > limits::FETCHED_BYTES_MAX {
            return Err(Failure::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes.freeze())
}

/// What the server says of the document's age (RFC 9111, 4.2), within bounds: a server must not have us ask for every
/// delivery, nor keep a withdrawn key for ever.
fn age(headers: &HeaderMap) -> Duration {
    let seconds = match max_age(headers) {
        Some(max_age) => {
            let age = headers.get(header::AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
            Duration::from_secs(max_age.saturating_sub(age.unwrap_or(0)))
        }
        None => limits::FETCHED_AGE_DEFAULT,
    };
    seconds.clamp(limits::FETCHED_AGE_MIN, limits::FETCHED_AGE_MAX)
}

/// Seconds of `max-age`; none where the server says nothing of it.
fn max_age(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(header::CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> =
        values.flat_map(|value| value.split(',')).map(|directive| directive.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(0);
    }
    directives.iter().find_map(|directive| directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_what_the_server_says_within_bounds() {
        let cases = [
            (&[][..], limits::FETCHED_AGE_DEFAULT),
            (&[("cache-control", "public, max-age=21598, must-revalidate")], Duration::from_secs(21_598)),
            (&[("cache-control", "Max-Age=\"600\""), ("age", "100")], Duration::from_secs(500)),
            (&[("cache-control", "private"), ("cache-control", "max-age=600")], Duration::from_secs(600)),
            (&[("cache-control", "max-age=0")], limits::FETCHED_AGE_MIN),
            (&[("cache-control", "no-cache, max-age=600")], limits::FETCHED_AGE_MIN),
            (&[("cache-control", "max-age=600"), ("age", "99999")], limits::FETCHED_AGE_MIN),
            (&[("cache-control", "max-age=99999999999")], limits::FETCHED_AGE_MAX),
            (&[("cache-control", "max-age=99999999999999999999999")], limits::FETCHED_AGE_DEFAULT),
            (&[("cache-control", "max-age=-1")], limits::FETCHED_AGE_DEFAULT),
        ];
        for (headers, expected) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(age(&map), expected, "{headers:?}");
        }
    }
}
