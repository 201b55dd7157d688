//! The plugin against its vectors.
#![allow(clippy::unwrap_used)]

use hookgate_conformance::native::{self, Source};
use hookgate_plugin_raw::Raw;
use hookgate_plugin_sdk::{Refusal, Verdict};

#[test]
fn every_vector_gets_its_verdict() {
    native::check::<Raw>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn a_setting_that_is_no_place_is_told() {
    let answer = Source::of(&[], &[("id", "/id")]).verify::<Raw>(&native::request("{}"));
    assert!(matches!(&answer, Err(Refusal::Misconfigured(why)) if why.contains("settings.id")), "{answer:?}");
}

#[test]
fn an_empty_body_is_an_event_too() {
    let verdict = Source::of(&[], &[]).verify::<Raw>(&native::request("")).unwrap();
    assert!(matches!(verdict, Verdict::Admit(accepted) if accepted.events.len() == 1));
}
