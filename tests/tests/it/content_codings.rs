//! Deliveries whose body has a content coding: whichever of its two forms was signed, plugins and destinations get what was
//! meant, and a body that is more than that is refused.

use hookgate_tests::{Config, Delivery, Gateway, Receiver, SECRET, coding::coded, now, sign, verified_event};
use serde_json::Value;

const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

fn source(more: &str) -> String {
    format!("secrets.signing = {{ value = \"{SECRET}\" }}\n{more}")
}

fn config() -> Config {
    Config::new().source("stripe", "stripe", &source(""))
}

/// Signed first.
fn signed_before(coding: &str, id: &str) -> Delivery {
    sign::stripe_event(SECRET, id).then_coded(coding)
}

/// Signed as it is sent.
fn signed_after(coding: &str, id: &str) -> Delivery {
    let body = coded(coding, sign::stripe_body(id, now()).as_bytes());
    sign::stripe(SECRET, now(), body).header("content-encoding", coding)
}

#[tokio::test]
async fn both_orders_of_signing_and_coding_bring_the_decoded_event() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(config().receiver(&receiver)).await;
    let mut ids = Vec::new();
    for coding in CODINGS {
        let (before, after) = (format!("evt_before_{coding}"), format!("evt_after_{coding}"));
        gateway.send("stripe", &signed_before(coding, &before)).await.accepted();
        gateway.send("stripe", &signed_after(coding, &after)).await.accepted();
        ids.extend([before, after]);
    }
    let received = receiver.wait_for(ids.len()).await;
    for received in &received {
        let event = verified_event(received);
        let id = event["id"].as_str().unwrap().to_owned();
        assert!(ids.contains(&id), "{event}");
        assert_eq!(event["datacontenttype"], "application/json", "{event}");
        assert_eq!(
            (&event["data"]["id"], &event["data"]["type"]),
            (&Value::from(id), &"invoice.paid".into()),
            "{event}"
        );
    }
}

#[tokio::test]
async fn encoded_and_plain_bodies_are_the_same_event() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(config().receiver(&receiver)).await;
    let first = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    for coding in CODINGS {
        assert_eq!(gateway.send("stripe", &signed_before(coding, "evt_1")).await.duplicate(), first, "{coding}");
        assert_eq!(gateway.send("stripe", &signed_after(coding, "evt_1")).await.duplicate(), first, "{coding}");
    }
    // Names in any case, none at all, several in a row and in several headers.
    let twice = |first: &str, second: &str| {
        let delivery = sign::stripe_event(SECRET, "evt_1");
        Delivery { body: coded(second, &coded(first, &delivery.body)), ..delivery }
    };
    let plain = sign::stripe_event(SECRET, "evt_1");
    for delivery in [
        plain.clone().header("content-encoding", "identity"),
        plain.clone().header("content-encoding", ""),
        plain.clone().then_coded("gzip").without("content-encoding").header("content-encoding", "X-GZIP"),
        twice("br", "gzip").header("content-encoding", "br, gzip"),
        twice("zstd", "deflate").header("content-encoding", "ZSTD,identity").header("content-encoding", "Deflate"),
    ] {
        assert_eq!(gateway.send("stripe", &delivery).await.duplicate(), first, "{:?}", delivery.headers);
    }
}

#[tokio::test]
async fn a_wrong_signature_is_wrong_in_both_forms() {
    let gateway = Gateway::start(config()).await;
    let forged = sign::stripe_event("another secret", "evt_1").then_coded("gzip");
    let stale = sign::stripe(SECRET, now() - 600, sign::stripe_body("evt_1", now())).then_coded("gzip");
    for (delivery, cause) in [(forged, "unauthenticated"), (stale, "stale")] {
        let problem = gateway.send("stripe", &delivery).await.refused(401);
        assert_eq!(problem["type"], format!("urn:hookgate:{cause}"));
    }
    let tampered = signed_after("gzip", "evt_1");
    let tampered = Delivery { body: coded("gzip", b"{}"), ..tampered };
    gateway.send("stripe", &tampered).await.refused(401);
}

#[tokio::test]
async fn bombs_damaged_bodies_and_unknown_codings_are_refused() {
    let sources = [("stripe", ""), ("claiming", "limits = { body = \"1GiB\" }\nclaim-check = { above = \"64KiB\" }")];
    let config =
        sources.iter().fold(Config::new(), |config, (name, more)| config.source(name, "stripe", &source(more)));
    let gateway = Gateway::start(config).await;
    let zeros = |bytes: usize| sign::stripe(SECRET, now(), vec![b'0'; bytes]);
    let whole = signed_before("gzip", "evt_1");
    let cut = Delivery { body: whole.body[..whole.body.len() - 9].to_vec(), ..whole.clone() };
    let longer = Delivery { body: [&whole.body[..], b"more"].concat(), ..whole.clone() };
    let cases = [
        ("a small bomb", zeros(900 << 10).then_coded("gzip"), 413, "decoded-too-large"),
        ("a large one", zeros(50 << 20).then_coded("deflate"), 413, "decoded-too-large"),
        ("one in another", zeros(50 << 20).then_coded("gzip").then_coded("gzip"), 413, "decoded-too-large"),
        ("cut off", cut, 400, "undecodable"),
        ("with something behind it", longer, 400, "undecodable"),
        (
            "in another coding",
            whole.clone().without("content-encoding").header("content-encoding", "br"),
            400,
            "undecodable",
        ),
        ("in none", sign::stripe_event(SECRET, "evt_1").header("content-encoding", "gzip"), 400, "undecodable"),
        (
            "unknown",
            whole.clone().without("content-encoding").header("content-encoding", "compress"),
            415,
            "unsupported-coding",
        ),
        ("too many", whole.clone().header("content-encoding", "gzip, gzip, gzip"), 415, "unsupported-coding"),
    ];
    for (name, _) in sources {
        for (what, delivery, status, cause) in &cases {
            let reply = gateway.send(name, delivery).await;
            assert_eq!(reply.refused(*status)["type"], format!("urn:hookgate:{cause}"), "{what}");
            let accepted = (*status == 415).then_some("gzip, deflate, br, zstd");
            assert_eq!(reply.header("accept-encoding"), accepted, "{what}");
        }
        // The gateway has come to no harm.
        gateway.send(name, &whole).await.accepted();
    }
    gateway.counts("hookgate_refusals_total", &["cause=\"decoded-too-large\""], 6.0).await;
}

/// Decoding needs the body in memory, so the object store is for bodies without a coding.
#[tokio::test]
async fn a_body_with_a_coding_is_kept_in_the_journal_despite_a_claim_check() {
    let receiver = Receiver::start().await;
    let more = source("limits = { body = \"1GiB\" }\nclaim-check = { above = \"1KiB\" }");
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &more).receiver(&receiver)).await;
    let body = sign::stripe_body("evt_1", now());
    let padded = format!("{},\"padding\":\"{}\"}}", body.strip_suffix('}').unwrap(), "0123456789".repeat(3_000));
    gateway.send("stripe", &sign::stripe(SECRET, now(), &padded).then_coded("zstd")).await.accepted();
    let event = verified_event(&receiver.wait_for(1).await[0]);
    assert_eq!(event["data"], serde_json::from_str::<Value>(&padded).unwrap());
    assert!(event["dataref"].is_null(), "{event}");
}

/// Without a body there is nothing to decode.
#[tokio::test]
async fn an_empty_body_may_have_any_coding() {
    let source = "auth = { basic = { shop = { value = \"a-password-of-the-shop\" } } }";
    let gateway = Gateway::start(Config::new().source("raw", "raw", source)).await;
    let shop = "Basic c2hvcDphLXBhc3N3b3JkLW9mLXRoZS1zaG9w";
    let empty = Delivery::post(&[("authorization", shop), ("content-encoding", "gzip")], "");
    gateway.send("raw", &empty).await.accepted();
}

/// `raw` passes a body on as it was received, and says how; the other formats carry what it means.
#[tokio::test]
async fn each_format_of_a_destination_is_true_about_what_it_carries() {
    let [structured, binary, raw] = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
    let config = [("structured", &structured), ("binary", &binary), ("raw", &raw)].into_iter().fold(
        config(),
        |config, (format, receiver)| {
            let lines = format!("http = {{ url = \"{}\", format = \"{format}\" }}", receiver.url());
            config.destination(format, &lines).route("*", format)
        },
    );
    let gateway = Gateway::start(config).await;
    let plain = sign::stripe_body("evt_1", now());
    let delivery = sign::stripe(SECRET, now(), &plain).then_coded("br");
    gateway.send("stripe", &delivery).await.accepted();

    let message = &structured.wait_for(1).await[0];
    assert_eq!(message.json()["data"], serde_json::from_str::<Value>(&plain).unwrap());
    assert!(!message.headers.contains_key("content-encoding"));
    let message = &binary.wait_for(1).await[0];
    assert_eq!((&message.body[..], message.header("content-type")), (plain.as_bytes(), "application/json"));
    assert!(!message.headers.contains_key("content-encoding"));
    let message = &raw.wait_for(1).await[0];
    assert_eq!((&message.body[..], message.header("content-type")), (&delivery.body[..], "application/json"));
    assert_eq!(message.header("content-encoding"), "br");
}

#[tokio::test]
async fn what_is_kept_is_the_body_as_received_and_can_be_judged_again() {
    let receiver = Receiver::start().await;
    let mut gateway = Gateway::start(config().receiver(&receiver)).await;
    let plain = sign::stripe_body("evt_before", now());
    let before = sign::stripe(SECRET, now(), &plain).then_coded("gzip");
    let id = gateway.send("stripe", &before).await.accepted()[0].clone();
    gateway.send("stripe", &signed_after("zstd", "evt_after")).await.accepted();
    receiver.wait_for(2).await;
    gateway.stop().await;
    gateway.restart().await;

    let shown = gateway.admin_get(&format!("/api/v1/events/{id}?payload=true")).await.json();
    assert_eq!(shown["request"]["body_bytes"], before.body.len(), "{shown}");
    assert_eq!(
        (&shown["payload"]["text"], &shown["payload"]["bytes"]),
        (&Value::from(plain.as_str()), &plain.len().into())
    );
    let report = gateway.cli(&["plugin", "replay", "--source", "stripe", "--json", "stripe"]).ok();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["judged"], &report["differing"]), (&Value::from(2), &Value::from(0)), "{report}");
}
