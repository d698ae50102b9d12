//! Signing in with a password, and what a client gets for it.

use diesel::QueryResult;

use super::guessing::Attempt;
use super::new_device::Begun;
use super::{Accounts, Caller, Device, Error, Logins, Profile};
use crate::auth::refresh::{Credential, CredentialKind};
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::audit_events::{Action, Reason};
use crate::models::events;
use crate::models::failed_attempts;
use crate::models::logins::{self, NewLogin};
use crate::models::password_hashes;
use crate::models::users::{self, User};
use doorward_core::domain::LoginKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{LoginId, Password, UserId};

/// What a client is told about every failed sign-in, whatever the cause: nothing tells whether there is such an account.
pub const INVALID_CREDENTIALS: &str = "The login or the password is wrong. An email address counts once it is verified; \
                                       a username always does.";

/// What a right password leads to.
#[expect(clippy::large_enum_variant, reason = "one is made for each sign-in, and taken apart at once")]
pub enum SignIn {
    Granted(Grant),
    /// More is asked for before access is granted.
    Challenge(Challenge),
}

/// What is asked for beside a password: nothing yet, so none can be made.
#[derive(Debug, Clone, Copy)]
pub enum Challenge {}

/// What a client gets when it signs in, and each time it refreshes. Holds secrets, so no `Debug`.
pub struct Grant {
    pub user: Profile,
    pub access_token: String,
    /// In seconds.
    pub expires_in: i64,
    /// A refresh token or a cookie, by its kind.
    pub credential: Credential,
    /// After a sign-in: what the client presents the next time to show that the device is known.
    pub device_token: Option<String>,
}

impl Accounts {
    /// Signs in by username, or by an address that was verified. All failures take the same work.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] for every cause; [`Error::TooManyAttempts`] after too many failures, whether there
    /// is such an account or not; [`Error::EmailNotVerified`] after a right password; [`Error::Hash`] if too much
    /// password work is queued.
    pub async fn sign_in(
        &self,
        login: &str,
        password: Password,
        device: Device,
        caller: &Caller,
    ) -> Result<SignIn, Error> {
        let outcome = self.attempt_sign_in(login, password, device, caller).await;
        self.0.metrics.signed_in(&outcome);
        outcome
    }

    async fn attempt_sign_in(
        &self,
        login: &str,
        password: Password,
        device: Device,
        caller: &Caller,
    ) -> Result<SignIn, Error> {
        let mut attempt = self.begin_attempt(login, &device, caller).await?;
        // An attempt that is given up half-way, because the client hangs up for example, is not a failure.
        let unchecked = self.take_back_unless_checked(attempt.slots.clone());
        // The second time is for a right password that another sign-in has rehashed meanwhile.
        for _ in 0..2 {
            match self.try_sign_in(&attempt, password.clone(), device.clone(), caller).await {
                Ok(Some(signed_in)) => {
                    unchecked.checked();
                    return Ok(signed_in);
                }
                Ok(None) => {
                    let Some(user) = &attempt.user else { break };
                    let id = user.id;
                    attempt.user =
                        self.0.db.run(move |conn| Ok::<_, Error>(users::find_active(conn, id)?)).await?;
                }
                Err(Error::InvalidCredentials) => break,
                Err(error @ Error::EmailNotVerified) => {
                    unchecked.checked();
                    let (subject, _) = attempt.failure();
                    self.record_failed_attempt(&attempt, caller, (subject, Reason::EmailNotVerified));
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        unchecked.checked();
        self.record_failed_attempt(&attempt, caller, attempt.failure());
        Err(Error::InvalidCredentials)
    }

    /// `None` if the password was right, and the stored hash is another by the time of the commit.
    async fn try_sign_in(
        &self,
        attempt: &Attempt,
        password: Password,
        device: Device,
        caller: &Caller,
    ) -> Result<Option<SignIn>, Error> {
        // `None` for a disabled user, too: a check that succeeds does less work than one that fails.
        let stored = attempt.user.as_ref().map(|user| user.password_hash.clone());
        let lane = attempt.lane(caller);
        let verified = self.0.hasher.verify(lane, password.clone(), stored).await?;
        let Some(user) = attempt.user.clone().filter(|_| verified.ok) else {
            return Err(Error::InvalidCredentials);
        };
        let new_hash = if verified.rehash {
            // With the old hash the user is signed in all the same: that must not fail because the queue is full.
            let rehashed = self.0.hasher.rehash(lane, password).await;
            rehashed.inspect_err(|error| tracing::warn!(%error, "could not rehash a password")).ok()
        } else {
            None
        };
        self.commit_sign_in(user, new_hash, attempt, device, caller).await
    }

    /// Adds the login of a user whose password was right. `None` if the stored hash is another by now.
    async fn commit_sign_in(
        &self,
        user: User,
        new_hash: Option<String>,
        attempt: &Attempt,
        device: Device,
        caller: &Caller,
    ) -> Result<Option<SignIn>, Error> {
        let (this, slots, known_device) = (self.clone(), attempt.slots.clone(), attempt.known_device);
        let caller = caller.clone();
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
                        password_hashes::replace(conn, user.id, &hash, now)?;
                    }
                    failed_attempts::clear(conn, &slots)?;
                    if this.must_verify(&user) {
                        this.send_verification(conn, &user, &caller, now)?;
                        return Ok(Some(None));
                    }
                    users::mark_used(conn, &user)?;
                    let credential = this.begin_login(conn, user.id, &device, &caller, now)?;
                    let newest = (user.id, credential.login);
                    let ended = Logins::revoke_beyond(conn, this.0.max_logins, newest, now)?;
                    let begun = Begun::new(credential.login, &device).known(known_device.is_some());
                    let told = this.note_sign_in(conn, &user, begun, caller, now)?;
                    Ok::<_, Error>(Some(Some((user, hash, credential, (ended, told), now))))
                })?;
                let Some(begun) = begun else { return Ok(None) };
                // Only a right password is told so, and sends another link.
                let Some(begun) = begun else {
                    this.0.mail.wake();
                    return Err(Error::EmailNotVerified);
                };
                let (user, hash, credential, (ended, told), now) = begun;
                if told {
                    this.0.mail.wake();
                }
                this.0.logins.revoked_here(ended, RevokeReason::TooManyLogins);
                let token = this.device_token((user.id, &hash), known_device);
                let grant = this.grant(user, credential, now)?;
                Ok(Some(SignIn::Granted(Grant { device_token: Some(token), ..grant })))
            })
            .await
    }

    /// Records a sign-in, and tells of it by email if its device is not known. Returns whether it told.
    fn note_sign_in(
        &self,
        conn: &mut Conn,
        user: &User,
        begun: Begun<'_>,
        caller: Caller,
        now: Timestamp,
    ) -> QueryResult<bool> {
        let caller = caller.with_login(user.id, begun.login);
        self.record(conn, &caller, Action::SignedIn, Some(user.id), now)?;
        self.tell_of_new_device(conn, user, begun, &caller, now)
    }

    /// The token by which a device is known the next time: the one that it has, or a new one.
    pub(super) fn device_token(&self, user: (UserId, &str), known: Option<uuid::Uuid>) -> String {
        self.0.device_key.issue(user, known.unwrap_or_else(|| self.0.clock.new_id()))
    }

    /// Adds the row of a login, inside the transaction that decided on it.
    pub(super) fn begin_login(
        &self,
        conn: &mut Conn,
        user: UserId,
        device: &Device,
        caller: &Caller,
        now: Timestamp,
    ) -> QueryResult<Credential> {
        let kind = match device.kind {
            // A connection's is given to no client: there is one so that all logins are alike.
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
            ip: caller.address.map(|address| address.to_string()),
            expires_at: now + self.login_ttl(device.kind),
        };
        logins::insert(conn, &login, now)?;
        events::insert_login(conn, user, credential.login, now)?;
        Ok(credential)
    }

    /// Signs the access token. `now` is the time of the transaction in which the login was active.
    pub(super) fn grant(&self, user: User, credential: Credential, now: Timestamp) -> Result<Grant, Error> {
        let access_token =
            self.0.tokens.issue(user.id, &user.username, &user.rights(), credential.login, now)?;
        let expires_in = self.0.tokens.lifetime();
        Ok(Grant { access_token, expires_in, credential, device_token: None, user: user.into() })
    }
}
