//! The edge component in front of the gateway: what `hookgate edge build` makes, run in a host of its own.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use hookgate_edge_host::{Edge, Fault, KeyValue, Options, engine};
use hookgate_tests::{
    Answer, Config, Delivery, Finished, Gateway, Receiver, SECRET, binary, directory, now, run, send, sign,
    verified_event,
};
use http_body_util::{Full, StreamBody};
use serde_json::Value;
use tokio::net::TcpListener;

const ORIGIN_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn hookgate(arguments: &[&str]) -> Finished {
    run(Command::new(binary()).args(arguments))
}

/// Composes plugins; the directory goes when it is dropped.
fn components(arguments: &[&str]) -> (tempfile::TempDir, Value) {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().display().to_string();
    let arguments: Vec<&str> = ["edge", "build", "--json", "--out", &path].iter().chain(arguments).copied().collect();
    let report = serde_json::from_str(&hookgate(&arguments).ok()).unwrap();
    (out, report)
}

/// Stripe at the edge, before an origin.
struct Stripe {
    edge: Edge,
    store: KeyValue,
}

impl Stripe {
    async fn before(origin: &str) -> Stripe {
        Stripe::with(origin, &[]).await
    }

    async fn with(origin: &str, variables: &[(&str, &str)]) -> Stripe {
        let (out, _) = components(&["--plugin", "stripe"]);
        let component = std::fs::read(out.path().join("stripe.wasm")).unwrap();
        let set = [("origin", origin), ("origin_secret", ORIGIN_SECRET), ("secret_signing", SECRET)];
        let all = set.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let store = KeyValue::default();
        let options = Options { variables: all.collect(), store: store.clone(), ..Options::default() };
        Stripe { edge: Edge::new(&engine().unwrap(), &component, options).unwrap(), store }
    }

    /// Serves it, and tells where.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in/stripe", listener.local_addr().unwrap());
        tokio::spawn(hookgate_edge_host::serve(listener, self.edge.clone()));
        url
    }
}

/// A gateway with a source that takes what the edge forwards.
async fn gateway(receiver: &Receiver) -> Gateway {
    let secrets = format!("secrets.signing = {{ value = \"{ORIGIN_SECRET}\" }}");
    Gateway::start(Config::new().source("stripe", "edge", &secrets).receiver(receiver)).await
}

#[tokio::test]
async fn a_delivery_goes_through_the_edge_and_the_gateway_and_is_one_event() {
    let receiver = Receiver::start().await;
    let gateway = gateway(&receiver).await;
    let stripe = Stripe::before(&gateway.url("stripe")).await;
    let url = stripe.serve().await;

    let delivery = sign::stripe_event(SECRET, "evt_1");
    let reply = send(&url, &delivery).await;
    assert_eq!((reply.status, reply.outcome()), (200, "accepted"), "{reply:?}");
    let event = verified_event(&receiver.wait_for(1).await[0]);
    assert_eq!((&event["id"], &event["type"]), (&"evt_1".into(), &"com.stripe.invoice.paid".into()), "{event}");
    assert_eq!(event["data"], serde_json::from_slice::<Value>(&delivery.body).unwrap());
    assert!(event.get("hookgateidentity").is_none(), "{event}");

    // The origin's own record knows the provider's id.
    let listed = gateway.admin_get("/api/v1/events").await.json();
    assert_eq!(listed["events"][0]["provider_id"], "evt_1", "{listed}");

    // Again, with the edge's memory and without: the origin does not see it, or makes it one.
    assert_eq!(send(&url, &delivery).await.outcome(), "duplicate");
    stripe.store.fail(Some(Fault::Missing));
    assert_eq!(send(&url, &delivery).await.status, 200);
    send(&url, &sign::stripe_event(SECRET, "evt_2")).await;
    receiver.wait_for(2).await;
    assert_eq!(receiver.all().len(), 2);
}

#[tokio::test]
async fn duplicates_at_the_same_time_are_one_event() {
    let receiver = Receiver::start().await;
    let gateway = gateway(&receiver).await;
    let url = Stripe::before(&gateway.url("stripe")).await.serve().await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (url, delivery) = (url.clone(), delivery.clone());
        sending.spawn(async move { send(&url, &delivery).await.status });
    }
    let statuses: BTreeSet<u16> = sending.join_all().await.into_iter().collect();
    assert_eq!(statuses, BTreeSet::from([200]));
    send(&url, &sign::stripe_event(SECRET, "evt_2")).await;
    let received = receiver.wait_for(2).await;
    let ids: Vec<Value> = received.iter().map(|received| verified_event(received)["id"].clone()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids.contains(&"evt_1".into()) && ids.contains(&"evt_2".into()), "{ids:?}");
}

#[tokio::test]
async fn what_is_forged_stale_or_too_large_never_reaches_the_origin() {
    let origin = Receiver::start().await;
    let stripe = Stripe::with(&origin.url(), &[("body_limit", "2000"), ("body_timeout", "1")]).await;
    let url = stripe.serve().await;
    let secrets = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nlimits = {{ body = \"2000B\" }}");
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &secrets)).await;
    let forged = sign::stripe_event(SECRET, "evt_1").tampered("1099", "1");
    let stale = sign::stripe(SECRET, now() - 600, sign::stripe_body("evt_1", now() - 600));
    let large = sign::stripe(SECRET, now(), vec![b'x'; 2001]);
    let unreadable = sign::stripe(SECRET, now(), "no JSON");
    for (source, delivery, status, cause) in [
        ("stripe", &forged, 401, "unauthenticated"),
        ("stripe", &stale, 401, "stale"),
        ("stripe", &large, 413, "too-large"),
        ("stripe", &unreadable, 400, "malformed"),
        ("other", &forged, 404, "unknown-source"),
    ] {
        let told = send(&url.replace("/in/stripe", &format!("/in/{source}")), delivery).await.refused(status);
        assert_eq!(told["type"], format!("urn:hookgate:{cause}"));
        // The gateway says the same, and under which trace.
        let mut by_gateway = send(&gateway.url(source), delivery).await.refused(status);
        by_gateway.as_object_mut().unwrap().remove("trace");
        assert_eq!(told, by_gateway);
    }

    // Chunked, too, and one that never ends.
    let endless = futures_util::stream::repeat_with(|| {
        Ok::<_, Infallible>(hyper::body::Frame::data(Bytes::from_static(&[b'x'; 100])))
    });
    let request = http::Request::post("http://edge.example/in/stripe").body(StreamBody::new(endless)).unwrap();
    assert_eq!(stripe.edge.handle(request).await.unwrap().status(), 413);
    let silent = futures_util::stream::pending::<Result<hyper::body::Frame<Bytes>, Infallible>>();
    let request = http::Request::post("http://edge.example/in/stripe").body(StreamBody::new(silent)).unwrap();
    assert_eq!(stripe.edge.handle(request).await.unwrap().status(), 408);
    assert_eq!(origin.all().len(), 0);
}

#[tokio::test]
async fn an_origin_that_is_down_slow_or_refusing_is_a_503_and_the_retry_arrives() {
    // Down: nothing listens there.
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nowhere.local_addr().unwrap();
    drop(nowhere);
    let delivery = sign::stripe_event(SECRET, "evt_1");
    let url = Stripe::before(&format!("http://{address}/in/stripe")).await.serve().await;
    let reply = send(&url, &delivery).await;
    assert_eq!(
        (reply.refused(503)["type"].as_str(), reply.retry_after()),
        (Some("urn:hookgate:origin-failed"), Some(10))
    );

    // Slow, refusing, and back.
    let answers = vec![
        Answer::status(200).after(Duration::from_secs(30)),
        Answer::status(500),
        Answer::status(429).header("retry-after", "77"),
        Answer::status(401),
        Answer::status(204),
    ];
    let origin = Receiver::sequence(answers).await;
    let stripe = Stripe::with(&origin.url(), &[("origin_timeout", "1")]).await;
    let url = stripe.serve().await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        let reply = send(&url, &delivery).await;
        reply.refused(503);
        waits.push(reply.retry_after());
    }
    assert_eq!(waits, [Some(10), Some(10), Some(77), Some(10)]);
    assert_eq!(send(&url, &delivery).await.outcome(), "accepted");
    assert_eq!(send(&url, &delivery).await.outcome(), "duplicate");

    // All attempts were one message, signed.
    let received = origin.all();
    let ids: BTreeSet<String> = received.iter().map(|received| received.header("webhook-id").to_owned()).collect();
    assert_eq!((received.len(), ids.len()), (5, 1), "{ids:?}");
    assert!(received.iter().all(|received| received.is_signed_by(ORIGIN_SECRET)));
}

#[tokio::test]
async fn a_key_value_store_that_fails_holds_nothing_up() {
    let origin = Receiver::start().await;
    let stripe = Stripe::before(&origin.url()).await;
    let url = stripe.serve().await;
    for (number, fault) in [Fault::Missing, Fault::Reading, Fault::Writing].into_iter().enumerate() {
        stripe.store.fail(Some(fault));
        let reply = send(&url, &sign::stripe_event(SECRET, &format!("evt_{number}"))).await;
        assert_eq!((reply.status, reply.outcome()), (200, "accepted"), "{fault:?}");
    }
    assert_eq!((origin.all().len(), stripe.store.keys()), (3, 0));
}

#[tokio::test]
async fn the_edge_remembers_a_bounded_number_of_events() {
    let origin = Receiver::start().await;
    let stripe = Stripe::before(&origin.url()).await;
    let url = stripe.serve().await;
    let deliveries: Vec<Delivery> = (0..40).map(|n| sign::stripe_event(SECRET, &format!("evt_{n}"))).collect();
    for delivery in deliveries.iter().chain(&deliveries) {
        assert_eq!(send(&url, delivery).await.status, 200);
    }
    assert_eq!(origin.all().len(), 40);
    assert!(stripe.store.keys() <= 40, "{}", stripe.store.keys());
}

#[tokio::test]
async fn missing_and_wrong_variables_are_a_503_that_the_log_explains() {
    let origin = Receiver::start().await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    for (name, value) in [
        ("secret_signing", ""),
        ("origin_secret", ""),
        ("origin_secret", "not base64!"),
        ("origin", ""),
        ("origin", "ftp://example.com"),
        ("body_limit", "much"),
    ] {
        let url = Stripe::with(&origin.url(), &[(name, value)]).await.serve().await;
        assert_eq!(send(&url, &delivery).await.refused(503)["type"], "urn:hookgate:misconfigured", "{name}={value}");
    }
    // While a secret is exchanged both are live.
    let url = Stripe::with(&origin.url(), &[("secret_signing", "new"), ("secret_signing_previous", SECRET)]).await;
    assert_eq!(send(&url.serve().await, &delivery).await.status, 200);
    assert_eq!(origin.all().len(), 1);
}

#[tokio::test]
async fn the_same_plugin_runs_where_wasi_has_other_names() {
    let origin = Receiver::start().await;
    let (out, report) = components(&["--plugin", "stripe", "--platform", "wasi"]);
    let imports: Vec<&str> = report[0]["imports"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(imports.contains(&"wasi:keyvalue/store@0.2.0-draft") && imports.contains(&"wasi:config/store@0.2.0-rc.1"));
    let variables =
        [("origin", origin.url()), ("origin_secret", ORIGIN_SECRET.into()), ("secret_signing", SECRET.into())];
    let variables: BTreeMap<_, _> = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let component = std::fs::read(out.path().join("stripe.wasm")).unwrap();
    let options = Options { variables, ..Options::default() };
    let edge = Edge::new(&engine().unwrap(), &component, options).unwrap();
    let delivery = sign::stripe_event(SECRET, "evt_1");
    let mut request = http::Request::post("http://edge.example/in/stripe");
    for (name, value) in &delivery.headers {
        request = request.header(name, value.as_slice());
    }
    let body = Full::new(Bytes::from(delivery.body));
    assert_eq!(edge.handle(request.body(body).unwrap()).await.unwrap().status(), 200);
    assert_eq!(origin.wait_for(1).await.len(), 1);
}

/// Below the size that platforms' first requests are still quick with. Those above it carry the code for public-key signatures,
/// or read documents of their own beside the delivery.
#[test]
fn every_bundled_plugin_goes_to_the_edge_and_stays_small() {
    const LARGER: [&str; 9] = [
        "adyen",
        "aws-sns",
        "discord",
        "google-pubsub",
        "hmac",
        "microsoft-graph",
        "plaid",
        "standard-webhooks",
        "twilio",
    ];
    let listed: Value = serde_json::from_str(&hookgate(&["plugin", "list", "--json"]).ok()).unwrap();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    let arguments: Vec<&str> = names.iter().flat_map(|name| ["--plugin", name]).collect();
    let (_out, report) = components(&arguments);
    let built = report.as_array().unwrap();
    assert_eq!(built.len(), names.len());
    for one in built {
        let (name, size) = (one["plugin"].as_str().unwrap(), one["size_bytes"].as_u64().unwrap());
        let limit = if LARGER.contains(&name) { 880 } else { 600 };
        assert!(size < limit << 10, "{name}: {size}");
    }
}

#[test]
fn what_is_no_plugin_does_not_go_to_the_edge() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("none.wasm");
    for text in ["no wasm at all", "\0asm\r\0\x01\0"] {
        std::fs::write(&file, text).unwrap();
        let finished = hookgate(&["edge", "build", "--plugin", &file.display().to_string()]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("is no plugin"), "{finished:?}");
    }
    let unknown = hookgate(&["edge", "build", "--plugin", "nobody"]);
    assert!(unknown.stderr.contains("there is no plugin \"nobody\""), "{unknown:?}");
}

#[test]
fn the_manifest_at_the_top_is_the_one_that_the_gateway_writes() {
    let written = std::fs::read_to_string(directory("spin.toml")).unwrap();
    let arguments = [
        "edge",
        "manifest",
        "--plugin",
        "stripe",
        "--plugin",
        "github",
        "--out",
        "target/edge",
        "--build",
        "cargo xtask edge",
    ];
    assert_eq!(hookgate(&arguments).ok(), written, "to write it anew: hookgate {}", arguments.join(" "));
}
