//! The poll that notices what others did: a row changed by another node, by the command line, by hand, or by
//! this node when its own message was lost. A revocation is a row; this makes it true here within a second.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::QueryResult;

use super::Logins;
use crate::actors::db::DbError;
use crate::auth::revocation::RevokeReason;
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::domain::LoginId;
use crate::models::logins;

/// How often rows are looked at, in real time.
pub const PACE: Duration = Duration::from_secs(1);

/// How far each look reaches back before the last one: other nodes' clocks may run behind, and a
/// transaction commits later than the moment it wrote down.
const OVERLAP: TimeDelta = TimeDelta::minutes(2);

/// Login ids to ask for in one statement.
const CHUNK: usize = 500;

/// Why a look failed. The next one reaches back to the last that did not.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

impl Logins {
    /// Fills the set of revoked logins from the rows, before the first request. No access token that was
    /// issued longer ago than one lifetime is taken, so older revocations need no entry.
    ///
    /// # Errors
    /// [`PollError`].
    pub async fn load(&self) -> Result<(), PollError> {
        let since = self.clock.now() - self.access_ttl() - OVERLAP;
        self.poll(since).await
    }

    /// One look: the rows revoked since `since`, and whether the logins with live sockets still stand.
    /// The second finds what a moment cannot: a row that was deleted, or one marked with an old date.
    ///
    /// # Errors
    /// [`PollError`].
    pub async fn poll(&self, since: Timestamp) -> Result<(), PollError> {
        let live = self.sessions.logins();
        self.look(move |conn| logins::revoked_since(conn, since)).await?;
        // A piece at a time, so that requests get their turn between.
        for ids in live.chunks(CHUNK) {
            let ids = ids.to_vec();
            self.look(move |conn| logins::ended_among(conn, &ids)).await?;
        }
        Ok(())
    }

    async fn look(
        &self,
        find: impl FnOnce(&mut Conn) -> QueryResult<Vec<(LoginId, RevokeReason)>> + Send + 'static,
    ) -> Result<(), PollError> {
        let this = self.clone();
        self.db
            .run(move |conn| {
                this.announce(find(conn)?);
                Ok(())
            })
            .await
    }

    /// Looks every [`PACE`], for ever.
    pub async fn watch(self) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = self.clock.now() - self.access_ttl();
        loop {
            pace.tick().await;
            let now = self.clock.now();
            // A clock that was set back shows tokens as good again whose notes are gone: look as at the start.
            let since = if now < last { now - self.access_ttl() } else { last };
            match self.poll(since - OVERLAP).await {
                Ok(()) => last = now,
                Err(error) => tracing::error!(%error, "could not look for revocations"),
            }
            self.sessions.revocations().prune(now);
        }
    }
}
