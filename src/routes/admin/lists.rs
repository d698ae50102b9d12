//! Where users are signed in, who is connected, and what happened.

use std::net::IpAddr;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::devices::SessionView;
use super::super::extract::{Query, Time};
use super::super::pagination;
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::{Accounts, AuditFilter, Ended, LoginInfo, Outcome, Stats, StoredEvent};
use crate::actors::SessionPage;
use crate::cluster::message::NodeId;
use crate::error::ApiError;
use doorward_core::domain::{LoginId, SessionId, UserId};
use doorward_core::protocol::SessionInfo;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LoginListing {
    /// Only logins that are older than this one
    #[param(value_type = Option<Uuid>)]
    after: Option<LoginId>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A part of a user's active logins.
#[derive(Serialize, ToSchema)]
struct LoginList {
    logins: Vec<LoginInfo>,
    /// The `after` of the next part, if there is one.
    #[schema(value_type = Option<Uuid>)]
    next: Option<LoginId>,
}

/// `GET /api/admin/users/{id}/logins`
#[utoipa::path(
    get,
    path = "/api/admin/users/{id}/logins",
    operation_id = "listUserLogins",
    tag = "Users",
    summary = "List the active logins of a user",
    params(("id" = Uuid, Path, description = "The account"), LoginListing),
    responses((status = 200, description = "A part of the logins, the newest first", body = LoginList), Problems),
    security(("api_key" = ["sessions:read"]), ("access_token" = [])),
)]
pub(super) async fn logins(
    _: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
    Query(query): Query<LoginListing>,
) -> Result<HttpResponse, ApiError> {
    let limit = pagination::limit(query.limit);
    let logins = accounts.logins_after(*id, query.after, pagination::one_more(limit)).await?;
    let (logins, next) = pagination::cut(logins, limit, |login| login.id);
    Ok(HttpResponse::Ok().json(LoginList { logins, next }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionListing {
    /// Only those of this user
    #[param(value_type = Option<Uuid>)]
    user: Option<UserId>,
    /// Only sockets that are newer than this one
    #[param(value_type = Option<Uuid>)]
    after: Option<SessionId>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A live socket, and whose it is.
#[derive(Serialize, ToSchema)]
struct AdminSession<'a> {
    #[schema(value_type = Uuid)]
    user: UserId,
    #[serde(flatten)]
    #[schema(value_type = SessionView)]
    session: &'a SessionInfo,
}

/// A part of the live sockets.
#[derive(Serialize, ToSchema)]
struct SessionList<'a> {
    sessions: Vec<AdminSession<'a>>,
    /// The `after` of the next part, if there is one.
    #[schema(value_type = Option<Uuid>)]
    next: Option<SessionId>,
    /// Nodes that have not answered within a second, if there are any: their sockets are missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Uuid>)]
    silent_nodes: Vec<NodeId>,
}

impl<'a> From<&'a SessionInfo> for AdminSession<'a> {
    fn from(session: &'a SessionInfo) -> Self {
        Self { user: session.user, session }
    }
}

/// `GET /api/admin/sessions`: live sockets on all nodes, which are asked now.
#[utoipa::path(
    get,
    path = "/api/admin/sessions",
    operation_id = "listAllSessions",
    tag = "Lists",
    summary = "List live sockets",
    params(SessionListing),
    responses((status = 200, description = "A part of the live sockets on all nodes, the oldest first", body = SessionList), Problems),
    security(("api_key" = ["sessions:read"]), ("access_token" = [])),
)]
pub(super) async fn sessions(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<SessionListing>,
) -> HttpResponse {
    let limit = pagination::limit(query.limit);
    let SessionPage { sessions, silent_nodes } =
        accounts.sessions_after(query.user, query.after, limit + 1).await;
    let (sessions, next) = pagination::cut(sessions, limit, |session| session.id);
    let sessions = sessions.iter().map(AsRef::as_ref).map(AdminSession::from).collect();
    HttpResponse::Ok().json(SessionList { sessions, next, silent_nodes })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditListing {
    /// The account that something was done to
    #[param(value_type = Option<Uuid>)]
    user: Option<UserId>,
    /// Such as `disabled`
    action: Option<String>,
    /// How it ended
    #[param(inline)]
    outcome: Option<Outcome>,
    /// The client's address
    #[param(value_type = Option<String>, example = "203.0.113.7")]
    address: Option<IpAddr>,
    /// `user`, `api_key`, `operator` or `server`
    actor: Option<String>,
    /// The id of the user or key, or the name of the operator
    actor_id: Option<String>,
    /// From this time on (RFC 3339)
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Time>,
    /// Before this time (RFC 3339)
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
    /// Only rows that are older than this one
    after: Option<Uuid>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A part of the audit trail.
#[derive(Serialize, ToSchema)]
struct AuditList {
    events: Vec<StoredEvent>,
    /// The `after` of the next part, if there is one.
    #[schema(format = Uuid)]
    next: Option<String>,
}

/// `GET /api/admin/audit`
#[utoipa::path(
    get,
    path = "/api/admin/audit",
    operation_id = "listAuditEvents",
    tag = "Lists",
    summary = "Read the audit trail",
    params(AuditListing),
    responses((status = 200, description = "A part of the audit trail, the newest first", body = AuditList), Problems),
    security(("api_key" = ["audit:read"]), ("access_token" = [])),
)]
pub(super) async fn audit(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<AuditListing>,
) -> Result<HttpResponse, ApiError> {
    let limit = pagination::limit(query.limit);
    let filter = AuditFilter {
        subject: query.user,
        action: query.action,
        outcome: query.outcome.map(Ended::As),
        address: query.address.map(|address| address.to_canonical()),
        actor: query.actor,
        actor_id: query.actor_id,
        since: query.since.map(|Time(at)| at),
        until: query.until.map(|Time(at)| at),
        after: query.after,
    };
    let events = accounts.audit_events(filter, pagination::one_more(limit)).await?;
    let (events, next) = pagination::cut(events, limit, |event| event.id.clone());
    Ok(HttpResponse::Ok().json(AuditList { events, next }))
}

/// `GET /api/admin/stats`
#[utoipa::path(
    get,
    path = "/api/admin/stats",
    operation_id = "showStats",
    tag = "Lists",
    summary = "Count users, logins, sockets, and keys",
    responses((status = 200, description = "Counts", body = Stats), Problems),
    security(("api_key" = ["stats:read"]), ("access_token" = [])),
)]
pub(super) async fn stats(_: Authorized, accounts: web::Data<Accounts>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(accounts.stats().await?))
}
