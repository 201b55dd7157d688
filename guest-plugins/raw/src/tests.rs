//! Settings and bodies that no vector has.
#![allow(clippy::unwrap_used)]

use crate::Raw;
use hookgate_conformance::native::{self, Source};
use hookgate_plugin_sdk::{Refusal, Verdict};

#[test]
fn a_setting_that_is_not_a_place_is_reported() {
    let answer = Source::of(&[], &[("id", "/id")]).verify::<Raw>(&native::request("{}"));
    assert!(matches!(&answer, Err(Refusal::Misconfigured(why)) if why.contains("settings.id")), "{answer:?}");
}

#[test]
fn an_empty_body_is_an_event_too() {
    let verdict = Source::of(&[], &[]).verify::<Raw>(&native::request("")).unwrap();
    assert!(matches!(verdict, Verdict::Admit(accepted) if accepted.events.len() == 1));
}
