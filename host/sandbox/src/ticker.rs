//! The clock of running guests: one thread that moves the engine's epoch on, as long as there are calls.
//!
//! A thread of the operating system, because no runtime's timer can fire while guests hold all its workers. When there has been
//! no call for a while it rests: a thousand wake-ups a second would cost an idle gateway a hundredth of a processor.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use wasmtime::EngineWeak;

/// How often a running guest is looked at. A guest that computes for longer yields to other deliveries at each tick, so
/// one that spins costs the others a tick of latency, not its whole time-out.
pub const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call after which the thread rests. Waking it up costs a call some microseconds.
const TICKS_BEFORE_REST: u32 = 1000;

/// The running thread; it ends when this is dropped.
pub struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    calls: AtomicUsize,
    is_resting: AtomicBool,
    has_ended: AtomicBool,
}

/// A call that is under way.
pub struct Ticking<'t>(&'t Shared);

impl Ticker {
    /// Starts the thread.
    pub fn start(engine: EngineWeak) -> Ticker {
        Ticker::calling(move || _ = engine.upgrade().map(|engine| engine.increment_epoch()))
    }

    fn calling(tick: impl Fn() + Send + 'static) -> Ticker {
        let shared = Arc::new(Shared::default());
        let run = {
            let shared = shared.clone();
            move || shared.run(tick)
        };
        let started = thread::Builder::new().name("plugin-epochs".into()).spawn(run);
        let thread = started.expect("the operating system starts a thread at start-up").thread().clone();
        Ticker { shared, thread }
    }

    /// Has the epoch move on until that is dropped.
    pub fn during_call(&self) -> Ticking<'_> {
        // Counted before the look at the thread, which looks in the opposite order.
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        if self.shared.is_resting.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(&self.shared)
    }
}

impl Shared {
    fn run(&self, tick: impl Fn()) {
        let mut idle = 0;
        while !self.has_ended.load(Ordering::SeqCst) {
            tick();
            idle = if self.calls.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
            if idle < TICKS_BEFORE_REST {
                thread::sleep(TICK);
            } else {
                self.rest();
                idle = 0;
            }
        }
    }

    /// Waits for the next call, or the end.
    fn rest(&self) {
        self.is_resting.store(true, Ordering::SeqCst);
        while self.calls.load(Ordering::SeqCst) == 0 && !self.has_ended.load(Ordering::SeqCst) {
            thread::park();
        }
        self.is_resting.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Instant};

    use super::*;

    fn wait_for(what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < Duration::from_secs(60), "it does not come");
            thread::yield_now();
        }
    }

    #[test]
    fn it_rests_without_calls_ticks_with_one_and_ends() {
        let (ticks, ticked) = mpsc::channel();
        let ticker = Ticker::calling(move || _ = ticks.send(()));
        for _ in 0..3 {
            wait_for(|| ticker.shared.is_resting.load(Ordering::SeqCst));
            while ticked.try_recv().is_ok() {}
            let call = ticker.during_call();
            for _ in 0..TICKS_BEFORE_REST + 10 {
                ticked.recv_timeout(Duration::from_secs(60)).expect("it ticks during a call");
            }
            assert!(!ticker.shared.is_resting.load(Ordering::SeqCst));
            drop(call);
        }
        drop(ticker);
        while ticked.recv_timeout(Duration::from_secs(60)).is_ok() {}
    }
}
