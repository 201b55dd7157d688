//! A certificate of the listener's client CA. That the CA vouches for it was checked in the handshake.

use std::sync::Arc;

use async_trait::async_trait;
use hookgate_net::{fetch::Fetcher, tls::ClientCertificate};
use hookgate_settings::{Key, Kind as Takes, Table, key};
use sha2::{Digest, Sha256};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::{Around, Asked, Credentials, Denied, Kind, Prover};

/// This method.
pub const KIND: Kind = Kind { key: key("mtls", Takes::Table(KEYS), "A certificate of `server.tls.client-ca`."), read };

const KEYS: &[Key] = &[key(
    "allow",
    Takes::Texts,
    "Who it may be: `cn:NAME`, `dns:NAME`, `uri:URI` or `sha256:FINGERPRINT`. Without it all whom the client CA vouches for.",
)];

/// Certificates by one of these names; by any where there are none.
#[derive(Clone, Debug)]
pub struct Certificates(Vec<CertificateName>);

/// What a client's certificate may be known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of its subject.
    CommonName(String),
    /// A DNS name among its alternative names, lower case.
    Dns(String),
    /// A URI among them.
    Uri(String),
    /// The SHA-256 of the whole certificate (DER).
    Fingerprint([u8; 32]),
}

fn read(table: &Table<'_>, around: &Around<'_>) -> Option<Box<dyn Asked>> {
    let at = table.place("mtls");
    if !around.asks_for_certificates {
        let what = format!("`{}`: clients are not asked for certificates", table.path_of("mtls"));
        table.problems().error(at, what, "set `client-ca` and `client-auth` below [server.tls]");
    }
    Some(Box::new(Certificates(table.table("mtls").texts("allow", certificate_name))))
}

/// `cn:NAME`, `dns:NAME`, `uri:URI`, `sha256:HEX`.
fn certificate_name(text: &str) -> Result<CertificateName, String> {
    let forms = "is none of cn:NAME, dns:NAME, uri:URI and sha256:FINGERPRINT";
    let (kind, name) = text.split_once(':').filter(|(_, name)| !name.is_empty()).ok_or(forms)?;
    match kind {
        "cn" => Ok(CertificateName::CommonName(name.to_owned())),
        "dns" if name.contains('*') => Err("has a *, and names stand for themselves".to_owned()),
        "dns" => Ok(CertificateName::Dns(name.to_ascii_lowercase())),
        "uri" => Ok(CertificateName::Uri(name.to_owned())),
        "sha256" => {
            let digits: String = name.chars().filter(|c| *c != ':').collect();
            let bytes = hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok());
            bytes
                .map(CertificateName::Fingerprint)
                .ok_or_else(|| "has a fingerprint that is not 64 hex digits".to_owned())
        }
        _ => Err(forms.to_owned()),
    }
}

impl Asked for Certificates {
    fn prover(&self, _: &Fetcher) -> Arc<dyn Prover> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Prover for Certificates {
    async fn prove(&self, credentials: Credentials<'_>) -> Result<String, Denied> {
        prove(&self.0, credentials.certificate)
    }
}

/// What the certificate is known by: the name that lets it in or, where any does, the first one of it.
fn prove(allow: &[CertificateName], shown: Option<&ClientCertificate>) -> Result<String, Denied> {
    // Nothing that could be shown on this connection would help: that is not a 401.
    let forbidden = |why: &str| Denied::Forbidden(why.to_owned(), vec![]);
    let shown = shown.ok_or_else(|| forbidden("the client has shown no certificate"))?;
    let names = names(&shown.0).ok_or_else(|| forbidden("the client's certificate cannot be read"))?;
    let found = names.iter().find(|name| allow.is_empty() || allow.contains(name));
    found.map(shown_as).ok_or_else(|| {
        let all: Vec<String> = names.iter().map(shown_as).collect();
        forbidden(&format!("`allow` has none of the names of the client's certificate: {}", all.join(", ")))
    })
}

/// Every name of a certificate, the speaking ones first.
fn names(der: &[u8]) -> Option<Vec<CertificateName>> {
    let certificate = Certificate::from_der(der).ok()?;
    let tbs = certificate.tbs_certificate();
    let alternative = tbs.get_extension::<SubjectAltName>().ok()?.map(|(_, names)| names.0).unwrap_or_default();
    let alternative = alternative.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(CertificateName::Dns(name.as_str().to_ascii_lowercase())),
        GeneralName::UniformResourceIdentifier(uri) => Some(CertificateName::Uri(uri.as_str().to_owned())),
        _ => None,
    });
    let common = tbs.subject().common_name().ok().flatten();
    let common = common.map(|name| CertificateName::CommonName(name.value().into_owned()));
    let fingerprint = CertificateName::Fingerprint(Sha256::digest(der).into());
    Some(alternative.chain(common).chain([fingerprint]).collect())
}

/// As it is written in the configuration.
fn shown_as(name: &CertificateName) -> String {
    match name {
        CertificateName::CommonName(name) => format!("cn:{name}"),
        CertificateName::Dns(name) => format!("dns:{name}"),
        CertificateName::Uri(uri) => format!("uri:{uri}"),
        CertificateName::Fingerprint(bytes) => format!("sha256:{}", hex::encode(bytes)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use hookgate_settings::testing;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate() -> ClientCertificate {
        let mut params = CertificateParams::new(["Sender.example.com".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "The Sender");
        params.subject_alt_names.push(SanType::URI("spiffe://example.com/sender".try_into().unwrap()));
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ClientCertificate(Arc::new(made.der().clone()))
    }

    #[test]
    fn a_certificate_is_known_by_each_of_its_names_and_no_other() {
        let shown = certificate();
        let fingerprint = CertificateName::Fingerprint(Sha256::digest(&*shown.0).into());
        let fits = [
            CertificateName::Dns("sender.example.com".to_owned()),
            CertificateName::Uri("spiffe://example.com/sender".to_owned()),
            CertificateName::CommonName("The Sender".to_owned()),
            fingerprint,
        ];
        for name in fits {
            assert_eq!(prove(std::slice::from_ref(&name), Some(&shown)).unwrap(), shown_as(&name));
        }
        let others = [
            CertificateName::Dns("the sender".to_owned()),
            CertificateName::CommonName("sender.example.com".to_owned()),
            CertificateName::Uri("spiffe://example.com/sender/x".to_owned()),
            CertificateName::Fingerprint([0; 32]),
        ];
        assert!(matches!(prove(&others, Some(&shown)), Err(Denied::Forbidden(..))));
        assert_eq!(prove(&[], Some(&shown)).unwrap(), "dns:sender.example.com");
        assert!(matches!(prove(&[], None), Err(Denied::Forbidden(..))));
    }

    #[test]
    fn names_are_read_in_their_four_forms() {
        let text = format!(
            "allow = [\"cn:A\", \"dns:A.example\", \"uri:spiffe://a/b\", \"sha256:AA:{}01\"]",
            "00:".repeat(30)
        );
        let (names, problems) = testing::read(&text, KEYS, |table| table.texts("allow", certificate_name));
        assert_eq!(problems, []);
        let mut fingerprint = [0; 32];
        (fingerprint[0], fingerprint[31]) = (0xaa, 1);
        let expected = [
            CertificateName::CommonName("A".to_owned()),
            CertificateName::Dns("a.example".to_owned()),
            CertificateName::Uri("spiffe://a/b".to_owned()),
            CertificateName::Fingerprint(fingerprint),
        ];
        assert_eq!(names, expected);
        for wrong in ["A", "cn:", "dns:*.example", "sha256:AA", "x:y"] {
            let (names, problems) =
                testing::read(&format!("allow = {wrong:?}"), KEYS, |table| table.texts("allow", certificate_name));
            assert!(names.is_empty() && problems.len() == 1, "{wrong}: {problems:?}");
        }
    }

    #[test]
    fn what_is_not_a_certificate_has_no_names() {
        assert!(names(b"").is_none() && names(b"0\x82\xff\xff").is_none());
    }
}
