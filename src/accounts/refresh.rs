//! Staying signed in: refresh tokens that change at every use.

use chrono::TimeDelta;
use diesel::QueryResult;

use super::{Accounts, Error, Grant};
use crate::auth::refresh::{Credential, CredentialKind};
use crate::auth::revocation::RevokeReason;
use crate::db::{self, Conn};
use crate::models::audit_events::Action;
use crate::models::logins::{self, LiveLogin, LoginKind, Scope};
use crate::models::users::{self, User};

/// How long a token that was just used still yields its successor: two tabs may race, an answer may get lost.
const GRACE: TimeDelta = TimeDelta::seconds(30);

enum Outcome {
    Granted(Box<Grant>),
    /// Neither the current token nor the one before; this is the hash of the current one.
    Stale(String),
    Refused,
}

impl Accounts {
    /// Changes a refresh token for the next one and an access token (RFC 6749 section 6). A token that comes
    /// back after its successor was used ends the login: one of the two who have it is a thief (RFC 9700
    /// section 4.14.2).
    ///
    /// # Errors
    /// [`Error::InvalidRefreshToken`], those of the database.
    pub async fn refresh(&self, presented: &str) -> Result<Grant, Error> {
        let presented =
            Credential::parse(CredentialKind::Refresh, presented).ok_or(Error::InvalidRefreshToken)?;
        let stored = match self.rotate(presented.clone()).await? {
            Outcome::Granted(grant) => return Ok(*grant),
            Outcome::Refused => return Err(Error::InvalidRefreshToken),
            Outcome::Stale(stored) => stored,
        };
        // The walk takes milliseconds: outside the transaction, which holds up every other writer.
        // In a task of its own: a thief who hangs up must not stop it.
        let this = self.clone();
        let judged = actix::spawn(async move { this.judge_stale(presented, stored).await });
        judged.await.unwrap_or(Err(Error::InvalidRefreshToken))
    }

    /// Ends the login of a token that was used before. Answers the error for whoever presented it.
    async fn judge_stale(&self, presented: Credential, stored: String) -> Result<Grant, Error> {
        let (key, login) = (self.0.refresh_key.clone(), presented.login);
        if self.0.hasher.run(move |_| key.leads_to(&presented, &stored)).await? {
            tracing::warn!(%login, "a refresh token was used again");
            let this = self.clone();
            // It commits although the answer is an error.
            self.0
                .logins
                .revoke_with(RevokeReason::RefreshReuse, move |conn| {
                    let now = this.0.clock.now();
                    if let Some(row) = logins::find_live(conn, login, now)? {
                        this.note(conn, Action::RefreshReused, Some(row.user_id), None, now)?;
                    }
                    Ok::<_, Error>(((), Some(Scope::Login(login))))
                })
                .await?;
        }
        Err(Error::InvalidRefreshToken)
    }

    async fn rotate(&self, presented: Credential) -> Result<Outcome, Error> {
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                let found = db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    let Some(login) = logins::lock_live(conn, presented.login, now)?
                        .filter(|login| login.kind == LoginKind::Token.as_str())
                    else {
                        return Ok(Err(Outcome::Refused));
                    };
                    // Not locked: what changes a user ends this login, and waits for it.
                    let Some(user) = users::find_active(conn, login.user_id)? else {
                        return Ok(Err(Outcome::Refused));
                    };
                    let (hash, next) = (presented.hash(), this.0.refresh_key.next(&presented));
                    let next_hash = next.hash();
                    let expires_at = now + this.0.refresh_ttl;
                    let known = if login.refresh_hash.as_deref() == Some(&hash) {
                        logins::rotate(conn, login.id, (&hash, &next_hash), now, expires_at)?
                    } else if login.refresh_hash.as_deref() == Some(&next_hash) && in_grace(&login, now) {
                        // The same successor as the one who came first was given.
                        logins::touch(conn, login.id, now, expires_at)?;
                        true
                    } else {
                        false
                    };
                    if !known {
                        return Ok(Err(login.refresh_hash.map_or(Outcome::Refused, Outcome::Stale)));
                    }
                    Ok::<_, Error>(Ok((user, next, now)))
                })?;
                match found {
                    Ok((user, next, now)) => {
                        mark_used(conn, &user)?;
                        Ok(Outcome::Granted(Box::new(this.grant(user, next, now)?)))
                    }
                    Err(refused) => Ok(refused),
                }
            })
            .await
    }
}

/// Notes that an account is used again after its registration. In a transaction of its own: a user is locked before
/// their logins.
pub(super) fn mark_used(conn: &mut Conn, user: &User) -> QueryResult<()> {
    if user.unused_since.is_some() {
        db::write(conn, |conn| users::mark_used(conn, user))?;
    }
    Ok(())
}

fn in_grace(login: &LiveLogin, now: crate::clock::Timestamp) -> bool {
    login.rotated_at.is_some_and(|rotated_at| now - rotated_at <= GRACE)
}
