//! Tools of the tasks behind the commit: how they go on after a defect, how they are stopped, and how they read queues.

mod cursor;

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::sync::watch;

pub use self::cursor::Cursor;

/// Before a task is started again that broke down.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it ends by itself; one that panics, which is a defect of ours, begins anew from the journal.
pub async fn keep_running<F: Future<Output = ()>>(name: &str, mut task: impl FnMut() -> F) {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        tracing::error!(task = name, "a task broke down and is started again");
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

/// Until the dispatcher is stopped, or gone.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that nobody can stop it any more: it was dropped.
    let _ = stop.wait_for(|stop| *stop).await;
}
