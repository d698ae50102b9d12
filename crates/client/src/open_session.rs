//! A session on one connection, from its opening to its end.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::close::CloseReason;
use crate::connection::{Connection, Incoming, Outgoing, RESPONSE_TIMEOUT};
use crate::connector::{Connector, Opened};
use crate::error::Error;
use crate::message::Message;
use crate::refusal;

/// What happens on a connection.
pub enum Step {
    Message(Message),
    NotRenewed(Error),
    Ended(Error),
}

pub struct OpenSession {
    connection: Connection,
    /// The access token that the server knows; over TCP a password leaves none.
    token: Option<String>,
    opened: Instant,
    /// The server's name for the session, from `welcome` on.
    id: Option<String>,
    heartbeat: Duration,
    last_activity: Instant,
    renewal: Option<BoxFuture<'static, Result<String, Error>>>,
    goodbye: Option<CloseReason>,
}

impl OpenSession {
    pub fn new(Opened { connection, token }: Opened) -> Self {
        let now = Instant::now();
        Self {
            connection,
            token,
            opened: now,
            id: None,
            heartbeat: Duration::ZERO,
            last_activity: now,
            renewal: None,
            goodbye: None,
        }
    }

    /// The session's id, once the server has sent `welcome`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How long the connection has lasted.
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// What happens next. Cancel-safe.
    pub async fn next(&mut self, connector: &Arc<Connector>) -> Step {
        if let Some(reason) = self.goodbye.take() {
            let is_welcomed = self.id.is_some();
            return Step::Ended(if is_welcomed {
                Error::Closed(reason)
            } else {
                refusal::before_welcome(reason)
            });
        }
        loop {
            let silent_until = self.silence_limit();
            tokio::select! {
                incoming = self.connection.next() => {
                    self.last_activity = Instant::now();
                    match incoming {
                        Incoming::Text(text) => return self.receive(text.into(), connector),
                        Incoming::Activity => {}
                        Incoming::Ping => self.connection.send_own(Outgoing::Pong),
                        Incoming::Closed(why) => return Step::Ended(Error::Unreachable(why)),
                    }
                }
                renewed = finish(&mut self.renewal) => match renewed {
                    Ok(token) => self.authenticate(token),
                    Err(error) => return Step::NotRenewed(error),
                },
                () = sleep_until(silent_until) => {
                    return Step::Ended(Error::Unreachable("the server says nothing".to_owned()));
                }
            }
        }
    }

    fn receive(&mut self, message: Message, connector: &Arc<Connector>) -> Step {
        match message.kind() {
            "welcome" if self.id.is_none() => {
                self.id = Some(message["session"].as_str().unwrap_or_default().to_owned());
                let seconds = message["heartbeat_s"].as_u64().unwrap_or(3600);
                self.heartbeat = Duration::from_secs(seconds.clamp(1, 3600));
            }
            // Without a time, it is the right to a room that expires.
            "expiring" if message["expires_at"].is_string() => {
                let connector = Arc::clone(connector);
                self.renewal = self.token.clone().map(|token| -> BoxFuture<'static, _> {
                    Box::pin(async move { connector.renew(token).await })
                });
            }
            _ => self.goodbye = message.close_reason(),
        }
        Step::Message(message)
    }

    /// Sends a newer token on the open session.
    fn authenticate(&mut self, token: String) {
        self.connection.send_own(Outgoing::Text(json!({"type": "auth", "token": token}).to_string()));
        self.token = Some(token);
    }

    /// Until when the server must have sent something. Before `welcome` that is soon. Afterwards a server that is there asks
    /// for a sign of life once a heartbeat, unless it gets one.
    fn silence_limit(&self) -> Instant {
        match self.id {
            None => self.opened + RESPONSE_TIMEOUT,
            Some(_) => self.last_activity + self.heartbeat * 2 + RESPONSE_TIMEOUT,
        }
    }

    pub fn send(&self, text: String) -> Result<(), Error> {
        if self.id.is_none() {
            return Err(Error::NotConnected);
        }
        self.connection.send(text)
    }

    /// Closes in order, if the server cooperates within a second.
    pub async fn close(self) {
        self.connection.close().await;
    }
}

/// The outcome of a renewal; forever pending if there is none.
async fn finish(renewal: &mut Option<BoxFuture<'static, Result<String, Error>>>) -> Result<String, Error> {
    match renewal {
        Some(running) => {
            let outcome = running.await;
            *renewal = None;
            outcome
        }
        None => pending().await,
    }
}
