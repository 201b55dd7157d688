//! The plugin against its vectors.

use hookgate_conformance::native;
use hookgate_plugin_aws_sns::AwsSns;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<AwsSns>(env!("CARGO_MANIFEST_DIR"));
}
