//! Whether this process knows of the revocations that there are.
//!
//! It learns of them by looking at the rows, every second. A process that was stopped for a while, or whose database
//! does not answer, has not looked: what it knows is old, and a token that it thinks good may be revoked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

/// How old the last look may be.
pub const LIMIT: Duration = Duration::from_secs(3);

/// How long after a pause what was learned may still be on its way to those whom it concerns.
const AFTERMATH: Duration = Duration::from_secs(5);

/// How long a request waits for the next one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How this process has been of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Here,
    /// Nobody has even tried to look at the rows for long: it was stopped, or could as well have been.
    Away,
    /// It was, a moment ago.
    JustBack,
}

/// When the rows were looked at.
#[derive(Debug)]
pub struct Freshness {
    /// Somebody looks regularly.
    watched: AtomicBool,
    /// When the last look began that went well, and when it was last seen that looks come to an end: milliseconds of
    /// a clock that goes on while the machine sleeps.
    looked: AtomicU64,
    tried: AtomicU64,
    /// When it was last found that nobody had looked for long.
    returned: AtomicU64,
    looks: watch::Sender<()>,
}

/// The process' real life, whatever a test's clock says.
fn now() -> u64 {
    let clock = if cfg!(target_os = "linux") { ClockId::Boottime } else { ClockId::Monotonic };
    let since = Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn is_old(moment: u64, now: u64) -> bool {
    u128::from(now.saturating_sub(moment)) >= LIMIT.as_millis()
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            watched: AtomicBool::new(false),
            looked: AtomicU64::new(0),
            tried: AtomicU64::new(0),
            returned: AtomicU64::new(0),
            looks: watch::Sender::new(()),
        }
    }
}

impl Freshness {
    /// A look begins; its moment is for [`Freshness::ended`]. Before the first there was one, when it was started.
    #[must_use]
    pub fn begin(&self) -> u64 {
        let now = now();
        if !self.watched.load(Ordering::Acquire) {
            self.looked.store(now, Ordering::Release);
            self.tried.store(now, Ordering::Release);
            self.watched.store(true, Ordering::Release);
        }
        now
    }

    /// The look that began then has ended, and found all there was or not.
    pub fn ended(&self, began: u64, well: bool) {
        self.ended_at(began, now(), well);
    }

    fn ended_at(&self, began: u64, now: u64, well: bool) {
        if well {
            self.looked.store(began, Ordering::Release);
        }
        if is_old(self.tried.load(Ordering::Acquire), now) {
            self.returned.store(now, Ordering::Release);
        }
        // One that took so long has slept, and what it saw is from before.
        self.tried.store(if is_old(began, now) { began } else { now }, Ordering::Release);
        self.looks.send_replace(());
    }

    /// What is known is not older than [`LIMIT`].
    #[must_use]
    pub fn is_sure(&self) -> bool {
        !self.watched.load(Ordering::Acquire) || !is_old(self.looked.load(Ordering::Acquire), now())
    }

    #[must_use]
    pub fn presence(&self) -> Presence {
        if !self.watched.load(Ordering::Acquire) {
            return Presence::Here;
        }
        let now = now();
        if is_old(self.tried.load(Ordering::Acquire), now) {
            return Presence::Away;
        }
        let returned = self.returned.load(Ordering::Acquire);
        let lately = u128::from(now.saturating_sub(returned)) < AFTERMATH.as_millis();
        if returned != 0 && lately { Presence::JustBack } else { Presence::Here }
    }

    #[must_use]
    pub fn was_away(&self) -> bool {
        self.presence() == Presence::Away
    }

    /// Waits for a look, if what is known is old; not for long.
    pub async fn sure(&self) {
        if !self.is_sure() {
            let mut looks = self.looks.subscribe();
            let look = async { while !self.is_sure() && looks.changed().await.is_ok() {} };
            #[expect(clippy::disallowed_methods, reason = "a database's real pace; no rule depends on it")]
            let _ = tokio::time::timeout(PATIENCE, look).await;
        }
    }

    /// Waits until somebody has looked, or tried to.
    pub fn back(&self) -> impl Future<Output = ()> + 'static + use<> {
        let mut looks = self.looks.subscribe();
        let away = self.was_away();
        async move {
            if away {
                let _ = looks.changed().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGO: u64 = 60_000;

    #[test]
    fn what_nobody_looks_at_is_believed_and_an_old_look_is_not() {
        let freshness = Freshness::default();
        assert!(freshness.is_sure() && !freshness.was_away());
        let began = freshness.begin();
        assert!(freshness.is_sure() && !freshness.was_away(), "there was one at the start");
        // Long ago, and nothing since.
        freshness.ended_at(began.saturating_sub(AGO), began.saturating_sub(AGO), true);
        assert!(!freshness.is_sure() && freshness.was_away());
        freshness.ended(began, false);
        assert!(!freshness.is_sure(), "the database is away, not the process");
        assert_eq!(freshness.presence(), Presence::JustBack);
        freshness.ended(began, true);
        assert!(freshness.is_sure());
        // A look that was under way when the process was stopped.
        freshness.ended(began.saturating_sub(AGO), true);
        assert!(!freshness.is_sure() && freshness.was_away());
    }

    #[test]
    fn looks_that_take_their_time_are_looks() {
        let freshness = Freshness::default();
        let began = freshness.begin();
        freshness.ended_at(began.saturating_sub(1400), began, false);
        assert!(freshness.is_sure() && !freshness.was_away());
    }
}
