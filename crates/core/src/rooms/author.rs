//! Who a message is from, as every client is told it.

use serde::Serialize;

use crate::domain::UserId;

/// Characters of the name that an application gives itself.
pub const LONGEST_APP_NAME: usize = 64;

/// Who a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Author<'a> {
    User {
        user: UserId,
        username: &'a str,
    },
    /// The application that the server is a part of.
    App {
        app: &'a str,
    },
}
