//! Whether this process has fresh revocation data.
//!
//! It polls the rows every second. A process that was stopped for a while, or whose database does not
//! respond, has not polled: its data is stale, and a token that it considers valid may be revoked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

/// How old the last successful poll may be.
pub const LIMIT: Duration = Duration::from_secs(3);

/// How long after a gap the revocations may still be on their way to the sessions they concern.
const SETTLING_TIME: Duration = Duration::from_secs(5);

/// How long a request waits for the next poll.
const REQUEST_WAIT: Duration = Duration::from_secs(2);

/// How current this process's revocation data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreshnessState {
    Fresh,
    /// Fresh since a moment ago: earlier revocations may not have reached every session yet.
    Regained,
    /// The last successful poll is older than [`LIMIT`]: the process was stopped, or the database is
    /// unreachable.
    Stale,
}

/// When the rows were last polled.
#[derive(Debug)]
pub struct Freshness {
    /// Whether a task polls regularly.
    watched: AtomicBool,
    /// When the last successful poll started, in milliseconds of a clock that keeps running while the machine
    /// is suspended.
    polled: AtomicU64,
    /// When a poll last ended a gap.
    regained: AtomicU64,
    /// Signals each successful poll.
    polls: watch::Sender<()>,
}

/// Real time in milliseconds, whatever a test's clock shows: since the machine started, with the time for which it was
/// suspended.
#[must_use]
pub fn boot_millis() -> u64 {
    let clock = if cfg!(target_os = "linux") { ClockId::Boottime } else { ClockId::Monotonic };
    let since = Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn has_passed(moment: u64, now: u64, time: Duration) -> bool {
    u128::from(now.saturating_sub(moment)) >= time.as_millis()
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            watched: AtomicBool::new(false),
            polled: AtomicU64::new(0),
            regained: AtomicU64::new(0),
            polls: watch::Sender::new(()),
        }
    }
}

impl Freshness {
    /// Notes that a poll starts, and returns its time for [`Freshness::poll_finished`]. The time before the
    /// first poll does not count as a gap.
    #[must_use]
    pub fn poll_started(&self) -> u64 {
        let now = boot_millis();
        if !self.watched.load(Ordering::Acquire) {
            self.polled.store(now, Ordering::Release);
            self.watched.store(true, Ordering::Release);
        }
        now
    }

    /// Notes that the poll that started at `began` has finished; `well` says whether it succeeded. Returns
    /// whether the process was stopped meanwhile, so that the poll's result is from before.
    pub fn poll_finished(&self, began: u64, well: bool) -> bool {
        self.poll_finished_at(began, boot_millis(), well)
    }

    fn poll_finished_at(&self, began: u64, now: u64, well: bool) -> bool {
        let stopped = has_passed(began, now, LIMIT);
        if well {
            let before = self.polled.swap(began, Ordering::AcqRel);
            if !stopped && has_passed(before, now, LIMIT) {
                self.regained.store(now, Ordering::Release);
            }
            // Signalled without a gap, too: a caller may have started to wait since `now` was read.
            self.polls.send_replace(());
        }
        stopped
    }

    /// Whether this much real time has passed since a poll started.
    #[must_use]
    pub fn has_elapsed(began: u64, time: Duration) -> bool {
        has_passed(began, boot_millis(), time)
    }

    /// How old the data is; none while no task polls.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let watched = self.watched.load(Ordering::Acquire);
        let age = boot_millis().saturating_sub(self.polled.load(Ordering::Acquire));
        watched.then(|| Duration::from_millis(age))
    }

    /// Whether the data is not older than [`LIMIT`].
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.state() != FreshnessState::Stale
    }

    #[must_use]
    pub fn state(&self) -> FreshnessState {
        if !self.watched.load(Ordering::Acquire) {
            return FreshnessState::Fresh;
        }
        let now = boot_millis();
        if has_passed(self.polled.load(Ordering::Acquire), now, LIMIT) {
            return FreshnessState::Stale;
        }
        match self.regained.load(Ordering::Acquire) {
            0 => FreshnessState::Fresh,
            regained if has_passed(regained, now, SETTLING_TIME) => FreshnessState::Fresh,
            _ => FreshnessState::Regained,
        }
    }

    /// Waits until the data is fresh. Failed polls wake no caller.
    pub async fn until_fresh(&self) {
        let mut polls = self.polls.subscribe();
        // The sender lives in `self`, so waiting for it never fails.
        while !self.is_fresh() && polls.changed().await.is_ok() {}
    }

    /// Waits until the data is fresh, but only briefly.
    pub async fn until_fresh_or_timeout(&self) {
        if !self.is_fresh() {
            #[expect(clippy::disallowed_methods, reason = "a database's real pace; no rule depends on it")]
            let _ = tokio::time::timeout(REQUEST_WAIT, self.until_fresh()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const AGO: u64 = 60_000;

    #[test]
    fn data_is_fresh_without_polls_and_stale_after_an_old_one() {
        let freshness = Freshness::default();
        assert_eq!(freshness.state(), FreshnessState::Fresh);
        let began = freshness.poll_started();
        assert_eq!(freshness.state(), FreshnessState::Fresh, "the start counts as a poll");
        // Long ago, and none since.
        let ago = began.saturating_sub(AGO);
        assert!(!freshness.poll_finished_at(ago, ago, true));
        assert_eq!(freshness.state(), FreshnessState::Stale);
        let mut waiting = Box::pin(freshness.until_fresh());
        assert!((&mut waiting).now_or_never().is_none());
        assert!(!freshness.poll_finished(began, false));
        assert_eq!(freshness.state(), FreshnessState::Stale, "it failed");
        assert!((&mut waiting).now_or_never().is_none());
        assert!(!freshness.poll_finished(began, true));
        assert_eq!(freshness.state(), FreshnessState::Regained);
        assert!((&mut waiting).now_or_never().is_some());
        // A poll that was under way when the process was stopped.
        assert!(freshness.poll_finished(ago, true));
        assert_eq!(freshness.state(), FreshnessState::Stale);
    }

    #[test]
    fn a_caller_that_started_to_wait_during_a_timely_poll_is_woken() {
        let freshness = Freshness::default();
        let began = freshness.poll_started();
        let limit = u64::try_from(LIMIT.as_millis()).unwrap();
        let before = began - limit;
        freshness.polled.store(before, Ordering::Release);
        let mut waiting = Box::pin(freshness.until_fresh());
        assert!((&mut waiting).now_or_never().is_none());
        // A moment before the last one was too old.
        assert!(!freshness.poll_finished_at(began, before + limit - 1, true));
        assert_eq!(freshness.state(), FreshnessState::Fresh, "there was no gap");
        assert!((&mut waiting).now_or_never().is_some());
    }

    #[test]
    fn a_slow_poll_counts_and_a_gap_is_soon_over() {
        let freshness = Freshness::default();
        let began = freshness.poll_started();
        freshness.poll_finished_at(began.saturating_sub(1400), began, true);
        assert_eq!(freshness.state(), FreshnessState::Fresh);
        let then = began.saturating_sub(10_000);
        freshness.polled.store(then - AGO, Ordering::Release);
        freshness.poll_finished_at(then, then, true);
        freshness.poll_finished(began, true);
        freshness.regained.store(then, Ordering::Release);
        assert_eq!(freshness.state(), FreshnessState::Fresh);
    }
}
