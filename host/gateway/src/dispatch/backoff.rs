//! When to try again.

use std::time::Duration;

use hookgate_config::Retry;
use hookgate_model::limits;
use rand::{Rng, RngExt};

/// What the destination has said about the next attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Its `Retry-After`.
    pub after: Option<Duration>,
    /// It has more than it can take: it has said so, or has not answered in time.
    pub is_overloaded: bool,
}

/// The pause after the attempt number `tries` (the first is 1) has failed; none when attempts are spent.
///
/// The steps grow exponentially: `first * 2^(tries - 1)`, at most `max`. A pause is spread around its step, by
/// [`limits::RETRY_SPREAD_PERCENT`] to either side, so that events that have failed together do not come back together.
/// [`limits::RETRY_FLOOR`] is the least where the destination is overloaded, and a `Retry-After` the least in any case, also
/// beyond `max`. What is spread there comes on top: the destination sees nothing earlier than it has asked for. For the sake of
/// a `Retry-After` nothing waits longer than [`limits::RETRY_AFTER_TIME_MAX`].
pub fn pause(retry: &Retry, tries: u32, asked: Asked, rng: &mut impl Rng) -> Option<Duration> {
    if tries >= retry.attempts {
        return None;
    }
    let step = ceiling(retry.first, retry.max, tries.saturating_sub(1));
    let spread = spread_of(step);
    let planned = between(step.saturating_sub(spread), (step + spread).min(retry.max), rng);
    let floor = if asked.is_overloaded { limits::RETRY_FLOOR.min(retry.max) } else { Duration::ZERO };
    let wanted = asked.after.unwrap_or_default().min(limits::RETRY_AFTER_TIME_MAX);
    let least = floor.max(wanted);
    if planned >= least {
        return Some(planned);
    }
    let later = least + jitter(spread_of(least.min(limits::RETRY_FLOOR)), rng);
    Some(later.min(limits::RETRY_AFTER_TIME_MAX.max(retry.max)))
}

fn spread_of(step: Duration) -> Duration {
    step * limits::RETRY_SPREAD_PERCENT / 100
}

fn between(least: Duration, most: Duration, rng: &mut impl Rng) -> Duration {
    least + jitter(most.saturating_sub(least), rng)
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

    const NOTHING: Asked = Asked { after: None, is_overloaded: false };

    #[test]
    fn pauses_are_spread_around_their_step() {
        let mut rng = StdRng::seed_from_u64(1);
        let policy = retry(9, 1000, 60_000);
        let pauses: Vec<_> =
            (0..4000).filter_map(|_| pause(&policy, 3, NOTHING, &mut rng)).map(|pause| pause.as_millis()).collect();
        let quarters = [3200..3600, 3600..4000, 4000..4400, 4400..4801]
            .map(|quarter| pauses.iter().filter(|pause| quarter.contains(*pause)).count());
        assert!(quarters.iter().all(|count| (850..1150).contains(count)), "{quarters:?}");
    }

    #[test]
    fn a_retry_after_is_the_least_that_is_waited_and_has_an_end() {
        let mut rng = StdRng::seed_from_u64(2);
        let policy = retry(5, 10, 100);
        let after = |after| Asked { after: Some(after), is_overloaded: false };
        let asked = Duration::from_secs(90);
        let pauses: Vec<_> = (0..1000).filter_map(|_| pause(&policy, 1, after(asked), &mut rng)).collect();
        assert!(pauses.iter().all(|pause| (asked..=asked + Duration::from_secs(12)).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause > asked + Duration::from_secs(6)), "they come at the same time");
        assert_eq!(pause(&policy, 1, after(Duration::MAX), &mut rng), Some(limits::RETRY_AFTER_TIME_MAX));
        // It makes nothing come earlier.
        let long = retry(5, 3_600_000, 3_600_000);
        assert!(pause(&long, 1, after(asked), &mut rng) >= Some(Duration::from_secs(2880)));
    }

    #[test]
    fn an_overloaded_destination_is_left_alone_for_a_minute_or_the_longest_pause() {
        let mut rng = StdRng::seed_from_u64(3);
        let overloaded = Asked { after: None, is_overloaded: true };
        let minute = pause(&retry(5, 10, 3_600_000), 1, overloaded, &mut rng);
        assert!((Some(Duration::from_secs(60))..=Some(Duration::from_secs(72))).contains(&minute), "{minute:?}");
        let short = pause(&retry(5, 10, 100), 1, overloaded, &mut rng);
        assert!((Some(Duration::from_millis(100))..=Some(Duration::from_millis(120))).contains(&short), "{short:?}");
    }

    proptest! {
        #[test]
        fn a_pause_keeps_its_bounds(
            seed: u64, attempts in 1..100_u32, tries in 1..200_u32, first in 0..10_000_u64, max in 0..10_000_000_u64,
        ) {
            let policy = retry(attempts, first, max);
            let mut rng = StdRng::seed_from_u64(seed);
            match pause(&policy, tries, NOTHING, &mut rng) {
                None => prop_assert!(tries >= attempts),
                Some(pause) => {
                    prop_assert!(tries < attempts);
                    let step = ceiling(policy.first, policy.max, tries - 1);
                    prop_assert!(step * 4 / 5 <= pause && pause <= (step * 6 / 5).min(policy.max.max(step)), "{pause:?}");
                }
            }
        }
    }
}
