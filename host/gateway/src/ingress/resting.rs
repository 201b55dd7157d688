//! Chooses who gives up a place when all are taken: the holder that has rested for longest.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hookgate_model::limits;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Something that holds a place and may rest in it.
pub trait Resting {
    /// Since when nothing has moved; `None` while it has open work.
    fn resting_since(&self) -> Option<Instant>;

    /// Asks it to give up its place as soon as it can.
    fn give_way(&self);
}

/// All holders of one kind of place.
pub struct Holders<T> {
    all: Mutex<HashMap<u64, Arc<T>>>,
    next: AtomicU64,
}

/// Keeps a holder registered until it is dropped.
pub struct Registration<T> {
    holders: Arc<Holders<T>>,
    number: u64,
}

impl<T: Resting> Holders<T> {
    /// An empty registry.
    pub fn new() -> Arc<Self> {
        Arc::new(Holders { all: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Registers a holder.
    pub fn add(self: &Arc<Self>, holder: Arc<T>) -> Registration<T> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.all.lock().insert(number, holder);
        Registration { holders: self.clone(), number }
    }

    /// Asks the holder that has rested for longest to give way, if it has rested for at least [`limits::RESTING_TIME_MIN`].
    /// Only holders for which `may` is true are asked.
    pub fn push_out(&self, may: impl Fn(&T) -> bool) {
        let all = self.all.lock();
        let since = |holder: &Arc<T>| holder.resting_since().map(|since| (since, holder.clone()));
        let resting = all.values().filter(|holder| may(holder)).filter_map(since);
        let longest = resting.min_by_key(|(since, _)| *since);
        drop(all);
        if let Some((since, holder)) = longest
            && since.elapsed() >= limits::RESTING_TIME_MIN
        {
            holder.give_way();
        }
    }
}

impl<T> Drop for Registration<T> {
    fn drop(&mut self) {
        self.holders.all.lock().remove(&self.number);
    }
}
