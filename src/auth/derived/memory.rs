//! Bounds the memory that several checks use at the same time.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that threads share. A thread waits for its part.
pub(super) struct MemoryBudget {
    total: u64,
    used: Mutex<u64>,
    released: Condvar,
}

/// A part of the budget, returned when it is dropped.
pub(super) struct Share<'a> {
    budget: &'a MemoryBudget,
    bytes: u64,
}

impl MemoryBudget {
    pub const fn new(total: u64) -> Self {
        Self { total, used: Mutex::new(0), released: Condvar::new() }
    }

    /// Waits until `bytes` are free. More than the whole budget counts as the whole.
    pub fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.total);
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |used: &mut u64| *used + bytes > self.total;
        let mut used = self.released.wait_while(used, fits).unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        drop(used);
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut used = self.budget.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used -= self.bytes;
        drop(used);
        self.budget.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn threads_never_use_more_than_the_budget_and_all_get_their_turn() {
        let budget = MemoryBudget::new(100);
        let (used, most, turns) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for bytes in [0, 30, 50, 70, 100, 1000] {
                let (budget, used, most, turns) = (&budget, &used, &most, &turns);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let share = budget.take(bytes);
                        let now = used.fetch_add(share.bytes, Ordering::SeqCst) + share.bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        used.fetch_sub(share.bytes, Ordering::SeqCst);
                        turns.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(turns.into_inner(), 1200);
        assert!((1..=100).contains(&most.into_inner()));
    }
}
