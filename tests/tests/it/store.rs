//! The store as the machine sees it: its directory moved away and exchanged under a running gateway, and who can read it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use hookgate_tests::{Config, Gateway, Receiver, SECRET, sign, verified_event};

fn config(engine: &str, receiver: &Receiver) -> Config {
    Config::new().with("store", &format!("engine = \"{engine}\"")).stripe("stripe").receiver(receiver)
}

async fn accepted(gateway: &Gateway, ids: std::ops::Range<u32>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for number in ids {
        let id = format!("evt_{number}");
        let event = gateway.send("stripe", &sign::stripe_event(SECRET, &id)).await.accepted()[0].clone();
        all.push((id, event));
    }
    all
}

/// All were known already, under the ids with which they were acknowledged.
async fn are_there(gateway: &Gateway, events: &[(String, String)]) {
    for (id, event) in events {
        assert_eq!(
            gateway.send("stripe", &sign::stripe_event(SECRET, id)).await.duplicate(),
            std::slice::from_ref(event)
        );
    }
}

async fn exchange(engine: &str) {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(config(engine, &receiver)).await;
    let (data, away, other) = (gateway.path().join("data"), gateway.path().join("away"), gateway.path().join("other"));
    let events = accepted(&gateway, 0..20).await;
    fs::rename(&data, &away).unwrap();
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_lost")).await.refused(503);
    let ready = gateway.admin_get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("is not the directory any more"), "{}", ready.text());

    // A second gateway makes its own store there; the first one leaves it alone, and takes nothing.
    let mut second = Gateway::start(config(engine, &receiver).with("store", &format!("path = {data:?}"))).await;
    let events_of_second = accepted(&second, 100..120).await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_lost")).await.refused(503);
    gateway.kill();
    second.kill();
    second.restart().await;
    are_there(&second, &events_of_second).await;
    second.kill();

    fs::rename(&data, &other).unwrap();
    fs::rename(&away, &data).unwrap();
    gateway.restart().await;
    are_there(&gateway, &events).await;
    let known: Vec<&String> = events.iter().chain(&events_of_second).map(|(_, event)| event).collect();
    let received = receiver
        .wait_until("each acknowledged event", |all| {
            let ids: Vec<String> = all.iter().map(|one| one.event_id()).collect();
            known.iter().all(|event| ids.contains(event))
        })
        .await;
    received.iter().for_each(|one| drop(verified_event(one)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchanged_fjall_store_is_noticed_and_nothing_acknowledged_is_lost() {
    exchange("fjall").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchanged_sled_store_is_noticed_and_nothing_acknowledged_is_lost() {
    exchange("sled").await;
}

fn everything_below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap();
        found.extend(entries.flat_map(|entry| everything_below(&entry.unwrap().path())));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_memory_are_for_the_gateways_user_only() {
    let config = Config::new()
        .source("github", "github", "secrets.signing = { value = \"secret\" }\nclaim-check = { above = \"1KiB\" }")
        .destination("lines", "jsonl = { path = \"lines.jsonl\" }")
        .route("*", "lines");
    let gateway = Gateway::start(config).await;
    let body = format!("{{\"large\":\"{}\"}}", "x".repeat(5000));
    gateway.send("github", &sign::github("secret", "push", "1", body)).await.accepted();
    let lines = gateway.path().join("lines.jsonl");
    hookgate_tests::eventually("the line", async || lines.exists().then_some(())).await;
    for path in everything_below(&gateway.path().join("data")).into_iter().chain([lines]) {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        assert_eq!(metadata.mode() & 0o077, 0, "{} has mode {:o}", path.display(), metadata.mode());
    }

    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    // There, a process that cannot be dumped belongs to root.
    assert_eq!(fs::metadata(format!("/proc/{}/environ", gateway.pid())).unwrap().uid(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_warns_of_a_store_that_others_can_read() {
    let mut gateway = Gateway::start(Config::new().stripe("stripe")).await;
    gateway.stop().await;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let check = || gateway.cli(&["check", "--config", "hookgate.toml"]).ok();
    set(gateway.path(), 0o755);
    assert!(!check().contains("other users"), "{}", check());
    let data = gateway.path().join("data");
    set(&data, 0o755);
    let warned = check();
    assert!(warned.contains("other users of this machine can get at") && warned.contains("0755"), "{warned}");
    assert!(warned.contains("chmod go= data"), "{warned}");
    set(&data, 0o700);
    assert!(!check().contains("other users"));
}
