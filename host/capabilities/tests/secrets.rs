//! Secrets: what they open as, HMAC and digests against the RFCs, and rotation.

mod common;

use common::{delivery, secret};
use hookgate_capabilities::{CapabilityError, Digest, Encoding, Part, SecretError};

/// Key and data in hex; then HMAC-MD5, -SHA-1 (RFC 2202) or HMAC-SHA-256, -384, -512 (RFC 4231).
const MACS: &[(Digest, &str, &str, &str)] = &[
    (Digest::Md5, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265", "9294727a3638bb1c13f48ef8158bfc9d"),
    (
        Digest::Md5,
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "750c783e6ab0b503eaa86e310a5db738",
    ),
    (
        Digest::Sha1,
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "4869205468657265",
        "b617318655057264e28bc0b6fb378c8ef146be00",
    ),
    (
        Digest::Sha1,
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    ),
    (
        Digest::Sha256,
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "4869205468657265",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        Digest::Sha256,
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        Digest::Sha384,
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "4869205468657265",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
    ),
    (
        Digest::Sha512,
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ),
];

#[test]
fn macs_are_those_of_the_rfcs_however_the_message_is_cut() {
    for (digest, key, data, mac) in MACS {
        let (data, mac) = (hex::decode(data).unwrap(), hex::decode(mac).unwrap());
        let key = secret(&data, &[key], Encoding::Hex);
        let rest = (3, data.len() as u64 - 3);
        for message in [&[Part::Body][..], &[Part::Bytes(&data)], &[Part::Bytes(&data[..3]), Part::BodyRange(rest)]] {
            assert_eq!(key.mac(*digest, message), mac, "{digest:?}");
            assert!(key.verify_mac(*digest, message, &mac), "{digest:?}");
        }
    }
}

#[test]
fn a_key_longer_than_a_block_is_hashed_first() {
    // RFC 4231, section 4.7.
    let key = secret(b"Test Using Larger Than Block-Size Key - Hash Key First", &[&"aa".repeat(131)], Encoding::Hex);
    let mac = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
    assert_eq!(hex::encode(key.mac(Digest::Sha256, &[Part::Body])), mac);
}

#[test]
fn only_the_whole_mac_will_do() {
    let key = secret(b"body", &["key"], Encoding::Utf8);
    let mac = key.mac(Digest::Sha256, &[Part::Body]);
    for cut in 0..mac.len() {
        assert!(!key.verify_mac(Digest::Sha256, &[Part::Body], &mac[..cut]), "{cut} bytes");
    }
    assert!(!key.verify_mac(Digest::Sha256, &[Part::Body], &[mac, vec![0]].concat()));
}

#[test]
fn every_live_version_counts_and_the_newest_signs() {
    let (new, old, gone) = ("new", "old", "gone");
    let live = secret(b"body", &[new, old], Encoding::Utf8);
    let mac_of = |key: &str| secret(b"body", &[key], Encoding::Utf8).mac(Digest::Sha256, &[Part::Body]);
    let cases = [(new, true), (old, true), (gone, false)];
    for (key, counts) in cases {
        assert_eq!(live.verify_mac(Digest::Sha256, &[Part::Body], &mac_of(key)), counts, "{key}");
        assert_eq!(live.equals(key.as_bytes()), counts, "{key}");
    }
    assert_eq!(live.mac(Digest::Sha256, &[Part::Body]), mac_of(new));
}

#[test]
fn a_secret_opens_in_every_encoding_with_and_without_its_prefix() {
    let cases = [
        ("secret", Encoding::Utf8, None),
        ("736563726574", Encoding::Hex, None),
        ("736563726574".to_uppercase().leak(), Encoding::Hex, None),
        ("c2VjcmV0", Encoding::Base64, None),
        ("whsec_c2VjcmV0", Encoding::Base64, Some("whsec_")),
        ("c2VjcmV0", Encoding::Base64, Some("whsec_")),
    ];
    for (text, encoding, prefix) in cases {
        let key = delivery(b"", &[text]).secret("key", encoding, prefix).unwrap();
        assert!(key.equals(b"secret"), "{text}");
    }
    let padded = [
        ("/+8=", Encoding::Base64),
        ("/+8", Encoding::Base64),
        ("_-8=", Encoding::Base64url),
        ("_-8", Encoding::Base64url),
    ];
    for (text, encoding) in padded {
        assert!(secret(b"", &[text], encoding).equals(&[0xff, 0xef]), "{text}");
    }
}

#[test]
fn what_is_no_key_does_not_open() {
    let cases: [(&[&str], Encoding, SecretError); 6] = [
        (&[], Encoding::Utf8, SecretError::Missing),
        (&[""], Encoding::Utf8, SecretError::Undecodable),
        (&["zz"], Encoding::Hex, SecretError::Undecodable),
        (&["abc"], Encoding::Hex, SecretError::Undecodable),
        (&["_-8"], Encoding::Base64, SecretError::Undecodable),
        (&["!", "%"], Encoding::Base64, SecretError::Undecodable),
    ];
    for (versions, encoding, expected) in cases {
        let error = delivery(b"", versions).secret("key", encoding, None).unwrap_err();
        assert_eq!(error, expected, "{versions:?} {encoding:?}");
    }
    assert_eq!(delivery(b"", &["a"]).secret("other", Encoding::Utf8, None).unwrap_err(), SecretError::Missing);
    // A prefix alone is an empty key, under which anyone could sign.
    let only_prefix = delivery(b"", &["whsec_"]).secret("key", Encoding::Base64, Some("whsec_"));
    assert_eq!(only_prefix.unwrap_err(), SecretError::Undecodable);
}

#[test]
fn versions_in_another_form_are_passed_over() {
    let rotated = delivery(b"", &["my raw secret!", "whsec_", "whsec_c2VjcmV0"]);
    let decoded = rotated.secret("key", Encoding::Base64, Some("whsec_")).unwrap();
    assert!(decoded.equals(b"secret"));
    assert!(!decoded.equals(b"my raw secret!") && !decoded.equals(b"whsec_") && !decoded.equals(b""));
    assert!(rotated.secret("key", Encoding::Utf8, None).unwrap().equals(b"my raw secret!"));
    assert_eq!(rotated.secret("key", Encoding::Hex, None).unwrap_err(), SecretError::Undecodable);
}

#[test]
fn a_plain_digest_counts_only_with_the_secret_in_it() {
    let key = secret(b"body", &["new", "old"], Encoding::Utf8);
    let digest = |message: &str| delivery(message.as_bytes(), &["k"]).body_digest(Digest::Sha1);
    assert!(key.verify_digest(Digest::Sha1, &[Part::Body, Part::Secret], &digest("bodyold")));
    assert!(!key.verify_digest(Digest::Sha1, &[Part::Body, Part::Secret], &digest("bodygone")));
    assert!(!key.verify_digest(Digest::Sha1, &[Part::Body], &digest("body")), "anyone can make this one");
}

#[test]
fn derived_secrets_keep_every_version() {
    let key = secret(b"body", &["new", "old"], Encoding::Utf8);
    let old = secret(b"body", &["old&"], Encoding::Utf8);
    assert!(key.with_suffix(b"&").verify_mac(Digest::Sha1, &[Part::Body], &old.mac(Digest::Sha1, &[Part::Body])));
    assert!(key.hashed(Digest::Sha1).equals(&delivery(b"old", &["k"]).body_digest(Digest::Sha1)));
}

#[test]
fn what_the_contract_rules_out_is_an_error_for_the_host() {
    let key = secret(b"0123456789", &["key"], Encoding::Utf8);
    for range in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1), (1, u64::MAX)] {
        let error = key.try_mac(Digest::Sha256, &[Part::BodyRange(range)]).unwrap_err();
        assert!(matches!(error, CapabilityError::OutsideBody { .. }), "{range:?}: {error}");
    }
    assert!(key.try_mac(Digest::Sha256, &[Part::BodyRange((10, 0))]).is_ok());

    let large = secret(&vec![0; 1 << 20], &["key"], Encoding::Utf8);
    assert!(large.try_mac(Digest::Sha256, &[Part::Body, Part::Body]).is_ok());
    let error = large.try_mac(Digest::Sha256, &vec![Part::Body; 1000]).unwrap_err();
    assert!(matches!(error, CapabilityError::MessageTooLong(_)), "{error}");
    assert!(matches!(key.try_with_suffix(&[0; 1 << 16]), Err(CapabilityError::KeyTooLong(_))));
}

#[test]
#[should_panic(expected = "outside the body")]
fn natively_it_is_a_panic() {
    secret(b"", &["key"], Encoding::Utf8).mac(Digest::Sha256, &[Part::BodyRange((0, 1))]);
}

#[test]
fn nothing_of_a_secret_is_shown() {
    let delivery = delivery(b"", &["hunter2"]);
    let shown = format!("{delivery:?} {:?}", delivery.secret("key", Encoding::Utf8, None).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains("104, 117"), "{shown}");
}

/// A plugin that chooses prefixes at run time could find a secret out letter by letter: the MAC under what is left changes
/// when the guess is right.
#[test]
fn only_a_prefix_that_the_descriptor_lists_is_taken_off() {
    let delivery = delivery(b"", &["whsec_c2VjcmV0"]);
    for guess in ["w", "whsec", "whsec_c", "x", ""] {
        let answer = delivery.try_secret("key", Encoding::Utf8, Some(guess));
        assert_eq!(answer.err(), Some(CapabilityError::UnlistedPrefix("key".to_owned())), "{guess:?}");
    }
    let other = delivery.try_secret("other", Encoding::Utf8, Some("whsec_"));
    assert_eq!(other.err(), Some(CapabilityError::UnlistedPrefix("other".to_owned())));
    assert!(delivery.try_secret("key", Encoding::Base64, Some("whsec_")).is_ok_and(|opened| opened.is_ok()));
}
