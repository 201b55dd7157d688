//! A breaker for plugins that keep breaking: they cost everybody, and their answers are useless.
//!
//! There is one for each source, version of its plugin and function: the settings of one source may be what breaks it.
//! After [`limits::PLUGIN_BREAKER_FAILURES_MAX`] broken calls in a row it opens. From then on the plugin is tried again by
//! each sender after a pause of that sender's own, which doubles with each try that breaks; the first call that ends by
//! the rules closes it.
//!
//! Anybody can send requests that break a plugin, if malformed requests do. So a call that ends by the rules, even with a
//! refusal, resets the count, and a sender that has not broken the plugin since the breaker opened is let through: an
//! attacker only locks out its own address, and an honest sender at another address notices nothing.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use hookgate_model::limits;
use hookgate_telemetry::metrics::plugin_breaker_opened;
use parking_lot::Mutex;
use strum::IntoStaticStr;

use super::Broken;

/// The function of a plugin that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Function {
    /// Judges a delivery.
    Verify,
    /// Turns an admitted event into CloudEvents.
    Transform,
}

impl Function {
    /// Both.
    pub const ALL: [Function; 2] = [Function::Verify, Function::Transform];

    /// As metrics call it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Whom a pause belongs to. `None` stands for the gateway itself and for all senders beyond the limit, together.
type Caller = Option<IpAddr>;

/// The breakers of one source.
pub struct Breakers {
    source: String,
    breakers: Mutex<Vec<Entry>>,
}

struct Entry {
    version: String,
    function: Function,
    breaker: Breaker,
}

/// Permission for one call, whose outcome must be reported.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    function: Function,
    caller: Caller,
    /// The breaker was open, and this call is the caller's attempt.
    is_try: bool,
}

impl Breakers {
    /// All closed.
    pub fn new(source: &str) -> Self {
        Breakers { source: source.to_owned(), breakers: Mutex::default() }
    }

    /// Asks for permission to call a version (by its hash), for a delivery of `sender` if there is one.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub fn ask(&self, version: &str, function: Function, sender: Option<IpAddr>) -> Result<Permit, Duration> {
        let mut breakers = self.breakers.lock();
        match find(&mut breakers, version, function) {
            Some(entry) => {
                let (caller, is_try) = entry.breaker.ask(sender, Instant::now())?;
                Ok(Permit { function, caller, is_try })
            }
            None => Ok(Permit { function, caller: sender, is_try: false }),
        }
    }

    /// Reports how a call ended, which may open or close the breaker.
    pub fn report<T>(&self, version: &str, permit: Permit, outcome: &Result<T, Broken>) {
        let broken = match outcome {
            Ok(_) => None,
            // The plugin is not to blame.
            Err(Broken::KeysNeeded(_) | Broken::Body(_) | Broken::NoTurn | Broken::NoSender) => return,
            Err(broken) => Some(broken),
        };
        let Permit { function, caller, is_try } = permit;
        let mut breakers = self.breakers.lock();
        let (source, call) = (self.source.as_str(), function.name());
        match (find(&mut breakers, version, function), broken) {
            // Most plugins never break, and have no entry.
            (None, None) => {}
            (Some(entry), None) => {
                if entry.breaker.succeeded() {
                    tracing::info!(source, call, version, "the plugin is back");
                }
            }
            (found, Some(why)) => {
                let entry = match found {
                    Some(entry) => entry,
                    None => add(&mut breakers, version, function),
                };
                if entry.breaker.broken(caller, is_try, Instant::now()) {
                    plugin_breaker_opened(source, call).increment(1);
                    tracing::error!(
                        source, call, version, cause = why.cause(), %why,
                        "the plugin is out: it broke {} times in a row", limits::PLUGIN_BREAKER_FAILURES_MAX
                    );
                }
            }
        }
    }

    /// Forgets the failures of a version.
    pub fn forget(&self, version: &str) {
        let mut breakers = self.breakers.lock();
        breakers.retain(|entry| entry.version != version);
    }

    /// Whether a function of a version is out.
    pub fn is_open(&self, version: &str, function: Function) -> bool {
        let mut breakers = self.breakers.lock();
        find(&mut breakers, version, function).is_some_and(|entry| entry.breaker.pauses.is_some())
    }

    /// The functions of a version that are out.
    pub fn open(&self, version: &str) -> Vec<&'static str> {
        let open = Function::ALL.into_iter().filter(|function| self.is_open(version, *function));
        open.map(Function::name).collect()
    }
}

fn find<'a>(breakers: &'a mut [Entry], version: &str, function: Function) -> Option<&'a mut Entry> {
    breakers.iter_mut().find(|entry| entry.function == function && entry.version == version)
}

/// An entry for a version that has none. Where there are too many, the one that has been there for longest goes.
fn add<'a>(breakers: &'a mut Vec<Entry>, version: &str, function: Function) -> &'a mut Entry {
    if breakers.len() >= limits::PLUGIN_BREAKERS_OF_SOURCE_MAX {
        breakers.remove(0);
    }
    let at = breakers.len();
    breakers.push(Entry { version: version.to_owned(), function, breaker: Breaker::default() });
    &mut breakers[at]
}

/// One breaker.
#[derive(Debug, Default)]
struct Breaker {
    /// In a row.
    failures: u32,
    /// When open: the pauses of the callers that have tried since.
    pauses: Option<HashMap<Caller, Pause>>,
}

#[derive(Debug)]
struct Pause {
    length: Duration,
    until: Instant,
}

impl Breaker {
    /// The caller, and whether the call is its attempt at an open breaker; or how long to wait.
    fn ask(&mut self, caller: Caller, now: Instant) -> Result<(Caller, bool), Duration> {
        let Some(pauses) = &mut self.pauses else { return Ok((caller, false)) };
        let is_distinguished = pauses.contains_key(&caller) || pauses.len() < limits::PLUGIN_BREAKER_SENDERS_MAX;
        let caller = caller.filter(|_| is_distinguished);
        let pause = pauses.entry(caller).or_insert(Pause { length: limits::PLUGIN_BREAKER_PAUSE_FIRST, until: now });
        if now < pause.until {
            return Err(pause.until - now);
        }
        // There is no second attempt for the same caller until the outcome is known.
        pause.until = now + pause.length;
        Ok((caller, true))
    }

    /// A call ended by the rules. Whether that closes the breaker.
    fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.pauses.take().is_some()
    }

    /// A call broke. Whether that opens the breaker.
    fn broken(&mut self, caller: Caller, is_try: bool, now: Instant) -> bool {
        match &mut self.pauses {
            None => {
                self.failures = self.failures.saturating_add(1);
                let opens = self.failures >= limits::PLUGIN_BREAKER_FAILURES_MAX;
                if opens {
                    let length = limits::PLUGIN_BREAKER_PAUSE_FIRST;
                    self.pauses = Some(HashMap::from([(caller, Pause { length, until: now + length })]));
                }
                opens
            }
            Some(pauses) => {
                // A call that began before the breaker opened says nothing new.
                if let Some(pause) = pauses.get_mut(&caller).filter(|_| is_try) {
                    pause.length = (pause.length * 2).min(limits::PLUGIN_BREAKER_PAUSE_MAX);
                    pause.until = now + pause.length;
                }
                false
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const FIRST: Duration = limits::PLUGIN_BREAKER_PAUSE_FIRST;

    fn sender(n: u32) -> Caller {
        Some(IpAddr::V4(Ipv4Addr::from(0x0A00_0000 + n)))
    }

    /// Opened by sender 1.
    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for n in 1..=limits::PLUGIN_BREAKER_FAILURES_MAX {
            assert_eq!(breaker.ask(sender(1), now), Ok((sender(1), false)));
            assert_eq!(breaker.broken(sender(1), false, now), n == limits::PLUGIN_BREAKER_FAILURES_MAX);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_a_try_after_the_pause_closes_it() {
        let now = Instant::now();
        let mut breaker = open(now);
        assert_eq!(breaker.ask(sender(1), now), Err(FIRST));
        assert_eq!(breaker.ask(sender(1), now + FIRST), Ok((sender(1), true)));
        assert_eq!(breaker.ask(sender(1), now + FIRST), Err(FIRST), "one try at a time");
        assert!(breaker.succeeded());
        assert!(!breaker.succeeded());
        assert_eq!(breaker.ask(sender(1), now + FIRST), Ok((sender(1), false)));
    }

    #[test]
    fn a_call_that_ends_by_the_rules_begins_the_count_anew() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for n in 0..limits::PLUGIN_BREAKER_FAILURES_MAX * 3 {
            if n % (limits::PLUGIN_BREAKER_FAILURES_MAX - 1) == 0 {
                assert!(!breaker.succeeded());
            }
            assert!(!breaker.broken(sender(1), false, now));
        }
    }

    #[test]
    fn who_has_not_broken_it_is_let_through_while_others_wait() {
        let now = Instant::now();
        let mut breaker = open(now);
        assert_eq!(breaker.ask(sender(2), now), Ok((sender(2), true)));
        assert!(!breaker.broken(sender(2), true, now));
        assert_eq!(breaker.ask(sender(2), now), Err(FIRST * 2));
        assert_eq!(breaker.ask(sender(3), now), Ok((sender(3), true)));
        assert!(breaker.succeeded(), "an honest delivery closes it for all");
        assert_eq!(breaker.ask(sender(2), now), Ok((sender(2), false)));
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_stragglers_do_not_prolong_them() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        let mut expected = FIRST;
        for _ in 0..20 {
            assert!(!breaker.broken(sender(1), false, now), "it set out before");
            assert_eq!(breaker.ask(sender(1), now), Err(expected));
            now += expected;
            assert_eq!(breaker.ask(sender(1), now), Ok((sender(1), true)));
            breaker.broken(sender(1), true, now);
            expected = (expected * 2).min(limits::PLUGIN_BREAKER_PAUSE_MAX);
        }
        assert_eq!(expected, limits::PLUGIN_BREAKER_PAUSE_MAX);
    }

    #[test]
    fn a_crowd_is_told_apart_up_to_a_bound_and_then_counts_together() {
        let now = Instant::now();
        let mut breaker = open(now);
        let crowd = 2..100 + limits::PLUGIN_BREAKER_SENDERS_MAX as u32;
        let let_through = crowd.filter(|n| breaker.ask(sender(*n), now).is_ok()).count();
        // The first one stands there already, and all that are too many have one try together.
        assert_eq!(let_through, limits::PLUGIN_BREAKER_SENDERS_MAX - 1 + 1);
        assert_eq!(breaker.pauses.unwrap().len(), limits::PLUGIN_BREAKER_SENDERS_MAX + 1);
    }

    #[test]
    fn versions_and_functions_have_breakers_of_their_own_and_what_breaks_nothing_does_not_count() {
        let breakers = Breakers::new("shop");
        let call = |version: &str, function, outcome: Result<(), Broken>| {
            let permit = breakers.ask(version, function, None).unwrap();
            breakers.report(version, permit, &outcome);
        };
        for _ in 0..limits::PLUGIN_BREAKER_FAILURES_MAX {
            call("one", Function::Transform, Err(Broken::Trap("unreachable".into())));
            call("two", Function::Transform, Err(Broken::Body("away".into())));
        }
        assert_eq!(breakers.open("one"), ["transform"]);
        assert!(breakers.open("two").is_empty());
        assert!(breakers.ask("one", Function::Transform, None).unwrap_err() <= FIRST);
        call("one", Function::Verify, Ok(()));
        call("two", Function::Transform, Ok(()));
        assert_eq!(breakers.open("one"), ["transform"]);
        breakers.forget("two");
        assert_eq!(breakers.open("one"), ["transform"]);
        for n in 0..limits::PLUGIN_BREAKERS_OF_SOURCE_MAX {
            call(&n.to_string(), Function::Verify, Err(Broken::Memory(1)));
        }
        assert!(breakers.open("one").is_empty(), "what was pushed out is forgotten");
    }
}
