//! Which calls of plugins run when many want the processor: a bounded number at once, a share of them for each plugin, and
//! only a few calls that compute for long. So a plugin that loops takes neither the places of the others nor all processors.

use std::{future::Future, pin::Pin, sync::Arc, thread};

use hookgate_model::limits;
use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The turns of all plugins.
pub struct Turns {
    calls: Semaphore,
    long: Arc<Semaphore>,
    share: usize,
}

/// The calls of one plugin.
pub struct Share(Semaphore);

/// A place for one call; given back when it is dropped.
pub struct Turn<'a> {
    _of_plugin: SemaphorePermit<'a>,
    _of_all: SemaphorePermit<'a>,
}

impl Turns {
    /// For that many calls at once.
    pub fn new(calls: u32) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Turns {
            calls: Semaphore::new(calls as usize),
            long: Arc::new(Semaphore::new((processors / 2).max(1))),
            share: (calls / limits::PLUGIN_SHARE_OF_CALLS).max(1) as usize,
        }
    }

    /// What one plugin may have of them.
    pub fn share(&self) -> Share {
        Share(Semaphore::new(self.share))
    }

    /// Waits for a place.
    pub async fn turn<'a>(&'a self, share: &'a Share) -> Result<Turn<'a>, AcquireError> {
        let of_plugin = share.0.acquire().await?;
        Ok(Turn { _of_plugin: of_plugin, _of_all: self.calls.acquire().await? })
    }

    /// For a call that may come to compute for long.
    pub fn long(&self) -> LongTurn {
        LongTurn { of: self.long.clone(), taken: Arc::default() }
    }
}

/// What a call needs to go on that has computed for longer than [`limits::PLUGIN_SHORT_TIME`]; given back when the call is
/// over.
pub struct LongTurn {
    of: Arc<Semaphore>,
    taken: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl LongTurn {
    /// What to wait for before the call goes on, unless it has been waited for.
    pub fn wanted(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        if self.taken.lock().is_some() {
            return None;
        }
        let (of, taken) = (self.of.clone(), self.taken.clone());
        Some(Box::pin(async move {
            // It is never closed.
            let turn = of.acquire_owned().await.ok();
            *taken.lock() = turn;
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_plugin_leaves_places_for_the_others() {
        let turns = Turns::new(8);
        let (greedy, modest) = (turns.share(), turns.share());
        let taken: Vec<_> = (0..8).map_while(|_| turns.turn(&greedy).now_or_never()).collect();
        assert_eq!(taken.len(), 8 / limits::PLUGIN_SHARE_OF_CALLS as usize);
        assert!(turns.turn(&modest).now_or_never().is_some());
        drop(taken);
        assert!(turns.turn(&greedy).now_or_never().is_some());
    }

    #[test]
    fn with_a_single_place_everybody_has_it_in_turn() {
        let turns = Turns::new(1);
        let (one, other) = (turns.share(), turns.share());
        let taken = turns.turn(&one).now_or_never().unwrap();
        assert!(turns.turn(&other).now_or_never().is_none());
        drop(taken);
        assert!(turns.turn(&other).now_or_never().is_some());
    }

    #[test]
    fn calls_that_are_long_go_on_one_after_the_other_and_each_waits_once() {
        let turns = Turns { calls: Semaphore::new(2), long: Arc::new(Semaphore::new(1)), share: 1 };
        let (first, second) = (turns.long(), turns.long());
        assert!(first.wanted().unwrap().now_or_never().is_some());
        assert!(first.wanted().is_none());
        assert!(second.wanted().unwrap().now_or_never().is_none());
        drop(first);
        assert!(second.wanted().unwrap().now_or_never().is_some());
    }
}
