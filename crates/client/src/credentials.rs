//! How a client proves who it is.

use std::fmt;

/// How a client signs in. Kept in memory only; its `Debug` shows no secret.
#[derive(Clone)]
pub enum Credentials {
    /// A username, or a verified email address, and a password. Over WebSocket the first use exchanges them for
    /// [`Credentials::Tokens`]; over TCP each connection signs in with them, and the server renews the session itself.
    Password {
        /// The username or email address.
        username: String,
        /// The password as the user typed it.
        password: String,
    },
    /// What a sign-in over HTTP returns. The client renews the access token with the refresh token, which changes each
    /// time it is used: keep no copy of it.
    Tokens {
        /// Valid for a few minutes.
        access: String,
        /// Valid once.
        refresh: String,
    },
    /// An access token that some other program renews. The session ends when it expires.
    AccessToken(String),
}

impl Credentials {
    /// The access token, if there is one already.
    pub(crate) fn access_token(&self) -> Option<&str> {
        match self {
            Self::Tokens { access, .. } | Self::AccessToken(access) => Some(access),
            Self::Password { .. } => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => write!(f, "Password({username:?})"),
            Self::Tokens { .. } => f.write_str("Tokens"),
            Self::AccessToken(_) => f.write_str("AccessToken"),
        }
    }
}
