//! What happened to an account, for its user.

use std::collections::HashMap;

use super::{Accounts, Error};
use crate::clock::Timestamp;
use crate::models::audit_events::{Action, Outcome};
use crate::models::audit_pages::{self, StoredEvent};
use crate::models::login_pages;
use doorward_core::domain::{LoginId, UserId};

/// Who did it, as far as that is the user's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoneBy {
    You,
    /// A client that was not signed in, and did not show that it is the user.
    Unknown,
    Administrator,
    ApiKey,
    Operator,
    Server,
}

impl DoneBy {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::You => "you",
            Self::Unknown => "unknown",
            Self::Administrator => "administrator",
            Self::ApiKey => "api_key",
            Self::Operator => "operator",
            Self::Server => "server",
        }
    }

    fn of(event: &StoredEvent, user: &str) -> Self {
        match (event.actor.as_deref(), event.actor_id.as_deref()) {
            (None, Some(id)) if id == user => Self::You,
            (None, Some(_)) => Self::Administrator,
            // By a link in an email, for example.
            (None, None) if event.outcome == Outcome::Succeeded.as_str() => Self::You,
            (None, None) => Self::Unknown,
            (Some("api_key"), _) => Self::ApiKey,
            (Some("operator"), _) => Self::Operator,
            (Some(_), _) => Self::Server,
        }
    }
}

/// An event as the user of the account sees it: nothing that tells who another actor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEvent {
    pub id: String,
    pub at: Timestamp,
    pub last_at: Option<Timestamp>,
    pub count: i32,
    pub action: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub by: DoneBy,
    /// Of a client. That of an administrator or a backend is not told.
    pub address: Option<String>,
    /// The user agent of the login that was used, while that is stored.
    pub user_agent: Option<String>,
}

impl OwnEvent {
    fn new(event: StoredEvent, user: &str, agents: &HashMap<LoginId, Option<String>>) -> Self {
        let by = DoneBy::of(&event, user);
        let is_client = matches!(by, DoneBy::You | DoneBy::Unknown);
        // What the user disowned is not the device that did so.
        let is_own = is_client && event.action != Action::LoginDisowned.as_str();
        let login = login_of(&event).filter(|_| is_own);
        Self {
            by,
            address: event.ip.filter(|_| is_client),
            user_agent: login.and_then(|login| agents.get(&login).cloned().flatten()),
            id: event.id,
            at: event.at,
            last_at: event.last_at,
            count: event.count,
            action: event.action,
            outcome: event.outcome,
            reason: event.reason,
        }
    }
}

fn login_of(event: &StoredEvent) -> Option<LoginId> {
    // Who presents a copy of a login's token is not its device.
    let is_device = event.outcome == Outcome::Succeeded.as_str() || event.actor_id.is_some();
    event.login.as_ref().filter(|_| is_device)?.parse().ok()
}

impl Accounts {
    /// What happened to the user's account, the newest first, `limit` at most.
    pub async fn own_events(&self, user: UserId, limit: i64) -> Result<Vec<OwnEvent>, Error> {
        self.0
            .db
            .run(move |conn| {
                let events = audit_pages::of_subject(conn, user, limit)?;
                let logins: Vec<LoginId> = events.iter().filter_map(login_of).collect();
                let agents = login_pages::user_agents(conn, &logins)?.into_iter().collect();
                let id = user.to_string();
                Ok(events.into_iter().map(|event| OwnEvent::new(event, &id, &agents)).collect())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_actor_is_known_by_its_kind_alone() {
        let login = LoginId(uuid::Uuid::from_u128(7));
        let agents = HashMap::from([(login, Some("curl/8".to_owned()))]);
        let event = |actor: Option<&str>, actor_id: Option<&str>, outcome: &str| {
            let event = StoredEvent {
                id: String::new(),
                at: Timestamp::default(),
                action: "disabled".to_owned(),
                outcome: outcome.to_owned(),
                reason: None,
                count: 1,
                last_at: None,
                actor: actor.map(str::to_owned),
                actor_id: actor_id.map(str::to_owned),
                subject: Some("ann".to_owned()),
                ip: Some("192.0.2.7".to_owned()),
                login: Some(login.to_string()),
                request: Some("r".to_owned()),
                detail: Some("secret".to_owned()),
            };
            let event = OwnEvent::new(event, "ann", &agents);
            (event.by.as_str(), event.address.is_some(), event.user_agent.is_some())
        };
        assert_eq!(event(None, Some("ann"), "succeeded"), ("you", true, true));
        assert_eq!(event(None, None, "succeeded"), ("you", true, true));
        assert_eq!(event(None, None, "refused"), ("unknown", true, false));
        assert_eq!(event(None, Some("ann"), "failed"), ("you", true, true));
        assert_eq!(event(None, Some("root"), "succeeded"), ("administrator", false, false));
        assert_eq!(event(Some("api_key"), Some("k"), "succeeded"), ("api_key", false, false));
        assert_eq!(event(Some("operator"), Some("root"), "succeeded"), ("operator", false, false));
        assert_eq!(event(Some("server"), None, "succeeded"), ("server", false, false));
    }
}
