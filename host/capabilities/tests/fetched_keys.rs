//! Keys out of fetched documents: which count, for what, and when they must be fetched.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ed25519_dalek::Signer as _;
use hookgate_capabilities::{
    CapabilityError, Delivery, FetchedKeys, Found, JsonValue, KeyDocument, KeyError, KeyFormat, KeyRequest, KeySet,
    OwnedKeyField, Part, Request, Scheme, Secrets,
};
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

const CERTIFICATE: &str = include_str!("certificate.pem");
/// With the common name `Amazon` and three alternative names.
const NAMED_CERTIFICATE: &str = include_str!("certificate-with-names.pem");
/// 2023-11-14, within the validity of the certificate: 2020 to 2120.
const NOW: u64 = 1_700_000_000_000;

/// One document for every URL.
struct AtHand {
    found: Found,
    outdated: AtomicBool,
}

impl FetchedKeys for AtHand {
    fn find(&self, _: &KeyRequest) -> Found {
        self.found.clone()
    }

    fn may_be_outdated(&self, _: &KeyRequest) -> bool {
        self.outdated.load(Ordering::SeqCst)
    }
}

const ANY: KeyFormat<'static> = KeyFormat::Certificate(&[]);

fn request(format: KeyFormat<'_>) -> KeyRequest {
    KeyRequest { url: "https://keys.example/".to_owned(), format: format.into(), fields: Vec::new(), at: String::new() }
}

fn delivery(received_at: u64, keys: Option<Arc<AtHand>>) -> Delivery {
    let request = Request {
        method: "POST".to_owned(),
        url: "https://hooks.example/in/a".to_owned(),
        headers: Vec::new(),
        received_at,
        body: "body".into(),
    };
    let delivery = Delivery::new(Arc::new(request), Arc::default(), Arc::new(Secrets::new(BTreeMap::new())));
    match keys {
        Some(keys) => delivery.with_keys(keys),
        None => delivery,
    }
}

fn at_hand(format: KeyFormat<'_>, document: &str) -> Arc<AtHand> {
    let keys = KeyDocument::read(&format.into(), "", document.as_bytes()).unwrap();
    Arc::new(AtHand { found: Found::Document(Arc::new(keys), 7), outdated: AtomicBool::new(false) })
}

fn opened(received_at: u64, format: KeyFormat<'_>, document: &str) -> KeySet {
    delivery(received_at, Some(at_hand(format, document))).try_fetched_keys(request(format)).unwrap().unwrap()
}

fn p256() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn p256_jwk(id: &str) -> Value {
    let point = p256().verifying_key().to_sec1_point(false);
    let (x, y) = (BASE64.encode(&point.as_bytes()[1..33]), BASE64.encode(&point.as_bytes()[33..]));
    json!({ "kty": "EC", "crv": "P-256", "kid": id, "alg": "ES256", "use": "sig", "x": x, "y": y, "expired_at": null })
}

fn es256(message: &[u8]) -> Vec<u8> {
    let signature: Signature = p256::ecdsa::signature::Signer::sign(&p256(), message);
    signature.to_bytes().to_vec()
}

const ES256: Scheme = Scheme::EcdsaP256Sha256Fixed;

#[test]
fn a_key_of_a_set_verifies_over_the_body_and_for_its_own_algorithm_only() {
    let set = json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "a" }, p256_jwk("a"), p256_jwk("b")] }).to_string();
    let keys = opened(NOW, KeyFormat::Jwk, &set);
    let signature = es256(b"a.body");
    let message = [Part::Bytes(b"a."), Part::Body];
    assert_eq!(keys.verify_signature(Some("a"), ES256, &message, &signature), Ok(true));
    assert_eq!(keys.verify_signature(None, ES256, &message, &signature), Ok(true));
    assert_eq!(keys.verify_signature(Some("a"), ES256, &[Part::Body], &signature), Ok(false));
    assert_eq!(keys.verify_signature(Some("a"), Scheme::RsaPkcs1Sha256, &message, &signature), Ok(false));
    let der = Signature::from_slice(&signature).unwrap().to_der();
    assert_eq!(keys.verify_signature(Some("a"), Scheme::EcdsaP256Sha256, &message, der.as_bytes()), Ok(false));
    assert_eq!(keys.member(Some("b"), "expired_at"), Some(JsonValue::Null));
    assert_eq!(keys.member(Some("b"), "use"), Some(JsonValue::Text("sig".to_owned())));
    assert_eq!((keys.member(Some("b"), "no"), keys.member(Some("c"), "use")), (None, None));
}

#[test]
fn ed25519_keys_count_and_a_key_may_stand_alone_and_deep() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(key.verifying_key().as_bytes()) });
    let answer = json!({ "request_id": "r", "a/b": { "key": jwk } }).to_string();
    let keys = KeyDocument::read(&KeyFormat::Jwk.into(), "/a~1b/key", answer.as_bytes()).unwrap();
    let source = AtHand { found: Found::Document(Arc::new(keys), 1), outdated: AtomicBool::new(false) };
    let keys = delivery(NOW, Some(Arc::new(source))).try_fetched_keys(request(KeyFormat::Jwk)).unwrap().unwrap();
    let signature = key.sign(b"body").to_vec();
    assert_eq!(keys.verify_signature(None, Scheme::Ed25519, &[Part::Body], &signature), Ok(true));
    assert!(KeyDocument::read(&KeyFormat::Jwk.into(), "/key", answer.as_bytes()).is_err());
}

#[test]
fn an_unknown_key_id_is_needed_while_a_newer_document_may_have_it() {
    let source = at_hand(KeyFormat::Jwk, &p256_jwk("a").to_string());
    let keys = delivery(NOW, Some(source.clone())).try_fetched_keys(request(KeyFormat::Jwk)).unwrap().unwrap();
    let unknown = || keys.try_verify_signature(Some("b"), ES256, &[Part::Body], &[]);
    assert_eq!(unknown(), Ok(Err(KeyError::UnknownKey)));
    source.outdated.store(true, Ordering::SeqCst);
    match unknown() {
        Err(CapabilityError::KeysNeeded(need)) => assert_eq!(need.newer_than, Some(7)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_at_hand_is_needed_and_what_is_not_allowed_is_told() {
    let open = |found| {
        let source = AtHand { found, outdated: AtomicBool::new(true) };
        delivery(NOW, Some(Arc::new(source))).try_fetched_keys(request(KeyFormat::Jwk))
    };
    assert_eq!(open(Found::Never(KeyError::NotAllowed)).unwrap().unwrap_err(), KeyError::NotAllowed);
    for (needed, expected) in [(open(Found::Needed(Some(3))), Some(3)), (open(Found::Needed(None)), None)] {
        match needed {
            Err(CapabilityError::KeysNeeded(need)) => assert_eq!(need.newer_than, expected),
            other => panic!("{other:?}"),
        }
    }
    let without_id = delivery(NOW, None).try_fetched_keys(request(KeyFormat::Jwk));
    assert!(matches!(without_id, Err(CapabilityError::KeysNeeded(_))));
}

#[test]
fn a_certificate_counts_within_its_validity() {
    let within = opened(NOW, ANY, CERTIFICATE);
    assert_eq!(within.verify_signature(None, Scheme::RsaPkcs1Sha256, &[Part::Body], &[0; 256]), Ok(false));
    for (year, millis) in [(2019, 1_546_300_800_000), (2121, 4_765_132_800_000)] {
        let outside = opened(millis, ANY, CERTIFICATE);
        let answer = outside.verify_signature(None, Scheme::RsaPkcs1Sha256, &[Part::Body], &[0; 256]);
        assert_eq!(answer, Err(KeyError::Expired), "{year}");
    }
    assert_eq!(within.member(None, "kty"), None);
    let chain = format!("{CERTIFICATE}{CERTIFICATE}\r\n");
    assert!(KeyDocument::read(&ANY.into(), "", chain.as_bytes()).is_ok());
}

#[test]
fn a_certificate_is_for_its_names_and_for_nobody_else() {
    let cases: [(&str, &[&str], bool); 11] = [
        (CERTIFICATE, &["sns.amazonaws.com"], true),
        (CERTIFICATE, &["SNS.AmazonAWS.com"], true),
        (CERTIFICATE, &["other.example", "sns.amazonaws.com"], true),
        (CERTIFICATE, &["amazonaws.com"], false),
        (CERTIFICATE, &["x.sns.amazonaws.com"], false),
        (CERTIFICATE, &[""], false),
        (NAMED_CERTIFICATE, &["sns.amazonaws.com"], true),
        (NAMED_CERTIFICATE, &["eu.sns.example"], true),
        (NAMED_CERTIFICATE, &["a.eu.sns.example"], false),
        (NAMED_CERTIFICATE, &["sns.example"], false),
        (NAMED_CERTIFICATE, &["example.com"], false),
    ];
    for (certificate, names, fits) in cases {
        let read = KeyDocument::read(&KeyFormat::Certificate(names).into(), "", certificate.as_bytes());
        assert_eq!(read.is_ok(), fits, "{names:?}: {:?}", read.err());
    }
}

#[test]
fn a_request_for_keys_is_bounded() {
    let asked =
        |request| delivery(NOW, Some(at_hand(KeyFormat::Jwk, &p256_jwk("a").to_string()))).try_fetched_keys(request);
    let request = || request(KeyFormat::Jwk);
    let field = |text: &str| ("id".to_owned(), OwnedKeyField::Text(text.to_owned()));
    assert!(asked(request()).is_ok());
    for long in [
        KeyRequest { at: "/a".repeat(4 << 10), ..request() },
        KeyRequest { fields: vec![field(&"x".repeat(4 << 10))], ..request() },
        KeyRequest { fields: vec![field("x"); 17], ..request() },
        KeyRequest { url: format!("https://keys.example/{}", "x".repeat(4 << 10)), ..request() },
        KeyRequest { format: KeyFormat::Certificate(&["x"; 5000]).into(), ..request() },
    ] {
        assert!(matches!(asked(long), Err(CapabilityError::KeyRequestTooLong(_))));
    }
}

#[test]
fn documents_without_a_key_that_verifies_are_none() {
    let changed = |name: &str, value: Value| {
        let mut jwk = p256_jwk("a");
        jwk[name] = value;
        jwk.to_string()
    };
    let cases = [
        String::new(),
        "<html>".to_owned(),
        "{}".to_owned(),
        r#"{"keys":[]}"#.to_owned(),
        r#"{"keys":[1,null,"a",[]]}"#.to_owned(),
        changed("use", json!("enc")),
        changed("key_ops", json!(["sign"])),
        changed("crv", json!("P-521")),
        changed("kty", json!("oct")),
        changed("x", json!("AAAA")),
        changed("x", json!("not base64!")),
        json!({ "kty": "RSA", "n": BASE64.encode([0x81; 128]), "e": "AQAB" }).to_string(),
        json!({ "kty": "RSA", "n": BASE64.encode(vec![0x81; 5000]), "e": "AQAB" }).to_string(),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" }).to_string(),
        "[".repeat(100_000),
    ];
    for case in cases {
        assert!(KeyDocument::read(&KeyFormat::Jwk.into(), "", case.as_bytes()).is_err(), "{case:.60}");
    }
    for case in
        ["", "-----BEGIN ", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "\x30\x03\x02\x01\x01"]
    {
        assert!(KeyDocument::read(&ANY.into(), "", case.as_bytes()).is_err(), "{case}");
    }
}

proptest! {
    #[test]
    fn any_document_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..2000) {
        let _ = KeyDocument::read(&ANY.into(), "", &bytes);
        let _ = KeyDocument::read(&KeyFormat::Jwk.into(), "/keys/0", &bytes);
        let cut = cut.min(CERTIFICATE.len());
        let _ = KeyDocument::read(&ANY.into(), "", &CERTIFICATE.as_bytes()[..cut]);
    }
}
