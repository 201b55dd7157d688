//! The rates of a source: verified deliveries, answered handshakes, and failed verifications from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use hookgate_config::{Rate, SourceLimits};
use hookgate_model::limits;
use parking_lot::Mutex;

use hookgate_net::client::Client;

/// The rates of one source.
pub struct SourceRates {
    verified: Option<DefaultDirectRateLimiter>,
    /// A separate bucket: the challenges of some providers are not signed, and a forger must not use up the rate of
    /// deliveries.
    answered: Option<DefaultDirectRateLimiter>,
    failures: Failures,
    clock: DefaultClock,
}

/// The time until there is room again.
pub type Wait = Duration;

impl SourceRates {
    /// Full buckets.
    pub fn new(limits: &SourceLimits) -> Self {
        SourceRates {
            verified: limits.rate.map(|rate| RateLimiter::direct(quota(rate))),
            answered: limits.rate.map(|rate| RateLimiter::direct(quota(rate))),
            failures: Failures::new(quota(limits.failures)),
            clock: DefaultClock::default(),
        }
    }

    /// Spends one verified delivery, or returns how long to wait.
    pub fn spend_verified(&self) -> Result<(), Wait> {
        self.spend(&self.verified)
    }

    /// Spends one answer to a handshake, or returns how long to wait.
    pub fn spend_answered(&self) -> Result<(), Wait> {
        self.spend(&self.answered)
    }

    fn spend(&self, bucket: &Option<DefaultDirectRateLimiter>) -> Result<(), Wait> {
        let Some(bucket) = bucket else { return Ok(()) };
        bucket.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Counts a failed verification.
    ///
    /// # Errors
    /// The client has had too many.
    pub fn spend_failure(&self, client: Client) -> Result<(), Exceeded> {
        self.failures.spend(client)
    }
}

/// Failures of each client: the limit, and which of those beyond it are logged.
pub struct Failures {
    limiter: DefaultKeyedRateLimiter<Client>,
    /// When clients with room again were last forgotten.
    swept: Mutex<Option<Instant>>,
    logged: Mutex<HashMap<Client, Logged>>,
    clock: DefaultClock,
}

/// A client has had too many failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The time until there is room again.
    pub wait: Wait,
    /// If this is to be logged, the number of failures before it that were not.
    pub untold: Option<u64>,
}

/// When a failure of a client beyond the limit was last logged, and how many there were since.
#[derive(Clone, Copy)]
struct Logged {
    at: Instant,
    untold: u64,
}

/// Stands for all clients while too many are remembered. This address does not occur.
const TOGETHER: Client = Client::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
/// Forgetting visits all addresses, so a flood of failures must not cause it each time.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl Failures {
    fn new(quota: Quota) -> Self {
        Failures {
            limiter: RateLimiter::keyed(quota),
            swept: Mutex::default(),
            logged: Mutex::default(),
            clock: DefaultClock::default(),
        }
    }

    /// Limits only the lines in the log.
    pub fn for_log() -> Self {
        Failures::new(Quota::per_second(limits::REFUSALS_TOLD_A_SECOND))
    }

    /// Counts a refusal. If it is to be logged, returns the number of those before it that were not.
    pub fn untold(&self, client: Client) -> Option<u64> {
        self.spend(client).map_or_else(|exceeded| exceeded.untold, |()| Some(0))
    }

    fn spend(&self, client: Client) -> Result<(), Exceeded> {
        self.sweep();
        let full = self.limiter.len() >= limits::FAILING_ADDRESSES_MAX;
        let counted = if full { TOGETHER } else { client.counted() };
        self.limiter.check_key(&counted).map_err(|until| Exceeded {
            wait: until.wait_time_from(self.clock.now()),
            untold: self.log(counted, Instant::now()),
        })
    }

    /// Whether to log a failure beyond the limit: the first one of a client, and then one for each pause.
    fn log(&self, client: Client, now: Instant) -> Option<u64> {
        let mut logged = self.logged.lock();
        if logged.len() >= limits::FAILING_ADDRESSES_MAX && !logged.contains_key(&client) {
            logged.retain(|_, logged| now < logged.at + limits::FAILURES_TOLD_EVERY);
            if logged.len() >= limits::FAILING_ADDRESSES_MAX {
                return None;
            }
        }
        let before = logged.get(&client).copied();
        match before {
            Some(before) if now < before.at + limits::FAILURES_TOLD_EVERY => {
                logged.insert(client, Logged { untold: before.untold + 1, ..before });
                None
            }
            _ => {
                logged.insert(client, Logged { at: now, untold: 0 });
                Some(before.map_or(0, |before| before.untold))
            }
        }
    }

    /// Forgets addresses with room again when too many are remembered, unless that was done just now.
    fn sweep(&self) {
        if self.limiter.len() < limits::FAILING_ADDRESSES_MAX {
            return;
        }
        let mut swept = self.swept.lock();
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP_EVERY) {
            *swept = Some(Instant::now());
            self.limiter.retain_recent();
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
        let client = |address: &str| Client::Address(address.parse().unwrap());
        let (one, other) = (client("192.0.2.1"), client("192.0.2.2"));
        for _ in 0..3 {
            assert!(rates.spend_failure(one).is_ok());
        }
        assert!(rates.spend_failure(one).is_err());
        assert!(rates.spend_failure(other).is_ok());
        assert!(rates.spend_failure(Client::Unknown).is_ok(), "unknown senders have a bucket of their own");
        while rates.spend_answered().is_ok() {}
        assert!(rates.spend_verified().is_ok());
        assert!(rates.spend_verified().is_ok());
        assert!(rates.spend_verified().unwrap_err() > Duration::from_secs(1800));
    }

    #[test]
    fn addresses_beyond_the_bound_are_not_remembered_and_count_together() {
        let hour = Duration::from_secs(3600);
        let rates = SourceRates::new(&SourceLimits { rate: None, body: 1, failures: rate(1, hour, 2) });
        let address = |n: usize| Client::Address(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n as u32)));
        for n in 0..limits::FAILING_ADDRESSES_MAX {
            assert!(rates.spend_failure(address(n)).is_ok());
        }
        let beyond: Vec<bool> =
            (0..100).map(|n| rates.spend_failure(address(limits::FAILING_ADDRESSES_MAX + n)).is_ok()).collect();
        assert_eq!(beyond.iter().filter(|ok| **ok).count(), 2, "one bucket for all of them");
        assert!(rates.failures.limiter.len() <= limits::FAILING_ADDRESSES_MAX + 1);
    }

    #[test]
    fn beyond_the_limit_a_client_is_told_once_for_each_pause() {
        let hour = Duration::from_secs(3600);
        let failures = Failures::new(quota(rate(1, hour, 2)));
        let (one, other) = (Client::Unknown, Client::Address("192.0.2.2".parse().unwrap()));
        let logged = |client| failures.spend(client).map_err(|exceeded| exceeded.untold);
        assert_eq!([logged(one), logged(one)], [Ok(()), Ok(())]);
        assert_eq!([logged(one), logged(one), logged(one)], [Err(Some(0)), Err(None), Err(None)]);
        assert_eq!([logged(other), logged(other), logged(other)], [Ok(()), Ok(()), Err(Some(0))]);
        let later = Instant::now() + limits::FAILURES_TOLD_EVERY;
        assert_eq!(failures.log(one, later), Some(2));
        assert_eq!(failures.log(one, later), None);
    }
}
