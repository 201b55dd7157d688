//! Plugins built for harm: each is answered with 503, and everybody else's deliveries go on.

mod breaker;
pub(crate) mod component;
mod isolation;
mod load;
mod wasi;

use std::{fs, future::Future, path::Path, pin::pin, process::Command, time::Instant};

use component::{ADMISSION, FREE, Hostile, answers, filled};
use hookgate_tests::{Config, Delivery, Gateway, Receiver, Reply, SECRET, binary, eventually, run, sign};
use isolation::{is_healthy, peak_mib};

/// Words of `verify`'s answer: which of its cases, and where their fields are (canonical ABI of `wit/provider.wit`).
const OK_OR_REFUSED: u32 = 0;
const ADMIT_OR_ANSWER: u32 = 4;
const EVENTS: u32 = 8;
const EVENTS_COUNT: u32 = 12;
const HAS_REPLY: u32 = 16;
const REPLY: u32 = 20;
const ANSWER: u32 = 8;
const REFUSAL_TEXT: u32 = 8;
const REFUSAL_LENGTH: u32 = 12;

/// A reply that begins at that offset: status, headers, body.
fn reply(at: u32, status: u32, headers: [u32; 2], body: [u32; 2]) -> Vec<(u32, u32)> {
    vec![(at, status), (at + 4, headers[0]), (at + 8, headers[1]), (at + 12, body[0]), (at + 16, body[1])]
}

fn admitting(more: Vec<(u32, u32)>) -> String {
    answers(&[vec![(EVENTS, ADMISSION), (EVENTS_COUNT, 1)], more].concat())
}

fn answering(reply: Vec<(u32, u32)>) -> String {
    answers(&[vec![(ADMIT_OR_ANSWER, 1)], reply].concat())
}

fn refusing(text: u32, length: u32) -> String {
    answers(&[(OK_OR_REFUSED, 1), (REFUSAL_TEXT, text), (REFUSAL_LENGTH, length)])
}

/// A header of the reply, at [`FREE`], with its texts behind it.
fn with_header(name: &str, value: &str) -> String {
    let (name_at, value_at) = (FREE + 64, FREE + 128);
    let bytes = |at: u32, text: &str| -> String {
        let stores =
            text.bytes().zip(at..).map(|(byte, at)| format!("(i32.store8 (i32.const {at}) (i32.const {byte}))"));
        stores.collect()
    };
    let header = filled(&[name_at, name.len() as u32, value_at, value.len() as u32], 1);
    let reply = [vec![(HAS_REPLY, 1)], reply(REPLY, 200, [FREE, 1], [0, 0])].concat();
    format!("{header} {} {} {}", bytes(name_at, name), bytes(value_at, value), admitting(reply))
}

const SECRETS: &str = r#"
    (import "hookgate:provider/capabilities@0.1.0" "[method]delivery.secret"
        (func $secret (param i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "hookgate:provider/capabilities@0.1.0" "[method]secret.verify-mac"
        (func $verify-mac (param i32 i32 i32 i32 i32 i32) (result i32)))"#;
const LENGTH: &str = r#"
    (import "hookgate:provider/capabilities@0.1.0" "[method]delivery.body-length" (func $length (param i32) (result i64)))"#;
const JSON: &str = r#"
    (import "hookgate:provider/capabilities@0.1.0" "[method]delivery.json" (func $json (param i32 i32 i32 i32)))"#;
const EVENT_JSON: &str = r#"
    (import "hookgate:provider/capabilities@0.1.0" "[method]event.json" (func $json (param i32 i32 i32 i32)))"#;
/// Makes a list of one JSON pointer at 4104: `/a` ten thousand times.
const POINT_DEEP: &str = "(func $point-deep
    (local $at i32) (local.set $at (i32.const 65536))
    (loop $more
        (i32.store16 (local.get $at) (i32.const 0x612f))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br_if $more (i32.lt_u (local.get $at) (i32.const 85536))))
    (i32.store (i32.const 4104) (i32.const 65536))
    (i32.store (i32.const 4108) (i32.const 20000)))";
const BODY: &str = r#"
    (import "hookgate:provider/capabilities@0.1.0" "[method]delivery.body" (func $body (param i32 i64 i64 i32)))"#;
/// `delivery.secret("signing", utf8, none)`, its handle at 4104.
const OPEN_SECRET: &str = "(call $secret (local.get $delivery) (i32.const 2560) (i32.const 7) (i32.const 0)
                                         (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4100))";
/// `delivery.secret("signing", utf8, some("s"))`: a prefix that the descriptor does not list.
const GUESS_A_PREFIX: &str = "(call $secret (local.get $delivery) (i32.const 2560) (i32.const 7) (i32.const 0)
                                            (i32.const 1) (i32.const 2560) (i32.const 1) (i32.const 12288))";
/// `secret.verify-mac(sha512, [body, body], 32 bytes)`, over and over.
const HASH_THE_BODY_FOR_EVER: &str = "
    (i32.store (i32.const 16384) (i32.const 1))
    (i32.store (i32.const 16408) (i32.const 1))
    (loop $forever
        (drop (call $verify-mac (i32.load (i32.const 4104)) (i32.const 4) (i32.const 16384) (i32.const 2)
                                (i32.const 0) (i32.const 32)))
        (br $forever)) (unreachable)";
const FOREVER: &str = "(loop $forever (br $forever)) (unreachable)";
const GROW: &str = "(loop $more
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable)))
    (memory.fill (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1048576)) (i32.const 7) (i32.const 1048576))
    (br $more)) (unreachable)";

/// All that can go wrong in `verify`.
fn hostile() -> Vec<Hostile> {
    vec![
        Hostile::verify("traps", "(unreachable)"),
        Hostile::verify("loops", FOREVER),
        Hostile {
            definitions: "(func $deeper (param i32) (result i32) (i32.add (call $deeper (local.get 0)) (i32.const 1)))",
            ..Hostile::verify("recurses", "(call $deeper (i32.const 0))")
        },
        Hostile::verify("allocates", GROW),
        Hostile {
            definitions: "(table $t 1 funcref)",
            ..Hostile::verify(
                "grows-a-table",
                "(loop $more (if (i32.eq (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)) (then (unreachable)))
                 (br $more)) (unreachable)",
            )
        },
        Hostile::verify("keeps-the-delivery", "(i32.const 4096)"),
        Hostile::verify("gives-back-twice", "(call $drop (local.get $delivery)) (call $drop (local.get $delivery)) (i32.const 4096)"),
        Hostile::verify("gives-back-what-it-never-had", "(call $drop (i32.const 77)) (unreachable)"),
        Hostile {
            imports: SECRETS,
            ..Hostile::verify(
                "takes-the-delivery-for-a-secret",
                "(drop (call $verify-mac (local.get $delivery) (i32.const 4) (i32.const 16384) (i32.const 0)
                                         (i32.const 0) (i32.const 32))) (unreachable)",
            )
        },
        Hostile {
            imports: LENGTH,
            ..Hostile::verify(
                "calls-the-host-for-ever",
                "(loop $more (drop (call $length (local.get $delivery))) (br $more)) (unreachable)",
            )
        },
        Hostile::verify("answers-nowhere", "(call $drop (local.get $delivery)) (i32.const -8)"),
        Hostile::verify("answers-askew", "(call $drop (local.get $delivery)) (i32.const 4097)"),
        Hostile::verify("unknown-case", answers(&[(OK_OR_REFUSED, 9)])),
        Hostile::verify("unknown-verdict", answers(&[(ADMIT_OR_ANSWER, 77)])),
        Hostile::verify("no-events", answers(&[])),
        Hostile::verify("events-beyond-memory", answers(&[(EVENTS, FREE), (EVENTS_COUNT, 0x7fff_ffff)])),
        Hostile { pages: 400, ..Hostile::verify("too-many-events", answers(&[(EVENTS, FREE), (EVENTS_COUNT, 200_000)])) },
        Hostile::verify("text-beyond-memory", refusing(FREE, 1 << 30)),
        Hostile::verify("text-that-is-none", format!("(i32.store (i32.const {FREE}) (i32.const -1)) {}", refusing(FREE, 4))),
        Hostile::verify("a-gigabyte", answering(reply(ANSWER, 200, [0, 0], [0, 1 << 30]))),
        Hostile { pages: 300, ..Hostile::verify("sixteen-megabytes", answering(reply(ANSWER, 200, [0, 0], [FREE, 16 << 20]))) },
        // A thousand headers that all share one text of a megabyte: a gigabyte once it is copied out.
        Hostile {
            pages: 64,
            ..Hostile::verify(
                "the-same-megabyte-again",
                format!(
                    "{} {}",
                    filled(&[1 << 20, 1 << 20, 1 << 20, 1 << 20], 1000),
                    answering(reply(ANSWER, 200, [FREE, 1000], [0, 0]))
                ),
            )
        },
        Hostile::verify("status-999", answering(reply(ANSWER, 999, [0, 0], [0, 0]))),
        Hostile::verify("events-and-an-error", admitting([vec![(HAS_REPLY, 1)], reply(REPLY, 500, [0, 0], [0, 0])].concat())),
        Hostile::verify("the-connection-s-header", with_header("Transfer-Encoding", "chunked")),
        Hostile::verify("the-host-s-header", with_header("hookgate-status", "accepted")),
        Hostile::verify("a-split-header", with_header("x-a", "b\r\nset-cookie: c=d")),
        Hostile::verify("no-header-name", with_header("x a", "b")),
        Hostile {
            imports: SECRETS,
            ..Hostile::verify("hoards-handles", format!("(loop $more {OPEN_SECRET} (br $more)) (unreachable)"))
        },
        Hostile {
            imports: SECRETS,
            ..Hostile::verify("guesses-a-prefix", format!("{GUESS_A_PREFIX} {}", admitting(Vec::new())))
        },
        Hostile {
            imports: JSON,
            pages: 400,
            ..Hostile::verify(
                "floods-the-host",
                format!(
                    "{} (call $json (local.get $delivery) (i32.const {FREE}) (i32.const 500000) (i32.const 4096)) (unreachable)",
                    filled(&[1 << 20, 1 << 20], 500_000)
                ),
            )
        },
        Hostile {
            imports: JSON,
            definitions: POINT_DEEP,
            ..Hostile::verify(
                "asks-too-deep",
                "(call $point-deep)
                 (call $json (local.get $delivery) (i32.const 4104) (i32.const 1) (i32.const 4096)) (unreachable)",
            )
        },
        Hostile {
            imports: BODY,
            pages: 400,
            ..Hostile::verify(
                "reads-without-end",
                "(loop $more (global.set $next (i32.const 65536))
                 (call $body (local.get $delivery) (i64.const 0) (i64.const -1) (i32.const 4096)) (br $more)) (unreachable)",
            )
        },
        // One call that has the host hash the body a hundred thousand times.
        Hostile {
            imports: SECRETS,
            pages: 64,
            ..Hostile::verify(
                "makes-the-host-work",
                format!(
                    "{} {OPEN_SECRET}
                     (drop (call $verify-mac (i32.load (i32.const 4104)) (i32.const 4) (i32.const {FREE}) (i32.const 100000)
                                             (i32.const 0) (i32.const 32))) (unreachable)",
                    filled(&[1, 0, 0, 0, 0, 0], 100_000)
                ),
            )
        },
        // Short calls of its own, each with a long one of the host.
        Hostile {
            imports: SECRETS,
            ..Hostile::verify("makes-the-host-work-again-and-again", format!("{OPEN_SECRET} {HASH_THE_BODY_FOR_EVER}"))
        },
    ]
}

fn hostile_gateway(plugins: &Path, sources: &[Hostile], receiver: &Receiver) -> Config {
    sources.iter().for_each(|plugin| plugin.write(plugins));
    let mut config = Config::new()
        .with("plugins", &format!("directory = {:?}", plugins.to_str().unwrap()))
        .with("plugins", "timeout = \"100ms\"")
        .with("plugins", "memory = \"32MiB\"")
        .with("plugins", "grants = [\"wasi\"]")
        .stripe("stripe")
        .receiver(receiver);
    for plugin in sources {
        let lines = "secrets.signing = { value = \"x\" }\nlimits = { body = \"1MiB\" }";
        config = config.source(plugin.name, plugin.name, lines);
    }
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_answered_503_and_the_others_go_on() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let sources = hostile();
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &sources, &receiver)).await;
    let body = vec![b' '; 1 << 20];
    for (n, plugin) in sources.iter().enumerate() {
        let began = Instant::now();
        let delivery = Delivery::post(&[("content-type", "application/json")], body.clone());
        let honest = sign::stripe_event(SECRET, &format!("evt_{n}"));
        let (answer, taken) = tokio::join!(gateway.send(plugin.name, &delivery), gateway.send("stripe", &honest));
        let problem = answer.refused(503);
        assert_eq!(problem["type"], "urn:hookgate:plugin-broken", "{}", plugin.name);
        assert!(answer.retry_after().is_some(), "{}: {answer:?}", plugin.name);
        taken.accepted();
        // The machine may be busy; what must not be is a call that goes on for as long as it likes.
        assert!(began.elapsed().as_secs() < 15, "{} took {:?}", plugin.name, began.elapsed());
    }
    let received = receiver.wait_for(sources.len()).await;
    assert_eq!(received.len(), sources.len(), "only the honest ones are events");
    // A gigabyte was asked for more than once.
    assert!(peak_mib(&gateway) < 700, "{} MiB", peak_mib(&gateway));
    is_healthy(&gateway).await;
}

/// The yardstick of the cases above: the same component, doing nothing wrong, is a plugin like any other.
#[tokio::test]
async fn the_same_component_without_the_harm_is_a_plugin_like_any_other() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let sources = [
        Hostile::verify("admits", admitting(Vec::new())),
        Hostile::verify("answers", answering(reply(ANSWER, 418, [0, 0], [2560, 7]))),
        Hostile::verify("refuses", refusing(2560, 7)),
        Hostile::verify("replies", with_header("x-a", "b")),
    ];
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &sources, &receiver)).await;
    let delivery = Delivery::post(&[], "{}");
    gateway.send("admits", &delivery).await.accepted();
    let answer = gateway.send("answers", &delivery).await;
    assert_eq!((answer.status, answer.outcome(), answer.text().as_str()), (418, "answered", "signing"));
    gateway.send("refuses", &delivery).await.refused(401);
    let reply = gateway.send("replies", &delivery).await;
    reply.accepted();
    assert_eq!(reply.header("x-a"), Some("b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_looping_deliveries_holds_up_no_honest_one_for_long() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let sources = [Hostile::verify("loops", FOREVER)];
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &sources, &receiver)).await;
    let storm: Vec<_> = (0..40)
        .map(|_| {
            let url = gateway.url("loops");
            tokio::spawn(async move { hookgate_tests::send(&url, &Delivery::post(&[], "{}")).await })
        })
        .collect();
    for n in 0..10 {
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
    for reply in storm {
        reply.await.unwrap().refused(503);
    }
    receiver.wait_for(10).await;
}

/// A loop of host calls over the largest body there is ends in about its time, as a loop of the guest's own does, and
/// deliveries beside it are not held up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_long_host_calls_ends_in_time_and_holds_up_no_honest_delivery() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let hashes =
        Hostile { imports: SECRETS, ..Hostile::verify("hashes", format!("{OPEN_SECRET} {HASH_THE_BODY_FOR_EVER}")) };
    hashes.write(plugins.path());
    let config = Config::new()
        .with("plugins", &format!("directory = {:?}", plugins.path().to_str().unwrap()))
        .with("plugins", "timeout = \"50ms\"")
        .stripe("stripe")
        .source("hashes", "hashes", "secrets.signing = { value = \"x\" }\nlimits = { body = \"16MiB\" }")
        .receiver(&receiver);
    let gateway = Gateway::start(config).await;
    let storm: Vec<_> = (0..8)
        .map(|_| {
            let url = gateway.url("hashes");
            tokio::spawn(async move { hookgate_tests::send(&url, &Delivery::post(&[], vec![b' '; 12 << 20])).await })
        })
        .collect();
    for n in 0..10 {
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted();
    }
    for reply in storm {
        reply.await.unwrap().refused(503);
    }
    receiver.wait_for(10).await;
}

#[tokio::test]
async fn an_event_whose_transformation_breaks_is_a_dead_letter_and_the_others_go_on() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let sources = [
        Hostile { transform: "(unreachable)", ..Hostile::verify("traps-later", admitting(Vec::new())) },
        Hostile { transform: FOREVER, ..Hostile::verify("loops-later", admitting(Vec::new())) },
        Hostile {
            transform: "(call $drop-event (local.get $event)) (i32.const -8)",
            ..Hostile::verify("nonsense-later", admitting(Vec::new()))
        },
        Hostile {
            imports: EVENT_JSON,
            definitions: POINT_DEEP,
            transform: "(call $point-deep)
                (call $json (local.get $event) (i32.const 4104) (i32.const 1) (i32.const 4096)) (unreachable)",
            ..Hostile::verify("asks-too-deep-later", admitting(Vec::new()))
        },
    ];
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &sources, &receiver)).await;
    let mut ids = Vec::new();
    for plugin in &sources {
        ids.extend(gateway.send(plugin.name, &Delivery::post(&[], "{}")).await.accepted());
    }
    let honest = gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();
    assert_eq!(receiver.wait_for(1).await[0].event_id(), honest[0]);
    eventually("their dead letters", async || {
        let list = gateway.cli(&["dead-letters", "list", "--json"]).ok();
        ids.iter().all(|id| list.contains(id)).then_some(())
    })
    .await;
}

/// `transform` in the instance that has verified the delivery: what `verify` was lent is taken back. A plugin that keeps the
/// handle of a secret breaks there, breaks in the next instances, too, and its event becomes a dead letter.
#[tokio::test]
async fn a_secret_that_verify_was_lent_is_of_no_use_in_transform() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let keep = "(call $secret (local.get $delivery) (i32.const 2560) (i32.const 7) (i32.const 0)
                              (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 20480))";
    let keeps = Hostile {
        imports: SECRETS,
        // With a secret it would end well: no outputs.
        transform: "(drop (call $verify-mac (i32.load (i32.const 20484)) (i32.const 4) (i32.const 16384) (i32.const 0)
                                            (i32.const 0) (i32.const 32)))
                    (call $drop-event (local.get $event)) (i32.const 24576)",
        ..Hostile::verify("keeps-a-secret", format!("{keep} {}", admitting(Vec::new())))
    };
    let gateway = Gateway::start(hostile_gateway(plugins.path(), std::slice::from_ref(&keeps), &receiver)).await;
    let id = gateway.send(keeps.name, &Delivery::post(&[], "{}")).await.accepted().remove(0);
    eventually("its dead letter", async || {
        gateway.cli(&["dead-letters", "list", "--json"]).ok().contains(&id).then_some(())
    })
    .await;
}

/// A plugin that does not load is reported by `check`, in bounded time; other plugins' sources are not affected.
#[tokio::test]
async fn a_component_that_does_not_load_is_reported_and_affects_only_its_own_source() {
    let plugins = tempfile::tempdir().unwrap();
    let bad = [
        Hostile {
            definitions: "(func $start (loop $forever (br $forever))) (start $start)",
            ..Hostile::verify("endless-start", "(unreachable)")
        },
        Hostile {
            definitions: "(func $start (unreachable)) (start $start)",
            ..Hostile::verify("trapping-start", "(unreachable)")
        },
        Hostile { describe: Some(FOREVER), ..Hostile::verify("endless-describe", "(unreachable)") },
        Hostile { describe: Some("(i32.const -8)"), ..Hostile::verify("describes-nowhere", "(unreachable)") },
        Hostile { describe: Some("(i32.const 512)"), ..Hostile::verify("describes-nothing", "(unreachable)") },
        Hostile { pages: 60_000, ..Hostile::verify("too-much-memory", "(unreachable)") },
    ];
    bad.iter().for_each(|plugin| plugin.write(plugins.path()));
    let module = wat::parse_str("(module)").unwrap();
    let component = wat::parse_str("(component)").unwrap();
    let mut cut = Hostile::verify("x", "(unreachable)").component();
    cut.truncate(cut.len() / 2);
    let files = [
        ("a-module", module),
        ("an-empty-component", component),
        ("cut-off", cut),
        ("no-bytes", Vec::new()),
        ("noise", vec![0xA5; 5000]),
    ];
    for (name, bytes) in &files {
        fs::write(plugins.path().join(format!("{name}.wasm")), bytes).unwrap();
    }
    let line = format!("directory = {:?}", plugins.path().to_str().unwrap());
    let gateway = Gateway::start(Config::new().with("plugins", &line).stripe("stripe")).await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();

    let config = gateway.path().join("other.toml");
    for name in bad.iter().map(|plugin| plugin.name).chain(files.iter().map(|(name, _)| *name)) {
        let text = format!("[plugins]\n{line}\n[[source]]\nname = \"s\"\nplugin = \"{name}\"\n");
        fs::write(&config, text).unwrap();
        let began = Instant::now();
        let finished = run(Command::new(binary()).args(["check", "--config"]).arg(&config));
        assert_eq!(finished.code, Some(1), "{name}: {finished:?}");
        let told = format!("{}{}", finished.stdout, finished.stderr);
        assert!(told.contains(":5:") && told.contains(name) && !told.contains("panicked"), "{name}: {told}");
        assert!(began.elapsed().as_secs() < 20, "{name}: {:?}", began.elapsed());
    }
}

/// What it would do to the gateway it does to another process first.
#[tokio::test]
async fn a_component_is_tried_in_a_process_of_its_own_before_it_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    Hostile::verify("admits", admitting(Vec::new())).write(directory.path());
    let (config, cache) = (directory.path().join("hookgate.toml"), directory.path().join("cache"));
    let text = Config::new()
        .with("plugins", &format!("directory = {:?}", directory.path().to_str().unwrap()))
        .source("admits", "admits", "secrets.signing = { value = \"x\" }")
        .text(&cache);
    fs::write(&config, text).unwrap();
    let mut command = Command::new(binary());
    command.args(["serve", "--config"]).arg(config);
    let gateway = Gateway::from_command(command, directory).await;
    gateway.send("admits", &Delivery::post(&[], "{}")).await.accepted();
    let kept: Vec<String> =
        fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(kept.iter().any(|name| name.ends_with(".passed")), "{kept:?}");
}
