//! TLS on the listener: certificate, key and client CA from files, which are read again when they change.
//!
//! The files are read every few seconds rather than watched. That notices every way of changing them, including renamed links
//! of Kubernetes' secrets. While new files are invalid the certificate in use stays.

use std::{io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use hookgate_config as config;
use hookgate_model::limits;
use hookgate_net::tls::{ClientCertificate, TlsError, TlsTexts, certificates, server_config};
use hookgate_telemetry::TlsMetrics;
use parking_lot::Mutex;
use rustls::ServerConfig;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_cert::{Certificate, der::Decode};

/// The TLS settings in force.
pub struct Tls {
    files: config::Tls,
    config: ArcSwap<ServerConfig>,
    /// The digest of the last read, so that a mistake is logged once.
    seen: Mutex<[u8; 32]>,
    metrics: TlsMetrics,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read or is invalid.
    pub fn load(files: config::Tls) -> Result<Arc<Tls>, TlsError> {
        let texts = config::read_tls_files(&files, &config::ProcessEnvironment)?;
        let config = server_config(&texts, files.client_auth)?;
        let metrics = TlsMetrics::new();
        metrics.expires.set(expiry(&texts));
        let seen = Mutex::new(digest(&Ok(texts)));
        Ok(Arc::new(Tls { files, config: ArcSwap::from_pointee(config), seen, metrics }))
    }

    /// Makes the handshake with a connected peer.
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

    /// Reads the files again every few seconds, and when notified. Never ends.
    pub async fn keep_up(self: Arc<Self>, now: Arc<Notify>) {
        loop {
            let _ = timeout(limits::TLS_FILES_EVERY, now.notified()).await;
            let tls = self.clone();
            // Reading files must not block the threads of the runtime.
            if let Err(error) = tokio::task::spawn_blocking(move || tls.read_again()).await {
                tracing::error!(%error, "the files of server.tls could not be read again");
            }
        }
    }

    fn read_again(&self) {
        let texts = config::read_tls_files(&self.files, &config::ProcessEnvironment);
        let found = digest(&texts);
        let seen = std::mem::replace(&mut *self.seen.lock(), found);
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

/// The certificate of the client on a connection, if it has one.
pub fn client_certificate<S>(stream: &TlsStream<S>) -> Option<ClientCertificate> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    Some(ClientCertificate(Arc::new(certificate.clone().into_owned())))
}

/// When the certificate of the listener expires, in seconds since the epoch; 0 if that is unknown.
fn expiry(texts: &TlsTexts) -> f64 {
    let first = certificates(&texts.certificate).ok().and_then(|chain| chain.into_iter().next());
    let certificate = first.and_then(|der| Certificate::from_der(&der).ok());
    let until = certificate.map(|it| it.tbs_certificate().validity().not_after.to_unix_duration());
    until.unwrap_or_default().as_secs_f64()
}

/// Distinguishes states of the files.
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
    use hookgate_config::{ClientAuth, SecretText};
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn texts(certificate: &str, key: &str, client_ca: Option<&str>) -> TlsTexts {
        let text = |text: &str| SecretText::new(text.to_owned());
        TlsTexts { certificate: text(certificate), key: text(key), client_ca: client_ca.map(text) }
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
