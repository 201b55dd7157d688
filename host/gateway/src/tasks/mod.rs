//! Helpers of the tasks after the commit: restarting after a defect, stopping, and reading queues.

mod cursor;

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::sync::watch;

pub use self::cursor::Cursor;

/// Before a task that panicked is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it ends. If it panics, which is a defect of hookgate, it starts again from the journal.
pub async fn keep_running<F: Future<Output = ()>>(name: &str, mut task: impl FnMut() -> F) {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        tracing::error!(task = name, "a task broke down and is started again");
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}

/// Waits until the dispatcher is stopped or dropped.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the dispatcher was dropped.
    let _ = stop.wait_for(|stop| *stop).await;
}
