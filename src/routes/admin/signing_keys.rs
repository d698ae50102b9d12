//! The keys that sign access tokens. Their secrets never leave the database.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::extract::Body;
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::{Accounts, KeyInfo};
use crate::error::ApiError;

/// The keys that sign access tokens.
#[derive(Serialize, ToSchema)]
struct SigningKeys {
    keys: Vec<KeyInfo>,
}

/// `GET /api/admin/signing-keys`
#[utoipa::path(
    get,
    path = "/api/admin/signing-keys",
    operation_id = "listSigningKeys",
    tag = "Signing keys",
    summary = "List the keys that sign access tokens",
    responses((status = 200, description = "The keys, the newest first", body = SigningKeys), Problems),
    security(("api_key" = ["signing-keys:read"]), ("access_token" = [])),
)]
pub(super) async fn list(_: Authorized, accounts: web::Data<Accounts>) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(SigningKeys { keys: accounts.list_keys().await? }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateSigningKeysRequest)]
pub(super) struct RotateRequest {
    /// Destroys all other keys: access tokens that they signed are refused.
    #[serde(default)]
    now: bool,
}

/// `POST /api/admin/signing-keys/rotate`
#[utoipa::path(
    post,
    path = "/api/admin/signing-keys/rotate",
    operation_id = "rotateSigningKey",
    tag = "Signing keys",
    summary = "Make a new key that signs access tokens",
    request_body = RotateRequest,
    responses((status = 200, description = "The keys, the newest first", body = SigningKeys), Problems),
    security(("api_key" = ["signing-keys:write"]), ("access_token" = [])),
)]
pub(super) async fn rotate(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    Body(body): Body<RotateRequest>,
) -> Result<HttpResponse, ApiError> {
    accounts.rotate_keys(body.now, &authorized.caller).await?;
    Ok(HttpResponse::Ok().json(SigningKeys { keys: accounts.list_keys().await? }))
}
