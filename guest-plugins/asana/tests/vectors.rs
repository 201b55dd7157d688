//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_asana::Asana;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Asana>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "s3cret")], &[]);
    source.roundtrip::<Asana>(&native::request(r#"{"events":[{"action":"changed","resource":{"gid":"1"}}]}"#));
    source.roundtrip::<Asana>(&native::request(""));
}
