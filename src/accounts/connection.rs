//! Logins whose credential is a connection: whoever signed in by password at the TCP prompts got no token, and
//! stays as long as the connection does.

use chrono::TimeDelta;

use super::{Accounts, Error};
use crate::auth::revocation::RevokeReason;
use crate::db;
use crate::domain::{Access, LoginId};
use crate::models::logins::{self, LoginKind, Scope};
use crate::models::users;

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
                    let Some(login) = logins::find_live(conn, login, now)? else { return Ok(None) };
                    let Some(user) = users::find_active(conn, login.user_id)? else { return Ok(None) };
                    logins::touch(conn, login.id, now, now + this.login_ttl(LoginKind::Connection))?;
                    Ok::<_, Error>(Some((user, now)))
                })?;
                let Some((user, now)) = kept else { return Ok(None) };
                let token = this.0.tokens.issue(user.id, &user.username, login, now)?;
                Ok(this.admit(&token).ok())
            })
            .await
    }

    /// Ends the login of a connection that has ended.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end_connection(&self, login: LoginId) -> Result<(), Error> {
        self.0.logins.revoke(Scope::Login(login), RevokeReason::SignedOut).await
    }
}
