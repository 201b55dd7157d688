//! Public-key signatures against what OpenSSL has signed, and against RFC 8032. The keys below `keys/` are for these tests
//! alone.

mod common;

use common::secret;
use hookgate_capabilities::{Encoding, Part, Scheme};

const MESSAGE: &[Part<'_>] = &[Part::Bytes(b"the "), Part::Body];

/// Scheme, key, and the signature of `the message` that OpenSSL 3 made, in hex.
const BY_OPENSSL: &[(Scheme, &str, &str)] = &[
    (
        Scheme::RsaPkcs1Sha1,
        "rsa",
        "57a8df6bf1be453b0417088d475225e21d2a0087f2386b34ca846881ce52cf9280e97b505015dd865ecefa3d694166f312ea\
         852a158c7b6986926861b42f785b4783d6653b7c0613a33446c7dbc26e19947b556a39db30af647a815bb10fad788a514a4e\
         bc2447dbcdb6f38e0409e179990846202d27eb8cd776612e7c26f32baa0dc6478271bd8f1653c2f7e79180b7f40dee0db71c\
         f9d4157d78d99aafff418941af0dff720a79f10ac7e83f1a1170828d6d8f36d10196565f39119574a569b7ed0800d0059556\
         57599cf733effe3edca520646e9103e5bc20a3e9158956a3ca30ec7d7dd2351d6bd1d80e2e5a75318d983e0ca04b8179b303\
         5eff5460c225",
    ),
    (
        Scheme::RsaPkcs1Sha256,
        "rsa",
        "419563ff38fef11249c39fb1ce7c26820da031512633860d5996e3f06c0150f96ef1d5faad8ed4c32aeca36dcba0fd424089\
         89293589b8db64e1ee3b98c4dce6d262b7a371a32372f8d56cf4ed2becc6e0c27fedd77d3437b8338397ff1bb4935760891e\
         1f06d6ec7cfd040a1e7f01d38e7a331be35e5d62b0dd7ce9cb6b9a13c73c24175b4132ff25157298a10b890021b0287dbf89\
         106711e87f980130e2bfb5e8a0be50e6de9fc940b22c3589434d29ee6b9c50f42a247d0be604d17763f9e255b3df14755735\
         ca04444dc560ffac5e23a46e771c28d383403ae6503f02dcf76e60f19dfe0b9e8fb3c4e05cf5752780526cc7d1df11dd900f\
         0e8295eb11f5",
    ),
    (
        Scheme::RsaPkcs1Sha512,
        "rsa",
        "9e40dcc47f7b6406eb12047d78ac3afa6b6b9f395be7217792175b9b41c726c406c7690c430df147b0e4f473785185242103\
         1b9bbfe3015856dc3028e1c0fd0cb2bef6d17d79371d23e9e3b28d1b7a81f34ec4450fa7117461831c3c3f86f885de95adc0\
         e1b8a37dfde157a952c9d073ec5b7223c04621a7b36fcc2099d896e147274176940f79e5cf12202b955234f191081cf84caf\
         eafeb5e6aa5677c7de869aa37c1a68c2be6b209fe85634664e272ffdb2ffa2ca0f3675482ccd93b8a5d8b0b5aea1d1edecf3\
         f2dc1829684fe0e9b58e8f8eca266629847cdc837f3a770a44feac05fb2a65ce74c8ca8000bb6b0ab5487758df4a05039f53\
         f60ed3f1d3c5",
    ),
    (
        Scheme::RsaPssSha256,
        "rsa",
        "4a8961967c86e35ec644809e0e8b0110cd6510934ed92fd9e996d093f0ce01e5b369bfdbf530247e8029448df4107058d826\
         9a27b2dcba044d88bbac35da0a727de56e614e35be11d5a23584552cdea9702a78684d4feabb4cb21dd16d4ae5895423c1e5\
         5ecb8bc2d59310aa55484b8c721c7efd62bf034bf45246cf6cae1a26009f3bb5f970f10d47935d89f8a23cdbb087b4fb60d2\
         26895ecda3594c34813b8e80d89ca96a5638aaa434b819856d842236e73959bd0530a8ecbebff1ce4896372381f6a08384ba\
         c35dbabf1f22e32a26bc89d2a0612f35542495b35f0703ca60be0f99959c92bcdfbdd5a7dacb7d986721e5766d3cfa355a4c\
         418501f9996a",
    ),
    (
        Scheme::RsaPssSha512,
        "rsa",
        "5a331880c00fd984c1dfd7109b4cc64a15b782a65c05d2e0cee2e60e81379af5e314e6ef3cde28295fffac7cfb454ffeabad\
         587add80383b0e7100827a5442064da6c7ed92e6a0e6c916e0254c335875c6416a3b31d69e56549b6a4a93aac8d14a3dfa06\
         9f8b44a43d5215456260df299e5f28fe0dfabcf2609521356d36dbda4ef8eb80d2fdc5e91c76a454a428cfa800a8031a14fc\
         a327577b35b4bc7f9cc3b7b463d7d4570bd4d9efd4d176ac20f74aa4cf49cd8694aaa2d1ba444be74c0ff8dbb6e9166edb4b\
         0f8c9081532235c4f1bee46cfa2948a2675f9fca36a6f67513f67baeae17b9931e5752ee6e655624253dd31b7378a94eaff3\
         845bce229c2c",
    ),
    (
        Scheme::EcdsaP256Sha1,
        "ec",
        "304502202b979a77f4ff27859f30237de9d06e95594864d92565e3c026b80f72a8673f680221008560153a0d921feb51fb75\
         429be5bbb25389993789a35b13a0fd1dc1c9b582a0",
    ),
    (
        Scheme::EcdsaP256Sha256,
        "ec",
        "304502200339dd83b826af6452b21d31dba9c22cd4423fe509f56a7c40da7fded545e8db022100a37ec2f479ef1f5210b7eb\
         41a62293ab373bb0ccbf6ea05cd6f6e730b947ecc1",
    ),
    (
        Scheme::Ed25519,
        "ed",
        "bcedaece599b9297473fb37a28116880ea0e9887394857d7cf8f2fba02637899d57411c89028712bd388a0b6dfcf63d28702\
         d7b5649c09143f9560326128d40a",
    ),
];

fn pem(name: &str) -> String {
    let file = format!("{}/tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(file).expect("a key that stands here")
}

/// The DER inside a PEM, as base64.
fn der(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[test]
fn what_openssl_has_signed_is_right_in_pem_and_der() {
    for (scheme, key, signature) in BY_OPENSSL {
        let (signature, public) = (hex::decode(signature).unwrap(), pem(&format!("{key}_pub")));
        for (text, encoding) in [(public.as_str(), Encoding::Utf8), (&der(&public), Encoding::Base64)] {
            let key = secret(b"message", &[text], encoding);
            assert!(key.verify_signature(*scheme, MESSAGE, &signature), "{scheme:?} {encoding:?}");
        }
    }
}

#[test]
fn a_changed_message_signature_or_scheme_is_wrong() {
    for (scheme, key, signature) in BY_OPENSSL {
        let signature = hex::decode(signature).unwrap();
        let key = secret(b"message", &[&pem(&format!("{key}_pub"))], Encoding::Utf8);
        assert!(!key.verify_signature(*scheme, &[Part::Body], &signature), "{scheme:?}: another message");
        let mut changed = signature.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(!key.verify_signature(*scheme, MESSAGE, &changed), "{scheme:?}: another signature");
        for cut in [0, 1, signature.len() - 1] {
            assert!(!key.verify_signature(*scheme, MESSAGE, &signature[..cut]), "{scheme:?}: cut at {cut}");
        }
        for (other, ..) in BY_OPENSSL.iter().filter(|(other, ..)| other != scheme) {
            assert!(!key.verify_signature(*other, MESSAGE, &signature), "{scheme:?} taken for {other:?}");
        }
    }
}

#[test]
fn what_is_signed_here_is_right_here() {
    let schemes = BY_OPENSSL.iter().map(|(scheme, key, _)| (*scheme, *key));
    for (scheme, key) in schemes.chain([(Scheme::EcdsaP256Sha256Fixed, "ec"), (Scheme::RsaPkcs1Sha256, "rsa_pkcs1")]) {
        let private = secret(b"message", &[&pem(key)], Encoding::Utf8);
        let signature = private.sign(scheme, MESSAGE).unwrap();
        let public = secret(b"message", &[&pem(&format!("{}_pub", &key.replace("_pkcs1", "")))], Encoding::Utf8);
        assert!(public.verify_signature(scheme, MESSAGE, &signature), "{scheme:?}");
    }
}

#[test]
fn deterministic_schemes_sign_as_openssl_does() {
    for (scheme, key, signature) in BY_OPENSSL {
        if matches!(scheme, Scheme::Ed25519 | Scheme::RsaPkcs1Sha1 | Scheme::RsaPkcs1Sha256 | Scheme::RsaPkcs1Sha512) {
            let private = secret(b"message", &[&pem(key)], Encoding::Utf8);
            assert_eq!(hex::encode(private.sign(*scheme, MESSAGE).unwrap()), *signature, "{scheme:?}");
        }
    }
}

#[test]
fn the_older_of_two_public_keys_still_counts() {
    let keys = secret(b"", &[RFC8032[1].1, RFC8032[0].1], Encoding::Hex);
    assert!(keys.verify_signature(Scheme::Ed25519, &[], &hex::decode(RFC8032[0].3).unwrap()));
}

#[test]
fn a_key_of_another_kind_verifies_and_signs_nothing() {
    for text in ["no key at all", "-----BEGIN PUBLIC KEY-----\nMII=\n-----END PUBLIC KEY-----\n"] {
        let key = secret(b"message", &[text], Encoding::Utf8);
        for (scheme, _, signature) in BY_OPENSSL {
            assert!(!key.verify_signature(*scheme, MESSAGE, &hex::decode(signature).unwrap()));
            assert!(key.sign(*scheme, MESSAGE).is_err());
        }
    }
}

/// RFC 8032, section 7.1: secret key, public key, message, signature.
const RFC8032: [(&str, &str, &str, &str); 3] = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
];

#[test]
fn ed25519_is_that_of_rfc_8032() {
    for (private, public, message, signature) in RFC8032 {
        let (body, signature) = (hex::decode(message).unwrap(), hex::decode(signature).unwrap());
        let verifies = secret(&body, &[public], Encoding::Hex);
        assert!(verifies.verify_signature(Scheme::Ed25519, &[Part::Body], &signature));
        for key in [private.to_owned(), format!("{private}{public}")] {
            let signs = secret(&body, &[&key], Encoding::Hex);
            assert_eq!(signs.sign(Scheme::Ed25519, &[Part::Body]).unwrap(), signature);
        }
    }
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    // The identity point: with R the identity and s 0 it would fit every message.
    let identity = format!("01{}", "00".repeat(31));
    let signature = hex::decode(format!("{identity}{}", "00".repeat(32))).unwrap();
    assert!(!secret(b"anything", &[&identity], Encoding::Hex).verify_signature(
        Scheme::Ed25519,
        &[Part::Body],
        &signature
    ));
}
