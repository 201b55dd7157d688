//! One connection, from its first byte to its end.
//!
//! ```text
//! TLS, where it is configured -> begin (the first head) -> hyper over a patient stream, watched for progress
//! ```
//!
//! Every connection ends, regardless of what its sender does: without a head, after the header time-out; if the sender takes
//! nothing of its answers, after the same time without progress; on HTTP/2 without open work, by GOAWAY and then a cut.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use hookgate_model::{limits, trace::TraceId};
use hookgate_telemetry::ServerMetrics;
use http::HeaderValue;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{
    Refused,
    begin::{Beginning, begin, turn_away},
    head,
    patient::Patient,
    progress::{Failure, Finding, Progress},
    rates::Failures,
    shares::{Share, Shares, Size},
    shutdown::Shutdown,
    tls::{Tls, client_certificate},
};
use hookgate_net::{client::Client, tls::ClientCertificate};

/// How the connections of a listener are treated.
#[derive(Clone)]
pub struct ConnectionPolicy {
    /// For a head, for taking an answer, and for an HTTP/2 connection without open work.
    pub header_timeout: Duration,
    /// Only of the listener for providers.
    pub metrics: Option<ServerMetrics>,
    pub tls: Option<Arc<Tls>>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Arc<[IpNet]>,
    /// The memory of open requests, without their bodies.
    pub requests: Arc<Shares>,
    /// Refusals of requests that have not reached the service, for the log.
    pub refusals: Arc<Failures>,
}

/// The body of an answer, which can also be a refusal.
pub trait Answer: Body<Data = Bytes, Error: Into<Failure>> + From<Full<Bytes>> + Unpin + Send + 'static {}

impl<B: Body<Data = Bytes, Error: Into<Failure>> + From<Full<Bytes>> + Unpin + Send + 'static> Answer for B {}

/// The fraction of the drain time-out that a connection may take without progress while the gateway stops.
const PART_OF_DRAIN: u32 = 4;

impl ConnectionPolicy {
    /// One connection from its first byte to its end.
    pub async fn converse<S, F, B>(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        progress: Arc<Progress>,
        service: S,
        mut shutdown: Shutdown,
    ) -> Result<(), Failure>
    where
        S: Fn(Request<Incoming>, Client) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Answer,
    {
        let _open = self.metrics.as_ref().map(|metrics| Open::new(metrics.clone()));
        let Some(tls) = self.tls.clone() else {
            return self.talk(stream, peer, progress, None, service, shutdown).await;
        };
        // Below TLS, because TLS waits for the peer when it flushes, not when it writes.
        let stream = Patient::new(Bytes::new(), stream, self.header_timeout);
        let stream = tokio::select! {
            biased;
            accepted = tls.accept(stream, self.header_timeout) => accepted?,
            () = shutdown.wait() => return Ok(()),
        };
        let certificate = client_certificate(&stream);
        self.talk(stream, peer, progress, certificate, service, shutdown).await
    }

    /// Serves a connection from the first head on.
    async fn talk<T, S, F, B>(
        self,
        mut stream: T,
        peer: SocketAddr,
        progress: Arc<Progress>,
        certificate: Option<ClientCertificate>,
        service: S,
        mut shutdown: Shutdown,
    ) -> Result<(), Failure>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>, Client) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Answer,
    {
        let beginning = tokio::select! {
            biased;
            beginning = begin(&mut stream, self.header_timeout) => beginning?,
            () = shutdown.wait() => return Ok(()),
        };
        let (first, http2) = match beginning {
            Beginning::Silent => return Ok(()),
            Beginning::Refused(refused) => {
                return Ok(turn_away(stream, self.refuse(&refused, peer.into()), self.header_timeout).await?);
            }
            Beginning::Speaks(first, http2) => (first, http2),
        };
        let mut stream = Patient::new(first, stream, self.header_timeout);
        if !http2 {
            stream = stream.checking_line_ends();
        }
        let heard = stream.heard();
        let service = move |mut request: Request<Incoming>, client| {
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            service(request, client)
        };
        let ended = self.serve(stream, peer, progress, service, shutdown, http2).await;
        let early = ended.as_ref().err().and_then(|error| error.downcast_ref());
        if let Some(refused) = early.and_then(|error| early_refusal(error, heard.unanswered())).filter(|_| !http2) {
            self.refuse(&refused, peer.into());
        }
        ended
    }

    /// Runs hyper on the connection, and watches its progress. An idle HTTP/2 connection is closed; on HTTP/1 hyper limits the
    /// wait for the next head.
    async fn serve<T, S, F, B>(
        &self,
        stream: Patient<T>,
        peer: SocketAddr,
        progress: Arc<Progress>,
        service: S,
        mut shutdown: Shutdown,
        http2: bool,
    ) -> Result<(), Failure>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>, Client) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Answer,
    {
        let policy = self.clone();
        let working = progress.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let (policy, service, work) = (policy.clone(), service.clone(), working.begin());
            let client = Client::of(peer.ip(), request.headers(), &policy.trusted_proxies);
            // Before anything waits, so that a refused request is dropped at once.
            let admitted = policy.admit(&request, client).map(|memory| (request, memory));
            // In a box of its own, so that its memory is free while the answer waits for the peer.
            Box::pin(async move {
                let response = match admitted {
                    Ok((request, _memory)) => service(request, client).await,
                    Err(refused) => policy.refuse(&refused, client).map(B::from),
                };
                Ok::<_, Infallible>(response.map(|body| work.hand_over(body)))
            })
        });
        let builder = connection_builder(self.header_timeout);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
        let mut patience = self.header_timeout;
        let (mut stopping, mut asked_to_go) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                () = shutdown.wait(), if !stopping => {
                    stopping = true;
                    patience = patience.min(shutdown.drain_timeout / PART_OF_DRAIN);
                }
                found = progress.watch(patience, !http2 && !stopping) => match found {
                    Finding::Overdue if !http2 => return Err("the peer did not take its answer".into()),
                    Finding::Stalled if asked_to_go => return Err("nothing moved any more".into()),
                    // From here on it has the same time again.
                    Finding::Stalled => progress.touch(),
                    Finding::Overdue => {}
                },
            }
            asked_to_go = true;
            connection.as_mut().graceful_shutdown();
        }
    }

    /// Whether a request may reach the service, and its share of the memory of requests.
    fn admit(&self, request: &Request<Incoming>, client: Client) -> Result<Share, Refused> {
        head::check(request)?;
        let bytes = head::memory(request);
        let size = Size::of(bytes, limits::SMALL_REQUEST_BYTES_MAX);
        let mut memory = self.requests.of_client(client);
        memory.take(bytes, size).map_err(|_| Refused::Overloaded)?;
        Ok(memory)
    }

    /// Counts and logs a request that does not reach the service, and makes the answer.
    fn refuse(&self, refused: &Refused, client: Client) -> Response<Full<Bytes>> {
        let (cause, inside, trace) = (refused.cause(), refused.inside(), TraceId::random().to_string());
        if let Some(metrics) = &self.metrics {
            metrics.refusals.count(cause);
        }
        if let Some(untold) = self.refusals.untold(client) {
            let untold = (untold > 0).then_some(untold);
            tracing::info!(cause, %client, trace, inside, untold, "a request was refused before it was complete");
        }
        let mut response = refused.response(&trace);
        if let Ok(value) = HeaderValue::from_str(&trace) {
            response.headers_mut().insert("hookgate-trace", value);
        }
        response
    }
}

/// The refusal behind an error of hyper. A connection on which nothing was begun was only idle.
fn early_refusal(error: &hyper::Error, begun: bool) -> Option<Refused> {
    if error.is_parse_too_large() {
        Some(Refused::HeadTooLarge)
    } else if error.is_parse() {
        Some(Refused::BadRequest)
    } else if error.is_timeout() && begun {
        Some(Refused::HeadTooSlow)
    } else {
        None
    }
}

/// Counts a connection while it is open.
struct Open(ServerMetrics);

impl Open {
    fn new(metrics: ServerMetrics) -> Self {
        metrics.connections.increment(1);
        Open(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.decrement(1);
    }
}

fn connection_builder(header_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        // Some senders close their side once the request is out, and still read the answer.
        .half_close(true)
        .max_headers(limits::HEADERS_MAX)
        .max_buf_size(limits::HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(header_timeout)
        .keep_alive_timeout(header_timeout)
        .max_concurrent_streams(limits::STREAMS_OF_CONNECTION_MAX)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_header_list_size(limits::HEAD_BYTES_MAX as u32);
    builder
}
