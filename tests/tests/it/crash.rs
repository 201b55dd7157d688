//! `kill -9` at random moments under load, many rounds.
//!
//! `HOOKGATE_CRASH_ROUNDS` and `HOOKGATE_CRASH_SEED` run more of them, or the same again.

use std::{
    collections::{BTreeMap, HashMap},
    env,
    sync::{Arc, Mutex},
    time::Duration,
};

use hookgate_tests::{Answer, Config, Gateway, Receiver, SECRET, sign, try_send, verified_event};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const SENDERS: u64 = 8;

/// What the senders know: the event id under which each of Stripe's ids was acknowledged, and what was never answered.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<String, String>,
    unanswered: Vec<String>,
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fjall_loses_and_doubles_nothing() {
    crash("fjall").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sled_loses_and_doubles_nothing() {
    crash("sled").await;
}

async fn crash(engine: &str) {
    let seed = number("HOOKGATE_CRASH_SEED", 20_260_801);
    let mut rng = StdRng::seed_from_u64(seed);
    // One attempt in eight fails, so that retries are pending at each crash.
    let receiver = Receiver::answering(|_, count| Answer::status(if count % 8 == 3 { 500 } else { 200 })).await;
    let config = Config::new().with("store", &format!("engine = \"{engine}\"")).with("log", "filter = \"warn\"");
    let mut gateway = Gateway::start(config.stripe("stripe").receiver(&receiver)).await;
    let known = Arc::new(Mutex::new(Known::default()));
    for round in 0..number("HOOKGATE_CRASH_ROUNDS", 12) {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (url, known, seed) = (gateway.url("stripe"), Arc::clone(&known), rng.random());
                tokio::spawn(send_until_gone(url, known, format!("evt_{round}_{sender}"), seed))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..700))).await;
        gateway.kill();
        for sender in senders {
            sender.await.unwrap();
        }
        // Now and then once more before it has got anywhere.
        gateway.restart().await;
        if rng.random_ratio(1, 4) {
            gateway.kill();
            gateway.restart().await;
        }
    }
    // What got no answer is sent again, as providers do: admitted now, or known already.
    let unanswered = std::mem::take(&mut known.lock().unwrap().unanswered);
    for id in unanswered {
        let reply = gateway.send("stripe", &sign::stripe_event(SECRET, &id)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        known.lock().unwrap().note(id, reply.events()[0].clone());
    }
    let acknowledged = known.lock().unwrap().acknowledged.clone();
    assert!(acknowledged.len() > 50, "seed {seed}: only {} events were acknowledged", acknowledged.len());
    let events: Vec<&String> = acknowledged.values().collect();
    let received = receiver
        .wait_until(&format!("each of {} acknowledged events (seed {seed})", events.len()), |all| {
            let delivered: std::collections::HashSet<_> =
                all.iter().filter(|one| one.answered == 200).map(|one| one.event_id()).collect();
            events.iter().all(|id| delivered.contains(*id))
        })
        .await;
    // None was admitted twice: each of Stripe's ids has arrived under one event id, the acknowledged one.
    let mut arrived: HashMap<String, String> = HashMap::new();
    for one in &received {
        let id = verified_event(one)["id"].as_str().unwrap().to_owned();
        let event = arrived.entry(id.clone()).or_insert_with(|| one.event_id());
        assert_eq!(*event, one.event_id(), "seed {seed}: {id} was admitted twice");
        assert_eq!(acknowledged.get(&id), Some(&*event), "seed {seed}: {id} was admitted, and acknowledged otherwise");
    }
    assert_eq!(arrived.len(), acknowledged.len(), "seed {seed}");
    assert!(gateway.stop().await.success());
}

impl Known {
    /// Notes an acknowledgement; a second one must name the same event.
    fn note(&mut self, id: String, event: String) {
        let first = self.acknowledged.entry(id.clone()).or_insert_with(|| event.clone());
        assert_eq!(*first, event, "{id} was acknowledged as two events");
    }
}

/// Sends new events, and now and then one that is known already, until the gateway is gone.
async fn send_until_gone(url: String, known: Arc<Mutex<Known>>, name: String, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for n in 0.. {
        let again = rng.random_ratio(1, 5).then(|| {
            let known = known.lock().unwrap();
            let index = rng.random_range(0..known.acknowledged.len().max(1));
            known.acknowledged.keys().nth(index).cloned()
        });
        let id = again.flatten().unwrap_or_else(|| format!("{name}_{n}"));
        let Some(reply) = try_send(&url, &sign::stripe_event(SECRET, &id)).await else {
            return known.lock().unwrap().unanswered.push(id);
        };
        assert_eq!(reply.status, 200, "{reply:?}");
        known.lock().unwrap().note(id, reply.events()[0].clone());
    }
}
