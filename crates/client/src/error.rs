//! What can go wrong, by what the caller can do about it.

use std::time::Duration;

use crate::close::{CloseReason, Reconnect};

/// Why there is no session, or why a message was not sent. Texts from the server and from libraries are part of it and
/// may hold control characters: escape them before a terminal shows them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be used. The text does not repeat the URL, which may hold a password.
    #[error("{0}")]
    InvalidUrl(String),
    /// The system's root certificates cannot be read, or there are none.
    #[error("{0}")]
    NoRootCertificates(String),
    /// Nothing listens at the address, it does not answer in time, or the connection was lost.
    #[error("{0}")]
    Unreachable(String),
    /// The server's certificate is not trusted or not for this host.
    #[error("{0}")]
    UntrustedCertificate(String),
    /// Something listens at the address that does not speak Doorward's protocol, or not the transport that the URL names.
    #[error("{0}")]
    WrongProtocol(String),
    /// The server is there and asks the client to come back later.
    #[error("{reason}")]
    Busy {
        /// A sentence for the user.
        reason: String,
        /// The least time to wait, as the server's `Retry-After` says; zero if it does not say.
        retry_after: Duration,
    },
    /// The sign-in was refused: a wrong password, or a login that was revoked.
    #[error("{0}")]
    Refused(String),
    /// The access token has expired or is not valid, and there is no refresh token to get another one.
    #[error("the access token has expired or is not valid")]
    InvalidToken,
    /// The server closed the session.
    #[error("{0}")]
    Closed(CloseReason),
    /// The message was not sent: there is no session at the moment.
    #[error("not connected")]
    NotConnected,
    /// The message was not sent: the server reads more slowly than messages are sent.
    #[error("too many messages wait to be sent")]
    QueueFull,
    /// The message was not sent: it has no JSON form.
    #[error("{0}")]
    NotJson(String),
}

impl Error {
    /// Whether another attempt may succeed although nothing changes at the client.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::UntrustedCertificate(_)
            | Self::WrongProtocol(_)
            | Self::Busy { .. }
            | Self::NotConnected
            | Self::QueueFull => true,
            Self::Closed(reason) => !matches!(reason.reconnect, Reconnect::Never),
            Self::InvalidUrl(_)
            | Self::NoRootCertificates(_)
            | Self::Refused(_)
            | Self::InvalidToken
            | Self::NotJson(_) => false,
        }
    }
}
