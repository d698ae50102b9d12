//! One user's access to one server.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::connector::{self, Connector};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::session::Session;
use crate::tls;
use crate::url::ServerUrl;

/// One user's access to one server. Cheap to clone; clones share the tokens, so that a refresh token is never used twice.
#[derive(Clone)]
pub struct Client {
    connector: Arc<Connector>,
}

impl Client {
    /// Signs in. Over WebSocket the password is exchanged for tokens now. Over TCP each connection signs in with it, so
    /// that a wrong one shows as the first [`Event`](crate::Event) of a session.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`]; [`Error::Refused`] if the username or the password is wrong; [`Error::Busy`] after too many
    /// attempts; and what keeps the client from reaching the server.
    pub async fn sign_in(
        url: &str,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<Self, Error> {
        let credentials = Credentials::Password { username: username.into(), password: password.into() };
        let client = Self::new(url.parse()?, credentials)?;
        client.connector.sign_in().await?;
        Ok(client)
    }

    /// Finds out whether a Doorward server answers at a URL, without signing in: before a program asks a user for a
    /// password. The connection is closed again.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::UntrustedCertificate`] or [`Error::WrongProtocol`]: what keeps the client from
    /// reaching the server; [`Error::NoRootCertificates`].
    pub async fn check(url: &ServerUrl) -> Result<(), Error> {
        let tls = tls::trust_system_roots(url.is_encrypted())?;
        connector::check(url, &tls).await
    }

    /// Uses an access token that another program has, and renews. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`]; [`Error::NoRootCertificates`] if TLS is needed and the system has none.
    pub fn with_token(url: &str, access_token: impl Into<String>) -> Result<Self, Error> {
        Self::new(url.parse()?, Credentials::AccessToken(access_token.into()))
    }

    /// Uses any credentials, such as tokens that an earlier run has kept. Nothing is sent yet. Under TLS the system's root
    /// certificates are trusted, or those of the file that the environment variable `SSL_CERT_FILE` names.
    ///
    /// # Errors
    /// [`Error::NoRootCertificates`] if TLS is needed and the system has none.
    pub fn new(url: ServerUrl, credentials: Credentials) -> Result<Self, Error> {
        let tls = tls::trust_system_roots(url.is_encrypted())?;
        Ok(Self::with_tls(url, credentials, tls))
    }

    /// The same with a TLS configuration of yours. If it negotiates a protocol (ALPN), it must be `http/1.1`.
    #[must_use]
    pub fn with_tls(url: ServerUrl, credentials: Credentials, tls: Arc<ClientConfig>) -> Self {
        Self { connector: Arc::new(Connector::new(url, tls, credentials)) }
    }

    /// A live session, which connects when [`Session::next`] is first awaited.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(Arc::clone(&self.connector))
    }

    /// The current access token, for requests of yours to the HTTP API. Signs in if there is none yet.
    ///
    /// # Errors
    /// Those of [`Client::sign_in`]; [`Error::InvalidToken`] over TCP, where a password yields no token.
    pub async fn access_token(&self) -> Result<String, Error> {
        self.connector.access_token().await
    }

    /// Exchanges the refresh token for new tokens. A session does so by itself.
    ///
    /// # Errors
    /// [`Error::Refused`] if the login was revoked or has expired; [`Error::InvalidToken`] without a refresh token; and what
    /// keeps the client from reaching the server.
    pub async fn refresh(&self) -> Result<(), Error> {
        self.connector.renew_current().await
    }

    /// The credentials as they are now, for a program that keeps them until its next run.
    pub async fn credentials(&self) -> Credentials {
        self.connector.credentials().await
    }

    /// Revokes the login that [`Client::sign_in`] began, which closes its sessions. An access token of another program is
    /// left alone. The answer is awaited for three seconds.
    ///
    /// # Errors
    /// What keeps the client from reaching the server: the login remains active until it expires.
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.connector.sign_out().await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
