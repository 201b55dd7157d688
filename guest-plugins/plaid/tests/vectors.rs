//! The plugin against its vectors.

use hookgate_conformance::native;
use hookgate_plugin_plaid::Plaid;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Plaid>(env!("CARGO_MANIFEST_DIR"));
}
