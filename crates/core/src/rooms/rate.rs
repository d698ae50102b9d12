//! How often a session may do something: a bucket that fills at a pace.

use std::time::{Duration, Instant};

/// `count` times in `per`, and up to `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time in which one more is allowed.
    pub interval: Duration,
    pub burst: u32,
}

impl Pace {
    #[must_use]
    pub fn new(count: u32, per: Duration, burst: u32) -> Self {
        Self { interval: (per / count.max(1)).max(Duration::from_nanos(1)), burst: burst.max(1) }
    }
}

/// What one session has used of a pace. As GCRA has it: the moment at which the bucket is full again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket(Option<Instant>);

impl Bucket {
    /// Whether nothing is used of it.
    #[must_use]
    pub fn is_full(&self, now: Instant) -> bool {
        self.0.is_none_or(|full| full <= now)
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long to wait for the next one; then nothing was taken.
    pub fn take(&mut self, pace: Pace, now: Instant) -> Result<(), Duration> {
        let full = self.0.map_or(now, |full| full.max(now));
        let depth = pace.interval.saturating_mul(pace.burst - 1);
        match full.saturating_duration_since(now).checked_sub(depth) {
            None | Some(Duration::ZERO) => {
                self.0 = Some(full + pace.interval);
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_then_the_pace() {
        let (mut bucket, start) = (Bucket::default(), origin());
        let pace = Pace::new(10, Duration::from_secs(1), 3);
        let mut taken = |after: u64| {
            (0..100).take_while(|_| bucket.take(pace, start + Duration::from_millis(after)).is_ok()).count()
        };
        assert_eq!(taken(0), 3);
        assert_eq!(taken(99), 0);
        assert_eq!(taken(100), 1);
        assert_eq!(taken(350), 2);
        assert_eq!(taken(10_000), 3);
        assert_eq!(bucket.take(pace, start + Duration::from_secs(10)), Err(Duration::from_millis(100)));
    }

    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn origin() -> Instant {
        Instant::now()
    }

    proptest! {
        /// In any span, no more than the burst and what the pace adds.
        #[test]
        fn never_more_than_allowed(steps in prop::collection::vec(0..500_u64, 1..80), burst in 1..20_u32) {
            let pace = Pace::new(10, Duration::from_secs(1), burst);
            let (mut bucket, mut now, mut taken, start) = (Bucket::default(), origin(), 0_u64, origin());
            now = now.max(start);
            let first = now;
            for step in steps {
                now += Duration::from_millis(step);
                match bucket.take(pace, now) {
                    Ok(()) => taken += 1,
                    Err(wait) => prop_assert!(Bucket(bucket.0).take(pace, now + wait).is_ok()),
                }
                let most = u64::from(burst) + u64::try_from((now - first).as_millis()).unwrap() / 100;
                prop_assert!(taken <= most);
            }
        }
    }
}
