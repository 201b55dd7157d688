//! Why a delivery was refused: diagnosed for the operator, and never sent to the sender.

use hookgate_tests::{Config, Delivery, Gateway, Receiver, Reply, SECRET, eventually, now, sign};
use serde_json::Value;

const OTHER: &str = "whsec_another-account-of-the-same-provider";

/// The admin API's answer about a refused delivery after its diagnosis.
async fn diagnosed(gateway: &Gateway, refused: &Reply) -> Value {
    let path = format!("/api/v1/refusals/{}", refused.trace());
    eventually("the refused delivery is looked into", async || {
        let told = gateway.admin_get(&path).await.json();
        (told["diagnosis"] == "done").then_some(told)
    })
    .await
}

/// The causes that were found for a delivery which the source refuses.
async fn causes(gateway: &Gateway, source: &str, delivery: &Delivery) -> Vec<String> {
    let refused = gateway.send(source, delivery).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    let told = diagnosed(gateway, &refused).await;
    let findings = told["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["cause"].as_str().unwrap().to_owned()).collect()
}

fn two_accounts() -> Config {
    Config::new()
        .stripe("mine")
        .source("theirs", "stripe", &format!("secrets.signing = {{ value = \"{OTHER}\" }}"))
        .source("padded", "stripe", "secrets.signing = { value = \" 'whsec_padded-secret'\\n\" }")
        .source("calls", "twilio", "secrets.auth-token = { value = \"tok\" }")
        .destination("out", "stdout = {}")
        .route("*", "out")
}

#[tokio::test]
async fn what_would_make_the_signature_right_is_found() {
    let gateway = Gateway::start(two_accounts()).await;
    let body = |id: &str| sign::stripe_body(id, now());

    let others = sign::stripe(OTHER, now(), body("evt_1"));
    assert_eq!(causes(&gateway, "mine", &others).await, ["other-source"]);

    let padded = sign::stripe("whsec_padded-secret", now(), body("evt_2"));
    assert_eq!(causes(&gateway, "padded", &padded).await, ["trimmed-secret"]);

    let spaced = body("evt_3").replace(":", ": ").replace(",", ", ");
    let rewritten = Delivery { body: body("evt_3").into_bytes(), ..sign::stripe(SECRET, now(), spaced) };
    assert_eq!(causes(&gateway, "mine", &rewritten).await, ["rewritten-body"]);

    let cut = Delivery { body: body("evt_4").into_bytes(), ..sign::stripe(SECRET, now(), body("evt_4") + "\n") };
    assert_eq!(causes(&gateway, "mine", &cut).await, ["rewritten-body"]);

    let old = sign::stripe(SECRET, now() - 3_600, body("evt_5"));
    assert_eq!(causes(&gateway, "mine", &old).await, ["clock"]);

    let forged = sign::stripe("whsec_made-up", now(), body("evt_6"));
    assert_eq!(causes(&gateway, "mine", &forged).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_url_that_the_provider_sees_otherwise_is_found() {
    let gateway = Gateway::start(two_accounts()).await;
    let seen = "https://hooks.example.com/in/calls";
    let text = [seen.as_bytes(), b"CallSidCA1From+15551234"].concat();
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let signature = BASE64_STANDARD.encode(sign::hmac_sha1(b"tok", &[&text]));
    let delivery = Delivery::post(
        &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-twilio-signature", &signature),
            ("x-forwarded-host", "hooks.example.com"),
        ],
        "CallSid=CA1&From=%2B15551234",
    );
    let refused = gateway.send("calls", &delivery).await;
    let told = diagnosed(&gateway, &refused).await;
    assert_eq!(told["findings"][0]["cause"], "url", "{told}");
    assert!(told["findings"][0]["text"].as_str().unwrap().contains("https://hooks.example.com"), "{told}");
}

#[tokio::test]
async fn the_diagnosis_is_for_the_operator_in_three_places_and_not_for_the_sender() {
    let gateway = Gateway::start(two_accounts()).await;
    let others = sign::stripe(OTHER, now(), sign::stripe_body("evt_1", now()));
    let refused = gateway.send("mine", &others).await;
    let forged = gateway.send("mine", &sign::stripe("whsec_made-up", now(), sign::stripe_body("evt_1", now()))).await;
    let without_trace = |reply: &Reply| {
        let mut problem = reply.json();
        problem["trace"].take();
        problem
    };
    assert_eq!(without_trace(&refused), without_trace(&forged));

    let told = diagnosed(&gateway, &refused).await.to_string();
    let trace = refused.trace().to_owned();
    let cli = gateway.cli(&["diagnose", &trace]).ok();
    assert!(cli.contains("the source \"theirs\""), "{cli}");
    let list = gateway.cli(&["diagnose", "--source", "mine"]).ok();
    assert!(list.contains(&trace) && list.contains("unauthenticated"), "{list}");
    gateway.says("why a delivery was refused").await;
    for shown in [told, cli, list, gateway.said()] {
        assert!(!shown.contains(OTHER) && !shown.contains(SECRET), "a secret is shown: {shown}");
        assert!(!shown.contains("in_evt_1"), "a body is shown though diagnosis.bodies drops them: {shown}");
    }
    let unknown = gateway.cli(&["diagnose", "0af7651916cd43dd8448eb211c80319c"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.stderr);
}

#[tokio::test]
async fn bodies_are_shown_where_the_operator_wants_it() {
    let gateway = Gateway::start(two_accounts().with("diagnosis", "bodies = \"keep\"")).await;
    let forged = sign::stripe("whsec_made-up", now(), format!("{{\"id\":\"evt_1\",\"echo\":\"{SECRET}\"}}"));
    let refused = gateway.send("mine", &forged).await;
    let told = diagnosed(&gateway, &refused).await;
    assert_eq!(told["request"]["body"], "{\"id\":\"evt_1\",\"echo\":\"***\"}");
}

/// A provider that does not sign sends the secret itself, under a name that does not reveal it.
#[tokio::test]
async fn a_secret_that_comes_with_a_delivery_is_neither_shown_nor_kept() {
    const TOKEN: &str = "flw-verif-0123456789";
    let receiver = Receiver::start().await;
    let source = format!(
        "secrets.signing = {{ value = \"{TOKEN}\" }}\n\
         settings = {{ scheme = \"token\", signature = [\"header:x-proof\", \"query:proof\"] }}"
    );
    let mut gateway = Gateway::start(Config::new().source("pay", "hmac", &source).receiver(&receiver)).await;
    let in_header = Delivery::post(&[("content-type", "application/json"), ("x-proof", TOKEN)], "{\"n\":1}");
    let mut in_query = Delivery::post(&[("content-type", "application/json")], "{\"n\":2}");
    in_query.suffix = format!("?a=b&proof={TOKEN}");
    for delivery in [in_header, in_query] {
        let event = gateway.send("pay", &delivery).await.accepted();
        receiver.wait_for(1).await;
        let api = gateway.admin_get(&format!("/api/v1/events/{}?payload=true", event[0])).await.text();
        let cli = gateway.cli(&["events", "show", &event[0], "--payload"]).ok();
        for shown in [api, cli] {
            assert!(shown.contains("***") && !shown.contains(TOKEN), "{shown}");
        }
        // A delivery can be judged again although its secret is not kept.
        let again = gateway.cli(&["plugin", "replay", "hmac", "--source", "pay"]).ok();
        assert!(!again.contains("unauthenticated"), "{again}");
    }
    receiver.wait_for(2).await;
    gateway.stop().await;
    let mut directories = vec![gateway.path().join("data")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "{}", path.display());
            }
        }
    }
}
