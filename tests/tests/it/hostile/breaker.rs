//! A plugin that keeps breaking is taken out and comes back by itself.

use super::{isolation::is_healthy, *};

/// As `limits::PLUGIN_BREAKER_FAILURES_MAX`.
const FAILURES: usize = 20;
/// Breaks the plugin; anything of another length does not.
const BAD: &str = "{}";
const GOOD: &str = "{ }";

/// Traps on a body of two bytes.
fn traps_on_two(name: &'static str) -> Hostile {
    let trap = "(if (i64.eq (call $length (local.get $delivery)) (i64.const 2)) (then (unreachable)))";
    Hostile { imports: LENGTH, ..Hostile::verify(name, format!("{trap} {}", admitting(Vec::new()))) }
}

async fn break_it(gateway: &Gateway, delivery: &Delivery) {
    for _ in 0..FAILURES {
        let problem = gateway.send("fragile", delivery).await.refused(503);
        assert_eq!(problem["type"], "urn:hookgate:plugin-broken");
    }
}

/// It is refused without being asked. The test may be held up for longer than a pause, and then one more try is made.
async fn is_out(gateway: &Gateway, delivery: &Delivery) -> Reply {
    eventually("the plugin to be out", async || {
        let refused = gateway.send("fragile", delivery).await;
        (refused.refused(503)["type"] == "urn:hookgate:plugin-out").then_some(refused)
    })
    .await
}

async fn out(gateway: &Gateway, source: &str) -> serde_json::Value {
    let sources = gateway.admin_get("/api/v1/sources").await.json();
    let sources = sources["sources"].as_array().unwrap();
    sources.iter().find(|shown| shown["name"] == source).unwrap()["plugin_out"].clone()
}

#[tokio::test]
async fn a_plugin_that_keeps_trapping_is_out_for_a_while_and_comes_back_by_itself() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &[traps_on_two("fragile")], &receiver)).await;
    break_it(&gateway, &Delivery::post(&[], BAD)).await;

    let refused = is_out(&gateway, &Delivery::post(&[], BAD)).await;
    assert!(refused.retry_after().is_some_and(|seconds| (1..=30).contains(&seconds)), "{refused:?}");
    gateway.says("the plugin is out").await;
    assert_eq!(out(&gateway, "fragile").await, serde_json::json!(["verify"]));
    let of_verify = ["source=\"fragile\"", "call=\"verify\""];
    assert_eq!(gateway.metric("hookgate_plugin_breaker_opened_total", &of_verify).await, 1.0);
    assert_eq!(gateway.metric("hookgate_plugin_breaker_open", &of_verify).await, 1.0);
    is_healthy(&gateway).await;

    eventually("the plugin to be tried again", async || {
        let reply = gateway.send("fragile", &Delivery::post(&[], GOOD)).await;
        (reply.status == 200).then_some(())
    })
    .await;
    gateway.says("the plugin is back").await;
    assert_eq!(gateway.metric("hookgate_plugin_breaker_open", &of_verify).await, 0.0);
    assert_eq!(out(&gateway, "fragile").await, serde_json::json!([]));
    let problem = gateway.send("fragile", &Delivery::post(&[], BAD)).await.refused(503);
    assert_eq!(problem["type"], "urn:hookgate:plugin-broken", "it is asked again");
}

#[tokio::test]
async fn a_stranger_who_breaks_the_plugin_shuts_out_only_himself() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let config = hostile_gateway(plugins.path(), &[traps_on_two("fragile")], &receiver);
    let gateway = Gateway::start(config.with("server", "trusted-proxies = [\"127.0.0.1\"]")).await;
    let from = |address: &str, body: &str| Delivery::post(&[("x-forwarded-for", address)], body);
    for n in 0..3 {
        break_it(&gateway, &from("203.0.113.1", BAD)).await;
        is_out(&gateway, &from("203.0.113.1", BAD)).await;
        // Not a delivery of the honest one is lost, and it closes the breaker.
        gateway.send("fragile", &from("203.0.113.2", &format!("{GOOD}{n}"))).await.accepted();
    }
}

#[tokio::test]
async fn events_wait_while_transform_is_out_and_go_on_when_the_plugin_is_mended() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let broken = Hostile { transform: "(unreachable)", ..Hostile::verify("fragile", admitting(Vec::new())) };
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &[broken], &receiver)).await;
    // All at once, so that the plugin is out before any of them has broken it three times, if the machine is not very busy.
    let deliveries: Vec<_> = (0..30)
        .map(|n| {
            let url = gateway.url("fragile");
            tokio::spawn(async move { hookgate_tests::send(&url, &Delivery::post(&[], format!("{n}"))).await })
        })
        .collect();
    for reply in deliveries {
        reply.await.unwrap().accepted();
    }
    gateway.counts("hookgate_plugin_breaker_open", &["source=\"fragile\"", "call=\"transform\""], 1.0).await;
    // What is taken is not what is transformed.
    gateway.send("fragile", &Delivery::post(&[], "one more")).await.accepted();
    is_healthy(&gateway).await;

    Hostile::verify("fragile", admitting(Vec::new())).write(plugins.path());
    gateway.ask_to_read_again();
    gateway.says("the configuration was read again and is in force").await;
    // The mended plugin makes nothing of them. What had spent its tries is redriven, the rest goes on by itself.
    let of_fragile = ["source=\"fragile\"", "outcome=\"empty\""];
    eventually("all events to be transformed", async || {
        gateway.cli(&["dead-letters", "redrive", "--destination", "transform"]);
        (gateway.metric("hookgate_transformed_events_total", &of_fragile).await == 31.0).then_some(())
    })
    .await;
}
