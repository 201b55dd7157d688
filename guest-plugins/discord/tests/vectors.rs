//! The plugin against its vectors, and against itself.
#![allow(clippy::unwrap_used)]

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_discord::Discord;

const PRIVATE: &str = "e1ba4807a15d8579f79cfd90a07fc015e6125565c9271eb94aded0b2ebf86163";
const PUBLIC: &str = "a6fbf9fc39e1cd92a49b2e6860095d34a9047319ddd56904792e428da60f901b";

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Discord>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn what_it_signs_fits_the_public_key() {
    let (sender, receiver) = (Source::of(&[("public-key", PRIVATE)], &[]), Source::of(&[("public-key", PUBLIC)], &[]));
    for body in ["", r#"{"type":1}"#] {
        let signed = sender.sign::<Discord>(&native::request(body)).unwrap();
        assert!(receiver.verify::<Discord>(&signed).is_ok(), "{body}");
        assert!(sender.verify::<Discord>(&signed).is_err(), "a private key verifies nothing");
    }
}
