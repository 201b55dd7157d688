//! Keys that the host fetches for plugins: cached, rotated, refused, and what happens when their server does not behave.

mod server;
mod signing;

use std::time::{Duration, Instant};

use hookgate_tests::{
    Answer, Config, Gateway, Received, Receiver, Reply, SECRET, eventually, now, send, sign::stripe_event,
    verified_event,
};
use serde_json::json;
use server::BadServer;
use signing::{PubsubKey, SnsMessage, plaid, plaid_key};

/// A path that the plugin takes for a certificate of SNS.
const CERTIFICATE: &str = "/SimpleNotificationService-0123456789abcdef.pem";

/// A source that takes keys from a server of ours, as an emulator of Amazon's would be used.
fn sns(config: Config, base: &str) -> Config {
    let lines = format!(
        "settings.topics = [\"{}\"]\n\
         keys.allow = [\"{base}/SimpleNotificationService-*.pem\"]\n\
         keys.confirm = [\"{base}/?Action=ConfirmSubscription&TopicArn=*&Token=*\"]",
        signing::TOPIC
    );
    config.source("sns", "aws-sns", &lines)
}

fn pubsub(config: Config, name: &str, keys_url: &str) -> Config {
    let lines = format!(
        "settings.service-account = \"{}\"\nsettings.audience = \"orders\"\n\
         settings.keys-url = \"{keys_url}\"\nkeys.allow = [\"{keys_url}\"]",
        signing::ACCOUNT
    );
    config.source(name, "google-pubsub", &lines)
}

fn base(server: &Receiver) -> String {
    format!("http://{}", server.address())
}

/// A server with the certificate; everything else is answered 200 and empty.
async fn certificates() -> Receiver {
    Receiver::answering(|request, _| match request.path.as_str() {
        CERTIFICATE => Answer::status(200).body(signing::SNS_CERTIFICATE),
        _ => Answer::status(200),
    })
    .await
}

fn got<'r>(all: &'r [Received], path: &str) -> Vec<&'r Received> {
    all.iter().filter(|request| request.path.starts_with(path)).collect()
}

/// 503, to be tried again, and with the words in the log.
async fn unavailable(gateway: &Gateway, reply: &Reply, words: &str) {
    let problem = reply.refused(503);
    assert_eq!(problem["type"], "urn:hookgate:keys-unavailable", "{problem}");
    assert!(reply.retry_after().is_some(), "{reply:?}");
    eventually(&format!("{words:?} in the log"), async || gateway.said().contains(words).then_some(())).await;
}

#[tokio::test]
async fn a_certificate_is_fetched_once_for_all_deliveries() {
    let (keys, receiver) = (certificates().await, Receiver::start().await);
    let gateway = Gateway::start(sns(Config::new(), &base(&keys)).receiver(&receiver)).await;
    for n in 0..5 {
        let message = SnsMessage::notification(&format!("message-{n}"), &format!("{}{CERTIFICATE}", base(&keys)));
        gateway.send("sns", &message.signed()).await.accepted();
        gateway.send("sns", &message.signed()).await.duplicate();
    }
    let events = receiver.wait_for(5).await;
    let event = verified_event(&events[0]);
    assert_eq!((&event["type"], &event["source"]), (&json!("com.amazonaws.sns.Notification"), &json!(signing::TOPIC)));
    assert_eq!(keys.all().len(), 1, "{:?}", keys.all());
    gateway.counts("hookgate_fetches_total", &["outcome=\"fetched\""], 1.0).await;
    // Reading the configuration again forgets nothing.
    gateway.ask_to_read_again();
    eventually("the configuration read again", async || gateway.said().contains("and is in force").then_some(())).await;
    let message = SnsMessage::notification("after", &format!("{}{CERTIFICATE}", base(&keys)));
    gateway.send("sns", &message.signed()).await.accepted();
    assert_eq!(keys.all().len(), 1, "{:?}", keys.all());
}

#[tokio::test]
async fn a_forger_cannot_have_anything_else_fetched() {
    let (keys, elsewhere) = (certificates().await, certificates().await);
    let gateway = Gateway::start(sns(Config::new(), &base(&keys))).await;
    let urls = [
        format!("{}{CERTIFICATE}", base(&elsewhere)),
        format!("{}/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:x&Token=y", base(&keys)),
        format!("{}/x/..{CERTIFICATE}", base(&keys)),
        format!("http://user@{}{CERTIFICATE}", keys.address()),
        format!("{}{CERTIFICATE}#x", base(&keys)),
        "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    for url in urls {
        let message = SnsMessage::notification("forged", &url);
        gateway.send("sns", &message.signed()).await.refused(401);
    }
    assert_eq!((keys.all().len(), elsewhere.all().len()), (0, 0));
    let tampered = SnsMessage::notification("m", &format!("{}{CERTIFICATE}", base(&keys))).signed();
    gateway.send("sns", &tampered.tampered("hello", "goodbye")).await.refused(401);
}

#[tokio::test]
async fn a_subscription_is_confirmed_once_and_before_the_reply() {
    let keys = certificates().await;
    let gateway = Gateway::start(sns(Config::new(), &base(&keys))).await;
    let message = SnsMessage::subscription(&base(&keys), &format!("{}{CERTIFICATE}", base(&keys)));
    let reply = gateway.send("sns", &message.signed()).await;
    assert_eq!((reply.status, reply.outcome()), (200, "answered"), "{reply:?}");
    let confirmed = keys.all();
    let confirmed = got(&confirmed, "/?Action=ConfirmSubscription");
    assert_eq!(confirmed.len(), 1, "{confirmed:?}");
    assert_eq!(confirmed[0].method, "GET");
    assert!(!gateway.said().contains(signing::SNS_TOKEN), "the token is not logged");
}

#[tokio::test]
async fn a_subscription_that_cannot_be_confirmed_is_asked_for_again() {
    let keys = Receiver::answering(|request, count| match request.path.as_str() {
        CERTIFICATE => Answer::status(200).body(signing::SNS_CERTIFICATE),
        _ if count < 2 => Answer::status(500),
        _ => Answer::status(200),
    })
    .await;
    let gateway = Gateway::start(sns(Config::new(), &base(&keys))).await;
    let message = SnsMessage::subscription(&base(&keys), &format!("{}{CERTIFICATE}", base(&keys)));
    let reply = gateway.send("sns", &message.signed()).await;
    assert_eq!(reply.refused(503)["type"], "urn:hookgate:confirmation-failed");
    assert!(reply.retry_after().is_some());
    assert_eq!(gateway.send("sns", &message.signed()).await.outcome(), "answered");
    // Another customer's topic is not confirmed.
    let foreign = message.of_topic("arn:aws:sns:us-east-1:666666666666:evil");
    gateway.send("sns", &foreign.signed()).await.refused(401);
    assert_eq!(got(&keys.all(), "/?Action").len(), 2);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_when_it_is_first_used_and_made_up_ids_fetch_nothing() {
    let (old, new) = (PubsubKey::old(), PubsubKey::new());
    let sets = [old.key_set(), new.key_set()];
    let keys = Receiver::answering(move |_, count| {
        Answer::status(200).header("cache-control", "max-age=3600").body(sets[count.min(1)].clone())
    })
    .await;
    let gateway = Gateway::start(pubsub(Config::new(), "pubsub", &format!("{}/certs", base(&keys)))).await;
    gateway.send("pubsub", &old.push("1")).await.accepted();
    gateway.send("pubsub", &old.push("2")).await.accepted();
    assert_eq!(keys.all().len(), 1);
    let began = Instant::now();
    gateway.send("pubsub", &new.push("3")).await.accepted();
    gateway.send("pubsub", &new.push("4")).await.accepted();
    assert_eq!(keys.all().len(), 2);
    // What is not in the newest set is not a key, nor is what has been taken out of it.
    for n in 0..5 {
        gateway.send("pubsub", &new.with_id(&format!("made-up-{n}")).push("5")).await.refused(401);
    }
    gateway.send("pubsub", &old.push("6")).await.refused(401);
    // One is free every 30 seconds, on a machine that is so slow.
    let free = 2 + began.elapsed().as_secs() as usize / 30;
    assert!(keys.all().len() <= free, "unknown ids must not flood the server: {} of {free}", keys.all().len());
}

#[tokio::test]
async fn tokens_that_are_no_proof_are_refused() {
    let key = PubsubKey::old();
    let set = key.key_set();
    let keys = Receiver::answering(move |_, _| Answer::status(200).body(set.clone())).await;
    let gateway = Gateway::start(pubsub(Config::new(), "pubsub", &format!("{}/certs", base(&keys)))).await;
    gateway.send("pubsub", &key.push("1")).await.accepted();
    for (what, delivery) in key.forgeries() {
        let reply = gateway.send("pubsub", &delivery).await;
        assert_eq!(reply.status, 401, "{what}: {reply:?}");
    }
}

#[tokio::test]
async fn a_key_server_that_misbehaves_costs_a_503_and_nothing_else() {
    let moved = Receiver::answering(|_, _| Answer::status(302).header("location", "/elsewhere")).await;
    let broken = Receiver::answering(|_, _| Answer::status(500)).await;
    let nonsense = Receiver::answering(|_, _| Answer::status(200).body("<html>sorry</html>")).await;
    let (endless, gigabyte, hanging) =
        (BadServer::endless().await, BadServer::gigabyte().await, BadServer::hanging().await);
    let key = PubsubKey::old();
    let cases = [
        (format!("{}/certs", base(&moved)), "a redirect, which is not followed"),
        (format!("{}/certs", base(&broken)), "it answered 500"),
        (endless.url(), "is larger than"),
        (gigabyte.url(), "is larger than"),
        (hanging.url(), "no whole answer within"),
    ];
    let names: Vec<String> = (0..cases.len()).map(|n| format!("pubsub-{n}")).collect();
    let mut config = Config::new().stripe("stripe");
    for (name, (url, _)) in names.iter().zip(&cases) {
        config = pubsub(config, name, url);
    }
    config = pubsub(config, "nonsense", &format!("{}/certs", base(&nonsense)));
    let gateway = Gateway::start(config).await;
    for (name, (_, words)) in names.iter().zip(&cases) {
        unavailable(&gateway, &gateway.send(name, &key.push("1")).await, words).await;
        gateway.send("stripe", &stripe_event(SECRET, &format!("evt_{name}"))).await.accepted();
    }
    assert_eq!(gateway.send("nonsense", &key.push("1")).await.refused(503)["type"], "urn:hookgate:misconfigured");
    assert_eq!(got(&moved.all(), "/elsewhere").len(), 0, "no redirect is followed");
}

#[tokio::test]
async fn deliveries_that_wait_for_a_slow_key_server_delay_no_others_and_all_get_its_key() {
    let key = PubsubKey::old();
    let set = key.key_set();
    let keys =
        Receiver::answering(move |_, _| Answer::status(200).body(set.clone()).after(Duration::from_millis(300))).await;
    let gateway =
        Gateway::start(pubsub(Config::new().stripe("stripe"), "pubsub", &format!("{}/certs", base(&keys)))).await;
    let waiting: Vec<_> = (0..10)
        .map(|n| {
            let (url, push) = (gateway.url("pubsub"), key.push(&n.to_string()));
            tokio::spawn(async move { send(&url, &push).await })
        })
        .collect();
    gateway.send("stripe", &stripe_event(SECRET, "evt_meanwhile")).await.accepted();
    for reply in waiting {
        reply.await.unwrap().accepted();
    }
    assert_eq!(keys.all().len(), 1);
}

#[tokio::test]
async fn plaid_keys_are_asked_for_with_the_secrets_of_the_source() {
    let keys = Receiver::answering(|request, _| {
        let asked = request.json();
        let (client, secret) = (asked["client_id"] == "client-1", asked["secret"] == "hush-plaid");
        match (request.method.as_str(), client && secret, asked["key_id"].as_str()) {
            ("POST", true, Some("k1")) => Answer::status(200).body(json!({ "key": plaid_key("k1") }).to_string()),
            _ => Answer::status(400).body("{\"error_code\":\"INVALID_FIELD\"}"),
        }
    })
    .await;
    let lines = format!(
        "secrets.client-id = {{ value = \"client-1\" }}\nsecrets.api-secret = {{ value = \"hush-plaid\" }}\n\
         settings.environment = \"{0}\"\nkeys.allow = [\"{0}/webhook_verification_key/get\"]",
        base(&keys)
    );
    let gateway = Gateway::start(Config::new().source("plaid", "plaid", &lines)).await;
    let body = r#"{"webhook_type":"ITEM","webhook_code":"ERROR","item_id":"i1"}"#;
    gateway.send("plaid", &plaid("k1", now(), body)).await.accepted();
    gateway.send("plaid", &plaid("k1", now(), &body.replace("i1", "i2"))).await.accepted();
    assert_eq!(keys.all().len(), 1);
    assert_eq!(keys.all()[0].header("content-type"), "application/json");
    gateway.send("plaid", &plaid("k1", now(), body).tampered("i1", "i9")).await.refused(401);
    gateway.send("plaid", &plaid("k1", now() - 1000, body)).await.refused(401);
    // Plaid knows no such key, which proves nothing of the delivery.
    unavailable(&gateway, &gateway.send("plaid", &plaid("k2", now(), body)).await, "it answered 400").await;
    assert!(!gateway.said().contains("hush-plaid"));
}

/// Each made-up id would be a request to the provider with the operator's credentials.
#[tokio::test]
async fn made_up_key_ids_have_the_provider_asked_a_few_times_and_a_known_key_goes_on() {
    let keys = Receiver::answering(|request, _| match request.json()["key_id"].as_str() {
        Some("k1") => Answer::status(200).body(json!({ "key": plaid_key("k1") }).to_string()),
        _ => Answer::status(400).body("{\"error_code\":\"INVALID_FIELD\"}"),
    })
    .await;
    let lines = format!(
        "secrets.client-id = {{ value = \"client-1\" }}\nsecrets.api-secret = {{ value = \"hush-plaid\" }}\n\
         settings.environment = \"{0}\"\nkeys.allow = [\"{0}/webhook_verification_key/get\"]",
        base(&keys)
    );
    let gateway = Gateway::start(Config::new().source("plaid", "plaid", &lines)).await;
    let body = |n: usize| format!(r#"{{"webhook_type":"ITEM","webhook_code":"ERROR","item_id":"i{n}"}}"#);
    gateway.send("plaid", &plaid("k1", now(), &body(0))).await.accepted();
    let began = Instant::now();
    for n in 1..=40 {
        let forged = gateway.send("plaid", &plaid(&format!("made-up-{n}"), now(), &body(n))).await;
        assert_eq!(forged.refused(503)["type"], "urn:hookgate:keys-unavailable");
        gateway.send("plaid", &plaid("k1", now(), &body(n))).await.accepted();
    }
    // Five at once for one address, and one more each twelve seconds.
    let asked = 1 + 5 + began.elapsed().as_secs() as usize / 12;
    assert!(keys.all().len() <= asked, "{} of {asked}", keys.all().len());
}

#[tokio::test]
async fn http_leads_only_to_networks_that_the_configuration_names() {
    let keys = certificates().await;
    let config = sns(Config::new().with("egress", "allow = []"), &base(&keys));
    let gateway = Gateway::start(config).await;
    let message = SnsMessage::notification("m", &format!("{}{CERTIFICATE}", base(&keys)));
    unavailable(&gateway, &gateway.send("sns", &message.signed()).await, "is refused (loopback)").await;
    assert_eq!(keys.all().len(), 0);
}
