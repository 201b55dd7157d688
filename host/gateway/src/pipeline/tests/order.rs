//! Order at the destinations: events of one ordering key go out one after the other.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use hookgate_capabilities::{Ordering, Position};
use hookgate_config::Source;
use hookgate_model::{
    limits,
    ordering::{OnFailure, SourceOrdering},
};

use super::{
    receiver::{Receiver, Seen, status},
    *,
};

/// A source that keeps its events in order.
fn ordered(name: &str, on_failure: OnFailure) -> Arc<Source> {
    Arc::new(Source {
        ordering: Some(SourceOrdering { on_failure, ..SourceOrdering::default() }),
        ..Source::of_plugin(name, "test")
    })
}

fn bench(destination: Destination, on_failure: OnFailure) -> Bench {
    let mut bench = Bench::new(vec![destination]);
    bench.config.sources = vec![ordered("acme", on_failure)];
    bench
}

/// Admits the event number `n` of a key.
async fn admit_keyed(journal: &Journal, key: &str, n: usize) -> EventId {
    let ordering = Some(Ordering { key: key.into(), position: Position::Arrival });
    let identity = Identity { ordering, ..Identity::default() };
    admit_as(journal, "acme", identity, &format!("[\"{key}\",{n}]")).await
}

/// The key and the number of an event that came.
fn number(data: &serde_json::Value) -> (String, usize) {
    (data[0].as_str().unwrap().to_owned(), data[1].as_u64().unwrap() as usize)
}

fn of(seen: &Seen) -> (String, usize) {
    number(&seen.json()["data"])
}

fn state(journal: &Journal, event: EventId, destination: &str) -> HandoffState {
    journal.handoff(&handoff_id(event, destination)).unwrap().unwrap().state
}

/// The events behind the first one wait for it, and no other event of its key is tried meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_goes_out_in_order_whatever_fails_and_others_beside_it() {
    let arrived: Arc<Mutex<HashMap<String, Vec<usize>>>> = Arc::default();
    let in_flight: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let overlapped = Arc::new(AtomicBool::new(false));
    let (noted, busy, overlaps) = (arrived.clone(), in_flight.clone(), overlapped.clone());
    let receiver = Receiver::start(move |count, seen| {
        let (noted, busy, overlaps) = (noted.clone(), busy.clone(), overlaps.clone());
        async move {
            let (key, number) = of(&seen);
            let before = std::mem::replace(busy.lock().unwrap().entry(key.clone()).or_default(), 1);
            overlaps.fetch_or(before != 0, SeqCst);
            tokio::task::yield_now().await;
            busy.lock().unwrap().insert(key.clone(), 0);
            if count % 3 == 1 {
                return status(503);
            }
            noted.lock().unwrap().entry(key).or_default().push(number);
            status(200)
        }
    })
    .await;
    let mut destination = http("orders", &receiver.url);
    destination.retry.attempts = u32::MAX;
    let bench = bench(destination, OnFailure::Continue);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let mut events = Vec::new();
    for n in 0..30 {
        for key in ["a", "b", "c"] {
            events.push(admit_keyed(&journal, key, n).await);
        }
    }
    for event in events {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    for key in ["a", "b", "c"] {
        assert_eq!(arrived.lock().unwrap()[key], (0..30).collect::<Vec<_>>(), "{key}");
    }
    assert!(!overlapped.load(SeqCst), "two of one key were in flight at once");
    assert!(dispatcher.stop(PATIENCE).await);
}

/// Answers 410 to the events of these numbers of the key `a` until told otherwise.
async fn refusing(refused: Arc<Mutex<Vec<usize>>>) -> Receiver {
    Receiver::start(move |_, seen| {
        let (key, number) = of(&seen);
        let answer = if key == "a" && refused.lock().unwrap().contains(&number) { 410 } else { 200 };
        async move { status(answer) }
    })
    .await
}

#[tokio::test]
async fn a_dead_letter_blocks_its_key_until_it_is_redriven_or_discarded() {
    let refused = Arc::new(Mutex::new(vec![1, 2]));
    let receiver = refusing(refused.clone()).await;
    let bench = bench(http("orders", &receiver.url), OnFailure::Block);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let mut blocked = Vec::new();
    for n in 0..5 {
        blocked.push(admit_keyed(&journal, "a", n).await);
    }
    let free = admit_keyed(&journal, "b", 0).await;
    assert!(is_delivered(&settled(&journal, free, "orders").await));
    assert!(is_dead(&settled(&journal, blocked[1], "orders").await));
    let waits = |event| matches!(state(&journal, event, "orders"), HandoffState::Waiting(_));
    until("the rest was routed", || journal.inbox(None, 1).unwrap().is_empty()).await;
    assert!(blocked[2..].iter().all(|event| waits(*event)));
    let figures = journal.stats().unwrap().destinations["orders"];
    assert_eq!((figures.queued, figures.waiting, figures.dead, figures.blocking), (3, 3, 1, 1));

    refused.lock().unwrap().retain(|number| *number != 1);
    assert_eq!(journal.redrive(vec![handoff_id(blocked[1], "orders")]).await.unwrap(), 1);
    assert!(is_delivered(&settled(&journal, blocked[1], "orders").await));
    assert!(is_dead(&settled(&journal, blocked[2], "orders").await));
    assert!(blocked[3..].iter().all(|event| waits(*event)));
    assert_eq!(journal.discard(vec![handoff_id(blocked[2], "orders")]).await.unwrap(), 1);
    for event in &blocked[3..] {
        assert!(is_delivered(&settled(&journal, *event, "orders").await));
    }
    let of_a: Vec<_> = receiver.seen().iter().map(of).filter(|(key, _)| key == "a").map(|(_, n)| n).collect();
    assert_eq!(of_a, [0, 1, 1, 2, 3, 4]);
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn with_continue_a_dead_letter_holds_up_nothing() {
    let receiver = refusing(Arc::new(Mutex::new(vec![1]))).await;
    let bench = bench(http("orders", &receiver.url), OnFailure::Continue);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let mut events = Vec::new();
    for n in 0..4 {
        events.push(admit_keyed(&journal, "a", n).await);
    }
    for (n, event) in events.iter().enumerate() {
        assert_eq!(is_dead(&settled(&journal, *event, "orders").await), n == 1);
    }
    assert_eq!(receiver.seen().iter().map(of).map(|(_, n)| n).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(dispatcher.stop(PATIENCE).await);
}

/// What waits drains by itself: the journal holds it, not the configuration.
#[tokio::test]
async fn what_waits_goes_out_when_its_source_is_no_longer_ordered() {
    let broken = Receiver::with_statuses(&[500]).await;
    let mut destination = http("orders", &broken.url);
    destination.retry.attempts = u32::MAX;
    let mut bench = bench(destination, OnFailure::Block);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let mut events = Vec::new();
    for n in 0..6 {
        events.push(admit_keyed(&journal, "a", n).await);
    }
    until("all are routed", || journal.inbox(None, 1).unwrap().is_empty()).await;
    assert!(dispatcher.stop(PATIENCE).await);

    let good = Receiver::with_statuses(&[200]).await;
    bench.config.destinations = vec![Arc::new(http("orders", &good.url))];
    bench.config.sources.clear();
    let dispatcher = bench.start(&journal);
    for event in events {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    assert_eq!(good.seen().iter().map(of).map(|(_, n)| n).collect::<Vec<_>>(), (0..6).collect::<Vec<_>>());
    assert!(dispatcher.stop(PATIENCE).await);
}

/// A file, to which nothing can be written yet, with the events of one key waiting for it.
async fn key_before_a_file(on_failure: OnFailure, count: usize) -> (Bench, Journal, Dispatcher, Vec<EventId>) {
    let mut bench = bench(http("none", "http://127.0.0.1:1/"), on_failure);
    let path = bench.path("missing").join("events.jsonl");
    let mut file = destination("file", Jsonl { path }.into());
    file.retry.attempts = u32::MAX;
    bench.config.destinations = vec![Arc::new(file)];
    bench.config.routes[0].to = vec!["file".into()];
    let journal = bench.open();
    let mut events = Vec::new();
    for n in 0..count {
        events.push(admit_keyed(&journal, "a", n).await);
    }
    let dispatcher = bench.start(&journal);
    until("all are routed", || journal.inbox(None, 1).unwrap().is_empty()).await;
    (bench, journal, dispatcher, events)
}

#[tokio::test]
async fn many_lines_of_one_key_go_in_one_write_and_only_the_first_is_tried_again() {
    let (bench, journal, dispatcher, events) = key_before_a_file(OnFailure::Continue, 200).await;
    let attempts = |event| journal.handoff(&handoff_id(event, "file")).unwrap().unwrap().attempts;
    until("the first was tried twice", || attempts(events[0]).len() >= 2).await;
    assert!(attempts(events[1]).is_empty());
    fs::create_dir(bench.path("missing")).unwrap();
    for event in &events {
        assert!(is_delivered(&settled(&journal, *event, "file").await));
    }
    let text = fs::read_to_string(bench.path("missing").join("events.jsonl")).unwrap();
    let lines = text.lines().map(|line| number(&serde_json::from_str::<serde_json::Value>(line).unwrap()["data"]).1);
    assert_eq!(lines.collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    // Those that went together have one beginning and one duration.
    let write = |event| attempts(event).last().map(|attempt| (attempt.at, attempt.took)).unwrap();
    assert_eq!(write(events[0]), write(events[limits::ATTEMPT_RUN_MAX - 1]));
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn where_a_dead_letter_blocks_lines_go_one_by_one() {
    let (bench, journal, dispatcher, events) = key_before_a_file(OnFailure::Block, 5).await;
    fs::create_dir(bench.path("missing")).unwrap();
    for event in &events {
        assert!(is_delivered(&settled(&journal, *event, "file").await));
    }
    let text = fs::read_to_string(bench.path("missing").join("events.jsonl")).unwrap();
    let lines = text.lines().map(|line| number(&serde_json::from_str::<serde_json::Value>(line).unwrap()["data"]).1);
    assert_eq!(lines.collect::<Vec<_>>(), (0..5).collect::<Vec<_>>());
    assert!(dispatcher.stop(PATIENCE).await);
}

/// The store fails over and over while events are routed: some of what is on its way is written, some is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_meanwhile_swaps_nothing() {
    const KEYS: usize = 3;
    const EVENTS: usize = 200;
    let mut bench = bench(http("none", "http://127.0.0.1:1/"), OnFailure::Continue);
    let path = bench.path("events.jsonl");
    let file = destination("file", Jsonl { path: path.clone() }.into());
    bench.config.destinations = vec![Arc::new(file)];
    bench.config.routes[0].to = vec!["file".into()];
    let journal = bench.open();
    let mut events = Vec::new();
    for n in 0..EVENTS {
        for key in 0..KEYS {
            events.push(admit_keyed(&journal, &format!("key {key}"), n).await);
        }
    }
    let dispatcher = bench.start(&journal);
    let left = || journal.inbox(None, usize::MAX).map_or(EVENTS * KEYS, |inbox| inbox.len());
    for breakdown in 1..=4 {
        until("some events are routed", || left() < (EVENTS * KEYS).saturating_sub(breakdown * 100)).await;
        journal.break_down().await;
    }
    for event in &events {
        until("the event is routed", || journal.handoff(&handoff_id(*event, "file")).is_ok_and(|it| it.is_some()))
            .await;
        assert!(is_delivered(&settled(&journal, *event, "file").await));
    }
    assert!(dispatcher.stop(PATIENCE).await);
    let text = fs::read_to_string(path).unwrap();
    let mut seen: HashMap<String, Vec<usize>> = HashMap::new();
    for line in text.lines() {
        let (key, n) = number(&serde_json::from_str::<serde_json::Value>(line).unwrap()["data"]);
        let of_key = seen.entry(key).or_default();
        // What was written when the store failed is written again, before the next one of its key.
        if of_key.last() != Some(&n) && !of_key.contains(&n) {
            of_key.push(n);
        }
    }
    for of_key in seen.values() {
        assert_eq!(*of_key, (0..EVENTS).collect::<Vec<_>>());
    }
}
