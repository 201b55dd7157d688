//! How fast a destination may be tried.

use std::time::Duration;

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use hookgate_config::Rate;
use tokio::time::Instant;

/// The rate of a destination; none: as fast as it goes.
#[derive(Debug)]
pub struct Pace(Option<RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>>);

impl Pace {
    /// Starts with the whole burst at hand.
    pub fn new(rate: Option<Rate>) -> Pace {
        let limiter = |rate: Rate| {
            let interval = (rate.per / rate.count.get()).max(Duration::from_nanos(1));
            let quota = Quota::with_period(interval)?.allow_burst(rate.burst);
            Some(RateLimiter::direct_with_clock(quota, TokioClock(Instant::now())))
        };
        Pace(rate.and_then(limiter))
    }

    /// Takes one attempt's worth; else how long to wait for it.
    pub fn take(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        let earliest = |not_until: governor::NotUntil<Duration>| not_until.wait_time_from(limiter.clock().now());
        limiter.check().map_err(earliest)
    }
}

/// The runtime's clock, as the time since it was made, so that all of dispatch goes by one clock.
#[derive(Clone, Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_the_burst_attempts_come_at_the_rate() {
        let number = |n| NonZeroU32::new(n).unwrap();
        let pace = Pace::new(Some(Rate { count: number(5), per: Duration::from_secs(1), burst: number(3) }));
        let began = Instant::now();
        let mut at = Vec::new();
        while at.len() < 7 {
            match pace.take() {
                Ok(()) => at.push(began.elapsed().as_millis()),
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
        // The runtime's timer has steps of a millisecond.
        let late: Vec<_> = at.iter().zip([0, 0, 0, 200, 400, 600, 800]).map(|(at, due)| at - due).collect();
        assert!(late.iter().all(|late| *late <= 4), "{at:?}");
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let pace = Pace::new(None);
        assert!((0..10_000).all(|_| pace.take().is_ok()));
    }
}
