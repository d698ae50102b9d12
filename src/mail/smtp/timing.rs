//! How long the mail server may take: for one step of a conversation, and for the whole.

use std::time::Duration;

use tokio::time::Instant;

use crate::mail::failure::{Failure, Stage, Verdict};

/// For a whole conversation: a server that answers each step in time could make it last. Shorter than a lease.
pub(in crate::mail) const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// For QUIT, and for finding out whether an idle connection still works.
pub(super) const COURTESY: Duration = Duration::from_secs(5);

/// How long a server may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::mail) struct Pace {
    /// For the connection to one address.
    pub(super) connect: Duration,
    /// For each answer.
    pub(super) step: Duration,
    /// After this long without a greeting, a second connection finds out which protocol the port speaks. Only where a
    /// person waits for the answer: the server would log it as an attack.
    pub(super) probe: Option<Duration>,
}

impl Pace {
    pub const DELIVERY: Self =
        Self { connect: Duration::from_secs(10), step: Duration::from_secs(30), probe: None };
    pub const TEST: Self = Self {
        connect: Duration::from_secs(5),
        step: Duration::from_secs(10),
        probe: Some(Duration::from_secs(2)),
    };
}

/// The time that one attempt to send an email has left.
pub(super) struct Attempt {
    deadline: Instant,
    step: Duration,
}

impl Attempt {
    pub fn new(pace: Pace) -> Self {
        Self { deadline: now() + ATTEMPT_TIMEOUT, step: pace.step }
    }

    /// The same attempt, in which a single step may take all the time that is left.
    pub fn patient(&self) -> Self {
        Self { step: ATTEMPT_TIMEOUT, ..*self }
    }

    /// The time until the deadline.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(now())
    }

    /// Does one step of the conversation within its time.
    pub async fn step<T, E>(
        &self,
        stage: Stage,
        work: impl Future<Output = Result<T, E>>,
        failure: impl FnOnce(E) -> Failure,
    ) -> Result<T, Failure> {
        let limit = self.step.min(self.remaining());
        if let Some(outcome) = timeout(limit, work).await {
            return outcome.map_err(failure);
        }
        let verdict = if stage < Stage::Recipient { Verdict::Server } else { Verdict::Temporary };
        Err(Failure::at(stage, verdict, format!("no answer within {} s", limit.as_secs().max(1))))
    }
}

#[expect(clippy::disallowed_methods, reason = "a conversation with a server takes real time")]
pub(super) async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

#[expect(clippy::disallowed_methods, reason = "a conversation with a server takes real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a conversation with a server takes real time")]
pub(super) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
