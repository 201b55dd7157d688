//! Which parts of a delivery its signatures cover.
#![allow(clippy::unwrap_used)]

use crate::Adyen;
use hookgate_capabilities::{Refusal, Verdict};
use hookgate_conformance::native::{self, Source};
use proptest::prelude::*;

const KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
const ITEMS: &str = r#"{"live":"true","notificationItems":[
    {"NotificationRequestItem":{"pspReference":"P1","eventCode":"AUTHORISATION","success":"true"}},
    {"NotificationRequestItem":{"pspReference":"P2","eventCode":"CAPTURE","success":"true"}}]}"#;

#[test]
fn a_platforms_webhook_is_bound_byte_for_byte() {
    let source = Source::of(&[("hmac", KEY)], &[]);
    source.roundtrip::<Adyen>(&native::request(r#"{"type":"balancePlatform.transfer.created","data":{"id":"TR1"}}"#));
}

#[test]
fn every_item_of_a_notification_is_signed_and_the_example_too() {
    let source = Source::of(&[("hmac", KEY)], &[]);
    for (body, items) in [(ITEMS, 2), ("", 1)] {
        let signed = source.sign::<Adyen>(&native::request(body)).unwrap();
        let Ok(Verdict::Admit(accepted)) = source.verify::<Adyen>(&signed) else { panic!("refused: {body}") };
        assert_eq!(accepted.events.len(), items);
    }
}

#[test]
fn a_form_is_signed_too() {
    let source = Source::of(&[("hmac", KEY)], &[]);
    let form = ("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec());
    let unsigned = native::request("pspReference=P1&eventCode=AUTHORISATION&success=true&merchantReference=a+%3A");
    let unsigned = hookgate_capabilities::Request { headers: vec![form], ..unsigned };
    assert!(matches!(source.verify::<Adyen>(&unsigned), Err(Refusal::Unauthenticated(_))));
    let signed = source.sign::<Adyen>(&unsigned).unwrap();
    let Ok(Verdict::Admit(accepted)) = source.verify::<Adyen>(&signed) else { panic!("refused") };
    assert_eq!(accepted.events[0].identity.known_by.id(), Some("P1|AUTHORISATION|true||"));
}

#[test]
fn no_signed_field_of_any_item_can_change() {
    let source = Source::of(&[("hmac", KEY)], &[]);
    let signed = source.sign::<Adyen>(&native::request(ITEMS)).unwrap();
    let text = String::from_utf8(signed.body.to_vec()).unwrap();
    for (from, to) in
        [("P1", "P9"), ("P2", "P9"), ("CAPTURE", "REFUND"), (r#""success":"true""#, r#""success":"false""#)]
    {
        assert!(text.contains(from), "{from}");
        let tampered = hookgate_capabilities::Request { body: text.replacen(from, to, 1).into(), ..signed.clone() };
        assert!(matches!(source.verify::<Adyen>(&tampered), Err(Refusal::Unauthenticated(_))), "{from}");
    }
}

proptest! {
    #[test]
    fn any_items_are_refused_in_good_order(item in r#"[\[\]{}":,0-9a-z]{0,30}"#, signature in "[A-Za-z0-9+/=]{0,44}") {
        let body = format!(
            r#"{{"notificationItems":[{{"NotificationRequestItem":{{"additionalData":{{"hmacSignature":"{signature}"}},"amount":{item}}}}}]}}"#
        );
        let answer = Source::of(&[("hmac", KEY)], &[]).verify::<Adyen>(&native::request(&body));
        prop_assert!(matches!(answer, Err(Refusal::Unauthenticated(_) | Refusal::Malformed(_))), "{answer:?}");
    }
}
