//! Ordering: events are released by their positions, in whatever order they arrive; late and missing ones, and
//! held ones after a crash or a change of the configuration.

use hookgate_tests::{Config, Delivery, Gateway, Received, Receiver, SECRET, eventually, now, sign, verified_event};
use serde_json::{Value, json};

/// A source whose events have numbers.
fn numbered(config: Config, name: &str, ordering: &str) -> Config {
    let settings = "signature = \"header:x-signature\", id = \"json:/id\", ordering-key = \"json:/key\", \
                    sequence = \"json:/number\"";
    let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nsettings = {{ {settings} }}\n{ordering}");
    config.source(name, "hmac", &lines)
}

/// A numbered event of a key; `id` distinguishes copies.
fn event(key: &str, number: u64, id: &str) -> Delivery {
    let body = json!({ "id": id, "key": key, "number": number }).to_string();
    let tag = hex::encode(sign::hmac_sha256(SECRET.as_bytes(), &[body.as_bytes()]));
    Delivery::post(&[("content-type", "application/json"), ("x-signature", &tag)], body)
}

async fn send(gateway: &Gateway, source: &str, key: &str, number: u64) -> String {
    let id = format!("{source}-{key}-{number}");
    gateway.send(source, &event(key, number, &id)).await.accepted()[0].clone()
}

/// What was received, in the order in which the gateway released it.
fn released(received: &[Received]) -> Vec<Value> {
    let mut events: Vec<Value> = received.iter().map(verified_event).collect();
    events.sort_by_key(|event| event["sequence"].as_str().unwrap().to_owned());
    events
}

fn numbers(events: &[Value], key: &str) -> Vec<u64> {
    let of_key = events.iter().filter(|event| event["data"]["key"] == key);
    of_key.map(|event| event["data"]["number"].as_u64().unwrap()).collect()
}

fn shown(gateway: &Gateway, id: &str) -> Value {
    serde_json::from_str(&gateway.cli(&["events", "show", id, "--json"]).ok()).unwrap()
}

#[tokio::test]
async fn numbers_leave_in_their_order_and_say_it() {
    let receiver = Receiver::start().await;
    let config = numbered(Config::new(), "shop", "ordering = { gap-timeout = \"1h\" }").receiver(&receiver);
    let gateway = Gateway::start(config).await;
    for number in [1, 4, 2, 5] {
        send(&gateway, "shop", "a", number).await;
    }
    let held = send(&gateway, "shop", "a", 6).await;
    // Another key goes its own way.
    send(&gateway, "shop", "b", 1).await;
    receiver.wait_for(3).await;
    let story = gateway.cli(&["events", "show", &held]).ok();
    assert!(story.contains("held until") && story.contains("waits for number 3"), "{story}");
    assert_eq!(shown(&gateway, &held)["held"]["number"], 3);
    gateway.counts("hookgate_ordering_held_events", &["source=\"shop\""], 3.0).await;
    send(&gateway, "shop", "a", 3).await;
    let events = released(&receiver.wait_for(7).await);
    assert_eq!(numbers(&events, "a"), [1, 2, 3, 4, 5, 6]);
    for event in &events {
        assert_eq!(event["partitionkey"], event["data"]["key"]);
        assert!(event.get("hookgatelate").is_none() && event.get("hookgategap").is_none(), "{event}");
    }
    gateway.counts("hookgate_ordering_held_events", &["source=\"shop\""], 0.0).await;
    let in_order = gateway.metric("hookgate_ordering_released_total", &["source=\"shop\"", "cause=\"in-order\""]).await;
    assert_eq!(in_order, 7.0);
}

#[tokio::test]
async fn missing_numbers_are_given_up_and_reported() {
    let receiver = Receiver::start().await;
    let config = numbered(Config::new(), "shop", "ordering = { gap-timeout = \"100ms\" }").receiver(&receiver);
    let gateway = Gateway::start(config).await;
    send(&gateway, "shop", "a", 1).await;
    let behind = send(&gateway, "shop", "a", 4).await;
    let events = released(&receiver.wait_for(2).await);
    assert_eq!((&events[1]["data"]["number"], &events[1]["hookgategap"]), (&json!(4), &json!(2)));
    gateway.counts("hookgate_ordering_released_total", &["cause=\"gap\""], 1.0).await;
    let line = gateway.says("numbers before it did not come in time").await;
    assert!(line.contains(&behind) && line.contains("missing=2"), "{line}");
}

#[tokio::test]
async fn late_events_become_what_the_source_says() {
    let receiver = Receiver::start().await;
    let config = ["deliver", "dead-letter", "drop"]
        .into_iter()
        .fold(Config::new(), |config, late| numbered(config, late, &format!("ordering = {{ late = \"{late}\" }}")));
    let gateway = Gateway::start(config.receiver(&receiver)).await;
    let mut late = Vec::new();
    for source in ["deliver", "dead-letter", "drop"] {
        send(&gateway, source, "a", 1).await;
        send(&gateway, source, "a", 2).await;
        late.push(
            gateway.send(source, &event("a", 2, "another event with the same number")).await.accepted()[0].clone(),
        );
    }
    let is_late = |received: &Received| verified_event(received)["hookgatelate"] == true;
    let received = receiver.wait_for(7).await;
    assert_eq!(received.iter().filter(|one| is_late(one)).map(Received::event_id).collect::<Vec<_>>(), late[..1]);
    assert_eq!(shown(&gateway, &late[1])["state"], "dead");
    assert_eq!(shown(&gateway, &late[2])["state"], "dropped");
    let list: Value =
        serde_json::from_str(&gateway.cli(&["events", "list", "--state", "dropped", "--json"]).ok()).unwrap();
    assert_eq!(list["events"].as_array().unwrap().len(), 1);
    gateway.counts("hookgate_ordering_released_total", &["cause=\"late\""], 3.0).await;

    gateway.cli(&["dead-letters", "redrive", "--destination", "ordering"]).ok();
    let received = receiver.wait_for(8).await;
    let redriven = received.iter().find(|one| one.event_id() == late[1]).unwrap();
    assert!(is_late(redriven));
    eventually("the redriven event to be delivered", async || {
        (shown(&gateway, &late[1])["state"] == "delivered").then_some(())
    })
    .await;
}

#[tokio::test]
async fn times_leave_in_their_order() {
    let receiver = Receiver::start().await;
    let source = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nordering = {{ window = \"2s\" }}");
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &source).receiver(&receiver)).await;
    let begun = now();
    let created = [7, 3, 9, 1, 8, 2, 6, 4, 5];
    for second in created {
        let mut body: Value =
            serde_json::from_str(&sign::stripe_body(&format!("evt_{second}"), begun - 60 + second)).unwrap();
        body["data"]["object"]["id"] = json!("in_1");
        gateway.send("stripe", &sign::stripe(SECRET, now(), body.to_string())).await.accepted();
    }
    let events = released(&receiver.wait_for(created.len()).await);
    let late = events.iter().filter(|event| event["hookgatelate"] == true).count();
    // A machine so slow that sending them takes longer than the window has late ones; the others are in order.
    let times: Vec<u64> = events
        .iter()
        .filter(|event| event["hookgatelate"] != true)
        .map(|event| event["data"]["created"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted() && times.len() + late == created.len(), "{times:?}");
}

#[tokio::test]
async fn what_is_held_survives_kill_9_and_keeps_its_order() {
    for engine in ["fjall", "sled"] {
        let receiver = Receiver::start().await;
        let config = numbered(Config::new(), "shop", "ordering = { gap-timeout = \"1h\" }");
        let config = config.with("store", &format!("engine = \"{engine}\"")).receiver(&receiver);
        let mut gateway = Gateway::start(config).await;
        for number in [1, 9, 4, 7, 5, 8] {
            send(&gateway, "shop", "a", number).await;
        }
        receiver.wait_for(1).await;
        gateway.kill();
        gateway.restart().await;
        for number in [3, 6] {
            send(&gateway, "shop", "a", number).await;
        }
        gateway.kill();
        gateway.restart().await;
        gateway.send("shop", &event("a", 9, "shop-a-9")).await.duplicate();
        send(&gateway, "shop", "a", 2).await;
        // An attempt that was not recorded before the crash is made again, under the same place.
        let left = |received: &[Received]| {
            let mut left = numbers(&released(received), "a");
            left.dedup();
            left
        };
        let left = left(&receiver.wait_until("all nine", |received| left(received).len() == 9).await);
        assert_eq!(left, (1..=9).collect::<Vec<_>>(), "{engine}");
    }
}

#[tokio::test]
async fn another_configuration_holds_nothing_longer_than_it_says() {
    let receiver = Receiver::start().await;
    let config = |ordering: &str| numbered(Config::new(), "shop", ordering).receiver(&receiver);
    let gateway = Gateway::start(config("ordering = { gap-timeout = \"10h\" }")).await;
    for number in [5, 3, 4] {
        send(&gateway, "shop", "a", number).await;
    }
    send(&gateway, "shop", "b", 8).await;
    gateway.configure(&config("ordering = { gap-timeout = \"50ms\" }"));
    gateway.ask_to_read_again();
    let events = released(&receiver.wait_for(4).await);
    assert_eq!((numbers(&events, "a"), numbers(&events, "b")), (vec![3, 4, 5], vec![8]));

    gateway.configure(&config("ordering = { gap-timeout = \"10h\" }"));
    gateway.ask_to_read_again();
    eventually("the second configuration in force", async || {
        (gateway.said().matches("was read again and is in force").count() == 2).then_some(())
    })
    .await;
    for number in [12, 11] {
        send(&gateway, "shop", "a", number).await;
    }
    // Without ordering what is held goes at once, and in order; it has no sequence to be seen any more.
    gateway.configure(&config(""));
    gateway.ask_to_read_again();
    let received = receiver.wait_for(6).await;
    let last: Vec<Value> = received[4..].iter().map(verified_event).collect();
    assert!(last.iter().all(|event| event.get("sequence").is_none()));
    let mut left = numbers(&last, "a");
    left.sort_unstable();
    assert_eq!(left, [11, 12]);
    send(&gateway, "shop", "a", 99).await;
    receiver.wait_for(7).await;
}

#[tokio::test]
async fn a_full_buffer_releases_the_first_and_says_so() {
    let receiver = Receiver::start().await;
    let config =
        numbered(Config::new(), "shop", "ordering = { gap-timeout = \"1h\", per-key = 2 }").receiver(&receiver);
    let gateway = Gateway::start(config).await;
    for number in [10, 30, 20] {
        send(&gateway, "shop", "a", number).await;
    }
    let events = released(&receiver.wait_for(1).await);
    assert_eq!((&events[0]["data"]["number"], &events[0]["hookgateoverflow"]), (&json!(10), &json!(true)));
    gateway.counts("hookgate_ordering_released_total", &["cause=\"overflow\""], 1.0).await;
}
