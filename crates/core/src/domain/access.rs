//! The claims of a verified access token.

use super::{LoginId, UserId};
use crate::time::Timestamp;

/// Who a request or a session acts for. Made only from a token that is verified and not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub user: UserId,
    pub username: String,
    pub login: LoginId,
    pub expires_at: Timestamp,
}
