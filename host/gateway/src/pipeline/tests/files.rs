//! A file of JSON lines.

use std::fs;

use super::*;

fn jsonl(path: PathBuf) -> Destination {
    destination("archive", Jsonl { path }.into())
}

/// The data of each line.
fn data(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let documents = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    documents.map(|document| document["data"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_one_line_in_the_order_of_arrival() {
    let mut bench = Bench::new(Vec::new());
    let path = bench.path("events.jsonl");
    bench.config.destinations = vec![Arc::new(jsonl(path.clone()))];
    bench.config.routes[0].to = vec!["archive".into()];
    let journal = bench.open();
    // All of them are waiting when dispatch starts, so that they come in batches.
    let events = admit_many(&journal, "acme", 700).await;
    let dispatcher = bench.start(&journal);
    for event in events {
        assert!(is_delivered(&settled(&journal, event, "archive").await));
    }
    assert!(dispatcher.stop(PATIENCE).await);
    let numbers: Vec<usize> = data(&path).iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(numbers, (0..700).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_tried_again_until_it_can() {
    let mut bench = Bench::new(Vec::new());
    let path = bench.path("missing").join("events.jsonl");
    let mut archive = jsonl(path.clone());
    archive.retry.attempts = u32::MAX;
    bench.config.destinations = vec![Arc::new(archive)];
    bench.config.routes[0].to = vec!["archive".into()];
    let journal = bench.open();
    let dispatcher = bench.start(&journal);
    let event = admit(&journal, "acme", "7").await;
    let tried = || journal.handoff(&handoff_id(event, "archive")).unwrap().is_some_and(|h| h.attempts.len() >= 2);
    until("it was tried twice", tried).await;
    fs::create_dir(bench.path("missing")).unwrap();
    assert!(is_delivered(&settled(&journal, event, "archive").await));
    assert_eq!(data(&path), ["7"]);
    assert!(dispatcher.stop(PATIENCE).await);
}
