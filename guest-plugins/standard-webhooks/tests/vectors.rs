//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_standard_webhooks::StandardWebhooks;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<StandardWebhooks>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("signing", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")], &[]);
    source.roundtrip::<StandardWebhooks>(&native::request(r#"{"id":"evt_1","type":"invoice.paid"}"#));
    source.roundtrip::<StandardWebhooks>(&native::request(""));
}
