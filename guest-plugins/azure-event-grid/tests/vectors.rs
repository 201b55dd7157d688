//! The plugin against its vectors.

use hookgate_conformance::native;
use hookgate_plugin_azure_event_grid::AzureEventGrid;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<AzureEventGrid>(env!("CARGO_MANIFEST_DIR"));
}
