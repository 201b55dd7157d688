//! What one plugin does is nothing that another one, or the next call, can notice.

use super::*;

/// Honest deliveries, one after the other, for as long as `harm` goes on; every one must be taken.
pub async fn beside_honest_ones<T>(gateway: &Gateway, harm: impl Future<Output = T>) -> T {
    let (mut harm, mut n) = (pin!(harm), 0_u32);
    loop {
        n += 1;
        let honest = sign::stripe_event(SECRET, &format!("evt_beside_{n}"));
        let mut sent = pin!(gateway.send("stripe", &honest));
        tokio::select! {
            reply = &mut sent => { reply.accepted(); }
            done = &mut harm => {
                sent.await.accepted();
                return done;
            }
        }
    }
}

/// The gateway takes deliveries and says so.
pub async fn is_healthy(gateway: &Gateway) {
    assert_eq!(gateway.admin_get("/readyz").await.status, 200);
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_afterwards")).await.accepted();
}

/// The most memory that the gateway has had so far.
pub fn peak_mib(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Fills all memory it can have with sevens, and admits.
const DIRTIES: &str = "(drop (memory.grow (i32.const 400)))
    (memory.fill (i32.const 65536) (i32.const 7) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 65536)))";
/// Traps if something is in the memory that it grows into.
const PEEKS: &str = "(local $at i32)
    (drop (memory.grow (i32.const 400)))
    (local.set $at (i32.const 65536))
    (loop $more
        (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (unreachable)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $more (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))";

#[tokio::test]
async fn memory_of_one_call_is_not_seen_by_the_next_and_does_not_add_up() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let sources = [
        Hostile::verify("dirties", format!("{DIRTIES} {}", admitting(Vec::new()))),
        Hostile::verify("peeks", format!("{PEEKS} {}", admitting(Vec::new()))),
    ];
    // With a single slot the one gets what the other has left.
    let config = hostile_gateway(plugins.path(), &sources, &receiver).with("plugins", "concurrency = 1");
    let gateway = Gateway::start(config.with("plugins", "timeout = \"10s\"")).await;
    for n in 0..60 {
        for plugin in &sources {
            gateway.send(plugin.name, &Delivery::post(&[], format!("{n}"))).await.accepted();
        }
    }
    // 60 calls with 25 MiB each, of which nothing may stay but what a slot keeps.
    assert!(peak_mib(&gateway) < 600, "{} MiB", peak_mib(&gateway));
    is_healthy(&gateway).await;
}

/// Traps at every delivery whose body has an odd length.
const TRAPS_AT_ODD: &str = "(if (i64.ne (i64.and (call $length (local.get $delivery)) (i64.const 1)) (i64.const 0))
    (then (unreachable)))";

#[tokio::test]
async fn a_plugin_that_traps_now_and_then_takes_what_it_can_and_stays_in() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let moody =
        Hostile { imports: LENGTH, ..Hostile::verify("moody", format!("{TRAPS_AT_ODD} {}", admitting(Vec::new()))) };
    let gateway = Gateway::start(hostile_gateway(plugins.path(), &[moody], &receiver)).await;
    let harm = async {
        for n in 0..80 {
            let reply = gateway.send("moody", &Delivery::post(&[], " ".repeat(n))).await;
            match n % 2 {
                0 => _ = reply.accepted(),
                _ => assert_eq!(reply.refused(503)["type"], "urn:hookgate:plugin-broken"),
            }
        }
    };
    beside_honest_ones(&gateway, harm).await;
    assert_eq!(gateway.metric("hookgate_plugin_breaker_opened_total", &["source=\"moody\""]).await, 0.0);
    is_healthy(&gateway).await;
}

/// More calls at once than there are places, of two plugins that loop in both functions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_larger_than_all_places_leaves_places_for_others() {
    let plugins = tempfile::tempdir().unwrap();
    let receiver = Receiver::start().await;
    let sources = [Hostile::verify("loops", FOREVER), Hostile::verify("loops-too", FOREVER)];
    let config = hostile_gateway(plugins.path(), &sources, &receiver).with("plugins", "concurrency = 8");
    let gateway = Gateway::start(config).await;
    let storm: Vec<_> = (0..60)
        .map(|n| {
            let url = gateway.url(sources[n % 2].name);
            tokio::spawn(async move { hookgate_tests::send(&url, &Delivery::post(&[], "{}")).await })
        })
        .collect();
    let harm = async {
        for reply in storm {
            reply.await.unwrap().refused(503);
        }
    };
    beside_honest_ones(&gateway, harm).await;
    is_healthy(&gateway).await;
}
