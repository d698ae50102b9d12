//! Accounts, for administrators and applications' backends.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::super::extract::{Body, Query, optional};
use super::super::pagination;
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::{Accounts, AdminUser, Error, Expected, Invited, RightsChange, UserChange};
use crate::cluster::message::NodeId;
use crate::error::ApiError;
use doorward_core::domain::{
    ClaimsChange, ClaimsPatch, DisplayName, Email, KeyScope, LanguageChoice, Roles, RolesChange, UserId,
    Username,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// A part of the username or the email address
    #[serde(default)]
    search: String,
    /// Only accounts after this username
    #[serde(default)]
    after: String,
    /// Entries, 100 if absent
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A part of the accounts.
#[derive(Serialize, ToSchema)]
struct UserList {
    users: Vec<AdminUser>,
    /// The `after` of the next part, if there is one.
    #[schema(example = "alice")]
    next: Option<String>,
}

/// `GET /api/admin/users`
#[utoipa::path(
    get,
    path = "/api/admin/users",
    operation_id = "listUsers",
    tag = "Users",
    summary = "List accounts by username",
    params(Listing),
    responses((status = 200, description = "A part of the accounts", body = UserList), Problems),
    security(("api_key" = ["users:read"]), ("access_token" = [])),
)]
pub(super) async fn list(
    _: Authorized,
    accounts: web::Data<Accounts>,
    Query(query): Query<Listing>,
) -> Result<HttpResponse, ApiError> {
    let Listing { search, after, limit } = query;
    let limit = pagination::limit(limit);
    let users = accounts.page_of_users(&search, after, pagination::one_more(limit)).await?;
    let (users, next) = pagination::cut(users, limit, |user| user.username.clone());
    Ok(HttpResponse::Ok().json(UserList { users, next }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateUserRequest)]
pub(super) struct CreateRequest {
    #[schema(example = "bob")]
    username: String,
    #[schema(example = "bob@example.org")]
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[schema(example = json!(["editor"]))]
    roles: Option<Vec<String>>,
    #[schema(value_type = Option<Object>, example = json!({"plan": "pro"}))]
    claims: Option<Box<RawValue>>,
}

/// `POST /api/admin/users`
#[utoipa::path(
    post,
    path = "/api/admin/users",
    operation_id = "createUser",
    tag = "Users",
    summary = "Create an account without a known password",
    request_body = CreateRequest,
    responses((status = 201, description = "The account", body = AdminUser), Problems),
    security(("api_key" = ["users:write"]), ("access_token" = [])),
)]
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
    if body.roles.is_some() || body.claims.is_some() {
        authorized.require(KeyScope::RolesWrite)?;
    }
    let rights = rights(body.roles, body.claims)?;
    let invited = Invited { username, email, verified: body.email_verified, rights };
    let user = accounts.invite_user(invited, &authorized.caller).await?;
    let location = format!("/api/admin/users/{}", user.id);
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, location));
    Ok(tagged(response, &user))
}

/// `GET /api/admin/users/{id}`
#[utoipa::path(
    get,
    path = "/api/admin/users/{id}",
    operation_id = "showUser",
    tag = "Users",
    summary = "Show an account",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 200, description = "The account; `ETag` names its state", body = AdminUser), Problems),
    security(("api_key" = ["users:read"]), ("access_token" = [])),
)]
pub(super) async fn show(
    _: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    Ok(tagged(HttpResponse::Ok(), &accounts.admin_user(*id).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeUserRequest)]
pub(super) struct ChangeRequest {
    #[schema(example = "Bob B.")]
    display_name: Option<String>,
    /// A tag (RFC 5646) for pages and emails; an empty one leaves the choice to the browser.
    #[schema(example = "de")]
    language: Option<String>,
    #[schema(example = "bob@example.org")]
    email: Option<String>,
    email_verified: Option<bool>,
    /// Replaces the user's roles.
    #[schema(example = json!(["editor"]))]
    roles: Option<Vec<String>>,
    /// Is merged into the user's claims (RFC 7396).
    #[schema(value_type = Option<Object>, example = json!({"plan": "pro"}))]
    claims: Option<Box<RawValue>>,
}

impl ChangeRequest {
    const fn is_about_rights(&self) -> bool {
        self.roles.is_some() || self.claims.is_some()
    }

    const fn is_about_profile(&self) -> bool {
        self.display_name.is_some()
            || self.language.is_some()
            || self.email.is_some()
            || self.email_verified.is_some()
    }
}

/// Roles that replace a user's, and claims that are merged into theirs.
fn rights(roles: Option<Vec<String>>, claims: Option<Box<RawValue>>) -> Result<RightsChange, ApiError> {
    let roles = roles.map(|names| Roles::parse(&names).map(RolesChange::Replace)).transpose();
    let claims = claims.map(|patch| ClaimsPatch::parse(patch.get()).map(ClaimsChange::Merge)).transpose();
    Ok(RightsChange { roles: roles.map_err(Error::from)?, claims: claims.map_err(Error::from)? })
}

/// An account after a change that some nodes have not confirmed.
#[derive(Serialize, ToSchema)]
struct Unconfirmed<'a> {
    #[serde(flatten)]
    #[schema(value_type = AdminUser)]
    user: &'a AdminUser,
    #[schema(value_type = Vec<String>, example = json!(["node-2"]))]
    silent_nodes: Vec<NodeId>,
}

/// `PATCH /api/admin/users/{id}`
#[utoipa::path(
    patch,
    path = "/api/admin/users/{id}",
    operation_id = "changeUser",
    tag = "Users",
    summary = "Change an account",
    params(("id" = Uuid, Path, description = "The account")),
    request_body = ChangeRequest,
    responses((status = 200, description = "The account", body = AdminUser), (status = 202, description = "The account; some nodes have not confirmed the change of roles and claims", body = Unconfirmed), Problems),
    security(("api_key" = ["users:write"]), ("api_key" = ["roles:write"]), ("access_token" = [])),
)]
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
        let names = "display_name, language, email, email_verified, roles, and claims";
        return Err(ApiError::field("body", format!("The body changes nothing. It can have {names}.")));
    }
    let rights = rights(body.roles, body.claims)?;
    let display_name = body.display_name.map(|name| DisplayName::parse(&name)).transpose();
    let language = body.language.as_deref().map(LanguageChoice::parse).transpose();
    let email = body.email.map(|email| Email::parse(&email)).transpose();
    let change = UserChange {
        display_name: display_name.map_err(Error::from)?,
        language: language.map_err(Error::from)?,
        email: email.map_err(Error::from)?,
        email_verified: body.email_verified,
        rights,
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
#[utoipa::path(
    delete,
    path = "/api/admin/users/{id}",
    operation_id = "deleteUser",
    tag = "Users",
    summary = "Delete an account",
    params(("id" = Uuid, Path, description = "The account")),
    responses((status = 204, description = "It is deleted and its sockets are closing"), Problems),
    security(("api_key" = ["users:end"]), ("access_token" = [])),
)]
pub(super) async fn delete(
    request: HttpRequest,
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    id: web::Path<UserId>,
) -> Result<HttpResponse, ApiError> {
    accounts.remove_user_if(*id, if_match(&request), &authorized.caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An account with its entity tag.
pub(super) fn tagged(mut response: HttpResponseBuilder, user: &AdminUser) -> HttpResponse {
    response.insert_header((header::ETAG, format!("\"{}\"", user.tag()))).json(user)
}

/// The tags of `If-Match`. It is optional; a weak tag matches nothing (RFC 9110 section 13.1.1).
pub(super) fn if_match(request: &HttpRequest) -> Expected {
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
