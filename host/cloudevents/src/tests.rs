use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hookgate_capabilities::{ByteRange, EventData, Payload};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use super::{
    testing::{event, output},
    *,
};

fn structured_text(event: &KeptEvent, output: &CloudEvent) -> String {
    let message = render(event, output, None, Format::Structured).unwrap();
    String::from_utf8(message.body.to_vec()).unwrap()
}

fn structured_json(event: &KeptEvent, output: &CloudEvent) -> Value {
    serde_json::from_str(&structured_text(event, output)).unwrap()
}

#[test]
fn a_json_payload_is_embedded_byte_for_byte() {
    let body = br#"{"amount": 1.00, "big":123456789012345678901234567890,  "a":"\u00e9", "a": 2}"#;
    let event = event(body, "application/json; charset=utf-8", Payload::Body);
    let text = structured_text(&event, &output(EventData::Payload, Some("application/json")));
    assert_eq!(
        text,
        concat!(
            r#"{"specversion":"1.0","id":"evt_1","source":"/acme","type":"com.acme.thing.done","#,
            r#""datacontenttype":"application/json","#,
            r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-9f4e5a6b7c8d9e0f-01","#,
            r#""data":{"amount": 1.00, "big":123456789012345678901234567890,  "a":"\u00e9", "a": 2}}"#
        )
    );
}

#[test]
fn every_attribute_has_its_member() {
    let event = event(b"", "", Payload::Body);
    let mut output = output(EventData::None, None);
    output.subject = Some("invoice \"7\"".into());
    output.time = Some(1_522_900_584_123);
    output.data_schema = Some("https://example.com/schema".into());
    output.extensions = vec![
        ("count".into(), ExtensionValue::Integer(-3)),
        ("test".into(), ExtensionValue::Boolean(true)),
        ("traceparent".into(), ExtensionValue::Text("00-aa-bb-00".into())),
    ];
    let expected = serde_json::json!({
        "specversion": "1.0", "id": "evt_1", "source": "/acme", "type": "com.acme.thing.done",
        "subject": "invoice \"7\"", "time": "2018-04-05T03:56:24.123Z", "dataschema": "https://example.com/schema",
        "count": -3, "test": true, "traceparent": "00-aa-bb-00",
    });
    assert_eq!(structured_json(&event, &output), expected);
}

#[test]
fn data_takes_the_form_that_type_and_bytes_ask_for() {
    let text = |t: &str| EventData::Text(t.into());
    let bytes = |b: &[u8]| EventData::Bytes(b.to_vec());
    // data, its media type, the member that holds it, what is in there
    let cases = [
        (EventData::Json("[1]".into()), None, "data", serde_json::json!([1])),
        (EventData::Json("null".into()), None, "data", Value::Null),
        (bytes(b"{\"a\":1}"), Some("application/vnd.acme+json"), "data", serde_json::json!({"a": 1})),
        (bytes(b"{\"a\":"), Some("application/json"), "data_base64", "eyJhIjo=".into()),
        (bytes(b"\"\xff\""), Some("application/json"), "data_base64", "Iv8i".into()),
        (text("hello"), None, "data", "hello".into()),
        (text("hello"), Some("application/x-own"), "data", "hello".into()),
        (bytes(b"a=1&b=2"), Some("application/x-www-form-urlencoded"), "data", "a=1&b=2".into()),
        (bytes(b"<a/>"), Some("application/soap+xml"), "data", "<a/>".into()),
        (bytes(b"\xe9"), Some("text/plain; charset=iso-8859-1"), "data_base64", "6Q==".into()),
        (bytes(b"abc"), None, "data_base64", "YWJj".into()),
    ];
    let event = event(b"", "", Payload::Body);
    for (data, content_type, member, expected) in cases {
        let other = if member == "data" { "data_base64" } else { "data" };
        let document = structured_json(&event, &output(data.clone(), content_type));
        assert_eq!(document.get(member), Some(&expected), "{data:?} as {content_type:?}");
        assert_eq!(document.get(other), None, "{data:?} as {content_type:?}");
    }
}

#[test]
fn a_payload_without_a_type_takes_the_delivery_s_or_what_it_looks_like() {
    let range = |offset, length| Payload::BodyRange(ByteRange { offset, length });
    let cases = [
        (Payload::Body, "text/plain", "text/plain"),
        (Payload::Body, "", "application/octet-stream"),
        (range(0, 7), "text/plain", "application/json"),
        (range(1, 2), "text/plain", "application/octet-stream"),
        (Payload::Bytes(b"true".to_vec()), "text/plain", "application/json"),
    ];
    for (payload, declared, expected) in cases {
        let event = event(b"{\"a\":1}.", declared, payload.clone());
        let message = render(&event, &output(EventData::Payload, None), None, Format::Binary).unwrap();
        assert_eq!(message.headers[CONTENT_TYPE], expected, "{payload:?}");
    }
}

#[test]
fn a_payload_outside_the_body_is_an_error() {
    for (offset, length) in [(0, 4), (3, 1), (4, 0), (u64::MAX, 2), (2, u64::MAX)] {
        let event = event(b"abc", "", Payload::BodyRange(ByteRange { offset, length }));
        let result = render(&event, &output(EventData::Payload, None), None, Format::Raw);
        assert_eq!(result.err(), Some(RenderError::PayloadOutside), "{offset} {length}");
    }
}

#[test]
fn binary_mode_puts_attributes_into_headers_and_data_into_the_body() {
    let event = event(b"{ \"a\" : 1 }", "application/json", Payload::Body);
    let mut output = output(EventData::Payload, None);
    output.subject = Some("Euro € 😀".into());
    output.time = Some(1_522_900_584_000);
    output.extensions =
        vec![("count".into(), ExtensionValue::Integer(7)), ("test".into(), ExtensionValue::Boolean(false))];
    let message = render(&event, &output, None, Format::Binary).unwrap();
    let mut headers: Vec<_> = message.headers.iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            ("ce-count", "7"),
            ("ce-id", "evt_1"),
            ("ce-source", "/acme"),
            ("ce-specversion", "1.0"),
            ("ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("ce-test", "false"),
            ("ce-time", "2018-04-05T03:56:24Z"),
            ("ce-traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-9f4e5a6b7c8d9e0f-01"),
            ("ce-type", "com.acme.thing.done"),
            ("content-type", "application/json"),
        ]
    );
    assert_eq!(message.body, &b"{ \"a\" : 1 }"[..]);
}

#[test]
fn raw_says_nothing_of_a_body_whose_sender_has_not_said_what_it_is() {
    let unsaid = |payload| {
        let mut event = event(b"{\"a\":1}", "", payload);
        let mut delivery = (*event.delivery).clone();
        delivery.request.headers.clear();
        event.delivery = Arc::new(delivery);
        let message = render(&event, &output(EventData::Payload, Some("application/json")), None, Format::Raw).unwrap();
        message.headers.get(CONTENT_TYPE).cloned()
    };
    assert_eq!(unsaid(Payload::Body), None);
    let part = Payload::BodyRange(ByteRange { offset: 5, length: 1 });
    assert_eq!(unsaid(part), Some(HeaderValue::from_static("application/json")), "a part is what it looks like");
}

#[test]
fn raw_is_the_provider_s_own_body() {
    let event = event(b"a=1", "application/x-www-form-urlencoded", Payload::Body);
    let message = render(&event, &output(EventData::Json("{}".into()), None), None, Format::Raw).unwrap();
    assert_eq!(message.body, "a=1");
    assert_eq!(message.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(message.headers["hookgate-event"], "01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f");
    assert_eq!(message.headers["hookgate-source"], "acme");
    assert_eq!(message.headers["hookgate-type"], "com.acme.thing.done");
}

#[test]
fn a_json_line_is_one_line() {
    let event = event(b"{\r\n  \"a\":\n 1\n}", "application/json", Payload::Body);
    let line = json_line(&event, &output(EventData::Payload, None), None).unwrap();
    assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
    assert!(line.ends_with(b"\"data\":{    \"a\":  1 }}\n"));
}

proptest! {
    #[test]
    fn structured_mode_loses_nothing(bytes: Vec<u8>, json: bool, text in any::<String>()) {
        let event = event(&bytes, "", Payload::Body);
        let content_type = if json { "application/json" } else { "text/plain" };
        let mut output = output(EventData::Payload, Some(content_type));
        output.subject = Some(text.clone());
        let document = structured_json(&event, &output);
        prop_assert_eq!(document["subject"].as_str(), Some(text.as_str()));
        match (document.get("data"), document.get("data_base64")) {
            (Some(data), None) if json => prop_assert_eq!(data, &serde_json::from_slice::<Value>(&bytes).unwrap()),
            (Some(data), None) => prop_assert_eq!(data.as_str().map(str::as_bytes), Some(bytes.as_slice())),
            (None, Some(data)) => prop_assert_eq!(STANDARD.decode(data.as_str().unwrap()).unwrap(), bytes),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn header_values_are_printable_and_decode_to_the_attribute(text in any::<String>()) {
        let encoded = binary::percent_encoded(&text);
        prop_assert!(encoded.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'"'));
        prop_assert_eq!(percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap(), text);
    }
}

fn claimed(payload: Payload) -> (KeptEvent, Reference) {
    let mut event = event(b"", "application/pdf", payload);
    let claim =
        hookgate_model::claim::Claim { object: Uuid::nil(), length: 5 << 30, sha256: [7; 32], ranges: Vec::new() };
    Arc::make_mut(&mut event.delivery).claim = Some(claim);
    (event, Reference { url: "https://a/claims/1?expires=2&signature=x".into(), length: 5 << 30, sha256: [7; 32] })
}

#[test]
fn a_link_stands_for_a_payload_that_is_kept_elsewhere() {
    let (event, reference) = claimed(Payload::Body);
    let mut output = output(EventData::Payload, None);
    output.extensions.push(("dataref".to_owned(), ExtensionValue::Text("https://of-the-plugin".to_owned())));
    let message = render(&event, &output, Some(&reference), Format::Structured).unwrap();
    let json: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!((&json["dataref"], &json["datalength"]), (&reference.url.as_str().into(), &"5368709120".into()));
    assert_eq!((&json["datasha256"], &json["datacontenttype"]), (&"07".repeat(32).into(), &"application/pdf".into()));
    assert!(json["data"].is_null() && json["data_base64"].is_null());
    assert_eq!(String::from_utf8_lossy(&message.body).matches("dataref").count(), 1);

    let binary = render(&event, &output, Some(&reference), Format::Binary).unwrap();
    assert_eq!((binary.headers["ce-dataref"].to_str().unwrap(), binary.body.len()), (reference.url.as_str(), 0));
    assert_eq!(binary.headers["content-type"], "application/pdf");
    let raw = render(&event, &output, Some(&reference), Format::Raw).unwrap();
    assert_eq!((raw.headers["hookgate-datalength"].to_str().unwrap(), raw.body.len()), ("5368709120", 0));
}

#[test]
fn filters_see_that_a_payload_is_kept_elsewhere() {
    let (event, _) = claimed(Payload::Body);
    let output = output(EventData::Payload, None);
    let fields = Fields::new(&event, &output);
    let text = |name| match fields.attribute(name) {
        Some(ExtensionValue::Text(text)) => text,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(text("dataref"), format!("/claims/{}", event.id));
    assert_eq!((text("datalength"), text("datasha256")), ("5368709120".to_owned(), "07".repeat(32)));
    assert!(fields.data().is_none());
    let (inline, _) = claimed(Payload::Bytes(b"{}".to_vec()));
    assert!(Fields::new(&inline, &output).attribute("dataref").is_none());
}

#[test]
fn what_is_not_elsewhere_travels_with_the_event() {
    let (event, reference) = claimed(Payload::Body);
    let made = output(EventData::Json("{}".into()), None);
    let message = render(&event, &made, Some(&reference), Format::Structured).unwrap();
    let json: Value = serde_json::from_slice(&message.body).unwrap();
    assert!(json["dataref"].is_null() && json["data"].is_object());
    // A payload of the plugin's own is in the record.
    let (event, _) = claimed(Payload::Bytes(b"own".to_vec()));
    let message = render(&event, &output(EventData::Payload, None), None, Format::Raw).unwrap();
    assert_eq!(message.body, "own");
    // Nothing is ever sent in place of bytes that are not here.
    let (event, _) = claimed(Payload::Body);
    let lost = render(&event, &output(EventData::Payload, None), None, Format::Structured);
    assert_eq!(lost.err(), Some(RenderError::Elsewhere));
}
