//! Who gives up a place when all are taken: the holder that has moved nothing for longest.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hookgate_model::limits;
use tokio::time::Instant;

/// Something that holds a place and may rest in it.
pub trait Resting {
    /// Since when nothing has moved; none while it is being worked for.
    fn resting_since(&self) -> Option<Instant>;

    /// Its place is needed: it gives it up as soon as it can.
    fn give_way(&self);
}

/// All holders of the places of one kind.
pub struct Holders<T> {
    all: Mutex<HashMap<u64, Arc<T>>>,
    next: AtomicU64,
}

/// A holder is known for as long as this lives.
pub struct Known<T> {
    holders: Arc<Holders<T>>,
    number: u64,
}

impl<T: Resting> Holders<T> {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Holders { all: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// One more.
    pub fn add(self: &Arc<Self>, holder: Arc<T>) -> Known<T> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).insert(number, holder);
        Known { holders: self.clone(), number }
    }

    /// Asks the holder that has rested for longest to give way, if one has rested for [`limits::RESTING_TIME_MIN`] at
    /// least. `may` says who can be asked.
    pub fn push_out(&self, may: impl Fn(&T) -> bool) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
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

impl<T> Drop for Known<T> {
    fn drop(&mut self) {
        self.holders.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}
