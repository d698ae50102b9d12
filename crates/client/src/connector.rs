//! Opens connections to one server, and keeps the credentials for them fresh.

use std::sync::Arc;

use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant, timeout_at};
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::connection::Connection;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::http::{self, Answer};
use crate::refusal::INVALID_CREDENTIALS;
use crate::url::{ServerUrl, Transport};
use crate::{tcp, websocket};

/// A sign-out is tried for so long: a user who leaves does not wait for it.
const SIGN_OUT: Duration = Duration::from_secs(3);

/// What `/api/login` and `/api/refresh` answer. No `Debug`, because it holds tokens.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    refresh_token: String,
}

pub struct Connector {
    url: ServerUrl,
    tls: Arc<ClientConfig>,
    /// Locked while they are exchanged: a refresh token that is used twice revokes the login.
    credentials: Mutex<Credentials>,
}

/// A connection, and the access token that opened it, if one did.
pub struct Opened {
    pub connection: Connection,
    pub token: Option<String>,
}

impl Connector {
    pub fn new(url: ServerUrl, tls: Arc<ClientConfig>, credentials: Credentials) -> Self {
        Self { url, tls, credentials: Mutex::new(credentials) }
    }

    /// Opens one connection, with a newer token if the server refuses the current one.
    pub async fn open(self: &Arc<Self>) -> Result<Opened, Error> {
        if self.url.transport() == Transport::Tcp {
            let credentials = self.credentials().await;
            let connection = tcp::open(&self.url, &self.tls, &credentials).await?;
            return Ok(Opened { connection, token: credentials.access_token().map(str::to_owned) });
        }
        let token = self.access_token().await?;
        match websocket::open(&self.url, &self.tls, &token).await {
            Ok(connection) => Ok(Opened { connection, token: Some(token) }),
            Err(Error::InvalidToken) => {
                let token = self.renew(token).await?;
                let connection =
                    websocket::open(&self.url, &self.tls, &token).await.map_err(|error| match error {
                        Error::InvalidToken => Error::Refused("the server refused a new token".to_owned()),
                        error => error,
                    })?;
                Ok(Opened { connection, token: Some(token) })
            }
            Err(error) => Err(error),
        }
    }

    /// Exchanges a password for tokens, over the transport that has them.
    pub async fn sign_in(self: &Arc<Self>) -> Result<(), Error> {
        match self.url.transport() {
            Transport::WebSocket => self.access_token().await.map(drop),
            Transport::Tcp => Ok(()),
        }
    }

    /// The credentials as they are now.
    pub async fn credentials(&self) -> Credentials {
        self.credentials.lock().await.clone()
    }

    /// The access token; signs in for it if there is none yet.
    pub async fn access_token(self: &Arc<Self>) -> Result<String, Error> {
        let this = Arc::clone(self);
        to_completion(async move {
            let mut credentials = this.credentials.lock().await;
            match &*credentials {
                Credentials::Tokens { access, .. } | Credentials::AccessToken(access) => Ok(access.clone()),
                Credentials::Password { .. } if this.url.transport() == Transport::Tcp => {
                    Err(Error::InvalidToken)
                }
                Credentials::Password { username, password } => {
                    let body = json!({"login": username, "password": password});
                    let grant = this.grant("/api/login", &body).await?;
                    Ok(grant.keep(&mut credentials))
                }
            }
        })
        .await
    }

    /// A newer access token than `used`, which another session may have fetched already.
    ///
    /// [`Error::InvalidToken`] if there is no refresh token.
    pub async fn renew(self: &Arc<Self>, used: String) -> Result<String, Error> {
        let this = Arc::clone(self);
        to_completion(async move {
            let mut credentials = this.credentials.lock().await;
            match &*credentials {
                // There is no HTTP address to ask.
                _ if this.url.transport() == Transport::Tcp => Err(Error::InvalidToken),
                Credentials::Tokens { access, .. } if *access != used => Ok(access.clone()),
                Credentials::Tokens { refresh, .. } => {
                    let grant = this.grant("/api/refresh", &json!({"refresh_token": refresh})).await?;
                    Ok(grant.keep(&mut credentials))
                }
                Credentials::AccessToken(_) | Credentials::Password { .. } => Err(Error::InvalidToken),
            }
        })
        .await
    }

    /// The same, whichever token is in use. A password over TCP needs no renewal.
    pub async fn renew_current(self: &Arc<Self>) -> Result<(), Error> {
        match self.credentials().await {
            Credentials::Tokens { access, .. } | Credentials::AccessToken(access) => {
                self.renew(access).await.map(drop)
            }
            Credentials::Password { .. } => Ok(()),
        }
    }

    /// Revokes the login that the tokens belong to. Over TCP a login ends with its connection.
    pub async fn sign_out(self: &Arc<Self>) -> Result<(), Error> {
        let access = match self.credentials().await {
            Credentials::Tokens { access, .. } if self.url.transport() == Transport::WebSocket => access,
            _ => return Ok(()),
        };
        match self.log_out(&access).await {
            // The access token may be too old to sign out with.
            Err(Error::InvalidToken) => match self.renew(access).await {
                Ok(access) => self.log_out(&access).await,
                // The login has ended already.
                Err(Error::Refused(_)) => Ok(()),
                Err(error) => Err(error),
            },
            outcome => outcome,
        }
    }

    async fn log_out(&self, access: &str) -> Result<(), Error> {
        let request = http::post(&self.url, &self.tls, "/api/logout", Some(access), None);
        let answer = timeout_at(Instant::now() + SIGN_OUT, request).await;
        let answer = answer.map_err(|_| Error::Unreachable("no answer in time".to_owned()))??;
        match answer.status {
            StatusCode::UNAUTHORIZED => Err(Error::InvalidToken),
            status if status.is_success() => Ok(()),
            status => Err(Error::WrongProtocol(format!("the server answered {status}"))),
        }
    }

    async fn grant(&self, route: &str, body: &Value) -> Result<Grant, Error> {
        let answer = http::post(&self.url, &self.tls, route, None, Some(body)).await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&self.url, route, &answer));
        }
        answer
            .json()
            .ok_or_else(|| Error::WrongProtocol("the server does not answer as Doorward does".to_owned()))
    }
}

/// Whether a Doorward server answers. One that is busy is there.
pub async fn check(url: &ServerUrl, tls: &Arc<ClientConfig>) -> Result<(), Error> {
    if url.transport() == Transport::Tcp {
        return tcp::check(url, tls).await;
    }
    let route = "/api/login";
    // Without a body the server refuses it for its type, before it counts it as an attempt to sign in.
    let answer = http::post(url, tls, route, None, None).await?;
    if answer.problem("code").as_deref() == Some("not_json") {
        return Ok(());
    }
    match refusal(url, route, &answer) {
        error @ Error::WrongProtocol(_) => Err(error),
        _ => Ok(()),
    }
}

/// What an answer other than tokens means.
fn refusal(url: &ServerUrl, route: &str, answer: &Answer) -> Error {
    let busy = |reason: &str| Error::Busy { reason: reason.to_owned(), retry_after: answer.retry_after };
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::UNPROCESSABLE_ENTITY if route == "/api/login" => {
            Error::Refused(INVALID_CREDENTIALS.to_owned())
        }
        // Only this code means it: any other answer may be a proxy's, and may be temporary.
        StatusCode::UNAUTHORIZED if answer.problem("code").as_deref() == Some("invalid_refresh_token") => {
            Error::Refused("the sign-in has ended".to_owned())
        }
        StatusCode::TOO_MANY_REQUESTS => busy("too many attempts from this network"),
        StatusCode::SERVICE_UNAVAILABLE => busy("the server is busy"),
        StatusCode::BAD_REQUEST if answer.problem("code").as_deref() == Some("https_only") => {
            Error::WrongProtocol("this port speaks HTTPS: the URL begins with wss://".to_owned())
        }
        status => {
            let hint = match status {
                StatusCode::NOT_FOUND => "; the URL's path is what the server's own paths follow",
                status if status.is_redirection() => {
                    ", which leads elsewhere: perhaps the URL begins with wss:// or has another path"
                }
                _ => "",
            };
            Error::WrongProtocol(format!("the server answered {status} to {}{hint}", url.path(route)))
        }
    }
}

impl Grant {
    /// Replaces the credentials; returns the access token.
    fn keep(self, credentials: &mut Credentials) -> String {
        let access = self.access_token.clone();
        *credentials = Credentials::Tokens { access: self.access_token, refresh: self.refresh_token };
        access
    }
}

/// Runs to its end even if the caller stops waiting: a refresh token that the server has replaced must not be lost.
async fn to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|_| Err(Error::Unreachable("the program is stopping".to_owned())))
}
