//! A browser that stays signed in with a cookie, which does not change.

use chrono::TimeDelta;

use super::refresh::mark_used;
use super::{Accounts, Caller, Error, Grant};
use crate::auth::refresh::{Credential, CredentialKind};
use crate::db;
use crate::models::audit_events::Action;
use crate::models::logins::{self, LiveLogin, Scope};
use crate::models::users;
use doorward_core::domain::Access;
use doorward_core::domain::LoginKind;
use doorward_core::domain::RevokeReason;

/// How old `last_seen_at` of a login may grow before a visit updates it: not each page is worth a write.
const VISIT_PACE: TimeDelta = TimeDelta::minutes(1);

impl Accounts {
    /// Who the browser with this cookie is signed in as, and the language of the account. It reads the row, so that a login that was revoked a moment ago
    /// shows no page.
    ///
    /// # Errors
    /// [`Error::InvalidCookie`] if it is not the cookie of an active login.
    pub async fn recognize(&self, cookie: &str) -> Result<(Access, Option<String>), Error> {
        let cookie = self.read_cookie(cookie)?;
        let this = self.clone();
        let (access, user, seen) = self
            .0
            .db
            .run(move |conn| {
                let login = logins::find_live(conn, cookie.login, this.0.clock.now())?
                    .filter(|login| is_browsers(login, &cookie))
                    .ok_or(Error::InvalidCookie)?;
                let user = users::find_active(conn, login.user_id)?.ok_or(Error::InvalidCookie)?;
                let access = Access {
                    user: user.id,
                    username: user.username.as_str().into(),
                    login: login.id,
                    expires_at: login.expires_at,
                    rights: user.rights().shared(),
                };
                Ok::<_, Error>((access, user, login.last_seen_at))
            })
            .await?;
        let language = user.language.clone();
        if self.0.clock.now() - seen >= VISIT_PACE {
            let (this, login) = (self.clone(), access.login);
            let noted = self
                .0
                .db
                .run_writing(move |conn| {
                    let now = this.0.clock.now();
                    db::write(conn, |conn| logins::touch(conn, login, now, now + this.0.refresh_ttl))?;
                    Ok::<_, Error>(mark_used(conn, &user)?)
                })
                .await;
            if let Err(error) = noted {
                // A page is shown, and leads to a sign-out, also while the disk is full.
                tracing::debug!(%error, "could not record a browser's visit");
            }
        }
        Ok((access, language))
    }

    /// An access token for a browser's cookie, which stays the same; its login is extended.
    ///
    /// # Errors
    /// [`Error::InvalidCookie`] if it is not the cookie of an active login.
    pub async fn refresh_browser(&self, cookie: &str) -> Result<Grant, Error> {
        let cookie = self.read_cookie(cookie)?;
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                let (user, cookie, now) = db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    let login = logins::lock_live(conn, cookie.login, now)?
                        .filter(|login| is_browsers(login, &cookie))
                        .ok_or(Error::InvalidCookie)?;
                    let user = users::find_active(conn, login.user_id)?.ok_or(Error::InvalidCookie)?;
                    logins::touch(conn, login.id, now, now + this.0.refresh_ttl)?;
                    Ok::<_, Error>((user, cookie, now))
                })?;
                mark_used(conn, &user)?;
                this.grant(user, cookie, now)
            })
            .await
    }

    /// The cookie in today's form, to be set again: one of an earlier version gets its tag.
    #[must_use]
    pub fn renewed_cookie(&self, cookie: &str) -> Option<String> {
        self.read_cookie(cookie).ok().map(|cookie| cookie.expose())
    }

    /// Whether this installation, or an earlier version of it, may have issued a cookie. Makes no query.
    #[must_use]
    pub fn issued_cookie(&self, cookie: &str) -> bool {
        self.read_cookie(cookie).is_ok()
    }

    fn read_cookie(&self, cookie: &str) -> Result<Credential, Error> {
        let presented = self.read_credential(CredentialKind::Browser, cookie).ok_or(Error::InvalidCookie)?;
        Ok(presented.credential)
    }

    /// Revokes the login of a browser's cookie.
    ///
    /// # Errors
    /// [`Error::InvalidCookie`] if it is not the cookie of an active login.
    pub async fn sign_out_browser(&self, cookie: &str, caller: &Caller) -> Result<(), Error> {
        let cookie = self.read_cookie(cookie)?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                let now = this.0.clock.now();
                let login = logins::find_live(conn, cookie.login, now)?
                    .filter(|login| is_browsers(login, &cookie))
                    .ok_or(Error::InvalidCookie)?;
                let caller = caller.with_login(login.user_id, login.id);
                this.record(conn, &caller, Action::SignedOut, Some(login.user_id), now)?;
                Ok(((), Some(Scope::Login(cookie.login))))
            })
            .await
    }
}

fn is_browsers(login: &LiveLogin, cookie: &Credential) -> bool {
    login.kind == LoginKind::Browser && login.refresh_hash.as_deref() == Some(&cookie.hash())
}
