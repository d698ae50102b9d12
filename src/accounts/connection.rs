//! Logins whose credential is a connection: whoever signed in by password at the TCP prompts got no token, and
//! stays as long as the connection does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Notify;

use super::{Accounts, Error};
use crate::auth::tokens::TokenError;
use crate::db;
use crate::models::logins;
use crate::models::users;
use doorward_core::domain::LoginKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Access, LoginId};

/// After the database could not.
const RETRY: Duration = Duration::from_secs(1);

impl Accounts {
    /// How long a login of this kind stands without being used.
    pub(super) fn login_ttl(&self, kind: LoginKind) -> TimeDelta {
        match kind {
            LoginKind::Token | LoginKind::Browser => self.0.refresh_ttl,
            // Ended with its connection; this is for one whose server died.
            LoginKind::Connection => TimeDelta::seconds(self.0.tokens.lifetime()),
        }
    }

    /// Prolongs a connection's login by an access token's lifetime; none if it stands no more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keep_connection(&self, login: LoginId) -> Result<Option<Access>, Error> {
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                let kept = db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    let Some(login) = logins::lock_live(conn, login, now)? else { return Ok(None) };
                    let Some(user) = users::find_active(conn, login.user_id)? else { return Ok(None) };
                    logins::touch(conn, login.id, now, now + this.login_ttl(LoginKind::Connection))?;
                    Ok::<_, Error>(Some((user, now)))
                })?;
                let Some((user, now)) = kept else { return Ok(None) };
                let token = this.0.tokens.issue(user.id, &user.username, login, now)?;
                match this.authenticate(&token) {
                    Ok(access) => Ok(Some(access)),
                    Err(TokenError::Revoked(_)) => Ok(None),
                    // Keys that change in this very moment, say: it may be tried again.
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }

    /// Has the login of a connection that has ended be ended.
    pub fn end_connection(&self, login: LoginId) {
        self.0.ended.logins().push(login);
        self.0.ended.news.notify_one();
    }

    /// Ends such logins for ever, many at a time: when a network fails, thousands of connections end at once,
    /// and a transaction each would keep everybody else from the database.
    pub async fn end_connections(self) {
        loop {
            self.0.ended.news.notified().await;
            loop {
                let logins = std::mem::take(&mut *self.0.ended.logins());
                if logins.is_empty() {
                    break;
                }
                if let Err(error) = self.0.logins.revoke_all(logins.clone(), RevokeReason::SignedOut).await {
                    tracing::warn!(%error, count = logins.len(), "logins of connections are not ended yet");
                    self.0.ended.logins().extend(logins);
                    self.0.clock.sleep(RETRY).await;
                }
            }
        }
    }
}

/// The logins of connections that have ended, and stand.
#[derive(Default)]
pub(super) struct Ended {
    logins: Mutex<Vec<LoginId>>,
    news: Notify,
}

impl Ended {
    fn logins(&self) -> MutexGuard<'_, Vec<LoginId>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
