//! TLS on a listener: what is made of the texts of its files.

use std::{io, sync::Arc};

use hookgate_capabilities::SecretText;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use strum::{EnumString, VariantNames};

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum ClientAuth {
    /// They are not.
    #[default]
    None,
    /// Those with one show it.
    Optional,
    /// There is no connection without one.
    Required,
}

/// The certificate that a client has shown, and that the client CA vouches for.
#[derive(Clone, Debug)]
pub struct ClientCertificate(pub Arc<CertificateDer<'static>>);

/// What the files hold, as text in PEM.
pub struct TlsTexts {
    /// The listener's certificate, and those between it and its authority.
    pub certificate: SecretText,
    /// Its private key: PKCS#8, PKCS#1 or SEC1.
    pub key: SecretText,
    /// The authorities of clients' certificates.
    pub client_ca: Option<SecretText>,
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
    ca: &SecretText,
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

/// The certificates of a text.
///
/// # Errors
/// It is not PEM.
pub fn certificates(pem: &SecretText) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem.expose().as_bytes()).collect()
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
        let text = |text: &str| SecretText::new(text.to_owned());
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
}
