//! Bounds how much work the messages of other nodes can cause in a period.

use std::time::{Duration, Instant};

use super::message::{Envelope, NodeId, NodeMessage};

/// Messages read each second (one counts once for each KiB), and revoked logins taken from them. The rest is
/// ignored: the revocation poll finds lost revocations.
const READ: Budget = Budget::new(60_000, Duration::from_secs(1));
const REVOKED: Budget = Budget::new(5000, Duration::from_secs(1));

/// Messages between two yields to this thread's other tasks.
const YIELD_AFTER: usize = 256;

/// Log lines about ignored messages.
const LOG_LINES: Budget = Budget::new(1, Duration::from_secs(10));

/// A number of actions per period.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    limit: usize,
    period: Duration,
    started: Option<Instant>,
    remaining: usize,
}

impl Budget {
    #[must_use]
    pub const fn new(limit: usize, period: Duration) -> Self {
        Self { limit, period, started: None, remaining: limit }
    }

    /// Uses up `count` of the budget; false if that is more than remains.
    pub fn take(&mut self, count: usize, now: Instant) -> bool {
        if self.started.is_none_or(|started| now.saturating_duration_since(started) >= self.period) {
            (self.started, self.remaining) = (Some(now), self.limit);
        }
        let remaining = self.remaining.checked_sub(count);
        self.remaining = remaining.unwrap_or(self.remaining);
        remaining.is_some()
    }
}

/// The budgets for everything that other nodes can cause.
#[derive(Debug)]
pub struct Budgets {
    read: Budget,
    revoked: Budget,
    log_lines: Budget,
    /// Messages ignored since the last log line.
    ignored: u64,
    /// Messages read since this task last yielded.
    since_yield: usize,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { read: READ, revoked: REVOKED, log_lines: LOG_LINES, ignored: 0, since_yield: 0 }
    }
}

impl Budgets {
    /// Whether to let other tasks of this thread run before the next message.
    pub const fn should_yield(&mut self) -> bool {
        let due = self.since_yield >= YIELD_AFTER;
        if due {
            self.since_yield = 0;
        }
        due
    }

    /// Reads a message; none if the budget is used up or the message is invalid.
    pub fn read(&mut self, own: NodeId, bytes: &[u8], now: Instant) -> Option<Envelope> {
        let size = 1 + bytes.len() / 1024;
        self.since_yield += size;
        let problem = if self.read.take(size, now) {
            match Envelope::read(bytes) {
                Ok(Envelope { node, message: NodeMessage::Revoked { logins, .. }, .. })
                    if node != own && !self.revoked.take(logins.len(), now) =>
                {
                    "too many revoked logins".to_owned()
                }
                Ok(envelope) => return Some(envelope),
                Err(unreadable) => unreadable.to_string(),
            }
        } else {
            "too many messages".to_owned()
        };
        self.ignored += 1;
        if self.log_lines.take(1, now) {
            let messages = std::mem::take(&mut self.ignored);
            tracing::warn!(problem, messages, "ignored messages of other nodes");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_budget_is_used_up_and_renewed() {
        let (mut budget, start) = (Budget::new(3, Duration::from_secs(2)), Clock::System.instant());
        assert!(budget.take(2, start) && !budget.take(2, start) && budget.take(1, start));
        assert!(!budget.take(1, start + Duration::from_millis(1999)));
        assert!(budget.take(3, start + Duration::from_secs(2)));
    }

    #[test]
    fn messages_over_the_budget_are_ignored_until_the_next_second() {
        let (mut budgets, start) = (Budgets::default(), Clock::System.instant());
        let (own, other) = (NodeId(uuid::Uuid::nil()), NodeId(uuid::Uuid::max()));
        let message = NodeMessage::Beat { sessions: 0 };
        let beat = serde_json::to_vec(&Envelope { node: other, number: 1, message }).unwrap();
        let read =
            |budgets: &mut Budgets, at| (0..70_000).filter_map(|_| budgets.read(own, &beat, at)).count();
        assert_eq!(read(&mut budgets, start), 60_000);
        assert!(budgets.should_yield() && !budgets.should_yield());
        assert!(budgets.read(own, b"x", start).is_none());
        assert_eq!(read(&mut budgets, start + Duration::from_secs(1)), 60_000);
    }
}
