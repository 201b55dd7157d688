//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_meta::Meta;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Meta>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "s3cret"), ("verify-token", "t")], &[]);
    source.roundtrip::<Meta>(&native::request(r#"{"object":"page","entry":[{"id":"1"}]}"#));
    source.roundtrip::<Meta>(&native::request(""));
}
