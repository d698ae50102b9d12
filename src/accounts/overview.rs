//! Lists and counts for administrators: where users are signed in, who is connected, and the audit trail.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use utoipa::ToSchema;

use serde::Serialize;

use super::{Accounts, Error};
use crate::actors::SessionPage;
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::db::Conn;
use crate::models::audit_pages::{self, StoredEvent};
use crate::models::logins::{self, LiveLogin, Scope};
use crate::models::stored::Stored;
use crate::models::{api_keys, audit_summary, login_pages, users};
use doorward_core::domain::{LoginId, LoginKind, SessionId, UserId, describe_user_agent};

pub use crate::models::audit_events::{Action as AuditAction, Outcome};
pub use crate::models::audit_pages::{AuditFilter, Ended};
pub use crate::models::audit_summary::{GroupBy, Summary, SummaryOf};

/// An active login, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LoginInfo {
    #[schema(value_type = uuid::Uuid)]
    pub id: LoginId,
    #[schema(value_type = String, example = "token")]
    pub kind: Stored<LoginKind>,
    #[schema(example = "Firefox on Linux")]
    pub device: String,
    #[schema(example = "203.0.113.7")]
    pub ip: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub last_seen_at: Timestamp,
}

impl From<LiveLogin> for LoginInfo {
    fn from(login: LiveLogin) -> Self {
        Self {
            id: login.id,
            device: describe_user_agent(login.user_agent.as_deref()),
            kind: login.kind,
            ip: login.ip,
            created_at: login.created_at,
            last_seen_at: login.last_seen_at,
        }
    }
}

/// How many there are of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stats {
    #[schema(example = 1200)]
    pub users: i64,
    #[schema(example = 3)]
    pub disabled_users: i64,
    /// Active ones.
    #[schema(example = 1700)]
    pub logins: i64,
    /// Live sockets on all nodes. The others say every second or less often how many they have.
    #[schema(example = 640)]
    pub sessions: usize,
    /// Active ones.
    #[schema(example = 2)]
    pub api_keys: i64,
}

impl Accounts {
    /// Whether there is an account, or was one since the start. A query only until then.
    pub async fn is_in_use(&self) -> Result<bool, Error> {
        if self.0.in_use.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let in_use = self.0.db.run(|conn| Ok::<_, Error>(!users::list(conn, "", "", 1)?.is_empty())).await?;
        self.0.in_use.fetch_or(in_use, Ordering::Relaxed);
        Ok(in_use)
    }

    /// Up to `limit` active logins of a user past `after`, the newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such user.
    pub async fn logins_after(
        &self,
        user: UserId,
        after: Option<LoginId>,
        limit: i64,
    ) -> Result<Vec<LoginInfo>, Error> {
        let clock = self.0.clock.clone();
        self.0
            .db
            .run(move |conn| {
                users::find(conn, user)?.ok_or(Error::NotFound)?;
                let page = login_pages::of_user_after(conn, user, after, limit, clock.now())?;
                Ok(page.into_iter().map(LoginInfo::from).collect())
            })
            .await
    }

    /// Up to `limit` live sockets past `after`, the oldest first, as all nodes report them now.
    pub async fn sessions_after(
        &self,
        user: Option<UserId>,
        after: Option<SessionId>,
        limit: usize,
    ) -> SessionPage {
        self.0.logins.sessions.page(user, after, limit).await
    }

    /// Up to `limit` rows of the audit trail, the newest first.
    pub async fn audit_events(&self, filter: AuditFilter, limit: i64) -> Result<Vec<StoredEvent>, Error> {
        self.0.db.run(move |conn| Ok(audit_pages::list(conn, &filter, limit)?)).await
    }

    /// The same with the usernames of the accounts that the rows are about, by id.
    pub async fn audit_events_with_names(
        &self,
        filter: AuditFilter,
        limit: i64,
    ) -> Result<(Vec<StoredEvent>, HashMap<String, String>), Error> {
        self.0
            .db
            .run(move |conn| {
                let events = audit_pages::list(conn, &filter, limit)?;
                let subjects: Vec<_> = events.iter().filter_map(|event| event.subject.clone()).collect();
                let names = audit_pages::usernames(conn, &subjects)?;
                Ok((events, names))
            })
            .await
    }

    /// Up to `limit` groups of rows, those with the most events first, and the usernames of the accounts that the groups
    /// are named by.
    pub async fn audit_summary(
        &self,
        of: SummaryOf,
        limit: i64,
    ) -> Result<(Vec<Summary>, HashMap<String, String>), Error> {
        self.0
            .db
            .run(move |conn| {
                let groups = audit_summary::summarize(conn, &of, limit)?;
                let names = if of.by == GroupBy::User {
                    let ids: Vec<_> = groups.iter().filter_map(|group| group.name.clone()).collect();
                    audit_pages::usernames(conn, &ids)?
                } else {
                    HashMap::new()
                };
                Ok((groups, names))
            })
            .await
    }

    pub async fn stats(&self) -> Result<Stats, Error> {
        let (clock, sessions) = (self.0.clock.clone(), self.0.logins.sessions.directory().count());
        let count = move |conn: &mut Conn| {
            let now = clock.now();
            let (users, disabled_users) = users::count(conn)?;
            let logins = logins::count_in(conn, Scope::Everybody, now)?;
            let api_keys = api_keys::count_active(conn, now)?;
            Ok::<_, Error>(Stats { users, disabled_users, logins, sessions, api_keys })
        };
        self.0.db.run(count).await
    }
}
