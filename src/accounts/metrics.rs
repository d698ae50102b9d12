//! What is counted of accounts, and what a scrape has to ask the database for.

use super::{Accounts, Error, SignIn};
use crate::actors::db::DbError;
use crate::actors::hasher::HashError;
use crate::metrics::{Counter, Registry, count};
use crate::models::audit_events::{Action, Reason};
use crate::models::outbox;

/// Clones count together.
#[derive(Debug, Clone)]
pub(super) struct AccountMetrics {
    sign_ins: Counter<1>,
    failures: Counter<2>,
}

impl Default for AccountMetrics {
    fn default() -> Self {
        let outcomes = ["succeeded", "failed", "locked", "overloaded", "error"].map(|outcome| [outcome]);
        Self {
            sign_ins: Counter::new(["outcome"]).starting(outcomes),
            failures: Counter::new(["action", "reason"]),
        }
    }
}

impl AccountMetrics {
    /// A sign-in with a password. One that was not let in is counted by [`AccountMetrics::failed`] with its reason.
    pub fn signed_in(&self, outcome: &Result<SignIn, Error>) {
        let outcome = match outcome {
            Ok(_) => "succeeded",
            Err(Error::InvalidCredentials | Error::EmailNotVerified) => "failed",
            Err(Error::TooManyAttempts { .. }) => "locked",
            Err(Error::Hash(HashError::Full) | Error::Db(DbError::Full)) => "overloaded",
            Err(_) => "error",
        };
        self.sign_ins.add([outcome], 1);
    }

    /// A client was not let in, or not believed, as the audit trail records it.
    pub fn failed(&self, action: Action, reason: Reason) {
        self.failures.add([action.as_str(), reason.as_str()], 1);
    }
}

/// The emails that wait to be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    pub emails: f64,
    /// Since when the oldest of them waits; 0 if there is none.
    pub oldest_s: f64,
}

impl Accounts {
    /// Adds what is counted and measured of accounts, and of the database and the hashing threads that they use.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let AccountMetrics { sign_ins, failures } = &self.0.metrics;
        registry.counter(
            "doorward_sign_ins_total",
            "Sign-ins with a password: succeeded, failed, locked after too many failures, overloaded, or error.",
            sign_ins,
        );
        registry.counter(
            "doorward_auth_failures_total",
            "What the audit trail records as failed or refused, by its action and reason, except limits.",
            failures,
        );
        self.0.db.register_metrics(registry);
        self.0.hasher.register_metrics(registry);
        self.0.mail.register_metrics(registry);
    }

    /// The emails that wait to be sent.
    pub async fn mail_backlog(&self) -> Result<Backlog, Error> {
        let (emails, oldest) = self.0.db.run(|conn| Ok::<_, Error>(outbox::backlog(conn)?)).await?;
        let waits = oldest.and_then(|oldest| (self.0.clock.now() - oldest).to_std().ok()).unwrap_or_default();
        let emails = usize::try_from(emails).unwrap_or_default();
        Ok(Backlog { emails: count(emails), oldest_s: waits.as_secs_f64() })
    }
}
