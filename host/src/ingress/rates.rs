//! The rates of a source: verified deliveries, answered handshakes, and failed verifications from one address.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use super::client::counted;
use crate::{
    config::{Rate, SourceLimits},
    limits,
};

/// The rates of one source.
pub struct SourceRates {
    verified: Option<DefaultDirectRateLimiter>,
    /// A bucket of their own: some providers' challenges are signed by nobody, and whoever sends those must not use up
    /// what deliveries need.
    answered: Option<DefaultDirectRateLimiter>,
    failures: DefaultKeyedRateLimiter<IpAddr>,
    /// When those with room again were last forgotten.
    swept: Mutex<Option<Instant>>,
    clock: DefaultClock,
}

/// All addresses together, while too many are remembered. Nobody connects from it.
const TOGETHER: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// Forgetting goes through all addresses: a flood of failures must not bring that about for each of them.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long to wait until there is room again.
pub type Wait = Duration;

impl SourceRates {
    /// Full buckets.
    pub fn new(limits: &SourceLimits) -> Self {
        SourceRates {
            verified: limits.rate.map(|rate| RateLimiter::direct(quota(rate))),
            answered: limits.rate.map(|rate| RateLimiter::direct(quota(rate))),
            failures: RateLimiter::keyed(quota(limits.failures)),
            swept: Mutex::default(),
            clock: DefaultClock::default(),
        }
    }

    /// Spends one verified delivery, or says how long to wait.
    pub fn spend_verified(&self) -> Result<(), Wait> {
        self.spend(&self.verified)
    }

    /// Spends one answer to a handshake, or says how long to wait.
    pub fn spend_answered(&self) -> Result<(), Wait> {
        self.spend(&self.answered)
    }

    fn spend(&self, bucket: &Option<DefaultDirectRateLimiter>) -> Result<(), Wait> {
        let Some(bucket) = bucket else { return Ok(()) };
        bucket.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Counts a failed verification, or says how long to wait when that address has had too many.
    pub fn spend_failure(&self, address: IpAddr) -> Result<(), Wait> {
        self.sweep();
        let full = self.failures.len() >= limits::FAILING_ADDRESSES_MAX;
        let counted = if full { TOGETHER } else { counted(address) };
        self.failures.check_key(&counted).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets addresses with room again when too many are remembered, unless that was done just now.
    fn sweep(&self) {
        if self.failures.len() < limits::FAILING_ADDRESSES_MAX {
            return;
        }
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP_EVERY) {
            *swept = Some(Instant::now());
            self.failures.retain_recent();
        }
    }
}

/// A governor's quota. A period too short for one cell (more than a thousand million a second) is one nanosecond.
pub fn quota(rate: Rate) -> Quota {
    let period = (rate.per / rate.count.get()).max(Duration::from_nanos(1));
    match Quota::with_period(period) {
        Some(quota) => quota.allow_burst(rate.burst),
        None => Quota::per_second(rate.count).allow_burst(rate.burst),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(count: u32, per: Duration, burst: u32) -> Rate {
        Rate { count: NonZeroU32::new(count).unwrap(), per, burst: NonZeroU32::new(burst).unwrap() }
    }

    #[test]
    fn failures_of_one_address_leave_others_and_verified_deliveries_alone() {
        let hour = Duration::from_secs(3600);
        let limits = SourceLimits { rate: Some(rate(1, hour, 2)), body: 1, failures: rate(1, hour, 3) };
        let rates = SourceRates::new(&limits);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..3 {
            assert!(rates.spend_failure(one).is_ok());
        }
        assert!(rates.spend_failure(one).is_err());
        assert!(rates.spend_failure(other).is_ok());
        while rates.spend_answered().is_ok() {}
        assert!(rates.spend_verified().is_ok());
        assert!(rates.spend_verified().is_ok());
        assert!(rates.spend_verified().unwrap_err() > Duration::from_secs(1800));
    }

    #[test]
    fn addresses_beyond_the_bound_are_not_remembered_and_count_together() {
        let hour = Duration::from_secs(3600);
        let rates = SourceRates::new(&SourceLimits { rate: None, body: 1, failures: rate(1, hour, 2) });
        let address = |n: usize| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n as u32));
        for n in 0..limits::FAILING_ADDRESSES_MAX {
            assert!(rates.spend_failure(address(n)).is_ok());
        }
        let beyond: Vec<bool> =
            (0..100).map(|n| rates.spend_failure(address(limits::FAILING_ADDRESSES_MAX + n)).is_ok()).collect();
        assert_eq!(beyond.iter().filter(|ok| **ok).count(), 2, "one bucket for all of them");
        assert!(rates.failures.len() <= limits::FAILING_ADDRESSES_MAX + 1);
    }
}
