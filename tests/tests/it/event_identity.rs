//! What is a copy and what is the next event, provider by provider: nothing genuine is dropped, and a retry is known again.
//! `docs/identity.md` says what each of these stands on.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hookgate_tests::{
    Config, Delivery, Gateway, Receiver, now,
    sign::{self, hmac_sha1, hmac_sha256},
    verified_event,
};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const ADYEN_KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

async fn gateway(plugin: &str, lines: &str) -> (Gateway, Receiver) {
    let receiver = Receiver::start().await;
    let config = Config::new()
        .with("server", "public-url = \"https://hooks.example.com\"")
        .source("source", plugin, lines)
        .receiver(&receiver);
    (Gateway::start(config).await, receiver)
}

/// Sends each delivery twice. All of the first ones are new events, and each second one is a copy.
async fn each_is_new_once(gateway: &Gateway, receiver: &Receiver, deliveries: &[Delivery]) {
    for delivery in deliveries {
        let ids = gateway.send("source", delivery).await.accepted();
        assert_eq!(gateway.send("source", delivery).await.duplicate(), ids);
    }
    receiver.wait_for(deliveries.len()).await;
}

/// Sends the same delivery twice: two events.
async fn each_time_is_new(gateway: &Gateway, receiver: &Receiver, delivery: &Delivery) {
    let first = gateway.send("source", delivery).await.accepted();
    assert_ne!(gateway.send("source", delivery).await.accepted(), first);
    receiver.wait_for(2).await;
}

fn meta(body: &Value) -> Delivery {
    let body = body.to_string();
    let signature = format!("sha256={}", hex::encode(hmac_sha256(b"app", &[body.as_bytes()])));
    Delivery::post(&[JSON, ("x-hub-signature-256", &signature)], body)
}

#[tokio::test]
async fn adyen_events_differ_by_outcome_account_and_day() {
    let (gateway, receiver) = gateway("adyen", &format!("secrets.hmac = {{ value = \"{ADYEN_KEY}\" }}")).await;
    let item = |changes: Value| {
        let mut item = sign::adyen_item("report.csv", "REPORT_AVAILABLE", 0);
        changes.as_object().unwrap().iter().for_each(|(name, value)| item[name] = value.clone());
        sign::adyen(ADYEN_KEY, &[item])
    };
    let deliveries = [
        item(json!({ "merchantAccountCode": "DE" })),
        item(json!({ "merchantAccountCode": "FR" })),
        item(json!({ "merchantAccountCode": "FR", "eventDate": "2026-01-03T03:04:05+01:00" })),
        item(json!({ "eventCode": "AUTHORISATION", "success": "false" })),
        item(json!({ "eventCode": "AUTHORISATION", "success": "true" })),
    ];
    each_is_new_once(&gateway, &receiver, &deliveries).await;
}

#[tokio::test]
async fn a_message_of_meta_its_edit_and_its_removal_are_different_events() {
    let secrets = "secrets.signing = { value = \"app\" }\nsecrets.verify-token = { value = \"mine\" }";
    let (gateway, receiver) = gateway("meta", secrets).await;
    let messaging = |at: u64, item: Value| {
        let mut message = json!({ "sender": { "id": "1" }, "recipient": { "id": "2" }, "timestamp": at });
        item.as_object().unwrap().iter().for_each(|(name, value)| message[name] = value.clone());
        meta(&json!({ "object": "instagram", "entry": [{ "id": "2", "time": at, "messaging": [message] }] }))
    };
    let status = |status: &str, member: &str| {
        let status = json!({ "id": "wamid.A", "status": status, "timestamp": "1700000000", "recipient_id": "g",
            "recipient_participant_id": member });
        let change = json!({ "field": "messages", "value": { "statuses": [status] } });
        meta(&json!({ "object": "whatsapp_business_account", "entry": [{ "id": "9", "changes": [change] }] }))
    };
    let deliveries = [
        messaging(1_637_138_870_000, json!({ "message": { "mid": "m", "text": "hello" } })),
        messaging(1_637_138_871_000, json!({ "message_edit": { "mid": "m", "text": "hallo", "num_edit": 1 } })),
        messaging(1_637_138_871_850, json!({ "message": { "mid": "m", "is_deleted": true } })),
        status("delivered", "1"),
        status("read", "1"),
        status("read", "2"),
    ];
    each_is_new_once(&gateway, &receiver, &deliveries).await;
    let kinds: Vec<Value> = receiver.all().iter().map(|received| verified_event(received)["type"].clone()).collect();
    assert!(kinds.contains(&json!("com.meta.instagram.message.deleted")), "{kinds:?}");
    assert!(kinds.contains(&json!("com.meta.whatsapp_business_account.messages.statuses")), "{kinds:?}");
}

#[tokio::test]
async fn one_post_of_x_is_an_event_for_each_subscribed_user() {
    let (gateway, receiver) = gateway("x", "secrets.signing = { value = \"consumer\" }").await;
    let post = |user: &str| {
        let body = json!({ "for_user_id": user, "tweet_create_events": [{ "id_str": "1" }] }).to_string();
        let signature = BASE64_STANDARD.encode(hmac_sha256(b"consumer", &[body.as_bytes()]));
        Delivery::post(&[JSON, ("x-twitter-webhooks-signature", &format!("sha256={signature}"))], body)
    };
    each_is_new_once(&gateway, &receiver, &[post("7"), post("8")]).await;
}

#[tokio::test]
async fn dropbox_says_the_same_of_each_change() {
    let (gateway, receiver) = gateway("dropbox", "secrets.signing = { value = \"app\" }").await;
    let body = r#"{"list_folder":{"accounts":["dbid:A"]}}"#;
    let signature = hex::encode(hmac_sha256(b"app", &[body.as_bytes()]));
    each_time_is_new(&gateway, &receiver, &Delivery::post(&[JSON, ("x-dropbox-signature", &signature)], body)).await;
}

#[tokio::test]
async fn microsoft_graph_says_the_same_of_each_change_of_a_drive() {
    let (gateway, receiver) = gateway("microsoft-graph", "secrets.client-state = { value = \"state\" }").await;
    let notification = |data: Value| {
        let mut item = json!({ "subscriptionId": "s", "clientState": "state", "resource": "/me/drive/root" });
        data.as_object().unwrap().iter().for_each(|(name, value)| item[name] = value.clone());
        Delivery::post(&[JSON], json!({ "value": [item] }).to_string())
    };
    each_time_is_new(&gateway, &receiver, &notification(json!({}))).await;
    let version = |etag: &str| notification(json!({ "resourceData": { "@odata.etag": etag } }));
    let ids = gateway.send("source", &version("a")).await.accepted();
    assert_eq!(gateway.send("source", &version("a")).await.duplicate(), ids);
    gateway.send("source", &version("b")).await.accepted();
}

#[tokio::test]
async fn slack_sends_a_closed_view_once() {
    let (gateway, receiver) = gateway("slack", "secrets.signing = { value = \"slack\" }").await;
    let closed = |at: u64| {
        let body = "payload=%7B%22type%22%3A%22view_closed%22%2C%22view%22%3A%7B%22id%22%3A%22V1%22%7D%7D";
        let form = sign::slack("slack", at, body);
        form.without("content-type").header("content-type", "application/x-www-form-urlencoded")
    };
    each_is_new_once(&gateway, &receiver, &[closed(now()), closed(now() - 1)]).await;
}

#[tokio::test]
async fn raw_takes_a_trigger_each_time_and_a_payload_once() {
    let auth = "auth = { basic = { ann = { value = \"a-long-password-of-ann\" } } }";
    let (gateway, receiver) = gateway("raw", auth).await;
    let credentials = format!("Basic {}", BASE64_STANDARD.encode("ann:a-long-password-of-ann"));
    let post = |body: &str| Delivery::post(&[("authorization", &credentials)], body);
    each_time_is_new(&gateway, &receiver, &post("")).await;
    let ids = gateway.send("source", &post("{\"n\":1}")).await.accepted();
    assert_eq!(gateway.send("source", &post("{\"n\":1}")).await.duplicate(), ids);
    let query = Delivery { suffix: "?door=open".to_owned(), ..post("{}") };
    assert_ne!(gateway.send("source", &query).await.accepted(), gateway.send("source", &query).await.accepted());
}

#[tokio::test]
async fn twilio_takes_both_keys_each_with_its_algorithm() {
    let secrets = "secrets.auth-token = { value = \"tok\" }\nsecrets.shared-key = { value = \"shared\" }";
    let (gateway, receiver) = gateway("twilio", secrets).await;
    let form = |tag: Vec<u8>, settings: Option<&str>| {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let signed = Delivery::post(&[form], "CallSid=CA1&From=%2B15551234");
        let signed = signed.header("x-twilio-signature", BASE64_STANDARD.encode(tag));
        settings.map_or(signed.clone(), |value| signed.header("x-twilio-webhooks-signature-settings", value))
    };
    let text: &[u8] = b"https://hooks.example.com/in/sourceCallSidCA1From+15551234";
    let shared = Some("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256");
    gateway.send("source", &form(hmac_sha1(b"tok", &[text]), None)).await.accepted();
    gateway.send("source", &form(hmac_sha256(b"shared", &[text]), shared)).await.accepted();
    receiver.wait_for(2).await;
    gateway.send("source", &form(hmac_sha1(b"tok", &[text]), shared)).await.refused(401);
    gateway.send("source", &form(hmac_sha256(b"tok", &[text]), shared)).await.refused(401);
    gateway.send("source", &form(hmac_sha256(b"shared", &[text]), None)).await.refused(401);
    let other = Some("key=webhooks_sharedkey_1,algorithm=HMAC_MD5");
    gateway.send("source", &form(hmac_sha256(b"shared", &[text]), other)).await.refused(401);
}

#[tokio::test]
async fn cloudevents_pass_in_binary_mode_as_the_binding_says() {
    let receiver = Receiver::start().await;
    let config = Config::new()
        .source("source", "cloudevents", "secrets.token = { value = \"ce-token-1234567890\" }")
        .destination("app", &format!("http = {{ url = \"{}\", format = \"binary\" }}", receiver.url()))
        .route("*", "app");
    let gateway = Gateway::start(config).await;
    let event = |subject: &str| {
        let headers = [
            JSON,
            ("authorization", "Bearer ce-token-1234567890"),
            ("ce-specversion", "1.0"),
            ("ce-type", "com.example.t"),
            ("ce-source", "/probe"),
            ("ce-id", subject),
            ("ce-subject", subject),
            ("ce-anextensionwithaverylongname", "100%25"),
        ];
        Delivery::post(&headers, "{\"x\":1}")
    };
    for (subject, sent) in [
        (r#""a quoted \"x\" 100%25""#, "a%20quoted%20%22x%22%20100%25"),
        ("a%20b%e2%82%ac", "a%20b%E2%82%AC"),
        ("plain", "plain"),
    ] {
        gateway.send("source", &event(subject)).await.accepted();
        let received = receiver.wait_until(sent, |all| all.iter().any(|one| one.header("ce-subject") == sent)).await;
        let one = received.iter().find(|one| one.header("ce-subject") == sent).unwrap();
        assert_eq!(one.header("ce-anextensionwithaverylongname"), "100%25");
    }
    gateway.send("source", &event("%ff%fe")).await.refused(400);
    gateway.send("source", &event("1").header("ce-datacontenttype", "text/xml")).await.refused(400);
}
