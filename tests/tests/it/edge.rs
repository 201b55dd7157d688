//! The edge component in front of the gateway: what `hookgate edge build` makes, run in a host of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use hookgate_edge_host::{Calls, Edge, Fault, KeyValue, Log, Options, engine};
use hookgate_tests::{
    Answer, Config, Delivery, Finished, Gateway, Receiver, SECRET, binary, coding::coded, directory, now, run, send,
    sign, verified_event,
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

/// A plugin at the edge, before an origin.
struct AtTheEdge {
    edge: Edge,
    store: KeyValue,
    log: Log,
    calls: Calls,
    path: String,
}

impl AtTheEdge {
    async fn stripe(origin: &str) -> AtTheEdge {
        AtTheEdge::stripe_with(origin, &[]).await
    }

    async fn stripe_with(origin: &str, variables: &[(&str, &str)]) -> AtTheEdge {
        AtTheEdge::of("stripe", origin, &[&[("secret_signing", SECRET)], variables].concat()).await
    }

    async fn of(plugin: &str, origin: &str, variables: &[(&str, &str)]) -> AtTheEdge {
        AtTheEdge::built(&["--plugin", plugin], plugin, origin, variables).await
    }

    /// Of a plugin that is built with these arguments.
    async fn built(arguments: &[&str], plugin: &str, origin: &str, variables: &[(&str, &str)]) -> AtTheEdge {
        let (out, _) = components(arguments);
        let component = std::fs::read(out.path().join(format!("{plugin}.wasm"))).unwrap();
        let set = [("origin", origin), ("origin_secret", ORIGIN_SECRET)];
        let all = set.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (store, log, calls) = (KeyValue::default(), Log::default(), Calls::default());
        let options = Options {
            variables: all.collect(),
            store: store.clone(),
            log: Some(log.clone()),
            calls: Some(calls.clone()),
            ..Options::default()
        };
        let edge = Edge::new(&engine().unwrap(), &component, options).unwrap();
        AtTheEdge { edge, store, log, calls, path: format!("/in/{plugin}") }
    }

    /// Serves it, and returns the address.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{}", listener.local_addr().unwrap(), self.path);
        tokio::spawn(hookgate_edge_host::serve(listener, self.edge.clone()));
        url
    }

    /// Its response as the component has made it.
    async fn answer(&self, delivery: &Delivery) -> http::Response<Bytes> {
        let uri = format!("http://edge.example{}{}", self.path, delivery.suffix);
        let mut request = http::Request::builder().method(delivery.method.as_str()).uri(uri);
        for (name, value) in &delivery.headers {
            request = request.header(name, value.as_slice());
        }
        self.edge.handle(request.body(Full::new(Bytes::from(delivery.body.clone()))).unwrap()).await.unwrap()
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
    let stripe = AtTheEdge::stripe(&gateway.url("stripe")).await;
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
    let url = AtTheEdge::stripe(&gateway.url("stripe")).await.serve().await;
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
    let stripe = AtTheEdge::stripe_with(&origin.url(), &[("body_limit", "2000"), ("body_timeout", "1")]).await;
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
    let url = AtTheEdge::stripe(&format!("http://{address}/in/stripe")).await.serve().await;
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
    let stripe = AtTheEdge::stripe_with(&origin.url(), &[("origin_timeout", "1")]).await;
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
    let stripe = AtTheEdge::stripe(&origin.url()).await;
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
    let stripe = AtTheEdge::stripe(&origin.url()).await;
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
        ("origin", "example.com"),
        ("body_limit", "much"),
    ] {
        let url = AtTheEdge::stripe_with(&origin.url(), &[(name, value)]).await.serve().await;
        assert_eq!(send(&url, &delivery).await.refused(503)["type"], "urn:hookgate:misconfigured", "{name}={value}");
    }
    // While a secret is exchanged both are live.
    let url =
        AtTheEdge::stripe_with(&origin.url(), &[("secret_signing", "new"), ("secret_signing_previous", SECRET)]).await;
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
    let stripe = AtTheEdge {
        edge,
        store: KeyValue::default(),
        log: Log::default(),
        calls: Calls::default(),
        path: "/in/stripe".to_owned(),
    };
    assert_eq!(stripe.answer(&sign::stripe_event(SECRET, "evt_1")).await.status(), 200);
    assert_eq!(origin.wait_for(1).await.len(), 1);
}

/// So that what makes components grow is noticed. The larger ones carry the code for public-key signatures, or they read
/// documents of their own beside the delivery.
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
    let (out, report) = components(&arguments);
    let built = report.as_array().unwrap();
    assert_eq!(built.len(), names.len());
    for one in built {
        let (name, size) = (one["plugin"].as_str().unwrap(), one["size_bytes"].as_u64().unwrap());
        let limit = match name {
            "stripe" => 600,
            _ if LARGER.contains(&name) => 930,
            _ => 650,
        };
        assert!(size < limit << 10, "{name}: {size}");
        for version in ["4.0", "4.1"] {
            let offered = offered_by_spin(version);
            let imports = one["imports"].as_array().unwrap().iter().map(|import| import.as_str().unwrap());
            let missing: Vec<&str> = imports.filter(|import| !offered.contains(*import)).collect();
            assert!(missing.is_empty(), "{name} imports what Spin {version} does not offer: {missing:?}");
        }
        let exported = b"wasi:http/handler@0.3.0-rc-2026-03-15";
        let component = std::fs::read(out.path().join(format!("{name}.wasm"))).unwrap();
        assert!(component.windows(exported.len()).any(|window| window == exported), "{name}");
    }
}

/// The interfaces that a version of Spin offers, as its WIT says. Of WASI 0.2 it offers the earlier versions, too.
fn offered_by_spin(version: &str) -> BTreeSet<String> {
    let list = std::fs::read_to_string(directory(&format!("host/gateway/src/edge/spin-{version}.txt"))).unwrap();
    let offered = list.lines().filter(|line| line.starts_with("wasi:")).flat_map(|line| {
        let earlier = line.strip_suffix("@0.2.6").map(|name| (0..6).map(move |patch| format!("{name}@0.2.{patch}")));
        earlier.into_iter().flatten().chain([line.to_owned()])
    });
    offered.collect()
}

/// Requests of one instance share the log, so a line that is written in pieces would be torn by others.
#[tokio::test]
async fn each_line_of_the_log_is_one_write() {
    let origin = Receiver::start().await;
    let stripe = AtTheEdge::stripe(&origin.url()).await;
    stripe.answer(&sign::stripe_event("another secret", "evt_1")).await;
    stripe.answer(&sign::stripe_event(SECRET, "evt_1").header("content-encoding", "compress")).await;
    stripe.store.fail(Some(Fault::Reading));
    stripe.answer(&sign::stripe_event(SECRET, "evt_1")).await;
    let writes = stripe.log.writes();
    let causes: Vec<&str> = writes.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(causes, ["unauthenticated", "unsupported-coding", "store-failed"], "{writes:?}");
    for line in &writes {
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
    }
}

/// Else a platform sends chunks, which not every receiver takes.
#[tokio::test]
async fn requests_and_responses_say_their_length_once() {
    let origin = Receiver::start().await;
    let stripe = AtTheEdge::stripe(&origin.url()).await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    for (what, sent, status) in [
        ("accepted", &delivery, 200),
        ("duplicate", &delivery, 200),
        ("refused", &sign::stripe_event("another secret", "evt_1"), 401),
    ] {
        let response = stripe.answer(sent).await;
        let lengths: Vec<&[u8]> =
            response.headers().get_all("content-length").iter().map(|value| value.as_bytes()).collect();
        let expected = response.body().len().to_string();
        assert_eq!((response.status().as_u16(), lengths), (status, vec![expected.as_bytes()]), "{what}");
    }
    let forwarded = &origin.wait_for(1).await[0];
    assert_eq!(forwarded.header("content-length"), forwarded.body.len().to_string());
    assert!(!forwarded.headers.contains_key("transfer-encoding"));
}

/// The manifest writes `{{ origin }}/in/stripe`, regardless of the operator's variable.
#[tokio::test]
async fn an_origin_may_have_a_slash_at_its_end() {
    let origin = Receiver::start().await;
    let url = format!("http://{}//in/stripe", origin.address());
    let stripe = AtTheEdge::stripe(&url).await;
    assert_eq!(stripe.answer(&sign::stripe_event(SECRET, "evt_1")).await.status(), 200);
    assert_eq!(origin.wait_for(1).await[0].path, "/in/stripe");
}

/// Finding 22: without `public_url` the sender chooses the host of the URL.
#[tokio::test]
async fn a_url_that_the_sender_has_chosen_is_not_verified() {
    let origin = Receiver::start().await;
    let parameters = [("MessageSid", "SM1"), ("SmsStatus", "received"), ("AccountSid", "AC1")];
    // Signed for the name by which it is called here, so that nothing else is wrong with it.
    let delivery = sign::twilio("token", "http://edge.example/in/twilio", &parameters);
    let secret = ("secret_auth_token", "token");
    let twilio = AtTheEdge::of("twilio", &origin.url(), &[secret]).await;
    let response = twilio.answer(&delivery).await;
    assert_eq!(response.status(), 503);
    let line = twilio.log.writes().concat();
    assert!(line.starts_with("misconfigured: variable public_url: it is not set"), "{line}");

    let public_url = ("public_url", "http://edge.example");
    let twilio = AtTheEdge::of("twilio", &origin.url(), &[secret, public_url]).await;
    assert_eq!(twilio.answer(&delivery).await.status(), 200);
    // Stripe does not sign the URL.
    let stripe = AtTheEdge::stripe(&origin.url()).await;
    assert_eq!(stripe.answer(&sign::stripe_event(SECRET, "evt_1")).await.status(), 200);
}

/// A platform's store is a server elsewhere, so each operation is time in which a provider waits.
#[tokio::test]
async fn a_delivery_takes_no_more_calls_of_the_platform_than_it_needs() {
    let origin = Receiver::sequence(vec![Answer::status(500), Answer::status(200)]).await;
    let stripe = AtTheEdge::stripe(&origin.url()).await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    let forged = sign::stripe_event("another secret", "evt_1");
    for (what, sent, status, expected) in [
        ("forged", &forged, 401, vec!["variables.get-all"]),
        ("the origin fails", &delivery, 503, vec!["variables.get-all", "store.open", "store.get"]),
        ("new", &delivery, 200, vec!["variables.get-all", "store.open", "store.get", "store.set"]),
        ("duplicate", &delivery, 200, vec!["variables.get-all", "store.open", "store.get"]),
    ] {
        assert_eq!(stripe.answer(sent).await.status(), status, "{what}");
        assert_eq!(stripe.calls.take(), expected, "{what}");
    }
}

#[tokio::test]
async fn events_of_one_delivery_that_share_a_key_are_noted_in_one_write() {
    const KEY: &str = "44782def547aaa06c910c43932b1eb0c71fc68d9d0c057550c48ec2acf6ba056";
    const EVENTS: usize = 200;
    let origin = Receiver::start().await;
    let adyen = AtTheEdge::of("adyen", &origin.url(), &[("secret_hmac", KEY)]).await;
    let items: Vec<Value> = (0..EVENTS).map(|n| sign::adyen_item(&format!("psp_{n}"), "AUTHORISATION", 1099)).collect();
    let delivery = sign::adyen(KEY, &items);
    let count = |calls: &[&str], name: &str| calls.iter().filter(|call| **call == name).count();

    assert_eq!(adyen.answer(&delivery).await.headers()["hookgate-status"], "accepted");
    let (calls, keys) = (adyen.calls.take(), adyen.store.keys());
    // Of 4,096 keys: some of the events share one.
    assert!(keys < EVENTS, "{keys}");
    assert_eq!((count(&calls, "store.get"), count(&calls, "store.set")), (keys, keys));
    // None of them has overwritten another.
    assert_eq!(adyen.answer(&delivery).await.headers()["hookgate-status"], "duplicate");
    let calls = adyen.calls.take();
    assert_eq!((count(&calls, "store.get"), count(&calls, "store.set")), (keys, 0));
    assert_eq!(origin.all().len(), 1);
}

/// Without the decoders the signature of a coded body cannot be checked, so the log says how to get them.
#[tokio::test]
async fn a_content_coding_is_refused_by_a_component_without_decoders() {
    let origin = Receiver::start().await;
    let stripe = AtTheEdge::stripe(&origin.url()).await;
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let response = stripe.answer(&sign::stripe_event(SECRET, "evt_1").then_coded(coding)).await;
        assert_eq!(response.status(), 415, "{coding}");
        assert_eq!(response.headers()["accept-encoding"], "identity", "{coding}");
    }
    for line in stripe.log.writes() {
        assert!(line.starts_with("unsupported-coding: ") && line.contains("--content-codings"), "{line}");
    }
    for name in ["identity", "", "utf-8"] {
        let delivery = sign::stripe_event(SECRET, "evt_1").header("content-encoding", name);
        assert_eq!(stripe.answer(&delivery).await.status(), 200, "{name:?}");
    }
}

#[tokio::test]
async fn content_codings_are_undone_and_refused_as_in_the_gateway() {
    let origin = Receiver::start().await;
    let arguments = ["--plugin", "stripe", "--content-codings"];
    let stripe = AtTheEdge::built(&arguments, "stripe", &origin.url(), &[("secret_signing", SECRET)]).await;
    let url = stripe.serve().await;
    let gateway = Gateway::start(Config::new().stripe("stripe")).await;
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let before = sign::stripe_event(SECRET, &format!("evt_before_{coding}")).then_coded(coding);
        let body = coded(coding, sign::stripe_body(&format!("evt_after_{coding}"), now()).as_bytes());
        let after = sign::stripe(SECRET, now(), body).header("Content-Encoding", coding.to_uppercase());
        for delivery in [&before, &after] {
            assert_eq!(send(&url, delivery).await.outcome(), "accepted", "{coding}");
            assert_eq!(send(&url, delivery).await.outcome(), "duplicate", "{coding}");
        }
    }
    for received in origin.wait_for(8).await {
        let event = received.json();
        assert_eq!((&event["data"]["id"], &event["datacontenttype"]), (&event["id"], &"application/json".into()));
    }
    let twice = sign::stripe_event(SECRET, "evt_twice");
    let twice = Delivery { body: coded("gzip", &coded("br", &twice.body)), ..twice };
    assert_eq!(send(&url, &twice.header("content-encoding", "br, gzip")).await.outcome(), "accepted");

    let whole = sign::stripe_event(SECRET, "evt_1").then_coded("gzip");
    let cut = Delivery { body: whole.body[..whole.body.len() - 9].to_vec(), ..whole.clone() };
    let unknown = whole.clone().without("content-encoding").header("content-encoding", "compress");
    let stale = sign::stripe(SECRET, now() - 600, sign::stripe_body("evt_1", now())).then_coded("gzip");
    for (delivery, status) in [
        (sign::stripe(SECRET, now(), vec![b'0'; 900 << 10]).then_coded("gzip"), 413),
        (cut, 400),
        (unknown, 415),
        (sign::stripe_event("another secret", "evt_1").then_coded("zstd"), 401),
        (stale, 401),
    ] {
        let [told, by_gateway] = [send(&url, &delivery).await, gateway.send("stripe", &delivery).await];
        assert_eq!(told.refused(status)["type"], by_gateway.refused(status)["type"]);
        assert_eq!(told.header("accept-encoding"), by_gateway.header("accept-encoding"));
    }
}

#[test]
fn only_plugins_are_built_for_the_edge() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("none.wasm");
    for text in ["no wasm at all", "\0asm\r\0\x01\0"] {
        std::fs::write(&file, text).unwrap();
        let finished = hookgate(&["edge", "build", "--plugin", &file.display().to_string()]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("is not a plugin"), "{finished:?}");
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
