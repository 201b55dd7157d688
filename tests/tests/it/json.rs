//! JSON that is authentic and odd: a delivery must not be refused because of a part that is never read.

use hookgate_tests::{Config, Delivery, Gateway, Receiver, SECRET, now, sign, verified_event};
use serde_json::{Value, json};

const SCHEME: &str = "settings = { signature = \"header:x-sig\", id = \"json:/id\", kind = \"json:/type\" }";

fn signed(body: &str) -> Delivery {
    let tag = hex::encode(sign::hmac_sha256(SECRET.as_bytes(), &[body.as_bytes()]));
    Delivery::post(&[("content-type", "application/json"), ("x-sig", &tag)], body)
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

async fn gateway(receiver: &Receiver) -> Gateway {
    let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\n{SCHEME}");
    let graph = "secrets.client-state = { value = \"client-state-of-mine\" }";
    let config = Config::new().source("plain", "hmac", &lines).source("graph", "microsoft-graph", graph);
    Gateway::start(config.stripe("stripe").receiver(receiver)).await
}

/// The event of a delivery at the receiver.
async fn arrived(receiver: &Receiver, id: &str) -> Value {
    let all = receiver.wait_until("the event", |all| all.iter().any(|one| one.event_id() == id)).await;
    verified_event(all.iter().find(|one| one.event_id() == id).unwrap())
}

#[tokio::test]
async fn a_byte_order_mark_is_accepted() {
    let receiver = Receiver::start().await;
    let gateway = gateway(&receiver).await;
    let id = gateway.send("plain", &signed("\u{feff}{\"id\":\"b-1\",\"type\":\"changed\"}")).await.accepted().remove(0);
    let event = arrived(&receiver, &id).await;
    assert_eq!((&event["data"]["id"], &event["type"]), (&json!("b-1"), &json!("webhook.changed")));
    assert_eq!(event.get("hookgateunread"), None);
    let notification = json!({ "value": [{ "subscriptionId": "s", "clientState": "client-state-of-mine", "resource": "r",
        "tenantId": "t", "changeType": "updated", "subscriptionExpirationDateTime": "2030-01-01T00:00:00Z" }] });
    let body = format!("\u{feff}{notification}");
    let reply = gateway.send("graph", &Delivery::post(&[("content-type", "application/json")], body)).await;
    assert_eq!((reply.status, reply.outcome()), (202, "accepted"), "{reply:?}");
}

/// The bytes that arrived: the tests' own reader accepts neither this depth nor half a surrogate pair.
async fn text_of(receiver: &Receiver, id: &str) -> String {
    let all = receiver.wait_until("the event", |all| all.iter().any(|one| one.event_id() == id)).await;
    String::from_utf8(all.iter().find(|one| one.event_id() == id).unwrap().body.to_vec()).unwrap()
}

#[tokio::test]
async fn levels_and_texts_that_are_never_read_are_accepted() {
    let receiver = Receiver::start().await;
    let gateway = gateway(&receiver).await;
    let (deep, at) = (nested(200), now());
    let charge = format!(
        r#"{{"id":"evt_d1","type":"charge.succeeded","created":{at},"data":{{"object":{{"id":"ch_1","metadata":{deep}}}}}}}"#
    );
    let id = gateway.send("stripe", &sign::stripe(SECRET, at, &charge)).await.accepted().remove(0);
    let arrived = text_of(&receiver, &id).await;
    assert!(arrived.contains("com.stripe.charge.succeeded") && arrived.contains(&charge), "{arrived}");

    let body = format!(r#"{{"id":"d-1","type":"t","x":{deep}}}"#);
    let id = gateway.send("plain", &signed(&body)).await.accepted().remove(0);
    let arrived = text_of(&receiver, &id).await;
    assert!(arrived.contains("\"hookgateunread\":true") && arrived.contains(&body), "{arrived}");

    let body = r#"{"id":"s-1","type":"t","x":"\ud800","\udfff":1}"#;
    let id = gateway.send("plain", &signed(body)).await.accepted().remove(0);
    let arrived = text_of(&receiver, &id).await;
    assert!(!arrived.contains("hookgateunread") && arrived.contains(body), "{arrived}");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_still_refused() {
    let receiver = Receiver::start().await;
    let gateway = gateway(&receiver).await;
    for body in
        [format!(r#"{{"id":"n-1","x":{}"#, nested(200)), r#"{"id":"n-2","x":"\ud8"}"#.to_owned(), "\u{feff}".to_owned()]
    {
        gateway.send("plain", &signed(&body)).await.refused(400);
    }
}
