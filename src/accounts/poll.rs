//! The polls that find what others did: a row that was changed by another node, by the command line, by hand, or by
//! this node when its own message was lost. A revocation is a row; the polls apply it here within a second.

use std::time::Duration;

use super::Accounts;
use super::logins::{Logins, OVERLAP};
use crate::actors::db::DbError;
use crate::directory::freshness::{Freshness, LIMIT};
use crate::models::logins;
use doorward_core::domain::LoginId;
use doorward_core::domain::RevokeReason;

/// How often rows are polled, in real time.
pub const PACE: Duration = Duration::from_secs(1);

/// How long a poll may take. Less than half of what a poll may be old (`freshness::LIMIT`): that is how old the last one
/// is when the next one ends.
const POLL: Duration = Duration::from_millis(1400);

/// How long polls may fail before this node closes its sockets, so that their clients go to another one.
const STALE_LIMIT: Duration = LIMIT.saturating_add(Duration::from_secs(10));

/// How long a login that is authenticated for the first time waits for others, to be checked together with them.
const TOGETHER: Duration = Duration::from_millis(50);

/// Login ids to ask for in one statement.
const CHUNK: usize = 500;

/// Why a poll failed. The next one sees what it missed.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    #[error("the database takes too long")]
    Slow,
}

impl Logins {
    /// Which logins are revoked whose access tokens may still be good, and whose roles and claims have changed. Run once
    /// before the first request, it fills the sets of both.
    ///
    /// # Errors
    /// [`PollError`].
    pub async fn poll(&self) -> Result<(), PollError> {
        let since = self.clock.now() - self.access_ttl() - OVERLAP;
        let this = self.clone();
        self.db
            .run_watch(move |conn| {
                this.announce(logins::revoked_and_seen_since(conn, since)?);
                this.read_access_changes(conn)?;
                Ok(())
            })
            .await
    }

    /// Checks that the logins which have live sockets, or were authenticated lately, are still active. This finds a row
    /// that was deleted, and a user who was deleted or disabled by hand.
    async fn poll_live(&self) -> Result<(), PollError> {
        let mut ids = self.sessions.directory().logins();
        ids.append(&mut self.revocations.known_logins().unexpired(self.clock.now()));
        ids.sort_unstable();
        ids.dedup();
        self.check(ids).await
    }

    async fn check(&self, ids: Vec<LoginId>) -> Result<(), PollError> {
        for ids in ids.chunks(CHUNK) {
            let (this, ids) = (self.clone(), ids.to_vec());
            let by_user = self
                .db
                .run_watch(move |conn| {
                    let revoked = logins::inactive_among(conn, &ids)?;
                    let is_new = |login: LoginId| this.revocations.get(login).is_none();
                    let by_user = revoked.iter().filter(|login| login.by_user && is_new(login.id));
                    let by_user: Vec<_> = by_user.map(|login| (login.id, login.reason)).collect();
                    this.announce(revoked.iter().map(|login| (login.id, login.reason)));
                    Ok::<_, PollError>(by_user)
                })
                .await?;
            self.revoke_rows(&by_user);
        }
        Ok(())
    }

    /// Marks the rows of these logins revoked, because their user is gone: for nodes that have not seen them yet. Here they
    /// are refused already.
    fn revoke_rows(&self, revoked: &[(LoginId, RevokeReason)]) {
        for reason in [RevokeReason::AccountDeleted, RevokeReason::AccountDisabled] {
            let ids: Vec<_> = revoked.iter().filter(|(_, why)| *why == reason).map(|(id, _)| *id).collect();
            if !ids.is_empty() {
                let this = self.clone();
                actix::spawn(async move {
                    if let Err(error) = this.revoke_all(ids, reason).await {
                        tracing::warn!(%error, "the logins of a deleted user are not marked as revoked yet");
                    }
                });
            }
        }
    }
}

impl Accounts {
    /// Polls every [`PACE`], for ever.
    pub async fn watch(self) {
        let access = self.logins().watch_access();
        futures_util::join!(
            self.watch_revoked(),
            self.watch_others(),
            self.watch_new(),
            self.watch_disk(),
            access
        );
    }

    async fn watch_revoked(&self) {
        let Logins { sessions, revocations, .. } = self.logins();
        let freshness = revocations.freshness();
        let mut pace = pace();
        let mut failing_since = None;
        loop {
            pace.tick().await;
            let began = freshness.poll_started();
            let polled = self.poll_all(freshness.is_fresh()).await;
            if let Err(error) = &polled {
                tracing::error!(%error, "could not poll for revocations");
            }
            if freshness.poll_finished(began, polled.is_ok()) {
                // The process was stopped while it polled: what it read is from before.
                failing_since = None;
                pace.reset_immediately();
            } else if polled.is_ok() {
                failing_since = None;
                let now = self.0.clock.now();
                revocations.prune(now);
                revocations.access_changes().prune(now, self.logins().access_memory());
            } else if Freshness::has_elapsed(*failing_since.get_or_insert(began), STALE_LIMIT) {
                sessions.close_stale();
            }
        }
    }

    async fn poll_all(&self, is_fresh: bool) -> Result<(), PollError> {
        within(self.logins().poll()).await?;
        if is_fresh {
            return Ok(());
        }
        // After a gap also what only the other poll finds, before any request is answered.
        match within(self.logins().poll_live()).await {
            // With so many sockets that it takes longer than a poll may, no request would ever be answered.
            Err(PollError::Slow) => Ok(()),
            done => done,
        }
    }

    /// Beside the poll for revocations: with many sockets it takes longer, and no request waits for it.
    async fn watch_others(&self) {
        let mut pace = pace();
        loop {
            pace.tick().await;
            if let Err(error) = self.reread_keys().await {
                tracing::error!(%error, "could not read the signing keys again");
            }
            if let Err(error) = self.logins().poll_live().await {
                tracing::error!(%error, "could not poll the logins of live sockets");
            }
        }
    }

    /// Checks logins soon after they were first authenticated, instead of with the next poll.
    async fn watch_new(&self) {
        let known = self.logins().revocations.known_logins();
        loop {
            known.wait_for_unchecked().await;
            #[expect(clippy::disallowed_methods, reason = "a database's real pace; no rule depends on it")]
            tokio::time::sleep(TOGETHER).await;
            if let Err(error) = self.logins().check(known.take_unchecked()).await {
                // The poll of live sockets checks them as well.
                tracing::debug!(%error, "could not check logins after their first use");
            }
        }
    }

    /// Holds space in reserve for sign-outs, and finds out when failing writes succeed again.
    async fn watch_disk(&self) {
        self.0.db.hold_reserve().await;
        let mut pace = pace();
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

fn pace() -> tokio::time::Interval {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    pace
}
