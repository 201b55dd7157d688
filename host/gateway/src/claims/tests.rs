//! What is left of bodies whose requests are dropped at any moment.

use std::{
    fs::{self, File},
    path::Path,
    task::{Context, Waker},
    time::{Duration, SystemTime},
};

use hookgate_config::{DataRef, EngineKind};
use hookgate_journal::Journal;
use hookgate_model::limits;
use tempfile::TempDir;

use super::*;

fn store(directory: &TempDir) -> config::Store {
    config::Store {
        path: directory.path().to_owned(),
        engine: EngineKind::Fjall,
        retention: Duration::from_secs(60),
        headroom: 0,
        cache: 1 << 20,
    }
}

fn open(directory: &TempDir) -> Claims {
    let config = config::Claims {
        path: directory.path().to_owned(),
        s3: None,
        public_url: None,
        url_ttl: Duration::from_secs(60),
        keys: Vec::new(),
        dataref: DataRef::Gateway,
    };
    Claims::open(&config, &store(directory), "http://localhost").unwrap()
}

fn names(path: &Path) -> Vec<String> {
    fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Polls a future so many times, with time for others in between, and drops it. Whether it had ended by then.
async fn give_up_after(polls: usize, future: impl Future) -> bool {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

async fn nothing_is_left(claims: &Claims, directory: &TempDir) {
    let settled = async {
        while !claims.0.under_way.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled).await.unwrap();
    for of in ["incoming", "objects"] {
        assert_eq!(names(&directory.path().join(of)), Vec::<String>::new(), "{of}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_given_up_while_it_begins_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let claims = open(&directory);
    for polls in 1..40 {
        give_up_after(polls, claims.begin_upload(1_000)).await;
    }
    nothing_is_left(&claims, &directory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_given_up_while_it_is_kept_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let claims = open(&directory);
    for polls in 1..40 {
        let mut upload = claims.begin_upload(1_000).await.unwrap();
        upload.take(::bytes::Bytes::from_static(b"a body")).await.unwrap();
        upload.whole().await.unwrap();
        let kept = give_up_after(polls, upload.keep()).await;
        if kept {
            // It is not committed: the test knows that without asking the journal.
            upload.settle(false).await;
        }
    }
    nothing_is_left(&claims, &directory).await;
}

#[tokio::test]
async fn what_is_old_and_not_on_its_way_was_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let claims = open(&directory);
    let incoming = directory.path().join("incoming");
    let hour = Duration::from_secs(3600);
    let file = |object: Uuid, end: &str, age: Duration| {
        let file = File::create(incoming.join(format!("{object}{end}"))).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    let (left, slow, new) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    file(left, "", hour * 2);
    file(left, ".body", hour * 2);
    // Its note is old, and its bytes still come.
    file(slow, "", hour * 2);
    file(slow, ".body", Duration::ZERO);
    file(new, "", Duration::ZERO);
    assert_eq!(upload::left_behind(&incoming, hour).unwrap(), [left]);
    assert_eq!(upload::left_behind(&incoming, Duration::ZERO).unwrap().len(), 3, "at the start all of it");
    let upload = claims.begin_upload(1).await.unwrap();
    let under_way: Vec<Uuid> = claims.0.under_way.lock().iter().copied().collect();
    assert!(under_way.len() == 1 && claims.is_under_way(under_way[0]) && !claims.is_under_way(left));
    drop(upload);
}

/// The clock of the runtime stands still and is moved on whenever nothing is to be done.
#[tokio::test(start_paused = true)]
async fn what_was_left_behind_is_removed_while_the_gateway_runs() {
    let (directory, of_journal) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (claims, journal) = (open(&directory), Journal::open(&store(&of_journal)).unwrap());
    let incoming = directory.path().join("incoming");
    let (left, new) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
    for (name, age) in [(&left, limits::CLAIM_LEFT_BEHIND_AGE * 2), (&new, Duration::ZERO)] {
        File::create(incoming.join(name)).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }
    let began = std::time::Instant::now();
    let removed = async {
        while names(&incoming).contains(&left) {
            assert!(began.elapsed() < Duration::from_secs(30), "it is still there");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = keeper::run(claims, journal) => unreachable!("the keeper has no end"),
        () = removed => {}
    }
    assert_eq!(names(&incoming), [new]);
}
