//! The claim check: large bodies go to the object store while they arrive, links to them are sent in their place, and
//! journal and object store always agree.

use std::{
    collections::BTreeSet,
    env, fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use hookgate_tests::{
    Answer, Bucket, Config, Delivery, Gateway, Receiver, Reply, SECRET, eventually, get, now,
    raw::{Connection, status},
    send, sign, try_send, verified_event,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use sha2::{Digest, Sha256};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A Stripe source that keeps bodies above 64 KiB in the object store, and takes up to 1 GiB.
fn claiming() -> Config {
    Config::new().with("store", "headroom = \"1MiB\"").source("stripe", "stripe", &source_lines("64KiB"))
}

fn source_lines(above: &str) -> String {
    format!(
        "secrets.signing = {{ value = \"{SECRET}\" }}\nlimits = {{ body = \"1GiB\" }}\nclaim-check = {{ above = \"{above}\" }}"
    )
}

/// A Stripe event with this number of bytes of padding.
fn padded(id: &str, bytes: usize) -> String {
    let body = sign::stripe_body(id, now());
    let body = body.strip_suffix('}').unwrap();
    format!("{body},\"padding\":\"{}\"}}", "x".repeat(bytes))
}

fn large(id: &str, bytes: usize) -> Delivery {
    sign::stripe(SECRET, now(), padded(id, bytes))
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The files of a directory of claims.
fn files(gateway: &Gateway, directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(gateway.path().join("data/claims").join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Waits until no upload is in progress and there is this number of objects.
async fn settled(gateway: &Gateway, objects: usize) {
    eventually(&format!("nothing under way, and {objects} objects"), async || {
        (files(gateway, "incoming").is_empty() && files(gateway, "objects").len() == objects).then_some(())
    })
    .await;
}

/// A request to a link, with these headers.
async fn ask(url: &str, method: &str, headers: &[(&str, &str)]) -> Reply {
    let request = Delivery { method: method.to_owned(), ..Delivery::post(headers, "") };
    send(url, &request).await
}

fn text<'v>(event: &'v Value, attribute: &str) -> &'v str {
    event[attribute].as_str().unwrap_or_else(|| panic!("no {attribute}: {event}"))
}

#[tokio::test]
async fn a_large_body_is_kept_outside_the_journal_and_a_link_is_sent() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(claiming().receiver(&receiver)).await;
    let (small, delivery) = (sign::stripe_event(SECRET, "evt_small"), large("evt_large", 3 * MIB));
    gateway.send("stripe", &small).await.accepted();
    let id = gateway.send("stripe", &delivery).await.accepted()[0].clone();
    let received = receiver.wait_for(2).await;
    let events: Vec<Value> = received.iter().map(verified_event).collect();
    let by_id = |id: &str| events.iter().find(|event| event["id"] == id).unwrap();

    // Below the bound nothing changes.
    assert!(by_id("evt_small")["data"].is_object() && by_id("evt_small")["dataref"].is_null());
    let event = by_id("evt_large");
    assert!(event["data"].is_null() && event["data_base64"].is_null());
    assert_eq!(text(event, "datalength"), delivery.body.len().to_string());
    assert_eq!(text(event, "datasha256"), sha256(&delivery.body));
    assert_eq!(text(event, "datacontenttype"), "application/json");
    let link = text(event, "dataref");
    assert!(link.starts_with(&format!("http://{}/claims/{id}?", gateway.deliveries())), "{link}");
    let whole = get(link).await.unwrap();
    assert_eq!((whole.status, sha256(&whole.body)), (200, sha256(&delivery.body)));
    assert_eq!(whole.header("content-type"), Some("application/json"));

    // Sent again it is a duplicate, and leaves nothing behind.
    assert_eq!(gateway.send("stripe", &delivery).await.duplicate(), std::slice::from_ref(&id));
    settled(&gateway, 1).await;

    // Operators see where it is.
    let shown = gateway.admin_get(&format!("/api/v1/events/{id}?payload=true")).await.json();
    assert_eq!(shown["payload"]["bytes"], delivery.body.len());
    assert_eq!(shown["payload"]["claim"]["sha256"], sha256(&delivery.body));
    assert!(shown["payload"]["base64"].is_null());
    let by_cli = gateway.cli(&["events", "show", &id]).ok();
    assert!(by_cli.contains("/claims/") && by_cli.contains(&sha256(&delivery.body)), "{by_cli}");
    assert_eq!(get(text(&shown["payload"]["claim"], "url")).await.unwrap().status, 200);
    gateway.counts("hookgate_claims_total", &["outcome=\"stored\""], 2.0).await;
    gateway.counts("hookgate_claims_total", &["outcome=\"discarded\""], 1.0).await;
}

#[tokio::test]
async fn binary_and_raw_destinations_get_the_link_in_headers() {
    let receiver = Receiver::start().await;
    let config = ["binary", "raw"].iter().fold(claiming(), |config, format| {
        let http = format!("http = {{ url = \"{}\", format = \"{format}\" }}", receiver.url());
        config.destination(format, &http).route("*", format)
    });
    let gateway = Gateway::start(config).await;
    let delivery = large("evt_1", 100 * KIB);
    gateway.send("stripe", &delivery).await.accepted();
    for one in receiver.wait_for(2).await {
        let prefix = if one.header("ce-id").is_empty() { "hookgate" } else { "ce" };
        assert!(one.body.is_empty());
        assert_eq!(one.header("content-type"), "application/json");
        assert_eq!(one.header(&format!("{prefix}-datalength")), delivery.body.len().to_string());
        assert_eq!(one.header(&format!("{prefix}-datasha256")), sha256(&delivery.body));
        let link = one.header(&format!("{prefix}-dataref"));
        assert_eq!(get(link).await.unwrap().body, delivery.body, "{link}");
    }
}

#[tokio::test]
async fn ranges_are_served_and_bad_ones_refused() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(claiming().receiver(&receiver)).await;
    let delivery = large("evt_1", MIB);
    gateway.send("stripe", &delivery).await.accepted();
    let event = verified_event(&receiver.wait_for(1).await[0]);
    let (link, body, length) = (text(&event, "dataref"), &delivery.body, delivery.body.len());

    let whole = ask(link, "GET", &[]).await;
    let etag = whole.header("etag").unwrap().to_owned();
    assert_eq!((whole.header("accept-ranges"), etag.as_str()), (Some("bytes"), &*format!("\"{}\"", sha256(body))));
    assert_eq!((whole.header("x-content-type-options"), whole.body == *body), (Some("nosniff"), true));
    let head = ask(link, "HEAD", &[]).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some(&*length.to_string())));

    let last = length - 1;
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=5-9".to_owned(), 5, 10),
        (format!("bytes={last}-"), last, length),
        ("bytes=300000-700000".to_owned(), 300_000, 700_001),
        ("bytes=-7".to_owned(), length - 7, length),
        (format!("bytes=10-{}", 2 * length), 10, length),
        (format!("bytes=-{}", 2 * length), 0, length),
    ] {
        let part = ask(link, "GET", &[("range", &range), ("if-range", &etag)]).await;
        assert_eq!(part.status, 206, "{range}: {part:?}");
        assert_eq!(part.header("content-range"), Some(&*format!("bytes {from}-{}/{length}", to - 1)), "{range}");
        assert!(part.body == body[from..to], "{range}");
    }
    // Beyond the end.
    for range in [format!("bytes={length}-"), format!("bytes={}-{}", 2 * length, 3 * length), "bytes=-0".to_owned()] {
        let refused = ask(link, "GET", &[("range", &range)]).await;
        assert_eq!(refused.refused(416)["type"], "urn:hookgate:claim-range", "{range}");
        assert_eq!(refused.header("content-range"), Some(&*format!("bytes */{length}")), "{range}");
    }
    // What is not a range, several of them, and a part of something else give the whole.
    for (range, condition) in [
        ("bytes=9-5", &*etag),
        ("lines=1-2", &etag),
        ("bytes=a-b", &etag),
        ("bytes=0-1,5-9", &etag),
        ("bytes=0-1", "\"another\""),
    ] {
        let whole = ask(link, "GET", &[("range", range), ("if-range", condition)]).await;
        assert_eq!((whole.status, whole.body.len()), (200, length), "{range}");
    }
}

#[tokio::test]
async fn a_forged_an_expired_and_an_unknown_link_open_nothing() {
    let receiver = Receiver::start().await;
    let config = claiming().with("claims", "url-ttl = \"2s\"").receiver(&receiver);
    let mut gateway = Gateway::start(config.clone()).await;
    gateway.send("stripe", &large("evt_1", 100 * KIB)).await.accepted();
    let event = verified_event(&receiver.wait_for(1).await[0]);
    let link = text(&event, "dataref").to_owned();
    let (path, query) = link.split_once('?').unwrap();
    let later = query.replace("expires=", "expires=9");
    let other = format!("{}?{query}", path.replace(&path[path.len() - 4..], "0000"));
    let cases = [
        path.to_owned(),
        format!("{path}?expires=99999999999"),
        format!("{path}?{later}"),
        format!("{path}?{}A", query),
        format!("{path}?{}", query.replace("signature=", "signature=%")),
        other,
    ];
    for forged in cases {
        assert_eq!(ask(&forged, "GET", &[]).await.refused(403)["type"], "urn:hookgate:claim-forged", "{forged}");
    }
    let expired = eventually("the link to expire", async || {
        let reply = ask(&link, "GET", &[]).await;
        (reply.status != 200).then_some(reply)
    });
    assert_eq!(expired.await.refused(403)["type"], "urn:hookgate:claim-expired");
    let wrong = gateway.admin_get(&format!("/api/v1/events/{}", path.rsplit('/').next().unwrap())).await.json();
    let fresh = text(&wrong["payload"]["claim"], "url").to_owned();
    let refused = ask(&fresh, "DELETE", &[]).await;
    assert_eq!(refused.refused(405)["type"], "urn:hookgate:claim-method");

    // A link survives a restart, since the key does; one of another gateway opens nothing.
    let (_, fresh_query) = fresh.split_once("/claims/").unwrap();
    gateway.stop().await;
    gateway.configure(&config.with("claims", "url-ttl = \"1h\""));
    gateway.restart().await;
    let again = gateway.admin_get(&format!("/api/v1/events/{}", path.rsplit('/').next().unwrap())).await.json();
    assert_eq!(ask(text(&again["payload"]["claim"], "url"), "GET", &[]).await.status, 200);
    let elsewhere = Gateway::start(claiming()).await;
    let stranger = format!("http://{}/claims/{fresh_query}", elsewhere.deliveries());
    assert_eq!(ask(&stranger, "GET", &[]).await.refused(403)["type"], "urn:hookgate:claim-forged");
}

#[tokio::test]
async fn what_is_refused_leaves_no_object() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(claiming().with("server", "body-timeout = \"1s\"").receiver(&receiver)).await;
    let forged = sign::stripe("whsec_of_somebody_else", now(), padded("evt_1", MIB));
    gateway.send("stripe", &forged).await.refused(401);
    let tampered = large("evt_1", MIB).tampered("1099", "1098");
    gateway.send("stripe", &tampered).await.refused(401);
    settled(&gateway, 0).await;

    // A sender that goes away halfway, and one that stops and waits.
    let head = format!("POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", 10 * MIB);
    let mut gone = Connection::open(gateway.deliveries()).await;
    gone.write(head.as_bytes()).await;
    gone.write(&vec![b'x'; 2 * MIB]).await;
    drop(gone);
    let mut slow = Connection::open(gateway.deliveries()).await;
    slow.write(head.as_bytes()).await;
    slow.write(&vec![b'x'; 100 * KIB]).await;
    assert_eq!(status(&slow.read_to_end().await), 408);
    // Larger than the source accepts, refused at once.
    let mut vast = Connection::open(gateway.deliveries()).await;
    vast.write(format!("POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", 2_u64 << 30).as_bytes())
        .await;
    vast.finish().await;
    assert_eq!(status(&vast.read_to_end().await), 413);
    settled(&gateway, 0).await;

    let id = gateway.send("stripe", &large("evt_1", MIB)).await.accepted();
    assert_eq!(receiver.wait_for(1).await[0].event_id(), id[0]);
    settled(&gateway, 1).await;
}

#[tokio::test]
async fn retention_removes_what_no_event_needs() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(claiming().with("store", "retention = \"1s\"").receiver(&receiver)).await;
    gateway.send("stripe", &large("evt_1", MIB)).await.accepted();
    let event = verified_event(&receiver.wait_for(1).await[0]);
    settled(&gateway, 0).await;
    eventually("the event to be gone as well", async || {
        (ask(text(&event, "dataref"), "GET", &[]).await.status == 404).then_some(())
    })
    .await;
    eventually("the removal to be counted", async || {
        (gateway.metric("hookgate_claims_total", &["outcome=\"removed\""]).await == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_answered_503_and_the_gateway_goes_on() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(claiming().receiver(&receiver)).await;
    let claims = gateway.path().join("data/claims");
    // No user can create a file below a file.
    fs::remove_dir_all(claims.join("incoming")).unwrap();
    fs::write(claims.join("incoming"), "in the way").unwrap();
    let refused = gateway.send("stripe", &large("evt_1", MIB)).await;
    assert_eq!(refused.refused(503)["type"], "urn:hookgate:claim-failed");
    assert!(refused.retry_after().is_some());
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_small")).await.accepted();
    fs::remove_file(claims.join("incoming")).unwrap();
    fs::create_dir(claims.join("incoming")).unwrap();
    gateway.send("stripe", &large("evt_1", MIB)).await.accepted();
    receiver.wait_for(2).await;
    settled(&gateway, 1).await;
    assert!(gateway.metric("hookgate_claim_failures_total", &["operation=\"store\""]).await >= 1.0);
}

#[tokio::test]
async fn claim_checks_go_on_and_off_without_a_restart() {
    let receiver = Receiver::start().await;
    let plain = |config: Config| config.stripe("stripe").receiver(&receiver);
    let gateway = Gateway::start(plain(Config::new())).await;
    let said = async |times: usize| {
        eventually("the configuration in force", async || {
            (gateway.said().matches("was read again and is in force").count() >= times).then_some(())
        })
        .await;
    };
    gateway.send("stripe", &large("evt_0", 100 * KIB)).await.accepted();
    gateway.configure(&claiming().with("store", "path = \"data\"").receiver(&receiver));
    gateway.ask_to_read_again();
    said(1).await;
    let id = gateway.send("stripe", &large("evt_1", 100 * KIB)).await.accepted()[0].clone();
    gateway.configure(&plain(Config::new()));
    gateway.ask_to_read_again();
    said(2).await;
    gateway.send("stripe", &large("evt_2", 100 * KIB)).await.accepted();
    let events: Vec<Value> = receiver.wait_for(3).await.iter().map(verified_event).collect();
    let refers = |id: &str| !events.iter().find(|event| event["id"] == id).unwrap()["dataref"].is_null();
    assert_eq!(["evt_0", "evt_1", "evt_2"].map(refers), [false, true, false]);
    // What was kept stays there to be had, and to be transformed once more.
    let replayed = gateway.admin_post(&format!("/api/v1/events/{id}/replay"), "{\"transform\":true}").await;
    assert_eq!(replayed.status, 200, "{replayed:?}");
    let again = verified_event(receiver.wait_for(4).await.last().unwrap());
    assert_eq!(get(text(&again, "dataref")).await.unwrap().status, 200);
}

fn in_bucket(bucket: &Bucket) -> Config {
    claiming().with("claims", &bucket.table())
}

#[tokio::test]
async fn a_bucket_keeps_large_bodies() {
    let (receiver, bucket) = (Receiver::start().await, Bucket::start().await);
    let gateway = Gateway::start(in_bucket(&bucket).receiver(&receiver)).await;
    // More than one part, and a single one.
    let deliveries = [large("evt_1", 20 * MIB), large("evt_2", MIB)];
    for delivery in &deliveries {
        gateway.send("stripe", delivery).await.accepted();
    }
    let received = receiver.wait_for(2).await;
    for delivery in &deliveries {
        let sum = sha256(&delivery.body);
        let events = received.iter().map(verified_event);
        let event = events.into_iter().find(|event| event["datasha256"] == sum.as_str()).unwrap();
        let (link, length) = (text(&event, "dataref"), delivery.body.len());
        assert_eq!(sha256(&get(link).await.unwrap().body), sum);
        let part = ask(link, "GET", &[("range", &format!("bytes=700000-{}", length - 2))]).await;
        assert!(part.status == 206 && part.body == delivery.body[700_000..length - 1], "{}", part.status);
    }
    let kept: BTreeSet<String> = bucket.objects().iter().map(|path| sha256(&fs::read(path).unwrap())).collect();
    assert_eq!(kept, deliveries.iter().map(|delivery| sha256(&delivery.body)).collect());
    // A forgery and a duplicate leave nothing there.
    let forged = sign::stripe("whsec_of_somebody_else", now(), padded("evt_3", 9 * MIB));
    gateway.send("stripe", &forged).await.refused(401);
    gateway.send("stripe", &deliveries[1]).await.duplicate();
    eventually("nothing under way, and two objects", async || {
        (files(&gateway, "incoming").is_empty() && bucket.objects().len() == 2).then_some(())
    })
    .await;
    assert!(!gateway.said().contains("a-secret-key-that-nobody-logs"));
}

#[tokio::test]
async fn events_name_the_objects_own_urls_if_configured() {
    let (receiver, bucket) = (Receiver::start().await, Bucket::start().await);
    let config = in_bucket(&bucket).with("claims", "dataref = \"object\"").with("store", "retention = \"1s\"");
    let gateway = Gateway::start(config.receiver(&receiver)).await;
    let delivery = large("evt_1", MIB);
    gateway.send("stripe", &delivery).await.accepted();
    let event = verified_event(&receiver.wait_for(1).await[0]);
    let link = text(&event, "dataref");
    assert!(link.contains("/bodies/hookgate/") && link.contains("X-Amz-Signature="), "{link}");
    // The link is the bucket's affair: whether it still has the object when asked depends on the retention.
    eventually("the object to be removed with its event", async || bucket.objects().is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_bucket_that_fails_halfway_is_answered_503_and_nothing_stays() {
    let (receiver, mut bucket) = (Receiver::start().await, Bucket::start().await);
    let gateway = Gateway::start(in_bucket(&bucket).receiver(&receiver)).await;
    let (kept, failing) = (large("evt_kept", MIB), large("evt_failing", 15 * MIB));
    gateway.send("stripe", &kept).await.accepted();
    receiver.wait_for(1).await;
    let signature = String::from_utf8(failing.get("stripe-signature").unwrap().to_vec()).unwrap();
    let length = failing.body.len();
    let mut connection = Connection::open(gateway.deliveries()).await;
    let head = format!(
        "POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\nstripe-signature: {signature}\r\n\r\n"
    );
    assert!(connection.write(head.as_bytes()).await && connection.write(&failing.body[..12 * MIB]).await);
    eventually("the first part", async || (files(&gateway, "incoming").len() == 2).then_some(())).await;
    bucket.kill();
    connection.write(&failing.body[12 * MIB..]).await;
    connection.finish().await;
    let answer = connection.read_to_end().await;
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("claim-failed"), "{answer}");
    // While it is away smaller ones are taken, and larger ones refused.
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_small")).await.accepted();
    // A sender that does not look up from its body may find the connection closed before it has read the answer.
    if let Some(answer) = try_send(&gateway.url("stripe"), &failing).await {
        answer.refused(503);
    }
    bucket.restart().await;
    let id = gateway.send("stripe", &failing).await.accepted();
    receiver.wait_until("the delivery that failed", |all| all.iter().any(|one| one.event_id() == id[0])).await;
    eventually("nothing under way, and two objects", async || {
        (files(&gateway, "incoming").is_empty() && bucket.objects().len() == 2).then_some(())
    })
    .await;
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// `kill -9` at random moments: what was acknowledged has its object, whole, and no other object stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_at_any_moment_leaves_journal_and_objects_in_step() {
    let seed = number("HOOKGATE_CRASH_SEED", 20_261_126);
    let mut rng = StdRng::seed_from_u64(seed);
    let receiver = Receiver::answering(|_, count| Answer::status(if count % 8 == 3 { 500 } else { 200 })).await;
    let mut gateway = Gateway::start(claiming().with("log", "filter = \"warn\"").receiver(&receiver)).await;
    let acknowledged = Arc::new(Mutex::new(Vec::<(String, String)>::new()));
    for round in 0..number("HOOKGATE_CRASH_ROUNDS", 8) {
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let (url, acknowledged) = (gateway.url("stripe"), acknowledged.clone());
                let mut rng = StdRng::seed_from_u64(rng.random());
                tokio::spawn(async move {
                    for n in 0.. {
                        let delivery = large(&format!("evt_{round}_{sender}_{n}"), rng.random_range(64 * KIB..3 * MIB));
                        let Some(reply) = try_send(&url, &delivery).await else { return };
                        let id = reply.accepted()[0].clone();
                        acknowledged.lock().unwrap().push((id, sha256(&delivery.body)));
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..900))).await;
        gateway.kill();
        for sender in senders {
            sender.await.unwrap();
        }
        gateway.restart().await;
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(!acknowledged.is_empty(), "seed {seed}: nothing was acknowledged");
    for (id, sha256_sent) in &acknowledged {
        let shown = gateway.admin_get(&format!("/api/v1/events/{id}")).await.json();
        let body = get(text(&shown["payload"]["claim"], "url")).await.unwrap();
        assert_eq!((body.status, sha256(&body.body)), (200, sha256_sent.clone()), "seed {seed}: {id}");
    }
    // Each object belongs to an event that is kept; deliveries that were not answered may have become events as well.
    eventually(&format!("no orphan (seed {seed})"), async || {
        let objects = files(&gateway, "objects").len();
        let events = count_of_events(&gateway).await;
        (files(&gateway, "incoming").is_empty() && objects == events).then_some(())
    })
    .await;
    assert!(gateway.stop().await.success());
}

async fn count_of_events(gateway: &Gateway) -> usize {
    let (mut count, mut page) = (0, String::new());
    loop {
        let list = gateway.admin_get(&format!("/api/v1/events?limit=500{page}")).await.json();
        count += list["events"].as_array().unwrap().len();
        match list["next_page"].as_str() {
            Some(next) => page = format!("&page={next}"),
            None => return count,
        }
    }
}

/// A body that is made while it is sent.
async fn stream(gateway: &Gateway, source: &str, bytes: usize) -> String {
    let block: Vec<u8> = (0..MIB).map(|n| (n % 251) as u8).collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    (0..bytes / MIB).for_each(|_| mac.update(&block));
    let tag = hex::encode(mac.finalize().into_bytes());
    let mut connection = Connection::open(gateway.deliveries()).await;
    let head = format!(
        "POST /in/{source} HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\nx-hub-signature-256: sha256={tag}\r\n\
         x-github-event: push\r\nx-github-delivery: {tag}\r\ncontent-type: application/octet-stream\r\n\
         connection: close\r\n\r\n"
    );
    assert!(connection.write(head.as_bytes()).await);
    for _ in 0..bytes / MIB {
        assert!(connection.write(&block).await);
    }
    connection.read_to_end().await
}

/// Resident memory of a process, its high-water mark, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// `HOOKGATE_CLAIM_MIB` sends a larger one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_any_size_takes_little_memory() {
    let receiver = Receiver::start().await;
    let source = source_lines("256KiB");
    let config = Config::new().with("store", "headroom = \"1MiB\"").source("github", "github", &source);
    let gateway = Gateway::start(config.receiver(&receiver)).await;
    // What the first large delivery needs besides its body is not counted.
    let first = stream(&gateway, "github", MIB).await;
    assert_eq!(status(&first), 200, "{first}");
    receiver.wait_for(1).await;
    let before = peak_memory(gateway.pid());
    let bytes = number("HOOKGATE_CLAIM_MIB", 256) as usize * MIB;
    let reply = stream(&gateway, "github", bytes).await;
    assert_eq!(status(&reply), 200, "{reply}");
    let received = receiver.wait_for(2).await;
    assert_eq!(text(&verified_event(&received[1]), "datalength"), bytes.to_string());
    let grown = peak_memory(gateway.pid()).saturating_sub(before);
    println!("a body of {bytes} bytes took {grown} bytes of memory");
    assert!(grown < 64 * MIB as u64, "{grown} bytes");
}
