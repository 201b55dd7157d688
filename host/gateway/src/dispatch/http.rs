//! One attempt at an HTTP endpoint.

use std::{io, time::Duration};

use bytes::Bytes;
use hookgate_config as config;
use hookgate_config::{Format, On4xx};
use hookgate_model::{clock::now_ms, limits};
use hookgate_net::egress::{self, Connector, Guard, HttpClient, USER_AGENT, whole_story};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::{
    Parcel,
    outcome::{Advice, Failure, Health, Outcome},
    signature::{self, KeyError, SigningKey},
};
use crate::cloudevents::{self, RenderError};

/// An HTTP endpoint with its own pool of connections (HTTP/1.1 or HTTP/2, as the endpoint wants it).
#[derive(Debug)]
pub struct HttpEndpoint {
    client: HttpClient,
    url: Uri,
    format: Format,
    keys: Vec<SigningKey>,
    /// The operator's.
    headers: HeaderMap,
    on_4xx: On4xx,
}

/// Why an endpoint cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A secret that makes no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A header's value has control characters in it.
    #[error("the value of the header {0} cannot be sent: it holds control characters (a line break at its end?)")]
    Header(http::HeaderName),
    /// No certificate authorities.
    #[error(
        "the system's certificate authorities cannot be read: {0}; install `ca-certificates`, or set SSL_CERT_FILE"
    )]
    Roots(io::Error),
}

impl HttpEndpoint {
    /// Makes an endpoint ready; nothing is connected yet.
    pub fn new(target: &config::HttpTarget, concurrency: usize, guard: Guard) -> Result<HttpEndpoint, EndpointError> {
        let mut headers = HeaderMap::from_iter([(header::USER_AGENT, USER_AGENT)]);
        for (name, value) in &target.headers {
            let value = HeaderValue::from_str(value.expose()).map_err(|_| EndpointError::Header(name.clone()));
            let mut value = value?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(HttpEndpoint {
            client: egress::client(target.url.scheme_str() == Some("https"), concurrency, Connector::new(guard))
                .map_err(EndpointError::Roots)?,
            url: target.url.clone(),
            format: target.format,
            keys: target.secrets.iter().map(SigningKey::new).collect::<Result<_, _>>()?,
            headers,
            on_4xx: target.on_4xx,
        })
    }

    /// Sends one output of an event, once. What the status says is what happened, whatever becomes of the body.
    pub async fn attempt(&self, parcel: &Parcel, within: Duration) -> Outcome {
        let deadline = Instant::now() + within;
        let request = match self.request(parcel) {
            Ok(request) => request,
            Err(error) => return Outcome::undeliverable(error.to_string()),
        };
        let response = match timeout_at(deadline, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Outcome::unreachable(whole_story(&error)),
            Err(_) => return Outcome::unreachable(format!("no answer within {within:?}")),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_some(response, deadline.min(Instant::now() + limits::ANSWER_DRAIN_TIME_MAX)).await;
        judge(status, &headers, &body, self.on_4xx)
    }

    fn request(&self, parcel: &Parcel) -> Result<Request<Full<Bytes>>, RenderError> {
        let message = cloudevents::render(&parcel.event, &parcel.output, parcel.reference.as_ref(), self.format)?;
        let mut request = Request::new(Full::new(message.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.extend(message.headers);
        if let Ok(traceparent) = HeaderValue::try_from(cloudevents::traceparent(&parcel.event)) {
            headers.insert("traceparent", traceparent);
        }
        let id = signature::webhook_id(&parcel.handoff);
        signature::sign(headers, &self.keys, &id, now_ms() / 1000, &message.body);
        Ok(request)
    }
}

/// The first bytes of a body. Some more are read and dropped, so that the connection can be used again; where even that
/// is not the end of it, or it comes too slowly, the connection is closed.
async fn read_some(response: Response<Incoming>, deadline: Instant) -> Vec<u8> {
    let mut body = response.into_body();
    let mut kept = Vec::new();
    let mut seen = 0;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let Some(data) = frame.data_ref() else { continue };
        let room = limits::ANSWER_KEPT_BYTES_MAX - kept.len();
        kept.extend_from_slice(data.get(..room).unwrap_or(data));
        seen += data.len();
        if seen > limits::ANSWER_DRAINED_BYTES_MAX {
            break;
        }
    }
    kept
}

/// What an answer means.
///
/// | status | |
/// |---|---|
/// | 2xx | delivered |
/// | 410 | the endpoint wants nothing more: given up |
/// | 408, 425, 429, 5xx | tried again; `Retry-After` counts |
/// | other 4xx, 3xx | as the destination's policy says; a redirect is never followed |
/// | 1xx | no answer to a POST: tried again |
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], on_4xx: On4xx) -> Outcome {
    if status.is_success() {
        return Outcome::delivered(Some(status.as_u16()));
    }
    let after = headers.get(header::RETRY_AFTER).and_then(|value| retry_after(value, now_ms()));
    let transient = matches!(status.as_u16(), 100..200 | 408 | 425 | 429 | 500..);
    let advice = match on_4xx {
        _ if status == StatusCode::GONE => Advice::GiveUp,
        On4xx::DeadLetter if !transient => Advice::GiveUp,
        _ => Advice::Retry(after),
    };
    let health = if transient { Health::Unwell } else { Health::Well };
    let failure = Failure { error: describe(status, headers, body), advice, health };
    Outcome { status: Some(status.as_u16()), result: Err(failure) }
}

/// Seconds or a date (RFC 9110, 10.2.3), as the time from `now` (milliseconds since the epoch).
fn retry_after(value: &HeaderValue, now: u64) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since_epoch.saturating_sub(Duration::from_millis(now)))
}

fn describe(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let mut text = format!("the destination answered {status}");
    if status.is_redirection() {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
        let location: String = location.chars().take(limits::ANSWER_KEPT_BYTES_MAX / 4).collect();
        text += &format!(" to {location}; redirects are not followed, set the destination's `url` to where it is");
    }
    let body = String::from_utf8_lossy(body);
    match body.trim() {
        "" => text,
        body => format!("{text}: {body}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(status: u16, on_4xx: On4xx) -> Option<Advice> {
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, &HeaderMap::new(), b"", on_4xx).result.err().map(|failure| failure.advice)
    }

    #[test]
    fn a_status_means_the_same_under_either_policy_but_for_other_4xx_and_3xx() {
        let retry = Some(Advice::Retry(None));
        let give_up = Some(Advice::GiveUp);
        let cases = [
            (200, None, None),
            (204, None, None),
            (299, None, None),
            (101, retry, retry),
            (301, retry, give_up),
            (304, retry, give_up),
            (400, retry, give_up),
            (401, retry, give_up),
            (404, retry, give_up),
            (408, retry, retry),
            (410, give_up, give_up),
            (425, retry, retry),
            (429, retry, retry),
            (500, retry, retry),
            (503, retry, retry),
            (599, retry, retry),
            (999, retry, retry),
        ];
        for (status, under_retry, under_dead_letter) in cases {
            assert_eq!(advice(status, On4xx::Retry), under_retry, "{status}");
            assert_eq!(advice(status, On4xx::DeadLetter), under_dead_letter, "{status}");
        }
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = 1_445_412_440_000;
        let cases = [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(40)),
            ("Tue, 21 Oct 2014 07:28:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999999", None),
        ];
        for (text, seconds) in cases {
            let value = HeaderValue::from_str(text).unwrap();
            assert_eq!(retry_after(&value, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn a_redirect_is_explained() {
        let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static("http://169.254.169.254/"))]);
        let failure = judge(StatusCode::FOUND, &headers, b" moved\n", On4xx::Retry).result.unwrap_err();
        assert_eq!(
            failure.error,
            "the destination answered 302 Found to http://169.254.169.254/; redirects are not followed, \
             set the destination's `url` to where it is: moved"
        );
    }
}
