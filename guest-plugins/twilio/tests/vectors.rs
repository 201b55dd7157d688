//! The plugin against its vectors, and against itself.

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_twilio::Twilio;

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Twilio>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn it_takes_what_it_signs_and_nothing_else() {
    let source = Source::of(&[("auth-token", "12345")], &[]);
    source.roundtrip::<Twilio>(&native::request("CallSid=CA1&CallStatus=ringing"));
    source.roundtrip::<Twilio>(&native::request(""));
}
