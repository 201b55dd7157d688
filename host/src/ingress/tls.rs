//! TLS on the listener: certificate, key and client CA out of files, which are read again when they change.
//!
//! The files are read every few seconds rather than watched: that notices every way of changing them, renamed links of
//! Kubernetes' secrets among them. While something is wrong with new files the certificate in use stays.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_cert::{Certificate, der::Decode};

use crate::{
    config::{self, ClientAuth, Environment},
    limits,
    telemetry::TlsMetrics,
};

/// What the files hold, as text in PEM.
pub struct TlsTexts {
    /// The listener's certificate, and those between it and its authority.
    pub certificate: config::SecretText,
    /// Its private key: PKCS#8, PKCS#1 or SEC1.
    pub key: config::SecretText,
    /// The authorities of clients' certificates.
    pub client_ca: Option<config::SecretText>,
}

/// Why there is no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {0}: {1}; name files in PEM that the gateway's user may read")]
    Unreadable(String, io::Error),
    /// No certificate in `certificate`.
    #[error("there is no certificate in PEM in `server.tls.certificate`; it begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// No key in `key`.
    #[error("there is no private key in PEM in `server.tls.key`; it begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// No certificate in `client-ca`, or one that can be no authority.
    #[error(
        "`server.tls.client-ca` holds no certificate of an authority: {0}; put those in PEM there that clients' have"
    )]
    ClientCa(String),
    /// They do not go together, or are of a kind that is not known here.
    #[error("`server.tls.certificate` and `server.tls.key` cannot be used: {0}; they must belong to each other")]
    Unusable(rustls::Error),
}

/// The certificate that a client has shown, and that the client CA vouches for.
#[derive(Clone, Debug)]
pub struct ClientCertificate(pub Arc<CertificateDer<'static>>);

/// TLS as it is in force.
pub struct Tls {
    files: config::Tls,
    config: ArcSwap<ServerConfig>,
    /// The digest of what was read last, so that what is wrong is told once.
    seen: Mutex<[u8; 32]>,
    metrics: TlsMetrics,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or they make no TLS.
    pub fn load(files: config::Tls) -> Result<Arc<Tls>, TlsError> {
        let texts = read(&files, &config::ProcessEnvironment)?;
        let config = server_config(&texts, files.client_auth)?;
        let metrics = TlsMetrics::new();
        metrics.expires.set(expiry(&texts));
        let seen = Mutex::new(digest(&Ok(texts)));
        Ok(Arc::new(Tls { files, config: ArcSwap::from_pointee(config), seen, metrics }))
    }

    /// The handshake with a peer that has connected.
    ///
    /// # Errors
    /// It failed, or took longer than `time`.
    pub async fn accept<S>(&self, stream: S, time: Duration) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        match timeout(time, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.metrics.done.increment(1);
                Ok(stream)
            }
            Ok(Err(error)) => {
                self.metrics.failed.increment(1);
                Err(error)
            }
            Err(_) => {
                self.metrics.late.increment(1);
                Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took longer than server.header-timeout"))
            }
        }
    }

    /// Reads the files again every few seconds, and when told to. Never ends.
    pub async fn keep_up(self: Arc<Self>, now: Arc<Notify>) {
        loop {
            let _ = timeout(limits::TLS_FILES_EVERY, now.notified()).await;
            let tls = self.clone();
            // Files: nothing to hold up the runtime's own threads with.
            if let Err(error) = tokio::task::spawn_blocking(move || tls.read_again()).await {
                tracing::error!(%error, "the files of server.tls could not be read again");
            }
        }
    }

    fn read_again(&self) {
        let texts = read(&self.files, &config::ProcessEnvironment);
        let found = digest(&texts);
        let seen = std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), found);
        if seen == found {
            return;
        }
        let made = texts.and_then(|texts| Ok((server_config(&texts, self.files.client_auth)?, expiry(&texts))));
        match made {
            Ok((config, expires)) => {
                self.config.store(Arc::new(config));
                self.metrics.expires.set(expires);
                tracing::info!("the files of server.tls have changed and are in use for new connections");
            }
            Err(error) => {
                tracing::error!(%error, "the files of server.tls have changed and cannot be used; the ones before stay");
            }
        }
    }
}

/// The client's certificate on a connection; none where it has shown none.
pub fn client_certificate<S>(stream: &TlsStream<S>) -> Option<ClientCertificate> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    Some(ClientCertificate(Arc::new(certificate.clone().into_owned())))
}

/// The texts of the files.
///
/// # Errors
/// One cannot be read.
pub fn read(files: &config::Tls, environment: &dyn Environment) -> Result<TlsTexts, TlsError> {
    let text = |path: &Path| match environment.file(path) {
        Ok(file) => Ok(file.text),
        Err(error) => Err(TlsError::Unreadable(path.display().to_string(), error)),
    };
    Ok(TlsTexts {
        certificate: text(&files.certificate)?,
        key: text(&files.key)?,
        client_ca: files.client_ca.as_deref().map(text).transpose()?,
    })
}

/// TLS 1.2 and 1.3, for HTTP/2 and HTTP/1.1.
///
/// # Errors
/// Something is missing in the texts or does not fit.
pub fn server_config(texts: &TlsTexts, client_auth: ClientAuth) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&texts.certificate);
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(TlsError::NoCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(texts.key.expose().as_bytes()).map_err(|_| TlsError::NoKey)?;
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(TlsError::Unusable)?;
    let builder = match (client_auth, &texts.client_ca) {
        (ClientAuth::None, _) | (_, None) => builder.with_no_client_auth(),
        (ClientAuth::Optional | ClientAuth::Required, Some(ca)) => {
            builder.with_client_cert_verifier(client_verifier(ca, client_auth, provider)?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn client_verifier(
    ca: &config::SecretText,
    client_auth: ClientAuth,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(ca).map_err(|error| TlsError::ClientCa(error.to_string()))? {
        roots.add(authority).map_err(|error| TlsError::ClientCa(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match client_auth {
        ClientAuth::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| TlsError::ClientCa(error.to_string()))
}

fn certificates(pem: &config::SecretText) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem.expose().as_bytes()).collect()
}

/// When the listener's certificate expires, in seconds since the epoch; 0 where that cannot be told.
fn expiry(texts: &TlsTexts) -> f64 {
    let first = certificates(&texts.certificate).ok().and_then(|chain| chain.into_iter().next());
    let certificate = first.and_then(|der| Certificate::from_der(&der).ok());
    let until = certificate.map(|it| it.tbs_certificate().validity().not_after.to_unix_duration());
    until.unwrap_or_default().as_secs_f64()
}

/// Tells one state of the files from another.
fn digest(texts: &Result<TlsTexts, TlsError>) -> [u8; 32] {
    let mut hash = Sha256::new();
    match texts {
        Ok(texts) => {
            for text in [Some(&texts.certificate), Some(&texts.key), texts.client_ca.as_ref()].into_iter().flatten() {
                hash.update((text.expose().len() as u64).to_be_bytes());
                hash.update(text.expose());
            }
        }
        Err(error) => hash.update(error.to_string()),
    }
    hash.finalize().into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn texts(certificate: &str, key: &str, client_ca: Option<&str>) -> TlsTexts {
        let text = |text: &str| config::SecretText::new(text.to_owned());
        TlsTexts { certificate: text(certificate), key: text(key), client_ca: client_ca.map(text) }
    }

    #[test]
    fn files_that_do_not_go_together_are_told() {
        let ((certificate, key), (_, other)) = (pair(), pair());
        let made = |certificate: &str, key: &str, ca: Option<&str>, client_auth| {
            server_config(&texts(certificate, key, ca), client_auth).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(made(&certificate, &key, None, ClientAuth::None), Ok(()));
        assert_eq!(made(&certificate, &key, Some(&certificate), ClientAuth::Required), Ok(()));
        let cases = [
            (made("", &key, None, ClientAuth::None), "there is no certificate in PEM"),
            (made(&key, &key, None, ClientAuth::None), "there is no certificate in PEM"),
            (made(&certificate, &certificate, None, ClientAuth::None), "there is no private key in PEM"),
            (made(&certificate, &other, None, ClientAuth::None), "must belong to each other"),
            (made(&certificate, &key, Some(""), ClientAuth::Optional), "holds no certificate of an authority"),
            (made(&certificate, &key, Some(&key), ClientAuth::Optional), "holds no certificate of an authority"),
        ];
        for (told, expected) in cases {
            let told = told.unwrap_err();
            assert!(told.contains(expected), "{told}");
            assert!(!told.contains("BEGIN PRIVATE KEY-----\n"), "{told}");
        }
    }

    #[test]
    fn new_files_are_taken_up_and_wrong_ones_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        let files = config::Tls {
            certificate: directory.path().join("certificate"),
            key: directory.path().join("key"),
            client_ca: None,
            client_auth: ClientAuth::None,
        };
        assert!(matches!(Tls::load(files.clone()), Err(TlsError::Unreadable(..))));
        let ((certificate, key), (new_certificate, new_key)) = (pair(), pair());
        write("certificate", &certificate);
        write("key", &key);
        let tls = Tls::load(files).unwrap_or_else(|error| panic!("{error}"));
        let same_after = |tls: &Tls| {
            let before = tls.config.load_full();
            tls.read_again();
            Arc::ptr_eq(&before, &tls.config.load_full())
        };
        assert!(same_after(&tls), "nothing has changed");
        write("certificate", &new_certificate);
        assert!(same_after(&tls), "the key is still the old one");
        write("key", &new_key);
        assert!(!same_after(&tls));
        std::fs::remove_file(directory.path().join("key")).unwrap();
        assert!(same_after(&tls));
    }

    #[test]
    fn the_expiry_is_that_of_the_certificate() {
        let (certificate, key) = pair();
        assert!(expiry(&texts(&certificate, &key, None)) > 4_000_000_000.0, "rcgen's default is the year 4096");
        assert_eq!(expiry(&texts("", "", None)), 0.0);
    }
}
