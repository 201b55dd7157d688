//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_zoom::Zoom;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Zoom>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "s3cret")], &[]);
    source.roundtrip::<Zoom>(&native::request(r#"{"id":"evt_1","type":"invoice.paid"}"#));
    source.roundtrip::<Zoom>(&native::request(""));
}
