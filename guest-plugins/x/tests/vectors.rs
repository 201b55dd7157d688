//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_x::X;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<X>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "s3cret")], &[]);
    source.roundtrip::<X>(&native::request(r#"{"id":"evt_1","type":"invoice.paid"}"#));
    source.roundtrip::<X>(&native::request(""));
}
