//! Authorities, certificates, and clients that speak TLS.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use hookgate_tests::{Delivery, Gateway, within};
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// An authority that vouches for servers and clients.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority of the tests");
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// For the gateway at 127.0.0.1.
    pub fn server(&self) -> Pair {
        self.issue(CertificateParams::new(["127.0.0.1".to_owned()]).unwrap(), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// For a client with a common name, a DNS name and a URI made of `name`.
    pub fn client(&self, name: &str) -> Pair {
        let mut params = CertificateParams::new([format!("{name}.example.com")]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names.push(SanType::URI(format!("spiffe://example.com/{name}").try_into().unwrap()));
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Pair {
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Pair {
    /// As the files that `[server.tls]` of the tests names.
    pub fn write(&self, directory: &Path) {
        std::fs::write(directory.join("key.pem"), &self.key).unwrap();
        std::fs::write(directory.join("certificate.pem"), &self.certificate).unwrap();
    }
}

/// A client that knows one authority.
#[derive(Clone)]
pub struct TlsClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What came back: status, body, version of HTTP.
pub type Answer = (u16, String, Version);

impl TlsClient {
    /// HTTP/2 where the server has it.
    pub fn new(authority: &Authority, own: Option<&Pair>) -> TlsClient {
        let connector = HttpsConnectorBuilder::new().with_tls_config(config(authority, own)).https_only();
        TlsClient(Client::builder(TokioExecutor::new()).build(connector.enable_all_versions().build()))
    }

    /// HTTP/1.1, each request on a connection of its own.
    pub fn without_pool(authority: &Authority) -> TlsClient {
        let connector = HttpsConnectorBuilder::new().with_tls_config(config(authority, None)).https_only();
        let mut builder = Client::builder(TokioExecutor::new());
        TlsClient(builder.pool_max_idle_per_host(0).build(connector.enable_http1().build()))
    }

    /// The answer to a delivery; the error where the connection did not come about or broke.
    pub async fn send(&self, gateway: &Gateway, source: &str, delivery: &Delivery) -> Result<Answer, String> {
        let url = format!("https://{}/in/{source}", gateway.deliveries());
        let mut request = Request::builder().method("POST").uri(url);
        for (name, value) in &delivery.headers {
            request = request.header(name.as_str(), value.as_slice());
        }
        let request = request.body(Full::new(Bytes::from(delivery.body.clone()))).unwrap();
        let answer =
            within("an answer over TLS", self.0.request(request)).await.map_err(|error| format!("{error:?}"))?;
        let (status, version) = (answer.status().as_u16(), answer.version());
        let body = answer.into_body().collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned(), version))
    }
}

fn config(authority: &Authority, own: Option<&Pair>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    }
}
