//! The only place that reads the system's clocks, so that a test can stop the time and advance it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{SubsecRound, TimeDelta, Utc};
use futures_util::future::Either;
use tokio::sync::watch;
use uuid::Uuid;

pub use doorward_core::time::{Timestamp, rfc3339, serialize_rfc3339, serialize_rfc3339_or_null};

/// The system's clock, or one that a test controls.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    Manual(ManualClock),
}

impl Clock {
    /// Now in UTC, for rows and tokens. Truncated to microseconds here and nowhere else.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Utc::now().trunc_subsecs(6).naive_utc(),
            Self::Manual(manual) => manual.lock().0,
        }
    }

    /// Now on the monotonic clock, for deadlines: an adjusted wall clock must not end a session.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn instant(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Manual(manual) => manual.lock().1,
        }
    }

    /// The monotonic time at which the wall clock will show `at` (now, if that has passed).
    #[must_use]
    pub fn instant_at(&self, at: Timestamp) -> Instant {
        self.instant() + (at - self.now()).to_std().unwrap_or_default()
    }

    /// Waits until a monotonic time. Every live session holds one of these, so it is no larger than a timer.
    pub fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send + use<> {
        match self {
            Self::System => Either::Left(tokio::time::sleep_until(deadline.into())),
            Self::Manual(manual) => Either::Right(Box::pin(manual.clone().sleep_until(deadline))),
        }
    }

    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.sleep_until(self.instant() + duration)
    }

    /// A new UUIDv7 (RFC 9562 section 5.7): rows sort by creation time.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        let now = self.now().and_utc();
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
    }
}

/// Stands still until [`ManualClock::advance`] moves it. Starts at the current time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<Mutex<(Timestamp, Instant)>>,
    moved: watch::Sender<()>,
}

impl Default for ManualClock {
    fn default() -> Self {
        let now = Mutex::new((Clock::System.now(), Clock::System.instant()));
        Self { now: Arc::new(now), moved: watch::Sender::new(()) }
    }
}

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        {
            let mut now = self.lock();
            now.0 += TimeDelta::from_std(by).unwrap_or_default();
            now.1 += by;
        }
        self.moved.send_replace(());
    }

    async fn sleep_until(self, deadline: Instant) {
        let mut moved = self.moved.subscribe();
        // The sender lives in `self`, so waiting for it never fails.
        while self.lock().1 < deadline && moved.changed().await.is_ok() {}
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Instant)> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
