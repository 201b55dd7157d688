//! The time that a call has held a thread, host calls and all; what it waited for its turn does not count.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Counts while a future is polled. The future itself asks it, from within.
#[derive(Clone)]
pub struct Meter {
    began: Instant,
    /// When it was polled last, in nanoseconds since `began`.
    resumed: Arc<AtomicU64>,
}

impl Meter {
    /// At nought.
    pub fn new() -> Self {
        Meter { began: Instant::now(), resumed: Arc::default() }
    }

    /// Notes each moment at which the future goes on.
    pub async fn of<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            self.resumed.store(self.now(), Ordering::Relaxed);
            future.as_mut().poll(context)
        })
        .await
    }

    /// How long the future has held its thread since it went on, or since this was asked last.
    pub fn lap(&self) -> Duration {
        let now = self.now();
        Duration::from_nanos(now.saturating_sub(self.resumed.swap(now, Ordering::Relaxed)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_does_not_count_and_work_does() {
        let meter = Meter::new();
        let work = Duration::from_millis(20);
        let (first, second) = meter
            .of(async {
                std::thread::sleep(work);
                let first = meter.lap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                std::thread::sleep(work);
                (first, meter.lap())
            })
            .await;
        assert!(first >= work && second >= work, "{first:?} {second:?}");
        assert!(second < Duration::from_secs(1), "the wait was counted: {second:?}");
    }
}
