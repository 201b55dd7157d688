//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_shopify::Shopify;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Shopify>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "whsec_test_secret")], &[]);
    source.roundtrip::<Shopify>(&native::request(r#"{"id":"evt_1","type":"invoice.paid"}"#));
    source.roundtrip::<Shopify>(&native::request(""));
}
