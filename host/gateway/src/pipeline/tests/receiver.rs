//! A receiver of webhooks on loopback that does what a test wants.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, extract::State, response::Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::{net::TcpListener, sync::Notify};

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Script = dyn Fn(usize, Seen) -> Answer + Send + Sync;

struct Inner {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    count: AtomicUsize,
    came: Notify,
}

/// Runs until the runtime ends.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
}

impl Receiver {
    /// Answers the request number n (from 0) as the script says.
    pub async fn start<F, A>(script: F) -> Receiver
    where
        F: Fn(usize, Seen) -> A + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=1", listener.local_addr().unwrap());
        let script: Box<Script> = Box::new(move |n, seen| Box::pin(script(n, seen)));
        let (seen, count, came) = (Mutex::default(), AtomicUsize::new(0), Notify::new());
        let inner = Arc::new(Inner { script, seen, count, came });
        let router = Router::new().fallback(handle).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { url, inner }
    }

    /// Answers the nth request with the nth status, and all further ones with the last.
    pub async fn with_statuses(statuses: &'static [u16]) -> Receiver {
        Receiver::start(move |n, _| async move { status(statuses[n.min(statuses.len() - 1)]) }).await
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub async fn has_seen(&self, count: usize) -> Vec<Seen> {
        let coming = async {
            loop {
                let came = self.inner.came.notified();
                let seen = self.seen();
                if seen.len() >= count {
                    return seen;
                }
                came.await;
            }
        };
        super::within(&format!("{count} requests"), coming).await
    }
}

async fn handle(State(inner): State<Arc<Inner>>, request: axum::extract::Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path_and_query().unwrap().to_string();
    let seen = Seen { method: head.method.to_string(), path, headers: head.headers, body };
    let number = inner.count.fetch_add(1, Ordering::SeqCst);
    inner.seen.lock().unwrap().push(seen.clone());
    inner.came.notify_waiters();
    (inner.script)(number, seen).await
}

/// An empty answer.
pub fn status(status: u16) -> Response {
    answer(status, &[], Body::empty())
}

/// Any answer.
pub fn answer(status: u16, headers: &[(&str, &str)], body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// A body without an end.
pub fn endless(chunk: &'static str) -> Body {
    let chunks = futures_util::stream::repeat_with(move || Ok::<_, std::convert::Infallible>(chunk));
    Body::from_stream(chunks)
}

/// A body that says something and then nothing more, without ending.
pub fn stalling(chunk: &'static str) -> Body {
    use futures_util::StreamExt;
    let first = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(chunk)]);
    Body::from_stream(first.chain(futures_util::stream::pending()))
}
