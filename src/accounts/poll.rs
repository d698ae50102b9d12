//! The polls that find what others did: a row that was changed by another node, by the command line, by hand, or by
//! this node when its own message was lost. A revocation is a row; the polls apply it here within a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::Accounts;
use super::changes::PollError;
use super::logins::Logins;
use crate::directory::freshness::{Freshness, LIMIT};

/// How often rows are polled, in real time.
pub const PACE: Duration = Duration::from_secs(1);

/// How long a node rests after a poll that the database asked for, in real time: under steady revocations it polls ten
/// times a second.
const REST: Duration = Duration::from_millis(100);

/// How long a poll may take. Less than half of what a poll may be old (`freshness::LIMIT`): that is how old the last one
/// is when the next one ends.
const POLL: Duration = Duration::from_millis(1400);

/// How long polls may fail before this node closes its sockets, so that their clients go to another one.
const STALE_LIMIT: Duration = LIMIT.saturating_add(Duration::from_secs(10));

impl Logins {
    /// Reads which logins were revoked, and whose roles, claims and rights to rooms have changed, since the last poll. Run
    /// once before the first request, it fills the sets of the first two.
    ///
    /// # Errors
    /// [`PollError`] if the rows cannot be read; the data is as old as before then.
    pub async fn poll(&self) -> Result<(), PollError> {
        let this = self.clone();
        self.db
            .run_watch(move |conn| {
                let horizon = this.horizon(conn)?;
                this.read_revocations(conn, &horizon)?;
                this.read_access_changes(conn, &horizon)?;
                this.read_room_changes(conn, &horizon)?;
                Ok::<_, PollError>(())
            })
            .await?;
        self.mark_logins_of_ended_users();
        Ok(())
    }
}

impl Accounts {
    /// Polls every `pace`, and whenever the database says that there is something to read, for ever.
    pub async fn watch(self, pace: Duration) {
        let (access, rooms) = (self.logins().watch_access(), self.logins().watch_rooms());
        futures_util::join!(self.watch_revoked(pace), self.watch_keys(), self.watch_disk(), access, rooms);
    }

    async fn watch_revoked(&self, every: Duration) {
        let Logins { sessions, revocations, wake, .. } = self.logins();
        let freshness = revocations.freshness();
        let mut pace = pace(every);
        let mut wakes = Wakes::new(Arc::clone(wake), REST);
        let mut failing_since = None;
        loop {
            tokio::select! {
                _ = pace.tick() => {}
                () = wakes.next() => {}
            }
            let began = freshness.poll_started();
            let polled = within(self.logins().poll()).await;
            if let Err(error) = &polled {
                tracing::error!(%error, "could not poll for revocations");
            }
            if freshness.poll_finished(began, polled.is_ok()) {
                // The process was stopped while it polled: what it read is from before.
                failing_since = None;
                pace.reset_immediately();
            } else if polled.is_ok() {
                failing_since = None;
                let (now, memory) = (self.0.clock.now(), self.logins().access_memory());
                revocations.prune(now, memory);
                revocations.access_changes().prune(now, memory);
                revocations.room_changes().prune(now, memory);
                revocations.room_tokens().prune(now);
            } else if Freshness::has_elapsed(*failing_since.get_or_insert(began), STALE_LIMIT) {
                sessions.close_stale();
            }
        }
    }

    async fn watch_keys(&self) {
        let mut pace = pace(PACE);
        loop {
            pace.tick().await;
            if let Err(error) = self.reread_keys().await {
                tracing::error!(%error, "could not read the signing keys again");
            }
        }
    }

    /// Holds space in reserve for sign-outs, and finds out when failing writes succeed again.
    async fn watch_disk(&self) {
        self.0.db.hold_reserve().await;
        let mut pace = pace(PACE);
        loop {
            pace.tick().await;
            if let Err(error) = self.0.db.maintain_disk().await {
                // Logged when it began.
                tracing::debug!(%error, "writes still fail");
            }
        }
    }
}

async fn within(poll: impl Future<Output = Result<(), PollError>>) -> Result<(), PollError> {
    #[expect(clippy::disallowed_methods, reason = "a database's real pace; no rule depends on it")]
    tokio::time::timeout(POLL, poll).await.unwrap_or(Err(PollError::Slow))
}

fn pace(every: Duration) -> tokio::time::Interval {
    let mut pace = tokio::time::interval(every);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    pace
}

/// Wakes a loop that is to rest after each time.
struct Wakes {
    wake: Arc<Notify>,
    rest: Duration,
    is_tired: bool,
}

impl Wakes {
    const fn new(wake: Arc<Notify>, rest: Duration) -> Self {
        Self { wake, rest, is_tired: false }
    }

    /// The next time; what wakes it during the rest wakes it afterwards.
    async fn next(&mut self) {
        if self.is_tired {
            #[expect(clippy::disallowed_methods, reason = "the real pace of polls; no rule depends on it")]
            tokio::time::sleep(self.rest).await;
            self.is_tired = false;
        }
        self.wake.notified().await;
        self.is_tired = true;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[actix_web::test]
    async fn a_loop_wakes_at_once_and_then_rests() {
        let wake = Arc::new(Notify::new());
        let mut wakes = Wakes::new(Arc::clone(&wake), Duration::from_hours(1));
        assert_eq!(wakes.next().now_or_never(), None);
        wake.notify_one();
        assert_eq!(wakes.next().now_or_never(), Some(()));
        wake.notify_one();
        assert_eq!(wakes.next().now_or_never(), None, "it rests");
        wakes.rest = Duration::ZERO;
        wakes.next().await;
    }
}
