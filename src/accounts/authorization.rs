//! Signing in to an app on another origin: a code travels back to it and is exchanged once for tokens (RFC 6749
//! section 4.1, with the proof key of RFC 7636).

use chrono::TimeDelta;

use super::new_device::Begun;
use super::{Accounts, Caller, Device, Error, Grant, Logins};
use crate::actors::db::DbError;
use crate::auth::pkce::{CodeChallenge, CodeVerifier};
use crate::auth::refresh::Credential;
use crate::auth::secret::{hash_token, random_token};
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::authorization_codes::{self, IssuedCode, NewCode};
use crate::models::logins::{self, Scope};
use crate::models::users::{self, User};
use doorward_core::domain::{AppAddress, LoginId, RevokeReason, UserId};

/// A page exchanges its code as soon as it is loaded. RFC 6749 section 4.1.2 allows ten minutes at most.
const CODE_TTL: TimeDelta = TimeDelta::seconds(60);

/// What an app sends to get tokens for a code (RFC 6749 section 4.1.3). No `Debug`: the code is a secret.
#[derive(Clone)]
pub struct CodeExchange {
    pub code: String,
    pub verifier: CodeVerifier,
    pub redirect_uri: String,
    /// The app's origin, if it says so.
    pub client_id: Option<String>,
}

impl CodeExchange {
    fn fits(&self, code: &IssuedCode) -> bool {
        self.verifier.fits(&code.code_challenge)
            && self.redirect_uri == code.redirect_uri
            && self.client_id.as_ref().is_none_or(|client| *client == code.client)
    }
}

/// What an exchange comes to.
enum Outcome {
    Refused,
    Granted {
        user: Box<User>,
        credential: Credential,
        ended: Vec<LoginId>,
        /// An email tells of it.
        told: bool,
        now: Timestamp,
    },
}

impl Accounts {
    /// A code for an app that a user of a browser's login returns to. It is valid for a minute, once, and only with the
    /// secret of `challenge`.
    pub async fn issue_code(
        &self,
        (user_id, login_id): (UserId, LoginId),
        app: &AppAddress,
        challenge: &CodeChallenge,
    ) -> Result<String, Error> {
        let code = random_token();
        let row = NewCode {
            hash: hash_token(&code),
            user_id,
            login_id,
            redirect_uri: app.sent.clone(),
            client: app.origin.to_string(),
            code_challenge: challenge.as_str().to_owned(),
            expires_at: self.0.clock.now() + CODE_TTL,
        };
        self.0.db.transaction(move |conn| Ok::<_, Error>(authorization_codes::insert(conn, &row)?)).await?;
        Ok(code)
    }

    /// Exchanges a code for the tokens of a new login of its user. Whatever is wrong with the request, the code is used
    /// up. A code that arrives a second time revokes the login that was made for it: one of two clients that have
    /// it is a thief's (RFC 6749 section 4.1.2).
    ///
    /// # Errors
    /// [`Error::InvalidCode`] for every cause; [`Error::Db`] or [`Error::Query`], and the code stays valid.
    pub async fn exchange_code(
        &self,
        exchange: CodeExchange,
        device: Device,
        caller: &Caller,
    ) -> Result<Grant, Error> {
        let hash = hash_token(&exchange.code);
        // A code that is made up is not worth the lock of a writer.
        let user = {
            let hash = hash.clone();
            let find = move |conn: &mut Conn| Ok::<_, Error>(authorization_codes::find(conn, &hash)?);
            self.0.db.run(find).await?.ok_or(Error::InvalidCode)?.user_id
        };
        let (this, caller) = (self.clone(), caller.clone());
        // In a task of its own: a thief who hangs up must not stop it.
        let exchanged = actix::spawn(async move {
            let (accounts, code, client) = (this.clone(), hash.clone(), caller.clone());
            let work =
                move |conn: &mut Conn| accounts.redeem_code(conn, (&code, user), &exchange, &device, &client);
            let outcome = this.0.logins.change_with(RevokeReason::CodeReuse, false, work).await;
            if let Err(Error::Db(DbError::Unwritable)) = outcome {
                // On a full disk no code is exchanged, but a login is still revoked.
                this.revoke_if_code_reused(hash, caller).await?;
            }
            match outcome? {
                Outcome::Refused => Err(Error::InvalidCode),
                Outcome::Granted { user, credential, ended, told, now } => {
                    if told {
                        this.0.mail.wake();
                    }
                    this.0.logins.revoked_here(ended, RevokeReason::TooManyLogins);
                    this.grant(*user, credential, now)
                }
            }
        });
        exchanged.await.unwrap_or(Err(Error::Db(DbError::Stopped)))
    }

    /// Inside one transaction, which commits also if it refuses: the code is used up.
    fn redeem_code(
        &self,
        conn: &mut Conn,
        (hash, user): (&str, UserId),
        exchange: &CodeExchange,
        device: &Device,
        caller: &Caller,
    ) -> Result<(Outcome, Option<Scope>), Error> {
        let now = self.0.clock.now();
        // First, like every transaction that changes a user's logins.
        let user = users::lock_active(conn, user)?;
        let unused = authorization_codes::redeem(conn, hash, now)?;
        let Some(code) = authorization_codes::find(conn, hash)? else { return Ok((Outcome::Refused, None)) };
        if !unused {
            return Ok((Outcome::Refused, self.reused_code_scope(conn, &code, caller, now)?));
        }
        let Some(user) = user.filter(|_| exchange.fits(&code)) else { return Ok((Outcome::Refused, None)) };
        // Signed out since, in the browser or from another device.
        if logins::find_live(conn, code.login_id, now)?.is_none() {
            return Ok((Outcome::Refused, None));
        }
        let credential = self.begin_login(conn, user.id, device, caller, now)?;
        authorization_codes::set_app_login(conn, hash, credential.login)?;
        let newest = (user.id, credential.login);
        let ended = Logins::revoke_beyond(conn, self.0.max_logins, newest, now)?;
        let caller = caller.clone().with_login(user.id, credential.login);
        let event = caller.event(self.0.clock.new_id(), Action::SignedIn, Some(user.id));
        audit_events::insert(conn, &NewEvent { detail: Some(&code.client), ..event }, now)?;
        let begun = Begun::new(credential.login, device).led_by(code.login_id);
        let told = self.tell_of_new_device(conn, &user, begun, &caller, now)?;
        Ok((Outcome::Granted { user: Box::new(user), credential, ended, told, now }, None))
    }

    async fn revoke_if_code_reused(&self, hash: String, caller: Caller) -> Result<(), Error> {
        let this = self.clone();
        let work = move |conn: &mut Conn| {
            let code = authorization_codes::find(conn, &hash)?;
            let now = this.0.clock.now();
            let scope = match code {
                Some(code) => this.reused_code_scope(conn, &code, &caller, now)?,
                None => None,
            };
            Ok::<_, Error>(((), scope))
        };
        self.0.logins.revoke_with(RevokeReason::CodeReuse, work).await
    }

    /// The login that was made for a code that arrives again, to be revoked; `None` if none was, or if it is not active
    /// any more: a repetition that changes nothing is not recorded.
    fn reused_code_scope(
        &self,
        conn: &mut Conn,
        code: &IssuedCode,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Option<Scope>, Error> {
        let Some(login) = code.app_login() else { return Ok(None) };
        if logins::lock_live(conn, login, now)?.is_none() {
            return Ok(None);
        }
        tracing::warn!(%login, app = %code.client, "a code was reused");
        let caller = Caller { login: Some(login), ..caller.clone() };
        self.record(conn, &caller, Action::CodeReused, Some(code.user_id), now)?;
        Ok(Some(Scope::Login(login)))
    }
}
