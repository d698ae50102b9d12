//! How much is done in a time, however much is asked for.

use std::time::{Duration, Instant};

/// So many of something in each stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    most: usize,
    each: Duration,
    since: Option<Instant>,
    left: usize,
}

impl Budget {
    #[must_use]
    pub const fn new(most: usize, each: Duration) -> Self {
        Self { most, each, since: None, left: most }
    }

    /// Whether `count` more may be done now.
    pub fn take(&mut self, count: usize, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= self.each) {
            (self.since, self.left) = (Some(now), self.most);
        }
        let left = self.left.checked_sub(count);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn it_is_used_up_and_comes_back() {
        let (mut budget, start) = (Budget::new(3, Duration::from_secs(2)), Clock::System.instant());
        assert!(budget.take(2, start) && !budget.take(2, start) && budget.take(1, start));
        assert!(!budget.take(1, start + Duration::from_millis(1999)));
        assert!(budget.take(3, start + Duration::from_secs(2)));
    }
}
