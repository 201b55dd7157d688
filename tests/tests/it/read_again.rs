//! SIGHUP: another configuration takes over while deliveries come in.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hookgate_tests::{Answer, Config, Gateway, Receiver, SECRET, eventually, send, sign, verified_event};

const OTHER_SECRET: &str = "whsec_the-one-that-comes-after-the-first";

/// Waits until the gateway has logged that this number of times.
async fn said(gateway: &Gateway, text: &str, times: usize) {
    eventually(&format!("{text:?} in the log"), async || (gateway.said().matches(text).count() >= times).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_configuration_takes_over_under_load_and_nothing_is_lost() {
    // One attempt in five fails: handoffs are waiting whenever the dispatchers change.
    let old = Receiver::answering(|_, count| Answer::status(if count % 5 == 1 { 500 } else { 200 })).await;
    let new = Receiver::answering(|_, count| Answer::status(if count % 5 == 1 { 500 } else { 200 })).await;
    let gateway = Gateway::start(Config::new().stripe("stripe").receiver(&old)).await;
    let done = Arc::new(AtomicBool::new(false));
    let sender = tokio::spawn({
        let (done, url) = (done.clone(), gateway.url("stripe"));
        async move {
            let mut ids = Vec::new();
            for n in 0.. {
                ids.extend(send(&url, &sign::stripe_event(SECRET, &format!("evt_{n}"))).await.accepted());
                if done.load(Ordering::SeqCst) {
                    break;
                }
            }
            ids
        }
    });
    for times in 1..=10 {
        let (receiver, name) = if times % 2 == 0 { (&old, "even") } else { (&new, "odd") };
        gateway.configure(&Config::new().stripe("stripe").stripe(name).receiver(receiver));
        gateway.ask_to_read_again();
        said(&gateway, "was read again and is in force", times).await;
        // The source is there, and the one that only the configuration before had is gone.
        gateway.send(name, &sign::stripe_event(SECRET, &format!("evt_of_{times}"))).await.accepted();
        let gone = if name == "even" { "odd" } else { "even" };
        gateway.send(gone, &sign::stripe_event(SECRET, "evt_nowhere")).await.refused(404);
    }
    done.store(true, Ordering::SeqCst);
    let ids = sender.await.unwrap();
    let arrived = |ids: &[String]| {
        let all = [old.all(), new.all()].concat();
        ids.iter().all(|id| all.iter().any(|one| one.answered == 200 && one.event_id() == *id))
    };
    eventually("every event at one of the receivers", async || arrived(&ids).then_some(())).await;
    assert!(!old.all().is_empty() && !new.all().is_empty());
    [old.all(), new.all()].concat().iter().for_each(|one| drop(verified_event(one)));
}

#[tokio::test]
async fn a_mistake_leaves_everything_as_it_was_and_secrets_in_files_are_read_again() {
    let receiver = Receiver::start().await;
    let config =
        || Config::new().source("stripe", "stripe", "secrets.signing = { file = \"secret\" }").receiver(&receiver);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret"), SECRET).unwrap();
    let mut gateway = Gateway::start_in(directory, config()).await;
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_1")).await.accepted();

    // Mistakes of every sort: in the file, in a plugin's settings, in a destination.
    for (times, wrong) in (1..).zip([
        config().entry("[[source]]\nname = 7"),
        config().source("other", "no-such-plugin", ""),
        config().route("stripe", "nowhere"),
    ]) {
        gateway.configure(&wrong);
        gateway.ask_to_read_again();
        said(&gateway, "is not taken over", times).await;
        gateway.send("stripe", &sign::stripe_event(SECRET, &format!("evt_wrong_{times}"))).await.accepted();
    }

    // The rotated secret counts as soon as it is read; a changed store waits for the next start, and is reported.
    fs::write(gateway.path().join("secret"), OTHER_SECRET).unwrap();
    gateway.send("stripe", &sign::stripe_event(OTHER_SECRET, "evt_2")).await.refused(401);
    gateway.configure(&config().with("store", "retention = \"1d\""));
    gateway.ask_to_read_again();
    said(&gateway, "was read again and is in force", 1).await;
    said(&gateway, "`[store]` has changed; that takes effect at the next start", 1).await;
    gateway.send("stripe", &sign::stripe_event(OTHER_SECRET, "evt_2")).await.accepted();
    gateway.send("stripe", &sign::stripe_event(SECRET, "evt_3")).await.refused(401);
    receiver.wait_for(5).await;
    assert!(!gateway.said().contains(OTHER_SECRET));
    assert!(gateway.stop().await.success());
}
