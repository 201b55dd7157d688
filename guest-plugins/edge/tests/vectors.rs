//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_edge::Edge;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Edge>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")], &[]);
    source.roundtrip::<Edge>(&native::request(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#));
    source.roundtrip::<Edge>(&native::request(""));
}
