//! The client of `send` and of the commands that talk to a gateway.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

/// From connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
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
        let url = request.uri().to_string();
        let exchange = async {
            let response = self.0.request(request).await.with_context(|| format!("{url} cannot be reached"))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("the answer of {url} broke off: {error}"))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let answer = tokio::time::timeout(TIMEOUT, exchange).await;
        answer.with_context(|| format!("{url} gave no answer within {} seconds", TIMEOUT.as_secs()))?
    }
}

/// Reads an `http` or `https` URL from the command line.
pub fn parse_url(text: &str) -> Result<http::Uri, String> {
    let url: http::Uri = text.parse().map_err(|error| format!("no URL: {error}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err("write it whole: http://127.0.0.1:8080/in/stripe".to_owned()),
    }
}
