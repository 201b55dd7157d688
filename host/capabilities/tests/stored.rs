//! Bodies that are not in memory: every answer is the same as for the same bytes in memory.

mod common;

use std::{io, sync::Arc};

use bytes::Bytes;
use common::delivery;
use hookgate_capabilities::{
    Body, ByteRange, CapabilityError, Delivery, Digest, Encoding, Part, Payload, ReadBytes, Scheme,
};
use proptest::prelude::*;

/// Bytes that are read in small blocks, and fail behind a place.
#[derive(Debug)]
struct Blocks {
    bytes: Vec<u8>,
    block: usize,
    broken_from: u64,
}

impl ReadBytes for Blocks {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if offset + into.len() as u64 > self.broken_from {
            return Err(io::Error::other("the disk is gone"));
        }
        let offset = offset as usize;
        into.copy_from_slice(&self.bytes[offset..offset + into.len()]);
        Ok(())
    }

    fn block(&self) -> usize {
        self.block
    }
}

/// Any number of zeros, and a beginning.
#[derive(Debug)]
struct Vast(&'static [u8], u64);

impl ReadBytes for Vast {
    fn length(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        for (at, byte) in (offset..).zip(into) {
            *byte = self.0.get(at as usize).copied().unwrap_or(b' ');
        }
        Ok(())
    }
}

fn stored(bytes: &[u8], block: usize) -> Body {
    Body::stored(Arc::new(Blocks { bytes: bytes.to_vec(), block, broken_from: u64::MAX }))
}

fn kept_elsewhere(bytes: &[u8], block: usize, keys: &[&str]) -> Delivery {
    delivery(b"", keys).with_body(stored(bytes, block))
}

fn secret(delivery: &Delivery, encoding: Encoding) -> hookgate_capabilities::Secret {
    delivery.secret("key", encoding, None).expect("a secret in that encoding")
}

proptest! {
    #[test]
    fn macs_digests_and_stretches_are_the_same(body in any::<Vec<u8>>(), block in 1_usize..9, offset in 0_u64..300, length in 0_u64..300) {
        let (memory, elsewhere) = (delivery(&body, &["k"]), kept_elsewhere(&body, block, &["k"]));
        prop_assert_eq!(memory.body(offset, length), elsewhere.body(offset, length));
        prop_assert_eq!(memory.body_length(), elsewhere.body_length());
        for digest in [Digest::Md5, Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512] {
            prop_assert_eq!(memory.body_digest(digest), elsewhere.body_digest(digest));
            let parts = [Part::Bytes(b"t."), Part::Body, Part::BodyRange((0, body.len() as u64 / 2))];
            let tag = secret(&memory, Encoding::Utf8).mac(digest, &parts);
            prop_assert!(secret(&elsewhere, Encoding::Utf8).verify_mac(digest, &parts, &tag));
            prop_assert!(!secret(&elsewhere, Encoding::Utf8).verify_mac(digest, &parts[1..], &tag));
        }
        let range = Payload::BodyRange(ByteRange { offset, length });
        let own = range.of(&Bytes::from(body.clone())).map(|bytes| bytes.to_vec());
        prop_assert_eq!(range.within(&stored(&body, block)).and_then(|part| part.read(0, length)), own);
    }

    #[test]
    fn json_is_the_same(document in r#"[\[\]{}",:0-9truefalsn\\ue. aé-]{0,24}"#, block in 1_usize..5) {
        let pointers = ["", "/a", "/a/0", "/1"];
        let (memory, elsewhere) = (delivery(document.as_bytes(), &["k"]), kept_elsewhere(document.as_bytes(), block, &["k"]));
        prop_assert_eq!(memory.json(&pointers).ok(), elsewhere.json(&pointers).ok());
    }

    #[test]
    fn bytes_that_are_no_text_are_no_json(mut bytes in any::<Vec<u8>>(), block in 1_usize..5) {
        bytes.insert(0, b'"');
        bytes.push(b'"');
        let (memory, elsewhere) = (delivery(&bytes, &["k"]), kept_elsewhere(&bytes, block, &["k"]));
        prop_assert_eq!(memory.json(&["/a"]).is_ok(), elsewhere.json(&["/a"]).is_ok());
    }
}

#[test]
fn values_keys_and_doubled_keys_are_found_in_pieces() {
    let document =
        r#"{"a": {"b": [1, "zwei ü", {"c": null}], "b": [3, 4]}, "x": "é", "a/b": true, "a": {"b": [5, {"c": "6"}]}}"#;
    let pointers = ["/a/b/0", "/a/b/1/c", "/a/b", "/a/b/2", "/x", "/a~1b", "", "/none"];
    for block in 1..20 {
        let (memory, elsewhere) =
            (delivery(document.as_bytes(), &["k"]), kept_elsewhere(document.as_bytes(), block, &["k"]));
        assert_eq!(memory.json(&pointers), elsewhere.json(&pointers));
    }
}

#[test]
fn what_is_passed_over_is_the_same_in_pieces() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let documents = [
        format!("\u{feff}{{\"a\": {deep}, \"b\": 1}}"),
        r#"{"a": "\ud800", "\udc00": 2, "b": "x"}"#.to_owned(),
        format!("{{\"b\": {deep}"),
    ];
    for document in &documents {
        for pointers in [&["/b"][..], &["/a", "/b"], &["/a/0/0/0"]] {
            let memory = delivery(document.as_bytes(), &["k"]).try_json(pointers).unwrap();
            let elsewhere = kept_elsewhere(document.as_bytes(), 7, &["k"]).try_json(pointers).unwrap();
            assert_eq!(memory, elsewhere);
        }
    }
}

#[test]
fn the_same_value_asked_for_again_and_again_is_bounded_in_pieces_too() {
    let document = format!("{{\"a\": \"{}\"}}", "x".repeat(1 << 20));
    let answer = kept_elsewhere(document.as_bytes(), 4096, &["k"]).try_json(&["/a"; 100]);
    assert_eq!(answer, Err(CapabilityError::AnswerTooLong));
}

#[test]
fn every_kind_of_signature_is_checked_in_pieces() {
    let body = vec![7; 1000];
    let keys = [
        (Scheme::EcdsaP256Sha256, include_str!("keys/ec.pem"), include_str!("keys/ec_pub.pem")),
        (Scheme::EcdsaP256Sha256Fixed, include_str!("keys/ec.pem"), include_str!("keys/ec_pub.pem")),
        (Scheme::EcdsaP256Sha1, include_str!("keys/ec.pem"), include_str!("keys/ec_pub.pem")),
        (Scheme::RsaPkcs1Sha1, include_str!("keys/rsa.pem"), include_str!("keys/rsa_pub.pem")),
        (Scheme::RsaPkcs1Sha256, include_str!("keys/rsa.pem"), include_str!("keys/rsa_pub.pem")),
        (Scheme::RsaPkcs1Sha512, include_str!("keys/rsa.pem"), include_str!("keys/rsa_pub.pem")),
        (Scheme::RsaPssSha256, include_str!("keys/rsa.pem"), include_str!("keys/rsa_pub.pem")),
        (Scheme::RsaPssSha512, include_str!("keys/rsa.pem"), include_str!("keys/rsa_pub.pem")),
        (Scheme::Ed25519, include_str!("keys/ed.pem"), include_str!("keys/ed_pub.pem")),
    ];
    for (scheme, private, public) in keys {
        let parts = [Part::Bytes(b"1."), Part::Body];
        let signature = secret(&delivery(&body, &[private]), Encoding::Utf8).sign(scheme, &parts).unwrap();
        let verifier = secret(&kept_elsewhere(&body, 64, &[public]), Encoding::Utf8);
        assert!(verifier.verify_signature(scheme, &parts, &signature), "{scheme:?}");
        assert!(!verifier.verify_signature(scheme, &parts[1..], &signature), "{scheme:?}");
    }
}

/// A key and an R of small order fit every message where the check is not strict.
#[test]
fn ed25519_in_pieces_is_strict() {
    let weak_key = format!("01{}", "00".repeat(31));
    let mut signature = [0; 64];
    signature[0] = 1;
    let verifier = secret(&kept_elsewhere(b"anything", 3, &[&weak_key]), Encoding::Hex);
    assert!(!verifier.verify_signature(Scheme::Ed25519, &[Part::Body], &signature));
}

#[test]
fn a_body_that_cannot_be_read_ends_the_call() {
    let body = Body::stored(Arc::new(Blocks { bytes: b"[1, 2, 3, 4]".to_vec(), block: 4, broken_from: 6 }));
    let delivery = delivery(b"", &["k"]).with_body(body);
    let unreadable = |error: CapabilityError| matches!(error, CapabilityError::Unreadable(why) if why.contains("disk"));
    assert!(delivery.try_body(0, 12).is_err_and(unreadable));
    assert!(delivery.try_body_digest(Digest::Sha256).is_err_and(unreadable));
    assert!(delivery.try_json(&["/0"]).is_err_and(unreadable));
    let secret = secret(&delivery, Encoding::Utf8);
    assert!(secret.try_verify_mac(Digest::Sha256, &[Part::Body], b"").is_err_and(unreadable));
    assert!(secret.try_verify_signature(Scheme::Ed25519, &[Part::Body], &[0; 64]).is_ok_and(|holds| !holds));
}

#[test]
fn what_comes_into_memory_is_bounded() {
    let vast = |beginning| delivery(b"", &["k"]).with_body(Body::stored(Arc::new(Vast(beginning, 64 << 20))));
    assert_eq!(vast(b"").try_body(0, 17 << 20), Err(CapabilityError::ReadTooLong(17 << 20)));
    assert_eq!(vast(b"").body(0, 1 << 20).len(), 1 << 20);
    // A text without an end where a value is asked for, and in place of a key.
    for document in [&br#"{"a": ""#[..], br#"{""#] {
        assert_eq!(vast(document).try_json(&["/a", "/b/c"]), Err(CapabilityError::AnswerTooLong));
    }
    // A member that is not asked for may have any length.
    for document in [&br#"{"c": ""#[..], br#"{"b": ""#] {
        assert!(vast(document).json(&["/a", "/b/c"]).unwrap_err().starts_with("not JSON"));
    }
    assert!(vast(br#"{"c": 1}"#).json(&["/a"]).is_ok());
}
