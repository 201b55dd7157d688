//! The client of a bucket: `object_store` speaks S3 over hyper, as all other clients here do.

use std::time::Duration;

use async_trait::async_trait;
use hookgate_config::Bucket;
use hookgate_model::limits;
use hookgate_net::egress::tls_config;
use http_body_util::BodyExt;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::{
        HttpClient, HttpConnector as Connect, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};

/// How long a connection may lie idle.
const IDLE: Duration = Duration::from_secs(30);

/// A client of the bucket; nothing is connected yet.
pub(super) fn client(bucket: &Bucket) -> Result<AmazonS3, object_store::Error> {
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 3,
        retry_timeout: limits::CLAIM_STORE_TIME_MAX,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_access_key_id(bucket.access_key.expose())
        .with_secret_access_key(bucket.secret_key.expose())
        .with_retry(retry)
        .with_http_connector(Hyper);
    let encrypted = match &bucket.endpoint {
        None => true,
        Some(endpoint) => {
            builder = builder.with_endpoint(endpoint).with_allow_http(true);
            endpoint.starts_with("https:")
        }
    };
    // TLS protects parts on their way; hashing them again would cost as much as storing them.
    builder.with_unsigned_payload(encrypted).build()
}

#[derive(Debug)]
struct Hyper;

impl Connect for Hyper {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let generic = |source| object_store::Error::Generic { store: "S3", source };
        let tls = tls_config(true).map_err(|error| generic(Box::new(error)))?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector.build());
        Ok(HttpClient::new(Carrier(client)))
    }
}

#[derive(Debug)]
struct Carrier(Client<HttpsConnector<HttpConnector>, HttpRequestBody>);

#[async_trait]
impl HttpService for Carrier {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answered = tokio::time::timeout(limits::CLAIM_STORE_TIME_MAX, self.0.request(request)).await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Interrupted };
                return Err(HttpError::new(kind, error));
            }
            Err(late) => return Err(HttpError::new(HttpErrorKind::Timeout, late)),
        };
        let (head, body) = response.into_parts();
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}
