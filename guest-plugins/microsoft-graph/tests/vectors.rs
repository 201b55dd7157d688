//! The plugin against its vectors.

use hookgate_conformance::native;
use hookgate_plugin_microsoft_graph::MicrosoftGraph;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<MicrosoftGraph>(env!("CARGO_MANIFEST_DIR"));
}
