//! Order at the destinations: events of one ordering key are sent one after the other, even after failures.

use std::{
    collections::HashSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use hookgate_tests::{Answer, Config, Delivery, Gateway, Received, Receiver, SECRET, eventually, sign};
use serde_json::{Value, json};

const SOON: &str = "retry = { attempts = 1000, first = \"10ms\", max = \"40ms\" }";

/// A GitHub source, whose events have their repository as ordering key and are in the order of arrival.
fn ordered(config: Config, on_failure: &str) -> Config {
    let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nordering = {{ on-failure = \"{on_failure}\" }}");
    config.source("github", "github", &lines)
}

/// With a destination that takes eight at once.
fn config(receiver: &Receiver, on_failure: &str) -> Config {
    let lines = format!("http = {{ url = \"{}\" }}\nconcurrency = 8\n{SOON}", receiver.url());
    ordered(Config::new(), on_failure).destination("r", &lines).route("*", "r")
}

/// The event number `n` of a key.
fn event(key: &str, n: u64) -> Delivery {
    let body = json!({ "ref": "main", "repository": { "full_name": key }, "n": n });
    sign::github(SECRET, "push", &format!("{key}-{n}"), body.to_string())
}

async fn send(gateway: &Gateway, key: &str, n: u64) -> String {
    gateway.send("github", &event(key, n)).await.accepted().remove(0)
}

fn number_of(data: &Value) -> (String, u64) {
    (data["repository"]["full_name"].as_str().unwrap().to_owned(), data["n"].as_u64().unwrap())
}

/// The key and the number of what came.
fn number(received: &Received) -> (String, u64) {
    number_of(&received.json()["data"])
}

fn of_key(all: &[Received], key: &str) -> Vec<u64> {
    all.iter().map(number).filter(|(of, _)| of == key).map(|(_, n)| n).collect()
}

/// None came before all of its key that were sent before it had arrived.
fn check_order(all: &[Received]) {
    let mut arrived = HashSet::new();
    for one in all {
        let (key, n) = number(one);
        for before in 0..n {
            assert!(arrived.contains(&(key.clone(), before)), "{key} {n} came before {before} had arrived");
        }
        if one.answered == 200 {
            arrived.insert((key, n));
        }
    }
}

#[tokio::test]
async fn keys_arrive_in_order_over_failures_and_kills() {
    for engine in ["fjall", "sled"] {
        let receiver = Receiver::answering(|_, count| Answer::status(if count % 3 == 1 { 503 } else { 200 })).await;
        let config = config(&receiver, "continue").with("store", &format!("engine = \"{engine}\""));
        let mut gateway = Gateway::start(config).await;
        let keys = ["a/a", "b/b", "c/c"];
        for round in 0..4 {
            for n in round * 10..(round + 1) * 10 {
                for key in keys {
                    send(&gateway, key, n).await;
                }
            }
            // Killed with some of the round on their way, unless the machine is so slow that all have arrived.
            receiver.wait_until("some of the round", |all| all.len() >= round as usize * 30 + 5).await;
            gateway.kill();
            gateway.restart().await;
        }
        let expected: HashSet<_> = keys.iter().flat_map(|key| (0..40).map(|n| ((*key).to_owned(), n))).collect();
        let all = receiver
            .wait_until("all of every key", |all| {
                all.iter().filter(|one| one.answered == 200).map(number).collect::<HashSet<_>>() == expected
            })
            .await;
        check_order(&all);
    }
}

/// A receiver that refuses event number 1 of `a/a` until this is changed.
async fn refusing(gone: &Arc<AtomicBool>) -> Receiver {
    let gone = gone.clone();
    Receiver::answering(move |received, _| {
        let refused = gone.load(SeqCst) && number(received) == ("a/a".to_owned(), 1);
        Answer::status(if refused { 410 } else { 200 })
    })
    .await
}

async fn dead_letter(gateway: &Gateway) -> Value {
    eventually("a dead letter", async || {
        let text = gateway.cli(&["dead-letters", "list", "--json"]).ok();
        let list: Value = serde_json::from_str(&text).unwrap();
        list["dead_letters"].as_array().unwrap().first().cloned()
    })
    .await
}

async fn metric_is(gateway: &Gateway, name: &str, value: f64) {
    eventually(&format!("{name} is {value}"), async || {
        (gateway.metric(name, &["destination=\"r\""]).await == value).then_some(())
    })
    .await;
}

#[tokio::test]
async fn with_block_a_key_goes_no_further_and_all_can_see_why() {
    let gone = Arc::new(AtomicBool::new(true));
    let receiver = refusing(&gone).await;
    let mut gateway = Gateway::start(config(&receiver, "block")).await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(send(&gateway, "a/a", n).await);
        send(&gateway, "b/b", n).await;
    }
    receiver.wait_until("all of the other key", |all| of_key(all, "b/b").len() == 4).await;
    metric_is(&gateway, "hookgate_blocked_ordering_keys", 1.0).await;
    metric_is(&gateway, "hookgate_waiting_events", 2.0).await;
    let letter = dead_letter(&gateway).await;
    assert_eq!((letter["event"].as_str(), &letter["blocks"]), (Some(ids[1].as_str()), &json!(2)));
    let name = format!("r/{}/0", ids[1]);
    let shown = gateway.cli(&["dead-letters", "show", &name]).ok();
    assert!(shown.contains("2 of its ordering key wait for it until it is redriven or discarded"), "{shown}");
    let shown = gateway.cli(&["events", "show", &ids[3]]).ok();
    assert!(shown.contains(&format!("waits for {}/0 and 1 more", ids[1])), "{shown}");
    gateway.says("its ordering key goes no further").await;

    // It stays so over a crash, and after a redrive that fails as well.
    gateway.kill();
    gateway.restart().await;
    send(&gateway, "a/a", 4).await;
    metric_is(&gateway, "hookgate_waiting_events", 3.0).await;
    gateway.cli(&["dead-letters", "redrive", &name]).ok();
    receiver.wait_until("the redriven one", |all| of_key(all, "a/a") == [0, 1, 1]).await;
    metric_is(&gateway, "hookgate_blocked_ordering_keys", 1.0).await;

    gone.store(false, SeqCst);
    gateway.cli(&["dead-letters", "redrive", &name]).ok();
    let all = receiver.wait_until("all of the key", |all| of_key(all, "a/a").len() >= 7).await;
    assert_eq!(of_key(&all, "a/a"), [0, 1, 1, 1, 2, 3, 4]);
    metric_is(&gateway, "hookgate_blocked_ordering_keys", 0.0).await;
    metric_is(&gateway, "hookgate_queue_events", 0.0).await;
}

#[tokio::test]
async fn a_discarded_dead_letter_lets_its_key_go_on() {
    let receiver = refusing(&Arc::new(AtomicBool::new(true))).await;
    let gateway = Gateway::start(config(&receiver, "block")).await;
    for n in 0..4 {
        send(&gateway, "a/a", n).await;
    }
    dead_letter(&gateway).await;
    metric_is(&gateway, "hookgate_waiting_events", 2.0).await;
    gateway.cli(&["dead-letters", "discard", "--destination", "r"]).ok();
    let all = receiver.wait_until("the rest of the key", |all| of_key(all, "a/a").len() >= 4).await;
    assert_eq!(of_key(&all, "a/a"), [0, 1, 2, 3]);
}

#[tokio::test]
async fn with_continue_a_key_goes_on_and_a_redrive_comes_late() {
    let gone = Arc::new(AtomicBool::new(true));
    let receiver = refusing(&gone).await;
    let gateway = Gateway::start(config(&receiver, "continue")).await;
    for n in 0..4 {
        send(&gateway, "a/a", n).await;
    }
    receiver.wait_until("all of the key", |all| of_key(all, "a/a") == [0, 1, 2, 3]).await;
    let letter = dead_letter(&gateway).await;
    assert_eq!(letter["blocks"], Value::Null, "{letter}");
    gone.store(false, SeqCst);
    gateway.cli(&["dead-letters", "redrive", "--all"]).ok();
    receiver.wait_until("the redriven one", |all| of_key(all, "a/a") == [0, 1, 2, 3, 1]).await;
}

/// Neither a destination that is gone for a while nor a source that is no longer ordered strands waiting events.
#[tokio::test]
async fn what_waits_goes_on_after_the_configuration_has_changed() {
    let away = Arc::new(AtomicBool::new(true));
    let down = away.clone();
    let receiver = Receiver::answering(move |_, _| Answer::status(if down.load(SeqCst) { 503 } else { 200 })).await;
    let gateway = Gateway::start(config(&receiver, "block")).await;
    for n in 0..5 {
        send(&gateway, "a/a", n).await;
    }
    metric_is(&gateway, "hookgate_waiting_events", 4.0).await;
    let read_again = async |config: &Config, times: usize| {
        gateway.configure(config);
        gateway.ask_to_read_again();
        eventually("the other configuration", async || {
            (gateway.said().matches("was read again and is in force").count() == times).then_some(())
        })
        .await;
    };
    read_again(&ordered(Config::new(), "block"), 1).await;
    metric_is(&gateway, "hookgate_in_flight", 0.0).await;
    metric_is(&gateway, "hookgate_queue_events", 5.0).await;
    away.store(false, SeqCst);
    let lines = format!("http = {{ url = \"{}\" }}\nconcurrency = 8\n{SOON}", receiver.url());
    let unordered = Config::new()
        .source("github", "github", &format!("secrets.signing = {{ value = \"{SECRET}\" }}"))
        .destination("r", &lines)
        .route("*", "r");
    read_again(&unordered, 2).await;
    let arrived =
        |all: &[Received]| all.iter().filter(|one| one.answered == 200).map(|one| number(one).1).collect::<Vec<_>>();
    receiver.wait_until("all of the key, in order", |all| arrived(all) == [0, 1, 2, 3, 4]).await;
    metric_is(&gateway, "hookgate_queue_events", 0.0).await;
}

#[tokio::test]
async fn a_busy_key_goes_to_a_file_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.jsonl");
    let lines = format!("jsonl = {{ path = {:?} }}", path.to_str().unwrap());
    let config = ordered(Config::new(), "continue").destination("file", &lines).route("*", "file");
    let mut gateway = Gateway::start(config).await;
    for n in 0..150 {
        send(&gateway, "a/a", n).await;
        if n == 70 {
            gateway.kill();
            gateway.restart().await;
        }
    }
    let numbers = || -> Vec<u64> {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        whole.map(|line| number_of(&line["data"]).1).collect()
    };
    let numbers = eventually("the last line", async || Some(numbers()).filter(|all| all.last() == Some(&149))).await;
    // The crash may have had some written twice; first seen each is where it belongs.
    let mut seen = HashSet::new();
    let first: Vec<u64> = numbers.into_iter().filter(|n| seen.insert(*n)).collect();
    assert_eq!(first, (0..150).collect::<Vec<_>>());
}
