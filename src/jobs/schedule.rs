//! The rules of a kind of job: how many run at a time, how long an attempt may take, when the next one follows, and when
//! the last one has failed.

use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::Timestamp;

/// When and how often a job is tried.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Jobs that run at the same time in one process, so that a slow one does not hold up the others.
    pub concurrency: u32,
    /// How long an attempt may take.
    pub time_limit: Duration,
    /// How long a claimed row stays reserved. Longer than `time_limit`, or a job could run twice at the same time.
    pub lease: TimeDelta,
    pub backoff: Backoff,
    /// The age past which a job that failed is not tried again.
    pub give_up_after: TimeDelta,
}

/// The wait after a failed attempt: doubles each time, up to `longest`.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    Retry { after: Duration, due_at: Timestamp },
    GiveUp,
}

impl Backoff {
    /// The wait after the failed attempt of this number, counted from 1.
    #[must_use]
    pub fn after(&self, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or_default().min(16);
        (self.first * 2_u32.pow(doublings)).min(self.longest)
    }
}

impl Schedule {
    /// What follows when the attempt of this number has failed at `now`; `is_final` if no further one can succeed.
    #[must_use]
    pub fn after_failure(
        &self,
        attempt: i32,
        created_at: Timestamp,
        now: Timestamp,
        is_final: bool,
    ) -> AfterFailure {
        let after = self.backoff.after(attempt);
        let due_at = now + TimeDelta::from_std(after).unwrap_or(self.lease);
        if is_final || due_at - created_at > self.give_up_after {
            AfterFailure::GiveUp
        } else {
            AfterFailure::Retry { after, due_at }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const SCHEDULE: Schedule = Schedule {
        concurrency: 1,
        time_limit: Duration::from_mins(1),
        lease: TimeDelta::minutes(2),
        backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_hours(1) },
        give_up_after: TimeDelta::hours(24),
    };

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (1..=12).map(|attempt| SCHEDULE.backoff.after(attempt).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(SCHEDULE.backoff.after(i32::MAX), SCHEDULE.backoff.longest);
        assert_eq!(SCHEDULE.backoff.after(0), SCHEDULE.backoff.first);
    }

    #[test]
    fn a_failed_job_is_retried_until_it_is_hopeless_or_too_old() {
        let created_at = Clock::System.now();
        let after =
            |age: TimeDelta, is_final| SCHEDULE.after_failure(1, created_at, created_at + age, is_final);
        let first =
            AfterFailure::Retry { after: Duration::from_secs(5), due_at: created_at + TimeDelta::seconds(5) };
        assert_eq!(after(TimeDelta::zero(), false), first);
        assert_eq!(after(TimeDelta::zero(), true), AfterFailure::GiveUp);
        let last = TimeDelta::hours(24) - TimeDelta::seconds(5);
        assert!(matches!(after(last, false), AfterFailure::Retry { .. }));
        assert_eq!(after(last + TimeDelta::microseconds(1), false), AfterFailure::GiveUp);
    }
}
