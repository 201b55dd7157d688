//! X.509 certificates (RFC 5280): the key, when it is valid, and for whom.
//!
//! Who issued a certificate is not checked: providers serve the certificate alone, without the issuers that would lead to an
//! authority. See `docs/design.md`, section 5.

use std::ops::RangeInclusive;

use x509_cert::{
    der::{
        self, Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _,
        asn1::{AnyRef, BitStringRef},
        oid::ObjectIdentifier,
    },
    ext::{
        Extensions,
        pkix::{SubjectAltName, name::GeneralName},
    },
    name::Name,
    time::{Time, Validity},
};

/// The end of the first certificate in PEM.
const PEM_END: &str = "-----END CERTIFICATE-----";

/// `id-ce-subjectAltName` (RFC 5280, 4.2.1.6).
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// `id-at-commonName` (RFC 5280, appendix A).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// The optional field `extensions` of a certificate (RFC 5280, 4.1).
const EXTENSIONS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(3) };

/// What counts of a certificate.
pub(crate) struct Certificate {
    /// Milliseconds since the epoch.
    pub(crate) valid: RangeInclusive<u64>,
    /// SubjectPublicKeyInfo in DER.
    pub(crate) key: Vec<u8>,
    /// The DNS names that it is for, and the common name of its subject.
    names: Vec<String>,
}

impl Certificate {
    /// Whether it is for a DNS name: as it stands, in any case, or by a star in place of the first label (RFC 6125, 6.4).
    pub(crate) fn is_for(&self, name: &str) -> bool {
        let below = name.split_once('.').map(|(_, below)| below);
        self.names.iter().any(|known| match known.strip_prefix("*.") {
            Some(known) => below.is_some_and(|below| below.eq_ignore_ascii_case(known)),
            None => known.eq_ignore_ascii_case(name),
        })
    }

    /// Its names, for a message; cut, since the document may come from a stranger.
    pub(crate) fn named(&self) -> String {
        const SHOWN: usize = 100;
        let all = self.names.join(", ");
        if all.is_empty() { "no name".to_owned() } else { all.chars().take(SHOWN).collect() }
    }
}

/// Reads the first certificate of a document, in PEM or DER.
///
/// # Errors
/// In words: it is not a certificate.
pub(crate) fn read(document: &[u8]) -> Result<Certificate, String> {
    let unreadable = |error: der::Error| format!("the document is not an X.509 certificate: {error}");
    if document.trim_ascii().starts_with(b"-----BEGIN ") {
        let text = std::str::from_utf8(document.trim_ascii()).map_err(|error| error.to_string())?;
        // What stands behind the first one is not looked at.
        let end = text.find(PEM_END).ok_or("the document holds no certificate")? + PEM_END.len();
        let (_, certificate) = der::Document::from_pem(&text[..end]).map_err(unreadable)?;
        of_der(certificate.as_bytes()).map_err(unreadable)
    } else {
        of_der(document).map_err(unreadable)
    }
}

/// RFC 5280, 4.1.
fn of_der(certificate: &[u8]) -> der::Result<Certificate> {
    let mut reader = SliceReader::new(certificate)?;
    let read = reader.sequence(|certificate| {
        let read = certificate.sequence(|tbs| {
            let first = AnyRef::decode(tbs)?;
            // Version 1 is left out, and the first is the serial number.
            let before_validity = if first.tag().is_context_specific() { 3 } else { 2 };
            for _ in 0..before_validity {
                AnyRef::decode(tbs)?;
            }
            let validity = Validity::decode(tbs)?;
            let subject = AnyRef::decode(tbs)?.to_der()?;
            let key = AnyRef::decode(tbs)?.to_der()?;
            let mut names = common_names(&subject);
            while !tbs.is_finished() {
                let further = AnyRef::decode(tbs)?;
                if further.tag() == EXTENSIONS {
                    names.extend(alternative_names(further.value()));
                }
            }
            Ok::<_, der::Error>(Certificate { valid: milliseconds(&validity), key, names })
        })?;
        let _algorithm = AnyRef::decode(certificate)?;
        BitStringRef::decode(certificate)?;
        Ok::<_, der::Error>(read)
    })?;
    reader.finish()?;
    Ok(read)
}

fn milliseconds(validity: &Validity) -> RangeInclusive<u64> {
    let millis = |time: &Time| u64::try_from(time.to_unix_duration().as_millis()).unwrap_or(u64::MAX);
    millis(&validity.not_before)..=millis(&validity.not_after).saturating_add(999)
}

/// The common names of a subject; an unreadable subject has none.
fn common_names(subject: &[u8]) -> Vec<String> {
    let Ok(subject) = Name::from_der(subject) else { return Vec::new() };
    let attributes = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    attributes.filter_map(|name| std::str::from_utf8(name.value.value()).ok().map(str::to_owned)).collect()
}

/// Of the extensions.
fn alternative_names(extensions: &[u8]) -> Vec<String> {
    let Ok(extensions) = Extensions::from_der(extensions) else { return Vec::new() };
    let alternatives = extensions.iter().filter(|extension| extension.extn_id == SUBJECT_ALT_NAME);
    let names = alternatives.filter_map(|names| SubjectAltName::from_der(names.extn_value.as_bytes()).ok());
    let dns = |name| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        _ => None,
    };
    names.flat_map(|names| names.0.into_iter().filter_map(dns)).collect()
}
