//! Whether a client is there, and reads what it is sent.

use std::time::{Duration, Instant};

use super::{Effect, Rules, Unread};
use crate::protocol::CloseReason;

/// Whether the client is there, and reads.
#[derive(Debug)]
pub(super) struct Liveness {
    heartbeat: Duration,
    pong_timeout: Option<Duration>,
    last_activity: Instant,
    /// Activity is checked once a heartbeat, so that traffic moves no timer.
    next_check: Instant,
    at_last_check: Unread,
}

impl Liveness {
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        let Rules { heartbeat, pong_timeout, .. } = rules;
        Self {
            heartbeat,
            pong_timeout,
            last_activity: now,
            next_check: now + heartbeat,
            at_last_check: Unread::default(),
        }
    }

    pub(super) const fn record_activity(&mut self, now: Instant) {
        self.last_activity = now;
    }

    pub(super) fn tick(&mut self, now: Instant, unread: Unread) -> Effect {
        if self.pong_by().is_some_and(|pong_by| now >= pong_by) {
            // Its pong may be behind requests that wait for it to read, which it does.
            if unread.waiting > 0 && unread.drained != self.at_last_check.drained {
                self.record_activity(now);
            } else {
                return Effect::Close(CloseReason::HeartbeatTimeout);
            }
        }
        if now < self.next_check {
            return Effect::Nothing;
        }
        let before = std::mem::replace(&mut self.at_last_check, unread);
        self.next_check = now + self.heartbeat;
        // Nothing of what waited a heartbeat ago has left since.
        if before.waiting > 0 && unread.waiting > 0 && before.drained == unread.drained {
            return Effect::Close(CloseReason::TooSlow);
        }
        // One that reads slowly has its pongs behind requests that wait for it to read.
        if unread.drained != before.drained && before.waiting > 0 {
            self.record_activity(now);
        }
        if self.pong_timeout.is_some() {
            return Effect::Ping;
        }
        // Rounded: the answer to the last check's ping came a round trip after that check.
        let silent = now.saturating_duration_since(self.last_activity) + self.heartbeat / 2;
        if silent >= self.heartbeat * 2 {
            return Effect::Close(CloseReason::HeartbeatTimeout);
        }
        if silent >= self.heartbeat { Effect::Ping } else { Effect::Nothing }
    }

    /// Where every heartbeat is pinged: when the answer to the first ping after the last sign of life is late.
    fn pong_by(&self) -> Option<Instant> {
        self.pong_timeout.map(|timeout| self.last_activity + self.heartbeat + timeout)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.pong_by().map_or(self.next_check, |pong_by| pong_by.min(self.next_check))
    }
}
