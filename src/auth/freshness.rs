//! Whether this process knows of the revocations that there are.
//!
//! It learns of them by looking at the rows, every second. A process that was stopped for a while, or whose database
//! does not answer, has not looked: what it knows is old, and a token that it thinks good may be revoked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How old the last look may be.
pub const LIMIT: Duration = Duration::from_secs(3);

/// How long a request waits for the next one.
const PATIENCE: Duration = Duration::from_secs(2);

/// When the rows were looked at.
#[derive(Debug)]
pub struct Freshness {
    begun: Instant,
    /// Somebody looks regularly.
    watched: AtomicBool,
    /// Milliseconds from `begun` to the beginning of the last look that went well, and of the last one.
    looked: AtomicU64,
    tried: AtomicU64,
    looks: watch::Sender<()>,
}

#[expect(clippy::disallowed_methods, reason = "a process' real life, whatever a test's clock says")]
fn now() -> Instant {
    Instant::now()
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            begun: now(),
            watched: AtomicBool::new(false),
            looked: AtomicU64::new(0),
            tried: AtomicU64::new(0),
            looks: watch::Sender::new(()),
        }
    }
}

impl Freshness {
    fn age(&self, of: &AtomicU64) -> Duration {
        now().saturating_duration_since(self.begun + Duration::from_millis(of.load(Ordering::Acquire)))
    }

    /// A look begins; its moment is for [`Freshness::ended`].
    #[must_use]
    pub fn begin(&self) -> u64 {
        self.watched.store(true, Ordering::Release);
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The look that began then has ended, and found all there was or not.
    pub fn ended(&self, began: u64, well: bool) {
        if well {
            self.looked.store(began, Ordering::Release);
        }
        self.tried.store(began, Ordering::Release);
        self.looks.send_replace(());
    }

    /// What is known is not older than [`LIMIT`].
    #[must_use]
    pub fn is_sure(&self) -> bool {
        !self.watched.load(Ordering::Acquire) || self.age(&self.looked) < LIMIT
    }

    /// Nobody has even tried to look for that long: the process was stopped, or could as well have been.
    #[must_use]
    pub fn was_away(&self) -> bool {
        self.watched.load(Ordering::Acquire) && self.age(&self.tried) >= LIMIT
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

    fn aged(seconds: u64) -> Freshness {
        // Saturating: a machine may have started a moment ago.
        let begun = now().checked_sub(Duration::from_secs(seconds)).unwrap_or_else(now);
        Freshness { begun, ..Freshness::default() }
    }

    #[test]
    fn what_nobody_looks_at_is_believed_and_an_old_look_is_not() {
        let freshness = aged(60);
        assert!(freshness.is_sure() && !freshness.was_away());
        let began = freshness.begin();
        assert!(!freshness.is_sure() && freshness.was_away());
        freshness.ended(began, false);
        assert!(!freshness.is_sure() && !freshness.was_away(), "the database is away, not the process");
        freshness.ended(began, true);
        assert!(freshness.is_sure());
        // A look that was under way when the process was stopped.
        freshness.ended(began - 30_000, true);
        assert!(!freshness.is_sure() && freshness.was_away());
    }
}
