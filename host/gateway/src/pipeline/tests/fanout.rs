//! From the inbox to the queues.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use hookgate_model::handoff::TRANSFORM;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::{receiver::Receiver, *};
use crate::fanout::Transformed;

/// Does what the body says.
#[derive(Default)]
struct Obedient {
    calls: AtomicUsize,
    out: AtomicBool,
    broken: Mutex<HashSet<EventId>>,
}

#[async_trait::async_trait]
impl Transform for Obedient {
    async fn transform(&self, event: &KeptEvent) -> Result<Transformed, TransformError> {
        self.calls.fetch_add(1, SeqCst);
        match &event.delivery.request.body[..] {
            b"none" => Ok(Transformed::default()),
            b"two" => Ok(vec![whole(event), whole(event)].into()),
            b"too many" => Ok(vec![whole(event); 101].into()),
            b"nonsense" => Ok(vec![CloudEvent { id: String::new(), ..whole(event) }].into()),
            b"refused" => Err(TransformError::Refused("not this one".into())),
            b"broken" => Err(TransformError::Broken("unreachable".into())),
            b"broken once" if self.broken.lock().unwrap().insert(event.id) => {
                Err(TransformError::Broken("out of memory".into()))
            }
            b"out for a while" if self.out.load(SeqCst) => Err(TransformError::Out(Duration::from_millis(5))),
            b"out and broken" => match self.calls.load(SeqCst) % 2 {
                0 => Err(TransformError::Out(Duration::from_millis(5))),
                _ => Err(TransformError::Broken("unreachable".into())),
            },
            b"hanging" => std::future::pending().await,
            _ => Ok(vec![whole(event)].into()),
        }
    }
}

/// The reason for which an event became a dead letter, and how often the plugin was asked.
async fn failure(body: &str) -> (String, usize) {
    let bench = Bench::new(Vec::new());
    let journal = bench.open();
    let plugin = Arc::new(Obedient::default());
    let dispatcher = bench.start_with(&journal, plugin.clone());
    let event = admit(&journal, "acme", body).await;
    let handoff = settled(&journal, event, TRANSFORM).await;
    assert!(is_dead(&handoff));
    assert!(dispatcher.stop(PATIENCE).await);
    (handoff.attempts[0].error.clone().unwrap(), plugin.calls.load(SeqCst))
}

#[tokio::test]
async fn an_event_that_cannot_be_transformed_is_a_dead_letter_with_its_reason() {
    let cases = [
        ("refused", "the plugin cannot transform the event: not this one", 1),
        ("broken", "the plugin broke: unreachable", 3),
        ("out and broken", "the plugin broke: unreachable", 5),
        ("nonsense", "the plugin's output 1: `id` is empty", 1),
        ("too many", "the plugin made 101 outputs; at most 100 are allowed", 1),
    ];
    for (body, reason, calls) in cases {
        assert_eq!(failure(body).await, (reason.to_owned(), calls));
    }
}

#[tokio::test]
async fn a_plugin_that_broke_once_is_tried_again() {
    let receiver = Receiver::with_statuses(&[200]).await;
    let bench = Bench::new(vec![http("orders", &receiver.url)]);
    let journal = bench.open();
    let dispatcher = bench.start_with(&journal, Arc::new(Obedient::default()));
    let event = admit(&journal, "acme", "broken once").await;
    assert!(is_delivered(&settled(&journal, event, "orders").await));
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn each_output_is_handed_over_by_itself() {
    let receiver = Receiver::with_statuses(&[200]).await;
    let bench = Bench::new(vec![http("orders", &receiver.url)]);
    let journal = bench.open();
    let dispatcher = bench.start_with(&journal, Arc::new(Obedient::default()));
    let event = admit(&journal, "acme", "two").await;
    let seen = receiver.has_seen(2).await;
    let mut ids: Vec<_> = seen.iter().map(|seen| seen.header("webhook-id").to_owned()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [event.to_string(), format!("{event}-0-1")]);
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn an_event_without_outputs_or_without_a_route_is_kept_and_done() {
    let receiver = Receiver::with_statuses(&[200]).await;
    let mut bench = Bench::new(vec![http("orders", &receiver.url)]);
    bench.config.routes[0].from = vec!["acme".into()];
    let journal = bench.open();
    let dispatcher = bench.start_with(&journal, Arc::new(Obedient::default()));
    let empty = admit(&journal, "acme", "none").await;
    let unrouted = admit(&journal, "other", "1").await;
    until("the inbox is empty", || journal.waiting().is_empty()).await;
    for (event, outputs) in [(empty, 0), (unrouted, 1)] {
        assert_eq!(journal.event(event).unwrap().unwrap().outputs.unwrap().len(), outputs);
        assert_eq!(journal.handoff(&handoff_id(event, "orders")).unwrap(), None);
    }
    assert!(dispatcher.stop(PATIENCE).await);
    assert!(receiver.seen().is_empty());
}

#[tokio::test]
async fn a_source_whose_plugin_hangs_holds_up_no_other() {
    let receiver = Receiver::with_statuses(&[200]).await;
    let bench = Bench::new(vec![http("orders", &receiver.url)]);
    let journal = bench.open();
    for _ in 0..200 {
        admit(&journal, "stuck", "hanging").await;
    }
    let events = admit_many(&journal, "acme", 50).await;
    let dispatcher = bench.start_with(&journal, Arc::new(Obedient::default()));
    for event in events {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    assert_eq!(journal.waiting().len(), 200);
    // It has no end to wait for, and a stop does not wait for it: the events stay in the inbox.
    assert!(dispatcher.stop(PATIENCE).await);
    assert_eq!(journal.waiting().len(), 200);
}

#[tokio::test]
async fn an_event_is_counted_once_even_if_its_result_was_cut_off_before_it_was_stored() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recorded = metrics::set_default_local_recorder(&recorder);
    let bench = Bench::new(Vec::new());
    let journal = bench.open();
    admit(&journal, "acme", "hanging").await;
    for _ in 0..3 {
        admit(&journal, "acme", "none").await;
    }
    let plugin = Arc::new(Obedient::default());
    let mut dispatcher = bench.start_with(&journal, plugin.clone());
    // The results of these three wait for that of the first event, which never comes.
    until("all are transformed", || plugin.calls.load(SeqCst) == 4).await;
    let prepared = Dispatcher::prepare(&bench.config, &journal, None).unwrap();
    dispatcher.work_on(prepared, Arc::new(Whole), PATIENCE);
    until("the inbox is empty", || journal.waiting().is_empty()).await;
    assert!(dispatcher.stop(PATIENCE).await);
    let metrics = recorder.handle().render();
    let counted = |outcome: &str| format!("transformed_events_total{{source=\"acme\",outcome=\"{outcome}\"}}");
    assert!(metrics.contains(&format!("{} 4", counted("unrouted"))), "{metrics}");
    assert!(!metrics.contains(&counted("empty")), "{metrics}");
}

#[tokio::test]
async fn a_backlog_larger_than_the_window_is_worked_off() {
    let bench = Bench::new(Vec::new());
    let journal = bench.open();
    for source in ["a", "b", "c"] {
        admit_many(&journal, source, 400).await;
    }
    let dispatcher = bench.start(&journal);
    until("the inbox is empty", || journal.waiting().is_empty()).await;
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn while_plugins_are_out_their_events_rest_and_hold_up_no_other_source() {
    let receiver = Receiver::with_statuses(&[200]).await;
    let bench = Bench::new(vec![http("orders", &receiver.url)]);
    let journal = bench.open();
    let plugin = Arc::new(Obedient::default());
    plugin.out.store(true, SeqCst);
    // As many sources as would take all places if those that rest had one.
    let mut resting = Vec::new();
    for source in ["a", "b", "c", "d"] {
        for _ in 0..30 {
            resting.push(admit(&journal, source, "out for a while").await);
        }
    }
    let events = admit_many(&journal, "acme", 50).await;
    let dispatcher = bench.start_with(&journal, plugin.clone());
    for event in events {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    assert_eq!(journal.waiting().len(), resting.len());
    plugin.out.store(false, SeqCst);
    for event in resting {
        assert!(is_delivered(&settled(&journal, event, "orders").await));
    }
    assert!(dispatcher.stop(PATIENCE).await);
}
