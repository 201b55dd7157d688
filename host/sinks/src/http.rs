//! An HTTP endpoint.

use std::{io, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use hookgate_cloudevents::{self as cloudevents, Format, RenderError};
use hookgate_model::{clock::now_ms, limits, redact};
use hookgate_net::egress::{self, Connector, Guard, HttpClient, USER_AGENT, whole_story};
use hookgate_settings::{
    Egress, Key, Kind as Takes, SecretText, Table, Value, check_egress, key, quoted, required, secret, value,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use strum::{EnumString, VariantNames};
use tokio::time::{Instant, timeout_at};
use toml::de::DeValue;

use crate::{
    Kind, Parcel, Settings, Sink, SinkError, Target,
    outcome::{Advice, Failure, Health, Outcome},
    signature::{self, KeyError, SigningKey},
};

/// This kind of sink.
pub const KIND: Kind = Kind {
    key: key("http", Takes::Table(KEYS), "An HTTP endpoint."),
    example: "http = { url = \"https://...\" }",
    read: |table, egress| Some(read(table, egress)?.into()),
};

const KEYS: &[Key] = &[
    required("url", Takes::Url, "Where events are posted."),
    key("secret", Takes::Secrets, "Signs as Standard Webhooks say, with every version; without it nothing is signed."),
    key(
        "format",
        Takes::Choice(Format::VARIANTS),
        "CloudEvents in structured or binary mode, or the payload as the provider sent it.",
    ),
    key("headers", Takes::Headers, "Headers to add; a value is a text or a secret."),
    key(
        "on-4xx",
        Takes::Choice(On4xx::VARIANTS),
        "What a 4xx other than 408, 410, 425 and 429 means: try again, or a dead letter at once.",
    ),
];

/// An HTTP endpoint.
#[derive(Debug)]
pub struct HttpTarget {
    /// `http` or `https`.
    pub url: Uri,
    /// Signs as Standard Webhooks say, with every version, newest first; empty: unsigned.
    pub secrets: Vec<SecretText>,
    /// What is sent.
    pub format: Format,
    /// Headers to add.
    pub headers: Vec<(HeaderName, SecretText)>,
    /// What a 4xx other than 408, 410, 425 and 429 means.
    pub on_4xx: On4xx,
}

/// What a refusal by the destination means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum On4xx {
    /// Try again as after a 5xx.
    #[default]
    Retry,
    /// A dead letter at once.
    DeadLetter,
}

/// Headers that the gateway sets itself.
const OWN_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "traceparent",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

fn read(table: &Table<'_>, egress: &Egress) -> Option<HttpTarget> {
    let url = table.parsed("url", value::url);
    if let Some(url) = &url {
        check_egress(table, "url", url, egress);
    }
    let path = table.path_of("secret");
    let secrets = secret::versions(table, "secret");
    secrets.iter().for_each(|(text, at)| signature::check(&table.context, &path, text, *at));
    Some(HttpTarget {
        format: table.choice("format"),
        headers: read_headers(table),
        on_4xx: table.choice("on-4xx"),
        secrets: secrets.into_iter().map(|(text, _)| text).collect(),
        url: url?,
    })
}

fn read_headers(table: &Table<'_>) -> Vec<(HeaderName, SecretText)> {
    let (key, Some(found)) = table.value("headers") else { return Vec::new() };
    let DeValue::Table(entries) = found.get_ref() else {
        table.wrong_type(key, found);
        return Vec::new();
    };
    let header = |(name, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &Value<'_>)| {
        let (problems, at) = (table.problems(), name.span().start);
        let path = table.path_of(&format!("headers.{}", name.get_ref()));
        let text = match value.get_ref() {
            DeValue::String(text) => Some(SecretText::new(text.to_string())),
            _ => secret::referred(&table.context, &path, key, value),
        };
        if text.as_ref().is_some_and(|text| HeaderValue::from_str(text.expose()).is_err()) {
            let what = format!("`{path}` holds characters that a header must not have");
            problems.error(value.span().start, what, "take out line breaks and control characters");
        }
        let Ok(parsed) = HeaderName::from_bytes(name.get_ref().as_bytes()) else {
            problems.error(at, format!("{} is not the name of a header", quoted(name.get_ref())), key.kind.instead());
            return None;
        };
        if OWN_HEADERS.contains(&parsed.as_str()) || parsed.as_str().starts_with("ce-") {
            problems.error(at, format!("the header {parsed} is the gateway's own"), "take another name");
        }
        Some((parsed, text?))
    };
    entries.iter().filter_map(header).collect()
}

impl From<HttpTarget> for Target {
    fn from(settings: HttpTarget) -> Target {
        Target::new(&KIND, settings)
    }
}

impl Settings for HttpTarget {
    fn describe(&self) -> Option<String> {
        Some(redact::url(&self.url.to_string()))
    }

    fn open(&self, guard: &Guard, concurrency: usize) -> Result<Box<dyn Sink>, SinkError> {
        let endpoint = HttpEndpoint::new(self, concurrency, guard.clone()).map_err(SinkError::new)?;
        Ok(Box::new(endpoint))
    }
}

/// An HTTP endpoint with its own pool of connections (HTTP/1.1 or HTTP/2, as the endpoint wants it).
#[derive(Debug)]
struct HttpEndpoint {
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
enum EndpointError {
    /// A secret that makes no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A header's value has control characters in it.
    #[error("the value of the header {0} cannot be sent: it holds control characters (a line break at its end?)")]
    Header(HeaderName),
    /// No certificate authorities.
    #[error(
        "the system's certificate authorities cannot be read: {0}; install `ca-certificates`, or set SSL_CERT_FILE"
    )]
    Roots(io::Error),
}

impl HttpEndpoint {
    fn new(target: &HttpTarget, concurrency: usize, guard: Guard) -> Result<HttpEndpoint, EndpointError> {
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
    async fn send(&self, parcel: &Parcel, within: Duration) -> Outcome {
        let deadline = Instant::now() + within;
        let request = match self.request(parcel) {
            Ok(request) => request,
            Err(error) => return Outcome::undeliverable(error.to_string()),
        };
        let response = match timeout_at(deadline, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Outcome::unreachable(whole_story(&error)),
            Err(_) => return Outcome::timed_out(format!("no answer within {within:?}")),
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

#[async_trait]
impl Sink for HttpEndpoint {
    async fn attempt(&self, parcels: &[Parcel], within: Duration) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            outcomes.push(self.send(parcel, within).await);
        }
        outcomes
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
/// | 408, 425, 5xx | tried again; `Retry-After` counts |
/// | 429 | the same, and not soon |
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
        _ if status == StatusCode::TOO_MANY_REQUESTS => Advice::RetryLater(after),
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
    use hookgate_settings::testing;

    use super::*;

    fn advice(status: u16, on_4xx: On4xx) -> Option<Advice> {
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, &HeaderMap::new(), b"", on_4xx).result.err().map(|failure| failure.advice)
    }

    #[test]
    fn a_status_means_the_same_under_either_policy_but_for_other_4xx_and_3xx() {
        let retry = Some(Advice::Retry(None));
        let later = Some(Advice::RetryLater(None));
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
            (429, later, later),
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

    #[test]
    fn every_key_is_read() {
        let text = r#"
            url = "https://a.example/hooks?x=1"
            secret = { env = "SIGNING" }
            format = "binary"
            headers = { "x-api-key" = { env = "B" }, x-plain = "text" }
            on-4xx = "dead-letter"
        "#;
        let (read, problems) = testing::read(text, KEYS, |table| read(table, &Egress::default()));
        assert_eq!(problems, []);
        let http = read.unwrap();
        assert_eq!(http.url.to_string(), "https://a.example/hooks?x=1");
        assert_eq!(http.secrets[0].expose(), "a long secret of SIGNING");
        assert_eq!((http.format, http.on_4xx), (Format::Binary, On4xx::DeadLetter));
        let headers: Vec<_> = http.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(headers, [("x-api-key", "a long secret of B"), ("x-plain", "text")]);
    }
}
