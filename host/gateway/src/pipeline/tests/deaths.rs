//! Events on which the whole process dies: found, set apart, and no more harm done.

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

use hookgate_model::{handoff::TRANSFORM, limits::TRANSFORM_DEATHS_MAX};

use super::*;

const STORE: &str = "HOOKGATE_DEATHS_STORE";

/// Ends the process on some events, and takes a while for all, so that several are under way at once.
struct Deadly;

#[async_trait::async_trait]
impl Transform for Deadly {
    async fn transform(&self, event: &KeptEvent) -> Result<Transformed, TransformError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if event.delivery.request.body.starts_with(b"deadly") {
            std::process::abort();
        }
        Ok(vec![whole(event)].into())
    }
}

fn bench_at(path: PathBuf) -> Bench {
    let mut bench = Bench::new(Vec::new());
    bench.config.store.path = path;
    bench
}

/// The child's side: works the inbox off. Without its environment there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_the_inbox_off_when_told_to() {
    let Ok(path) = std::env::var(STORE) else { return };
    let bench = bench_at(path.into());
    // The parent may be closing it still.
    let journal = reopen(&bench).await;
    let dispatcher = bench.start_with(&journal, Arc::new(Deadly));
    until("the inbox is empty", || journal.waiting().is_empty()).await;
    assert!(dispatcher.stop(PATIENCE).await);
}

fn run(path: &Path) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["pipeline::tests::deaths::works_the_inbox_off_when_told_to", "--exact", "--test-threads=1"]);
    command.env(STORE, path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
}

/// Runs processes until one lives. How many have died.
fn run_until_one_lives(path: &Path) -> u8 {
    for deaths in 0.. {
        let status = run(path);
        if status.success() {
            return deaths;
        }
        assert_eq!(status.signal(), Some(6), "{status:?}: only an abort counts");
        assert!(deaths < 20, "the gateway dies at every start");
    }
    unreachable!()
}

#[tokio::test]
async fn an_event_on_which_the_process_dies_is_a_dead_letter_after_three_deaths_and_no_other_is() {
    let directory = tempfile::tempdir().unwrap();
    let bench = bench_at(directory.path().join("data"));
    let journal = bench.open();
    let mut events = Vec::new();
    for (source, body) in [("a", "1"), ("a", "deadly"), ("a", "2"), ("b", "3"), ("b", "4"), ("c", "5")] {
        events.push((body, admit(&journal, source, body).await));
    }
    drop(journal);
    assert_eq!(run_until_one_lives(&bench.config.store.path), TRANSFORM_DEATHS_MAX);

    let journal = reopen(&bench).await;
    for (body, event) in &events {
        let failed = journal.handoff(&handoff_id(*event, TRANSFORM)).unwrap();
        assert_eq!(failed.as_ref().is_some_and(is_dead), *body == "deadly", "{body}: {failed:?}");
        let outputs = journal.event(*event).unwrap().unwrap().outputs;
        assert_eq!(outputs.is_some(), *body != "deadly", "{body}");
    }
    let guilty = handoff_id(events[1].1, TRANSFORM);
    let error = journal.handoff(&guilty).unwrap().unwrap().attempts[0].error.clone().unwrap();
    assert!(error.contains("ended 3 times while this event was being transformed"), "{error}");

    // Redriven, it is tried anew: the plugin may have been corrected.
    assert_eq!(journal.redrive(vec![guilty]).await.unwrap(), 1);
    assert_eq!(journal.transform_deaths(events[1].1), 0);
    let dispatcher = bench.start(&journal);
    until("the inbox is empty", || journal.waiting().is_empty()).await;
    assert!(journal.event(events[1].1).unwrap().unwrap().outputs.is_some());
    assert!(dispatcher.stop(PATIENCE).await);
}

#[tokio::test]
async fn several_such_events_are_each_found() {
    let directory = tempfile::tempdir().unwrap();
    let bench = bench_at(directory.path().join("data"));
    let journal = bench.open();
    let mut deadly = BTreeSet::new();
    for number in 0..30 {
        let body = if number % 15 == 7 { format!("deadly {number}") } else { number.to_string() };
        let event = admit(&journal, "acme", &body).await;
        if body.starts_with("deadly") {
            deadly.insert(event);
        }
    }
    drop(journal);
    // Both may have been under way when the first process died.
    let deaths = run_until_one_lives(&bench.config.store.path);
    assert!((2 * TRANSFORM_DEATHS_MAX - 1..=2 * TRANSFORM_DEATHS_MAX).contains(&deaths), "{deaths}");
    let journal = reopen(&bench).await;
    let dead = journal.dead_letters(Some(TRANSFORM), None, 100).unwrap().items;
    assert_eq!(dead.into_iter().map(|(_, id)| id.event).collect::<BTreeSet<_>>(), deadly);
    assert!(journal.waiting().is_empty());
}

#[tokio::test]
async fn what_is_cut_off_by_a_stop_is_no_suspect() {
    struct Hanging;
    #[async_trait::async_trait]
    impl Transform for Hanging {
        async fn transform(&self, _: &KeptEvent) -> Result<Transformed, TransformError> {
            std::future::pending().await
        }
    }
    let bench = Bench::new(Vec::new());
    let journal = bench.open();
    let event = admit(&journal, "acme", "1").await;
    let dispatcher = bench.start_with(&journal, Arc::new(Hanging));
    let marks = bench.config.store.path.join("transforming");
    let is_marked = || std::fs::read(&marks).unwrap().iter().any(|byte| *byte != 0);
    until("the event is marked", is_marked).await;
    assert!(dispatcher.stop(PATIENCE).await);
    assert!(!is_marked());
    drop(journal);
    assert_eq!(reopen(&bench).await.transform_deaths(event), 0);
}
