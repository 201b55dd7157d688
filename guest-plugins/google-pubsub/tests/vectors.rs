//! The plugin against its vectors.

use hookgate_conformance::native;
use hookgate_plugin_google_pubsub::GooglePubsub;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<GooglePubsub>(env!("CARGO_MANIFEST_DIR"));
}
