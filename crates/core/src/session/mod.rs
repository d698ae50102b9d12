//! What a live session may do: a state machine without I/O. A message of the client is answered with a [`Reaction`],
//! every other input with an [`Effect`]; the server's session actor carries them out.
//!
//! Before and after sign-in are two types, and signing in consumes the first.

mod liveness;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::liveness::Liveness;
use crate::domain::{Access, Rights, SessionId};
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

/// What to do, whatever the input was.
#[derive(Debug)]
pub enum Effect {
    Nothing,
    Send(ServerMessage),
    /// Ask the client for a sign of life, in the transport's way.
    Ping,
    Close(CloseReason),
}

/// What to do about a message of the client, in the message's namespace.
#[derive(Debug)]
pub enum Reaction<'m> {
    Effect(Effect),
    /// Check the token, then call `sign_in` or `renew`, or close with [`CloseReason::Unauthorized`]. With `joins`, a
    /// client whose token is good joins the namespace with these arguments.
    Verify {
        token: &'m str,
        joins: Option<&'m str>,
    },
    /// Let the client join the namespace with these arguments; as a guest if it has not signed in.
    Join {
        arguments: &'m str,
    },
    Leave,
    /// Say that there is no namespace of this name.
    RefuseNamespace {
        name: &'m str,
    },
    /// Send the user's live sessions.
    ListSessions,
    /// Send the user's live sessions, now and whenever they change.
    WatchSessions,
    /// Let the application's handler answer.
    Run {
        name: &'m str,
        arguments: &'m str,
    },
}

impl From<Effect> for Reaction<'_> {
    fn from(effect: Effect) -> Self {
        Self::Effect(effect)
    }
}

impl Reaction<'_> {
    const NOTHING: Self = Self::Effect(Effect::Nothing);
}

/// What waits for the client to read it, as the transport counts.
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
    pub fn receive<'m>(&mut self, message: &'m ClientMessage<'_>, now: Instant) -> Reaction<'m> {
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

/// A client that has not signed in: it may sign in, and nothing else.
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

    fn receive<'m>(message: &'m ClientMessage<'_>) -> Reaction<'m> {
        // One attempt a connection: a second guess at a token costs a new one.
        match &message.request {
            Request::Join { open: true, arguments, .. } => Reaction::Join { arguments },
            Request::Auth { token } => Reaction::Verify { token, joins: None },
            Request::Join { token, arguments, .. } => join_with(token.as_deref(), arguments),
            Request::JoinUnknown { name } => Reaction::RefuseNamespace { name },
            Request::Leave | Request::Nothing => Reaction::NOTHING,
            Request::Ping
            | Request::Pong
            | Request::Sessions
            | Request::WatchSessions
            | Request::Event { .. }
            | Request::Invalid { .. } => Effect::Close(CloseReason::NoSignIn).into(),
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

    /// The client has joined an open namespace: it may stay without a sign-in.
    #[must_use]
    pub const fn into_guest(self) -> Guest {
        Guest { rules: self.rules, liveness: self.liveness }
    }

    /// The token was good. `expires` is its expiry on the monotonic clock.
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
            rights: Arc::clone(&access.rights),
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

/// A client that has joined an open namespace without a sign-in, and may sign in later.
#[derive(Debug)]
pub struct Guest {
    rules: Rules,
    liveness: Liveness,
}

impl Guest {
    fn receive<'m>(message: &'m ClientMessage<'_>) -> Reaction<'m> {
        match &message.request {
            Request::Join { open: true, arguments, .. } => Reaction::Join { arguments },
            Request::Auth { token } => Reaction::Verify { token, joins: None },
            Request::Join { token, arguments, .. } => join_with(token.as_deref(), arguments),
            Request::Sessions | Request::WatchSessions => refuse(message, "unauthorized", "sign in first"),
            Request::Ping => pong(message),
            Request::Event { name, arguments } => Reaction::Run { name, arguments },
            Request::Invalid { code, detail } => refuse(message, code, detail),
            Request::JoinUnknown { name } => Reaction::RefuseNamespace { name },
            Request::Leave => Reaction::Leave,
            // Recorded already, as signs of life.
            Request::Pong | Request::Nothing => Reaction::NOTHING,
        }
    }

    /// For a sign-in after all.
    #[must_use]
    pub const fn into_unauthenticated(self, now: Instant) -> Unauthenticated {
        Unauthenticated { rules: self.rules, deadline: now, liveness: self.liveness }
    }
}

/// A session that is signed in.
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

    fn receive<'m>(message: &'m ClientMessage<'_>) -> Reaction<'m> {
        match &message.request {
            Request::Join { open: true, arguments, .. } | Request::Join { token: None, arguments, .. } => {
                Reaction::Join { arguments }
            }
            Request::Auth { token } => Reaction::Verify { token, joins: None },
            Request::Join { token, arguments, .. } => join_with(token.as_deref(), arguments),
            Request::Sessions => Reaction::ListSessions,
            Request::WatchSessions => Reaction::WatchSessions,
            Request::Ping => pong(message),
            Request::Event { name, arguments } => Reaction::Run { name, arguments },
            Request::Invalid { code, detail } => refuse(message, code, detail),
            Request::JoinUnknown { name } => Reaction::RefuseNamespace { name },
            Request::Leave => Reaction::Leave,
            // Recorded already, as signs of life.
            Request::Pong | Request::Nothing => Reaction::NOTHING,
        }
    }

    /// A newer token for the session. It must be the same user's and of the same login: another one's
    /// sockets end by another revocation.
    pub fn renew(&mut self, mut access: Access, expires: Instant, now: Instant, to: ReplyTo) -> Effect {
        if access.user != self.access.user || access.login != self.access.login {
            return Effect::Close(CloseReason::Unauthorized);
        }
        let expires_at = access.expires_at;
        if access.rights.version < self.access.rights.version {
            // It was checked before the last change.
            access.rights = Arc::clone(&self.access.rights);
        }
        let rights = Arc::clone(&access.rights);
        self.access = Arc::new(access);
        self.expires = expires;
        self.warn_at = Some(warn_at(expires, now));
        Effect::Send(ServerMessage::Authenticated { to, expires_at, rights })
    }

    /// The user's roles or claims have changed, unless these are the ones that the session has.
    pub fn set_rights(&mut self, rights: Arc<Rights>) -> Effect {
        if rights.version <= self.access.rights.version {
            return Effect::Nothing;
        }
        self.access = Arc::new(Access { rights: Arc::clone(&rights), ..(*self.access).clone() });
        Effect::Send(ServerMessage::Claims { rights })
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

/// A sign-in by what a client that joins a namespace brings.
fn join_with<'m>(token: Option<&'m str>, arguments: &'m str) -> Reaction<'m> {
    Reaction::Verify { token: token.unwrap_or_default(), joins: Some(arguments) }
}

fn pong<'m>(message: &ClientMessage<'_>) -> Reaction<'m> {
    Effect::Send(ServerMessage::Pong { to: message.to.clone() }).into()
}

fn refuse<'m>(message: &ClientMessage<'_>, code: &'static str, detail: &'static str) -> Reaction<'m> {
    Effect::Send(ServerMessage::error(message.to.clone(), code, detail)).into()
}

fn warn_at(expires: Instant, now: Instant) -> Instant {
    let left = expires.saturating_duration_since(now);
    now + left.saturating_sub(EXPIRING_LEAD).max(left / 2)
}

#[cfg(test)]
mod tests;
