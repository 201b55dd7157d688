//! What destinations owe each other and their receivers: no waiting for one another, rate, concurrency, a breaker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use hookgate_model::limits;
use tokio::sync::Semaphore;

use super::{
    receiver::{Receiver, status},
    *,
};

#[tokio::test]
async fn a_destination_that_hangs_or_is_away_holds_up_no_other() {
    let hanging = Receiver::start(|_, _| std::future::pending()).await;
    let broken = Receiver::with_statuses(&[500]).await;
    let good = Receiver::with_statuses(&[200]).await;
    let mut patient = http("broken", &broken.url);
    patient.retry.attempts = u32::MAX;
    let bench = Bench::new(vec![http("hanging", &hanging.url), patient, http("good", &good.url)]);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let events = admit_many(&journal, "acme", 50).await;
    for event in &events {
        assert!(is_delivered(&settled(&journal, *event, "good").await));
    }
    for away in ["hanging", "broken"] {
        let waiting = events.iter().filter(|event| {
            let handoff = journal.handoff(&handoff_id(**event, away)).unwrap();
            handoff.is_some_and(|handoff| matches!(handoff.state, HandoffState::Pending(_)))
        });
        assert_eq!(waiting.count(), 50, "{away}");
    }
    drop(dispatcher);
}

#[tokio::test]
async fn no_more_attempts_are_in_flight_than_configured() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let doors = Arc::new(Semaphore::new(0));
    let (in_flight, peak, open) = (now.clone(), most.clone(), doors.clone());
    let receiver = Receiver::start(move |_, _| {
        let (in_flight, peak, open) = (in_flight.clone(), peak.clone(), open.clone());
        async move {
            peak.fetch_max(in_flight.fetch_add(1, SeqCst) + 1, SeqCst);
            open.acquire().await.unwrap().forget();
            in_flight.fetch_sub(1, SeqCst);
            status(200)
        }
    })
    .await;
    let mut destination = http("orders", &receiver.url);
    destination.concurrency = 3;
    let bench = Bench::new(vec![destination]);
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let events = admit_many(&journal, "acme", 12).await;
    // All of them are queued, three of them have come; a fourth may come only when one of those is answered.
    for event in &events {
        until("it is queued", || journal.handoff(&handoff_id(*event, "orders")).unwrap().is_some()).await;
    }
    receiver.has_seen(3).await;
    assert_eq!(now.load(SeqCst), 3);
    doors.add_permits(12);
    for event in events {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    assert_eq!(most.load(SeqCst), 3);
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn attempts_keep_to_the_rate() {
    let receiver = Receiver::with_statuses(&[200]).await;
    let mut destination = http("orders", &receiver.url);
    destination.rate = Some(rate(20));
    let bench = Bench::new(vec![destination]);
    let journal = bench.open();
    let events = admit_many(&journal, "acme", 9).await;
    let began = Instant::now();
    let dispatcher = bench.start(&journal);
    for event in events {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    // The first goes at once, eight more 50 ms apart.
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn while_a_destination_is_away_few_events_spend_attempts() {
    let away = Arc::new(AtomicBool::new(true));
    let gone = away.clone();
    let receiver = Receiver::start(move |_, _| {
        let answer = if gone.load(SeqCst) { 503 } else { 200 };
        async move { status(answer) }
    })
    .await;
    let mut destination = http("orders", &receiver.url);
    destination.retry = Retry { attempts: 12, first: Duration::from_millis(20), max: Duration::from_millis(100) };
    let bench = Bench::new(vec![destination]);
    let journal = bench.open();
    let events = admit_many(&journal, "acme", 100).await;
    let dispatcher = bench.start(&journal);
    let threshold = limits::BREAKER_FAILURES_MAX as usize;
    receiver.has_seen(threshold + 5).await;
    away.store(false, SeqCst);
    let mut spared = 0;
    for event in events {
        let handoff = settled(&journal, event, "orders").await;
        assert!(is_delivered(&handoff));
        spared += usize::from(handoff.attempts.len() == 1);
    }
    // Ten to open it, what was in flight then, and the probes: the rest never failed.
    assert!(spared >= 100 - threshold - 4 - 8, "only {spared} of 100 were spared");
    assert!(dispatcher.stop(PATIENCE).await);
}
