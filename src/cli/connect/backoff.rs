//! How long to wait before another attempt.

use std::time::Duration;

use doorward::auth::secret;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// Attempts in a row before it gives up.
const TRIES: u32 = 10;

/// Counts attempts in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The connection held: what comes next is another row.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// The delay before the next attempt; none when it is time to give up. `at_once` asks for no delay, which
    /// is granted once in a row.
    pub fn next(&mut self, at_once: bool) -> Option<Duration> {
        if self.tries == TRIES {
            return None;
        }
        self.tries += 1;
        if at_once && self.tries == 1 {
            return Some(Duration::ZERO);
        }
        let longest = (FIRST * (1 << (self.tries - 1))).min(LONGEST);
        // Random by half: clients that were cut together do not come back together.
        let mut random = [0; 4];
        secret::fill(&mut random);
        Some(longest / 2 + longest.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_bound_and_end() {
        for _ in 0..100 {
            let mut backoff = Backoff::default();
            for tries in 0..TRIES {
                let delay = backoff.next(false).unwrap();
                let longest = (FIRST * 2_u32.pow(tries)).min(LONGEST);
                assert!(delay >= longest / 2 && delay <= longest, "{tries}: {delay:?}");
            }
            assert_eq!(backoff.next(false), None);
            assert_eq!(backoff.next(true), None);
            backoff.reset();
            assert!(backoff.next(false).is_some_and(|delay| delay <= FIRST));
        }
    }

    #[test]
    fn at_once_is_for_once() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(true), Some(Duration::ZERO));
        assert!(backoff.next(true).is_some_and(|delay| delay >= FIRST));
    }
}
