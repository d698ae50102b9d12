//! What a live session may do: a state machine without I/O. Every input answers one [`Effect`], which the
//! actor round it (`actors::session`) carries out.
//!
//! Before and after sign-in are two types, and signing in consumes the first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{Access, SessionId};
use crate::protocol::{ClientMessage, CloseReason, ReplyTo, Request, ServerMessage, UserInfo};

/// How long before the access token expires the client is told; halfway for one with less than twice that
/// left, so that a short token is not asked for again the moment it came.
pub const EXPIRING_LEAD: Duration = Duration::from_mins(1);

/// The bounds that the rules need.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub auth_timeout: Duration,
    pub heartbeat: Duration,
    /// How long an answer to a ping may take, where clients expect a ping at every heartbeat, from the first on
    /// (Engine.IO). Without, only a silent client is pinged, and has another heartbeat to answer.
    pub pong_timeout: Option<Duration>,
}

/// What is to be done about an input.
#[derive(Debug)]
pub enum Effect {
    Nothing,
    Send(ServerMessage),
    /// Check the message's token, then call `sign_in` or `renew`, or close with [`CloseReason::Unauthorized`].
    Verify,
    /// Let the client into the namespace that the message names; as a guest if it has not signed in.
    Join,
    /// Let `events` answer the message.
    Run,
    /// Send the user's live sessions, now and whenever they change.
    WatchSessions,
    /// Ask the client for a sign of life, in the transport's way.
    Ping,
    Close(CloseReason),
}

/// What waits for the client to read it, as its transport counts.
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
    Guest(Guest),
    Authenticated(Authenticated),
}

impl Session {
    #[must_use]
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self::Unauthenticated(Unauthenticated::new(rules, now))
    }

    /// A message of the client.
    pub fn receive(&mut self, message: &ClientMessage<'_>, now: Instant) -> Effect {
        self.record_activity(now);
        match self {
            Self::Unauthenticated(_) => Unauthenticated::receive(message),
            Self::Guest(_) => Guest::receive(message),
            Self::Authenticated(_) => Authenticated::receive(message),
        }
    }

    /// Any other sign of life, such as a pong.
    pub const fn record_activity(&mut self, now: Instant) {
        match self {
            Self::Unauthenticated(Unauthenticated { liveness, .. })
            | Self::Guest(Guest { liveness, .. })
            | Self::Authenticated(Authenticated { liveness, .. }) => liveness.record_activity(now),
        }
    }

    /// Time has passed. Call again until it answers [`Effect::Nothing`], then at [`Session::deadline`].
    pub fn tick(&mut self, now: Instant, unread: Unread) -> Effect {
        match self {
            Self::Unauthenticated(session) => session.tick(now, unread),
            Self::Guest(session) => session.liveness.tick(now, unread),
            Self::Authenticated(session) => session.tick(now, unread),
        }
    }

    /// When [`Session::tick`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        match self {
            Self::Unauthenticated(session) => session.deadline(),
            Self::Guest(session) => session.liveness.deadline(),
            Self::Authenticated(session) => session.deadline(),
        }
    }

    /// Who has signed in.
    #[must_use]
    pub const fn access(&self) -> Option<&Arc<Access>> {
        match self {
            Self::Authenticated(session) => Some(&session.access),
            Self::Unauthenticated(_) | Self::Guest(_) => None,
        }
    }
}

/// A unauthenticated: may sign in, and nothing else.
#[derive(Debug)]
pub struct Unauthenticated {
    rules: Rules,
    deadline: Instant,
    liveness: Liveness,
}

impl Unauthenticated {
    #[must_use]
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self { rules, deadline: now + rules.auth_timeout, liveness: Liveness::new(rules, now) }
    }

    const fn receive(message: &ClientMessage<'_>) -> Effect {
        // One message, one chance: a unauthenticated's second guess costs a new connection.
        match message.request {
            Request::Join { open: true, .. } => Effect::Join,
            Request::Auth { .. } | Request::Join { .. } => Effect::Verify,
            Request::Event { .. } | Request::Invalid { .. } => Effect::Close(CloseReason::NoSignIn),
            Request::Nothing => Effect::Nothing,
        }
    }

    fn tick(&mut self, now: Instant, unread: Unread) -> Effect {
        if now >= self.deadline {
            return Effect::Close(CloseReason::SignInTimeout);
        }
        // Where silence is usual until then, the deadline is enough.
        if self.rules.pong_timeout.is_some() { self.liveness.tick(now, unread) } else { Effect::Nothing }
    }

    fn deadline(&self) -> Instant {
        if self.rules.pong_timeout.is_some() {
            self.deadline.min(self.liveness.deadline())
        } else {
            self.deadline
        }
    }

    /// Into an open namespace: it may stay without being somebody.
    #[must_use]
    pub const fn let_in(self) -> Guest {
        Guest { rules: self.rules, liveness: self.liveness }
    }

    /// The token was good: the unauthenticated is somebody. `expires` is the token's expiry on the monotonic clock.
    #[must_use]
    pub fn sign_in(
        self,
        session: SessionId,
        access: Access,
        expires: Instant,
        now: Instant,
        to: ReplyTo,
    ) -> (Authenticated, ServerMessage) {
        // The next ping that a client expects does not move.
        let mut liveness = self.liveness;
        liveness.record_activity(now);
        if self.rules.pong_timeout.is_none() {
            liveness = Liveness::new(self.rules, now);
        }
        let welcome = ServerMessage::Welcome {
            to,
            session,
            user: UserInfo { id: access.user, username: access.username.clone() },
            login: access.login,
            expires_at: access.expires_at,
            heartbeat_s: self.rules.heartbeat.as_secs(),
        };
        let authenticated = Authenticated {
            session,
            access: Arc::new(access),
            expires,
            warn_at: Some(warn_at(expires, now)),
            liveness,
        };
        (authenticated, welcome)
    }
}

/// Somebody who was let into an open namespace without a sign-in, and may sign in later.
#[derive(Debug)]
pub struct Guest {
    rules: Rules,
    liveness: Liveness,
}

impl Guest {
    fn receive(message: &ClientMessage<'_>) -> Effect {
        match &message.request {
            Request::Join { open: true, .. } => Effect::Join,
            Request::Auth { .. } | Request::Join { .. } => Effect::Verify,
            Request::Event { name, .. } if name == "pong" => Effect::Nothing,
            Request::Event { name, .. } if name == "watch_sessions" || name == "sessions" => {
                Effect::Send(ServerMessage::error(message.to.clone(), "unauthorized", "this needs a sign-in"))
            }
            Request::Event { .. } => Effect::Run,
            Request::Invalid { code, detail } => {
                Effect::Send(ServerMessage::error(message.to.clone(), code, detail))
            }
            Request::Nothing => Effect::Nothing,
        }
    }

    /// For a sign-in after all.
    #[must_use]
    pub const fn into_stranger(self, now: Instant) -> Unauthenticated {
        Unauthenticated { rules: self.rules, deadline: now, liveness: self.liveness }
    }
}

/// Somebody whose token was good.
#[derive(Debug)]
pub struct Authenticated {
    session: SessionId,
    access: Arc<Access>,
    expires: Instant,
    /// When `expiring` is due; none once it was sent for this token.
    warn_at: Option<Instant>,
    liveness: Liveness,
}

impl Authenticated {
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    #[must_use]
    pub const fn access(&self) -> &Arc<Access> {
        &self.access
    }

    fn receive(message: &ClientMessage<'_>) -> Effect {
        match &message.request {
            Request::Join { open: true, .. } | Request::Join { token: None, .. } => Effect::Join,
            Request::Auth { .. } | Request::Join { .. } => Effect::Verify,
            // The answer to a ping that is a message; it was heard.
            Request::Event { name, .. } if name == "pong" => Effect::Nothing,
            Request::Event { name, .. } if name == "watch_sessions" => Effect::WatchSessions,
            Request::Event { .. } => Effect::Run,
            Request::Invalid { code, detail } => {
                Effect::Send(ServerMessage::error(message.to.clone(), code, detail))
            }
            Request::Nothing => Effect::Nothing,
        }
    }

    /// A newer token for the session. It must be the same user's and of the same login: another one's
    /// sockets end by another revocation.
    pub fn renew(&mut self, access: Access, expires: Instant, now: Instant, to: ReplyTo) -> Effect {
        if access.user != self.access.user || access.login != self.access.login {
            return Effect::Close(CloseReason::Unauthorized);
        }
        let expires_at = access.expires_at;
        self.access = Arc::new(access);
        self.expires = expires;
        self.warn_at = Some(warn_at(expires, now));
        Effect::Send(ServerMessage::Authenticated { to, expires_at })
    }

    fn tick(&mut self, now: Instant, unread: Unread) -> Effect {
        if now >= self.expires {
            return Effect::Close(CloseReason::TokenExpired);
        }
        if self.warn_at.is_some_and(|warn_at| now >= warn_at) {
            self.warn_at = None;
            return Effect::Send(ServerMessage::Expiring { expires_at: self.access.expires_at });
        }
        self.liveness.tick(now, unread)
    }

    fn deadline(&self) -> Instant {
        self.warn_at.unwrap_or(self.expires).min(self.liveness.deadline())
    }
}

/// Whether the client is there, and reads.
#[derive(Debug)]
struct Liveness {
    heartbeat: Duration,
    pong_timeout: Option<Duration>,
    last_heard: Instant,
    /// Signs of life are looked for once a heartbeat, so that traffic moves no timer.
    next_check: Instant,
    at_last_check: Unread,
}

impl Liveness {
    fn new(rules: Rules, now: Instant) -> Self {
        let Rules { heartbeat, pong_timeout, .. } = rules;
        Self {
            heartbeat,
            pong_timeout,
            last_heard: now,
            next_check: now + heartbeat,
            at_last_check: Unread::default(),
        }
    }

    const fn record_activity(&mut self, now: Instant) {
        self.last_heard = now;
    }

    fn tick(&mut self, now: Instant, unread: Unread) -> Effect {
        if self.pong_by().is_some_and(|pong_by| now >= pong_by) {
            // Its pong may be behind requests that wait for it to read, which it does.
            if unread.waiting > 0 && unread.drained != self.at_last_check.drained {
                self.record_activity(now);
            } else {
                return Effect::Close(CloseReason::HeartbeatTimeout);
            }
        }
        if now < self.next_check {
            return Effect::Nothing;
        }
        let before = std::mem::replace(&mut self.at_last_check, unread);
        self.next_check = now + self.heartbeat;
        // Nothing of what waited a heartbeat ago has left since.
        if before.waiting > 0 && unread.waiting > 0 && before.drained == unread.drained {
            return Effect::Close(CloseReason::TooSlow);
        }
        // One that reads slowly has its pongs behind requests that wait for it to read.
        if unread.drained != before.drained && before.waiting > 0 {
            self.record_activity(now);
        }
        if self.pong_timeout.is_some() {
            return Effect::Ping;
        }
        // Rounded: the answer to the last look's ping came a round trip after that look.
        let silent = now.saturating_duration_since(self.last_heard) + self.heartbeat / 2;
        if silent >= self.heartbeat * 2 {
            return Effect::Close(CloseReason::HeartbeatTimeout);
        }
        if silent >= self.heartbeat { Effect::Ping } else { Effect::Nothing }
    }

    /// Where every heartbeat is pinged: when the answer to the first ping after the last sign of life is late.
    fn pong_by(&self) -> Option<Instant> {
        self.pong_timeout.map(|timeout| self.last_heard + self.heartbeat + timeout)
    }

    fn deadline(&self) -> Instant {
        self.pong_by().map_or(self.next_check, |pong_by| pong_by.min(self.next_check))
    }
}

fn warn_at(expires: Instant, now: Instant) -> Instant {
    let left = expires.saturating_duration_since(now);
    now + left.saturating_sub(EXPIRING_LEAD).max(left / 2)
}

#[cfg(test)]
mod tests;
