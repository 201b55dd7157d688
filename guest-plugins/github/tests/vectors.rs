//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_github::GitHub;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<GitHub>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "whsec_test_secret")], &[]);
    source.roundtrip::<GitHub>(&native::request(r#"{"id":"evt_1","type":"invoice.paid"}"#));
    source.roundtrip::<GitHub>(&native::request(""));
}
