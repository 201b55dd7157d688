//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_parcelbird::Plugin;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Plugin>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "pbsec_test")], &[]);
    source.roundtrip::<Plugin>(&native::request(""));
}
