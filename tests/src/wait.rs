//! Waiting for something to happen, with a generous end to it.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The longest that anything is waited for: a busy machine is not a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the future gives, or a panic that says what did not happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("did not happen within {PATIENCE:?}: {what}"),
    }
}

/// Asks until there is an answer; for what can only be asked for, such as a page of the admin API.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "did not happen within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
