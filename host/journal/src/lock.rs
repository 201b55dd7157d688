//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock whose holders never leave things half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
