//! The lines of the audit trail, for fail2ban and for systems that collect security events. docs/OPERATIONS.md documents
//! their fields, and `deploy/fail2ban` reads them: a change here is one for their readers.

use std::net::IpAddr;

use tracing::Level;
use uuid::Uuid;

/// Filters and documents name it.
const TARGET: &str = "doorward::audit";

/// One event. Its words are the program's own: of what a client sent, only its address is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    pub action: &'static str,
    pub outcome: &'static str,
    pub reason: Option<&'static str>,
    /// The account that it was done to.
    pub subject: Option<Uuid>,
    /// Its kind, and its id where that is known: `user:ID`, `api_key:ID`, `operator:NAME`, or the kind alone.
    pub actor: String,
    pub address: Option<IpAddr>,
    pub login: Option<Uuid>,
    pub request: Option<Uuid>,
    /// How many events the line stands for, where it may be more than one.
    pub count: Option<u64>,
}

impl AuditLine {
    /// Whether such lines are written at all.
    #[must_use]
    pub fn is_logged() -> bool {
        tracing::enabled!(target: TARGET, Level::INFO)
    }

    /// Writes the line.
    pub fn log(&self) {
        let text = |id: &Option<Uuid>| id.map(tracing::field::display);
        tracing::info!(
            target: TARGET,
            action = self.action,
            outcome = self.outcome,
            reason = self.reason,
            subject = text(&self.subject),
            actor = self.actor,
            address = self.address.map(tracing::field::display),
            login = text(&self.login),
            request = text(&self.request),
            count = self.count,
            "audit"
        );
    }
}
