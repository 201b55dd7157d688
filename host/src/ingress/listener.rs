//! Connections: accepted up to a bound, each with time limits, and let go of gracefully.
//!
//! ```text
//! room, a share of it -> TLS, where it is configured -> begin (the first head) -> hyper over a patient stream
//! ```
//!
//! Whatever a sender does or leaves undone, its connection ends: without a head, by the header time-out; when it reads no
//! answer, by the same time without progress; on HTTP/2 with nothing under way, by being told to go and then cut.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Body, Frame, Incoming, SizeHint},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Refused,
    begin::{Beginning, begin, turn_away},
    patient::Patient,
    shares::Shares,
    tls::{ClientCertificate, Tls, client_certificate},
};
use crate::{
    limits,
    telemetry::{ServerMetrics, TraceId},
};

/// A bound socket, ready to serve.
pub struct Listener {
    socket: TcpListener,
    connections: Arc<Semaphore>,
    shares: Arc<Shares>,
    manner: Manner,
}

/// What a listener grants.
pub struct Bounds {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Who may have all of them; everybody else has a share.
    pub exempt: Vec<IpNet>,
    /// For a head, for taking an answer, and for an HTTP/2 connection with nothing under way.
    pub header_timeout: Duration,
}

/// How each connection is treated.
#[derive(Clone)]
struct Manner {
    header_timeout: Duration,
    /// Of the listener for providers only.
    metrics: Option<ServerMetrics>,
    tls: Option<Arc<Tls>>,
}

/// The body of an answer: in memory, or something that a refusal can take the place of.
pub trait Answer: Body<Data = Bytes, Error: Into<Failure>> + From<Full<Bytes>> + Unpin + Send + 'static {}

impl<B: Body<Data = Bytes, Error: Into<Failure>> + From<Full<Bytes>> + Unpin + Send + 'static> Answer for B {}

/// Told to all listeners: stop accepting, finish what is in flight, be done by the drain time-out.
#[derive(Clone)]
pub struct Shutdown {
    stopped: watch::Receiver<bool>,
    /// How long connections may take to finish.
    pub drain_timeout: Duration,
}

impl Shutdown {
    /// The signal, and what sends it.
    pub fn new(drain_timeout: Duration) -> (watch::Sender<bool>, Self) {
        let (stop, stopped) = watch::channel(false);
        (stop, Shutdown { stopped, drain_timeout })
    }

    /// Resolves when it is time to stop.
    pub async fn wait(&mut self) {
        // An error means that the sender is gone: nobody will say it any more.
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }
}

impl Listener {
    /// Binds an address; port 0 takes a free one. `metrics` count its connections and what is refused before a request.
    pub async fn bind(address: SocketAddr, bounds: Bounds, metrics: Option<ServerMetrics>) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Listener {
            socket,
            connections: Arc::new(Semaphore::new(bounds.connections)),
            shares: Shares::new(limits::connections_of_address(bounds.connections), bounds.exempt),
            manner: Manner { header_timeout: bounds.header_timeout, metrics, tls: None },
        })
    }

    /// Speaks TLS and nothing else, where there is one.
    pub fn with_tls(mut self, tls: Option<Arc<Tls>>) -> Self {
        self.manner.tls = tls;
        self
    }

    /// Where it really listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until told to stop, then until the connections are done or the drain time-out is over. A request on a
    /// connection whose client has shown a certificate has a [`ClientCertificate`] among its extensions.
    pub async fn serve<S, F, B>(self, service: S, mut shutdown: Shutdown)
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Answer,
    {
        // Every connection holds a sender: when all are gone, so are the connections.
        let (open, mut ended) = mpsc::channel::<Infallible>(1);
        let mut told = None;
        loop {
            let (stream, peer, permit) = tokio::select! {
                () = shutdown.wait() => break,
                accepted = accept(&self.socket, &self.connections) => accepted,
            };
            let Some(share) = self.shares.take(peer.ip()) else {
                tell_at_most_once_a_minute(&mut told, peer);
                continue;
            };
            let conversation = self.manner.clone().converse(stream, peer, service.clone(), shutdown.clone());
            let open = open.clone();
            tokio::spawn(async move {
                if let Err(error) = conversation.await {
                    tracing::debug!(%peer, %error, "a connection ended early");
                }
                drop((open, share, permit));
            });
        }
        drop((self.socket, open));
        if timeout(shutdown.drain_timeout, ended.recv()).await.is_err() {
            tracing::warn!("connections were still busy when the drain time-out was over, and were cut");
        }
    }
}

/// Why a connection ended early.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Manner {
    /// One connection from its first byte to its end.
    async fn converse<S, F, B>(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        service: S,
        mut shutdown: Shutdown,
    ) -> Result<(), Failure>
    where
        S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Answer,
    {
        let _open = self.metrics.as_ref().map(|metrics| Open::new(metrics.clone()));
        let Some(tls) = self.tls.clone() else { return self.talk(stream, peer, None, service, shutdown).await };
        // Below TLS too: what TLS still has to send waits for the peer when it is flushed, not when it is written.
        let stream = Patient::new(Bytes::new(), stream, self.header_timeout);
        let stream = tokio::select! {
            biased;
            accepted = tls.accept(stream, self.header_timeout) => accepted?,
            () = shutdown.wait() => return Ok(()),
        };
        let certificate = client_certificate(&stream);
        self.talk(stream, peer, certificate, service, shutdown).await
    }

    /// What is said on a connection, from the first head on.
    async fn talk<T, S, F, B>(
        self,
        mut stream: T,
        peer: SocketAddr,
        certificate: Option<ClientCertificate>,
        service: S,
        mut shutdown: Shutdown,
    ) -> Result<(), Failure>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
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
                return Ok(turn_away(stream, self.refuse(&refused, peer), self.header_timeout).await?);
            }
            Beginning::Speaks(first, http2) => (first, http2),
        };
        let stream = Patient::new(first, stream, self.header_timeout);
        let heard = stream.heard();
        let service = move |mut request: Request<Incoming>, peer| {
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            service(request, peer)
        };
        let ended = self.serve(stream, peer, service, shutdown, http2).await;
        let early = ended.as_ref().err().and_then(|error| error.downcast_ref());
        if let Some(refused) = early.and_then(|error| early_refusal(error, heard.unanswered())).filter(|_| !http2) {
            self.refuse(&refused, peer);
        }
        ended
    }

    /// Has hyper speak HTTP. On HTTP/2 the connection is let go of when nothing is under way for long; on HTTP/1 hyper
    /// waits for the next head no longer than that.
    async fn serve<T, S, F, B>(
        &self,
        stream: Patient<T>,
        peer: SocketAddr,
        service: S,
        mut shutdown: Shutdown,
        http2: bool,
    ) -> Result<(), Failure>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Answer,
    {
        let manner = self.clone();
        let activity = Arc::new(Activity::default());
        let watched = activity.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let (manner, service, busy) = (manner.clone(), service.clone(), watched.begin());
            async move {
                // hyper counts the headers of HTTP/1 only.
                let response = match request.headers().len() > limits::HEADERS_MAX {
                    true => manner.refuse(&Refused::HeadTooLarge, peer).map(B::from),
                    false => service(request, peer).await,
                };
                Ok::<_, Infallible>(response.map(|body| Sending { body, _busy: busy }))
            }
        });
        let builder = connection_builder(self.header_timeout);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
        let (mut stopping, mut asked_to_go) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                () = shutdown.wait(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = nothing_under_way(&activity, self.header_timeout), if http2 => {
                    if asked_to_go {
                        return Err("nothing was under way any more, and the peer did not go".into());
                    }
                    asked_to_go = true;
                    connection.as_mut().graceful_shutdown();
                    // From here on it has the same time once more.
                    drop(activity.begin());
                }
            }
        }
    }

    /// Counts and logs a request that did not get as far as the service, and makes the answer.
    fn refuse(&self, refused: &Refused, peer: SocketAddr) -> Response<Full<Bytes>> {
        let (cause, inside, trace) = (refused.row().cause, refused.inside(), TraceId::random().to_string());
        if let Some(metrics) = &self.metrics {
            metrics.refusals.count(cause);
        }
        tracing::info!(cause, %peer, trace, inside, "a request was refused before it was one");
        let mut response = refused.response(&trace);
        if let Ok(value) = HeaderValue::from_str(&trace) {
            response.headers_mut().insert("hookgate-trace", value);
        }
        response
    }
}

/// What hyper turned away by itself, with an empty answer or none. A connection on which nothing was begun is only idle.
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

/// Counts a connection for as long as it is open.
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

/// The requests under way on a connection, and when that last changed.
struct Activity(Mutex<(usize, Instant)>);

/// A request under way.
struct Busy(Arc<Activity>);

impl Default for Activity {
    fn default() -> Self {
        Activity(Mutex::new((0, Instant::now())))
    }
}

impl Activity {
    fn begin(self: &Arc<Self>) -> Busy {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        Busy(self.clone())
    }

    /// Since when nothing is under way; none while something is.
    fn idle_since(&self) -> Option<Instant> {
        let (under_way, changed) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (under_way == 0).then_some(changed)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut activity = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *activity = (activity.0.saturating_sub(1), Instant::now());
    }
}

/// The body of an answer: its request is under way until the last of it is sent.
struct Sending<B> {
    body: B,
    _busy: Busy,
}

impl<B: Body + Unpin> Body for Sending<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Resolves when nothing has been under way for so long.
async fn nothing_under_way(activity: &Activity, time: Duration) {
    loop {
        match activity.idle_since() {
            None => sleep(time).await,
            Some(since) if since.elapsed() >= time => return,
            Some(since) => sleep_until(since + time).await,
        }
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
        .max_concurrent_streams(256)
        .max_header_list_size(limits::HEAD_BYTES_MAX as u32);
    builder
}

/// The warning names the way out for a proxy that was forgotten; a flood of connections must not become one of lines.
fn tell_at_most_once_a_minute(told: &mut Option<Instant>, peer: SocketAddr) {
    if told.is_some_and(|told| told.elapsed() < Duration::from_secs(60)) {
        return;
    }
    *told = Some(Instant::now());
    tracing::warn!(
        %peer,
        "an address has half of all connections; further ones of it are closed. If it is a proxy of yours, put it into \
         server.trusted-proxies"
    );
}

/// The next connection, once there is room for one.
async fn accept(
    socket: &TcpListener,
    connections: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there always is a permit.
    let permit = connections.clone().acquire_owned().await.ok();
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                // Replies are small and awaited: they must not wait for more.
                let _ = stream.set_nodelay(true);
                return (stream, peer, permit);
            }
            Err(error) => {
                // Out of descriptors, as a rule: trying again at once would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn an_address_does_not_get_all_connections() {
        let bounds = Bounds { connections: 4, exempt: Vec::new(), header_timeout: Duration::from_secs(600) };
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), bounds, None).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, shutdown) = Shutdown::new(Duration::ZERO);
        let serving = tokio::spawn(listener.serve(|_, _| async { Response::new(Full::<Bytes>::default()) }, shutdown));
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        // Accepted in their order: the first two have been, once the third is closed.
        let mut third = TcpStream::connect(address).await.unwrap();
        assert_eq!(third.read(&mut [0; 1]).await.unwrap_or(0), 0);
        // Those with a place are served, and leave it to others.
        for stream in &mut held {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        serving.abort();
    }
}
