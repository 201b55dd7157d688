//! Bad input of every kind: each request gets a clear answer, and nothing is lost.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use hookgate_tests::{
    Config, Delivery, Finished, Gateway, Receiver, SECRET, binary, eventually,
    raw::{Connection, status},
    run, sign, within,
};

/// After all that is done to a gateway it still takes a good delivery, which arrives.
async fn still_works(gateway: &Gateway, receiver: &Receiver) {
    let id = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_afterwards")).await.accepted();
    receiver.wait_until("the good delivery at the receiver", |all| all.iter().any(|r| r.event_id() == id[0])).await;
}

#[tokio::test]
async fn paths_and_methods_that_are_no_source() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let signed = sign::stripe_event(SECRET, "evt_1");
    for (path, cause) in [
        ("/in/nobody", "unknown-source"),
        ("/in/stripe%00", "unknown-source"),
        ("/in/STRIPE", "unknown-source"),
        ("/in/", "unknown-path"),
        ("/in/stripe/more", "unknown-path"),
        ("/", "unknown-path"),
        ("/in", "unknown-path"),
        ("/api/v1/events", "unknown-path"),
        ("/metrics", "unknown-path"),
    ] {
        let url = format!("http://{}{path}", gateway.deliveries());
        let problem = hookgate_tests::send(&url, &signed).await.refused(404);
        assert_eq!(problem["type"], format!("urn:hookgate:{cause}"), "{path}");
    }
    // Signed or not, nothing but the plugin decides on the method: a GET has no signature.
    let get = Delivery { method: "GET".into(), suffix: "?x=%ff%00".into(), headers: Vec::new(), body: Vec::new() };
    gateway.send("stripe", &get).await.refused(401);
    still_works(&gateway, &receiver).await;
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test]
async fn signature_headers_of_every_wrong_sort() {
    let receiver = Receiver::start().await;
    let config = Config::new().stripe("stripe").receiver(&receiver);
    let gateway = Gateway::start(config).await;
    let good = sign::stripe_event(SECRET, "evt_1");
    let right = String::from_utf8(good.get("stripe-signature").unwrap().to_vec()).unwrap();
    let (time, tag) = right.split_once(",v1=").unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b"".to_vec()),
        ("no list", b"garbage".to_vec()),
        ("no time", format!("v1={tag}").into_bytes()),
        ("no tag", time.as_bytes().to_vec()),
        ("short tag", format!("{time},v1={}", &tag[..62]).into_bytes()),
        ("tag and more", format!("{right}00").into_bytes()),
        ("no hex", format!("{time},v1={}", "z".repeat(64)).into_bytes()),
        ("another scheme", format!("{time},v0={tag}").into_bytes()),
        ("a time before the epoch", format!("t=-1,v1={tag}").into_bytes()),
        ("a time beyond all numbers", format!("t={},v1={tag}", "9".repeat(400)).into_bytes()),
        ("the largest time", format!("t={},v1={tag}", u64::MAX).into_bytes()),
        ("no UTF-8", [b"t=1,v1=".as_slice(), b"\xff\xfe\x80"].concat()),
        ("a hundred tags", format!("{time}{}", format!(",v1={}", "0".repeat(64)).repeat(100)).into_bytes()),
        ("60 KB", vec![b'v'; 60_000]),
    ];
    for (what, value) in cases {
        let reply =
            gateway.send("stripe", &good.clone().without("stripe-signature").header("stripe-signature", value)).await;
        assert!(matches!(reply.status, 400 | 401 | 429 | 431), "{what}: {reply:?}");
    }
    let twice = gateway.send("stripe", &good.clone().header("Stripe-Signature", &right)).await;
    assert!(matches!(twice.status, 400 | 401 | 429), "{twice:?}");
    // Upper case hex and a further tag of another key are not a crime.
    let lenient = format!("{time},v1={},v1={tag},v0=x", "0".repeat(64));
    gateway
        .send("stripe", &good.clone().without("stripe-signature").header("stripe-signature", lenient))
        .await
        .accepted();
    still_works(&gateway, &receiver).await;
    // The two may arrive in either order.
    assert_eq!(receiver.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn headers_too_large_or_too_many_or_no_text() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let long = Delivery::post(&[], "{}").header("stripe-signature", vec![b'a'; 200_000]);
    let mut many = sign::stripe_event(SECRET, "evt_1");
    (0..500).for_each(|n| many.headers.push((format!("x-{n}"), b"x".to_vec())));
    for delivery in [long, many] {
        let reply = gateway.send("stripe", &delivery).await;
        assert_eq!(reply.status, 431, "{reply:?}");
    }
    // The second is answered by hyper, and reported when its connection has ended.
    eventually("both counted", async || {
        (gateway.metric("hookgate_refusals_total", &["cause=\"head-too-large\""]).await == 2.0).then_some(())
    })
    .await;
    // Bytes that are not text, in headers that are not read, do no harm.
    let odd =
        sign::stripe_event(SECRET, "evt_2").header("x-odd", b"\xff\xfe\x80\xc3\x28").header("user-agent", b"\xe9");
    gateway.send("stripe", &odd).await.accepted();
    still_works(&gateway, &receiver).await;
}

#[tokio::test]
async fn input_that_is_not_http_is_answered_400_or_cut() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let long_line = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200_000));
    let requests: Vec<&[u8]> = vec![
        b"\r\n\r\n\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /in/stripe HTTP/9.9\r\n\r\n",
        b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /in/stripe HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
        b"POST /in/stripe HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        long_line.as_bytes(),
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    for bytes in requests {
        let mut connection = Connection::open(gateway.deliveries()).await;
        connection.write(bytes).await;
        connection.finish().await;
        let reply = connection.read_to_end().await;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert!(matches!(status(&reply), 0 | 400 | 401 | 408 | 414 | 431), "{shown:?}: {reply}");
        assert!(!reply.contains("hookgate-status"), "{shown:?}: {reply}");
    }
    still_works(&gateway, &receiver).await;
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test]
async fn bodies_that_end_early_or_are_too_large() {
    let receiver = Receiver::start().await;
    let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nlimits = {{ body = \"2KiB\" }}");
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &lines).receiver(&receiver)).await;
    let good = sign::stripe_event(SECRET, "evt_1");
    let signature = String::from_utf8(good.get("stripe-signature").unwrap().to_vec()).unwrap();
    let head = format!("POST /in/stripe HTTP/1.1\r\nhost: a\r\nstripe-signature: {signature}\r\n");

    // Announced and not sent: there is no client left to read the answer, but nothing is admitted.
    let mut connection = Connection::open(gateway.deliveries()).await;
    connection.write(format!("{head}content-length: 5000\r\n\r\n").as_bytes()).await;
    drop(connection);
    let mut connection = Connection::open(gateway.deliveries()).await;
    let half = &good.body[..good.body.len() / 2];
    connection.write(format!("{head}content-length: {}\r\n\r\n", good.body.len()).as_bytes()).await;
    connection.write(half).await;
    connection.finish().await;
    let reply = connection.read_to_end().await;
    assert!(matches!(status(&reply), 0 | 400), "{reply}");

    // Too large, as announced or as found while reading.
    let large = sign::stripe(SECRET, hookgate_tests::now(), vec![b' '; 3000]);
    assert_eq!(gateway.send("stripe", &large).await.refused(413)["type"], "urn:hookgate:too-large");
    let mut connection = Connection::open(gateway.deliveries()).await;
    // Closed after the answer, not at the header time-out: the connection of the delivery before would end at the same moment.
    connection.write(format!("{head}connection: close\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes()).await;
    for _ in 0..30 {
        if !connection.write(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes()).await {
            break;
        }
    }
    connection.write(b"0\r\n\r\n").await;
    let reply = connection.read_to_end().await;
    assert_eq!(status(&reply), 413, "{reply}");
    // To the byte: as large as allowed is taken.
    let body = sign::stripe_body("evt_2", 1);
    let exact = format!("{body}{}", " ".repeat(2048 - body.len()));
    gateway.send("stripe", &sign::stripe(SECRET, hookgate_tests::now(), exact)).await.accepted();
    still_works(&gateway, &receiver).await;
    assert_eq!(receiver.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused_while_it_comes() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let mut connection = Connection::open(gateway.deliveries()).await;
    connection.write(b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let began = Instant::now();
    let mut sent = 0;
    while connection.write(chunk.as_bytes()).await {
        sent += chunk.len();
        assert!(began.elapsed() < hookgate_tests::PATIENCE, "{sent} bytes were swallowed");
    }
    still_works(&gateway, &receiver).await;
}

/// Configurations that could never judge anything: reported before anything starts, each with its place.
#[test]
fn secrets_and_settings_with_which_a_plugin_can_judge_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hookgate.toml");
    // The mistake, and the text at the reported place.
    let wrong = [
        ("adyen", "secrets.hmac = { value = \"not hex\" }", "{ value = \"not hex\" }"),
        ("discord", "secrets.public-key = { value = \"zz\" }", "{ value = \"zz\" }"),
        ("hmac", "secrets.signing = { value = \"s\" }\nsettings.provider = \"nobody\"", "\"nobody\""),
        (
            "hmac",
            "secrets.signing = { value = \"s\" }\nsettings = { signature = \"header:x\", key = \"hexx\" }",
            "\"hexx\"",
        ),
        (
            "hmac",
            "secrets.signing = { value = \"s\" }\nsettings = { signature = \"header:x\", content = \"{bogus}\" }",
            "\"{bogus}\"",
        ),
        ("standard-webhooks", "", "\"standard-webhooks\""),
        ("standard-webhooks", "secrets.signing = { value = \"whsec_not base64\" }", "{ value = \"whsec_not base64\" }"),
        ("standard-webhooks", "secrets.signing = [{ value = \"whsec_n/b64\" }]", "[{ value = \"whsec_n/b64\" }]"),
        ("stripe", "secrets.signing = { value = \"s\" }\nsettings.tolerance = \"soon\"", "\"soon\""),
    ];
    let right = ("stripe", "secrets.signing = { value = \"s\" }", "");
    let sources = wrong.iter().chain([&right]).enumerate();
    let config =
        sources.fold(Config::new(), |config, (n, (plugin, lines, _))| config.source(&format!("s{n}"), plugin, lines));
    fs::write(&path, config.text(&directory.path().join("artifacts"))).unwrap();
    let finished = run(Command::new(binary()).args(["check", "--json", "--config"]).arg(&path));
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), wrong.len(), "{errors:#?}");
    let text = fs::read_to_string(&path).unwrap();
    for (error, (_, _, at)) in errors.iter().zip(wrong) {
        let what = error["what"].as_str().unwrap();
        assert!(what.contains("cannot judge deliveries") || what.contains("is not a known provider"), "{error}");
        let place = |key: &str| error[key].as_u64().unwrap() as usize - 1;
        let line = text.lines().nth(place("line")).unwrap();
        assert!(line[place("column")..].starts_with(at), "{at} is wrong in {line}: {error}");
    }
}

#[tokio::test]
async fn large_bodies_at_once_stay_within_the_memory_for_bodies() {
    const BODY: usize = 120 << 10;
    let receiver = Receiver::start().await;
    let config =
        Config::new().with("server", "body-memory = \"1MiB\"").stripe("large").stripe("stripe").receiver(&receiver);
    let gateway = Gateway::start(config).await;
    let begin = |address| async move {
        let mut connection = Connection::open(address).await;
        let head = "POST /in/large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
        let head = format!("{head}content-length: {}\r\n\r\n", BODY + 1);
        connection.write(head.as_bytes()).await;
        connection.write(&vec![b'x'; BODY]).await;
        connection
    };
    // The last byte of each is not sent, so that all of them are on their way at once: ten of 120 KiB in 1 MiB.
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let address = gateway.deliveries();
        senders.spawn(async move { begin(address).await.read_to_end().await });
    }
    let reply = senders.join_next().await.unwrap().unwrap();
    assert_eq!(status(&reply), 503, "{reply}");
    assert!(reply.contains("urn:hookgate:overloaded") && reply.contains("retry-after: 2"), "{reply}");
    // Small ones still find a place beside them, and all of it is free again when they have gone away.
    still_works(&gateway, &receiver).await;
    senders.shutdown().await;
    let began = Instant::now();
    loop {
        let mut connection = begin(gateway.deliveries()).await;
        connection.write(b"x").await;
        let reply = connection.read_to_end().await;
        if status(&reply) == 401 {
            break;
        }
        assert_eq!(status(&reply), 503, "{reply}");
        assert!(began.elapsed() < hookgate_tests::PATIENCE, "the place of a sender that is gone stays taken");
    }
}

#[tokio::test]
async fn slow_senders_are_disconnected_and_delay_no_others() {
    let receiver = Receiver::start().await;
    let config = Config::new()
        .with("server", "header-timeout = \"300ms\"")
        .with("server", "body-timeout = \"300ms\"")
        .stripe("stripe")
        .receiver(&receiver);
    let gateway = Gateway::start(config).await;
    let address = gateway.deliveries();
    let slowly = |request: String| async move {
        let mut connection = Connection::open(address).await;
        connection.trickle(request.as_bytes(), Duration::from_millis(40)).await
    };
    let endless_head = format!("POST /in/stripe HTTP/1.1\r\nhost: a\r\nx: {}", "a".repeat(100_000));
    let (head, body, ()) = tokio::join!(
        slowly(endless_head),
        async {
            let mut connection = Connection::open(address).await;
            connection.write(b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\n").await;
            connection.trickle(&[b'x'; 9999], Duration::from_millis(40)).await
        },
        still_works(&gateway, &receiver),
    );
    assert_eq!(status(&head), 408, "{head}");
    assert!(head.contains("urn:hookgate:head-too-slow") && head.contains("hookgate-trace: "), "{head}");
    gateway.counts("hookgate_refusals_total", &["cause=\"head-too-slow\""], 1.0).await;
    assert_eq!(status(&body), 408, "{body}");
    assert!(body.contains("urn:hookgate:too-slow"), "{body}");
}

/// A gateway that loses its patience soon.
async fn impatient(receiver: &Receiver) -> Gateway {
    let config = Config::new()
        .with("server", "header-timeout = \"500ms\"")
        .with("server", "body-timeout = \"500ms\"")
        .stripe("stripe")
        .receiver(receiver);
    Gateway::start(config).await
}

#[tokio::test]
async fn a_sender_that_never_reads_is_cut() {
    let receiver = Receiver::start().await;
    let gateway = impatient(&receiver).await;
    let mut connection = Connection::open(gateway.deliveries()).await;
    let requests = b"GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_000);
    within("the end of a connection whose answers are not read", async { while connection.write(&requests).await {} })
        .await;
    still_works(&gateway, &receiver).await;
}

#[tokio::test]
async fn http2_is_let_go_when_idle_and_its_headers_are_counted() {
    let receiver = Receiver::start().await;
    let gateway = impatient(&receiver).await;
    let stream = tokio::net::TcpStream::connect(gateway.deliveries()).await.unwrap();
    let (executor, io) = (hyper_util::rt::TokioExecutor::new(), hyper_util::rt::TokioIo::new(stream));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    // It answers pings for as long as it lives.
    let connection = tokio::spawn(connection);
    let mut request = http::Request::get(gateway.url("stripe"));
    for n in 0..200 {
        request = request.header(format!("x-{n}"), "x");
    }
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let answer = within("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 431);
    drop(answer);
    let _ = within("the end of the idle connection", connection).await.unwrap();
    drop(sender);
}

#[tokio::test]
async fn an_order_without_its_body_does_not_keep_the_admin_api() {
    let receiver = Receiver::start().await;
    let gateway = impatient(&receiver).await;
    let admin = gateway.admin().trim_start_matches("http://").parse().unwrap();
    let mut connection = Connection::open(admin).await;
    let order = "POST /api/v1/dead-letters/redrive HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    connection.write(format!("{order}content-length: 10\r\n\r\n").as_bytes()).await;
    let reply = connection.read_to_end().await;
    assert_eq!(status(&reply), 408, "{reply}");
    assert!(reply.contains("server.body-timeout"), "{reply}");
}

#[tokio::test]
async fn a_sender_that_closes_its_side_after_the_request_is_answered() {
    let receiver = Receiver::start().await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&receiver)).await;
    let mut connection = Connection::open(gateway.deliveries()).await;
    connection.write(b"POST /in/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}").await;
    connection.finish().await;
    let reply = connection.read_to_end().await;
    assert_eq!(status(&reply), 401, "{reply}");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let receiver = Receiver::start().await;
    let config = Config::new()
        .with("server", "connections = 4")
        .with("server", "header-timeout = \"1s\"")
        .stripe("stripe")
        .receiver(&receiver);
    let gateway = Gateway::start(config).await;
    let mut idle = Vec::new();
    for beginning in ["", "P", "PRI * HTTP/2.0", "POST /in/str", "", "", "PR", "G"] {
        let mut connection = Connection::open(gateway.deliveries()).await;
        connection.write(beginning.as_bytes()).await;
        idle.push(connection);
    }
    // They are cut by the header time-out, regardless of what they have sent; then it is this one's turn.
    still_works(&gateway, &receiver).await;
}

#[tokio::test]
async fn senders_cannot_take_the_descriptors_that_the_store_needs() {
    let receiver = Receiver::start().await;
    let config = Config::new().with("server", "header-timeout = \"20s\"").stripe("stripe").receiver(&receiver);
    let gateway = Gateway::start_with_open_files(700, config).await;
    gateway.says("does not fit into the limit of open files, 700: 300 connections").await;
    let mut idle = Vec::new();
    for _ in 0..700 {
        let mut connection = Connection::open(gateway.deliveries()).await;
        connection.write(b"POST /in/str").await;
        idle.push(connection);
    }
    eventually("all connections taken", async || {
        (gateway.metric("hookgate_connections", &[]).await >= 300.0).then_some(())
    })
    .await;
    // The admin API still has descriptors of its own, and so has the store: the delivery is taken when it is its turn.
    assert_eq!(gateway.admin_get("/healthz").await.status, 200);
    drop(idle);
    still_works(&gateway, &receiver).await;
    let said = gateway.said();
    assert!(!said.contains("Too many open files") && !said.contains("could not be accepted"), "{said}");
}

#[tokio::test]
async fn json_of_every_depth_and_no_json() {
    let receiver = Receiver::start().await;
    let lines = format!("secrets.signing = {{ value = \"{SECRET}\" }}\nlimits = {{ body = \"8MiB\" }}");
    let gateway = Gateway::start(Config::new().source("stripe", "stripe", &lines).receiver(&receiver)).await;
    let deep = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("a million arrays, none closed", "[".repeat(1_000_000).into_bytes()),
        ("empty", Vec::new()),
        ("no JSON", b"id=1".to_vec()),
        ("cut off", b"{\"id\":\"evt_1\"".to_vec()),
        ("two documents", b"{\"id\":\"evt_1\"}{}".to_vec()),
        ("no UTF-8", b"{\"id\":\"\xff\xfe\"}".to_vec()),
        ("NaN", b"{\"id\":NaN}".to_vec()),
    ];
    for (what, body) in bodies {
        let reply = gateway.send("stripe", &sign::stripe(SECRET, hookgate_tests::now(), body)).await;
        assert!(matches!(reply.status, 400 | 422), "{what}: {reply:?}");
        reply.refused(reply.status);
    }
    // Odd, signed, and a JSON document: nothing is wrong with it.
    for body in [
        &deep("[", "]", 1_000_000),
        &deep("{\"a\":", "}", 1_000_000).replace(":}", ":1}"),
        &format!("{{\"id\":{}}}", deep("[", "]", 500_000)),
        "{\"id\":\"\\ud800\"}",
        "{\"id\":\"a\",\"id\":\"b\"}",
        "{\"id\":1e400,\"created\":-1}",
        "[]",
        "null",
        "\"\\u0000\"",
    ] {
        let reply = gateway.send("stripe", &sign::stripe(SECRET, hookgate_tests::now(), body)).await;
        assert!(matches!(reply.status, 200 | 400), "{body:.100}: {reply:?}");
    }
    still_works(&gateway, &receiver).await;
}

/// Runs `hookgate check` on a text.
fn check(text: &str) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookgate.toml");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(binary());
    run(command.args(["check", "--config"]).arg(file).env_remove("NOT_SET"))
}

#[test]
fn all_mistakes_of_a_configuration_are_reported_at_once_with_their_lines() {
    let text = r#"
[server]
listne = "127.0.0.1:0"
header-timeout = "soon"

[store]
engine = "rocksdb"

[[source]]
name = "stripe"
plugin = "stripe"
secrets.signing = { env = "NOT_SET" }

[[source]]
name = "stripe"
plugin = "strip"

[[source]]
name = "bare"
plugin = "github"

[[destination]]
name = "nowhere"

[[destination]]
name = "inside"
http = { url = "http://169.254.169.254/latest" }

[[route]]
from = ["stripe", "paypal"]
to = "orders"
"#;
    let finished = check(text);
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
    let told = format!("{}{}", finished.stdout, finished.stderr);
    let mistakes = [
        (3, "listen"),
        (4, "250ms"),
        (7, "fjall"),
        (12, "NOT_SET"),
        (15, "stripe"),
        (16, "stripe"),
        (18, "secret"),
        (22, "jsonl"),
        (27, "allow"),
        (30, "paypal"),
        (31, "orders"),
    ];
    for (line, word) in mistakes {
        let at = format!(":{line}:");
        let found = told.split("hookgate.toml").any(|mistake| mistake.starts_with(&at) && mistake.contains(word));
        assert!(found, "nothing about {word:?} in line {line}:\n{told}");
    }
}

#[test]
fn a_good_configuration_passes_the_check_and_a_missing_one_does_not() {
    assert_eq!(
        check(&format!(
            "[[source]]\nname = \"s\"\nplugin = \"stripe\"\nsecrets.signing = {{ value = \"{SECRET}\" }}\n"
        ))
        .code,
        Some(0)
    );
    let mut command = Command::new(binary());
    let missing = run(command.args(["check", "--config", "/nonexistent/hookgate.toml"]));
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stdout.contains("/nonexistent/hookgate.toml"), "{missing:?}");
}

#[test]
fn a_gateway_does_not_start_on_a_broken_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hookgate.toml");
    fs::write(&file, "[store]\npath = \"data\"\n[server]\nlisten = 80\n").unwrap();
    let mut command = Command::new(binary());
    let finished = run(command.args(["serve", "--config"]).arg(&file));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains(":4:"), "{finished:?}");
    assert!(
        !directory.path().join("data").exists(),
        "nothing must be made before the configuration is known to be good"
    );
}
