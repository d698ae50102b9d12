//! Why an API key is refused, and why one cannot be made.

use std::fmt;

use doorward_core::domain::KeyScopes;

/// Why an API key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not issued here, or its secret was replaced, or it was deleted.
    #[error("the API key is not valid")]
    Invalid,
    #[error("the API key has expired")]
    Expired,
    #[error("the API key was revoked")]
    Revoked,
    /// It is good, but not from this address.
    #[error("the API key cannot be used from this address")]
    Address,
}

/// In what a key or a role would exceed the rights of the key that gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    Scopes(KeyScopes),
    /// A newer version has added them: whether the other key has them cannot be said.
    UnknownScopes,
    End,
    Addresses,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scopes(scopes) => write!(f, "has scopes that your key lacks: {scopes}"),
            Self::UnknownScopes => f.write_str("has scopes that this version of the server does not know"),
            Self::End => f.write_str("lasts longer than your key"),
            Self::Addresses => f.write_str("can be used from addresses that your key cannot be used from"),
        }
    }
}
