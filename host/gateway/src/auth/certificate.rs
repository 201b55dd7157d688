//! Whose a client's certificate is. That the client CA vouches for it was checked in the handshake.

use hookgate_config::CertificateName;
use sha2::{Digest, Sha256};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use super::Denied;
use crate::ingress::ClientCertificate;

/// What the certificate is known by: the name that lets it in or, where any does, the first one of it.
pub fn prove(allow: &[CertificateName], shown: Option<&ClientCertificate>) -> Result<String, Denied> {
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
    fn what_is_no_certificate_is_nobody() {
        assert!(names(b"").is_none() && names(b"0\x82\xff\xff").is_none());
    }
}
