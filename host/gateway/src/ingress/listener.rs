//! Accepts connections up to a bound, of which each address has a share, and closes them gracefully.
//!
//! When all places are taken, the connection that has rested for longest makes room for the next one.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use hookgate_model::limits;
use hookgate_telemetry::ServerMetrics;
use hyper::{Request, Response, body::Incoming};
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    conversation::{Answer, ConnectionPolicy},
    progress::Progress,
    rates::Failures,
    resting::Holders,
    shares::{NoRoom, Share, Shares, Size},
    shutdown::Shutdown,
    tls::Tls,
};
use hookgate_net::client::Client;

/// A bound socket, ready to serve.
pub struct Listener {
    socket: TcpListener,
    places: Arc<Shares>,
    connections: Arc<Holders<Progress>>,
    policy: ConnectionPolicy,
}

/// The bounds of a listener.
pub struct Bounds {
    /// The number of open connections. Further ones wait.
    pub connections: usize,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Addresses that may have all of a room; every other address has a share.
    pub exempt: Vec<IpNet>,
    /// For a head, for taking an answer, and for an HTTP/2 connection without open work.
    pub header_timeout: Duration,
}

impl Listener {
    /// Binds an address; port 0 takes a free one. `metrics` count its connections and early refusals.
    pub async fn bind(address: SocketAddr, bounds: Bounds, metrics: Option<ServerMetrics>) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let policy = ConnectionPolicy {
            header_timeout: bounds.header_timeout,
            metrics,
            tls: None,
            trusted_proxies: bounds.trusted_proxies.into(),
            requests: Shares::new(limits::REQUESTS_BYTES_MAX, bounds.exempt.clone()),
            refusals: Arc::new(Failures::for_log()),
        };
        let places = Shares::new(bounds.connections as u64, bounds.exempt);
        Ok(Listener { socket, places, connections: Holders::new(), policy })
    }

    /// Speaks only TLS, if `tls` is given.
    pub fn with_tls(mut self, tls: Option<Arc<Tls>>) -> Self {
        self.policy.tls = tls;
        self
    }

    /// The bound address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until the shutdown, then until the connections are done or the drain time-out is over. A request on a
    /// connection whose client has shown a certificate has a [`hookgate_net::tls::ClientCertificate`] among its extensions.
    pub async fn serve<S, F, B>(self, service: S, mut shutdown: Shutdown)
    where
        S: Fn(Request<Incoming>, Client) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Answer,
    {
        // Every connection holds a sender: when all are gone, so are the connections.
        let (open, mut ended) = mpsc::channel::<Infallible>(1);
        let mut warned_at = None;
        loop {
            let (stream, peer, place) = tokio::select! {
                () = shutdown.wait() => break,
                accepted = self.accept() => accepted,
            };
            let Some(place) = place else {
                warn_at_most_once_a_minute(&mut warned_at, peer);
                continue;
            };
            let progress = Progress::new();
            let registration = self.connections.add(progress.clone());
            let (policy, service, shutdown) = (self.policy.clone(), service.clone(), shutdown.clone());
            let conversation = policy.converse(stream, peer, progress.clone(), service, shutdown);
            let open = open.clone();
            tokio::spawn(async move {
                let ended = tokio::select! {
                    ended = conversation => ended,
                    () = progress.needed() => Err("its place was needed".into()),
                };
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection ended early");
                }
                drop((open, registration, place));
            });
        }
        drop((self.socket, open));
        if timeout(shutdown.drain_timeout, ended.recv()).await.is_err() {
            tracing::warn!("connections were still busy when the drain time-out was over, and were cut");
        }
    }

    /// The next connection, with its place. Without one if its address has its share.
    async fn accept(&self) -> (TcpStream, SocketAddr, Option<Share>) {
        let (stream, peer) = loop {
            match self.socket.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => {
                    // Usually out of descriptors. Trying again at once would spin.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        // Replies are small, and must not wait for more bytes.
        let _ = stream.set_nodelay(true);
        let place = self.place(peer).await;
        (stream, peer, place)
    }

    /// A place for a connection; `None` if its address has its share. While all places are taken it pushes a resting connection
    /// out and waits.
    async fn place(&self, peer: SocketAddr) -> Option<Share> {
        let mut place = self.places.of_client(peer.into());
        loop {
            match place.take(1, Size::Small) {
                Ok(()) => return Some(place),
                Err(NoRoom::OverShare) => return None,
                Err(NoRoom::Full) => {
                    self.connections.push_out(|_| true);
                    let _ = timeout(limits::RESTING_TIME_MIN / 4, self.places.freed()).await;
                }
            }
        }
    }
}

/// The warning names the remedy for a proxy that is not configured. A flood of connections must not flood the log.
fn warn_at_most_once_a_minute(warned_at: &mut Option<Instant>, peer: SocketAddr) {
    if warned_at.is_some_and(|at| at.elapsed() < Duration::from_secs(60)) {
        return;
    }
    *warned_at = Some(Instant::now());
    tracing::warn!(
        %peer,
        "an address has its share of all connections, and further ones are closed. If it is your proxy, add it to \
         server.trusted-proxies"
    );
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn start(connections: usize, exempt: Vec<IpNet>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let bounds =
            Bounds { connections, trusted_proxies: Vec::new(), exempt, header_timeout: Duration::from_secs(600) };
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), bounds, None).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = Shutdown::new(Duration::ZERO);
        let serving = tokio::spawn(async move {
            listener.serve(|_, _| async { Response::new(Full::<Bytes>::default()) }, shutdown).await;
            drop(stop);
        });
        (address, serving)
    }

    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let read = timeout(Duration::from_secs(30), stream.read_to_string(&mut answer)).await;
        read.expect("no answer within 30 s").unwrap();
        answer
    }

    #[tokio::test]
    async fn an_address_does_not_get_all_connections() {
        let (address, serving) = start(4, Vec::new()).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        // Accepted in their order: the first two have been, once the third is closed.
        let mut third = TcpStream::connect(address).await.unwrap();
        assert_eq!(third.read(&mut [0; 1]).await.unwrap_or(0), 0);
        // Those with a place are served, and leave it to others.
        for stream in &mut held {
            let answer = ask(stream).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        serving.abort();
    }

    #[tokio::test]
    async fn a_connection_that_rests_makes_room_for_the_next_one() {
        let (address, serving) = start(3, super::super::this_machine().to_vec()).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(TcpStream::connect(address).await.unwrap());
        }
        let mut next = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut next).await.starts_with("HTTP/1.1 200"));
        assert_eq!(held[0].read(&mut [0; 1]).await.unwrap_or(0), 0, "the one that has rested for longest is closed");
        assert!(ask(&mut held[2]).await.starts_with("HTTP/1.1 200"), "the others are not");
        serving.abort();
    }
}
