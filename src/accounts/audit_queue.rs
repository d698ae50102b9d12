//! Failures on their way into the audit trail.
//!
//! What is done is recorded by the transaction that does it. A failure changes nothing, and anyone can cause any number, so
//! it is counted in memory and written beside the request: those that are alike (the same action, reason, network, and
//! account or name without one) share a row for a minute. A flood writes a bounded number of rows that way, and slows no
//! sign-in down. Names without an account have rows of their own like accounts, though these look the same: to count a
//! failure is the same work whether there is such an account or not, so no time tells. A process that is killed
//! loses the failures of its last second; their lines are in the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use super::{Accounts, Caller, Error};
use crate::clock::Timestamp;
use crate::limits::{RateLimits, Refused};
use crate::models::audit_events::{Action, Actor, NewEvent, Reason};
use crate::models::audit_failures::{self, CountedFailure};
use crate::models::failed_attempts::Slot;
use doorward_core::domain::{self, UserId};

/// How long failures that are alike share a row.
const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// Rows that are kept in memory until their minute is over. Further failures are counted by action and reason alone.
const MOST: usize = 4096;

/// Rows without an account among them: requests that cost their client little must not push out those about accounts.
const MOST_WITHOUT_ACCOUNT: usize = MOST / 2;

/// Rows that are written in one transaction.
const BATCH: usize = 500;

/// How often rows are written.
const PACE: Duration = Duration::from_secs(1);

/// The most transactions in a second.
const MOST_BATCHES: usize = MOST / BATCH + 2;

/// Which failures are alike.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    action: Action,
    reason: Option<Reason>,
    subject: Option<UserId>,
    /// Where wrong passwords for the name are counted: it stands for the name, which is not kept.
    slot: Option<Slot>,
    actor: Option<String>,
    network: Option<IpAddr>,
}

struct Entry {
    failure: CountedFailure,
    /// How many the row tells of; 0 if there is none yet.
    written: u64,
}

#[derive(Default)]
struct Counted {
    entries: HashMap<Kind, Entry>,
    /// Entries without an account.
    without_account: usize,
    /// Failures that were counted without account and address since the log last said so.
    nameless: u64,
}

/// Failures of the last minute, and those that are not written yet.
#[derive(Default)]
pub(super) struct AuditQueue {
    counted: Mutex<Counted>,
    /// The last attempt to write failed, and the log says so.
    fails: AtomicBool,
}

impl AuditQueue {
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, event: NewEvent<'static>, slot: Option<Slot>, count: u64, now: Timestamp) {
        let mut counted = self.lock();
        let Counted { entries, without_account, nameless } = &mut *counted;
        let mut kind = Kind {
            action: event.action,
            reason: event.reason,
            subject: event.subject,
            slot,
            actor: event.actor_id.clone(),
            network: event.address.map(domain::network),
        };
        let mut event = event;
        let is_full =
            entries.len() >= MOST || event.subject.is_none() && *without_account >= MOST_WITHOUT_ACCOUNT;
        if is_full && !entries.contains_key(&kind) {
            *nameless += count;
            kind = Kind { subject: None, slot: None, actor: None, network: None, ..kind };
            event = NewEvent {
                subject: None,
                actor_id: None,
                address: None,
                login: None,
                request: None,
                ..event
            };
        }
        match entries.get_mut(&kind) {
            // One that cannot be written stays the row of its kind for longer.
            Some(entry) if now - entry.failure.at < WINDOW || entry.written < entry.failure.count => {
                entry.failure.count += count;
                entry.failure.last_at = now;
            }
            _ => {
                let is_without = event.subject.is_none();
                let failure = CountedFailure { event, at: now, last_at: now, count };
                if entries.insert(kind, Entry { failure, written: 0 }).is_none() && is_without {
                    *without_account += 1;
                }
            }
        }
    }

    /// Up to `most` rows to write, in the order of their ids, so that of two transactions with the same rows neither waits
    /// for what the other has. Forgets those whose minute is over.
    fn unwritten(&self, most: usize, now: Timestamp) -> Vec<CountedFailure> {
        let mut counted = self.lock();
        let Counted { entries, without_account, .. } = &mut *counted;
        entries.retain(|_, entry| entry.written < entry.failure.count || now - entry.failure.at < WINDOW);
        *without_account = entries.values().filter(|entry| entry.failure.event.subject.is_none()).count();
        let unwritten = entries.values().filter(|entry| entry.written < entry.failure.count);
        let mut unwritten: Vec<_> = unwritten.take(most).map(|entry| entry.failure.clone()).collect();
        unwritten.sort_unstable_by_key(|failure| failure.event.id);
        unwritten
    }

    /// These were written.
    fn mark_written(&self, failures: &[CountedFailure]) {
        let written: HashMap<_, _> =
            failures.iter().map(|failure| (failure.event.id, failure.count)).collect();
        for entry in self.lock().entries.values_mut() {
            if let Some(count) = written.get(&entry.failure.event.id) {
                entry.written = *count;
            }
        }
    }

    fn take_nameless(&self) -> u64 {
        std::mem::take(&mut self.lock().nameless)
    }
}

impl Accounts {
    /// Records that a client was not let in, or not believed. `subject` is the account that it was about, if there is one.
    pub(super) fn record_failure(
        &self,
        caller: &Caller,
        action: Action,
        reason: Reason,
        subject: Option<UserId>,
    ) {
        self.record_failure_at(None, caller, action, reason, subject);
    }

    /// The same where wrong passwords are counted in a slot.
    pub(super) fn record_failure_at(
        &self,
        slot: Option<Slot>,
        caller: &Caller,
        action: Action,
        reason: Reason,
        subject: Option<UserId>,
    ) {
        let event = caller.event(self.0.clock.new_id(), action, subject);
        let event = NewEvent { outcome: reason.outcome(), reason: Some(reason), ..event };
        event.line().log();
        self.0.metrics.failed(action, reason);
        self.0.audit_queue.add(event, slot, 1, self.0.clock.now());
    }

    /// Records what a limit has refused. There may be many in a second, so they have one line together.
    fn record_refused(&self, Refused { limit, address, count }: Refused) {
        let reason = Reason::Limit(limit.name());
        let event = NewEvent {
            id: self.0.clock.new_id(),
            actor: Actor::User,
            actor_id: None,
            action: Action::LimitReached,
            subject: None,
            address,
            login: None,
            request: None,
            detail: None,
            outcome: reason.outcome(),
            reason: Some(reason),
        };
        let mut line = event.line();
        line.count = Some(count);
        line.log();
        self.0.audit_queue.add(event, None, count, self.0.clock.now());
    }

    /// Writes failures into the audit trail, each second, for as long as the process runs.
    pub async fn write_failures(self, limits: RateLimits) {
        let mut seconds = 0_u32;
        loop {
            self.0.clock.sleep(PACE).await;
            self.write_pending_failures(&limits).await;
            seconds = seconds.wrapping_add(1);
            let nameless = if seconds.is_multiple_of(60) { self.0.audit_queue.take_nameless() } else { 0 };
            if nameless > 0 {
                tracing::warn!(
                    count = nameless,
                    "too many clients fail: further failures are counted without account and address"
                );
            }
        }
    }

    /// Writes what there is, each second and at the end.
    pub async fn write_pending_failures(&self, limits: &RateLimits) {
        limits.take_refused().into_iter().for_each(|refused| self.record_refused(refused));
        for _ in 0..MOST_BATCHES {
            if self.write_failures_once().await < BATCH {
                return;
            }
        }
    }

    /// Returns how many rows were written.
    async fn write_failures_once(&self) -> usize {
        let queue = &self.0.audit_queue;
        let failures = queue.unwritten(BATCH, self.0.clock.now());
        if failures.is_empty() {
            return 0;
        }
        let rows = failures.clone();
        let written = self.0.db.transaction(move |conn| Ok::<_, Error>(audit_failures::store(conn, rows)?));
        match written.await {
            Ok(()) => {
                queue.mark_written(&failures);
                queue.fails.store(false, Ordering::Relaxed);
                failures.len()
            }
            Err(error) => {
                if !queue.fails.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "failures cannot be written into the audit trail for now");
                }
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;
    use crate::models::audit_events::Outcome;

    fn event(user: u128, address: [u8; 4]) -> NewEvent<'static> {
        NewEvent {
            id: Clock::System.new_id(),
            actor: Actor::User,
            actor_id: None,
            action: Action::SignInFailed,
            subject: Some(UserId(Uuid::from_u128(user))),
            address: Some(address.into()),
            login: None,
            request: None,
            detail: None,
            outcome: Outcome::Failed,
            reason: Some(Reason::WrongPassword),
        }
    }

    fn counts(failures: &[CountedFailure]) -> Vec<u64> {
        let mut counts: Vec<_> = failures.iter().map(|failure| failure.count).collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn failures_that_are_alike_share_a_row_for_a_minute() {
        let (queue, start) = (AuditQueue::default(), Clock::System.now());
        for _ in 0..1000 {
            queue.add(event(1, [192, 0, 2, 7]), None, 1, start);
        }
        queue.add(event(2, [192, 0, 2, 7]), None, 1, start);
        queue.add(event(1, [192, 0, 2, 8]), None, 1, start);
        let first = queue.unwritten(BATCH, start);
        assert_eq!(counts(&first), [1, 1, 1000]);
        queue.mark_written(&first);
        assert!(queue.unwritten(BATCH, start).is_empty());

        let later = start + TimeDelta::seconds(59);
        queue.add(event(1, [192, 0, 2, 7]), None, 1, later);
        let more = queue.unwritten(BATCH, later);
        assert_eq!(counts(&more), [1001]);
        assert_eq!((more[0].at, more[0].last_at), (start, later));
        assert!(first.iter().any(|failure| failure.event.id == more[0].event.id), "the same row");
        queue.mark_written(&more);

        let after = start + WINDOW;
        queue.add(event(1, [192, 0, 2, 7]), None, 1, after);
        let next = queue.unwritten(BATCH, after);
        assert_eq!((counts(&next), next[0].at), (vec![1], after));
    }

    #[test]
    fn a_flood_takes_bounded_memory_and_loses_no_count() {
        let (queue, now) = (AuditQueue::default(), Clock::System.now());
        for number in 0..20_000_u32 {
            queue.add(event(number.into(), number.to_be_bytes()), None, 1, now);
        }
        let all = queue.unwritten(usize::MAX, now);
        assert_eq!(all.len(), MOST + 1);
        assert_eq!(all.iter().map(|failure| failure.count).sum::<u64>(), 20_000);
        let nameless: Vec<_> = all.iter().filter(|failure| failure.event.address.is_none()).collect();
        assert!(nameless.len() == 1 && nameless[0].event.subject.is_none());
        assert_eq!(queue.take_nameless(), nameless[0].count);
        assert_eq!(queue.unwritten(BATCH, now).len(), BATCH, "a part at a time");
        queue.mark_written(&all);
        assert!(queue.unwritten(BATCH, now + WINDOW).is_empty());
        assert!(queue.lock().entries.is_empty());
    }

    #[test]
    fn failures_without_an_account_leave_room_for_others() {
        let (queue, now) = (AuditQueue::default(), Clock::System.now());
        for number in 0..u32::try_from(MOST).unwrap() {
            let [_, a, b, c] = number.to_be_bytes();
            queue.add(NewEvent { subject: None, ..event(1, [10, a, b, c]) }, None, 1, now);
        }
        queue.add(event(7, [192, 0, 2, 7]), None, 1, now);
        let failures = queue.unwritten(2 * MOST, now);
        let without = failures.iter().filter(|failure| failure.event.subject.is_none()).count();
        assert_eq!(without, MOST_WITHOUT_ACCOUNT + 1, "and one row for all others");
        assert_eq!(failures.len() - without, 1);
    }
}
