//! What a live session may do: a state machine without I/O. Every input answers one [`Effect`], which the
//! actor round it (`actors::session`) carries out.
//!
//! Before and after sign-in are two types, and signing in consumes the first.

use std::time::{Duration, Instant};

use crate::domain::{Access, SessionId};
use crate::protocol::{ClientMessage, CloseReason, Request, RequestId, ServerMessage, UserInfo, json};

/// How long before the access token expires the client is told; halfway for one with less than twice that
/// left, so that a short token is not asked for again the moment it came.
pub const EXPIRING_LEAD: Duration = Duration::from_mins(1);

/// The bounds that the rules need.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub auth_timeout: Duration,
    pub heartbeat: Duration,
}

/// What is to be done about an input.
#[derive(Debug)]
pub enum Effect {
    Nothing,
    Send(ServerMessage),
    /// Check this token, then call `sign_in` or `renew`, or close with [`CloseReason::Unauthorized`].
    Verify {
        id: Option<RequestId>,
        token: String,
    },
    /// Let `events` answer.
    Run {
        id: Option<RequestId>,
        name: String,
    },
    /// Send the user's live sessions, now and whenever they change.
    WatchSessions {
        id: Option<RequestId>,
    },
    /// Ask the client for a sign of life, in the carrier's way.
    Ping,
    Close(CloseReason),
}

/// What waits for the client to read it, as its carrier counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// Bytes waiting now.
    pub waiting: usize,
    /// Bytes that have ever left.
    pub drained: u64,
}

/// A live session.
#[derive(Debug)]
pub enum Session {
    Unauthenticated(Unauthenticated),
    Authenticated(Authenticated),
}

impl Session {
    #[must_use]
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self::Unauthenticated(Unauthenticated::new(rules, now))
    }

    /// A message of the client.
    pub fn receive(&mut self, text: &str, now: Instant) -> Effect {
        let Ok(message) = json::decode(text) else {
            return Effect::Close(CloseReason::BadMessage);
        };
        match self {
            Self::Unauthenticated(_) => Unauthenticated::receive(message),
            Self::Authenticated(session) => {
                session.heard(now);
                Authenticated::receive(message)
            }
        }
    }

    /// Any other sign of life, such as a pong.
    pub const fn heard(&mut self, now: Instant) {
        if let Self::Authenticated(session) = self {
            session.heard(now);
        }
    }

    /// Time has passed. Call again until it answers [`Effect::Nothing`], then at [`Session::deadline`].
    pub fn tick(&mut self, now: Instant, unread: Unread) -> Effect {
        match self {
            Self::Unauthenticated(session) => session.tick(now),
            Self::Authenticated(session) => session.tick(now, unread),
        }
    }

    /// When [`Session::tick`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        match self {
            Self::Unauthenticated(session) => session.deadline,
            Self::Authenticated(session) => session.deadline(),
        }
    }
}

/// A stranger: may sign in, and nothing else.
#[derive(Debug)]
pub struct Unauthenticated {
    rules: Rules,
    deadline: Instant,
}

impl Unauthenticated {
    #[must_use]
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self { rules, deadline: now + rules.auth_timeout }
    }

    fn receive(message: ClientMessage<'_>) -> Effect {
        // One message, one chance: a stranger's second guess costs a new connection.
        match message.request {
            Request::Auth { token } => Effect::Verify { id: message.id, token: token.into_owned() },
            Request::Event { .. } | Request::Invalid { .. } => Effect::Close(CloseReason::Unauthorized),
        }
    }

    fn tick(&self, now: Instant) -> Effect {
        if now >= self.deadline { Effect::Close(CloseReason::SignInTimeout) } else { Effect::Nothing }
    }

    /// The token was good: the stranger is somebody. `expires` is the token's expiry on the monotonic clock.
    #[must_use]
    pub fn sign_in(
        self,
        session: SessionId,
        access: Access,
        expires: Instant,
        now: Instant,
        id: Option<RequestId>,
    ) -> (Authenticated, ServerMessage) {
        let welcome = ServerMessage::Welcome {
            id,
            session,
            user: UserInfo { id: access.user, username: access.username.clone() },
            login: access.login,
            expires_at: access.expires_at,
            heartbeat_s: self.rules.heartbeat.as_secs(),
        };
        let authenticated = Authenticated {
            heartbeat: self.rules.heartbeat,
            session,
            access,
            expires,
            warn_at: Some(warn_at(expires, now)),
            last_heard: now,
            next_check: now + self.rules.heartbeat,
            at_last_check: Unread::default(),
        };
        (authenticated, welcome)
    }
}

/// Somebody whose token was good.
#[derive(Debug)]
pub struct Authenticated {
    heartbeat: Duration,
    session: SessionId,
    access: Access,
    expires: Instant,
    /// When `expiring` is due; none once it was sent for this token.
    warn_at: Option<Instant>,
    last_heard: Instant,
    /// Signs of life are looked for once a heartbeat, so that traffic moves no timer.
    next_check: Instant,
    at_last_check: Unread,
}

impl Authenticated {
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    const fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    fn receive(message: ClientMessage<'_>) -> Effect {
        let id = message.id;
        match message.request {
            Request::Auth { token } => Effect::Verify { id, token: token.into_owned() },
            // The answer to a ping that is a message; it was heard.
            Request::Event { name } if name == "pong" => Effect::Nothing,
            Request::Event { name } if name == "watch_sessions" => Effect::WatchSessions { id },
            Request::Event { name } => Effect::Run { id, name: name.into_owned() },
            Request::Invalid { code, detail } => Effect::Send(ServerMessage::Error { id, code, detail }),
        }
    }

    /// A newer token for the session. It must be the same user's and of the same login: another one's
    /// sockets end by another revocation.
    pub fn renew(&mut self, access: Access, expires: Instant, now: Instant, id: Option<RequestId>) -> Effect {
        if access.user != self.access.user || access.login != self.access.login {
            return Effect::Close(CloseReason::Unauthorized);
        }
        let expires_at = access.expires_at;
        self.access = access;
        self.expires = expires;
        self.warn_at = Some(warn_at(expires, now));
        Effect::Send(ServerMessage::Authenticated { id, expires_at })
    }

    fn tick(&mut self, now: Instant, unread: Unread) -> Effect {
        if now >= self.expires {
            return Effect::Close(CloseReason::TokenExpired);
        }
        if self.warn_at.is_some_and(|warn_at| now >= warn_at) {
            self.warn_at = None;
            return Effect::Send(ServerMessage::Expiring { expires_at: self.access.expires_at });
        }
        if now >= self.next_check {
            let before = std::mem::replace(&mut self.at_last_check, unread);
            self.next_check = now + self.heartbeat;
            // Nothing of what waited a heartbeat ago has left since.
            if before.waiting > 0 && unread.waiting > 0 && before.drained == unread.drained {
                return Effect::Close(CloseReason::TooSlow);
            }
            // One that reads slowly has its pongs behind requests that wait for it to read.
            if unread.drained != before.drained && before.waiting > 0 {
                self.heard(now);
            }
            // Rounded: the answer to the last look's ping came a round trip after that look.
            let silent = now.saturating_duration_since(self.last_heard) + self.heartbeat / 2;
            if silent >= self.heartbeat * 2 {
                return Effect::Close(CloseReason::HeartbeatTimeout);
            }
            if silent >= self.heartbeat {
                return Effect::Ping;
            }
        }
        Effect::Nothing
    }

    fn deadline(&self) -> Instant {
        self.warn_at.unwrap_or(self.expires).min(self.next_check)
    }
}

fn warn_at(expires: Instant, now: Instant) -> Instant {
    let left = expires.saturating_duration_since(now);
    now + left.saturating_sub(EXPIRING_LEAD).max(left / 2)
}

#[cfg(test)]
mod tests;
