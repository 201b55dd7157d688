//! What a plugin reads of a delivery.

mod common;

use bytes::Bytes;
use common::delivery;
use hookgate_capabilities::{Body, ByteRange, Delivery, Digest, Encoding, Part, Payload, SecretError};

#[test]
fn headers_are_found_in_any_case_and_in_order() {
    let delivery = delivery(b"", &["k"]);
    assert_eq!(delivery.header("X-ONE"), Some(b"1".to_vec()));
    assert_eq!(delivery.headers("x-One"), [b"1".to_vec(), b"3".to_vec()]);
    assert_eq!(delivery.header("x-three"), None);
    assert_eq!(delivery.header_names(), ["x-one", "x-two"]);
}

#[test]
fn the_first_query_parameter_counts_and_is_decoded() {
    let delivery = delivery(b"", &["k"]);
    let cases = [("name", Some("a b!")), ("empty", Some("")), ("other", None)];
    for (name, value) in cases {
        assert_eq!(delivery.query(name).as_deref(), value, "{name}");
    }
}

#[test]
fn the_body_is_cut_where_it_ends() {
    let delivery = delivery(b"0123456789", &["k"]);
    let cases = [((0, 3), "012"), ((8, 9), "89"), ((10, 1), ""), ((11, 1), ""), ((u64::MAX, u64::MAX), "")];
    for ((offset, length), expected) in cases {
        assert_eq!(delivery.body(offset, length), expected.as_bytes(), "{offset} {length}");
    }
    assert_eq!(delivery.body_length(), 10);
    assert_eq!(hex::encode(delivery.body_digest(Digest::Md5)), "781e5e245d69b566979b86e28d23f2c7");
}

#[test]
fn in_transform_every_secret_is_missing() {
    let delivery = delivery(b"", &["k"]);
    let past = Delivery::without_secrets(delivery.request().clone(), Default::default());
    assert_eq!(past.secret("key", Encoding::Utf8, None).unwrap_err(), SecretError::Missing);
}

#[test]
fn a_payload_is_a_part_of_the_body_or_bytes_of_its_own() {
    let body = Bytes::from_static(b"0123456789");
    let range = |offset, length| Payload::BodyRange(ByteRange { offset, length });
    assert_eq!(Payload::Body.of(&body).unwrap(), body);
    assert_eq!(range(2, 3).of(&body).unwrap(), "234");
    assert_eq!(range(10, 0).of(&body).unwrap(), "");
    assert_eq!(Payload::Bytes(b"own".to_vec()).of(&body).unwrap(), "own");
    assert!(range(9, 2).of(&body).is_err());
}

/// As received it is one body, decoded another: plugins read the second, and signatures may be of either.
#[test]
fn a_body_with_a_content_coding_is_read_decoded_and_signed_in_one_form_at_a_time() {
    let digest = |delivery: &Delivery| delivery.body_digest(Digest::Sha256);
    let of_text = |text: &[u8]| digest(&delivery(text, &["k"]));
    let mac_of_text = |text: &[u8]| common::secret(text, &["k"], Encoding::Utf8).mac(Digest::Sha256, &[Part::Body]);

    let as_received = delivery(b"coded", &["k"]).with_body(Body::Memory(r#"{"id":"1"}"#.into()));
    let decoded = as_received.clone().signed_as_decoded();
    assert!(as_received.has_content_coding() && !decoded.has_content_coding());
    for (delivery, signed, other) in
        [(&as_received, &b"coded"[..], &br#"{"id":"1"}"#[..]), (&decoded, br#"{"id":"1"}"#, b"coded")]
    {
        assert_eq!(delivery.body(0, 100), br#"{"id":"1"}"#);
        assert_eq!((delivery.body_length(), digest(delivery)), (10, of_text(signed)));
        let secret = delivery.secret("key", Encoding::Utf8, None).unwrap();
        assert!(secret.verify_mac(Digest::Sha256, &[Part::Body], &mac_of_text(signed)));
        assert!(!secret.verify_mac(Digest::Sha256, &[Part::Body], &mac_of_text(other)));
        // Ranges are of what the plugin reads.
        assert!(secret.verify_mac(Digest::Sha256, &[Part::BodyRange((0, 10))], &mac_of_text(br#"{"id":"1"}"#)));
    }
    assert!(!delivery(b"plain", &["k"]).with_body(Body::Memory("plain".into())).has_content_coding());
}
