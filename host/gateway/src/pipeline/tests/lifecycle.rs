//! Starting, stopping, and going on where it was.

use std::{sync::Arc, time::Duration};

use hookgate_model::handoff::Attempt;
use tokio::sync::Notify;

use super::{
    receiver::{Receiver, status},
    *,
};

/// A receiver that answers once for each notice.
async fn holding() -> (Receiver, Arc<Notify>) {
    let release = Arc::new(Notify::new());
    let released = release.clone();
    let receiver = Receiver::start(move |_, _| {
        let released = released.clone();
        async move {
            released.notified().await;
            status(200)
        }
    });
    (receiver.await, release)
}

#[tokio::test]
async fn what_was_undelivered_goes_on_after_a_restart() {
    let broken = Receiver::with_statuses(&[500]).await;
    let mut destination = http("orders", &broken.url);
    destination.retry.attempts = u32::MAX;
    let mut bench = Bench::new(vec![destination]);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let mut events = admit_many(&journal, "acme", 5).await;
    broken.has_seen(8).await;
    assert!(dispatcher.stop(PATIENCE).await);
    // Admitted while no dispatcher runs.
    events.extend(admit_many(&journal, "acme", 5).await);
    drop(journal);

    let good = Receiver::with_statuses(&[200]).await;
    bench.config.destinations = vec![Arc::new(http("orders", &good.url))];
    let journal = reopen(&bench).await;
    let dispatcher = bench.start(&journal);
    for event in &events {
        assert!(is_delivered(&settled(&journal, *event, "orders").await));
    }
    let arrived = tally(good.seen().iter().map(|seen| seen.header("webhook-id").to_owned()));
    assert_eq!(arrived, tally(events.iter().map(|event| event.to_string())));
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_flight_and_starts_nothing() {
    let (receiver, release) = holding().await;
    let mut destination = http("orders", &receiver.url);
    destination.concurrency = 1;
    let bench = Bench::new(vec![destination]);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let events = admit_many(&journal, "acme", 2).await;
    receiver.has_seen(1).await;
    let stopping = tokio::spawn(dispatcher.stop(PATIENCE));
    release.notify_one();
    assert!(within("the stop", stopping).await.unwrap());
    assert!(is_delivered(&journal.handoff(&handoff_id(events[0], "orders")).unwrap().unwrap()));
    let second = journal.handoff(&handoff_id(events[1], "orders")).unwrap();
    assert!(second.is_none_or(|handoff| handoff.attempts.is_empty()));
    assert_eq!(receiver.seen().len(), 1);
}

#[tokio::test]
async fn a_stop_is_bounded_and_what_it_cuts_off_stays_queued() {
    let receiver = Receiver::start(|_, _| std::future::pending()).await;
    let bench = Bench::new(vec![http("orders", &receiver.url)]);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let event = admit(&journal, "acme", "1").await;
    receiver.has_seen(1).await;
    assert!(!dispatcher.stop(Duration::from_millis(50)).await);
    let handoff = journal.handoff(&handoff_id(event, "orders")).unwrap().unwrap();
    assert!(matches!(handoff.state, HandoffState::Pending(_)) && handoff.attempts.is_empty(), "{handoff:?}");
}

#[tokio::test]
async fn a_destination_that_cannot_be_used_is_named() {
    let secret = hookgate_config::SecretText::new("whsec_?".into());
    let destination = http_with("orders", "http://127.0.0.1/", |http| http.secrets = vec![secret]);
    let bench = Bench::new(vec![destination]);
    let journal = bench.open();
    let error = Dispatcher::prepare(&bench.config, &journal, None).err().unwrap().to_string();
    assert!(error.starts_with("the destination `orders`: the secret begins with `whsec_`"), "{error}");
}

#[tokio::test]
async fn a_queue_without_its_destination_stays_and_goes_on_when_it_is_back() {
    let receiver = Receiver::with_statuses(&[200]).await;
    let mut bench = Bench::new(vec![http("orders", &receiver.url)]);
    let configured = std::mem::take(&mut bench.config.destinations);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let event = admit(&journal, "acme", "1").await;
    until("it is queued", || journal.handoff(&handoff_id(event, "orders")).unwrap().is_some()).await;
    assert!(dispatcher.stop(PATIENCE).await);
    bench.config.destinations = configured;
    let dispatcher = bench.start(&journal);
    assert!(is_delivered(&settled(&journal, event, "orders").await));
    assert!(dispatcher.stop(PATIENCE).await);
}

/// As of a store that another version has written, or that was mended.
#[tokio::test]
async fn what_says_that_it_is_due_later_than_any_pause_is_due_now() {
    let receiver = Receiver::with_statuses(&[200]).await;
    let bench = Bench::new(vec![http("orders", &receiver.url)]);
    let journal = bench.open();
    let mut waiting = Vec::new();
    for due in [10 * 24 * 3_600_000, 1_700_000_000_000, u64::MAX] {
        let event = admit(&journal, "acme", "{}").await;
        let id = handoff_id(event, "orders");
        let attempt = Attempt { at: 1, took: 1, status: None, error: None };
        let one = CloudEvent { id: event.to_string(), ..whole(&journal.event(event).unwrap().unwrap()) };
        journal.fan_out(event, vec![one], vec![("orders".to_owned(), 0)]).await.unwrap();
        journal.record(&id, attempt, HandoffState::Pending(due)).await.unwrap();
        waiting.push(event);
    }
    let dispatcher = bench.start(&journal);
    for event in waiting {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn after_a_reload_nothing_begins_under_the_configuration_before() {
    let (before, release) = holding().await;
    let mut destination = http("orders", &before.url);
    destination.concurrency = 2;
    let mut bench = Bench::new(vec![destination]);
    let journal = bench.open();
    let mut dispatcher = bench.start(&journal);
    let first = admit(&journal, "acme", "1").await;
    before.has_seen(1).await;

    let after = Receiver::with_statuses(&[200]).await;
    bench.config.destinations = vec![Arc::new(http("orders", &after.url))];
    let prepared = Dispatcher::prepare(&bench.config, &journal, None).unwrap();
    dispatcher.work_on(prepared, Arc::new(Whole), PATIENCE);
    let second = admit(&journal, "acme", "2").await;
    until("it is queued", || journal.handoff(&handoff_id(second, "orders")).unwrap().is_some()).await;
    release.notify_one();
    for event in [first, second] {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    assert_eq!((before.seen().len(), after.seen().len()), (1, 1));
    assert!(dispatcher.stop(PATIENCE).await);
}
