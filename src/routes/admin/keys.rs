//! API keys over HTTP. The secret is in the answer that creates or rotates a key, and nowhere else.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::extract::{Body, Query};
use super::super::page;
use super::guard::Authorized;
use crate::accounts::{Accounts, ApiKeyInfo, KeyRequest, NewKey};
use crate::error::ApiError;
use doorward_core::domain::{ApiKeyId, KeyScope};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    after: Option<ApiKeyId>,
    limit: Option<u16>,
}

/// `GET /api/admin/keys`
pub(super) async fn list(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<Listing>,
) -> Result<HttpResponse, ApiError> {
    let limit = page::limit(query.limit);
    let keys = accounts.list_api_keys(query.after, page::one_more(limit)).await?;
    let (keys, next) = page::cut(keys, limit, |key| key.id);
    Ok(HttpResponse::Ok().json(json!({ "keys": keys, "next": next })))
}

/// `GET /api/admin/keys/{id}`
pub(super) async fn show(
    _: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<ApiKeyId>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(accounts.find_api_key(*id).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    name: String,
    scopes: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateRequest {
    #[serde(default)]
    overlap_seconds: u32,
}

/// `POST /api/admin/keys/{id}/rotate`
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
pub(super) async fn revoke(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<ApiKeyId>,
) -> Result<HttpResponse, ApiError> {
    accounts.revoke_api_key(*id, &authorized.caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A key with its text, which is shown this once.
#[derive(Serialize)]
struct Created<'a> {
    key: String,
    #[serde(flatten)]
    info: &'a ApiKeyInfo,
}

impl<'a> From<&'a NewKey> for Created<'a> {
    fn from(new: &'a NewKey) -> Self {
        Self { key: new.plain.expose(), info: &new.info }
    }
}
