//! The account of the signed-in user.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Site;
use super::extract::{Body, Counts, Limited, SignedIn, caller};
use super::limit;
use super::password::Accepted;
use super::problems::Problems;
use crate::accounts::{Accounts, Error, PersonalData, Profile, ProfileChange};
use crate::error::ApiError;
use crate::limits::Limit;
use doorward_core::domain::{DisplayName, Email, LanguageChoice, Password};

/// `GET /api/me`
#[utoipa::path(
    get,
    path = "/api/me",
    operation_id = "showAccount",
    tag = "Account",
    summary = "Show the account",
    responses((status = 200, description = "The account", body = Profile), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn show(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
) -> Result<web::Json<Profile>, ApiError> {
    Ok(web::Json(accounts.profile(access.user).await?))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ChangeAccountRequest)]
pub(super) struct ChangeRequest {
    #[schema(example = "Alice L.")]
    display_name: Option<String>,
    /// A tag (RFC 5646) for pages and emails; an empty one leaves the choice to the browser.
    #[schema(example = "de")]
    language: Option<String>,
}

/// `PATCH /api/me`
#[utoipa::path(
    patch,
    path = "/api/me",
    operation_id = "changeAccount",
    tag = "Account",
    summary = "Change the display name and the language",
    request_body = ChangeRequest,
    responses((status = 200, description = "The account", body = Profile), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn change(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
    Body(body): Body<ChangeRequest>,
) -> Result<web::Json<Profile>, ApiError> {
    if body.display_name.is_none() && body.language.is_none() {
        let detail = "The body changes nothing. It can have display_name and language.";
        return Err(ApiError::field("body", detail));
    }
    let display_name = body.display_name.map(|name| DisplayName::parse(&name)).transpose();
    let language = body.language.as_deref().map(LanguageChoice::parse).transpose();
    let change = ProfileChange {
        display_name: display_name.map_err(Error::from)?,
        language: language.map_err(Error::from)?,
    };
    Ok(web::Json(accounts.change_profile(access.user, change).await?))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct DeleteRequest {
    #[schema(example = "plum tree in march rain")]
    current_password: String,
}

/// It asks for a password, which is a guess like any other.
impl Counts for DeleteRequest {
    const LIMIT: Limit = Limit::SignIn;
}

/// `DELETE /api/me`
#[utoipa::path(
    delete,
    path = "/api/me",
    operation_id = "deleteAccount",
    tag = "Account",
    summary = "Delete the account",
    request_body = DeleteRequest,
    responses((status = 204, description = "The account is deleted and its sockets are closing"), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn delete(
    SignedIn(access): SignedIn,
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<DeleteRequest>,
) -> Result<HttpResponse, ApiError> {
    let current = Password::typed(body.current_password);
    accounts.delete(&access, current, &caller(&request, &site).signed_in(&access)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/me/export`. It costs several lists, so it is counted.
#[utoipa::path(
    get,
    path = "/api/me/export",
    operation_id = "exportAccount",
    tag = "Account",
    summary = "Export what is stored about the user",
    responses((status = 200, description = "The data, as a file to save", body = PersonalData), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn export(
    SignedIn(access): SignedIn,
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
) -> Result<HttpResponse, ApiError> {
    limit::count(&request, Limit::Export)?;
    Ok(as_file(&accounts.own_data(&access, &caller(&request, &site)).await?))
}

/// A browser saves it instead of showing it.
pub(super) fn as_file(data: &PersonalData) -> HttpResponse {
    let name = "attachment; filename=\"account-data.json\"";
    HttpResponse::Ok().insert_header((header::CONTENT_DISPOSITION, name)).json(data)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct ChangePasswordRequest {
    #[schema(example = "plum tree in march rain")]
    current_password: String,
    #[schema(example = "a new and quite different sentence 7")]
    new_password: String,
}

impl Counts for ChangePasswordRequest {
    const LIMIT: Limit = Limit::SignIn;
}

/// `POST /api/me/password`
#[utoipa::path(
    post,
    path = "/api/me/password",
    operation_id = "changePassword",
    tag = "Account",
    summary = "Change the password",
    request_body = ChangePasswordRequest,
    responses((status = 204, description = "Changed; all other logins are revoked"), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn change_password(
    SignedIn(access): SignedIn,
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<ChangePasswordRequest>,
) -> Result<HttpResponse, ApiError> {
    let current = Password::typed(body.current_password);
    let new = body.new_password;
    // What is wrong with "the password" is, in this request, wrong with another field.
    let named = |error: Error| ApiError::from(error).rename_field("password", "new_password");
    let new = accounts.choose_password(new).map_err(named)?;
    accounts
        .change_password(&access, current, new, &caller(&request, &site).signed_in(&access))
        .await
        .map_err(named)?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, ToSchema)]
pub(super) struct ChangeEmailRequest {
    #[schema(example = "alice@example.org")]
    email: String,
    #[schema(example = "plum tree in march rain")]
    current_password: String,
}

impl Counts for ChangeEmailRequest {
    const LIMIT: Limit = Limit::SignIn;
}

/// `POST /api/me/email`
#[utoipa::path(
    post,
    path = "/api/me/email",
    operation_id = "changeEmail",
    tag = "Account",
    summary = "Change the email address",
    request_body = ChangeEmailRequest,
    responses((status = 202, description = "A link is on its way to the new address", body = Accepted), Problems),
    security(("access_token" = [])),
)]
pub(super) async fn change_email(
    SignedIn(access): SignedIn,
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<ChangeEmailRequest>,
) -> Result<HttpResponse, ApiError> {
    let email = Email::parse(&body.email).map_err(Error::from)?;
    let current = Password::typed(body.current_password);
    accounts.change_email(&access, email, current, &caller(&request, &site).signed_in(&access)).await?;
    let detail = "A link is on its way. The address is yours once you follow it.";
    Ok(HttpResponse::Accepted().json(Accepted { detail }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct VerifyEmailRequest {
    #[schema(example = "the last part of the link")]
    token: String,
}

impl Counts for VerifyEmailRequest {
    const LIMIT: Limit = Limit::Link;
}

/// `POST /api/verify-email`: no access token, the link may be followed on another device.
#[utoipa::path(
    post,
    path = "/api/verify-email",
    operation_id = "verifyEmail",
    tag = "Recovery",
    summary = "Verify an email address",
    request_body = VerifyEmailRequest,
    responses((status = 204, description = "The address is verified"), Problems),
    security(()),
)]
pub(super) async fn verify_email(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<VerifyEmailRequest>,
) -> Result<HttpResponse, ApiError> {
    accounts.verify_email(&body.token, &caller(&request, &site)).await?;
    Ok(HttpResponse::NoContent().finish())
}
