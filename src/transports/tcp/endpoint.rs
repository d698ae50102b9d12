//! The TCP endpoint: the prompts of a sign-in, then a `Session`. It speaks as the older threaded server did, so that its
//! clients, `nc` and people connect unchanged.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt;

use super::prompts::{End, Prompts};
use super::{Connection, FAILURE, Limits};
use crate::accounts::{Accounts, Caller, Device, Error, SignIn};
use crate::actors::session::{Admission, Session, SessionHandle, SessionServices};
use crate::actors::session_manager::WorkerSessions;
use crate::auth::token_shape;
use crate::config;
use crate::limits::{Exceeded, Limit, Mistake, RateLimits};
use crate::peer::PeerSocket;
use crate::transports::Wire;
use doorward_core::domain::{Access, LoginKind, Password, without_bom};
use doorward_core::protocol::first_bytes::{Spoken, recognize};
use doorward_core::protocol::{CloseReason, ServerMessage, json};

/// Wait after a failure to extend a login.
const RETRY: Duration = Duration::from_secs(5);

/// What an HTTP client reads at this port. It sees the prompt first, so this is for people.
const HTTP_ELSEWHERE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
                              x-content-type-options: nosniff\r\nconnection: close\r\n\r\n\
                              This port asks for a username and a password; HTTP has another one.\n";

/// What a worker needs to accept TCP connections.
#[derive(Clone)]
pub struct TcpEndpoint {
    pub accounts: Accounts,
    pub services: Arc<SessionServices>,
    pub limits: config::Sockets,
    pub rates: RateLimits,
    pub sessions: WorkerSessions,
}

/// How a sign-in came out.
enum Outcome {
    /// The session starts. With the access of a login that is the connection's own: a password sign-in.
    SignedIn(Admission, Option<Access>),
    /// The client reads this before the connection closes.
    Refused(Vec<u8>),
    /// The client has closed.
    Left,
}

impl TcpEndpoint {
    /// Why there is no room for one more session, if there is none. Checked before anything is spent on it.
    fn turned_away(&self) -> Option<CloseReason> {
        if self.sessions.is_draining() {
            Some(CloseReason::Restarting)
        } else if self.sessions.is_full() {
            Some(CloseReason::Overloaded)
        } else {
            None
        }
    }

    /// A connection from its first byte to the start of its session, which goes on by itself.
    pub async fn serve<S>(
        &self,
        accept: impl Future<Output = std::io::Result<S>>,
        socket: PeerSocket,
        peer: SocketAddr,
        signed_in: impl FnOnce(),
    ) where
        S: Wire + 'static,
    {
        let address = peer.ip().to_canonical();
        let clock = &self.services.clock;
        let start = clock.instant();
        let counted = self.count(Limit::Handshake, address);
        let pending = self.sessions.directory().admit_pending(address);
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
            .or_else(|| pending.is_none().then_some(CloseReason::TooMany));
        if let Some(reason) = refused {
            self.services.metrics.not_admitted("tcp", "refused");
            return Box::pin(connection.say_goodbye(&goodbye(reason))).await;
        }
        // Boxed, so that an open connection does not keep room for its beginning.
        let sign_in = Box::pin(self.sign_in(&mut connection, address));
        let outcome = tokio::select! {
            outcome = sign_in => outcome,
            () = self.sessions.draining() => Outcome::Refused(told_at_prompt(CloseReason::Restarting)),
        };
        drop(pending);
        match outcome {
            Outcome::Left => self.services.metrics.not_admitted("tcp", "left"),
            Outcome::Refused(words) => {
                self.services.metrics.not_admitted("tcp", "refused");
                Box::pin(connection.say_goodbye(&words)).await;
            }
            Outcome::SignedIn(admission, own_login) => {
                signed_in();
                let begun = self.services.clock.instant();
                let limits = Limits { line: self.limits.max_frame, outbox: self.limits.max_outbox };
                let (session, gone) = super::open(connection, limits, |tcp| {
                    Session::new(tcp, Arc::clone(&self.services), self.sessions.clone(), address, admission)
                });
                if let Some(access) = own_login {
                    let login = OwnLogin {
                        accounts: self.accounts.clone(),
                        services: Arc::clone(&self.services),
                        sessions: self.sessions.clone(),
                    };
                    rt::spawn(async move { login.last(access, begun, &session, gone).await });
                }
            }
        }
    }

    fn count(&self, limit: Limit, address: IpAddr) -> Result<(), Exceeded> {
        let counted = self.rates.check(limit, address).map(drop);
        counted.inspect_err(|_| self.rates.note_refused(limit, address))
    }

    /// Asks for a username and a password, or takes a token instead of the username.
    async fn sign_in<S>(&self, connection: &mut Connection<S>, address: IpAddr) -> Outcome
    where
        S: Wire,
    {
        let socket = connection.socket;
        let mut prompts = Prompts::new(connection, &self.services.clock, self.limits.auth_timeout);
        let username = match prompts.ask("Username: ").await {
            Ok(username) => username,
            Err(end) => return self.ended(end, address),
        };
        // Its first bytes may have come one by one.
        if recognize(username.as_bytes()) == Some(Spoken::Http) {
            return self.ended(End::Foreign(Spoken::Http), address);
        }
        let username = without_bom(&username);
        if let Some(token) = bearer(username.trim_start()) {
            return Outcome::SignedIn(self.enter((self.services.authenticate)(token)), None);
        }
        if is_bare_token(username) {
            self.rates.mistakes().note(Mistake::MisplacedToken, address);
            return Outcome::Refused([FAILURE.as_bytes(), &goodbye(CloseReason::BareToken)].concat());
        }
        match prompts.ask("Password: ").await {
            Ok(password) => self.check(username.trim(), Password::typed(password), address, socket).await,
            Err(end) => self.ended(end, address),
        }
    }

    /// The prompts ended without an answer.
    fn ended(&self, end: End, address: IpAddr) -> Outcome {
        let (mistake, words) = match end {
            End::Left => return Outcome::Left,
            End::Refused(reason) => return Outcome::Refused(told_at_prompt(reason)),
            End::Foreign(Spoken::Http) => (Mistake::HttpAtPrompts, HTTP_ELSEWHERE),
            End::Foreign(Spoken::Http2) => (Mistake::Http2, ""),
            End::Foreign(Spoken::Tls) => (Mistake::Tls, ""),
            End::Foreign(Spoken::ProxyHeader) => (Mistake::ProxyHeader, ""),
        };
        self.rates.mistakes().note(mistake, address);
        Outcome::Refused(words.as_bytes().to_vec())
    }

    async fn check(
        &self,
        username: &str,
        password: Password,
        address: IpAddr,
        socket: PeerSocket,
    ) -> Outcome {
        if self.count(Limit::SignIn, address).is_err() {
            return Outcome::Refused([FAILURE.as_bytes(), &goodbye(CloseReason::RateLimited)].concat());
        }
        let device = Device::new(LoginKind::Connection, Some("TCP"));
        let caller = Caller::client(address, Some(socket), None);
        match self.accounts.sign_in(username, password, device, &caller).await {
            Ok(SignIn::Granted(grant)) => match self.accounts.authenticate(&grant.access_token) {
                Ok(access) => Outcome::SignedIn(self.enter(Ok(access.clone())), Some(access)),
                Err(error) => {
                    self.accounts.revoke_connection(grant.credential.login);
                    Outcome::SignedIn(Admission::BadToken(error), None)
                }
            },
            Err(Error::InvalidCredentials) => Outcome::Refused(FAILURE.as_bytes().to_vec()),
            Err(Error::EmailNotVerified) => Outcome::Refused(
                [FAILURE, "Confirm your email address first: a link was sent to it.\n"].concat().into(),
            ),
            Err(Error::TooManyAttempts { .. }) => {
                Outcome::Refused([FAILURE.as_bytes(), &goodbye(CloseReason::RateLimited)].concat())
            }
            Err(error) => {
                tracing::warn!(%error, "a sign-in over TCP could not be checked");
                Outcome::Refused([FAILURE.as_bytes(), &goodbye(CloseReason::Overloaded)].concat())
            }
        }
    }

    fn enter(&self, access: Result<Access, crate::auth::tokens::TokenError>) -> Admission {
        match access {
            Ok(_) if self.sessions.is_full() => Admission::Refused(CloseReason::Overloaded),
            Ok(access) => Admission::SignedIn(access),
            Err(error) => Admission::BadToken(error),
        }
    }
}

/// What it takes to let a login last as long as its connection.
struct OwnLogin {
    accounts: Accounts,
    services: Arc<SessionServices>,
    sessions: WorkerSessions,
}

impl OwnLogin {
    /// Extends the login of a connection until that is `gone`, and revokes it then.
    async fn last(
        &self,
        access: Access,
        begun: Instant,
        session: &SessionHandle,
        gone: rt::task::JoinHandle<()>,
    ) {
        let login = access.login;
        tokio::select! {
            _ = gone => {}
            () = self.extend(access, begun, session) => {}
        }
        // At a restart the rows may be thousands; they expire by themselves, and soon.
        if !self.sessions.is_draining() {
            self.accounts.revoke_connection(login);
        }
    }

    /// Never ends: a login that was revoked closes its session by another path.
    async fn extend(&self, mut access: Access, mut since: Instant, session: &SessionHandle) {
        let clock = &self.services.clock;
        loop {
            // Well before the half, at which the client of a short token would be asked for a new one.
            let left = clock.instant_at(access.expires_at).saturating_duration_since(since);
            clock.sleep_until(since + left / 3).await;
            match self.accounts.keep_connection(access.login).await {
                Ok(Some(newer)) => {
                    access = newer.clone();
                    since = clock.instant();
                    session.renew(newer);
                }
                Ok(None) => return std::future::pending().await,
                Err(error) => {
                    tracing::warn!(%error, login = %access.login, "a connection's login was not extended");
                    clock.sleep(RETRY).await;
                }
            }
        }
    }
}

fn bearer(answer: &str) -> Option<&str> {
    let (scheme, token) = answer.trim_start().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A token as other transports take it, which is not a username.
fn is_bare_token(answer: &str) -> bool {
    let answer = answer.trim();
    let begins = |word: &str| answer.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    token_shape::is_jwt(answer) || answer.starts_with('{') || begins("authorization:") || begins("bearer:")
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
