//! A destination: a real HTTP server that records its requests and answers as configured.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{sign, wait::within};

/// What the gateway signs with for the receiver.
pub const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const UUID_LENGTH: usize = 36;

/// A listening receiver; gone when dropped.
pub struct Receiver {
    address: SocketAddr,
    received: watch::Receiver<Vec<Received>>,
    server: JoinHandle<()>,
}

/// One request that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// When.
    pub at: Instant,
    /// Upper case.
    pub method: String,
    /// With the query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The status that it was answered.
    pub answered: u16,
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
}

impl Answer {
    /// At once, with that status.
    pub fn status(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: String::new(), delay: Duration::ZERO }
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<String>) -> Answer {
        self.body = body.into();
        self
    }

    /// After that long.
    pub fn after(mut self, delay: Duration) -> Answer {
        self.delay = delay;
        self
    }
}

impl Receiver {
    /// Answers everything 200.
    pub async fn start() -> Receiver {
        Receiver::answering(|_, _| Answer::status(200)).await
    }

    /// Answers the first requests as listed, all further ones as the last.
    pub async fn sequence(answers: Vec<Answer>) -> Receiver {
        Receiver::answering(move |_, count| answers.get(count).or(answers.last()).cloned().unwrap()).await
    }

    /// Answers with a function of the request and of the number of earlier requests.
    pub async fn answering(answer: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, received) = watch::channel(Vec::new());
        let shared = Arc::new(Shared { answer: Box::new(answer), tell, seen: Mutex::new(0) });
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.take(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Receiver { address, received, server }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where events are to be posted.
    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Everything that came so far.
    pub fn all(&self) -> Vec<Received> {
        self.received.borrow().clone()
    }

    /// Waits until that many have come, and gives all.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(&format!("{count} requests at the receiver"), |received| received.len() >= count).await
    }

    /// Waits, for as long as it takes, until more than that many have come, and gives all.
    pub async fn wait_for_more(&self, count: usize) -> Vec<Received> {
        self.received.clone().wait_for(|all| all.len() > count).await.unwrap().clone()
    }

    /// Waits until what has come fits, and gives all.
    pub async fn wait_until(&self, what: &str, fits: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let mut received = self.received.clone();
        within(what, async { received.wait_for(|all| fits(all)).await.unwrap().clone() }).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The receiver's answer to a request, given the number of earlier ones.
type Answering = Box<dyn Fn(&Received, usize) -> Answer + Send + Sync>;

struct Shared {
    answer: Answering,
    tell: watch::Sender<Vec<Received>>,
    seen: Mutex<usize>,
}

impl Shared {
    async fn take(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let at = Instant::now();
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let mut received = Received {
            at,
            method: head.method.to_string(),
            path: head.uri.to_string(),
            headers: head.headers,
            body,
            answered: 0,
        };
        let count = {
            let mut seen = self.seen.lock().unwrap();
            *seen += 1;
            *seen - 1
        };
        let answer = (self.answer)(&received, count);
        received.answered = answer.status;
        self.tell.send_modify(|all| all.push(received));
        tokio::time::sleep(answer.delay).await;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(*name, value);
        }
        response.body(Full::new(Bytes::from(answer.body))).unwrap()
    }
}

impl Received {
    /// A header as text; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {:?}", self.body))
    }

    /// The id of the event, as `hookgate-event` gives it: in `webhook-id` a dash stands where that has a full stop.
    pub fn event_id(&self) -> String {
        let id = self.header("webhook-id");
        match id.split_at_checked(UUID_LENGTH) {
            Some((uuid, rest)) if !rest.is_empty() => format!("{uuid}.{}", &rest[1..]),
            _ => id.to_owned(),
        }
    }

    /// Whether the signature fits the exact body under that secret, as the Standard Webhooks specification says.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).unwrap();
        let expected = sign::hmac_sha256(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", &self.body]);
        let expected = format!("v1,{}", STANDARD.encode(expected));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// The CloudEvent in structured mode that a request carries, with its signature checked.
#[track_caller]
pub fn verified_event(received: &Received) -> Value {
    assert!(received.is_signed_by(WEBHOOK_SECRET), "the signature is wrong: {received:?}");
    let content_type = received.header("content-type");
    assert!(content_type.starts_with("application/cloudevents+json"), "{content_type}");
    let event = received.json();
    assert_eq!(event["specversion"], "1.0", "{event}");
    for required in ["id", "source", "type"] {
        assert!(event[required].as_str().is_some_and(|text| !text.is_empty()), "{required} is missing: {event}");
    }
    event
}
