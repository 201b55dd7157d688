//! A provider's side of HTTP: deliveries and the replies to them.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use crate::wait::within;

/// One request as a provider would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Upper case.
    pub method: String,
    /// What follows the source's URL: a query, or nothing.
    pub suffix: String,
    /// In order; a name may stand there twice.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The exact bytes.
    pub body: Vec<u8>,
}

impl Delivery {
    /// A POST with these headers.
    pub fn post(headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Delivery {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Delivery { method: "POST".to_owned(), suffix: String::new(), headers, body: body.into() }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Delivery {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Without a header.
    pub fn without(mut self, name: &str) -> Delivery {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// With one text of the body replaced by another, as a forger would; the text must be there.
    pub fn tampered(mut self, from: &str, to: &str) -> Delivery {
        let body = String::from_utf8(self.body).unwrap();
        assert!(body.contains(from), "{from:?} is not in the body: {body}");
        self.body = body.replace(from, to).into_bytes();
        self
    }
}

/// What the gateway answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `accepted`, `duplicate` or `answered`; empty on a refusal.
    pub fn outcome(&self) -> &str {
        self.header("hookgate-status").unwrap_or_default()
    }

    /// The ids of `hookgate-event`.
    pub fn events(&self) -> Vec<String> {
        let ids = self.header("hookgate-event").unwrap_or_default();
        ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }

    /// The trace id of `hookgate-trace`.
    pub fn trace(&self) -> &str {
        self.header("hookgate-trace").unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("the reply {} is not JSON: {error}: {}", self.status, self.text()),
        }
    }

    /// Seconds of `retry-after`.
    pub fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.parse().ok()
    }

    /// Checks that it is a success that admitted new events, and gives their ids.
    #[track_caller]
    pub fn accepted(&self) -> Vec<String> {
        self.admitted("accepted")
    }

    /// Checks that it is a success that brought nothing new, and gives the ids of the events that came first.
    #[track_caller]
    pub fn duplicate(&self) -> Vec<String> {
        self.admitted("duplicate")
    }

    #[track_caller]
    fn admitted(&self, outcome: &str) -> Vec<String> {
        assert_eq!((self.status / 100, self.outcome()), (2, outcome), "{self:?}");
        let ids = self.events();
        assert!(!ids.is_empty(), "a success must name its events: {self:?}");
        ids
    }

    /// Checks that it is a refusal of this status: a problem document (RFC 9457) and no word of events.
    #[track_caller]
    pub fn refused(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!((self.outcome(), self.events().len()), ("", 0), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        problem
    }
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

thread_local! {
    // Connections belong to the runtime that made them, and each test has a runtime (and thread) of its own.
    static CLIENT: OnceLock<HttpClient> = const { OnceLock::new() };
}

fn client() -> HttpClient {
    CLIENT.with(|client| client.get_or_init(|| Client::builder(TokioExecutor::new()).build_http()).clone())
}

/// Sends a delivery; none when the connection broke before there was a reply.
pub async fn try_send(url: &str, delivery: &Delivery) -> Option<Reply> {
    let mut request = Request::builder().method(delivery.method.as_str()).uri(format!("{url}{}", delivery.suffix));
    for (name, value) in &delivery.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request = request.header(name, HeaderValue::from_bytes(value).unwrap());
    }
    let request = request.body(Full::new(Bytes::from(delivery.body.clone()))).unwrap();
    let response = client().request(request).await.ok()?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Reply { status: head.status.as_u16(), headers: head.headers, body })
}

/// Sends a delivery and reads the reply, which must come.
pub async fn send(url: &str, delivery: &Delivery) -> Reply {
    let reply = within(&format!("a reply from {url}"), try_send(url, delivery)).await;
    reply.unwrap_or_else(|| panic!("{url} broke the connection before it answered"))
}

/// Gets a page; none if there is no server.
pub async fn get(url: &str) -> Option<Reply> {
    let request = Delivery { method: "GET".to_owned(), suffix: String::new(), headers: Vec::new(), body: Vec::new() };
    within(&format!("a reply from {url}"), try_send(url, &request)).await
}
