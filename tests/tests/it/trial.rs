//! Versions that are tried on stored deliveries, without any effect.

use std::fs;

use super::hostile::component::{ADMISSION, Hostile, answers};
use hookgate_tests::{Config, Delivery, Finished, Gateway, Receiver, eventually, sign};
use serde_json::Value;

const SECRET: &str = "It's a Secret to Everybody";

fn push(number: u32) -> Delivery {
    sign::github(SECRET, "push", &format!("guid-{number}"), format!("{{\"after\": \"commit-{number}\"}}"))
}

fn config(receiver: &Receiver, secret: &str) -> Config {
    let config = Config::new().source("github", "github", &format!("secrets.signing = {{ value = {secret:?} }}"));
    config.receiver(receiver)
}

/// The report of `hookgate plugin replay`, and its exit status.
fn replay(gateway: &Gateway, arguments: &[&str]) -> (Value, Option<i32>) {
    let Finished { code, stdout, stderr } =
        gateway.cli(&[&["plugin", "replay", "--source", "github", "--json"], arguments].concat());
    let report = serde_json::from_str(&stdout);
    (report.unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}")), code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_reports_what_a_version_would_have_done_without_effect() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(config(&receiver, SECRET)).await;
    let mut events = Vec::new();
    for number in 0..3 {
        events.extend(gateway.send("github", &push(number)).await.accepted());
    }
    receiver.wait_for(3).await;
    // Delivered means transformed, and recorded as such.
    let delivered = async || {
        let list = gateway.admin_get("/api/v1/events?state=delivered").await.json();
        (list["events"].as_array()?.len() == 3).then_some(())
    };
    eventually("three delivered events", delivered).await;

    let (same, code) = replay(&gateway, &["github"]);
    assert_eq!((&same["judged"], &same["differing"], code), (&Value::from(3), &Value::from(0), Some(0)), "{same}");
    assert_eq!(same["differences"], Value::Array(Vec::new()));

    // By name, another plugin: it admits every delivery and knows no ids.
    let (raw, code) = replay(&gateway, &["raw", "--since", "1h"]);
    assert_eq!((&raw["judged"], &raw["differing"], code), (&Value::from(3), &Value::from(3), Some(1)), "{raw}");
    assert_eq!(raw["recorded"]["parts"]["identity"], 3, "{raw}");
    assert_eq!(raw["recorded"]["parts"]["output"], 3, "{raw}");
    let first = &raw["differences"][0];
    assert_eq!(
        (&first["events"][0], &first["against"]),
        (&Value::from(events[2].as_str()), &Value::from("both")),
        "{raw}"
    );

    // A component's file.
    let file = |name: &str, plugin: &Hostile| {
        let path = gateway.path().join(name);
        fs::write(&path, plugin.component()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let traps = file("traps.wasm", &Hostile::verify("github", "(unreachable)"));
    let (traps, code) = replay(&gateway, &[&traps, "--limit", "2"]);
    assert_eq!((&traps["judged"], &traps["more"], code), (&Value::from(2), &Value::from(true), Some(1)), "{traps}");
    assert_eq!(traps["differences"][0]["part"], "verdict", "{traps}");
    assert!(traps["differences"][0]["after"].as_str().unwrap().starts_with("broken: trap"), "{traps}");
    let empty = file("empty.wasm", &Hostile::verify("github", answers(&[(8, ADMISSION), (12, 1)])));
    let text = gateway.cli(&["plugin", "replay", &empty, "--source", "github"]);
    assert_eq!(text.code, Some(1), "{}", text.stderr);
    assert!(text.stdout.contains("number of outputs"), "{}", text.stdout);

    // The gateway's own metrics know nothing of it, and nothing was handed on.
    assert_eq!(gateway.metric("hookgate_plugin_failures_total", &["plugin=\"github\""]).await, 0.0);
    assert_eq!(gateway.metric("hookgate_plugin_call_seconds_count", &["plugin=\"raw\""]).await, 0.0);
    assert!(gateway.stop().await.success());
    assert_eq!(receiver.all().len(), 3);
}

#[tokio::test]
async fn deliveries_that_cannot_be_judged_are_reported_and_mistakes_explained() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(config(&receiver, SECRET)).await;
    gateway.send("github", &push(1)).await.accepted();
    gateway.configure(&config(&receiver, "another secret"));
    gateway.ask_to_read_again();
    gateway.says("was read again and is in force").await;

    let (rotated, code) = replay(&gateway, &["github"]);
    assert_eq!(
        (&rotated["judged"], &rotated["not_judged"]["outdated"]),
        (&Value::from(0), &Value::from(1)),
        "{rotated}"
    );
    assert_eq!(code, Some(0));

    for (arguments, says) in [
        (["nothing", "--source", "github"], "there is no plugin \"nothing\""),
        (["github", "--source", "elsewhere"], "there is no source \"elsewhere\""),
    ] {
        let failed = gateway.cli(&[&["plugin", "replay"], &arguments[..]].concat());
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stderr.contains(says), "{failed:?}");
    }
    let no_plugin = gateway.path().join("none.wasm");
    fs::write(&no_plugin, "no component").unwrap();
    let failed = gateway.cli(&["plugin", "replay", no_plugin.to_str().unwrap(), "--source", "github"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("not a plugin"), "{failed:?}");
}

/// A version that takes everything for genuine, installed as a shadow beside the one that does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_sees_live_deliveries_and_nothing_of_it_happens() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(config(&receiver, SECRET)).await;
    gateway.send("github", &push(1)).await.accepted();
    let careless = Hostile::verify("github", answers(&[(8, ADMISSION), (12, 1)]));
    let file = gateway.path().join("careless.wasm");
    fs::write(&file, careless.component()).unwrap();
    let file = file.to_str().unwrap();
    let refused = gateway.cli(&["plugin", "install", file]);
    assert!(refused.code == Some(1) && refused.stderr.contains("recorded delivery"), "{refused:?}");
    let installed = gateway.cli(&["plugin", "install", file, "--shadow", "--despite-recorded", "--json"]).ok();
    let installed: Value = serde_json::from_str(&installed).unwrap();
    let hash = installed["version"]["hash"].as_str().unwrap().to_owned();

    gateway.send("github", &push(2)).await.accepted();
    gateway.send("github", &push(3).tampered("commit-3", "commit-4")).await.refused(401);
    let diff = |gateway: &Gateway| {
        let finished = gateway.cli(&["plugin", "diff", "github", "--json"]);
        let diff: Value = serde_json::from_str(&finished.stdout).unwrap();
        (diff, finished.code)
    };
    let (seen, code) = eventually("both to be compared", async || {
        let (seen, code) = diff(&gateway);
        (seen["trial"]["comparisons"][0]["compared"] == 2).then_some((seen, code))
    })
    .await;
    assert_eq!((&seen["trial"]["candidate"]["hash"], code), (&Value::from(hash.as_str()), Some(1)), "{seen}");
    let comparison = &seen["trial"]["comparisons"][0];
    assert_eq!(
        (&comparison["differing"], &comparison["parts"]["verdict"]),
        (&Value::from(2), &Value::from(1)),
        "{seen}"
    );
    let verdict = seen["differences"]["differences"].as_array().unwrap().iter().find(|one| one["part"] == "verdict");
    assert_eq!(verdict.unwrap()["after"], "admitted", "{seen}");
    assert_eq!(gateway.metric("hookgate_trial_compared_total", &["source=\"github\""]).await, 2.0);

    // The trial survives a crash, and its version can be named by the beginning of its hash.
    gateway.kill();
    gateway.restart().await;
    let (after, _) = diff(&gateway);
    assert_eq!(after["trial"]["mode"], "shadow", "{after}");
    let (replayed, _) = replay(&gateway, &[&hash[..8]]);
    assert_eq!(
        (&replayed["candidate"]["hash"], &replayed["judged"]),
        (&Value::from(hash), &Value::from(2)),
        "{replayed}"
    );

    gateway.cli(&["plugin", "stop-trial", "github"]).ok();
    let (ended, _) = diff(&gateway);
    assert_eq!(ended["trial"]["candidate"], Value::Null, "{ended}");
    receiver.wait_for(2).await;
    assert!(gateway.stop().await.success());
    assert_eq!(receiver.all().len(), 2, "what the shadow has admitted is not delivered");
}

#[tokio::test]
async fn without_a_trial_there_is_no_difference() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(config(&receiver, SECRET)).await;
    gateway.send("github", &push(1)).await.accepted();
    let text = gateway.cli(&["plugin", "diff", "github"]).ok();
    assert!(text.contains("nothing has been compared yet"), "{text}");
    let trial = gateway.admin_get("/api/v1/sources/github/trial").await.json();
    assert_eq!((&trial["active"]["name"], &trial["candidate"]), (&Value::from("github"), &Value::Null), "{trial}");
    let differences = gateway.admin_get("/api/v1/sources/github/differences").await.json();
    assert_eq!(differences["differences"], Value::Array(Vec::new()));
    assert_eq!(gateway.admin_get("/api/v1/sources/nobody/trial").await.status, 404);
}
