//! Accounts, for administrators and applications' backends.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::super::extract::{Body, Query, optional};
use super::super::page;
use super::guard::Authorized;
use crate::accounts::{Accounts, AdminUser, Error, Expected, Invited, RightsChange, UserChange};
use crate::cluster::message::NodeId;
use crate::error::ApiError;
use doorward_core::domain::{
    ClaimsChange, ClaimsPatch, DisplayName, Email, KeyScope, LoginId, Roles, RolesChange, UserId, Username,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    #[serde(default)]
    search: String,
    #[serde(default)]
    after: String,
    limit: Option<u16>,
}

/// `GET /api/admin/users`
pub(super) async fn list(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<Listing>,
) -> Result<HttpResponse, ApiError> {
    let Listing { search, after, limit } = query;
    let limit = page::limit(limit);
    let users = accounts.page_of_users(&search, after, page::one_more(limit)).await?;
    let (users, next) = page::cut(users, limit, |user| user.username.clone());
    Ok(HttpResponse::Ok().json(json!({ "users": users, "next": next })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    username: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
}

/// `POST /api/admin/users`
pub(super) async fn create(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    Body(body): Body<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    let username = Username::parse(&body.username).map_err(Error::from)?;
    let email = optional(body.email).map(|email| Email::parse(&email)).transpose().map_err(Error::from)?;
    if body.email_verified && email.is_none() {
        return Err(ApiError::field("email", "There is no address that could be verified."));
    }
    let invited = Invited { username, email, verified: body.email_verified };
    let user = accounts.invite_user(invited, &authorized.caller).await?;
    let location = format!("/api/admin/users/{}", user.id);
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, location));
    Ok(tagged(response, &user))
}

/// `GET /api/admin/users/{id}`
pub(super) async fn show(
    _: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    Ok(tagged(HttpResponse::Ok(), &accounts.admin_user(*id).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeRequest {
    display_name: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    /// Replaces the user's roles.
    roles: Option<Vec<String>>,
    /// Is merged into the user's claims (RFC 7396).
    claims: Option<Box<RawValue>>,
}

impl ChangeRequest {
    const fn is_about_rights(&self) -> bool {
        self.roles.is_some() || self.claims.is_some()
    }

    const fn is_about_profile(&self) -> bool {
        self.display_name.is_some() || self.email.is_some() || self.email_verified.is_some()
    }
}

/// An account after a change that some nodes have not confirmed.
#[derive(Serialize)]
struct Unconfirmed<'a> {
    #[serde(flatten)]
    user: &'a AdminUser,
    silent_nodes: Vec<NodeId>,
}

/// `PATCH /api/admin/users/{id}`
pub(super) async fn change(
    request: HttpRequest,
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
    Body(body): Body<ChangeRequest>,
) -> Result<HttpResponse, ApiError> {
    if body.is_about_rights() {
        authorized.require(KeyScope::RolesWrite)?;
    }
    if body.is_about_profile() {
        authorized.require(KeyScope::UsersWrite)?;
    }
    if !body.is_about_rights() && !body.is_about_profile() {
        let names = "display_name, email, email_verified, roles, and claims";
        return Err(ApiError::field("body", format!("The body changes nothing. It can have {names}.")));
    }
    let roles = body.roles.map(|names| Roles::parse(&names).map(RolesChange::Replace)).transpose();
    let claims =
        body.claims.map(|patch| ClaimsPatch::parse(patch.get()).map(ClaimsChange::Merge)).transpose();
    let display_name = body.display_name.map(|name| DisplayName::parse(&name)).transpose();
    let email = body.email.map(|email| Email::parse(&email)).transpose();
    let change = UserChange {
        display_name: display_name.map_err(Error::from)?,
        email: email.map_err(Error::from)?,
        email_verified: body.email_verified,
        rights: RightsChange { roles: roles.map_err(Error::from)?, claims: claims.map_err(Error::from)? },
    };
    let (user, silent_nodes) =
        accounts.change_user(*id, change, if_match(&request), &authorized.caller).await?;
    if silent_nodes.is_empty() {
        return Ok(tagged(HttpResponse::Ok(), &user));
    }
    // Within three seconds these have applied it, or accept no token.
    let mut response = HttpResponse::Accepted();
    response.insert_header((header::ETAG, format!("\"{}\"", user.tag())));
    Ok(response.json(Unconfirmed { user: &user, silent_nodes }))
}

/// `DELETE /api/admin/users/{id}`
pub(super) async fn delete(
    request: HttpRequest,
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    accounts.remove_user_if(*id, if_match(&request), &authorized.caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/admin/users/{id}/disable`
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
pub(super) async fn enable(
    request: HttpRequest,
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    accounts.set_disabled_if(*id, false, if_match(&request), &authorized.caller).await?;
    Ok(tagged(HttpResponse::Ok(), &accounts.admin_user(*id).await?))
}

/// `POST /api/admin/users/{id}/reset-password`
pub(super) async fn reset_password(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    accounts.start_reset(*id, &authorized.caller).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// `POST /api/admin/users/{id}/logout`
pub(super) async fn logout(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    let revoked = accounts.end_logins(*id, None, &authorized.caller).await?;
    Ok(HttpResponse::Ok().json(json!({ "revoked": revoked })))
}

/// `DELETE /api/admin/users/{id}/logins/{login}`
pub(super) async fn end_login(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    path: web::Path<(UserId, LoginId)>,
) -> Result<HttpResponse, ApiError> {
    let (id, login) = path.into_inner();
    accounts.end_logins(id, Some(login), &authorized.caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An account with its entity tag.
fn tagged(mut response: HttpResponseBuilder, user: &AdminUser) -> HttpResponse {
    response.insert_header((header::ETAG, format!("\"{}\"", user.tag()))).json(user)
}

/// The tags of `If-Match`. It is optional; a weak tag matches nothing (RFC 9110 section 13.1.1).
fn if_match(request: &HttpRequest) -> Expected {
    let mut values = request.headers().get_all(header::IF_MATCH).peekable();
    if values.peek().is_none() {
        return Expected::Any;
    }
    let texts: Vec<&str> = values.map(HeaderValue::to_str).map(Result::unwrap_or_default).collect();
    let tags = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    let strong = |tag: &str| Some(tag.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    if texts.iter().any(|text| text.trim() == "*") {
        Expected::Any
    } else {
        Expected::Tags(tags.filter_map(strong).collect())
    }
}
