//! The claims of a verified access token.

use std::sync::Arc;

use super::{LoginId, Rights, SharedText, UserId};
use crate::time::Timestamp;

/// Who a request or a session acts for. Made only from a token that is verified and not revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub user: UserId,
    pub username: SharedText,
    pub login: LoginId,
    pub expires_at: Timestamp,
    /// The user's roles and claims.
    pub rights: Arc<Rights>,
}
