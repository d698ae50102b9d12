//! Why a session ends: the close code, what the client is told, what it may do next.

use serde::Serialize;

use crate::domain::RevokeReason;

/// What a client may do after a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reconnect {
    /// Not without a new sign-in or a corrected client.
    Never,
    /// With a fresh access token.
    NewToken,
    /// With the same token, after a random and growing delay.
    Backoff,
}

/// Every way in which a session can end. The codes are those of docs/PROTOCOL.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed, or its connection ended.
    ClientLeft,
    /// The server restarts (drain).
    Restarting,
    /// A frame that breaks RFC 6455.
    ProtocolError,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A frame or message over the limit.
    TooBig,
    /// The server cannot take it now.
    Overloaded,
    /// No JSON object.
    BadMessage,
    /// An invalid token, or one of another user or login.
    Unauthorized,
    /// A token where it is not looked for: in the address, in another header, as a subprotocol of its own.
    MisplacedToken,
    /// The first message is not a sign-in.
    NoSignIn,
    /// Socket.IO's CONNECT brings no token.
    NoAuth,
    /// A token at the prompts that is not announced as one.
    BareToken,
    /// An `Origin` that is not on the allow-list.
    Forbidden,
    /// No sign-in in time.
    SignInTimeout,
    /// No sign of life.
    HeartbeatTimeout,
    /// The client does not read what it is sent.
    TooSlow,
    /// More sessions than one user or one address may have.
    TooMany,
    /// More than one network may do, see `limits`.
    RateLimited,
    /// The access token expired without a new one.
    TokenExpired,
    /// The access token was issued before the user's roles or claims changed.
    TokenStale,
    /// The login ended: signed out here, elsewhere, or because its refresh token was used twice.
    SignedOut,
    /// The same, to make room for a newer login of the user.
    TooManyLogins,
    /// The password was changed or reset.
    PasswordChanged,
    /// The account was disabled or deleted.
    AccountClosed,
}

impl CloseReason {
    pub const ALL: &'static [Self] = &[
        Self::ClientLeft,
        Self::Restarting,
        Self::ProtocolError,
        Self::InvalidUtf8,
        Self::TooBig,
        Self::Overloaded,
        Self::BadMessage,
        Self::Unauthorized,
        Self::MisplacedToken,
        Self::NoSignIn,
        Self::NoAuth,
        Self::BareToken,
        Self::Forbidden,
        Self::SignInTimeout,
        Self::HeartbeatTimeout,
        Self::TooSlow,
        Self::TooMany,
        Self::RateLimited,
        Self::TokenExpired,
        Self::TokenStale,
        Self::SignedOut,
        Self::TooManyLogins,
        Self::PasswordChanged,
        Self::AccountClosed,
    ];

    /// The WebSocket close code (RFC 6455 section 7.4; 4000 to 4999 are ours).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::ClientLeft => 1000,
            Self::ProtocolError => 1002,
            Self::InvalidUtf8 => 1007,
            Self::TooBig => 1009,
            Self::Restarting => 1012,
            Self::Overloaded => 1013,
            Self::BadMessage => 4400,
            Self::Unauthorized | Self::MisplacedToken | Self::NoSignIn | Self::NoAuth | Self::BareToken => {
                4401
            }
            Self::Forbidden => 4403,
            Self::SignInTimeout | Self::HeartbeatTimeout => 4408,
            Self::TooSlow => 4413,
            Self::TooMany | Self::RateLimited => 4429,
            Self::TokenExpired | Self::TokenStale => 4440,
            Self::SignedOut | Self::TooManyLogins => 4441,
            Self::PasswordChanged => 4442,
            Self::AccountClosed => 4443,
        }
    }

    /// A sentence for the client's log or screen. At most 123 bytes, to fit a close frame (RFC 6455 section 5.5).
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::ClientLeft => "closed by the client",
            Self::ProtocolError => "the frame violates the WebSocket protocol",
            Self::InvalidUtf8 => "the text is not UTF-8",
            Self::TooBig => "the message is too big",
            Self::Restarting => "the server is restarting",
            Self::Overloaded => "the server is overloaded",
            Self::BadMessage => "the message is not a JSON object",
            Self::Unauthorized => "the access token is missing or invalid",
            Self::MisplacedToken => {
                "the token belongs in Authorization: Bearer, the subprotocol bearer.TOKEN, or the first message"
            }
            Self::NoSignIn => r#"the first message must be {"type":"auth","token":"TOKEN"}"#,
            Self::NoAuth => r#"the access token is missing: it belongs in auth, as {"token":"TOKEN"}"#,
            Self::BareToken => "at this prompt, write Bearer before the token: Bearer TOKEN",
            Self::Forbidden => "this origin is not allowed",
            Self::SignInTimeout => "the client did not sign in in time",
            Self::HeartbeatTimeout => "the client stopped responding",
            Self::TooSlow => "the client reads too slowly",
            Self::TooMany => "too many live sessions",
            Self::RateLimited => "too many attempts from this network",
            Self::TokenExpired => "the access token has expired",
            Self::TokenStale => "roles or claims have changed: refresh the access token",
            Self::SignedOut => "signed out",
            Self::TooManyLogins => "signed out: this account has signed in on too many other devices since",
            Self::PasswordChanged => "the password was changed",
            Self::AccountClosed => "the account was closed",
        }
    }

    /// Whether the client sent a token, or should have, and did not know where.
    #[must_use]
    pub const fn is_misplaced_token(self) -> bool {
        matches!(self, Self::MisplacedToken | Self::NoSignIn | Self::NoAuth | Self::BareToken)
    }

    /// Whether the frames are broken: the server closes the connection soon, whatever the client does (RFC 6455
    /// section 7.1.7).
    #[must_use]
    pub const fn is_broken_frame(self) -> bool {
        matches!(self, Self::ProtocolError | Self::InvalidUtf8 | Self::TooBig)
    }

    #[must_use]
    pub const fn reconnect(self) -> Reconnect {
        match self {
            Self::Restarting
            | Self::Overloaded
            | Self::SignInTimeout
            | Self::HeartbeatTimeout
            | Self::TooSlow
            | Self::TooMany
            | Self::RateLimited => Reconnect::Backoff,
            Self::TokenExpired | Self::TokenStale => Reconnect::NewToken,
            Self::ClientLeft
            | Self::ProtocolError
            | Self::InvalidUtf8
            | Self::TooBig
            | Self::BadMessage
            | Self::Unauthorized
            | Self::MisplacedToken
            | Self::NoSignIn
            | Self::NoAuth
            | Self::BareToken
            | Self::Forbidden
            | Self::SignedOut
            | Self::TooManyLogins
            | Self::PasswordChanged
            | Self::AccountClosed => Reconnect::Never,
        }
    }

    /// The word for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_left",
            Self::ProtocolError => "protocol_error",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::TooBig => "too_big",
            Self::Restarting => "restarting",
            Self::Overloaded => "overloaded",
            Self::BadMessage => "bad_message",
            Self::Unauthorized => "unauthorized",
            Self::MisplacedToken => "misplaced_token",
            Self::NoSignIn => "no_sign_in",
            Self::NoAuth => "no_auth",
            Self::BareToken => "bare_token",
            Self::Forbidden => "forbidden",
            Self::SignInTimeout => "sign_in_timeout",
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::TooSlow => "too_slow",
            Self::TooMany => "too_many",
            Self::RateLimited => "rate_limited",
            Self::TokenExpired => "token_expired",
            Self::TokenStale => "token_stale",
            Self::SignedOut => "signed_out",
            Self::TooManyLogins => "too_many_logins",
            Self::PasswordChanged => "password_changed",
            Self::AccountClosed => "account_closed",
        }
    }
}

/// What the live sessions of a revoked login are told.
impl From<RevokeReason> for CloseReason {
    fn from(reason: RevokeReason) -> Self {
        match reason {
            RevokeReason::SignedOut
            | RevokeReason::RefreshReuse
            | RevokeReason::CodeReuse
            | RevokeReason::PasswordGuessed
            | RevokeReason::NotMe => Self::SignedOut,
            RevokeReason::TooManyLogins => Self::TooManyLogins,
            RevokeReason::PasswordChanged | RevokeReason::PasswordReset => Self::PasswordChanged,
            RevokeReason::AccountDisabled | RevokeReason::AccountDeleted => Self::AccountClosed,
        }
    }
}
