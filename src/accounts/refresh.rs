//! Staying signed in: refresh tokens that change at every use.

use diesel::QueryResult;

use super::{Accounts, Caller, Error, Grant};
use crate::actors::db::DbError;
use crate::auth::refresh::{Credential, CredentialKind, Presented};
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::audit_events::Action;
use crate::models::logins::{self, LiveLogin, Scope};
use crate::models::users::{self, User};
use doorward_core::domain::LoginKind;
use doorward_core::domain::RevokeReason;

enum Outcome {
    Granted(Box<User>, Credential, Timestamp),
    /// Neither the current token nor the one before it, and without a tag; this is the hash of the current one.
    Unknown(String),
    Refused,
}

impl Accounts {
    /// Exchanges a refresh token for its successor and an access token (RFC 6749 section 6). As long as the successor
    /// was never presented, the same token yields the same successor again: the response may have been lost, or two
    /// tabs may race. A token that is presented after its successor was revokes the login: one of the two clients
    /// that have it is a thief's (RFC 9700 section 4.14.2).
    ///
    /// # Errors
    /// [`Error::InvalidRefreshToken`]; [`Error::Db`] or [`Error::Query`], and the token stays valid.
    pub async fn refresh(&self, presented: &str, caller: &Caller) -> Result<Grant, Error> {
        let presented =
            self.read_credential(CredentialKind::Refresh, presented).ok_or(Error::InvalidRefreshToken)?;
        // In a task of its own: a thief who hangs up must not stop it.
        let (this, caller) = (self.clone(), caller.clone());
        let exchanged = actix::spawn(async move { this.exchange(presented, caller).await });
        exchanged.await.unwrap_or(Err(Error::Db(DbError::Stopped)))
    }

    async fn exchange(
        &self,
        Presented { credential, is_tagged }: Presented,
        caller: Caller,
    ) -> Result<Grant, Error> {
        let outcome = if is_tagged {
            // No other client can make one up, so it may wait for a place in a queue that a flood has filled.
            let rotate = self.rotating(credential.clone(), true, caller.clone());
            let outcome = self.0.logins.change_with(RevokeReason::RefreshReuse, true, rotate).await;
            if let Err(Error::Db(DbError::Unwritable)) = outcome {
                // On a full disk a token is not changed, but a login is still revoked.
                self.revoke_if_reused(credential.clone(), caller).await?;
            }
            outcome?
        } else {
            // It may be made up: it has to name a login before it is worth the lock of a writer.
            self.find_token_login(&credential).await?;
            let rotate = self.rotating(credential.clone(), false, caller.clone());
            let outcome = self.0.logins.change_with(RevokeReason::RefreshReuse, false, rotate).await?;
            if let Outcome::Unknown(stored) = outcome {
                return self.revoke_untagged_if_reused(credential, stored, caller).await;
            }
            outcome
        };
        match outcome {
            Outcome::Granted(user, next, now) => {
                if user.unused_since.is_some() {
                    let user = user.clone();
                    let mark = move |conn: &mut Conn| Ok::<_, Error>(users::mark_used(conn, &user)?);
                    let noted = self.0.db.transaction(mark).await;
                    if let Err(error) = noted {
                        // The token is changed already: the client must get the new one.
                        tracing::warn!(%error, "could not record that an account is used");
                    }
                }
                self.grant(*user, next, now)
            }
            Outcome::Refused | Outcome::Unknown(_) => Err(Error::InvalidRefreshToken),
        }
    }

    /// Inside one transaction: exchanges the token, or names the login as one to revoke if the token was used
    /// before. `is_tagged` says that it certainly belongs to its login.
    fn rotating(
        &self,
        presented: Credential,
        is_tagged: bool,
        caller: Caller,
    ) -> impl FnOnce(&mut Conn) -> Result<(Outcome, Option<Scope>), Error> + Send + 'static {
        let this = self.clone();
        move |conn| {
            let now = this.0.clock.now();
            let Some(login) =
                logins::lock_live(conn, presented.login, now)?.filter(|login| login.kind == LoginKind::Token)
            else {
                return Ok((Outcome::Refused, None));
            };
            // Not locked: what changes a user revokes this login, and waits for its lock.
            let Some(user) = users::find_active(conn, login.user_id)? else {
                return Ok((Outcome::Refused, None));
            };
            let next = this.0.credentials.next(&presented);
            let (hash, next_hash) = (presented.hash(), next.hash());
            let known = match place(&login, &hash, &next_hash) {
                Place::Current => {
                    let expires_at = now + this.0.refresh_ttl;
                    logins::rotate(conn, login.id, (&hash, &next_hash), now, expires_at)?
                }
                Place::Previous => {
                    // Not extended: repeats alone do not keep a login active for ever.
                    logins::touch(conn, login.id, now, login.expires_at)?;
                    true
                }
                Place::Neither => false,
            };
            if known {
                return Ok((Outcome::Granted(Box::new(user), next, now), None));
            }
            if is_tagged {
                return Ok((Outcome::Refused, Some(this.record_reuse(conn, &login, &caller, now)?)));
            }
            Ok((login.refresh_hash.map_or(Outcome::Refused, Outcome::Unknown), None))
        }
    }

    /// Revokes the login of a token with a tag that is neither the current one nor the one before; writes nothing else.
    async fn revoke_if_reused(&self, presented: Credential, caller: Caller) -> Result<(), Error> {
        let this = self.clone();
        self.0
            .logins
            .revoke_with(RevokeReason::RefreshReuse, move |conn| {
                let now = this.0.clock.now();
                let Some(login) = logins::lock_live(conn, presented.login, now)? else {
                    return Ok(((), None));
                };
                let (hash, next_hash) = (presented.hash(), this.0.credentials.next(&presented).hash());
                let reused = place(&login, &hash, &next_hash) == Place::Neither;
                let scope = if reused { Some(this.record_reuse(conn, &login, &caller, now)?) } else { None };
                Ok::<_, Error>(((), scope))
            })
            .await
    }

    /// Whether the login that `presented` names is one that has refresh tokens.
    async fn find_token_login(&self, presented: &Credential) -> Result<(), Error> {
        let (id, clock) = (presented.login, self.0.clock.clone());
        self.0
            .db
            .run(move |conn| {
                logins::find_live(conn, id, clock.now())?
                    .filter(|login| login.kind == LoginKind::Token)
                    .map(drop)
                    .ok_or(Error::InvalidRefreshToken)
            })
            .await
    }

    /// Revokes the login of a token that an earlier version issued, without a tag, and that was used before.
    /// Returns the error for the client that presented it.
    async fn revoke_untagged_if_reused(
        &self,
        presented: Credential,
        stored: String,
        caller: Caller,
    ) -> Result<Grant, Error> {
        let (keys, login) = (self.0.credentials.clone(), presented.login);
        // Outside the transaction, which holds up every other writer: it takes milliseconds.
        if self.0.hasher.trace(login, move || keys.leads_to(&presented, &stored)).await? {
            let this = self.clone();
            // It commits although the answer is an error.
            self.0
                .logins
                .revoke_with(RevokeReason::RefreshReuse, move |conn| {
                    let now = this.0.clock.now();
                    let live = logins::lock_live(conn, login, now)?;
                    let scope = live.map(|live| this.record_reuse(conn, &live, &caller, now)).transpose()?;
                    Ok::<_, Error>(((), scope))
                })
                .await?;
        }
        Err(Error::InvalidRefreshToken)
    }

    /// Records that a token of this login was used again, and returns what has to be revoked.
    fn record_reuse(
        &self,
        conn: &mut Conn,
        login: &LiveLogin,
        caller: &Caller,
        now: Timestamp,
    ) -> QueryResult<Scope> {
        tracing::warn!(login = %login.id, "a refresh token was reused");
        // Whose login it is, is known; who holds the copy is not.
        let caller = Caller { login: Some(login.id), ..caller.clone() };
        self.record(conn, &caller, Action::RefreshReused, Some(login.user_id), now)?;
        Ok(Scope::Login(login.id))
    }
}

/// Records that an account is used again after its registration. In a transaction of its own: a user is locked before
/// their logins.
pub(super) fn mark_used(conn: &mut Conn, user: &User) -> QueryResult<()> {
    if user.unused_since.is_some() {
        db::write(conn, |conn| users::mark_used(conn, user))?;
    }
    Ok(())
}

/// Where a presented token is in its login's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Current,
    /// Its successor is the current one, which means that it has not been presented yet.
    Previous,
    Neither,
}

fn place(login: &LiveLogin, hash: &str, next_hash: &str) -> Place {
    match login.refresh_hash.as_deref() {
        Some(current) if current == hash => Place::Current,
        Some(current) if current == next_hash => Place::Previous,
        _ => Place::Neither,
    }
}
