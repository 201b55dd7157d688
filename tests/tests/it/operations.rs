//! What operators have: both engines, their stores, rates, shutdown, the admin API, the command line, logs.

use std::{collections::HashSet, fs, process::Command, time::Duration};

use hookgate_tests::{
    Answer, Config, Gateway, Receiver, SECRET, WEBHOOK_SECRET, binary, eventually, now, raw::Connection, run, send,
    sign, verified_event,
};
use serde_json::Value;

const ENGINES: [&str; 2] = ["fjall", "sled"];

fn on(engine: &str) -> Config {
    Config::new().with("store", &format!("engine = \"{engine}\""))
}

#[tokio::test]
async fn copies_in_flight_at_once_admit_one_and_all_get_200() {
    for engine in ENGINES {
        let receiver = Receiver::start().await;
        let gateway = Gateway::start(on(engine).stripe("stripe").receiver(&receiver)).await;
        let mut admitted = HashSet::new();
        for round in 0..4 {
            let delivery = sign::stripe_event(SECRET, &format!("evt_{round}"));
            let copies: Vec<_> = (0..64)
                .map(|_| {
                    let (url, delivery) = (gateway.url("stripe"), delivery.clone());
                    tokio::spawn(async move { send(&url, &delivery).await })
                })
                .collect();
            let mut accepted = Vec::new();
            let mut duplicates = Vec::new();
            for copy in copies {
                let reply = copy.await.unwrap();
                assert_eq!(reply.status, 200, "{engine}: {reply:?}");
                match reply.outcome() {
                    "accepted" => accepted.push(reply.accepted()),
                    _ => duplicates.push(reply.duplicate()),
                }
            }
            assert_eq!((accepted.len(), duplicates.len()), (1, 63), "{engine}");
            assert!(duplicates.iter().all(|ids| *ids == accepted[0]), "{engine}");
            admitted.insert(accepted[0][0].clone());
        }
        // The last is behind all others in the queue: once it is there, no copy is still to come.
        let last = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_last")).await.accepted();
        admitted.insert(last[0].clone());
        let received = receiver.wait_until("the last event", |all| all.iter().any(|r| r.event_id() == last[0])).await;
        assert_eq!(received.len(), 5, "{engine}");
        assert_eq!(received.iter().map(|one| one.event_id()).collect::<HashSet<_>>(), admitted, "{engine}");
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time_and_not_before() {
    let receiver = Receiver::start().await;
    let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nidempotency = {{ ttl = \"2s\" }}");
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &lines).receiver(&receiver)).await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    let first = gateway.send("stripe", &delivery).await.accepted();
    assert_eq!(gateway.send("stripe", &delivery).await.duplicate(), first);
    let second = eventually("the key to be forgotten", async || {
        let reply = gateway.send("stripe", &delivery).await;
        (reply.outcome() == "accepted").then(|| reply.accepted())
    })
    .await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn without_an_id_the_payload_is_the_key_unless_the_source_says_otherwise() {
    let receiver = Receiver::start().await;
    let secrets = format!("secrets.signing = {{ value = \"{SECRET}\" }}\n");
    let config = Config::new()
        .source("by-payload", "stripe", &secrets)
        .source("all-new", "stripe", &format!("{secrets}idempotency = {{ fallback = \"none\" }}"))
        .receiver(&receiver);
    let gateway = Gateway::start(config).await;
    let nameless = |body: &str| sign::stripe(SECRET, now(), body);
    let first = gateway.send("by-payload", &nameless("{\"a\":1}")).await.accepted();
    assert_eq!(gateway.send("by-payload", &nameless("{\"a\":1}")).await.duplicate(), first);
    gateway.send("by-payload", &nameless("{\"a\": 1}")).await.accepted();
    gateway.send("all-new", &nameless("{\"a\":1}")).await.accepted();
    gateway.send("all-new", &nameless("{\"a\":1}")).await.accepted();
    receiver.wait_for(4).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_a_stop() {
    for engine in ENGINES {
        let receiver = Receiver::start().await;
        let mut gateway = Gateway::start(on(engine).stripe("stripe").receiver(&receiver)).await;
        let mut ids = Vec::new();
        for (round, graceful) in [true, false, true].into_iter().enumerate() {
            let delivery = sign::stripe_event(SECRET, &format!("evt_{round}"));
            ids.extend(gateway.send("stripe", &delivery).await.accepted());
            if graceful {
                assert!(gateway.stop().await.success(), "{engine}");
            } else {
                gateway.kill();
            }
            gateway.restart().await;
            assert_eq!(gateway.send("stripe", &delivery).await.duplicate(), ids[round..=round], "{engine}");
        }
        let received = receiver
            .wait_until("every event", |all| ids.iter().all(|id| all.iter().any(|one| one.event_id() == *id)))
            .await;
        received.iter().for_each(|one| drop(verified_event(one)));
    }
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() {
    let receiver = Receiver::answering(|_, _| Answer::status(200).after(Duration::from_millis(300))).await;
    let mut gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    // A delivery whose body is on its way when the signal comes is still answered.
    let delivery = sign::stripe_event(SECRET, "evt_slow");
    let signature = String::from_utf8(delivery.get("stripe-signature").unwrap().to_vec()).unwrap();
    let head = format!(
        "POST /in/stripe HTTP/1.1\r\nhost: a\r\nstripe-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
        delivery.body.len()
    );
    let mut connection = Connection::open(gateway.deliveries()).await;
    connection.write(head.as_bytes()).await;
    let (first, second) = delivery.body.split_at(20);
    connection.write(first).await;
    // The server has the head once it has answered another request on the same listener after it.
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_other")).await.accepted();
    gateway.ask_to_stop();
    let address = gateway.deliveries();
    eventually("the listener to be closed", async || {
        tokio::net::TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    connection.write(second).await;
    let reply = connection.read_to_end().await;
    assert!(reply.contains("200 OK") && reply.contains("hookgate-status: accepted"), "{reply}");
    assert!(gateway.ended().await.success());
    // What was not delivered before the end goes on at the next start.
    gateway.restart().await;
    receiver.wait_until("both events", |all| ids_of(all).len() == 2).await;
}

fn ids_of(received: &[hookgate_tests::Received]) -> HashSet<String> {
    received.iter().map(hookgate_tests::Received::event_id).collect()
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_the_drain_time_out() {
    let config = Config::new().with("server", "drain-timeout = \"300ms\"").stripe("stripe");
    let mut gateway = Gateway::start(config).await;
    let mut endless = Connection::open(gateway.deliveries()).await;
    endless.write(b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n123").await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    let began = std::time::Instant::now();
    assert!(gateway.stop().await.success());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// Standard output that is not read, a receiver that never answers and a sender that never finishes, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_even_if_something_hangs() {
    let receiver = Receiver::answering(|_, _| Answer::status(200).after(Duration::from_secs(3600))).await;
    let config = Config::new()
        .with("server", "drain-timeout = \"500ms\"")
        .stripe("stripe")
        .receiver(&receiver)
        .destination("stdout", "stdout = {}")
        .route("stripe", "stdout");
    let mut gateway = Gateway::start_unread(config).await;
    let body = format!("{{\"id\":\"evt_1\",\"type\":\"x\",\"data\":\"{}\"}}", "x".repeat(300_000));
    gateway.send("stripe", &sign::stripe(SECRET, now(), body)).await.accepted();
    receiver.wait_for(1).await;
    eventually("a write under way", async || {
        (gateway.metric("hookgate_in_flight", &["destination=\"stdout\""]).await > 0.0).then_some(())
    })
    .await;
    let mut endless = Connection::open(gateway.deliveries()).await;
    endless.write(b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n123").await;
    assert!(gateway.stop().await.success());
}

/// Starts `serve` where it must not start, and gives what it says.
async fn serve_fails(gateway: &Gateway) -> String {
    let mut command = Command::new(binary());
    command.args(["serve", "--config"]).arg(gateway.config_file());
    let finished = tokio::task::spawn_blocking(move || run(&mut command)).await.unwrap();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    finished.stderr
}

#[tokio::test]
async fn a_second_gateway_on_the_same_store_is_refused_and_the_first_goes_on() {
    for engine in ENGINES {
        let gateway = Gateway::start(on(engine).stripe("stripe")).await;
        let said = serve_fails(&gateway).await;
        assert!(said.contains("in use") && said.contains(&gateway.pid().to_string()), "{engine}: {said}");
        gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    }
}

#[tokio::test]
async fn a_store_of_another_format_or_engine_is_refused_untouched() {
    let mut gateway = Gateway::start(on("fjall").stripe("stripe")).await;
    let id = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    gateway.stop().await;
    let seal = gateway.path().join("data/store");
    let right = fs::read_to_string(&seal).unwrap();

    fs::write(&seal, right.replace("format = ", "format = 999")).unwrap();
    let said = serve_fails(&gateway).await;
    assert!(said.contains("format 999"), "{said}");
    fs::write(&seal, &right).unwrap();

    gateway.configure(&on("sled").stripe("stripe"));
    let said = serve_fails(&gateway).await;
    assert!(said.contains("fjall") && said.contains("migrate"), "{said}");

    gateway.configure(&on("fjall").stripe("stripe"));
    gateway.restart().await;
    assert_eq!(gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.duplicate(), id);
}

#[tokio::test]
async fn a_damaged_store_is_reported_without_a_panic() {
    for engine in ENGINES {
        let mut gateway = Gateway::start(on(engine).stripe("stripe")).await;
        for n in 0..20 {
            gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
        }
        gateway.stop().await;
        let damaged = damage(&gateway.path().join("data"));
        assert!(damaged > 0, "{engine}: nothing was found to be damaged");
        let said = serve_fails(&gateway).await;
        assert!(said.contains("damaged") || said.contains("lost"), "{engine}: {said}");
    }
}

/// Overwrites the middle of every file of the engine; how many there were.
fn damage(directory: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "plugins" {
            count += damage(&path);
        } else if path.is_file() && !["store", "acknowledged", "lock"].contains(&name.as_str()) {
            let mut bytes = fs::read(&path).unwrap();
            let (from, to) = (bytes.len() / 4, bytes.len() * 3 / 4);
            bytes[from..to].fill(0xA5);
            fs::write(&path, &bytes).unwrap();
            count += usize::from(to > from);
        }
    }
    count
}

#[tokio::test]
async fn a_store_moves_to_the_other_engine_with_all_that_is_in_it() {
    let receiver = Receiver::sequence(vec![Answer::status(500)]).await;
    let waiting = Config::stripe(on("fjall"), "stripe").receiver(&receiver);
    let mut gateway = Gateway::start(waiting).await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    let id = gateway.send("stripe", &delivery).await.accepted();
    receiver.wait_for(1).await;
    gateway.stop().await;
    let config = gateway.config_file();
    let moved = gateway.cli(&["store", "migrate", "--config", config.to_str().unwrap(), "--to", "sled"]);
    assert_eq!(moved.code, Some(0), "{moved:?}");

    let well = Receiver::start().await;
    gateway.configure(&on("sled").stripe("stripe").receiver(&well));
    gateway.restart().await;
    assert_eq!(gateway.send("stripe", &delivery).await.duplicate(), id);
    assert_eq!(well.wait_for(1).await[0].event_id(), id[0]);
}

#[tokio::test]
async fn without_room_on_the_disk_deliveries_are_answered_503_and_nothing_is_kept() {
    let receiver = Receiver::start().await;
    let config = |headroom: &str| {
        let line = format!("headroom = \"{headroom}\"");
        Config::new().with("store", &line).stripe("stripe").receiver(&receiver)
    };
    let mut gateway = Gateway::start(config("1MiB")).await;
    let delivery = sign::stripe_event(SECRET, "evt_1");
    gateway.stop().await;
    gateway.configure(&config("1TiB"));
    gateway.restart().await;
    let reply = gateway.send("stripe", &delivery).await;
    assert_eq!(reply.refused(503)["type"], "urn:hookgate:store-full");
    assert!(reply.retry_after().is_some(), "{reply:?}");
    gateway.stop().await;
    gateway.configure(&config("1MiB"));
    gateway.restart().await;
    gateway.send("stripe", &delivery).await.accepted();
    assert_eq!(receiver.wait_for(1).await.len(), 1);
}

/// As a service without a home: neither HOME nor XDG_CACHE_HOME, or a home that cannot be written to.
#[tokio::test]
async fn a_first_start_needs_no_home() {
    let config = Config::new().stripe("stripe").text(std::path::Path::new("HERE")).replace("cache = \"HERE\"", "");
    for home in [None, Some("/proc/nobody")] {
        let directory = tempfile::tempdir().unwrap();
        let (file, temporary) = (directory.path().join("hookgate.toml"), directory.path().join("tmp"));
        fs::create_dir(&temporary).unwrap();
        fs::write(&file, &config).unwrap();
        let command = |name: &str| {
            let mut command = Command::new(binary());
            command.args([name, "--config"]).arg(&file).current_dir(directory.path());
            command.env_clear().env("TMPDIR", &temporary).envs(home.map(|home| ("HOME", home)));
            command
        };
        let checked = run(&mut command("check"));
        assert_eq!(checked.code, Some(0), "{home:?}: {checked:?}");
        assert!(!directory.path().join("data").exists(), "a check makes no store");

        let serve = command("serve");
        let mut gateway = Gateway::from_command(serve, directory).await;
        assert!(gateway.admin_get("/readyz").await.status == 200);
        let compiled = fs::read_dir(gateway.path().join("data/plugins")).unwrap().count();
        assert_eq!(compiled, 1, "{home:?}: what the check had compiled is what the gateway uses");
        assert_eq!(fs::read_dir(gateway.path().join("tmp")).unwrap().count(), 0, "{home:?}");
        gateway.stop().await;
    }
}

/// None of the commands makes a store where there is none.
#[test]
fn store_commands_refuse_an_empty_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookgate.toml");
    fs::write(&file, Config::new().text(directory.path())).unwrap();
    fs::create_dir(directory.path().join("data")).unwrap();
    for arguments in [&["check"][..], &["accept-loss"], &["migrate", "--to", "sled"]] {
        let mut command = Command::new(binary());
        command.arg("store").args(arguments).arg("--config").arg(&file).current_dir(directory.path());
        let refused = run(&mut command);
        assert_eq!(refused.code, Some(1), "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains("there is no store at"), "{arguments:?}: {refused:?}");
        assert_eq!(fs::read_dir(directory.path().join("data")).unwrap().count(), 0, "{arguments:?}");
    }
}

#[tokio::test]
async fn verified_deliveries_over_the_rate_get_a_retry_after() {
    let lines = format!(
        "secrets.signing = {{ value = \"{SECRET}\" }}\nlimits = {{ rate = \"1/h\", burst = 3, failures = \"5/h\" }}"
    );
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &lines).stripe("other")).await;
    // Forgeries first: they do not use up the quota, but their address has one of its own.
    let mut statuses = Vec::new();
    for n in 0..8 {
        let forged = sign::stripe_event("not the secret", &format!("evt_forged_{n}"));
        statuses.push(gateway.send("stripe", &forged).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    // Behind the same address the provider itself still gets through, up to the burst.
    for n in 0..3 {
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
    let over = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_over")).await;
    assert_eq!(over.refused(429)["type"], "urn:hookgate:rate-limited");
    assert!((1000..=3600).contains(&over.retry_after().unwrap()), "{over:?}");
    // Another source has its own.
    gateway.send("other", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
}

#[tokio::test]
async fn one_trace_leads_from_the_reply_to_the_receiver_and_the_log() {
    let receiver = Receiver::start().await;
    let gateway =
        Gateway::start(Config::new().with("log", "format = \"json\"").stripe("stripe").receiver(&receiver)).await;
    let reply = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await;
    let (id, trace) = (reply.accepted()[0].clone(), reply.trace().to_owned());
    assert!(
        trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()) && trace.bytes().any(|b| b != b'0'),
        "{trace}"
    );
    let parent = receiver.wait_for(1).await[0].header("traceparent").to_owned();
    assert!(parent.starts_with(&format!("00-{trace}-")), "{parent}");
    let shown: Value = serde_json::from_str(&gateway.cli(&["events", "show", &id, "--json"]).ok()).unwrap();
    assert!(shown.to_string().contains(&trace), "{shown}");
    let lines = eventually("the delivery's line in the log", async || {
        let said = gateway.said();
        let lines: Vec<String> = said.lines().filter(|line| line.contains(&trace)).map(str::to_owned).collect();
        (!lines.is_empty()).then_some(lines)
    })
    .await;
    lines.iter().for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap()));
    // A trace that the provider brings along is continued; nonsense in its place is not.
    let known = "0af7651916cd43dd8448eb211c80319c";
    let traced = sign::stripe_event(SECRET, "evt_2").header("traceparent", format!("00-{known}-b7ad6b7169203331-01"));
    assert_eq!(gateway.send("stripe", &traced).await.trace(), known);
    let nonsense = sign::stripe_event(SECRET, "evt_3").header("traceparent", "00-zz-1-01");
    let fresh = gateway.send("stripe", &nonsense).await;
    assert!(fresh.trace().len() == 32 && fresh.trace() != known && fresh.trace() != trace, "{fresh:?}");
}

#[tokio::test]
async fn events_are_listed_shown_and_replayed() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").stripe("other").receiver(&receiver)).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.extend(gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted());
    }
    ids.extend(gateway.send("other", &sign::stripe_event(SECRET, "evt_x")).await.accepted());
    receiver.wait_for(4).await;

    let list = gateway.cli(&["events", "list", "--json"]).ok();
    assert!(ids.iter().all(|id| list.contains(id)), "{list}");
    let list = gateway.cli(&["events", "list", "--source", "other", "--json"]).ok();
    assert!(list.contains(&ids[3]) && !list.contains(&ids[0]), "{list}");
    let shown = eventually("the attempt to be recorded", async || {
        let shown = gateway.cli(&["events", "show", &ids[0]]).ok();
        shown.contains("delivered").then_some(shown)
    })
    .await;
    for part in ["evt_0", "stripe", "invoice.paid", "receiver", "200"] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    gateway.cli(&["events", "replay", &ids[0]]).ok();
    let received = receiver.wait_for(5).await;
    assert_eq!(received[4].event_id(), ids[0], "a replay has the event's own id");

    let unknown = gateway.cli(&["events", "show", "01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f"]);
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    let nonsense = gateway.cli(&["events", "show", "nonsense"]);
    assert!(matches!(nonsense.code, Some(1 | 2)), "{nonsense:?}");
}

#[tokio::test]
async fn secrets_are_never_shown_nor_logged() {
    let receiver = Receiver::answering(|_, count| Answer::status(if count == 0 { 500 } else { 200 })).await;
    let header = "a-header-nobody-logs";
    let token = "a-token-nobody-logs-either";
    let url = receiver.url();
    let lines = format!(
        "http = {{ url = \"{url}\", secret = {{ value = \"{WEBHOOK_SECRET}\" }}, headers = {{ \"x-api-key\" = {{ value = \"{header}\" }} }} }}\n\
         retry = {{ attempts = 5, first = \"10ms\", max = \"50ms\" }}"
    );
    let config = Config::new()
        .with("log", "filter = \"trace\"")
        .with("admin", &format!("token = {{ value = \"{token}\" }}"))
        .stripe("stripe")
        .destination("receiver", &lines)
        .route("*", "receiver");
    let mut gateway = Gateway::start(config).await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    gateway.send("stripe", &sign::stripe_event("wrong", "evt_2")).await.refused(401);
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0].header("x-api-key"), header);

    // Without its token the API shows nothing; `/healthz` needs no token.
    let api = gateway.admin_get("/api/v1/events").await;
    assert_eq!(api.status, 401, "{api:?}");
    assert_eq!(gateway.admin_get("/healthz").await.status, 200);
    let mut seen = api.text();
    for path in ["/api/v1/events", "/api/v1/dead-letters", "/metrics", "/api/v1/openapi.json", "/readyz"] {
        let request = hookgate_tests::Delivery { method: "GET".into(), ..hookgate_tests::Delivery::post(&[], "") }
            .header("authorization", format!("Bearer {token}"));
        let page = send(&format!("{}{path}", gateway.admin()), &request).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
        seen.push_str(&page.text());
    }
    gateway.stop().await;
    seen.push_str(&gateway.said());
    assert!(seen.contains("hookgate"), "there is a log to look at");
    for secret in [SECRET, WEBHOOK_SECRET, WEBHOOK_SECRET.trim_start_matches("whsec_"), header, token] {
        let at = seen.find(secret);
        assert!(at.is_none(), "{secret:?} was shown: {:?}", &seen[at.unwrap().saturating_sub(300)..]);
    }
}

#[tokio::test]
async fn health_and_readiness_are_served() {
    let gateway = Gateway::start(Config::new().stripe("stripe")).await;
    assert_eq!(gateway.admin_get("/healthz").await.status, 200);
    assert_eq!(gateway.admin_get("/readyz").await.status, 200);
    let description = gateway.admin_get("/api/v1/openapi.json").await.json();
    assert!(description["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{description}");
    let unknown = gateway.admin_get("/api/v1/nothing").await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
}

#[test]
fn every_command_has_help() {
    for command in [
        &["serve"][..],
        &["dev"],
        &["check"],
        &["send"],
        &["events", "list"],
        &["events", "show"],
        &["events", "replay"],
        &["dead-letters", "list"],
        &["dead-letters", "show"],
        &["dead-letters", "redrive"],
        &["dead-letters", "discard"],
        &["plugin", "list"],
        &["plugin", "inspect"],
        &["plugin", "new"],
        &["plugin", "build"],
        &["plugin", "test"],
        &["plugin", "dev"],
        &["store", "check"],
        &["store", "migrate"],
        &["store", "accept-loss"],
    ] {
        let help = run(Command::new(binary()).args(command).arg("--help")).ok();
        assert!(help.contains("Usage") && help.contains("hookgate "), "{command:?}: {help}");
    }
    assert_eq!(run(Command::new(binary()).arg("nothing")).code, Some(2));
}
