//! Replay protection: a captured delivery that is sent again under another id.

use std::collections::HashSet;

use hookgate_tests::{Config, Delivery, Gateway, Receiver, Reply, SECRET, eventually, now, send, sign, verified_event};

const GITHUB_SECRET: &str = "It's a Secret to Everybody";
const ADYEN_KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

fn push(guid: &str, commit: &str) -> Delivery {
    sign::github(GITHUB_SECRET, "push", guid, format!("{{\"ref\": \"refs/heads/main\", \"after\": \"{commit}\"}}"))
}

/// A GitHub source with that line about replays.
fn github(config: Config, name: &str, replay: &str) -> Config {
    config.source(name, "github", &format!("secrets.signing = {{ value = {GITHUB_SECRET:?} }}\n{replay}"))
}

async fn replays(gateway: &Gateway, source: &str) -> f64 {
    gateway.metric("hookgate_replays_total", &[&format!("source=\"{source}\"")]).await
}

#[tokio::test]
async fn a_captured_delivery_under_another_id_is_not_admitted() {
    let receiver = Receiver::start().await;
    let config = github(Config::new(), "told", "replay = {}");
    let config = github(config, "refused", "replay = { window = \"1h\", answer = \"refuse\" }");
    let mut gateway = Gateway::start(github(config, "off", "").receiver(&receiver)).await;

    let first = gateway.send("told", &push("guid-1", "aaa")).await.accepted();
    assert_eq!(gateway.send("told", &push("guid-1", "aaa")).await.duplicate(), first, "a retry");
    assert_eq!(replays(&gateway, "told").await, 0.0);
    assert_eq!(gateway.send("told", &push("guid-2", "aaa")).await.duplicate(), first);
    assert_eq!(replays(&gateway, "told").await, 1.0);
    gateway.send("told", &push("guid-2", "bbb")).await.accepted();

    let first = gateway.send("refused", &push("guid-1", "aaa")).await.accepted();
    assert_eq!(gateway.send("refused", &push("guid-1", "aaa")).await.duplicate(), first, "a retry");
    let refused = gateway.send("refused", &push("guid-2", "aaa")).await.refused(401);
    assert_eq!(refused["type"], "urn:hookgate:replayed");
    assert_eq!(replays(&gateway, "refused").await, 1.0);
    gateway.counts("hookgate_refusals_total", &["cause=\"replayed\""], 1.0).await;
    gateway.send("refused", &push("guid-3", "aaa")).await.refused(401);
    let shown = gateway.admin_get(&format!("/api/v1/events/{}", first[0])).await.json();
    assert_eq!(shown["replays"]["count"], 2, "{shown}");

    // Without it both are events.
    gateway.send("off", &push("guid-1", "aaa")).await.accepted();
    gateway.send("off", &push("guid-2", "aaa")).await.accepted();

    receiver.wait_for(5).await;
    assert!(gateway.stop().await.success());
    assert_eq!(receiver.all().len(), 5);
    assert!(gateway.said().contains("came again under another id and was not admitted"));
}

/// He who captures a delivery before it arrives can have his copy admitted, under his id. The genuine one must not fail
/// for it, unless the source wants it so: its event is there.
#[tokio::test]
async fn a_copy_that_comes_first_does_not_make_the_genuine_delivery_fail() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(github(Config::new(), "github", "replay = {}").receiver(&receiver)).await;
    let forged = gateway.send("github", &push("forged", "aaa")).await.accepted();
    for _ in 0..3 {
        assert_eq!(gateway.send("github", &push("genuine", "aaa")).await.duplicate(), forged);
    }
    let received = receiver.wait_for(1).await;
    assert_eq!(verified_event(&received[0])["data"]["after"], "aaa");
}

#[tokio::test]
async fn copies_in_flight_under_different_ids_are_one_event() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(github(Config::new(), "github", "replay = {}").receiver(&receiver)).await;
    let copies = (0..24).map(|n| {
        let url = gateway.url("github");
        tokio::spawn(async move { send(&url, &push(&format!("guid-{n}"), "aaa")).await })
    });
    let mut replies: Vec<Reply> = Vec::new();
    for copy in copies.collect::<Vec<_>>() {
        replies.push(copy.await.unwrap());
    }
    assert_eq!(replies.iter().filter(|reply| reply.outcome() == "accepted").count(), 1);
    assert_eq!(replies.iter().flat_map(Reply::events).collect::<HashSet<_>>().len(), 1);
    receiver.wait_for(1).await;
    assert!(gateway.stop().await.success());
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test]
async fn signatures_outlive_a_crash_and_another_configuration() {
    let receiver = Receiver::start().await;
    let config = |replay: &str| github(Config::new(), "github", replay).receiver(&receiver);
    let refusing = config("replay = { answer = \"refuse\" }");
    let mut gateway = Gateway::start(refusing.clone()).await;
    gateway.send("github", &push("guid-1", "aaa")).await.accepted();
    gateway.kill();
    gateway.restart().await;
    gateway.send("github", &push("guid-2", "aaa")).await.refused(401);

    for (times, (replay, status)) in (1..).zip([("replay = {}", 200), ("replay = { answer = \"refuse\" }", 401)]) {
        gateway.configure(&config(replay));
        gateway.ask_to_read_again();
        let read = "was read again and is in force";
        eventually(read, async || (gateway.said().matches(read).count() >= times).then_some(())).await;
        assert_eq!(gateway.send("github", &push(&format!("guid-{replay}"), "aaa")).await.status, status, "{replay}");
    }
    gateway.send("github", &push("guid-1", "aaa")).await.duplicate();
    receiver.wait_for(1).await;
    // The process may have died between the attempt and its record: then the event is delivered again, under its id.
    let events: HashSet<String> = receiver.all().iter().map(|received| received.event_id()).collect();
    assert_eq!(events.len(), 1);
}

/// Providers whose signature covers the id know their own retries; nothing is taken for a replay.
#[tokio::test]
async fn signed_ids_and_signed_items_are_plain_duplicates() {
    let receiver = Receiver::start().await;
    let config = Config::new()
        .source(
            "stripe",
            "stripe",
            &format!("secrets.signing = {{ value = \"{SECRET}\" }}\nreplay = {{ answer = \"refuse\" }}"),
        )
        .source(
            "adyen",
            "adyen",
            &format!("secrets.hmac = {{ value = \"{ADYEN_KEY}\" }}\nreplay = {{ answer = \"refuse\" }}"),
        )
        .receiver(&receiver);
    let gateway = Gateway::start(config).await;
    let at = now();
    let stripe = sign::stripe(SECRET, at, sign::stripe_body("evt_1", at));
    let first = gateway.send("stripe", &stripe).await.accepted();
    assert_eq!(gateway.send("stripe", &stripe).await.duplicate(), first);
    let again = sign::stripe(SECRET, at - 1, sign::stripe_body("evt_1", at));
    assert_eq!(gateway.send("stripe", &again).await.duplicate(), first, "signed anew for a retry");

    let item = |reference: &str| sign::adyen_item(reference, "AUTHORISATION", 1099);
    let two = gateway.send("adyen", &sign::adyen(ADYEN_KEY, &[item("A"), item("B")])).await.accepted();
    assert_eq!(gateway.send("adyen", &sign::adyen(ADYEN_KEY, &[item("A"), item("B")])).await.duplicate(), two);
    let mixed = gateway.send("adyen", &sign::adyen(ADYEN_KEY, &[item("B"), item("C")])).await.accepted();
    assert_eq!(mixed[0], two[1], "B came before, and C is new");
    assert_eq!(gateway.send("adyen", &sign::adyen(ADYEN_KEY, &[item("C")])).await.duplicate(), mixed[1..]);
    assert_eq!(replays(&gateway, "stripe").await + replays(&gateway, "adyen").await, 0.0);
    receiver.wait_for(4).await;
}
