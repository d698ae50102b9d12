//! Signing in and out over HTTP.

use std::sync::Arc;
use std::time::Duration;

use awc::http::{StatusCode, header};
use doorward::accounts::INVALID_CREDENTIALS;
use doorward_core::domain::Password;
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use super::sign_in::Credentials;
use super::url::Target;
use super::wire::{PATIENCE, Trouble};

/// A sign-out is only tried: whoever leaves does not wait.
const SIGN_OUT: Duration = Duration::from_secs(3);

/// No `Debug`: there are tokens in it.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    refresh_token: String,
}

/// What `Retry-After` asks for, in seconds as Doorward writes it.
fn wait(headers: &header::HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

/// What a server says in the clear where only TLS is spoken.
fn is_https_only(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|problem| problem["code"] == "https_only")
}

pub struct Api {
    pub client: awc::Client,
    target: Target,
}

impl Api {
    pub fn new(target: &Target, tls: &Arc<ClientConfig>) -> Self {
        let connector =
            awc::Connector::new().rustls_0_23(Arc::clone(tls)).timeout(PATIENCE).handshake_timeout(PATIENCE);
        // A redirect would carry the password elsewhere.
        let client =
            awc::Client::builder().connector(connector).timeout(PATIENCE).disable_redirects().finish();
        Self { client, target: target.clone() }
    }

    pub async fn login(&self, username: &str, password: &Password) -> Result<Credentials, Trouble> {
        let body = json!({"login": username, "password": password.expose_typed()});
        self.grant("/api/login", &body, INVALID_CREDENTIALS).await
    }

    pub async fn refresh(&self, refresh: &str) -> Result<Credentials, Trouble> {
        let body = json!({"refresh_token": refresh});
        self.grant("/api/refresh", &body, "the sign-in has ended").await
    }

    async fn grant(&self, path: &str, body: &Value, refused: &str) -> Result<Credentials, Trouble> {
        let answer = self.client.post(self.target.http(path)).send_json(body).await;
        let mut answer = answer.map_err(|error| Trouble::Unreachable(error.to_string()))?;
        match answer.status() {
            StatusCode::OK => {
                let grant = answer.json::<Grant>().await;
                let grant = grant.map_err(|_| {
                    Trouble::Unreachable("the server does not answer as Doorward does".to_owned())
                })?;
                Ok(Credentials::Grant { access: grant.access_token, refresh: grant.refresh_token })
            }
            StatusCode::UNAUTHORIZED | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Trouble::Refused(refused.to_owned()))
            }
            StatusCode::TOO_MANY_REQUESTS => {
                Err(Trouble::Busy("too many attempts from this network".to_owned(), wait(answer.headers())))
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                Err(Trouble::Busy("the server is busy".to_owned(), wait(answer.headers())))
            }
            StatusCode::BAD_REQUEST if is_https_only(&answer.body().await.unwrap_or_default()) => {
                Err(Trouble::Unreachable("this port speaks HTTPS: the URL begins with wss://".to_owned()))
            }
            status => {
                let base = &self.target.base;
                let hint = match status {
                    StatusCode::NOT_FOUND => "; the URL's path is what the server's own paths follow",
                    status if status.is_redirection() => {
                        ", which leads elsewhere: perhaps the URL begins with wss:// or has another path"
                    }
                    _ => "",
                };
                Err(Trouble::Unreachable(format!("the server answered {status} to {base}{path}{hint}")))
            }
        }
    }

    /// Ends the login. Whether it did.
    pub async fn logout(&self, access: &str, refresh: &str) -> bool {
        match self.try_logout(access).await {
            // The access token may be too old to sign out with.
            Some(StatusCode::UNAUTHORIZED) => match self.refresh(refresh).await {
                Ok(Credentials::Grant { access, .. }) => {
                    self.try_logout(&access).await.is_some_and(|status| status.is_success())
                }
                // There is no login any more.
                Err(Trouble::Refused(_)) => true,
                _ => false,
            },
            status => status.is_some_and(|status| status.is_success()),
        }
    }

    async fn try_logout(&self, access: &str) -> Option<StatusCode> {
        let request = self.client.post(self.target.http("/api/logout")).timeout(SIGN_OUT);
        request.bearer_auth(access).send().await.ok().map(|answer| answer.status())
    }
}
