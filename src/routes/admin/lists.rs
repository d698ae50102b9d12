//! Where users are signed in, who is connected, and what happened.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::super::extract::{Query, Time};
use super::super::page;
use super::guard::Authorized;
use crate::accounts::{Accounts, AuditFilter};
use crate::error::ApiError;
use doorward_core::domain::{LoginId, SessionId, UserId};
use doorward_core::protocol::SessionInfo;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginListing {
    after: Option<LoginId>,
    limit: Option<u16>,
}

/// `GET /api/admin/users/{id}/logins`
pub(super) async fn logins(
    _: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
    Query(query): Query<LoginListing>,
) -> Result<HttpResponse, ApiError> {
    let limit = page::limit(query.limit);
    let logins = accounts.logins_after(*id, query.after, page::one_more(limit)).await?;
    let (logins, next) = page::cut(logins, limit, |login| login.id);
    Ok(HttpResponse::Ok().json(json!({ "logins": logins, "next": next })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionListing {
    user: Option<UserId>,
    after: Option<SessionId>,
    limit: Option<u16>,
}

/// A live socket, and whose it is.
#[derive(Serialize)]
struct AdminSession<'a> {
    user: UserId,
    #[serde(flatten)]
    session: &'a SessionInfo,
}

impl<'a> From<&'a SessionInfo> for AdminSession<'a> {
    fn from(session: &'a SessionInfo) -> Self {
        Self { user: session.user, session }
    }
}

/// `GET /api/admin/sessions`: live sockets, on all nodes that this one knows of.
pub(super) async fn sessions(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<SessionListing>,
) -> HttpResponse {
    let limit = page::limit(query.limit);
    let sessions = accounts.sessions_after(query.user, query.after, limit + 1);
    let (sessions, next) = page::cut(sessions, limit, |session| session.id);
    let sessions: Vec<_> = sessions.iter().map(AsRef::as_ref).map(AdminSession::from).collect();
    HttpResponse::Ok().json(json!({ "sessions": sessions, "next": next }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditListing {
    /// The account that something was done to.
    user: Option<UserId>,
    action: Option<String>,
    /// `user`, `api_key`, `operator` or `server`.
    actor: Option<String>,
    actor_id: Option<String>,
    since: Option<Time>,
    until: Option<Time>,
    /// Only rows that are older than this one.
    after: Option<Uuid>,
    limit: Option<u16>,
}

/// `GET /api/admin/audit`
pub(super) async fn audit(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<AuditListing>,
) -> Result<HttpResponse, ApiError> {
    let limit = page::limit(query.limit);
    let filter = AuditFilter {
        subject: query.user,
        action: query.action,
        actor: query.actor,
        actor_id: query.actor_id,
        since: query.since.map(|Time(at)| at),
        until: query.until.map(|Time(at)| at),
        after: query.after,
    };
    let events = accounts.audit_events(filter, page::one_more(limit)).await?;
    let (events, next) = page::cut(events, limit, |event| event.id.clone());
    Ok(HttpResponse::Ok().json(json!({ "events": events, "next": next })))
}

/// `GET /api/admin/stats`
pub(super) async fn stats(_: Authorized, accounts: web::Data<Accounts>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(accounts.stats().await?))
}
