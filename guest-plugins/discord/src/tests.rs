//! What the plugin signs, verified by itself.
#![allow(clippy::unwrap_used)]

use crate::Discord;
use hookgate_conformance::native::{self, Source};

const PRIVATE: &str = "e1ba4807a15d8579f79cfd90a07fc015e6125565c9271eb94aded0b2ebf86163";
const PUBLIC: &str = "a6fbf9fc39e1cd92a49b2e6860095d34a9047319ddd56904792e428da60f901b";

#[test]
fn what_it_signs_fits_the_public_key() {
    let (sender, receiver) = (Source::of(&[("public-key", PRIVATE)], &[]), Source::of(&[("public-key", PUBLIC)], &[]));
    for body in ["", r#"{"type":1}"#] {
        let signed = sender.sign::<Discord>(&native::request(body)).unwrap();
        assert!(receiver.verify::<Discord>(&signed).is_ok(), "{body}");
        assert!(sender.verify::<Discord>(&signed).is_err(), "a private key verifies nothing");
    }
}
