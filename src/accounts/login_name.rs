//! What a user types to name an account.

use diesel::QueryResult;

use crate::db::Conn;
use crate::models::users::{self, User};
use doorward_core::domain::{Email, Username};

/// A username, or an address that was verified.
pub(super) enum LoginName {
    Username(Username),
    Email(Email),
}

impl LoginName {
    /// Blanks around it do not count. `None` for what cannot name an account.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains('@') {
            Email::parse(text).ok().map(Self::Email)
        } else {
            Username::lookup(text).map(Self::Username)
        }
    }

    /// In its folded form.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Username(username) => username.folded(),
            Self::Email(email) => email.as_str(),
        }
    }

    pub(super) fn find_user(&self, conn: &mut Conn) -> QueryResult<Option<User>> {
        match self {
            Self::Username(username) => users::find_by_username(conn, username),
            Self::Email(email) => users::find_holder(conn, email),
        }
    }
}
