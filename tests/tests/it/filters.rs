//! Filters on routes: which events arrive where, after a crash and another configuration too, and the command that tries
//! them.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{Command, Stdio},
};

use hookgate_tests::{Config, Delivery, Gateway, Received, Receiver, SECRET, binary, eventually, now, run, sign};
use serde_json::json;

/// A Stripe event of that kind and amount.
fn paid(id: &str, kind: &str, amount: u64) -> Delivery {
    let body = json!({
        "id": id, "object": "event", "created": now(), "type": kind,
        "data": {"object": {"amount": amount, "items": [{"sku": "a", "count": 1}, {"sku": "b", "count": 2}]}},
    });
    sign::stripe(SECRET, now(), body.to_string())
}

/// A destination with a route of its own.
fn filtered(config: Config, name: &str, receiver: &Receiver, filter: &str) -> Config {
    let filter = if filter.is_empty() { String::new() } else { format!("filter = {filter}\n") };
    config
        .destination(
            name,
            &format!("http = {{ url = \"{}\" }}\nretry = {{ first = \"20ms\", max = \"200ms\" }}", receiver.url()),
        )
        .entry(&format!("[[route]]\nfrom = \"stripe\"\nto = \"{name}\"\n{filter}"))
}

/// The ids of the CloudEvents at a receiver, each once: after a crash some arrive twice.
fn seen(received: &[Received]) -> Vec<String> {
    let ids: BTreeSet<String> = received.iter().map(|one| one.json()["id"].as_str().unwrap().to_owned()).collect();
    ids.into_iter().collect()
}

/// [`seen`], once there is this number.
async fn ids(receiver: &Receiver, count: usize) -> Vec<String> {
    seen(&receiver.wait_until(&format!("{count} events at the receiver"), |all| seen(all).len() >= count).await)
}

#[tokio::test]
async fn events_go_where_their_filters_lead() {
    let (large, invoices, all) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let config = |large_filter: &str| {
        let config = filtered(Config::new().stripe("stripe"), "large", &large, large_filter);
        let invoices_filter = r#"'{"type": [{"prefix": "com.stripe.invoice."}], "data": {"data": {"object": {"items": {"sku": ["b"], "count": [2]}}}}}'"#;
        filtered(filtered(config, "invoices", &invoices, invoices_filter), "all", &all, "")
    };
    let over = |amount: u64| {
        format!("{{ data = {{ data = {{ object = {{ amount = [{{ numeric = [\">\", {amount}] }}] }} }} }} }}")
    };
    let mut gateway = Gateway::start(config(&over(1000))).await;
    for delivery in [paid("evt_1", "invoice.paid", 1000), paid("evt_2", "charge.failed", 1001)] {
        gateway.send("stripe", &delivery).await.accepted();
    }
    assert_eq!(ids(&all, 2).await, ["evt_1", "evt_2"]);
    assert_eq!(ids(&large, 1).await, ["evt_2"]);
    assert_eq!(ids(&invoices, 1).await, ["evt_1"]);

    // After a crash all is as before.
    gateway.kill();
    gateway.restart().await;
    gateway.send("stripe", &paid("evt_3", "charge.failed", 5000)).await.accepted();
    assert_eq!(ids(&large, 2).await, ["evt_2", "evt_3"]);

    // Another filter, read while it runs.
    gateway.configure(&config(&over(10_000)));
    gateway.ask_to_read_again();
    eventually("the new configuration", async || {
        gateway.said().contains("was read again and is in force").then_some(())
    })
    .await;
    gateway.send("stripe", &paid("evt_4", "charge.failed", 10_000)).await.accepted();
    gateway.send("stripe", &paid("evt_5", "charge.failed", 10_001)).await.accepted();
    assert_eq!(ids(&large, 3).await, ["evt_2", "evt_3", "evt_5"]);
    assert_eq!(ids(&all, 5).await.len(), 5);
    assert!(gateway.stop().await.success());
    assert_eq!((seen(&large.all()).len(), seen(&invoices.all()).len()), (3, 1));
}

#[tokio::test]
async fn an_event_that_no_filter_wants_is_unrouted() {
    let receiver = Receiver::start().await;
    let config = filtered(Config::new().stripe("stripe"), "none", &receiver, "{ type = [\"com.stripe.nothing\"] }");
    let gateway = Gateway::start(config).await;
    let id = gateway.send("stripe", &paid("evt_1", "invoice.paid", 1)).await.accepted();
    // Its state is asked for, not the metric: that is counted just before the change is in the store.
    eventually("the event to be unrouted", async || {
        let shown = gateway.admin_get(&format!("/api/v1/events/{}", id[0])).await.json();
        (shown["state"] == "unrouted").then_some(())
    })
    .await;
    gateway.counts("hookgate_transformed_events_total", &["outcome=\"unrouted\""], 1.0).await;
}

#[test]
fn a_wrong_filter_is_reported_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookgate.toml");
    let config = Config::new().stripe("stripe").destination("out", "stdout = {}");
    let route = "[[route]]\nfrom = \"stripe\"\nto = \"out\"\nfilter = { type = [{ prefx = \"a\" }], data = 5 }\n";
    let text = config.entry(route).text(&directory.path().join("plugins"));
    fs::write(&file, &text).unwrap();
    let line = text.lines().position(|line| line.starts_with("filter = {")).unwrap() + 1;
    let finished = run(Command::new(binary()).args(["check", "--config"]).arg(&file));
    assert_eq!(finished.code, Some(1));
    for told in
        [format!("hookgate.toml:{line}:"), "`type[0].prefx`: there is no such operator".into(), "2 mistakes".into()]
    {
        assert!((finished.stdout.clone() + &finished.stderr).contains(&told), "{told}: {finished:?}");
    }
}

fn test(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary());
    command.args(["filter", "test"]).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_says_whether_a_pattern_matches_and_why_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pattern = file("pattern.json", r#"{"type": [{"prefix": "com."}], "data": {"n": [{"numeric": [">", 5]}]}}"#);
    let event = file("event.json", r#"{"type": "com.x", "data": {"n": 6}}"#);
    assert_eq!(test(&[&pattern, &event], "").0, Some(0));
    assert_eq!(test(&[&pattern, &event], "").1, "match\n");
    assert_eq!(test(&[&pattern, "-"], "{\"type\": \"com.x\", \"data\": {\"n\": 6}}\n").0, Some(0));
    assert_eq!(test(&["-", &event], r#"{"type": [null]}"#).0, Some(1));

    let (code, told, _) = test(&[&pattern, r#"{"type": "org.x", "data": {"n": 5}}"#], "");
    assert_eq!(code, Some(1));
    let expected = "no match\n  `type` is \"org.x\", wanted is {\"prefix\": \"com.\"}\n  `data.n` is 5, wanted is {\"numeric\": [\">\", 5]}\n";
    assert_eq!(told, expected);
    let (code, told, _) = test(&[&pattern, "{}", "--json"], "");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &told["match"], told["why"].as_array().unwrap().len()), (Some(1), &json!(false), 2));

    for (arguments, told) in [
        (["{", "{}"], "the pattern: it is not JSON"),
        ([r#"{"a": [{"prefx": 1}], "b": 2}"#, "{}"], "`b`: it is a value by itself"),
        ([pattern.as_str(), "{"], "the event is not JSON"),
        ([pattern.as_str(), "[]"], "the event is not a JSON object"),
        (["/nowhere/at/all", "{}"], "the pattern cannot be read: /nowhere/at/all"),
        (["-", "-"], "only one of pattern and event"),
    ] {
        let (code, _, error) = test(&arguments, "");
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {told}: {error}");
    }
}
