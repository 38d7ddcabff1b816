//! What several threads of a test target share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the lock. A test that panicked leaves whole measurements behind, or none.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
