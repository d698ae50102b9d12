//! What administrators and applications' backends do to an account besides changing its row.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::problems::Problems;
use super::guard::Authorized;
use super::users::{if_match, tagged};
use crate::accounts::{Accounts, AdminUser, PersonalData};
use crate::error::ApiError;
use doorward_core::domain::{KeyScope, LoginId, UserId};

/// `POST /api/admin/users/{id}/disable`
#[utoipa::path(
    post,
    path = "/api/admin/users/{id}/disable",
    operation_id = "disableUser",
    tag = "Users",
    summary = "Disable an account",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 200, description = "The account", body = AdminUser), Problems),
    security(("api_key" = ["users:end"]), ("access_token" = [])),
)]
pub(super) async fn disable(
    request: HttpRequest,
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    accounts.set_disabled_if(*id, true, if_match(&request), &authorized.caller).await?;
    Ok(tagged(HttpResponse::Ok(), &accounts.admin_user(*id).await?))
}

/// `POST /api/admin/users/{id}/enable`
#[utoipa::path(
    post,
    path = "/api/admin/users/{id}/enable",
    operation_id = "enableUser",
    tag = "Users",
    summary = "Enable a disabled account",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 200, description = "The account", body = AdminUser), Problems),
    security(("api_key" = ["users:write"]), ("access_token" = [])),
)]
pub(super) async fn enable(
    request: HttpRequest,
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    accounts.set_disabled_if(*id, false, if_match(&request), &authorized.caller).await?;
    Ok(tagged(HttpResponse::Ok(), &accounts.admin_user(*id).await?))
}

/// `POST /api/admin/users/{id}/unlock`
#[utoipa::path(
    post,
    path = "/api/admin/users/{id}/unlock",
    operation_id = "unlockUser",
    tag = "Users",
    summary = "Forget the wrong passwords at an account",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 204, description = "The next attempt is accepted at once"), Problems),
    security(("api_key" = ["users:write"]), ("access_token" = [])),
)]
pub(super) async fn unlock(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    accounts.unlock(*id, &authorized.caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/admin/users/{id}/export`
#[utoipa::path(
    get,
    path = "/api/admin/users/{id}/export",
    operation_id = "exportUser",
    tag = "Users",
    summary = "Export what is stored about a person",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 200, description = "The data", body = PersonalData), Problems),
    security(("api_key" = ["users:read", "sessions:read", "audit:read"]), ("access_token" = [])),
)]
pub(super) async fn export(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    authorized.require(KeyScope::SessionsRead)?;
    authorized.require(KeyScope::AuditRead)?;
    Ok(HttpResponse::Ok().json(accounts.personal_data(*id, &authorized.caller).await?))
}

/// `POST /api/admin/users/{id}/reset-password`
#[utoipa::path(
    post,
    path = "/api/admin/users/{id}/reset-password",
    operation_id = "startReset",
    tag = "Users",
    summary = "Send a link for a new password",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 202, description = "An email is on its way"), Problems),
    security(("api_key" = ["users:write"]), ("access_token" = [])),
)]
pub(super) async fn reset_password(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    accounts.start_reset(*id, &authorized.caller).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// How many logins were revoked.
#[derive(Serialize, ToSchema)]
struct Revoked {
    #[schema(example = 2)]
    revoked: i64,
}

/// `POST /api/admin/users/{id}/logout`
#[utoipa::path(
    post,
    path = "/api/admin/users/{id}/logout",
    operation_id = "signUserOut",
    tag = "Users",
    summary = "Revoke all logins of a user",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 200, description = "How many logins were active", body = Revoked), Problems),
    security(("api_key" = ["users:end"]), ("access_token" = [])),
)]
pub(super) async fn logout(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    let revoked = accounts.end_logins(*id, None, &authorized.caller).await?;
    Ok(HttpResponse::Ok().json(Revoked { revoked }))
}

/// `DELETE /api/admin/users/{id}/logins/{login}`
#[utoipa::path(
    delete,
    path = "/api/admin/users/{id}/logins/{login}",
    operation_id = "revokeUserLogin",
    tag = "Users",
    summary = "Revoke a login of a user",
    params(("id" = Uuid, Path, description = "The account"), ("login" = Uuid, Path, description = "The login")),
    responses((status = 204, description = "It is revoked and its sockets are closing"), Problems),
    security(("api_key" = ["users:end"]), ("access_token" = [])),
)]
pub(super) async fn end_login(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    path: web::Path<(UserId, LoginId)>,
) -> Result<HttpResponse, ApiError> {
    let (id, login) = path.into_inner();
    accounts.end_logins(id, Some(login), &authorized.caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
