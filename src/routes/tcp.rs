//! The TCP door: the prompts of a sign-in, then a `Session`. It speaks as the threaded server did that it
//! replaces, so that its clients, `nc` and people come in unchanged.

use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::accounts::{Accounts, Device, Error};
use crate::actors::carrier::PeerSocket;
use crate::actors::carrier::tcp::{self, Connection, FAILURE, Limits, Renew, Tcp};
use crate::actors::session::{Entry, House, Session};
use crate::actors::session_manager::WorkerSessions;
use crate::config;
use crate::domain::{Access, Password, without_bom};
use crate::limits::{Limit, RateLimits};
use crate::models::logins::LoginKind;
use crate::protocol::{CloseReason, ServerMessage, json};

/// Bytes of an answer: room for a token.
const MAX_ANSWER: usize = 4 * 1024;

/// An answer without a newline ends when nothing more came for so long: the older system's own client sends
/// none.
const SILENCE: Duration = Duration::from_millis(250);

/// For a whole sign-in, once something was typed.
const TYPING: Duration = Duration::from_mins(1);

/// After a failure to prolong a login.
const RETRY: Duration = Duration::from_secs(5);

/// What a worker needs to let TCP connections in.
#[derive(Clone)]
pub struct Door {
    pub accounts: Accounts,
    pub house: Arc<House>,
    pub limits: config::Sockets,
    pub rates: RateLimits,
    pub sessions: WorkerSessions,
}

/// How a sign-in came out.
enum Outcome {
    In(Entry, Option<Access>),
    /// Said to the client before the connection closes.
    Refused(Vec<u8>),
    /// The client has gone.
    Left,
}

impl Door {
    /// Whether there is no room for one more from this address, and why. To be asked before anything is
    /// spent on it.
    fn turned_away(&self) -> Option<CloseReason> {
        if self.sessions.is_draining() {
            Some(CloseReason::Restarting)
        } else if self.sessions.is_full() {
            Some(CloseReason::Overloaded)
        } else {
            None
        }
    }

    /// A connection from its first byte to its last.
    pub async fn serve<S>(
        &self,
        accept: impl Future<Output = std::io::Result<S>>,
        socket: PeerSocket,
        peer: SocketAddr,
        signed_in: impl FnOnce(),
    ) where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let address = peer.ip().to_canonical();
        let clock = &self.house.clock;
        let start = clock.instant();
        let counted = self.rates.check(Limit::Handshake, address);
        let waiting = self.sessions.wait(address);
        // Under TLS even a refusal needs the handshake, or the client could not read it.
        let accepted = tokio::select! {
            accepted = accept => accepted,
            () = clock.sleep_until(start + self.limits.auth_timeout) => return,
        };
        let Ok(stream) = accepted else { return };
        let mut connection = Connection::new(stream, socket);
        let refused = self
            .turned_away()
            .or_else(|| counted.is_err().then_some(CloseReason::RateLimited))
            .or_else(|| waiting.is_none().then_some(CloseReason::TooMany));
        if let Some(reason) = refused {
            return Box::pin(connection.farewell(&goodbye(reason))).await;
        }
        // Boxed, so that an open connection does not keep room for its beginning.
        let sign_in = Box::pin(self.sign_in(&mut connection, address));
        let outcome = tokio::select! {
            outcome = sign_in => outcome,
            () = self.sessions.draining() => Outcome::Refused(told_at_prompt(CloseReason::Restarting)),
        };
        drop(waiting);
        match outcome {
            Outcome::Left => {}
            Outcome::Refused(words) => Box::pin(connection.farewell(&words)).await,
            Outcome::In(entry, own_login) => {
                signed_in();
                let limits = Limits { line: self.limits.max_frame, outbox: self.limits.max_outbox };
                let (session, gone) = tcp::open(connection, limits, |tcp| {
                    Session::new(tcp, Arc::clone(&self.house), self.sessions.clone(), address, entry)
                });
                match own_login {
                    Some(access) => Box::pin(self.stay(access, &session, gone)).await,
                    None => gone.await,
                }
            }
        }
    }

    /// Asks who it is. Silence ends it, at the start soon, later when a slow typist would be done.
    async fn sign_in<S>(&self, connection: &mut Connection<S>, address: IpAddr) -> Outcome
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let clock = &self.house.clock;
        let start = clock.instant();
        let mut prompts = Prompts { connection, swallow: false };
        let mut deadline = start + self.limits.auth_timeout;
        let mut answers = Vec::with_capacity(2);
        for prompt in ["Username: ", "Password: "] {
            let asked = async {
                prompts.say(prompt).await?;
                prompts.first_byte().await
            };
            let outcome = tokio::select! {
                asked = asked => asked,
                () = clock.sleep_until(deadline) => Err(Some(CloseReason::SignInTimeout)),
            };
            // Who has begun to type is given the time to end.
            deadline = deadline.max(start + TYPING);
            let outcome = match outcome {
                Ok(()) => tokio::select! {
                    answer = prompts.answer() => answer,
                    () = clock.sleep_until(deadline) => Err(Some(CloseReason::SignInTimeout)),
                },
                Err(end) => Err(end),
            };
            match outcome {
                Ok(answer) => answers.push(answer),
                Err(None) => return Outcome::Left,
                Err(Some(reason)) => return Outcome::Refused(told_at_prompt(reason)),
            }
            if let [answer] = &answers[..]
                && let Some(token) = bearer(without_bom(answer).trim_start())
            {
                return Outcome::In(self.enter((self.house.admit)(token)), None);
            }
        }
        // Both were asked for, or it would not have come here.
        let password = Password::typed(answers.pop().unwrap_or_default());
        let username = answers.pop().unwrap_or_default();
        let socket = prompts.connection.socket;
        self.check(without_bom(&username), password, address, socket).await
    }

    async fn check(
        &self,
        username: &str,
        password: Password,
        address: IpAddr,
        socket: PeerSocket,
    ) -> Outcome {
        if self.rates.check(Limit::SignIn, address).is_err() {
            return Outcome::Refused([FAILURE.as_bytes(), &goodbye(CloseReason::RateLimited)].concat());
        }
        let device = Device::new(LoginKind::Connection, Some("TCP"), Some(address)).over(Some(socket));
        match self.accounts.sign_in(username, password, device).await {
            Ok(grant) => match self.accounts.admit(&grant.access_token) {
                Ok(access) => Outcome::In(self.enter(Ok(access.clone())), Some(access)),
                Err(error) => {
                    self.accounts.end_connection(grant.credential.login);
                    Outcome::In(Entry::BadToken(error), None)
                }
            },
            Err(Error::InvalidCredentials) => Outcome::Refused(FAILURE.as_bytes().to_vec()),
            Err(Error::TooManyAttempts { .. }) => {
                Outcome::Refused([FAILURE.as_bytes(), &goodbye(CloseReason::RateLimited)].concat())
            }
            Err(error) => {
                tracing::warn!(%error, "a sign-in over TCP could not be looked at");
                Outcome::Refused([FAILURE.as_bytes(), &goodbye(CloseReason::Overloaded)].concat())
            }
        }
    }

    fn enter(&self, access: Result<Access, crate::auth::tokens::TokenError>) -> Entry {
        match access {
            Ok(_) if self.sessions.is_full() => Entry::Refused(CloseReason::Overloaded),
            Ok(access) => Entry::SignedIn(access),
            Err(error) => Entry::BadToken(error),
        }
    }

    /// Keeps the login of a connection for as long as that lasts, and ends it then.
    async fn stay(&self, access: Access, session: &Addr<Session<Tcp>>, gone: impl Future<Output = ()>) {
        let login = access.login;
        tokio::select! {
            () = gone => {}
            () = self.keep(access, session) => {}
        }
        // At a restart the rows may be thousands; they end by themselves, and soon.
        if !self.sessions.is_draining() {
            self.accounts.end_connection(login);
        }
    }

    /// Never ends: a login that stands no more closes its session elsewhere.
    async fn keep(&self, mut access: Access, session: &Addr<Session<Tcp>>) {
        let clock = &self.house.clock;
        loop {
            // Well before the half, at which the client of a short token would be asked for a new one.
            let left = clock.instant_at(access.expires_at).saturating_duration_since(clock.instant());
            clock.sleep(left / 3).await;
            match self.accounts.keep_connection(access.login).await {
                Ok(Some(newer)) => {
                    access = newer.clone();
                    session.do_send(Renew(newer));
                }
                Ok(None) => return std::future::pending().await,
                Err(error) => {
                    tracing::warn!(%error, login = %access.login, "a connection's login was not prolonged");
                    clock.sleep(RETRY).await;
                }
            }
        }
    }
}

/// Asks and is answered. An error is why it must end, or nothing if the client has gone.
struct Prompts<'a, S> {
    connection: &'a mut Connection<S>,
    /// The answer before ended by silence: a newline that follows late is its own.
    swallow: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Prompts<'_, S> {
    async fn say(&mut self, prompt: &str) -> Result<(), Option<CloseReason>> {
        let said = async {
            self.connection.stream.write_all(prompt.as_bytes()).await?;
            self.connection.stream.flush().await
        };
        said.await.map_err(|_| None)
    }

    async fn first_byte(&mut self) -> Result<(), Option<CloseReason>> {
        loop {
            if std::mem::take(&mut self.swallow) {
                let late = match &self.connection.unused[..] {
                    [b'\r', b'\n', ..] => 2,
                    [b'\n', ..] => 1,
                    rest => {
                        self.swallow = rest.is_empty() || rest == b"\r";
                        0
                    }
                };
                drop(self.connection.unused.split_to(late));
            }
            if !self.connection.unused.is_empty() && !self.swallow {
                return Ok(());
            }
            match self.connection.read_more().await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(None),
            }
        }
    }

    async fn answer(&mut self) -> Result<String, Option<CloseReason>> {
        loop {
            if let Some(line) = self.connection.take_line() {
                return bounded(&line);
            }
            // Not over it: a longer one cannot become a good answer.
            if self.connection.unused.len() > MAX_ANSWER {
                return Err(Some(CloseReason::TooBig));
            }
            #[expect(clippy::disallowed_methods, reason = "a real client's pace; no rule depends on it")]
            match tokio::time::timeout(SILENCE, self.connection.read_more()).await {
                Ok(Ok(1..)) => {}
                Ok(Err(_)) => return Err(None),
                Ok(Ok(0)) => return bounded(&self.connection.unused.split()),
                Err(_) => {
                    self.swallow = true;
                    return bounded(&self.connection.unused.split());
                }
            }
        }
    }
}

fn bounded(answer: &BytesMut) -> Result<String, Option<CloseReason>> {
    match answer.len().cmp(&MAX_ANSWER) {
        Ordering::Greater => Err(Some(CloseReason::TooBig)),
        // What is no text is nobody's name and nobody's password.
        _ => Ok(String::from_utf8_lossy(answer).into_owned()),
    }
}

fn bearer(answer: &str) -> Option<&str> {
    let (scheme, token) = answer.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn goodbye(reason: CloseReason) -> Vec<u8> {
    let mut line = Vec::with_capacity(128);
    json::encode(&ServerMessage::goodbye(reason), |_| "", &mut line);
    line.push(b'\n');
    line
}

/// On a line of its own: the prompt's has no end.
fn told_at_prompt(reason: CloseReason) -> Vec<u8> {
    [b"\n", &goodbye(reason)[..]].concat()
}
