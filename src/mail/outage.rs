//! An outage of the mail server is logged once, not for each email that waits.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::failure::{Failure, Stage};

/// How long the same failure is not logged again.
const REMINDER: Duration = Duration::from_mins(15);

#[derive(Default)]
pub(super) struct Outage(Mutex<Option<Down>>);

struct Down {
    since: Instant,
    logged: Instant,
    /// The failure without the server's text: many put a different number into each answer.
    failure: (Option<Stage>, Option<u16>),
}

impl Outage {
    /// Notes that the server failed. Returns whether to log that now.
    pub fn note_failure(&self, failure: &Failure, now: Instant) -> bool {
        let kind = (failure.stage, failure.code);
        let mut down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *down {
            Some(down) if down.failure == kind && now.duration_since(down.logged) < REMINDER => false,
            Some(down) => {
                (down.logged, down.failure) = (now, kind);
                true
            }
            None => {
                *down = Some(Down { since: now, logged: now, failure: kind });
                true
            }
        }
    }

    /// Notes that the server accepted or refused an email. Returns how long an outage lasted that ends with this.
    pub fn note_success(&self, now: Instant) -> Option<Duration> {
        let down = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(now.duration_since(down.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn an_outage_is_logged_when_it_begins_changes_and_lasts() {
        let (outage, start) = (Outage::default(), Clock::System.instant());
        let after = |minutes: u64| start + Duration::from_mins(minutes);
        let refused = Failure::server(Stage::Auth, "535 no (id 1)");
        let again = Failure::server(Stage::Auth, "535 no (id 2)");
        let gone = Failure::server(Stage::Connect, "refused");
        assert!(outage.note_success(start).is_none());
        assert!(outage.note_failure(&refused, start));
        assert!(!outage.note_failure(&again, after(14)));
        assert!(outage.note_failure(&gone, after(14)));
        assert!(!outage.note_failure(&gone, after(28)));
        assert!(outage.note_failure(&gone, after(29)));
        assert_eq!(outage.note_success(after(31)), Some(Duration::from_mins(31)));
        assert!(outage.note_success(after(31)).is_none());
        assert!(outage.note_failure(&gone, after(32)), "the next outage is a new one");
    }
}
