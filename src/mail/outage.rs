//! A mail server that takes nothing is logged once, not for each mail that waits.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::failure::{Failure, Stage};

/// How long the same trouble is not mentioned again.
const REMINDER: Duration = Duration::from_mins(15);

#[derive(Default)]
pub(super) struct Outage(Mutex<Option<Down>>);

struct Down {
    since: Instant,
    logged: Instant,
    /// Without the server's words: many put a number of their own into each answer.
    what: (Option<Stage>, Option<u16>),
}

impl Outage {
    /// Notes that the server failed. Answers whether that is worth a line now.
    pub fn note_failure(&self, failure: &Failure, now: Instant) -> bool {
        let what = (failure.stage, failure.code);
        let mut down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *down {
            Some(down) if down.what == what && now.duration_since(down.logged) < REMINDER => false,
            Some(down) => {
                (down.logged, down.what) = (now, what);
                true
            }
            None => {
                *down = Some(Down { since: now, logged: now, what });
                true
            }
        }
    }

    /// Notes that the server took a mail, or judged one. Answers how long it had not.
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
    fn an_outage_is_mentioned_when_it_begins_changes_and_lasts() {
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
        assert!(outage.note_failure(&gone, after(32)), "the next one begins anew");
    }
}
