//! The HTTP client behind the guard: TLS with the system's certificate authorities, HTTP/1.1 or HTTP/2.

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use hookgate_model::limits;
use http::HeaderValue;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};

use super::Connector;

/// How long a connection may lie idle.
const IDLE: Duration = Duration::from_secs(60);
/// How soon a dead HTTP/2 connection is noticed: the time between two pings, and the time for the answer.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_ANSWER: Duration = Duration::from_secs(10);

/// Who asks.
pub const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("hookgate/", env!("CARGO_PKG_VERSION")));

/// Connects to checked addresses only, and keeps connections for the next request.
pub type HttpClient = Client<HttpsConnector<Connector>, Full<Bytes>>;

/// No redirects and no proxies: the client knows neither. `idle` connections are kept for each host.
///
/// # Errors
/// The system's certificate authorities, which are read for `tls` only, cannot be.
pub fn client(tls: bool, idle: usize, connector: Connector) -> io::Result<HttpClient> {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls_config(tls)?)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(idle)
        .http1_max_buf_size(limits::ANSWER_HEAD_BYTES_MAX)
        .http2_max_header_list_size(limits::ANSWER_HEAD_BYTES_MAX as u32)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_ANSWER)
        .build(connector))
}

/// The system's certificate authorities; none of them are read for a client that has no use for them.
pub fn tls_config(needed: bool) -> io::Result<rustls::ClientConfig> {
    use hyper_rustls::ConfigBuilderExt;
    let provider = rustls::crypto::ring::default_provider();
    let builder = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = if needed {
        builder.with_native_roots()?
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

/// An error and what brought it about.
pub fn whole_story(error: &legacy::Error) -> String {
    let mut causes = Vec::new();
    let mut next: Option<&dyn Error> = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if causes.last().is_none_or(|last: &String| !last.ends_with(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
