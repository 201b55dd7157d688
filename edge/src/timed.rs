//! Waiting, and not for ever.

use std::{future::Future, pin::pin, time::Duration};

use futures_util::future::{Either, select};

/// What comes of something, unless it takes longer.
pub async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    match select(pin!(future), pin!(spin_sdk::time::sleep(time))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
