//! The poll that notices what others did: a row changed by another node, by the command line, by hand, or by
//! this node when its own message was lost. A revocation is a row; this makes it true here within a second.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::QueryResult;

use super::{Accounts, Logins};
use crate::actors::db::DbError;
use crate::auth::revocation::RevokeReason;
use crate::db::Conn;
use crate::domain::LoginId;
use crate::models::logins;

/// How often rows are looked at, in real time.
pub const PACE: Duration = Duration::from_secs(1);

/// How long a look may take. Less than half of what a look may be old (`freshness::LIMIT`): that is how old the last one
/// is when the next one ends.
const LOOK: Duration = Duration::from_millis(1400);

/// How much further a look reaches back than an access token lives: other nodes' clocks may run behind, and a
/// transaction commits later than the moment it wrote down. More than the leeway of a token's `iat`.
pub(super) const OVERLAP: TimeDelta = TimeDelta::minutes(2);

/// Login ids to ask for in one statement.
const CHUNK: usize = 500;

/// Why a look failed. The next one sees what it missed.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

impl Logins {
    /// Which logins are revoked whose access tokens may still be good. Run once before the first request, it fills
    /// the set of revoked logins.
    ///
    /// # Errors
    /// [`PollError`].
    pub async fn poll(&self) -> Result<(), PollError> {
        let since = self.clock.now() - self.access_ttl() - OVERLAP;
        self.look(move |conn| logins::revoked_and_seen_since(conn, since)).await
    }

    /// Whether the logins with live sockets still stand: this finds a row that was deleted.
    async fn poll_live(&self) -> Result<(), PollError> {
        for ids in self.sessions.logins().chunks(CHUNK) {
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
            .run_watch(move |conn| {
                this.announce(find(conn)?);
                Ok(())
            })
            .await
    }
}

impl Accounts {
    /// Looks every [`PACE`], for ever.
    pub async fn watch(self) {
        futures_util::join!(self.watch_revoked(), self.watch_others());
    }

    async fn watch_revoked(&self) {
        let freshness = self.logins().sessions.revocations().freshness();
        let mut pace = pace();
        loop {
            pace.tick().await;
            let began = freshness.begin();
            #[expect(clippy::disallowed_methods, reason = "a database's real pace; no rule depends on it")]
            let looked = tokio::time::timeout(LOOK, self.logins().poll()).await;
            match &looked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "could not look for revocations"),
                Err(_) => tracing::error!("could not look for revocations: the database takes too long"),
            }
            freshness.ended(began, matches!(looked, Ok(Ok(()))));
            if freshness.was_away() {
                // Stopped while it looked: what it saw is from before.
                pace.reset_immediately();
                continue;
            }
            self.logins().sessions.revocations().prune(self.0.clock.now());
        }
    }

    /// Beside the other: with many sockets it takes longer, and nobody waits for it.
    async fn watch_others(&self) {
        let mut pace = pace();
        loop {
            pace.tick().await;
            if let Err(error) = self.reread_keys().await {
                tracing::error!(%error, "could not read the signing keys again");
            }
            if let Err(error) = self.logins().poll_live().await {
                tracing::error!(%error, "could not look at the logins of live sockets");
            }
        }
    }
}

fn pace() -> tokio::time::Interval {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    pace
}
