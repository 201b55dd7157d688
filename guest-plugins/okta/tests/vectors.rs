//! The plugin against its vectors.

use hookgate_conformance::native;
use hookgate_plugin_okta::Okta;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Okta>(env!("CARGO_MANIFEST_DIR"));
}
