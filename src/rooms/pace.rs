//! How often users send to rooms of each kind: over all of their sessions on this node, so that another session is no way
//! to send more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use doorward_core::domain::UserId;
use doorward_core::rooms::{Bucket, Pace};

/// Buckets that are kept before those are forgotten of which nothing is used.
const SWEEP: usize = 4096;

#[derive(Debug, Default)]
struct Buckets {
    used: HashMap<(UserId, String), Bucket>,
    /// How many there were after the last sweep.
    swept: usize,
}

#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<Buckets>);

impl Paces {
    /// Counts a message.
    pub fn take(&self, user: UserId, kind: &str, pace: Pace, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { used, swept } = &mut *buckets;
        if used.len() >= SWEEP.max(2 * *swept) {
            used.retain(|_, bucket| !bucket.is_full(now));
            *swept = used.len();
        }
        used.entry((user, kind.to_owned())).or_default().take(pace, now)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn users_have_a_pace_for_each_kind_and_leave_nothing_behind() {
        let (paces, now) = (Paces::default(), Clock::System.instant());
        let pace = Pace::new(1, Duration::from_secs(1), 1);
        let user = |number| UserId(Uuid::from_u128(number));
        assert!(paces.take(user(1), "chat", pace, now).is_ok());
        assert!(paces.take(user(1), "chat", pace, now).is_err());
        assert!(paces.take(user(1), "news", pace, now).is_ok());
        assert!(paces.take(user(2), "chat", pace, now).is_ok());
        for number in 0..20_000 {
            let later = now + Duration::from_millis(number);
            let _ = paces.take(user(u128::from(number)), "chat", pace, later);
        }
        assert!(paces.0.lock().unwrap().used.len() <= SWEEP + 1000);
    }
}
