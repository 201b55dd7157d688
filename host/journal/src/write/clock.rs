//! The clocks of a journal.
//!
//! The wall clock may be set at any time, by NTP, by an operator or by a virtual machine that resumes. So nothing waits
//! by it. Events that are held and handoffs that are queued wait by the [`WaitClock`], which only passes. What is kept for a
//! time (idempotency keys, deliveries) is forgotten by the [`CalmClock`], which follows the wall clock but not its jumps.

use std::{sync::Arc, time::Instant};

use hookgate_model::limits::{CLOCK_JUMP_MS, CLOCK_SETTLE_MS};
use hookgate_telemetry::metrics::clock_jumps;

use parking_lot::Mutex;

/// Returns the time, in milliseconds.
pub(crate) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's wall clock.
pub(crate) fn system_clock() -> Clock {
    Arc::new(hookgate_model::clock::now_ms)
}

/// The two clocks that everything else is made of.
#[derive(Clone)]
pub(crate) struct Clocks {
    /// The time of day, in milliseconds since the epoch; it may be set at any time.
    pub(crate) wall: Clock,
    /// How time passes, in milliseconds from an arbitrary start.
    pub(crate) steady: Clock,
}

impl Clocks {
    /// The system's.
    pub(crate) fn system() -> Clocks {
        let begun = Instant::now();
        let steady = move || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Clocks { wall: system_clock(), steady: Arc::new(steady) }
    }
}

/// One clock for both, which a test sets.
impl From<Clock> for Clocks {
    fn from(clock: Clock) -> Clocks {
        Clocks { wall: clock.clone(), steady: clock }
    }
}

/// The clock by which work waits: held events for their release, queued handoffs for their next attempt.
///
/// It goes on where it stood when the store was closed and never goes back. Setting the system's clock releases nothing too
/// early and holds nothing longer, and a wait that was under way during a stop goes on afterwards.
pub(crate) struct WaitClock {
    steady: Clock,
    /// The time, and what the steady clock said then.
    at: Mutex<(u64, u64)>,
}

impl WaitClock {
    pub(crate) fn from(wait_time: u64, steady: Clock) -> Self {
        let now = steady();
        WaitClock { steady, at: Mutex::new((wait_time, now)) }
    }

    /// In milliseconds.
    pub(crate) fn now(&self) -> u64 {
        let mut at = self.at.lock();
        let now = (self.steady)();
        at.0 += now.saturating_sub(at.1);
        at.1 = now;
        at.0
    }
}

/// The wall clock without its jumps.
///
/// When the wall clock moves otherwise than the steady one, by more than [`CLOCK_JUMP_MS`], that is logged, and this clock
/// goes on as if nothing had happened. It follows only when the wall clock has stayed where it is for [`CLOCK_SETTLE_MS`].
/// So a clock that is wrong for a moment makes nothing expire.
pub(crate) struct CalmClock {
    clocks: Clocks,
    state: Mutex<Calm>,
}

struct Calm {
    /// The time in milliseconds since the epoch, and what the steady clock said then.
    time: u64,
    steady: u64,
    /// The wall clock is not followed now.
    jump: Option<Jump>,
    /// Until then, by the steady clock, the wall clock is not sure enough to forget anything by it.
    unsure_until: u64,
}

#[derive(Clone, Copy)]
struct Jump {
    /// How far the wall clock is ahead, in milliseconds.
    by: i64,
    /// What the steady clock said when it jumped.
    since: u64,
}

impl CalmClock {
    /// As the wall clock stands. `last`: the latest time that the store knows of, if it knows any. A wall clock that is far
    /// from there may be wrong (many machines start with a wrong one), and is not sure at first.
    pub(crate) fn new(clocks: Clocks, last: Option<u64>) -> Self {
        let (time, steady) = ((clocks.wall)(), (clocks.steady)());
        let is_far = last.is_some_and(|last| last.abs_diff(time) > CLOCK_SETTLE_MS);
        let unsure_until = if is_far { steady.saturating_add(CLOCK_SETTLE_MS) } else { steady };
        CalmClock { clocks, state: Mutex::new(Calm { time, steady, jump: None, unsure_until }) }
    }

    /// In milliseconds since the epoch.
    pub(crate) fn now(&self) -> u64 {
        self.look().time
    }

    /// Whether things may be forgotten by it now.
    pub(crate) fn is_sure(&self) -> bool {
        let state = self.look();
        state.jump.is_none() && state.steady >= state.unsure_until
    }

    fn look(&self) -> parking_lot::MutexGuard<'_, Calm> {
        let mut state = self.state.lock();
        let (wall, steady) = ((self.clocks.wall)(), (self.clocks.steady)());
        state.follow(wall, steady);
        state
    }
}

impl Calm {
    fn follow(&mut self, wall: u64, steady: u64) {
        let expected = self.time.saturating_add(steady.saturating_sub(self.steady));
        self.steady = steady;
        let by = difference(wall, expected);
        let is_near = |by: i64| by.unsigned_abs() <= CLOCK_JUMP_MS;
        let moved = by.saturating_sub(self.jump.map_or(0, |jump| jump.by));
        if !is_near(moved) {
            clock_jumps().increment(1);
            tell_jump(moved);
            if steady < self.unsure_until {
                // It may have been wrong until now: there is nothing to hold on to.
                self.unsure_until = steady.saturating_add(CLOCK_SETTLE_MS);
                self.time = wall;
                return;
            }
            self.jump = Some(Jump { by, since: steady });
        }
        match self.jump {
            None => self.time = wall,
            Some(_) if is_near(by) => {
                tracing::info!("the system's clock is where it was before it jumped");
                self.jump = None;
                self.time = wall;
            }
            Some(Jump { since, .. }) if steady.saturating_sub(since) >= CLOCK_SETTLE_MS => {
                tracing::warn!("the system's clock has not jumped for an hour: keys and events expire by it again");
                self.jump = None;
                self.time = wall;
            }
            Some(_) => self.time = expected,
        }
    }
}

fn tell_jump(by: i64) {
    let (seconds, way) = (by.unsigned_abs() / 1000, if by > 0 { "forward" } else { "back" });
    tracing::error!(
        "the system's clock jumped {seconds} s {way}; nothing is forgotten by it until it is right again or has stayed so \
         for an hour. Signatures and tokens are still checked by it: see that it is right (NTP)"
    );
}

fn difference(one: u64, other: u64) -> i64 {
    i64::try_from(i128::from(one) - i128::from(other)).unwrap_or(if one > other { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use super::*;

    const START: u64 = 1_700_000_000_000;
    const DAY: u64 = 24 * 60 * 60 * 1000;

    /// Clocks that a test sets: what the steady clock says, and how far the wall clock is ahead of it.
    struct Set(Arc<AtomicU64>, Arc<AtomicU64>);

    impl Set {
        fn new() -> (Set, Clocks) {
            let set = Set(Arc::default(), Arc::new(AtomicU64::new(START)));
            let (steady, passed, ahead) = (set.0.clone(), set.0.clone(), set.1.clone());
            let wall = Arc::new(move || passed.load(SeqCst) + ahead.load(SeqCst));
            (set, Clocks { wall, steady: Arc::new(move || steady.load(SeqCst)) })
        }

        fn pass(&self, ms: u64) {
            self.0.fetch_add(ms, SeqCst);
        }

        /// Sets the wall clock so far ahead of what is right.
        fn wrong_by(&self, ms: i64) {
            self.1.store(START.saturating_add_signed(ms), SeqCst);
        }
    }

    #[test]
    fn a_jump_forth_and_back_is_not_followed() {
        for jump in [10 * DAY as i64, -(DAY as i64), 365 * DAY as i64, CLOCK_JUMP_MS as i64 + 1] {
            let (set, clocks) = Set::new();
            let clock = CalmClock::new(clocks, None);
            set.pass(1000);
            assert_eq!((clock.now(), clock.is_sure()), (START + 1000, true));
            set.wrong_by(jump);
            set.pass(5000);
            assert_eq!((clock.now(), clock.is_sure()), (START + 6000, false));
            set.pass(CLOCK_SETTLE_MS - 5001);
            assert_eq!((clock.now(), clock.is_sure()), (START + CLOCK_SETTLE_MS + 999, false));
            set.wrong_by(0);
            set.pass(1000);
            assert_eq!((clock.now(), clock.is_sure()), (START + CLOCK_SETTLE_MS + 1999, true));
        }
    }

    #[test]
    fn a_clock_that_stays_where_it_jumped_to_is_believed_in_the_end() {
        let (set, clocks) = Set::new();
        let clock = CalmClock::new(clocks, None);
        set.wrong_by(2 * DAY as i64);
        assert_eq!(clock.now(), START);
        set.pass(CLOCK_SETTLE_MS / 2);
        assert_eq!(clock.now(), START + CLOCK_SETTLE_MS / 2);
        // Another jump begins the wait anew.
        set.wrong_by(3 * DAY as i64);
        assert!(!clock.is_sure());
        set.pass(CLOCK_SETTLE_MS - 1);
        assert!(!clock.is_sure());
        set.pass(1);
        assert!(clock.is_sure());
        assert_eq!(clock.now(), START + 3 * DAY + CLOCK_SETTLE_MS / 2 + CLOCK_SETTLE_MS);
    }

    #[test]
    fn small_steps_are_followed() {
        let (set, clocks) = Set::new();
        let clock = CalmClock::new(clocks, None);
        for step in [2000, -3000, CLOCK_JUMP_MS as i64 - 3000, 0] {
            set.wrong_by(step);
            assert_eq!((clock.now(), clock.is_sure()), (START.saturating_add_signed(step), true));
        }
    }

    #[test]
    fn a_start_far_from_what_the_store_knows_is_not_sure_at_first() {
        for (last, sure) in [
            (None, true),
            (Some(START), true),
            (Some(START - CLOCK_SETTLE_MS), true),
            (Some(START - 10 * DAY), false),
            (Some(START + 10 * DAY), false),
        ] {
            let (set, clocks) = Set::new();
            let clock = CalmClock::new(clocks, last);
            assert_eq!((clock.is_sure(), clock.now()), (sure, START), "{last:?}");
            set.pass(CLOCK_SETTLE_MS);
            assert!(clock.is_sure());
        }
    }

    #[test]
    fn a_clock_that_is_put_right_after_such_a_start_is_followed_at_once() {
        let (set, clocks) = Set::new();
        set.wrong_by(10 * DAY as i64);
        let clock = CalmClock::new(clocks, Some(START));
        set.pass(1000);
        assert_eq!((clock.is_sure(), clock.now()), (false, START + 10 * DAY + 1000));
        set.wrong_by(0);
        assert_eq!((clock.is_sure(), clock.now()), (false, START + 1000));
        set.pass(CLOCK_SETTLE_MS);
        assert!(clock.is_sure());
    }

    #[test]
    fn the_wait_clock_passes_and_never_goes_back() {
        let (set, clocks) = Set::new();
        set.pass(1000);
        let clock = WaitClock::from(50, clocks.steady);
        assert_eq!(clock.now(), 50);
        set.pass(7);
        set.wrong_by(10 * DAY as i64);
        assert_eq!(clock.now(), 57);
        set.0.store(0, SeqCst);
        assert_eq!(clock.now(), 57);
        set.pass(3);
        assert_eq!(clock.now(), 60);
    }
}
