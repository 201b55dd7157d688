//! Connections to checked addresses only.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hookgate_model::limits;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::Service;

use super::{Guard, Refused};

/// How long an address may keep the next one waiting (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Resolves a name, asks the guard, and connects to the very addresses that passed.
///
/// It knows no proxies. Whatever way a host is written (`127.1`, `0x7f000001`, a name), it is what it resolves to that
/// is checked.
#[derive(Clone, Debug)]
pub struct Connector {
    guard: Arc<Guard>,
    /// Whether `http` leads to every address that the guard lets pass, or to those only that the configuration names.
    plain: Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    Anywhere,
    NamedOnly,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL has no host.
    #[error("the destination's url names no host")]
    NoHost,
    /// The name does not resolve.
    #[error("the host {0} cannot be resolved: {1}")]
    Resolve(String, io::Error),
    /// None of its addresses may be connected to.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What is fetched without TLS is worth no more than the network it comes over.
    #[error(
        "http is not used for {0}: write https, or, where the network between is yours, add its address to `allow` below \
         `[egress]`"
    )]
    Plain(String),
    /// No address answered.
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// It took too long.
    #[error("no connection to {0} within {time:?}", time = limits::CONNECT_TIME_MAX)]
    TimedOut(String),
}

impl Connector {
    /// A connector under a guard.
    pub fn new(guard: Guard) -> Connector {
        Connector { guard: Arc::new(guard), plain: Plain::Anywhere }
    }

    /// As [`Connector::new`], but `http` leads only to addresses that the configuration names.
    pub fn mostly_tls(guard: Guard) -> Connector {
        Connector { guard: Arc::new(guard), plain: Plain::NamedOnly }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let guard = self.guard.clone();
        let named_only = self.plain == Plain::NamedOnly && url.scheme_str() != Some("https");
        Box::pin(async move {
            let (host, port) = host_and_port(&url)?;
            let connecting = async {
                let mut addresses = allowed(&guard, resolve(host, port).await?)?;
                addresses.retain(|address| !named_only || guard.names(address.ip()));
                if addresses.is_empty() {
                    return Err(ConnectError::Plain(host.to_owned()));
                }
                connect_any(addresses).await
            };
            let stream = timeout(limits::CONNECT_TIME_MAX, connecting).await;
            stream.map_err(|_| ConnectError::TimedOut(host.to_owned()))?.map(TokioIo::new)
        })
    }
}

fn host_and_port(url: &Uri) -> Result<(&str, u16), ConnectError> {
    let host = url.host().filter(|host| !host.is_empty()).ok_or(ConnectError::NoHost)?;
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    Ok((host, port))
}

/// All addresses of a host; a literal address is its own.
async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let failed = |error| ConnectError::Resolve(host.to_owned(), error);
    let addresses: Vec<_> = lookup_host((host, port)).await.map_err(failed)?.collect();
    if addresses.is_empty() { Err(failed(io::Error::other("it has no addresses"))) } else { Ok(addresses) }
}

/// The addresses that the guard lets pass; its refusal of the first one where none does.
fn allowed(guard: &Guard, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ConnectError> {
    let mut refusal = None;
    let mut passed = Vec::new();
    for address in addresses {
        match guard.check(address.ip()) {
            Ok(()) => passed.push(address),
            Err(refused) => refusal = refusal.or(Some(refused)),
        }
    }
    passed.truncate(limits::CONNECT_ADDRESSES_MAX);
    match refusal {
        Some(refused) if passed.is_empty() => Err(refused.into()),
        _ => Ok(passed),
    }
}

/// The first connection that comes about. An address that does not answer soon gets the next one beside it; one that
/// fails gets it at once.
async fn connect_any(addresses: Vec<SocketAddr>) -> Result<TcpStream, ConnectError> {
    let mut waiting = addresses.into_iter();
    let mut running = JoinSet::new();
    let mut failure = ConnectError::NoHost;
    loop {
        if let Some(address) = waiting.next() {
            running.spawn(async move { (address, TcpStream::connect(address).await) });
        } else if running.is_empty() {
            return Err(failure);
        }
        tokio::select! {
            Some(ended) = running.join_next() => match ended {
                Ok((_, Ok(stream))) => {
                    // A signed request is one small write: nothing is gained by holding it back.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok((address, Err(error))) => failure = ConnectError::Connect(address, error),
                Err(error) => tracing::error!(%error, "a connection attempt broke down"),
            },
            () = sleep(NEXT_ADDRESS_AFTER), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn loopback() -> Guard {
        Guard::new(vec!["127.0.0.0/8".parse().unwrap()])
    }

    async fn connect(guard: Guard, url: &str) -> Result<SocketAddr, ConnectError> {
        let stream = Connector::new(guard).call(url.parse().unwrap()).await?;
        Ok(stream.inner().peer_addr().unwrap())
    }

    #[tokio::test]
    async fn every_spelling_of_a_refused_host_is_refused() {
        let urls = [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://localhost/",
            "https://localhost:8443/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0/",
        ];
        for url in urls {
            match connect(Guard::default(), url).await {
                Err(ConnectError::Refused(_)) => {}
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_allowed_address_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(connect(loopback(), &format!("http://127.1:{}/", address.port())).await.unwrap(), address);
    }

    #[tokio::test]
    async fn without_tls_only_named_addresses_are_fetched_from() {
        let mut connector = Connector::mostly_tls(loopback());
        let public = connector.call("http://203.0.114.1/keys".parse().unwrap()).await;
        assert!(matches!(public, Err(ConnectError::Plain(_))), "{public:?}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        connector.call(url.parse().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn refused_addresses_of_a_name_are_left_out() {
        let addresses = ["10.0.0.1:80", "127.0.0.1:80", "[::1]:80"].map(|address| address.parse().unwrap());
        assert_eq!(allowed(&loopback(), addresses.to_vec()).unwrap(), [addresses[1]]);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let stream = connect_any(vec![closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
    }

    #[tokio::test]
    async fn a_closed_port_is_said_to_be_refused() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = connect(loopback(), &format!("http://{closed}/")).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Connect(address, _) if *address == closed), "{error}");
    }
}
