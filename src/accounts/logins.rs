//! Revocation: the one way in which a login ends before it expires.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use diesel::QueryResult;
use tokio::sync::Notify;

use super::Error;
use crate::actors::Sessions;
use crate::actors::db::DbError;
use crate::actors::{Db, Live};
use crate::clock::{Clock, Timestamp};
use crate::cluster::{Changes, Cluster};
use crate::db::{self, Conn};
use crate::directory::Revocations;
use crate::models::logins::{self, Scope};
use crate::models::{address_links, one_time_tokens, outbox, users};
use doorward_core::domain::{LoginId, RevokeReason, UserId};

/// How much longer a revocation is remembered than an access token lives: other nodes' clocks may run behind, and a
/// transaction commits later than the time that it wrote. More than the leeway of a token's `iat`.
pub(super) const OVERLAP: TimeDelta = TimeDelta::minutes(2);

/// Logins that are revoked together and have a line each in the log.
const MOST_LOGGED: usize = 100;

/// Revokes logins. A revocation is a row; the rest here only makes it fast.
#[derive(Clone)]
pub struct Logins {
    pub(super) db: Db,
    pub(super) sessions: Sessions,
    /// Changes of roles and claims are to be read, as other nodes say.
    pub(super) access_wanted: Arc<tokio::sync::watch::Sender<()>>,
    /// The same of rights to rooms, up to this number.
    pub(super) rooms_wanted: Arc<tokio::sync::watch::Sender<i64>>,
    /// Polls for revocations at once, without waiting for the next second.
    pub(super) wake: Arc<Notify>,
    /// Revoked logins whose rows may not be marked yet.
    pub(super) unmarked: Arc<Mutex<Unmarked>>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) cluster: Cluster,
    pub(super) clock: Clock,
    access_ttl: Duration,
}

/// Revoked logins whose rows may not be marked yet.
#[derive(Debug, Default)]
pub(super) struct Unmarked {
    pub(super) logins: Vec<LoginId>,
    /// The last attempt to mark some failed, and the log says so.
    pub(super) fails: bool,
}

impl Logins {
    #[must_use]
    pub fn new(db: Db, live: &Live, clock: Clock, access_ttl: Duration) -> Self {
        let Live { sessions, revocations, cluster, .. } = live.clone();
        let (access_wanted, wake, unmarked) = (Arc::default(), Arc::default(), Arc::default());
        let rooms_wanted = Arc::new(tokio::sync::watch::Sender::new(i64::MIN));
        Self {
            db,
            sessions,
            access_wanted,
            rooms_wanted,
            wake,
            unmarked,
            revocations,
            cluster,
            clock,
            access_ttl,
        }
    }

    /// Polls for revocations at once.
    pub fn wake_poll(&self) {
        self.wake.notify_one();
    }

    /// Revokes the logins of `scope`: their rows, then their access tokens and sockets.
    pub async fn revoke<E>(&self, scope: Scope, reason: RevokeReason) -> Result<(), E>
    where
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
    {
        self.revoke_with(reason, move |_| Ok(((), Some(scope)))).await
    }

    /// The same for a change that revokes logins: `work` runs in the transaction that revokes the scope that it answers,
    /// so that a new password and the revocation of the old logins are one commit.
    ///
    /// # Errors
    /// What `work` answers (then nothing has changed), [`DbError`], or that of the query.
    pub async fn revoke_with<T, E>(
        &self,
        reason: RevokeReason,
        work: impl FnOnce(&mut Conn) -> Result<(T, Option<Scope>), E> + Clone + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
    {
        let this = self.clone();
        self.db.run_revoking(move |conn| this.revoking(conn, reason, work)).await
    }

    /// The same for a change that seldom revokes a login: it is given no disk space that is held in reserve.
    /// `patiently` is for what unauthenticated clients cannot ask for, see [`Db::run_writing_patiently`].
    ///
    /// # Errors
    /// As [`Logins::revoke_with`].
    pub(super) async fn change_with<T, E>(
        &self,
        reason: RevokeReason,
        patiently: bool,
        work: impl FnOnce(&mut Conn) -> Result<(T, Option<Scope>), E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
    {
        let this = self.clone();
        let change = move |conn: &mut Conn| this.revoking(conn, reason, work);
        if patiently {
            self.db.run_writing_patiently(change).await
        } else {
            self.db.run_writing(change).await
        }
    }

    fn revoking<T, E>(
        &self,
        conn: &mut Conn,
        reason: RevokeReason,
        work: impl FnOnce(&mut Conn) -> Result<(T, Option<Scope>), E>,
    ) -> Result<T, E>
    where
        E: From<diesel::result::Error>,
    {
        let (value, revoked) = db::write(conn, |conn| {
            // Inside: the wait for the write lock may have been long, and a poll reads the latest rows.
            let now = self.clock.now();
            let (value, scope) = work(conn)?;
            let revoked = match scope {
                Some(scope) => {
                    end_links(conn, scope, now)?;
                    logins::revoke(conn, scope, reason, now)?
                }
                None => Vec::new(),
            };
            Ok::<_, E>((value, revoked))
        })?;
        // On the executor's thread: it does not depend on a caller that still waits.
        self.revoked_here(revoked, reason);
        Ok(value)
    }

    /// Revokes these logins, as [`Logins::revoke`] does.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`]; then none is revoked.
    pub async fn revoke_all(&self, ids: Vec<LoginId>, reason: RevokeReason) -> Result<(), Error> {
        let this = self.clone();
        self.db
            .run_revoking(move |conn| {
                let revoked =
                    db::write(conn, |conn| logins::revoke_these(conn, &ids, reason, this.clock.now()))?;
                this.revoked_here(revoked, reason);
                Ok(())
            })
            .await
    }

    /// Revokes all but `most` logins of a user, the oldest first and never `newest`, inside the transaction that has
    /// added that one. What it returns is for [`Logins::revoked_here`], after the commit.
    pub(super) fn revoke_beyond(
        conn: &mut Conn,
        most: i64,
        newest: (UserId, LoginId),
        now: Timestamp,
    ) -> QueryResult<Vec<LoginId>> {
        logins::revoke_beyond(conn, newest, most - 1, RevokeReason::TooManyLogins, now)
    }

    pub(super) fn access_ttl(&self) -> TimeDelta {
        // The configuration allows a day at most.
        TimeDelta::from_std(self.access_ttl).unwrap_or(TimeDelta::days(1))
    }

    /// For rows that were changed by this node: the other nodes are told as well.
    pub(super) fn revoked_here(&self, revoked: Vec<LoginId>, reason: RevokeReason) {
        let revoked: Vec<_> = revoked.into_iter().map(|id| (id, reason)).collect();
        let now = self.clock.now();
        self.cluster.revoked(&revoked, now);
        self.announce(revoked, Some(now));
    }

    /// Refuses the access tokens of these logins from now on and closes their sockets on this node. `at` is when they were
    /// revoked, if that is known.
    pub fn announce(
        &self,
        revoked: impl IntoIterator<Item = (LoginId, RevokeReason)>,
        at: Option<Timestamp>,
    ) {
        // First the set, then the managers: a session that registers meanwhile finds one or the other.
        self.close_sockets(self.revocations.insert(revoked), at, true);
    }

    /// Closes the sockets of logins that are in the set.
    pub(super) fn close_sockets(
        &self,
        new: Vec<(LoginId, RevokeReason)>,
        at: Option<Timestamp>,
        logged: bool,
    ) {
        if new.is_empty() {
            return;
        }
        if logged && new.len() > MOST_LOGGED {
            tracing::info!(logins = new.len(), "logins revoked");
        } else if logged {
            for (login, reason) in &new {
                tracing::info!(%login, reason = reason.as_str(), "login revoked");
            }
        }
        self.sessions.close_logins(new, at);
    }
}

/// What other nodes say.
impl Changes for Logins {
    fn revoked(&self, logins: Vec<(LoginId, RevokeReason)>, at: Option<Timestamp>) {
        self.announce(logins, at);
    }

    fn access_changed(&self) {
        self.access_wanted.send_replace(());
    }

    fn rooms_changed(&self, number: Option<i64>) {
        // Only numbers of changes that are committed are announced: the greatest stands for all.
        self.rooms_wanted
            .send_modify(|wanted| *wanted = number.map_or(*wanted, |number| number.max(*wanted)));
    }
}

/// A revocation of all of a user's logins invalidates the links that were asked for with them: a thief must not get
/// back in by a link that was sent before. First the queued emails, then the links: one that is being made at this moment
/// is found as one or the other.
fn end_links(conn: &mut Conn, scope: Scope, now: Timestamp) -> QueryResult<()> {
    let user = match scope {
        Scope::Login(_) | Scope::UserSince(..) => return Ok(()),
        Scope::User(user) | Scope::UserExcept(user, _) => Some(user),
        Scope::Everybody => None,
    };
    if let Some(user) = user {
        users::end_links(conn, user, now)?;
        if let Some(email) = users::find(conn, user)?.and_then(|user| user.email) {
            address_links::end_for(conn, &email, user)?;
        }
    }
    outbox::cancel_links(conn, user, now)?;
    one_time_tokens::spoil_all(conn, user, now)?;
    if user.is_none() {
        address_links::spoil_all(conn, now)?;
    }
    Ok(())
}
