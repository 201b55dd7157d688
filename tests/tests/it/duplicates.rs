//! Dropped duplicates: seen in the log, the metrics and the list, and admitted after all.

use std::collections::BTreeSet;

use hookgate_tests::{Answer, Config, Delivery, Gateway, Receiver, SECRET, eventually, send, sign, verified_event};
use serde_json::Value;

const GITHUB_SECRET: &str = "It's a Secret to Everybody";

/// A source whose provider says nothing of what identifies an event.
fn undeclared(config: Config, idempotency: &str) -> Config {
    let lines = format!(
        "secrets.signing = {{ value = \"{SECRET}\" }}\nsettings = {{ signature = \"header:x-signature\" }}\n{idempotency}"
    );
    config.source("shop", "hmac", &lines)
}

fn signed(body: &str) -> Delivery {
    let tag = hex::encode(sign::hmac_sha256(SECRET.as_bytes(), &[body.as_bytes()]));
    Delivery::post(&[("content-type", "application/json"), ("x-signature", &tag)], body)
}

fn github(config: Config) -> Config {
    config.source("github", "github", &format!("secrets.signing = {{ value = {GITHUB_SECRET:?} }}"))
}

fn push(guid: &str, commit: &str) -> Delivery {
    sign::github(GITHUB_SECRET, "push", guid, format!("{{\"ref\": \"refs/heads/main\", \"after\": \"{commit}\"}}"))
}

fn json(gateway: &Gateway, arguments: &[&str]) -> Value {
    serde_json::from_str(&gateway.cli(&[arguments, &["--json"]].concat()).ok()).unwrap()
}

fn listed(gateway: &Gateway) -> Vec<Value> {
    json(gateway, &["duplicates", "list"])["duplicates"].as_array().unwrap().clone()
}

#[tokio::test]
async fn equal_bytes_are_dropped_listed_and_admitted_on_demand() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(undeclared(Config::new(), "").receiver(&receiver)).await;
    let by = |by: &str| [r#"source="shop""#.to_owned(), format!("by={by:?}")];
    for known_by in ["id", "payload", "delivery", "undeclared"] {
        let labels = by(known_by);
        gateway.counts("hookgate_duplicates_total", &[&labels[0], &labels[1]], 0.0).await;
        let page = gateway.admin_get("/metrics").await.text();
        assert!(page.contains(&format!("hookgate_duplicates_total{{source=\"shop\",by=\"{known_by}\"}} 0")), "{page}");
    }
    let first = gateway.send("shop", &signed("{\"state\": \"on\"}")).await.accepted().remove(0);
    let again = gateway.send("shop", &signed("{\"state\": \"on\"}")).await;
    assert_eq!(again.duplicate(), std::slice::from_ref(&first));

    let duplicates = listed(&gateway);
    let [duplicate] = &duplicates[..] else { panic!("{duplicates:?}") };
    let id = duplicate["id"].as_str().unwrap();
    assert_eq!((&duplicate["duplicate_of"], &duplicate["trace"]), (&first.clone().into(), &again.trace().into()));
    assert_eq!((&duplicate["known_by"], &duplicate["admitted_as"]), (&"undeclared".into(), &Value::Null));
    let line = gateway.says("a duplicate was dropped").await;
    assert!([&first, id, "shop", "undeclared"].iter().all(|part| line.contains(part)), "{line}");
    assert!(line.contains("INFO"), "{line}");
    let labels = by("undeclared");
    gateway.counts("hookgate_duplicates_total", &[&labels[0], &labels[1]], 1.0).await;
    let story = gateway.cli(&["events", "show", &first]).ok();
    assert!(story.contains("dropped duplicates  1, last"), "{story}");
    let shown = gateway.cli(&["duplicates", "show", id, "--payload"]).ok();
    assert!(shown.contains("{\"state\": \"on\"}") && shown.contains(&first), "{shown}");

    let admitted = json(&gateway, &["duplicates", "admit", id]);
    let event = admitted["admitted"][0]["event"].as_str().unwrap().to_owned();
    let received = receiver.wait_for(2).await;
    let arrived: BTreeSet<String> = received.iter().map(|one| one.event_id()).collect();
    assert_eq!(arrived, BTreeSet::from([first.clone(), event.clone()]));
    assert!(received.iter().all(|one| verified_event(one)["data"]["state"] == "on"));
    let story = gateway.cli(&["events", "show", &event]).ok();
    assert!(story.contains("admitted by hand") && story.contains(&format!("duplicate of {first}")), "{story}");

    let twice = gateway.cli(&["duplicates", "admit", id]).ok();
    assert!(twice.contains(&format!("{id} was admitted before, as {event}")), "{twice}");
    let unknown = gateway.cli(&["duplicates", "admit", "01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("there is no dropped duplicate 01980e5c"), "{unknown:?}");
    assert_eq!(receiver.all().len(), 2);
}

#[tokio::test]
async fn after_the_window_equal_bytes_are_a_new_event() {
    let receiver = Receiver::start().await;
    let config = undeclared(Config::new(), "idempotency.fallback-window = \"1s\"");
    let gateway = Gateway::start(config.receiver(&receiver)).await;
    let first = gateway.send("shop", &signed("{}")).await.accepted();
    let next = eventually("the window to end", async || {
        let reply = gateway.send("shop", &signed("{}")).await;
        if reply.outcome() == "duplicate" {
            assert_eq!(reply.duplicate(), first);
            return None;
        }
        Some(reply.accepted())
    });
    assert_ne!(next.await, first);
    let received = receiver.wait_for(2).await;
    assert_ne!(received[0].event_id(), received[1].event_id());
}

#[tokio::test]
async fn an_id_that_is_repeated_with_another_body_keeps_the_body() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(github(Config::new()).receiver(&receiver)).await;
    let first = gateway.send("github", &push("guid-1", "aaa")).await.accepted();
    assert_eq!(gateway.send("github", &push("guid-1", "aaa")).await.duplicate(), first);
    assert_eq!(gateway.send("github", &push("guid-1", "bbb")).await.duplicate(), first);
    let duplicates = listed(&gateway);
    let contents: Vec<_> = duplicates.iter().map(|one| one["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["own", "first"], "newest first: {duplicates:?}");
    assert!(duplicates.iter().all(|one| one["known_by"] == "id" && one["provider_id"] == "guid-1"));
    assert_ne!(duplicates[0]["payload_sha256"], duplicates[1]["payload_sha256"]);
    receiver.wait_for(1).await;
    let ids: Vec<_> = duplicates.iter().map(|one| one["id"].as_str().unwrap()).collect();
    let order = serde_json::json!({ "ids": ids }).to_string();
    let admitted = gateway.admin_post("/api/v1/duplicates/admit", &order).await.json();
    let events: Vec<_> = admitted["admitted"].as_array().unwrap().iter().map(|one| one["event"].clone()).collect();
    let received = receiver.wait_for(3).await;
    for (event, commit) in events.iter().zip(["bbb", "aaa"]) {
        let one = received.iter().find(|one| one.event_id() == event.as_str().unwrap()).unwrap();
        assert_eq!(verified_event(one)["data"]["after"], commit);
    }
}

/// Somebody presses "Redeliver" at GitHub because the destination had refused the event for good.
#[tokio::test]
async fn a_redelivery_after_a_dead_letter_can_be_admitted() {
    let receiver = Receiver::sequence(vec![Answer::status(410), Answer::status(200)]).await;
    let gateway = Gateway::start(github(Config::new()).receiver(&receiver)).await;
    let first = gateway.send("github", &push("guid-1", "aaa")).await.accepted();
    gateway.counts("hookgate_dead_letters_total", &["destination=\"receiver\""], 1.0).await;
    assert_eq!(gateway.send("github", &push("guid-1", "aaa")).await.duplicate(), first);
    let id = listed(&gateway)[0]["id"].as_str().unwrap().to_owned();
    gateway.cli(&["duplicates", "admit", &id]).ok();
    let received = receiver.wait_for(2).await;
    assert_eq!(received[1].answered, 200);
    assert_eq!(verified_event(&received[1])["data"]["after"], "aaa");
}

#[tokio::test]
async fn what_was_answered_as_a_duplicate_is_there_after_kill_9() {
    for engine in ["fjall", "sled"] {
        let receiver = Receiver::start().await;
        let config = undeclared(Config::new().with("store", &format!("engine = \"{engine}\"")), "");
        let mut gateway = Gateway::start(config.receiver(&receiver)).await;
        let first = gateway.send("shop", &signed("{}")).await.accepted().remove(0);
        gateway.send("shop", &signed("{}")).await.duplicate();
        gateway.kill();
        gateway.restart().await;
        let duplicates = listed(&gateway);
        assert_eq!(duplicates.len(), 1, "{engine}: {duplicates:?}");
        assert_eq!(duplicates[0]["duplicate_of"], first);
        gateway.cli(&["duplicates", "admit", duplicates[0]["id"].as_str().unwrap()]).ok();
        gateway.kill();
        gateway.restart().await;
        let event = listed(&gateway)[0]["admitted_as"].as_str().unwrap().to_owned();
        receiver.wait_until("the admitted event", |all| all.iter().any(|one| one.event_id() == event)).await;
    }
}

#[tokio::test]
async fn of_many_duplicates_the_first_are_listed_and_all_are_counted() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(undeclared(Config::new(), "").receiver(&receiver)).await;
    let first = gateway.send("shop", &signed("{}")).await.accepted().remove(0);
    let copies: Vec<_> = (0..40)
        .map(|_| {
            let url = gateway.url("shop");
            tokio::spawn(async move { send(&url, &signed("{}")).await })
        })
        .collect();
    for copy in copies {
        assert_eq!(copy.await.unwrap().duplicate(), std::slice::from_ref(&first));
    }
    assert_eq!(listed(&gateway).len(), 16);
    let shown = json(&gateway, &["events", "show", &first]);
    assert_eq!(shown["duplicates"]["count"], 40, "{shown}");
    assert_eq!(shown["duplicates"]["recorded"].as_array().unwrap().len(), 16);
    gateway.counts("hookgate_duplicates_total", &["by=\"undeclared\""], 40.0).await;
}
