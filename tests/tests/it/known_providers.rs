//! Providers that are known by name: their names as plugins, their probes, and secrets that they hand over.

use std::{fmt::Write, fs, process::Command};

use hmac::{Hmac, KeyInit, Mac};
use hookgate_tests::{Config, Delivery, Gateway, Receiver, binary, run, verified_event};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A key in every encoding that a row may ask for.
const SECRET: &str = "5d41402abc4b2a76b9719d911017c592";

fn mac(secret: &str, content: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(content.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn get(query: &str) -> Delivery {
    Delivery { method: "GET".to_owned(), suffix: query.to_owned(), headers: Vec::new(), body: Vec::new() }
}

/// The rows of `hookgate providers list --json`.
fn rows() -> Vec<String> {
    let listed = run(Command::new(binary()).args(["providers", "list", "--json"])).ok();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let rows = listed.iter().filter(|listed| listed["plugin"] == "hmac");
    rows.map(|listed| listed["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_name_works_as_the_plugin_of_a_source() {
    let rows = rows();
    assert!(rows.len() > 150, "{rows:?}");
    let mut config = String::from("[[destination]]\nname = \"d\"\nstdout = {}\n[[route]]\nfrom = \"*\"\nto = \"d\"\n");
    for name in rows {
        writeln!(config, "[[source]]\nname = {name:?}\nplugin = {name:?}\nsettings.app-id = \"app_1\"").unwrap();
        let secrets = format!("signing = {{ value = {SECRET:?} }}, verify-token = {{ value = \"token\" }}");
        writeln!(config, "secrets = {{ {secrets} }}").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookgate.toml");
    fs::write(&file, config).unwrap();
    run(Command::new(binary()).args(["check", "--config"]).arg(&file).current_dir(directory.path())).ok();
}

#[tokio::test]
async fn a_known_provider_is_named_wherever_a_plugin_is() {
    let receiver = Receiver::start().await;
    let secret = "secrets.signing = { value = \"rzp\" }";
    let gateway = Gateway::start(Config::new().receiver(&receiver).source("pay", "razorpay", secret)).await;
    let sent = gateway.cli(&["send", "razorpay", "--secret", "rzp", &gateway.url("pay")]).ok();
    assert!(sent.contains("accepted"), "{sent}");
    let received = receiver.wait_for(1).await;
    assert_eq!(verified_event(&received[0])["type"], "com.razorpay.example.created");

    let inspected = gateway.cli(&["plugin", "inspect", "razorpay"]).ok();
    assert!(inspected.contains("hookgate providers show razorpay"), "{inspected}");
    let shown = gateway.cli(&["providers", "show", "razorpay"]).ok();
    assert!(shown.contains("plugin = \"razorpay\"") && shown.contains("https://"), "{shown}");
    for command in [&["providers", "show", "razorpai"][..], &["plugin", "inspect", "razorpai"]] {
        let unknown = gateway.cli(command);
        assert_eq!(unknown.code, Some(1), "{unknown:?}");
        assert!(unknown.stderr.contains("did you mean \"razorpay\"?"), "{unknown:?}");
    }
    let unknown = gateway.cli(&["send", "razorpai", "--secret", "rzp", &gateway.url("pay")]);
    assert!(unknown.code != Some(0) && unknown.stderr.contains("did you mean \"razorpay\"?"), "{unknown:?}");
}

#[tokio::test]
async fn the_endpoint_can_be_switched_on() {
    let signing = "secrets.signing = { value = \"s\" }";
    let with_token = "secrets = { signing = { value = \"s\" }, verify-token = { value = \"vt-20\" } }";
    let receiver = Receiver::start().await;
    let config = Config::new().receiver(&receiver);
    let config = config.source("woo", "woocommerce", signing).source("bitbucket", "bitbucket-server", signing);
    let config = config.source("shop", "tebex", signing).source("ring", "oura", with_token);
    let config = config.source("survey", "surveymonkey", signing).source("tracker", "fitbit", with_token);
    let gateway = Gateway::start(config).await;

    let ping = Delivery::post(&[("content-type", "application/x-www-form-urlencoded")], "webhook_id=7");
    let test = Delivery::post(&[("x-event-key", "diagnostics:ping")], "{\"test\":true}");
    let validation = "{\"id\":\"2c116b11\",\"type\":\"validation.webhook\",\"subject\":{}}";
    let signature = mac("s", &hex::encode(Sha256::digest(validation)));
    let validation = Delivery::post(&[("x-signature", &signature)], validation);
    let head = Delivery { method: "HEAD".to_owned(), ..get("") };
    for (source, probe, status, body) in [
        ("woo", &ping, 200, ""),
        ("bitbucket", &test, 200, ""),
        ("shop", &validation, 200, "{\"id\":\"2c116b11\"}"),
        ("ring", &get("?verification_token=vt-20&challenge=c-4711"), 200, "{\"challenge\":\"c-4711\"}"),
        ("survey", &head, 200, ""),
        ("tracker", &get("?verify=vt-20"), 204, ""),
        ("tracker", &get("?verify=vt-21"), 404, ""),
    ] {
        let reply = gateway.send(source, probe).await;
        assert_eq!((reply.status, reply.outcome(), reply.text().as_str()), (status, "answered", body), "{reply:?}");
    }
    // What is not such a probe is a forgery.
    gateway.send("woo", &Delivery::post(&[], "{\"id\":7}")).await.refused(401);
    gateway.send("ring", &get("?verification_token=vt-21&challenge=c-4711")).await.refused(401);
    assert!(receiver.all().is_empty());
}

#[tokio::test]
async fn a_secret_that_comes_with_the_first_request_is_kept_where_it_is_expected() {
    let receiver = Receiver::start().await;
    let config = Config::new().receiver(&receiver);
    let config = config.source("notion", "notion", "secrets.signing = { handed-over = true }");
    let config = config.source("typed-in", "notion", "secrets.signing = { value = \"known\" }");
    let config = config.source("clio", "clio", "secrets.signing = { value = \"known\" }");
    let gateway = Gateway::start(config).await;

    let token = Delivery::post(&[("content-type", "application/json")], "{\"verification_token\":\"secret_1\"}");
    let reply = gateway.send("notion", &token).await;
    assert_eq!((reply.status, reply.outcome()), (200, "answered"), "{reply:?}");
    let body = "{\"id\":\"e-1\",\"type\":\"page.created\"}";
    let signed =
        |secret: &str| Delivery::post(&[("x-notion-signature", &format!("sha256={}", mac(secret, body)))], body);
    gateway.send("notion", &signed("secret_1")).await.accepted();

    // Where the operator has typed the secret in, nothing is kept. Notion needs an answer; it does not ask for the secret.
    let reply = gateway.send("typed-in", &token).await;
    assert_eq!((reply.status, reply.outcome()), (200, "answered"), "{reply:?}");
    gateway.send("typed-in", &signed("secret_1")).await.refused(401);
    gateway.send("typed-in", &signed("known")).await.accepted();

    // Clio takes the echo for the promise that the secret is kept.
    gateway.send("clio", &Delivery::post(&[("x-hook-secret", "s-1")], "")).await.refused(403);
}
