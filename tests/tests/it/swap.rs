//! Versions of plugins: replaced under load, rolled back, refused, kept over a restart and a crash.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::hostile::component::{ADMISSION, Hostile, answers};
use hookgate_tests::{
    Config, Delivery, Gateway, Receiver, Reply, SECRET, binary, directory, eventually, run, send, sign, verified_event,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The real plugin, built as the gateway's own.
fn stripe() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        // The directory in which the gateway's build has it already.
        let executable = std::env::current_exe().unwrap();
        let target = executable.ancestors().find(|path| path.join("plugins").is_dir()).unwrap().join("plugins");
        hookgate_plugin_build::build(&directory("guest-plugins/stripe"), &target, hookgate_plugin_build::Messages::Kept)
            .unwrap()
            .component
    })
}

fn with_section(component: &[u8], name: &str, payload: &[u8]) -> Vec<u8> {
    let body = [&[name.len() as u8][..], name.as_bytes(), payload].concat();
    assert!(body.len() < 128, "one byte of length");
    [component, &[0, body.len() as u8], &body].concat()
}

/// The same plugin under another hash.
fn build(n: u8) -> Vec<u8> {
    with_section(stripe(), "build", &[n])
}

fn hash(component: &[u8]) -> String {
    hex::encode(Sha256::digest(component))
}

/// A component that judges everything to be genuine, and knows nothing of it.
fn gullible() -> Vec<u8> {
    Hostile::verify("stripe", answers(&[(8, ADMISSION), (12, 1)])).component()
}

async fn install(gateway: &Gateway, query: &str, component: Vec<u8>) -> Reply {
    let request = Delivery::post(&[("content-type", "application/wasm")], component);
    send(&format!("{}/api/v1/plugins/versions?{query}", gateway.admin()), &request).await
}

async fn order(gateway: &Gateway, what: &str, order: &Value) -> Reply {
    gateway.admin_post(&format!("/api/v1/plugins/stripe/{what}"), &order.to_string()).await
}

/// The hashes that work for a source: role and hash.
async fn running(gateway: &Gateway, source: &str) -> Vec<(String, String)> {
    let sources = gateway.admin_get("/api/v1/sources").await.json();
    let found = sources["sources"].as_array().unwrap().iter().find(|it| it["name"] == source).unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    found["versions"].as_array().unwrap().iter().map(|it| (text(&it["role"]), text(&it["hash"]))).collect()
}

async fn active(gateway: &Gateway, source: &str) -> String {
    running(gateway, source).await.remove(0).1
}

/// The hash of the version that has admitted an event.
async fn judged_by(gateway: &Gateway, event: &str) -> String {
    let shown = gateway.admin_get(&format!("/api/v1/events/{event}")).await.json();
    shown["plugin"]["hash"].as_str().unwrap().to_owned()
}

/// The history, newest first: event and reason.
async fn history(gateway: &Gateway) -> Vec<(String, String)> {
    let shown = gateway.admin_get("/api/v1/plugins/history").await.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    shown["entries"].as_array().unwrap().iter().map(|it| (text(&it["event"]), text(&it["reason"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_under_load_fail_refuse_and_double_nothing() {
    const SENDERS: usize = 4;
    let receiver = Receiver::start().await;
    let config = Config::new().with("log", "filter = \"warn\"");
    let gateway = Gateway::start(config.stripe("stripe").receiver(&receiver)).await;
    let (one, other) = (build(1), build(2));
    let hashes = [hash(&one), hash(&other)];
    for component in [one, other] {
        let installed = install(&gateway, "", component).await;
        assert_eq!(installed.status, 200, "{}", installed.text());
    }
    let done = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (done, url) = (done.clone(), gateway.url("stripe"));
            tokio::spawn(async move {
                let mut sent = Vec::new();
                for n in 0.. {
                    let id = format!("evt_{sender}_{n}");
                    let reply = send(&url, &sign::stripe_event(SECRET, &id)).await;
                    sent.push((id, reply.accepted().remove(0)));
                    if done.load(Ordering::SeqCst) {
                        break;
                    }
                }
                sent
            })
        })
        .collect();
    for swap in 0..200 {
        let moved = order(&gateway, "activate", &json!({ "hash": hashes[swap % 2] })).await;
        assert_eq!(moved.status, 200, "{}", moved.text());
        assert_eq!(moved.json()["sources"][0]["versions"][0]["hash"], hashes[swap % 2]);
    }
    done.store(true, Ordering::SeqCst);
    let mut sent = Vec::new();
    for sender in senders {
        sent.extend(sender.await.unwrap());
    }
    // Each of the provider's events is one event, and has arrived under its id.
    let events: HashMap<String, String> = sent.iter().cloned().collect();
    assert_eq!(events.len(), sent.len());
    let received = receiver
        .wait_until("every event", |all| {
            let ids: BTreeSet<String> = all.iter().map(|one| one.event_id()).collect();
            events.values().all(|event| ids.contains(event))
        })
        .await;
    for one in &received {
        let id = verified_event(one)["id"].as_str().unwrap().to_owned();
        assert_eq!(events.get(&id), Some(&one.event_id()), "{id}");
    }
    let every = sent.len().div_ceil(200);
    for (id, event) in sent.iter().step_by(every) {
        let judged = judged_by(&gateway, event).await;
        assert!(hashes.contains(&judged), "{id} was judged by {judged}");
    }
    assert_eq!(gateway.metric("hookgate_refusals_total", &[]).await, 0.0);
    assert_eq!(gateway.metric("hookgate_plugin_failures_total", &[]).await, 0.0);
    assert_eq!(gateway.metric("hookgate_dead_letters_total", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_activated_stays_so_and_goes_back_in_a_moment() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(Config::new().stripe("one").stripe("two").receiver(&receiver)).await;
    let bundled = active(&gateway, "one").await;
    gateway.send("one", &sign::stripe_event(SECRET, "evt_recorded")).await.accepted();

    let installed = install(&gateway, "source=one", build(1)).await;
    assert_eq!(installed.status, 200, "{}", installed.text());
    assert_eq!((&installed.json()["recorded"], &installed.json()["recorded_skipped"]), (&json!(1), &json!(0)));
    assert_eq!(installed.json()["version"]["works_for"], json!([{ "source": "one", "role": "active" }]));
    assert_eq!((active(&gateway, "one").await, active(&gateway, "two").await), (hash(&build(1)), bundled.clone()));
    let event = gateway.send("one", &sign::stripe_event(SECRET, "evt_1")).await.accepted().remove(0);
    assert_eq!(judged_by(&gateway, &event).await, hash(&build(1)));
    let info = format!("hash=\"{}\"", hash(&build(1)));
    assert_eq!(gateway.metric("hookgate_plugin_version_info", &["source=\"one\"", &info]).await, 1.0);

    assert!(gateway.stop().await.success());
    gateway.restart().await;
    assert_eq!((active(&gateway, "one").await, active(&gateway, "two").await), (hash(&build(1)), bundled.clone()));
    gateway.ask_to_read_again();
    gateway.says("was read again and is in force").await;
    assert_eq!(active(&gateway, "one").await, hash(&build(1)));
    let plugins = gateway.admin_get("/api/v1/plugins").await.json();
    let origins: Vec<_> = plugins["plugins"].as_array().unwrap().iter().map(|it| it["origin"].clone()).collect();
    assert_eq!(origins, [json!("installed"), json!("bundled")], "{plugins}");

    gateway.cli(&["plugin", "rollback", "stripe", "--source", "one"]).ok();
    assert_eq!(active(&gateway, "one").await, bundled);
    assert_eq!(order(&gateway, "rollback", &json!({ "source": "two" })).await.status, 409, "there was none before");
    gateway.cli(&["plugin", "rollback", "stripe"]).ok();
    assert_eq!(active(&gateway, "one").await, hash(&build(1)));
    gateway.cli(&["plugin", "activate", "stripe", &hash(&build(1))[..12]]).ok();
    assert_eq!(active(&gateway, "two").await, hash(&build(1)));
    gateway.cli(&["plugin", "activate", "stripe", "--bundled"]).ok();
    assert_eq!((active(&gateway, "one").await, active(&gateway, "two").await), (bundled.clone(), bundled));

    let told: Vec<String> = history(&gateway).await.into_iter().map(|(event, _)| event).collect();
    let expected = ["activated", "activated", "activated", "rolled-back", "rolled-back", "activated", "installed"];
    assert_eq!(told, expected);
    assert!(gateway.cli(&["plugin", "history", "stripe"]).ok().contains("rolled-back"));
    let removing = gateway.cli(&["plugin", "remove", "stripe", &hash(&build(1))]);
    assert!(removing.stderr.contains("would roll back to it"), "{removing:?}");
    let idle = install(&gateway, "activate=no", build(2)).await.json();
    assert_eq!((&idle["version"]["needed"], &idle["version"]["works_for"]), (&json!(false), &json!([])));
    gateway.cli(&["plugin", "remove", "stripe", &hash(&build(2))]).ok();
    assert!(!gateway.cli(&["plugin", "versions", "stripe"]).ok().contains(&hash(&build(2))));
    assert!(!gateway.path().join(format!("data/plugin-versions/{}.wasm", hash(&build(2)))).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_the_middle_of_swaps_leaves_one_of_the_two() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let hashes = [hash(&build(1)), hash(&build(2))];
    for n in [1, 2] {
        assert_eq!(install(&gateway, "", build(n)).await.status, 200);
    }
    for round in 0..3 {
        let url = format!("{}/api/v1/plugins/stripe/activate", gateway.admin());
        let swapping = tokio::spawn({
            let hashes = hashes.clone();
            async move {
                for hash in hashes.iter().cycle() {
                    let body = json!({ "hash": hash }).to_string();
                    let request = Delivery::post(&[("content-type", "application/json")], body);
                    if hookgate_tests::try_send(&url, &request).await.is_none() {
                        break;
                    }
                }
            }
        });
        let told = "swaps are under way";
        let swaps = async || gateway.metric("hookgate_plugin_swaps_total", &["outcome=\"activated\""]).await;
        let before = swaps().await;
        eventually(told, async || (swaps().await > before).then_some(())).await;
        gateway.kill();
        swapping.await.unwrap();
        gateway.restart().await;
        let active = active(&gateway, "stripe").await;
        assert!(hashes.contains(&active), "round {round}: {active}");
        let event = gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{round}"))).await.accepted();
        assert_eq!(judged_by(&gateway, &event[0]).await, active, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_version_changes_nothing_and_is_reported() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let before = running(&gateway, "stripe").await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_recorded")).await.accepted();
    let cases: [(&str, Vec<u8>, u16, &str); 7] = [
        ("", b"no component".to_vec(), 422, "cannot be compiled"),
        ("", b"\0asm\x0d\0\x01\0".to_vec(), 422, "does not fit the world"),
        ("", with_section(stripe(), "hookgate:vectors", b"[{\"id\": \"wrong\"}]"), 422, "vector wrong fails"),
        ("", with_section(stripe(), "hookgate:vectors", b"none"), 422, "vectors cannot be read"),
        ("", gullible(), 422, "judges the recorded delivery"),
        ("source=nobody", build(1), 404, "no source"),
        ("activate=canary:100", build(1), 400, "1 to 99"),
    ];
    for (query, component, status, text) in cases {
        let refused = install(&gateway, query, component).await.refused(status);
        assert!(refused["detail"].as_str().unwrap().contains(text), "{text}: {refused}");
    }
    assert_eq!(running(&gateway, "stripe").await, before);
    // An order that makes no sense is none.
    let told = history(&gateway).await;
    assert_eq!(told.len(), 6, "{told:?}");
    assert!(told.iter().all(|(event, reason)| event == "refused" && !reason.is_empty()), "{told:?}");
    assert_eq!(gateway.metric("hookgate_plugin_swaps_total", &["outcome=\"refused\""]).await, 6.0);
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_after")).await.accepted();

    // Who knows better says so.
    let despite = install(&gateway, "despite_recorded=true", gullible()).await;
    assert_eq!(despite.status, 200, "{}", despite.text());
    assert_eq!(active(&gateway, "stripe").await, hash(&gullible()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_holds_against_everything() {
    let receiver = Receiver::start().await;
    let source = |pin: &str| {
        let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\npin = \"{pin}\"");
        Config::new().source("stripe", "stripe", &lines).receiver(&receiver)
    };
    let gateway = Gateway::start(source(&hash(stripe()))).await;
    let refused = install(&gateway, "", build(1)).await.refused(422);
    assert!(refused["detail"].as_str().unwrap().contains("is pinned to"), "{refused}");
    assert_eq!(install(&gateway, "activate=no", build(1)).await.status, 200);
    let refused = order(&gateway, "activate", &json!({ "hash": hash(&build(1)) })).await.refused(422);
    assert!(refused["detail"].as_str().unwrap().contains("is pinned to"), "{refused}");
    gateway.configure(&source(&hash(&build(1))));
    let checked = gateway.cli(&["check", "--config", &gateway.config_file().display().to_string()]);
    assert!(checked.code == Some(1) && checked.stdout.contains("is pinned to"), "{checked:?}");
    gateway.ask_to_read_again();
    gateway.says("the configuration is not taken over").await;
    assert_eq!(active(&gateway, "stripe").await, hash(stripe()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_components_signed_with_a_trusted_key_are_accepted() {
    let receiver = Receiver::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    fs::write(path("a.wasm"), build(1)).unwrap();
    let signed = |key: &str, out: &str| {
        let mut command = std::process::Command::new(binary());
        command.args([
            "plugin",
            "sign",
            &path("a.wasm"),
            "--key",
            &path(key),
            "--new-key",
            "--json",
            "--out",
            &path(out),
        ]);
        serde_json::from_str::<Value>(&run(&mut command).ok()).unwrap()
    };
    let (trusted, stranger) = (signed("trusted.pem", "trusted.wasm"), signed("stranger.pem", "stranger.wasm"));
    let config = Config::new().with("plugins", &format!("trusted-keys = [{}]", trusted["public_key"]));
    let mut gateway = Gateway::start(config.stripe("stripe").receiver(&receiver)).await;
    for (component, text) in
        [(build(1), "it is not signed"), (fs::read(path("stranger.wasm")).unwrap(), "none of plugins.trusted-keys")]
    {
        let refused = install(&gateway, "", component).await.refused(422);
        assert!(refused["detail"].as_str().unwrap().contains(text), "{text}: {refused}");
    }
    let mut changed = fs::read(path("trusted.wasm")).unwrap();
    let at = changed.windows(5).position(|window| window == b"build").unwrap();
    changed[at + 5] ^= 1;
    let refused = install(&gateway, "", changed).await.refused(422);
    assert!(refused["detail"].as_str().unwrap().contains("changed after it was signed"), "{refused}");
    assert_ne!(trusted["key"], stranger["key"]);

    gateway.cli(&["plugin", "install", &path("trusted.wasm")]).ok();
    assert_eq!(json!(active(&gateway, "stripe").await), trusted["hash"]);
    let versions = gateway.admin_get("/api/v1/plugins/stripe/versions").await.json();
    assert_eq!(versions["versions"][0]["signed_by"], trusted["key"]);
    let inspected = gateway.cli(&["plugin", "inspect", &path("trusted.wasm")]).ok();
    assert!(inspected.contains(trusted["key"].as_str().unwrap()), "{inspected}");
    gateway.stop().await;
    gateway.restart().await;
    assert_eq!(json!(active(&gateway, "stripe").await), trusted["hash"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_of_the_directory_takes_over_when_it_passes() {
    let receiver = Receiver::start().await;
    let plugins = tempfile::tempdir().unwrap();
    let file = plugins.path().join("stripe.wasm");
    let replace = |component: &[u8]| {
        fs::write(plugins.path().join("new"), component).unwrap();
        fs::rename(plugins.path().join("new"), &file).unwrap();
    };
    replace(&build(1));
    let config = Config::new().with("plugins", &format!("directory = {:?}", plugins.path().display().to_string()));
    let mut gateway = Gateway::start(config.stripe("stripe").receiver(&receiver)).await;
    assert_eq!(active(&gateway, "stripe").await, hash(&build(1)));
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();

    let becomes = async |gateway: &Gateway, wanted: String| {
        eventually("the file to take over", async || (active(gateway, "stripe").await == wanted).then_some(())).await;
    };
    replace(&build(2));
    becomes(&gateway, hash(&build(2))).await;
    replace(&gullible());
    gateway.says("is not put to work").await;
    assert_eq!(active(&gateway, "stripe").await, hash(&build(2)));
    assert_eq!(history(&gateway).await[0].0, "refused");

    // What was refused does not work after a restart either, and what an operator has taken back stays so.
    gateway.stop().await;
    gateway.restart().await;
    assert_eq!(active(&gateway, "stripe").await, hash(&build(2)));
    gateway.cli(&["plugin", "rollback", "stripe"]).ok();
    gateway.stop().await;
    gateway.restart().await;
    assert_eq!(active(&gateway, "stripe").await, hash(&build(1)));
    // What has changed while it stood still is tried at the start.
    gateway.stop().await;
    replace(&build(3));
    gateway.restart().await;
    assert_eq!(active(&gateway, "stripe").await, hash(&build(3)));
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_2")).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_judges_a_share_until_it_is_promoted() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let bundled = active(&gateway, "stripe").await;
    let installed = install(&gateway, "activate=canary:50", build(1)).await;
    assert_eq!(installed.json()["version"]["works_for"][0]["percent"], 50, "{}", installed.text());
    let mut judged = BTreeSet::new();
    // Both in a hundred, but for one chance in 2^98.
    for n in 0..100 {
        let event = gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
        judged.insert(judged_by(&gateway, &event[0]).await);
        if judged.len() == 2 {
            break;
        }
    }
    assert_eq!(judged, BTreeSet::from([bundled.clone(), hash(&build(1))]));
    gateway.stop().await;
    gateway.restart().await;
    let both = [("active".to_owned(), bundled.clone()), ("canary".to_owned(), hash(&build(1)))];
    assert_eq!(running(&gateway, "stripe").await, both);

    gateway.cli(&["plugin", "stop-trial", "stripe"]).ok();
    assert_eq!(running(&gateway, "stripe").await.len(), 1);
    assert_eq!(order(&gateway, "promote", &json!({})).await.status, 409);
    gateway.cli(&["plugin", "activate", "stripe", &hash(&build(1)), "--canary", "1%"]).ok();
    gateway.cli(&["plugin", "promote", "stripe"]).ok();
    assert_eq!(running(&gateway, "stripe").await, [("active".to_owned(), hash(&build(1)))]);
    gateway.cli(&["plugin", "rollback", "stripe"]).ok();
    assert_eq!(active(&gateway, "stripe").await, bundled);
}

/// As `limits::PLUGIN_BREAKER_FAILURES_MAX`.
const FAILURES: usize = 20;

/// Sends until a canary that traps is out.
async fn take_canary_out(gateway: &Gateway, event: &str) {
    let mut broken = 0;
    for n in 0.. {
        let reply = gateway.send("stripe", &sign::stripe_event(SECRET, &format!("{event}_{n}"))).await;
        if reply.status == 503 {
            assert_eq!(reply.refused(503)["type"], "urn:hookgate:plugin-broken");
            broken += 1;
        }
        if broken == FAILURES {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_active_version_does_the_share_of_a_canary_that_is_out() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let bundled = active(&gateway, "stripe").await;
    let traps = Hostile::verify("stripe", "(unreachable)").component();
    let installed = install(&gateway, "activate=canary:50", traps.clone()).await;
    assert_eq!(installed.status, 200, "{}", installed.text());
    take_canary_out(&gateway, "evt_first").await;
    gateway.says("the plugin is out").await;
    for n in 0..50 {
        let event = gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
        assert_eq!(judged_by(&gateway, &event[0]).await, bundled);
    }
    let of_verify = ["source=\"stripe\"", "call=\"verify\""];
    assert_eq!(gateway.metric("hookgate_plugin_breaker_opened_total", &of_verify).await, 1.0);
    assert_eq!(gateway.metric("hookgate_refusals_total", &["source=\"stripe\""]).await, FAILURES as f64);

    // A trial that is begun again begins anew.
    gateway.cli(&["plugin", "stop-trial", "stripe"]).ok();
    gateway.cli(&["plugin", "activate", "stripe", &hash(&traps), "--canary", "50%"]).ok();
    take_canary_out(&gateway, "evt_second").await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_last")).await.accepted();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_active_version_transforms_for_a_canary_that_is_out() {
    const EVENTS: usize = 30;
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let admits = Hostile::verify("stripe", answers(&[(8, ADMISSION), (12, 1)]));
    let canary = Hostile { transform: "(unreachable)", ..admits }.component();
    let installed = install(&gateway, "activate=canary:99", canary).await;
    assert_eq!(installed.status, 200, "{}", installed.text());
    for n in 0..EVENTS {
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
    // Those that took it out are dead letters, and no others.
    eventually("every event to arrive", async || {
        gateway.cli(&["dead-letters", "redrive", "--destination", "transform"]);
        (receiver.all().len() == EVENTS).then_some(())
    })
    .await;
    let of_transform = ["source=\"stripe\"", "call=\"transform\""];
    assert_eq!(gateway.metric("hookgate_plugin_breaker_opened_total", &of_transform).await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_activated_component_the_gateway_starts_only_after_deactivation() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let bundled = active(&gateway, "stripe").await;
    assert_eq!(install(&gateway, "", build(1)).await.status, 200);
    gateway.stop().await;
    let component = gateway.path().join(format!("data/plugin-versions/{}.wasm", hash(&build(1))));
    let kept = fs::read(&component).unwrap();
    let config = gateway.config_file().display().to_string();
    let start = |gateway: &Gateway| gateway.cli(&["serve", "--config", &config]);
    for damage in [None, Some(b"damaged".as_slice())] {
        fs::remove_file(&component).unwrap();
        damage.into_iter().for_each(|damaged| fs::write(&component, damaged).unwrap());
        let refused = start(&gateway);
        assert!(refused.code == Some(1) && refused.stderr.contains("deactivate-plugins"), "{refused:?}");
        fs::write(&component, &kept).unwrap();
    }
    gateway.restart().await;
    assert_eq!(active(&gateway, "stripe").await, hash(&build(1)));
    gateway.stop().await;
    fs::remove_file(&component).unwrap();
    gateway.cli(&["store", "deactivate-plugins", "--config", &config]).ok();
    gateway.restart().await;
    assert_eq!(active(&gateway, "stripe").await, bundled);
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
}
