//! Opens sessions, one after another as long as there is hope, and signs out at the end.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::backoff::Backoff;
use super::http::Api;
use super::message::{Goodbye, Next};
use super::print::escape;
use super::sign_in::Credentials;
use super::talk::{End, Talk};
use super::url::{Door, Target};
use super::wire::{Trouble, Wire};
use super::{Failure, code, tcp, websocket};

/// A session that held for so long starts another row of attempts.
const HELD: Duration = Duration::from_secs(10);

/// A server that asks for more patience is given up.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Where newer tokens come from.
pub trait Renewal {
    /// None if the server renews by itself; an error says why there is none.
    async fn newer_token(&mut self) -> Result<Option<String>, String>;
}

pub struct Client {
    target: Target,
    tls: Arc<ClientConfig>,
    api: Api,
    credentials: Credentials,
}

impl Renewal for Client {
    async fn newer_token(&mut self) -> Result<Option<String>, String> {
        match self.refresh().await {
            Ok(token) => Ok(Some(token).filter(|token| !token.is_empty())),
            Err(Trouble::Unreachable(why) | Trouble::Busy(why, _) | Trouble::Refused(why)) => {
                Err(format!("there is no newer token: {}", escape(&why)))
            }
            Err(Trouble::Expired) => Err("the token expires soon, and only its giver has another".to_owned()),
        }
    }
}

impl Client {
    pub fn new(target: Target, tls: Arc<ClientConfig>, credentials: Credentials) -> Self {
        let api = Api::new(&target, &tls);
        Self { target, tls, api, credentials }
    }

    /// Until the end, which is a success if it was asked for.
    pub async fn run(&mut self, talk: &mut Talk) -> Result<(), Failure> {
        let mut backoff = Backoff::default();
        loop {
            let opened = tokio::select! {
                opened = self.open() => opened,
                end = talk.pause(Duration::from_hours(1)) => {
                    return end.map_or_else(|end| Self::give_up(end, talk), Ok);
                }
            };
            let (why, next, wait) = match opened {
                Ok(mut wire) => {
                    let start = now();
                    let (end, was_in) = talk.run(&mut wire, self).await;
                    wire.close().await;
                    if was_in && start.elapsed() >= HELD {
                        backoff.reset();
                    }
                    match end {
                        End::Goodbye(goodbye) if was_in && goodbye.next != Next::Never => {
                            (goodbye.reason, goodbye.next, Duration::ZERO)
                        }
                        End::Goodbye(goodbye) if was_in => {
                            return Err(ended(&goodbye));
                        }
                        End::Goodbye(goodbye) => self.weigh(goodbye.before_welcome(), talk)?,
                        End::Lost(why) => self.weigh(Trouble::Unreachable(why), talk)?,
                        end => return Self::give_up(end, talk),
                    }
                }
                Err(trouble) => self.weigh(trouble, talk)?,
            };
            let why = escape(&why);
            let Some(delay) = backoff.next(next == Next::NewToken).filter(|_| wait <= LONGEST_WAIT) else {
                return Err(Failure::With(code::UNREACHABLE, format!("gave up: {why}")));
            };
            // Added, so that clients which were told the same do not come back together.
            let delay = delay + wait;
            if next == Next::NewToken {
                // Without an answer it is asked again when the socket does not open.
                if let Err(trouble @ (Trouble::Refused(_) | Trouble::Expired)) = self.refresh().await {
                    self.weigh(trouble, talk)?;
                }
            } else {
                talk.screen.note(&format!("{why}; trying again in {:.1} s", delay.as_secs_f64()));
            }
            if let Err(end) = talk.pause(delay).await {
                return Self::give_up(end, talk);
            }
        }
    }

    async fn open(&mut self) -> Result<Wire, Trouble> {
        if self.target.door == Door::Tcp {
            return tcp::open(&self.target, &self.tls, &self.credentials).await;
        }
        let url = self.target.socket();
        if let Credentials::Password { username, password } = &self.credentials {
            // From here on tokens will do.
            self.credentials = self.api.login(username, password).await?;
        }
        match websocket::open(&self.api.client, &url, self.credentials.access()).await {
            Err(Trouble::Expired) if matches!(self.credentials, Credentials::Grant { .. }) => {
                let token = self.refresh().await?;
                match websocket::open(&self.api.client, &url, &token).await {
                    Err(Trouble::Expired) => Err(Trouble::Refused("the token was refused".to_owned())),
                    opened => opened,
                }
            }
            opened => opened,
        }
    }

    async fn refresh(&mut self) -> Result<String, Trouble> {
        match &self.credentials {
            Credentials::Grant { refresh, .. } => self.credentials = self.api.refresh(refresh).await?,
            Credentials::Token(_) => return Err(Trouble::Expired),
            // The next sign-in is with it.
            Credentials::Password { .. } => {}
        }
        Ok(self.credentials.access().to_owned())
    }

    /// Whether to try again, and how; otherwise it ends.
    fn weigh(&self, trouble: Trouble, talk: &Talk) -> Result<(String, Next, Duration), Failure> {
        match trouble {
            Trouble::Busy(why, wait) => Ok((why, Next::Backoff, wait)),
            Trouble::Unreachable(why) if talk.begun => Ok((why, Next::Backoff, Duration::ZERO)),
            Trouble::Unreachable(why) => {
                // The libraries' words, for want of anything better to tell them by.
                let hint = if why.contains("certificate") {
                    " (SSL_CERT_FILE names certificates to trust)"
                } else if why.contains("InvalidContentType") {
                    " (this port speaks no TLS: the URL begins with ws:// or tcp://)"
                } else if why.contains("invalid HTTP") {
                    " (this port speaks no HTTP: the URL of the TCP port begins with tcp://)"
                } else {
                    ""
                };
                let why = format!("cannot connect to {}: {}{hint}", self.target.authority(), escape(&why));
                Err(Failure::With(code::UNREACHABLE, why))
            }
            Trouble::Refused(why) => {
                Err(Failure::With(code::REFUSED, format!("sign-in refused: {}", escape(&why))))
            }
            Trouble::Expired => Err(Failure::With(
                code::REFUSED,
                "sign-in refused: the token has expired or is not good".to_owned(),
            )),
        }
    }

    fn give_up(end: End, talk: &Talk) -> Result<(), Failure> {
        Err(match end {
            End::User => return Ok(()),
            End::Signal(code) => Failure::With(code, "stopped by a signal".to_owned()),
            End::Goodbye(goodbye) => ended(&goodbye),
            End::Lost(why) => Failure::With(code::UNREACHABLE, escape(&why)),
            End::BadLine(hint) => Failure::Usage(escape(&hint)),
            End::Unanswered => Failure::Running(format!("requests without an answer: {}", talk.unanswered)),
        })
    }

    /// Ends the login that was begun here; a token that was brought is somebody else's.
    pub async fn sign_out(&self) -> bool {
        match &self.credentials {
            Credentials::Grant { access, refresh } => self.api.logout(access, refresh).await,
            _ => true,
        }
    }
}

fn ended(goodbye: &Goodbye) -> Failure {
    Failure::With(code::ENDED, format!("the server ended it: {}", escape(&goodbye.reason)))
}

#[expect(clippy::disallowed_methods, reason = "how long a real connection held")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
