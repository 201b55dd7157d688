//! Components that import WASI find nothing real behind it.

use super::{isolation::is_healthy, *};

const RANDOM: &str = r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;
const CLOCKS: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic (result i64)))
    (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;
const OUTPUT: &str = r#"
    (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))"#;

/// Instructions that make an event's id of eight letters of an i64.
fn with_id(number: &str) -> String {
    format!(
        "(i64.store (i32.const {FREE}) (i64.add (i64.and {number} (i64.const 0x0f0f0f0f0f0f0f0f))
            (i64.const 0x6161616161616161)))
         (i32.store (i32.const {ADMISSION}) (i32.const 0))
         (i32.store offset=4 (i32.const {ADMISSION}) (i32.const {FREE}))
         (i32.store offset=8 (i32.const {ADMISSION}) (i32.const 8))
         {}",
        admitting(Vec::new())
    )
}

#[tokio::test]
async fn randomness_and_clocks_are_the_same_in_every_call() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let sources = [
        Hostile { imports: RANDOM, ..Hostile::verify("rolls-dice", with_id("(call $random)")) },
        Hostile {
            imports: CLOCKS,
            ..Hostile::verify("reads-clocks", with_id("(i64.add (call $random) (call $monotonic))"))
        },
    ];
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &sources, &receiver)).await;
    for plugin in &sources {
        let first = gateway.send(plugin.name, &Delivery::post(&[], "1")).await.accepted();
        for n in 0..5 {
            let again = gateway.send(plugin.name, &Delivery::post(&[], format!("again {n}"))).await.duplicate();
            assert_eq!(again, first, "{}", plugin.name);
        }
    }
}

#[tokio::test]
async fn a_plugin_that_prints_for_ever_does_not_flood_the_log() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let prints = "(local $out i32) (local.set $out (call $stdout))
        (memory.fill (i32.const 16384) (i32.const 120) (i32.const 4096))
        (loop $more
            (call $write (local.get $out) (i32.const 16384) (i32.const 4096) (i32.const 4096)) (br $more)) (unreachable)";
    let chatty = Hostile { imports: OUTPUT, ..Hostile::verify("chatty", prints) };
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &[chatty], &receiver)).await;
    for _ in 0..10 {
        gateway.send("chatty", &Delivery::post(&[], "{}")).await.refused(503);
    }
    is_healthy(&gateway).await;
    gateway.says("the plugin printed").await;
    let said = gateway.said();
    assert!(said.len() < 200_000, "{} bytes of log", said.len());
    assert!(said.lines().all(|line| line.len() < 8192), "a line of the log is too long");
}

/// Megabytes of text in the place of a header's name, of a refusal, of a transformation's error: none reaches the log whole.
#[tokio::test]
async fn what_a_plugin_says_is_cut_before_it_is_logged() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    const LONG: u32 = 3 << 20;
    let fill = format!("(memory.fill (i32.const 65536) (i32.const 10) (i32.const {LONG}))");
    let header = filled(&[65536, LONG, 65536, 1], 1);
    let reply = [vec![(HAS_REPLY, 1)], reply(REPLY, 200, [FREE, 1], [0, 0])].concat();
    let sources = [
        Hostile { pages: 64, ..Hostile::verify("long-header", format!("{header} {fill} {}", admitting(reply))) },
        Hostile { pages: 64, ..Hostile::verify("long-refusal", format!("{fill} {}", refusing(65536, LONG))) },
        Hostile {
            pages: 64,
            transform: "(memory.fill (i32.const 65536) (i32.const 10) (i32.const 3145728))
                (call $drop-event (local.get $event))
                (i32.store (i32.const 4096) (i32.const 1))
                (i32.store (i32.const 4100) (i32.const 65536))
                (i32.store (i32.const 4104) (i32.const 3145728))
                (i32.const 4096)",
            ..Hostile::verify("long-error", admitting(Vec::new()))
        },
    ];
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &sources, &receiver)).await;
    let delivery = Delivery::post(&[], "{}");
    gateway.send("long-header", &delivery).await.refused(503);
    gateway.send("long-refusal", &delivery).await.refused(401);
    let id = gateway.send("long-error", &delivery).await.accepted().remove(0);
    eventually("the dead letter", async || {
        gateway.cli(&["dead-letters", "list", "--json"]).ok().contains(&id).then_some(())
    })
    .await;
    let shown = gateway.cli(&["events", "show", &id]).ok();
    assert!(shown.len() < 8192, "{} bytes", shown.len());
    is_healthy(&gateway).await;
    assert!(gateway.said().lines().all(|line| line.len() < 8192), "a line of the log is too long");
}
