//! The audit trail as a test reads it.

use std::time::Duration;

use diesel::prelude::*;
use doorward::internals::schema::audit_events;

use crate::support::app::TestApp;
use crate::support::time::{PATIENCE, now, pause};

/// What a failure left in the trail.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Failure {
    pub action: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub subject: Option<String>,
    pub count: i32,
    pub ip: Option<String>,
    pub actor: Option<String>,
    pub actor_id: Option<String>,
    pub login: Option<String>,
    pub request: Option<String>,
    pub detail: Option<String>,
}

impl Failure {
    pub fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}

/// What failed or was refused, by action and reason.
pub fn failures(app: &TestApp) -> Vec<Failure> {
    let columns = (
        audit_events::action,
        audit_events::outcome,
        audit_events::reason,
        audit_events::subject,
        audit_events::count,
        audit_events::ip,
        audit_events::actor,
        audit_events::actor_id,
        audit_events::login_id,
        audit_events::request_id,
        audit_events::detail,
    );
    let order = (audit_events::action, audit_events::reason, audit_events::id);
    app.query(|conn| {
        audit_events::table
            .filter(audit_events::outcome.ne("succeeded"))
            .order(order)
            .select(columns)
            .load(conn)
    })
}

/// Lets seconds pass until so many failures are written, in rows or in the counts of rows.
pub async fn written(app: &TestApp, count: i32) -> Vec<Failure> {
    let deadline = now() + PATIENCE;
    loop {
        let failures = failures(app);
        if failures.iter().map(|failure| failure.count).sum::<i32>() >= count {
            return failures;
        }
        assert!(now() < deadline, "{failures:#?}");
        app.advance(Duration::from_secs(1));
        pause().await;
    }
}
