//! What a good access token says.

use super::{LoginId, UserId};
use crate::time::Timestamp;

/// Who a request or a session acts for. Made only from a token that was verified and is not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub user: UserId,
    pub username: String,
    pub login: LoginId,
    pub expires_at: Timestamp,
}
