//! Where the user is signed in, and with which live sockets.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Query, SignedIn, caller};
use super::pagination;
use super::problems::Problems;
use super::site::Site;
use crate::accounts::Accounts;
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::error::ApiError;
use crate::models::stored::Stored;
use doorward_core::domain::{DeviceKind, DeviceName, LoginId, LoginKind, SessionId, describe_user_agent};
use doorward_core::protocol::SessionInfo;

#[derive(Serialize, ToSchema)]
struct LoginView {
    #[schema(value_type = Uuid)]
    id: LoginId,
    /// `token`, `browser` or `connection`.
    #[schema(value_type = String, example = "token")]
    kind: Stored<LoginKind>,
    #[schema(example = "curl/8.5.0")]
    user_agent: Option<String>,
    /// The same in words, such as `Firefox on Linux`.
    #[schema(example = "curl")]
    device: String,
    /// The browser or program that this names, such as `Firefox`; null if it is unknown.
    #[schema(example = "curl")]
    device_client: Option<String>,
    /// The system that this names, such as `Linux`; null if it is unknown.
    #[schema(value_type = Option<String>, example = json!(null))]
    device_system: Option<&'static str>,
    /// What the device looks like: `desktop`, `phone`, `tablet`, `terminal` (curl, a script), or `app`.
    #[schema(value_type = String, example = "terminal")]
    device_kind: DeviceKind,
    #[schema(example = "203.0.113.7")]
    ip: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    last_seen_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    expires_at: Timestamp,
    /// The one that this request is made with.
    current: bool,
}

/// A part of the active logins.
#[derive(Serialize, ToSchema)]
struct Logins {
    logins: Vec<LoginView>,
    /// The `after` of the next part, if there is one.
    #[schema(value_type = Option<Uuid>)]
    next: Option<LoginId>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LoginListing {
    /// Only logins that are older than this one
    #[param(value_type = Option<Uuid>)]
    after: Option<LoginId>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// `GET /api/logins`
#[utoipa::path(
    get,
    path = "/api/logins",
    operation_id = "listLogins",
    tag = "Devices",
    summary = "List the active logins",
    params(LoginListing),
    responses((status = 200, description = "The active logins, the newest first", body = Logins), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn list(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
    Query(query): Query<LoginListing>,
) -> Result<HttpResponse, ApiError> {
    let limit = pagination::limit(query.limit);
    let logins = accounts.own_logins_after(access.user, query.after, pagination::one_more(limit)).await?;
    let (logins, next) = pagination::cut(logins, limit, |login| login.id);
    let logins = logins.into_iter().map(|login| {
        let name = DeviceName::of(login.user_agent.as_deref());
        LoginView {
            current: login.id == access.login,
            id: login.id,
            kind: login.kind,
            device: describe_user_agent(login.user_agent.as_deref()),
            device_client: name.client,
            device_system: name.system,
            device_kind: DeviceKind::of(login.user_agent.as_deref()),
            user_agent: login.user_agent,
            ip: login.ip,
            created_at: login.created_at,
            last_seen_at: login.last_seen_at,
            expires_at: login.expires_at,
        }
    });
    Ok(HttpResponse::Ok().json(Logins { logins: logins.collect(), next }))
}

#[derive(Deserialize)]
pub(super) struct EndQuery {
    except: Option<Except>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Except {
    Current,
}

/// `DELETE /api/logins[?except=current]`
#[utoipa::path(
    delete,
    path = "/api/logins",
    operation_id = "revokeLogins",
    tag = "Devices",
    summary = "Revoke all logins",
    params(("except" = inline(Option<Except>), Query, description = "`current`: all but the one that this request is made with")),
    responses((status = 204, description = "They are revoked and their sockets are closing"), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn end_all(
    SignedIn(access): SignedIn,
    request: HttpRequest,
    (accounts, site): (web::Data<Accounts>, web::Data<Site>),
    Query(query): Query<EndQuery>,
) -> Result<HttpResponse, ApiError> {
    let caller = caller(&request, &site);
    accounts.sign_out_all(&access, query.except.is_some(), &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /api/logins/{id}`
#[utoipa::path(
    delete,
    path = "/api/logins/{id}",
    operation_id = "revokeLogin",
    tag = "Devices",
    summary = "Revoke a login",
    params(("id" = Uuid, Path, description = "The login")),
    responses((status = 204, description = "It is revoked and its sockets are closing"), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn end(
    SignedIn(access): SignedIn,
    request: HttpRequest,
    (accounts, site): (web::Data<Accounts>, web::Data<Site>),
    id: web::Path<LoginId>,
) -> Result<HttpResponse, ApiError> {
    accounts.revoke_login(&access, *id, &caller(&request, &site)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A part of the live sockets.
#[derive(Serialize, ToSchema)]
struct Sessions<'a> {
    #[schema(value_type = Vec<SessionView>)]
    sessions: Vec<&'a SessionInfo>,
    /// The `after` of the next part, if there is one.
    #[schema(value_type = Option<Uuid>)]
    next: Option<SessionId>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionListing {
    /// Only sockets that are newer than this one
    #[param(value_type = Option<Uuid>)]
    after: Option<SessionId>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// The schema of [`SessionInfo`], which is defined where nothing of HTTP is known.
#[derive(ToSchema)]
#[schema(as = Session)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct SessionView {
    id: Uuid,
    login: Uuid,
    /// `websocket`, `socketio` or `tcp`.
    #[schema(example = "websocket")]
    carrier: String,
    #[schema(example = "203.0.113.7")]
    address: String,
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    since: String,
}

/// `GET /api/sessions`
#[utoipa::path(
    get,
    path = "/api/sessions",
    operation_id = "listSessions",
    tag = "Devices",
    summary = "List the live sockets",
    params(SessionListing),
    responses((status = 200, description = "The live sockets on all nodes, the oldest first", body = Sessions), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn sessions(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
    Query(query): Query<SessionListing>,
) -> HttpResponse {
    let limit = pagination::limit(query.limit);
    let sessions = accounts.own_sessions_after(access.user, query.after, limit + 1).await;
    let (sessions, next) = pagination::cut(sessions, limit, |session| session.id);
    HttpResponse::Ok().json(Sessions { sessions: sessions.iter().map(AsRef::as_ref).collect(), next })
}
