//! API keys over HTTP. The secret is in the answer that creates or rotates a key, and nowhere else.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::extract::{Body, Query};
use super::super::pagination;
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::{Accounts, ApiKeyInfo, KeyRequest, NewKey};
use crate::error::ApiError;
use doorward_core::domain::{ApiKeyId, KeyScope};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// The `next` of the part before
    #[param(value_type = Option<Uuid>)]
    after: Option<ApiKeyId>,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A part of the API keys.
#[derive(Serialize, ToSchema)]
struct KeyList {
    keys: Vec<ApiKeyInfo>,
    /// The `after` of the next part, if there is one.
    #[schema(value_type = Option<Uuid>)]
    next: Option<ApiKeyId>,
}

/// `GET /api/admin/keys`
#[utoipa::path(
    get,
    path = "/api/admin/keys",
    operation_id = "listApiKeys",
    tag = "API keys",
    summary = "List API keys",
    params(Listing),
    responses((status = 200, description = "A part of the keys", body = KeyList), Problems),
    security(("api_key" = ["keys:read"]), ("access_token" = [])),
)]
pub(super) async fn list(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<Listing>,
) -> Result<HttpResponse, ApiError> {
    let limit = pagination::limit(query.limit);
    let keys = accounts.list_api_keys(query.after, pagination::one_more(limit)).await?;
    let (keys, next) = pagination::cut(keys, limit, |key| key.id);
    Ok(HttpResponse::Ok().json(KeyList { keys, next }))
}

/// `GET /api/admin/keys/{id}`
#[utoipa::path(
    get,
    path = "/api/admin/keys/{id}",
    operation_id = "showApiKey",
    tag = "API keys",
    summary = "Show an API key",
    params(("id" = Uuid, Path, description = "The key")),
    responses((status = 200, description = "The key without its secret", body = ApiKeyInfo), Problems),
    security(("api_key" = ["keys:read"]), ("access_token" = [])),
)]
pub(super) async fn show(
    _: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<ApiKeyId>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(accounts.find_api_key(*id).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateApiKeyRequest)]
pub(super) struct CreateRequest {
    #[schema(example = "shop")]
    name: String,
    #[schema(example = json!(["users:read"]))]
    scopes: Vec<String>,
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-11-27T12:00:00.000Z")]
    expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    #[schema(example = json!(["10.0.0.0/8"]))]
    addresses: Vec<String>,
}

impl CreateRequest {
    fn parse(self) -> Result<KeyRequest, ApiError> {
        let scopes = self.scopes.iter().map(|scope| KeyScope::parse(scope));
        let scopes = scopes.collect::<Result<_, _>>().map_err(crate::accounts::Error::from)?;
        let networks = self.addresses.iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>()?;
        let expires_at = self.expires_at.map(|end| end.naive_utc());
        Ok(KeyRequest::new(&self.name, scopes, expires_at, &networks)
            .map_err(crate::accounts::Error::from)?)
    }
}

fn network(text: &str) -> Result<IpNet, ApiError> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| {
        ApiError::field("addresses", "An address is written like 203.0.113.7, a network like 10.0.0.0/8.")
    })
}

/// `POST /api/admin/keys`
#[utoipa::path(
    post,
    path = "/api/admin/keys",
    operation_id = "createApiKey",
    tag = "API keys",
    summary = "Create an API key",
    request_body = CreateRequest,
    responses((status = 201, description = "The key; its secret is shown this once", body = Created), Problems),
    security(("api_key" = ["keys:write"]), ("access_token" = [])),
)]
pub(super) async fn create(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    Body(body): Body<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    let request = body.parse()?;
    let new = accounts.create_api_key(request, &authorized.caller).await?;
    let location = format!("/api/admin/keys/{}", new.info.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(Created::from(&new)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateApiKeyRequest)]
pub(super) struct RotateRequest {
    #[serde(default)]
    #[schema(example = 3600)]
    overlap_seconds: u32,
}

/// `POST /api/admin/keys/{id}/rotate`
#[utoipa::path(
    post,
    path = "/api/admin/keys/{id}/rotate",
    operation_id = "rotateApiKey",
    tag = "API keys",
    summary = "Replace the secret of an API key",
    params(("id" = Uuid, Path, description = "The key")),
    request_body = RotateRequest,
    responses((status = 200, description = "The key; its new secret is shown this once", body = Created), Problems),
    security(("api_key" = ["keys:write"]), ("access_token" = [])),
)]
pub(super) async fn rotate(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<ApiKeyId>,
    Body(body): Body<RotateRequest>,
) -> Result<HttpResponse, ApiError> {
    let overlap = TimeDelta::seconds(body.overlap_seconds.into());
    let new = accounts
        .rotate_api_key(*id, overlap, &authorized.caller)
        .await
        .map_err(|error| ApiError::from(error).rename_field("overlap", "overlap_seconds"))?;
    Ok(HttpResponse::Ok().json(Created::from(&new)))
}

/// `DELETE /api/admin/keys/{id}`
#[utoipa::path(
    delete,
    path = "/api/admin/keys/{id}",
    operation_id = "revokeApiKey",
    tag = "API keys",
    summary = "Revoke an API key",
    params(("id" = Uuid, Path, description = "The key")),
    responses((status = 204, description = "It is refused on all nodes within two seconds"), Problems),
    security(("api_key" = ["keys:write"]), ("access_token" = [])),
)]
pub(super) async fn revoke(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<ApiKeyId>,
) -> Result<HttpResponse, ApiError> {
    accounts.revoke_api_key(*id, &authorized.caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A key with its text, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
struct Created<'a> {
    #[schema(example = "dwk_0190f3c4-0000-7000-8000-000000000000_...")]
    key: String,
    #[serde(flatten)]
    #[schema(value_type = ApiKeyInfo)]
    info: &'a ApiKeyInfo,
}

impl<'a> From<&'a NewKey> for Created<'a> {
    fn from(new: &'a NewKey) -> Self {
        Self { key: new.plain.expose(), info: &new.info }
    }
}
