//! A circuit breaker for each destination.
//!
//! Closed: attempts go out. After [`limits::BREAKER_FAILURES_MAX`] failures of the destination in a row it opens: nothing is tried until a
//! pause is over, then one attempt is (half open). Its success closes the breaker, its failure opens it for longer. So
//! a destination that is away costs the queued events none of their attempts but the one event that is tried each time.
//!
//! A destination that has come back is not met with everything that has waited for it: its attempts ramp up, from
//! [`limits::RAMP_FIRST`] at once, twice as many with each second. A failure on the way opens the breaker again.

use std::time::Duration;

use hookgate_config::Retry;
use hookgate_model::limits;
use rand::Rng;
use tokio::time::Instant;

use super::backoff::{ceiling, jitter};

/// A destination's breaker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// In a row.
    failures: u32,
    /// When open: when the next attempt may be made.
    until: Option<Instant>,
    /// When it has closed a moment ago.
    ramp: Option<Ramp>,
}

/// The way back to full speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ramp {
    began: Instant,
    started: u32,
}

impl Ramp {
    /// When one more attempt may start. By `t` seconds there may be `RAMP_FIRST * 2^t` in all.
    fn next(&self) -> Instant {
        let doublings = (f64::from(self.started.saturating_add(1)) / f64::from(limits::RAMP_FIRST)).log2().max(0.0);
        self.began + Duration::from_secs_f64(doublings)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= limits::RAMP_TIME
    }
}

/// What may be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// As much as there is.
    All,
    /// One attempt, while nothing else is in flight.
    One,
    /// Nothing before that time.
    NotBefore(Instant),
}

impl Breaker {
    /// What may be tried now.
    pub fn permit(&self, now: Instant) -> Permit {
        match self.until {
            None => match self.ramp.filter(|ramp| !ramp.is_over(now) && now < ramp.next()) {
                Some(ramp) => Permit::NotBefore(ramp.next()),
                None => Permit::All,
            },
            Some(until) if now < until => Permit::NotBefore(until),
            Some(_) => Permit::One,
        }
    }

    /// Whether the destination counts as away.
    pub fn is_open(&self) -> bool {
        self.until.is_some()
    }

    /// When the way back to full speed ends, and there is nothing left to remember. It is forgotten if that is over.
    pub fn ramp_end(&mut self, now: Instant) -> Option<Instant> {
        self.ramp = self.ramp.filter(|ramp| !ramp.is_over(now));
        self.ramp.map(|ramp| ramp.began + limits::RAMP_TIME)
    }

    /// An attempt has started.
    pub fn started(&mut self) {
        if let Some(ramp) = &mut self.ramp {
            ramp.started = ramp.started.saturating_add(1);
        }
    }

    /// The destination answered.
    pub fn well(&mut self, now: Instant) {
        self.ramp = match self.until {
            Some(_) => Some(Ramp { began: now, started: 0 }),
            None => self.ramp.filter(|ramp| !ramp.is_over(now)),
        };
        (self.failures, self.until) = (0, None);
    }

    /// The destination failed, and perhaps asked for a pause.
    ///
    /// The pauses are those of the retry policy, up to [`limits::BREAKER_PAUSE_MAX`], of which the last quarter is jitter.
    pub fn unwell(&mut self, retry: &Retry, asked: Option<Duration>, now: Instant, rng: &mut impl Rng) {
        if self.until.is_some_and(|until| now < until) {
            // It set out before the breaker opened, and tells nothing new.
            return;
        }
        self.failures = match self.ramp.take() {
            Some(_) => limits::BREAKER_FAILURES_MAX,
            None => self.failures.saturating_add(1),
        };
        if self.failures >= limits::BREAKER_FAILURES_MAX {
            let longest = ceiling(
                retry.first,
                retry.max.min(limits::BREAKER_PAUSE_MAX),
                self.failures - limits::BREAKER_FAILURES_MAX,
            );
            let pause = longest * 3 / 4 + jitter(longest / 4, rng);
            self.until = Some(now + pause.max(asked.unwrap_or_default().min(limits::BREAKER_ASKED_PAUSE_MAX)));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn policy() -> Retry {
        Retry { attempts: 12, first: Duration::from_secs(1), max: Duration::from_secs(3600) }
    }

    fn open(now: Instant) -> (Breaker, StdRng) {
        let (mut breaker, mut rng) = (Breaker::default(), StdRng::seed_from_u64(3));
        for failures in 0..limits::BREAKER_FAILURES_MAX {
            assert_eq!(breaker.permit(now), Permit::All, "after {failures}");
            breaker.unwell(&policy(), None, now, &mut rng);
        }
        (breaker, rng)
    }

    fn wait(breaker: &Breaker, now: Instant) -> Duration {
        match breaker.permit(now) {
            Permit::NotBefore(until) => until - now,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_lets_one_attempt_through_when_the_pause_is_over() {
        let now = Instant::now();
        let (breaker, _) = open(now);
        let pause = wait(&breaker, now);
        assert!((Duration::from_millis(750)..=Duration::from_secs(1)).contains(&pause), "{pause:?}");
        assert_eq!(breaker.permit(now + pause), Permit::One);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_in_between_starts_the_count_again() {
        let (mut breaker, mut rng) = (Breaker::default(), StdRng::seed_from_u64(3));
        for n in 0..limits::BREAKER_FAILURES_MAX * 3 {
            if n % (limits::BREAKER_FAILURES_MAX - 1) == 0 {
                breaker.well(Instant::now());
            }
            breaker.unwell(&policy(), None, Instant::now(), &mut rng);
            assert!(!breaker.is_open());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_their_longest_and_a_success_closes() {
        let mut now = Instant::now();
        let (mut breaker, mut rng) = open(now);
        for _ in 0..20 {
            now += wait(&breaker, now);
            breaker.unwell(&policy(), None, now, &mut rng);
        }
        let pause = wait(&breaker, now);
        assert!(pause <= limits::BREAKER_PAUSE_MAX && pause >= limits::BREAKER_PAUSE_MAX * 3 / 4, "{pause:?}");
        breaker.well(now);
        assert_eq!(breaker.permit(now), Permit::All);
    }

    /// How many attempts start by then when there is always one to make.
    fn starts_by(breaker: &mut Breaker, end: Instant) -> u32 {
        let (mut now, mut starts) = (Instant::now(), 0);
        while now <= end {
            match breaker.permit(now) {
                Permit::NotBefore(next) => now = next.max(now + Duration::from_nanos(1)),
                Permit::All | Permit::One => {
                    breaker.started();
                    starts += 1;
                }
            }
        }
        starts
    }

    #[tokio::test(start_paused = true)]
    async fn a_destination_that_is_back_gets_twice_as_many_with_each_second() {
        let now = Instant::now();
        let (opened, _) = open(now);
        for (seconds, at_most) in [(0, 16), (1, 32), (2, 64), (5, 512)] {
            let mut breaker = opened.clone();
            breaker.well(now);
            let starts = starts_by(&mut breaker, now + Duration::from_secs(seconds));
            assert!((at_most - 1..=at_most).contains(&starts), "{starts} after {seconds} s");
        }
        let mut breaker = opened;
        breaker.well(now);
        breaker.well(now + limits::RAMP_TIME);
        assert_eq!(breaker, Breaker::default());
    }

    /// So that a destination costs nothing again, also if nothing more comes for it.
    #[tokio::test(start_paused = true)]
    async fn after_the_way_back_nothing_is_remembered() {
        let now = Instant::now();
        let (mut breaker, _) = open(now);
        breaker.well(now);
        let end = breaker.ramp_end(now).unwrap();
        assert_eq!(end, now + limits::RAMP_TIME);
        assert_ne!(breaker, Breaker::default());
        assert_eq!(breaker.ramp_end(end), None);
        assert_eq!(breaker, Breaker::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_on_the_way_back_opens_the_breaker_again() {
        let now = Instant::now();
        let (mut breaker, mut rng) = open(now);
        breaker.well(now);
        breaker.unwell(&policy(), None, now, &mut rng);
        assert!(breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn stragglers_do_not_prolong_the_pause() {
        let now = Instant::now();
        let (mut breaker, mut rng) = open(now);
        let pause = wait(&breaker, now);
        breaker.unwell(&policy(), Some(Duration::from_secs(60)), now, &mut rng);
        assert_eq!(wait(&breaker, now), pause);
    }

    #[tokio::test(start_paused = true)]
    async fn the_destination_may_ask_for_a_longer_pause_but_not_for_ever() {
        let mut now = Instant::now();
        let (mut breaker, mut rng) = open(now);
        for (asked, granted) in [(120, 120), (u64::MAX, limits::BREAKER_ASKED_PAUSE_MAX.as_secs())] {
            now += wait(&breaker, now);
            breaker.unwell(&policy(), Some(Duration::from_secs(asked)), now, &mut rng);
            assert_eq!(wait(&breaker, now), Duration::from_secs(granted));
        }
    }
}
