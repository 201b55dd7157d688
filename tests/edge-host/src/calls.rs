//! What components ask of the platform, for tests that count it.

use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the names of the calls for variables and the key-value store, in order. Cheap to clone, and then the same.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<&'static str>>>);

impl Calls {
    /// The calls since the last time.
    pub fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn note(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    }
}
