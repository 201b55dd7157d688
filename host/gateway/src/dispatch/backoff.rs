//! When to try again.

use std::time::Duration;

use hookgate_config::Retry;
use hookgate_model::limits;
use rand::{Rng, RngExt};

/// The pause after the attempt number `tries` (the first is 1) has failed; none when attempts are spent.
///
/// Exponential backoff with full jitter: evenly spread from nothing to `first * 2^(tries - 1)`, at most `max`
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>). A `Retry-After` is the least that is
/// waited, also beyond `max`, but never more than [`limits::RETRY_AFTER_TIME_MAX`] for its sake.
pub fn pause(retry: &Retry, tries: u32, retry_after: Option<Duration>, rng: &mut impl Rng) -> Option<Duration> {
    if tries >= retry.attempts {
        return None;
    }
    let jittered = jitter(ceiling(retry.first, retry.max, tries.saturating_sub(1)), rng);
    Some(jittered.max(retry_after.unwrap_or_default().min(limits::RETRY_AFTER_TIME_MAX)))
}

/// `first * 2^doublings`, at most `max`.
pub fn ceiling(first: Duration, max: Duration, doublings: u32) -> Duration {
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(max)
}

/// Evenly spread from nothing to `ceiling`, to the millisecond.
pub fn jitter(ceiling: Duration, rng: &mut impl Rng) -> Duration {
    let milliseconds = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.random_range(0..=milliseconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn retry(attempts: u32, first: u64, max: u64) -> Retry {
        Retry { attempts, first: Duration::from_millis(first), max: Duration::from_millis(max) }
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_pause() {
        let seconds = |doublings| ceiling(Duration::from_secs(1), Duration::from_secs(3600), doublings).as_secs();
        assert_eq!([0, 1, 2, 11, 12, 31, 32, u32::MAX].map(seconds), [1, 2, 4, 2048, 3600, 3600, 3600, 3600]);
    }

    #[test]
    fn the_jitter_fills_the_whole_span() {
        let mut rng = StdRng::seed_from_u64(1);
        let policy = retry(9, 1000, 60_000);
        let pauses: Vec<_> =
            (0..4000).filter_map(|_| pause(&policy, 3, None, &mut rng)).map(|pause| pause.as_millis()).collect();
        let quarters = [0..1000, 1000..2000, 2000..3000, 3000..4001]
            .map(|quarter| pauses.iter().filter(|pause| quarter.contains(*pause)).count());
        assert!(quarters.iter().all(|count| (850..1150).contains(count)), "{quarters:?}");
    }

    #[test]
    fn a_retry_after_is_the_least_that_is_waited_and_has_an_end() {
        let mut rng = StdRng::seed_from_u64(2);
        let policy = retry(5, 10, 100);
        let asked = Some(Duration::from_secs(90));
        assert_eq!(pause(&policy, 1, asked, &mut rng), asked);
        assert_eq!(pause(&policy, 1, Some(Duration::MAX), &mut rng), Some(limits::RETRY_AFTER_TIME_MAX));
    }

    proptest! {
        #[test]
        fn a_pause_keeps_its_bounds(
            seed: u64, attempts in 1..100_u32, tries in 1..200_u32, first in 0..10_000_u64, max in 0..10_000_000_u64,
        ) {
            let policy = retry(attempts, first, max);
            let mut rng = StdRng::seed_from_u64(seed);
            match pause(&policy, tries, None, &mut rng) {
                None => prop_assert!(tries >= attempts),
                Some(pause) => {
                    prop_assert!(tries < attempts);
                    prop_assert!(pause <= ceiling(policy.first, policy.max, tries - 1));
                }
            }
        }
    }
}
