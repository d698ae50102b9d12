//! Placeholder of the sockets branch.
use crate::auth::revocation::{Revocations, RevokeReason};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::domain::{LoginId, SessionId, UserId};
use std::sync::Arc;

/// A live session as its user sees it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SessionInfo {
    pub id: SessionId,
    #[serde(skip)]
    pub user: UserId,
    pub login: LoginId,
    pub carrier: &'static str,
    pub address: std::net::IpAddr,
    #[serde(serialize_with = "crate::clock::serialize_rfc3339")]
    pub since: Timestamp,
}

#[derive(Clone)]
pub struct Sessions {
    revocations: Arc<Revocations>,
}

impl Sessions {
    #[must_use]
    pub fn new(_config: config::Sockets, _clock: Clock) -> Self {
        Self { revocations: Arc::default() }
    }
    #[must_use]
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }
    pub fn close_logins(&self, _ended: Vec<(LoginId, RevokeReason)>) {}
    /// The user's live sessions on this node, oldest first.
    #[must_use]
    pub fn of_user(&self, _user: UserId) -> Vec<Arc<SessionInfo>> {
        Vec::new()
    }
}
