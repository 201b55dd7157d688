//! The client of `send` and of the commands that talk to a gateway.

use std::{error::Error, io, time::Duration};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// The time from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer, in bytes.
const ANSWER_MAX: usize = 256 << 20;

/// An HTTP client: no redirects, no proxies.
pub struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl HttpClient {
    /// For URLs like this one; the system's certificate authorities are read for `https` only.
    pub fn new(url: &http::Uri) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = HttpsConnectorBuilder::new();
        let builder = match url.scheme_str() {
            Some("https") => builder.with_native_roots().context(
                "the system's certificate authorities cannot be read; install `ca-certificates`, or set SSL_CERT_FILE",
            )?,
            _ => builder.with_tls_config(
                rustls::ClientConfig::builder()
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth(),
            ),
        };
        let connector = builder.https_or_http().enable_http1().build();
        Ok(HttpClient(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
        let url = request.uri().clone();
        let exchange = async {
            let response = match self.0.request(request).await {
                Ok(response) => response,
                Err(error) => bail!("{}", explain(&error, &url).await),
            };
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("the answer of {url} broke off: {error}"))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let answer = tokio::time::timeout(TIMEOUT, exchange).await;
        answer.with_context(|| format!("{url} gave no answer within {} seconds", TIMEOUT.as_secs()))?
    }
}

/// Why there is no answer, and what to check.
async fn explain(error: &legacy::Error, url: &Uri) -> String {
    let (host, is_tls) = (url.host().unwrap_or_default(), url.scheme_str() == Some("https"));
    let at = url.authority().map_or(host, |authority| authority.as_str());
    let io = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let tls = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let http = causes(error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
    match (tls, http, io) {
        (Some(rustls::Error::InvalidMessage(_)), ..) => format!("{at} does not speak TLS; try http://"),
        (Some(rustls::Error::InvalidCertificate(why)), ..) => {
            format!("the certificate of {at} is not trusted: {why}; SSL_CERT_FILE names a file of authorities that are")
        }
        (Some(why), ..) => format!("{at}: the TLS handshake failed: {why}"),
        (.., Some(io::ErrorKind::ConnectionRefused)) => {
            format!("nothing listens at {at}; is the gateway running there?")
        }
        (.., Some(io::ErrorKind::UnexpectedEof)) if is_tls => {
            format!("{at} ended the TLS handshake; if it does not speak TLS, try http://")
        }
        (None, Some(why), _) if why.is_parse() && !is_tls => {
            format!("{at} does not answer in HTTP; if it speaks TLS, try https://")
        }
        (None, Some(why), _) if why.is_incomplete_message() => {
            format!("{at} ended the connection without an answer; if it speaks TLS, try https://")
        }
        _ if error.is_connect() && !resolves(host).await => format!("the name {host} does not resolve"),
        _ => {
            let why = causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
            format!("{url} cannot be reached: {why}")
        }
    }
}

/// An error and its causes, the innermost last.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    // What an I/O error was made of is not its source.
    let inner = |error: &'e (dyn Error + 'static)| -> Option<&'e (dyn Error + 'static)> {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    };
    std::iter::successors(Some(error), move |error| inner(*error))
}

async fn resolves(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    tokio::net::lookup_host((host, 0)).await.is_ok()
}

/// Reads an `http` or `https` URL from the command line.
pub fn parse_url(text: &str) -> Result<http::Uri, String> {
    let url: http::Uri = text.parse().map_err(|error| format!("no URL: {error}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err("write it whole: http://127.0.0.1:8080/in/stripe".to_owned()),
    }
}
