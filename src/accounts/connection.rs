//! Logins whose credential is a connection: a client that signs in by password at the TCP prompts gets no token, and is
//! signed in as long as its connection is open.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Notify;

use super::{Accounts, Error};
use crate::auth::tokens::TokenError;
use crate::models::logins;
use crate::models::users;
use doorward_core::domain::LoginKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Access, LoginId};

/// The pause after the database failed.
const RETRY: Duration = Duration::from_secs(1);

impl Accounts {
    /// How long a login of this kind is active without being used.
    pub(super) fn login_ttl(&self, kind: LoginKind) -> TimeDelta {
        match kind {
            LoginKind::Token | LoginKind::Browser => self.0.refresh_ttl,
            // Revoked with its connection; this is for one whose server died.
            LoginKind::Connection => TimeDelta::seconds(self.0.tokens.lifetime()),
        }
    }

    /// Extends a connection's login by an access token's lifetime; `None` if it is no longer active.
    ///
    /// # Errors
    /// [`Error::Db`], [`Error::Query`] or [`Error::Token`] if that is not known now; it may be tried again.
    pub async fn keep_connection(&self, login: LoginId) -> Result<Option<Access>, Error> {
        let this = self.clone();
        let kept = self
            .0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let Some(login) = logins::lock_live(conn, login, now)? else { return Ok(None) };
                let Some(user) = users::find_active(conn, login.user_id)? else { return Ok(None) };
                logins::touch(conn, login.id, now, now + this.login_ttl(LoginKind::Connection))?;
                Ok::<_, Error>(Some((user, now)))
            })
            .await?;
        let Some((user, now)) = kept else { return Ok(None) };
        let token = self.0.tokens.issue(user.id, &user.username, &user.rights(), login, now)?;
        match self.authenticate(&token) {
            Ok(access) => Ok(Some(access)),
            Err(TokenError::Revoked(_)) => Ok(None),
            // When the keys change at this moment, for example.
            Err(error) => Err(error.into()),
        }
    }

    /// Queues the login of a connection that has closed for revocation.
    pub fn revoke_connection(&self, login: LoginId) {
        self.0.closed.logins().push(login);
        self.0.closed.queued.notify_one();
    }

    /// Revokes queued logins for ever, many at a time: when a network fails, thousands of connections close at once, and a
    /// transaction each would keep all other work from the database.
    pub async fn revoke_connections(self) {
        loop {
            self.0.closed.queued.notified().await;
            loop {
                let logins = std::mem::take(&mut *self.0.closed.logins());
                if logins.is_empty() {
                    break;
                }
                if let Err(error) = self.0.logins.revoke_all(logins.clone(), RevokeReason::SignedOut).await {
                    tracing::warn!(%error, count = logins.len(), "logins of closed connections are not revoked yet");
                    self.0.closed.logins().extend(logins);
                    self.0.clock.sleep(RETRY).await;
                }
            }
        }
    }
}

/// The logins of closed connections that are still to be revoked.
#[derive(Default)]
pub(super) struct Closed {
    logins: Mutex<Vec<LoginId>>,
    queued: Notify,
}

impl Closed {
    fn logins(&self) -> MutexGuard<'_, Vec<LoginId>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
