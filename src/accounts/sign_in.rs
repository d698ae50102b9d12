//! Signing in with a password, and what one is given for it.

use diesel::QueryResult;

use super::{Accounts, Device, Error, Profile};
use crate::actors::hasher::{Caller, Class, Lane};
use crate::auth::refresh::{Credential, CredentialKind};
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::domain::{Email, LoginId, Password, UserId, Username};
use crate::models::audit_events::Action;
use crate::models::logins::{self, LoginKind, NewLogin};
use crate::models::users::{self, User};

/// What a sign-in, and each refresh, yields. Holds secrets, so no `Debug`.
pub struct Grant {
    pub user: Profile,
    pub access_token: String,
    /// In seconds.
    pub expires_in: i64,
    /// A refresh token or a cookie, by its kind.
    pub credential: Credential,
}

impl Accounts {
    /// Signs in by username, or by address whoever proved it. Every way to fail does the same work.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] for every cause; those of the database and the hasher.
    pub async fn sign_in(&self, login: &str, password: Password, device: Device) -> Result<Grant, Error> {
        // A second look is for the one whose right password was rehashed meanwhile by another sign-in.
        match self.try_sign_in(login, password.clone(), device.clone()).await? {
            Some(grant) => Ok(grant),
            None => self.try_sign_in(login, password, device).await?.ok_or(Error::InvalidCredentials),
        }
    }

    /// `None` if the password was right, and another one's or none by the time of the commit.
    async fn try_sign_in(
        &self,
        login: &str,
        password: Password,
        device: Device,
    ) -> Result<Option<Grant>, Error> {
        let name = LoginName::parse(login);
        let user = match name {
            Some(name) => self.0.db.run(move |conn| Ok::<_, Error>(name.find_user(conn)?)).await?,
            None => None,
        };
        // A disabled user is nobody: a check that succeeds does less work than one that fails.
        let user = user.filter(|user| user.disabled_at.is_none());
        let stored = user.as_ref().map(|user| user.password_hash.clone());
        let lane = Lane::new(Class::SignIn, device.caller());
        let verified = self.0.hasher.verify(lane, password.clone(), stored).await?;
        let Some(user) = user.filter(|_| verified.ok) else {
            return Err(Error::InvalidCredentials);
        };
        let new_hash = if verified.rehash {
            // An old form signs in for one more time; that must not fail because the queue is full.
            self.0
                .hasher
                .rehash(lane, password)
                .await
                .inspect_err(|error| tracing::warn!(%error, "not rehashed"))
                .ok()
        } else {
            None
        };
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                let begun = db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    // Since it was checked, the password may have been reset or the user disabled.
                    let Some(user) = users::lock_active(conn, user.id)?
                        .filter(|current| current.password_hash == user.password_hash)
                    else {
                        return Ok(None);
                    };
                    if let Some(hash) = new_hash {
                        users::set_password_hash(conn, user.id, &hash, now)?;
                    }
                    let credential = this.begin_login(conn, user.id, &device, now)?;
                    this.note(conn, Action::SignedIn, Some(user.id), device.ip, now)?;
                    Ok::<_, Error>(Some((user, credential, now)))
                })?;
                begun.map(|(user, credential, now)| this.grant(user, credential, now)).transpose()
            })
            .await
    }

    /// Adds the row of a login, inside the transaction that decided on it.
    pub(super) fn begin_login(
        &self,
        conn: &mut Conn,
        user: UserId,
        device: &Device,
        now: Timestamp,
    ) -> QueryResult<Credential> {
        let kind = match device.kind {
            // Nobody gets a connection's: there is one so that every login is alike.
            LoginKind::Token | LoginKind::Connection => CredentialKind::Refresh,
            LoginKind::Browser => CredentialKind::Browser,
        };
        let credential = self.0.credentials.issue(kind, LoginId(self.0.clock.new_id()));
        let login = NewLogin {
            id: credential.login,
            user_id: user,
            kind: device.kind,
            refresh_hash: credential.hash(),
            user_agent: device.user_agent.clone(),
            ip: device.ip.map(|ip| ip.to_string()),
            expires_at: now + self.login_ttl(device.kind),
        };
        logins::insert(conn, &login, now)?;
        Ok(credential)
    }

    /// Signs the access token. `now` is the time of the transaction in which the login stood.
    pub(super) fn grant(&self, user: User, credential: Credential, now: Timestamp) -> Result<Grant, Error> {
        Ok(Grant {
            access_token: self.0.tokens.issue(user.id, &user.username, credential.login, now)?,
            expires_in: self.0.tokens.lifetime(),
            credential,
            user: user.into(),
        })
    }

    /// Asks the current password again, before something that a stolen token must not do. Answers the user as
    /// they were when it was right.
    pub(super) async fn confirm(
        &self,
        user: UserId,
        password: Password,
        caller: Caller,
    ) -> Result<User, Error> {
        let user = self.active_user(user).await?;
        let lane = Lane::new(Class::Owner, caller);
        let verified = self.0.hasher.verify(lane, password, Some(user.password_hash.clone())).await?;
        if verified.ok { Ok(user) } else { Err(Error::WrongPassword) }
    }
}

/// The user again, inside the transaction that acts on a confirmed password: unchanged since then.
pub(super) fn still_confirmed(conn: &mut Conn, user: &User) -> Result<(), Error> {
    let same = users::lock_active(conn, user.id)?.is_some_and(|now| now.password_hash == user.password_hash);
    if same { Ok(()) } else { Err(Error::WrongPassword) }
}

/// What people type to say who they are.
pub(super) enum LoginName {
    Username(Username),
    Email(Email),
}

impl LoginName {
    /// `None` for what can be nobody's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains('@') {
            Email::parse(text).ok().map(Self::Email)
        } else {
            Username::parse(text).ok().map(Self::Username)
        }
    }

    pub(super) fn find_user(&self, conn: &mut Conn) -> QueryResult<Option<User>> {
        match self {
            Self::Username(username) => users::find_by_username(conn, username),
            Self::Email(email) => users::find_holder(conn, email),
        }
    }
}
