//! Returns whether a token is active, for backends that ask (RFC 7662), and revokes the login of a token (RFC 7009).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use diesel::QueryResult;
use serde_json::{Map, Value, json};

use super::authority::Authority;
use super::{Accounts, Caller, Error};
use crate::auth::refresh::{CredentialKind, Presented};
use crate::auth::token_shape;
use crate::auth::tokens::TokenError;
use crate::db::Conn;
use crate::models::audit_events::Action;
use crate::models::logins::{self, LiveLogin, Scope};
use crate::models::users::{self, User};
use doorward_core::domain::{LoginId, LoginKind, RevokeReason};

impl Accounts {
    /// What is known of an active access or refresh token; none if it is not active, whatever the reason. The rows are
    /// read, so a revocation or a change of roles by any process counts from its commit on.
    ///
    /// # Errors
    /// [`Error::Token`] with [`TokenError::StaleRevocations`] if this process has not polled for revocations lately;
    /// [`Error::Db`] or [`Error::Query`].
    pub async fn introspect(&self, token: &str) -> Result<Option<Map<String, Value>>, Error> {
        if token_shape::is_jwt(token) {
            self.introspect_access(token).await
        } else {
            self.introspect_refresh(token).await
        }
    }

    async fn introspect_access(&self, token: &str) -> Result<Option<Map<String, Value>>, Error> {
        let access = match self.authenticate(token) {
            Ok(access) => access,
            Err(error @ TokenError::StaleRevocations) => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        let (login, user, version) = (access.login, access.user, access.rights.version);
        let is_current = move |conn: &mut Conn| {
            let is_active = logins::inactive_among(conn, &[login])?.is_empty();
            // This process may not have polled for the last change of roles and claims.
            Ok::<_, Error>(is_active && users::claims_version(conn, user)? == Some(version))
        };
        if !self.0.db.run(is_current).await? {
            return Ok(None);
        }
        let Some(mut claims) = claims(token) else { return Ok(None) };
        claims.insert("active".into(), true.into());
        claims.insert("token_type".into(), "Bearer".into());
        // It may be less than the token says.
        claims.insert("exp".into(), access.expires_at.and_utc().timestamp().into());
        Ok(Some(claims))
    }

    async fn introspect_refresh(&self, token: &str) -> Result<Option<Map<String, Value>>, Error> {
        let Some(presented) = self.read_credential(CredentialKind::Refresh, token) else { return Ok(None) };
        let this = self.clone();
        let found =
            self.0.db.run(move |conn| Ok::<_, Error>(this.find_refresh_login(conn, &presented)?)).await?;
        let Some((login, user)) = found else { return Ok(None) };
        let answer = json!({
            "active": true,
            "token_type": "refresh_token",
            "sub": user.id,
            "username": user.username,
            "sid": login.id,
            "iss": self.0.tokens.issuer(),
            "iat": login.last_seen_at.and_utc().timestamp(),
            "exp": login.expires_at.and_utc().timestamp(),
        });
        Ok(answer.as_object().cloned())
    }

    /// The active login of a refresh token that could be exchanged now.
    fn find_refresh_login(
        &self,
        conn: &mut Conn,
        Presented { credential, .. }: &Presented,
    ) -> QueryResult<Option<(LiveLogin, User)>> {
        let login = logins::find_live(conn, credential.login, self.0.clock.now())?;
        let stored = |login: &LiveLogin| {
            let (current, next) = (credential.hash(), self.0.credentials.next(credential).hash());
            login.refresh_hash.as_ref().is_some_and(|hash| *hash == current || *hash == next)
        };
        let Some(login) = login.filter(|login| login.kind == LoginKind::Token && stored(login)) else {
            return Ok(None);
        };
        Ok(users::find_active(conn, login.user_id)?.map(|user| (login, user)))
    }

    /// Revokes the login of an access or refresh token. A token that is not active is no error (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// [`Error::ApiKey`] or [`Error::Token`] if the caller may no longer do it; [`Error::Db`] or [`Error::Query`].
    pub async fn revoke_token(&self, token: &str, caller: &Caller) -> Result<(), Error> {
        let login = if token_shape::is_jwt(token) {
            self.0.tokens.verify(token).ok().map(|access| access.login)
        } else {
            self.login_of_refresh(token).await?
        };
        let Some(login) = login else { return Ok(()) };
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                let now = this.0.clock.now();
                Authority::lock(conn, &caller, now)?;
                let Some(login) = logins::find_live(conn, login, now)? else { return Ok(((), None)) };
                let event_caller = Caller { login: Some(login.id), ..caller };
                this.record(conn, &event_caller, Action::LoginsRevoked, Some(login.user_id), now)?;
                Ok::<_, Error>(((), Some(Scope::Login(login.id))))
            })
            .await
    }

    async fn login_of_refresh(&self, token: &str) -> Result<Option<LoginId>, Error> {
        let Some(presented) = self.read_credential(CredentialKind::Refresh, token) else { return Ok(None) };
        if presented.is_tagged {
            // Its tag says that it belongs to this login, though it may have been used before.
            return Ok(Some(presented.credential.login));
        }
        let this = self.clone();
        let find = move |conn: &mut Conn| Ok::<_, Error>(this.find_refresh_login(conn, &presented)?);
        Ok(self.0.db.run(find).await?.map(|(login, _)| login.id))
    }
}

/// The claims of a token whose signature was verified.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}
