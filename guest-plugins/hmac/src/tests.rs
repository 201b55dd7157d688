//! What the plugin signs for each known provider, verified by itself.
#![allow(clippy::unwrap_used)]

use crate::{Hmac, providers};
use hookgate_capabilities::{Refusal, Request, Verdict};
use hookgate_conformance::native::{self, Source};
use hookgate_known_providers::{Setting, presets};
use hookgate_plugin_sdk::Provider as _;
use proptest::prelude::*;

/// A secret that is right in each encoding: letters and digits of hex, a multiple of four of them.
const SECRET: &str = "5d41402abc4b2a76b9719d911017c592";

/// A row's vector has `params.provider`. One whose origin is `derived` was computed from the row's settings apart from the
/// plugin, and no delivery of the provider was seen.
#[test]
fn every_known_provider_has_a_valid_vector() {
    let vectors = native::vectors(env!("CARGO_MANIFEST_DIR"));
    let covered: Vec<_> = vectors.iter().filter(|vector| vector.valid).map(|vector| vector.settings()).collect();
    let is_covered = |name: &str| covered.iter().any(|settings| settings.get("provider").is_some_and(|of| of == name));
    let uncovered: Vec<_> = presets().iter().map(|(name, _)| *name).filter(|name| !is_covered(name)).collect();
    assert!(uncovered.is_empty(), "rows of providers.toml without a vector in vectors/: {uncovered:?}");
}

/// The source of a row, with what every operator must add.
fn source(settings: &[(&str, &str)]) -> Source {
    let settings: Vec<_> = settings.iter().copied().chain([("app-id", "app_1")]).collect();
    Source::of(&[("signing", SECRET), ("verify-token", "token")], &settings)
}

/// A signature in the query cannot be added to a request that has been written.
fn can_be_signed(settings: &[Setting]) -> bool {
    !settings.contains(&("signature", "query:signature"))
}

#[test]
fn every_provider_takes_what_it_signs_and_nothing_else() {
    for (name, settings) in presets().iter().filter(|(_, settings)| can_be_signed(settings)) {
        for body in ["", r#"{"webhookTimestamp":1700000000000,"type":"example","id":"1"}"#] {
            let verdict = source(settings).roundtrip::<Hmac>(&native::request(body));
            assert!(matches!(&verdict, Verdict::Admit(accepted) if accepted.events.len() == 1), "{name}: {verdict:?}");
        }
    }
}

#[test]
fn every_provider_is_found_by_its_name() {
    for (name, _) in presets().iter().filter(|(_, settings)| can_be_signed(settings)) {
        let source = source(&[("provider", name)]);
        let signed = source.sign::<Hmac>(&native::request("")).unwrap();
        let verdict = source.verify::<Hmac>(&signed).unwrap();
        let made = source.transform::<Hmac>(&signed, &verdict).unwrap();
        assert!(made[0].type_.starts_with(&format!("com.{name}.")), "{made:?}");
    }
}

#[test]
fn a_signature_is_forgotten_by_no_provider() {
    for (name, settings) in presets() {
        let unsigned: Request = native::request(r#"{"webhookTimestamp":1700000000000}"#);
        let answer = source(settings).verify::<Hmac>(&unsigned);
        assert!(matches!(answer, Err(Refusal::Unauthenticated(_))), "{name}: {answer:?}");
    }
}

/// What `send` signs where it is given no body.
fn example(provider: &str) -> serde_json::Value {
    let signed = source(&[("provider", provider)]).sign::<Hmac>(&native::request("")).unwrap();
    serde_json::from_slice(&signed.body).unwrap_or_default()
}

/// The SDKs of Linear and Pusher take no text for it (@linear/sdk 's webhook client, pusher's `validate_webhook`).
#[test]
fn the_time_in_an_example_is_a_number_of_the_unit_that_the_row_reads() {
    assert_eq!(example("linear")["webhookTimestamp"], serde_json::json!(1_700_000_000_123u64));
    assert_eq!(example("pusher")["time_ms"], serde_json::json!(1_700_000_000_123u64));
}

/// Where the body enters the content as a JSON string as well.
#[test]
fn no_example_is_empty() {
    assert_eq!(example("hygraph")["operation"], "example.created");
    // The digest of a body can only be had of the host, which has none of an example.
    let is_digested = |settings: &[Setting]| settings.contains(&("content", "{body:sha256:hex}"));
    for (name, settings) in presets().iter().filter(|(_, settings)| can_be_signed(settings) && !is_digested(settings)) {
        let signed = source(settings).sign::<Hmac>(&native::request("")).unwrap();
        assert!(!signed.body.is_empty(), "{name}");
    }
}

proptest! {
    // Each case goes through every provider.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_delivery_of_any_provider_is_refused_in_good_order(value in "[ -~]{0,40}", body: Vec<u8>, query in "[ -~]{0,20}") {
        for (name, settings) in presets() {
            let headers = providers::headers().into_iter().map(|name| (name, value.clone().into_bytes())).collect();
            let url = format!("https://hooks.example.com/in/source?{query}");
            let request = Request { headers, url, ..native::request("") };
            let request = Request { body: body.clone().into(), ..request };
            let answer = source(settings).verify::<Hmac>(&request);
            let refused = matches!(answer, Err(Refusal::Unauthenticated(_) | Refusal::Malformed(_)));
            prop_assert!(refused || matches!(answer, Ok(Verdict::Answer(_))), "{}: {:?}", name, answer);
        }
    }

}

proptest! {
    #[test]
    fn any_settings_are_taken_or_called_misconfigured(name in 0usize..30, value in "[ -~]{0,20}") {
        let names: Vec<String> = Hmac::describe().settings.into_iter().map(|setting| setting.name).collect();
        let settings = [("signature", "X-Sig"), (names[name % names.len()].as_str(), value.as_str())];
        let headers = vec![("x-sig".to_owned(), b"00".to_vec())];
        let answer = source(&settings).verify::<Hmac>(&Request { headers, ..native::request("{}") });
        prop_assert!(!matches!(answer, Ok(Verdict::Admit(_))), "{:?}", answer);
    }
}
