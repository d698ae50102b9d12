//! The kind of client that a login belongs to.

/// The kind of client that holds a login's credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginKind {
    /// A client that keeps a refresh token.
    Token,
    /// A browser with a cookie.
    Browser,
    /// A TCP connection that signed in by password and has no credential: the login ends with it.
    Connection,
}

impl LoginKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Browser => "browser",
            Self::Connection => "connection",
        }
    }
    /// Reads a row's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Token, Self::Browser, Self::Connection].into_iter().find(|kind| kind.as_str() == word)
    }
}
