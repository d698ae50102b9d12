//! How long to wait before another attempt.

use std::time::Duration;

/// The longest delay before the first attempt of a row; each further one doubles it.
const FIRST: Duration = Duration::from_millis(500);
/// No delay is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// Attempts in a row before the client gives up.
const ATTEMPTS: u32 = 10;

/// A session that lasted this long was a good one: the attempts after it are a new row.
pub const STEADY: Duration = Duration::from_secs(10);

/// The delays between attempts in a row: random, growing, and bounded in length and number. Randomness is handed in as a
/// fraction from 0 to 1, so that a test or a simulation can repeat it.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Starts a new row, after a session that was [`STEADY`].
    pub const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The delay before the next attempt; `None` when it is time to give up. Between half of the longest delay and all of
    /// it, so that clients which lost a server together do not return together.
    pub fn delay(&mut self, fraction: f64) -> Option<Duration> {
        if self.attempts == ATTEMPTS {
            return None;
        }
        let longest = (FIRST * (1 << self.attempts)).min(LONGEST);
        self.attempts += 1;
        Some(longest.mul_f64(0.5 + fraction.clamp(0.0, 1.0) / 2.0))
    }

    /// No delay for the first attempt of a row, and [`Backoff::delay`] for the others: for a session that was closed only
    /// because its token expired.
    pub fn delay_unless_first(&mut self, fraction: f64) -> Option<Duration> {
        let is_first = self.attempts == 0;
        self.delay(fraction).map(|delay| if is_first { Duration::ZERO } else { delay })
    }
}

/// A number from 0 to 1 out of the system's generator.
pub(crate) fn random_fraction() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness TLS would not work either; the longest delay is always right.
    match rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_bound_and_end() {
        for _ in 0..100 {
            let mut backoff = Backoff::default();
            for attempt in 0..ATTEMPTS {
                let delay = backoff.delay(random_fraction()).unwrap();
                let longest = (FIRST * 2_u32.pow(attempt)).min(LONGEST);
                assert!(delay >= longest / 2 && delay <= longest, "{attempt}: {delay:?}");
            }
            assert_eq!(backoff.delay(0.5), None);
            assert_eq!(backoff.delay_unless_first(0.5), None);
            backoff.reset();
            assert!(backoff.delay(1.0).is_some_and(|delay| delay <= FIRST));
        }
    }

    #[test]
    fn only_the_first_attempt_of_a_row_may_be_immediate() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.delay_unless_first(0.5), Some(Duration::ZERO));
        assert!(backoff.delay_unless_first(0.0).is_some_and(|delay| delay >= FIRST));
    }
}
