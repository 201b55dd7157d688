//! From the journal to the destinations: forms, signatures, retries, dead letters, isolation, the egress guard.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hookgate_tests::{
    Answer, Config, Gateway, Received, Receiver, SECRET, WEBHOOK_SECRET, eventually, now, sign, verified_event,
};
use serde_json::{Value, json};

/// A destination's lines for a receiver, with more in its `http` table and more below.
fn http(receiver: &Receiver, more: &str, below: &str) -> String {
    format!("http = {{ url = \"{}\", secret = {{ value = \"{WEBHOOK_SECRET}\" }}{more} }}\n{below}", receiver.url())
}

const SOON: &str = "retry = { attempts = 5, first = \"20ms\", max = \"100ms\" }";

/// The dead letters, as the command line gives them to scripts.
async fn dead_letters(gateway: &Gateway, count: usize) -> Vec<Value> {
    eventually(&format!("{count} dead letters"), async || {
        let text = gateway.cli(&["dead-letters", "list", "--json"]).ok();
        let list: Value = serde_json::from_str(&text).unwrap();
        let letters = list["dead_letters"].as_array().unwrap().clone();
        (letters.len() == count).then_some(letters)
    })
    .await
}

#[tokio::test]
async fn each_form_is_what_its_standard_says() {
    let (structured, binary, raw) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("events.jsonl");
    let config = Config::new()
        .stripe("stripe")
        .destination("structured", &http(&structured, ", format = \"structured\"", ""))
        .destination("binary", &http(&binary, ", format = \"binary\", headers = { \"x-team\" = \"billing\" }", ""))
        .destination("raw", &http(&raw, ", format = \"raw\"", ""))
        .destination("file", &format!("jsonl = {{ path = {:?} }}", path.to_str().unwrap()))
        .destination("out", "stdout = {}")
        .entry("[[route]]\nfrom = [\"stripe\"]\nto = [\"structured\", \"binary\", \"raw\", \"file\", \"out\"]");
    let gateway = Gateway::start(config).await;
    let at = now();
    let body = format!(" {} ", sign::stripe_body("evt_é", at));
    let id = gateway.send("stripe", &sign::stripe(SECRET, at, &body)).await.accepted()[0].clone();
    let data: Value = serde_json::from_str(&body).unwrap();
    let time = Value::from(jiff_like(at));

    let got = structured.wait_for(1).await.remove(0);
    let event = verified_event(&got);
    assert_eq!(
        (&event["id"], &event["source"], &event["type"], &event["subject"], &event["data"], &event["time"]),
        (
            &json!("evt_é"),
            &json!("https://api.stripe.com"),
            &json!("com.stripe.invoice.paid"),
            &json!("in_evt_é"),
            &data,
            &time
        )
    );
    assert_eq!((got.method.as_str(), got.path.as_str(), got.event_id()), ("POST", "/events", id.clone()));
    let signed_at: u64 = got.header("webhook-timestamp").parse().unwrap();
    assert!(now() - signed_at < 60);

    let got = binary.wait_for(1).await.remove(0);
    assert!(got.is_signed_by(WEBHOOK_SECRET));
    assert_eq!(got.body, body.as_bytes(), "binary mode carries the exact bytes");
    let headers =
        ["ce-specversion", "ce-type", "ce-source", "ce-id", "content-type", "x-team"].map(|name| got.header(name));
    assert_eq!(
        headers,
        ["1.0", "com.stripe.invoice.paid", "https://api.stripe.com", "evt_%C3%A9", "application/json", "billing"]
    );

    let got = raw.wait_for(1).await.remove(0);
    assert!(got.is_signed_by(WEBHOOK_SECRET));
    assert_eq!((&got.body[..], got.header("content-type")), (body.as_bytes(), "application/json"));

    let line =
        eventually("a line in the file", async || fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n')))
            .await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["id"], &line["data"]), (&json!("evt_é"), &data));
    let line = eventually("a line on standard output", async || {
        gateway.stdout().lines().find(|line| line.contains("evt_é")).map(str::to_owned)
    })
    .await;
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["type"], "com.stripe.invoice.paid");
}

/// Seconds since the epoch as RFC 3339, by the civil calendar.
fn jiff_like(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[tokio::test]
async fn every_live_secret_signs_and_without_one_nothing_is_signed() {
    let (both, none) = (Receiver::start().await, Receiver::start().await);
    let second = "whsec_c2Vjb25kIHNlY3JldCBvZiB0aGUgcmVjZWl2ZXI=";
    let rotating = format!(
        "http = {{ url = \"{}\", secret = [{{ value = \"{WEBHOOK_SECRET}\" }}, {{ value = \"{second}\" }}] }}",
        both.url()
    );
    let config = Config::new()
        .stripe("stripe")
        .destination("both", &rotating)
        .destination("none", &format!("http = {{ url = \"{}\" }}", none.url()))
        .entry("[[route]]\nfrom = \"*\"\nto = [\"both\", \"none\"]");
    let gateway = Gateway::start(config).await;
    let id = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    let got = both.wait_for(1).await.remove(0);
    assert!(got.is_signed_by(WEBHOOK_SECRET) && got.is_signed_by(second), "{got:?}");
    let got = none.wait_for(1).await.remove(0);
    assert_eq!((got.event_id(), got.header("webhook-signature")), (id[0].clone(), ""));
}

#[tokio::test]
async fn failures_are_tried_again_under_the_same_id_until_one_succeeds() {
    let answers = [500, 503, 408, 302, 200].map(Answer::status).to_vec();
    let receiver = Receiver::sequence(answers).await;
    let config = Config::new().stripe("stripe").destination("r", &http(&receiver, "", SOON)).route("*", "r");
    let gateway = Gateway::start(config).await;
    let id = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    let received = receiver.wait_for(5).await;
    assert!(received.iter().all(|one| one.event_id() == id[0] && one.is_signed_by(WEBHOOK_SECRET)));
    let shown = eventually("the history of the event", async || {
        let shown = gateway.cli(&["events", "show", &id[0]]).ok();
        shown.contains("200").then_some(shown)
    })
    .await;
    for status in ["500", "503", "408", "302"] {
        assert!(shown.contains(status), "{status} is missing:\n{shown}");
    }
    assert_eq!(receiver.all().len(), 5);
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let receiver = Receiver::sequence(vec![Answer::status(429).header("retry-after", "2"), Answer::status(200)]).await;
    let config = Config::new().stripe("stripe").destination("r", &http(&receiver, "", SOON)).route("*", "r");
    let gateway = Gateway::start(config).await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    let received = receiver.wait_for(2).await;
    let waited = received[1].at - received[0].at;
    assert!(waited >= Duration::from_millis(1900), "{waited:?}");
}

/// A destination that has more than it can take is left alone for the longest pause, where that is less than a minute.
#[tokio::test]
async fn after_a_429_and_after_no_answer_the_next_attempt_does_not_come_soon() {
    let busy = Receiver::sequence(vec![Answer::status(429), Answer::status(200)]).await;
    let silent = Receiver::answering(|_, count| match count {
        0 => Answer::status(200).after(Duration::from_secs(600)),
        _ => Answer::status(200),
    })
    .await;
    let policy = "timeout = \"200ms\"\nretry = { attempts = 5, first = \"20ms\", max = \"2s\" }";
    let config = Config::new()
        .stripe("stripe")
        .destination("busy", &http(&busy, "", policy))
        .destination("silent", &http(&silent, "", policy))
        .entry("[[route]]\nfrom = \"*\"\nto = [\"busy\", \"silent\"]");
    let gateway = Gateway::start(config).await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    for receiver in [busy, silent] {
        let received = receiver.wait_for(2).await;
        let waited = received[1].at - received[0].at;
        assert!(waited >= Duration::from_millis(1900), "{waited:?}");
    }
}

/// What has waited for a destination does not knock it over when it comes back.
#[tokio::test]
async fn a_destination_that_is_back_is_not_flooded() {
    const WAITING: usize = 120;
    let is_back = Arc::new(AtomicBool::new(false));
    let answers = is_back.clone();
    let receiver =
        Receiver::answering(move |_, _| Answer::status(if answers.load(Ordering::SeqCst) { 200 } else { 503 })).await;
    let lines = http(&receiver, "", "retry = { attempts = 1000, first = \"20ms\", max = \"100ms\" }");
    let gateway = Gateway::start(Config::new().stripe("stripe").destination("r", &lines).route("*", "r")).await;
    for n in 0..WAITING {
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
    // Ten failures in a row open the breaker, and 16 attempts may be under way then.
    receiver.wait_for(30).await;
    is_back.store(true, Ordering::SeqCst);
    let taken = |received: &[Received]| -> Vec<_> {
        received.iter().filter(|one| one.answered == 200).map(|one| one.at).collect()
    };
    let received = receiver.wait_until("all that waited", |received| taken(received).len() >= WAITING).await;
    let mut taken = taken(&received);
    taken.sort();
    let first_second = taken.iter().filter(|at| **at - taken[0] < Duration::from_secs(1)).count();
    // The one that has found it back, and 32 more.
    assert!(first_second <= 33, "{first_second} in the first second");
}

#[tokio::test]
async fn gone_and_refused_and_spent_become_dead_letters_until_redriven() {
    let gone = Receiver::sequence(vec![Answer::status(410).body("no more"), Answer::status(200)]).await;
    let refused = Receiver::sequence(vec![Answer::status(422).body("unwanted"), Answer::status(200)]).await;
    let spent = Receiver::answering(|_, count| Answer::status(if count < 3 { 500 } else { 200 })).await;
    let thrice = "retry = { attempts = 3, first = \"10ms\", max = \"20ms\" }";
    let config = Config::new()
        .stripe("stripe")
        .destination("gone", &http(&gone, "", thrice))
        .destination("refused", &http(&refused, ", on-4xx = \"dead-letter\"", thrice))
        .destination("spent", &http(&spent, "", thrice))
        .entry("[[route]]\nfrom = \"*\"\nto = [\"gone\", \"refused\", \"spent\"]");
    let mut gateway = Gateway::start(config).await;
    let id = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted()[0].clone();
    let letters = dead_letters(&gateway, 3).await;
    assert!(letters.iter().all(|letter| letter.to_string().contains(&id)), "{letters:?}");
    assert_eq!((gone.all().len(), refused.all().len(), spent.all().len()), (1, 1, 3));
    for receiver in [&gone, &refused, &spent] {
        assert!(receiver.all().iter().all(|one| one.event_id() == id));
    }
    for (destination, parts) in
        [("gone", ["410", "no more"]), ("refused", ["422", "unwanted"]), ("spent", ["500", "3"])]
    {
        let shown = gateway.cli(&["dead-letters", "show", &format!("{destination}/{id}/0")]).ok();
        assert!(parts.iter().all(|part| shown.contains(part)), "{parts:?} must be in:\n{shown}");
    }

    // They stay over a crash, and one destination can be redriven alone.
    gateway.kill();
    gateway.restart().await;
    dead_letters(&gateway, 3).await;
    gateway.cli(&["dead-letters", "redrive", "--destination", "gone"]).ok();
    gone.wait_for(2).await;
    let letters = dead_letters(&gateway, 2).await;
    assert!(letters.iter().all(|letter| letter["destination"] != "gone"), "{letters:?}");
    gateway.cli(&["dead-letters", "redrive", "--all"]).ok();
    refused.wait_for(2).await;
    spent.wait_for(4).await;
    dead_letters(&gateway, 0).await;
}

#[tokio::test]
async fn a_slow_and_a_dead_destination_hold_up_no_other() {
    let well = Receiver::start().await;
    let slow = Receiver::answering(|_, _| Answer::status(200).after(Duration::from_secs(600))).await;
    let closed = {
        let gone = Receiver::start().await;
        gone.url()
    };
    let config = Config::new()
        .stripe("stripe")
        .destination("slow", &http(&slow, "", "timeout = \"10s\"\nconcurrency = 2"))
        .destination("dead", &format!("http = {{ url = \"{closed}\" }}\n{SOON}"))
        .destination("well", &http(&well, "", ""))
        .entry("[[route]]\nfrom = \"*\"\nto = [\"slow\", \"dead\", \"well\"]");
    let gateway = Gateway::start(config).await;
    for n in 0..40 {
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
    well.wait_for(40).await;
    assert!(slow.all().len() <= 2, "no more at once than the destination takes");
}

#[tokio::test]
async fn a_destination_gets_no_more_than_its_rate() {
    let receiver = Receiver::start().await;
    let lines = http(&receiver, "", "rate = \"10/s\"\nburst = 2");
    let gateway = Gateway::start(Config::new().stripe("stripe").destination("r", &lines).route("*", "r")).await;
    for n in 0..12 {
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
    let received = receiver.wait_for(12).await;
    let took = received[11].at - received[0].at;
    assert!(took >= Duration::from_millis(900), "12 attempts, 2 at once and 10 a second, took {took:?}");
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_given_up_and_tried_again() {
    let receiver = Receiver::answering(|_, count| match count {
        0 => Answer::status(200).after(Duration::from_secs(600)),
        _ => Answer::status(200),
    })
    .await;
    let lines = http(&receiver, "", &format!("timeout = \"300ms\"\n{SOON}"));
    let gateway = Gateway::start(Config::new().stripe("stripe").destination("r", &lines).route("*", "r")).await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    receiver.wait_for(2).await;
}

#[tokio::test]
async fn routes_lead_only_where_they_say() {
    let (all, some) = (Receiver::start().await, Receiver::start().await);
    let config = Config::new()
        .stripe("a")
        .stripe("b")
        .stripe("unrouted-but-for-all")
        .destination("all", &http(&all, "", ""))
        .destination("some", &http(&some, "", ""))
        .route("*", "all")
        .entry("[[route]]\nfrom = [\"a\", \"b\"]\nto = \"some\"");
    let gateway = Gateway::start(config).await;
    for source in ["a", "b", "unrouted-but-for-all"] {
        gateway.send(source, &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    }
    assert_eq!(all.wait_for(3).await.len(), 3);
    assert_eq!(some.wait_for(2).await.len(), 2);
}

/// Names and redirects that lead to what is only reachable from here; the literal addresses are refused with the
/// configuration already.
#[tokio::test]
async fn the_guard_refuses_what_is_only_reachable_from_here() {
    let inside = Receiver::start().await;
    let port = inside.address().port();
    let outside = Receiver::sequence(vec![Answer::status(307).header("location", inside.url())]).await;
    // Loopback is allowed only as the one address that `outside` has; Linux answers on all of 127.0.0.0/8.
    let config = Config::new()
        .with("egress", "allow = [\"127.0.0.1/32\"]")
        .stripe("stripe")
        .destination("redirecting", &http(&outside, "", "retry = { attempts = 2, first = \"10ms\", max = \"10ms\" }"))
        .route("*", "redirecting");
    let gateway = Gateway::start(config).await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    let letters = dead_letters(&gateway, 1).await;
    assert_eq!((outside.all().len(), inside.all().len()), (2, 0), "a redirect is never followed: {letters:?}");

    for host in [
        "localhost",
        "127.0.0.2",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hookgate.toml");
        fs::write(&file, format!("[[destination]]\nname = \"d\"\nhttp = {{ url = \"http://{host}:{port}/\" }}\n"))
            .unwrap();
        let checked = hookgate_tests::run(
            std::process::Command::new(hookgate_tests::binary()).args(["check", "--config"]).arg(&file),
        );
        assert_eq!(checked.code, Some(1), "{host}: {checked:?}");
        assert!(checked.stderr.contains("egress") || checked.stdout.contains("egress"), "{host}: {checked:?}");
    }
}

#[tokio::test]
async fn what_was_queued_goes_on_after_a_kill_with_its_history() {
    for engine in ["fjall", "sled"] {
        let receiver = Receiver::answering(|_, count| Answer::status(if count < 30 { 503 } else { 200 })).await;
        let lines = http(&receiver, "", "retry = { attempts = 100, first = \"20ms\", max = \"50ms\" }");
        let config =
            Config::new().with("store", &format!("engine = \"{engine}\"")).stripe("stripe").destination("r", &lines);
        let mut gateway = Gateway::start(config.route("*", "r")).await;
        let mut ids = Vec::new();
        for n in 0..10 {
            ids.extend(gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted());
        }
        receiver.wait_for(5).await;
        gateway.kill();
        gateway.restart().await;
        let delivered =
            |all: &[Received]| ids.iter().all(|id| all.iter().any(|one| one.answered == 200 && one.event_id() == *id));
        receiver.wait_until("every event delivered after the crash", delivered).await;
    }
}
