//! Signing in with a password, and what one is given for it.

use diesel::QueryResult;

use super::guessing::Attempt;
use super::{Accounts, Device, Error, Profile};
use crate::auth::refresh::{Credential, CredentialKind};
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::audit_events::Action;
use crate::models::failed_attempts;
use crate::models::logins::{self, NewLogin};
use crate::models::users::{self, User};
use doorward_core::domain::LoginKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Email, LoginId, Password, UserId, Username};

/// What is said of every failed sign-in, true whatever the cause: nothing tells whether there is such an account.
pub const INVALID_CREDENTIALS: &str = "The login or the password is wrong. An email address counts once it is verified; \
                                       a username always does.";

/// What a sign-in, and each refresh, yields. Holds secrets, so no `Debug`.
pub struct Grant {
    pub user: Profile,
    pub access_token: String,
    /// In seconds.
    pub expires_in: i64,
    /// A refresh token or a cookie, by its kind.
    pub credential: Credential,
    /// After a sign-in: by what this device is known the next time.
    pub device_token: Option<String>,
}

impl Accounts {
    /// Signs in by username, or by an address that was verified. Every way to fail does the same work.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] for every cause; [`Error::TooManyAttempts`] after too many failures, whether there
    /// is such an account or not; those of the database and the hasher.
    pub async fn sign_in(&self, login: &str, password: Password, device: Device) -> Result<Grant, Error> {
        let mut attempt = self.begin_attempt(login, &device).await?;
        // What is given up half-way, because the client hangs up say, is no failure.
        let uncounted = self.take_back_unless_checked(attempt.slots.clone());
        // The second time is for a right password that another sign-in has rehashed meanwhile.
        for _ in 0..2 {
            match self.try_sign_in(&attempt, password.clone(), device.clone()).await {
                Ok(Some(grant)) => {
                    uncounted.checked();
                    return Ok(grant);
                }
                Ok(None) => {
                    let Some(user) = &attempt.user else { break };
                    let id = user.id;
                    attempt.user =
                        self.0.db.run(move |conn| Ok::<_, Error>(users::find_active(conn, id)?)).await?;
                }
                Err(Error::InvalidCredentials) => break,
                Err(error) => return Err(error),
            }
        }
        uncounted.checked();
        Err(Error::InvalidCredentials)
    }

    /// `None` if the password was right, and another one's or none by the time of the commit.
    async fn try_sign_in(
        &self,
        attempt: &Attempt,
        password: Password,
        device: Device,
    ) -> Result<Option<Grant>, Error> {
        // A disabled user is nobody: a check that succeeds does less work than one that fails.
        let stored = attempt.user.as_ref().map(|user| user.password_hash.clone());
        let lane = attempt.lane(&device);
        let verified = self.0.hasher.verify(lane, password.clone(), stored).await?;
        let Some(user) = attempt.user.clone().filter(|_| verified.ok) else {
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
        let (this, slots, known_device) = (self.clone(), attempt.slots.clone(), attempt.known_device);
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
                    let hash = new_hash.unwrap_or_else(|| user.password_hash.clone());
                    if hash != user.password_hash {
                        users::set_password_hash(conn, user.id, &hash, now)?;
                    }
                    failed_attempts::clear(conn, &slots)?;
                    users::mark_used(conn, &user)?;
                    let credential = this.begin_login(conn, user.id, &device, now)?;
                    let ended = logins::revoke_beyond(
                        conn,
                        (user.id, credential.login),
                        this.0.max_logins - 1,
                        RevokeReason::TooManyLogins,
                        now,
                    )?;
                    this.note(conn, Action::SignedIn, Some(user.id), device.ip, now)?;
                    Ok::<_, Error>(Some((user, hash, credential, ended, now)))
                })?;
                let grant =
                    |(user, hash, credential, ended, now): (User, String, Credential, Vec<LoginId>, _)| {
                        this.0.logins.ended_here(ended, RevokeReason::TooManyLogins);
                        let token = this.device_token((user.id, &hash), known_device);
                        this.grant(user, credential, now)
                            .map(|grant| Grant { device_token: Some(token), ..grant })
                    };
                begun.map(grant).transpose()
            })
            .await
    }

    /// What a device keeps to be known by: the token that it has, or a new one.
    pub(super) fn device_token(&self, user: (UserId, &str), known: Option<uuid::Uuid>) -> String {
        self.0.device_key.issue(user, known.unwrap_or_else(|| self.0.clock.new_id()))
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
        let access_token = self.0.tokens.issue(user.id, &user.username, credential.login, now)?;
        let expires_in = self.0.tokens.lifetime();
        let admitted = self.0.logins.revocations.known_logins();
        admitted.note(credential.login, now + chrono::TimeDelta::seconds(expires_in));
        Ok(Grant { access_token, expires_in, credential, device_token: None, user: user.into() })
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
    /// Blanks around it do not count. `None` for what no account can have.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains('@') {
            Email::parse(text).ok().map(Self::Email)
        } else {
            Username::lookup(text).map(Self::Username)
        }
    }

    /// In its folded form.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Username(username) => username.folded(),
            Self::Email(email) => email.as_str(),
        }
    }

    pub(super) fn find_user(&self, conn: &mut Conn) -> QueryResult<Option<User>> {
        match self {
            Self::Username(username) => users::find_by_username(conn, username),
            Self::Email(email) => users::find_holder(conn, email),
        }
    }
}
