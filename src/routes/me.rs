//! The account of the signed-in user.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Site;
use super::extract::{Body, Counts, Limited, SignedIn, caller};
use crate::accounts::{Accounts, Error, Profile};
use crate::error::ApiError;
use crate::limits::Limit;
use doorward_core::domain::{DisplayName, Email, Password};

/// `GET /api/me`
pub(super) async fn show(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
) -> Result<web::Json<Profile>, ApiError> {
    Ok(web::Json(accounts.profile(access.user).await?))
}

#[derive(Deserialize)]
pub(super) struct RenameRequest {
    display_name: String,
}

/// `PATCH /api/me`
pub(super) async fn rename(
    SignedIn(access): SignedIn,
    accounts: web::Data<Accounts>,
    Body(body): Body<RenameRequest>,
) -> Result<web::Json<Profile>, ApiError> {
    let name = DisplayName::parse(&body.display_name).map_err(Error::from)?;
    Ok(web::Json(accounts.rename(access.user, name).await?))
}

#[derive(Deserialize)]
pub(super) struct DeleteRequest {
    current_password: String,
}

/// It asks for a password, which is a guess like any other.
impl Counts for DeleteRequest {
    const LIMIT: Limit = Limit::SignIn;
}

/// `DELETE /api/me`
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

#[derive(Deserialize)]
pub(super) struct ChangePasswordRequest {
    current_password: String,
    new_password: String,
}

impl Counts for ChangePasswordRequest {
    const LIMIT: Limit = Limit::SignIn;
}

/// `POST /api/me/password`
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

#[derive(Deserialize)]
pub(super) struct ChangeEmailRequest {
    email: String,
    current_password: String,
}

impl Counts for ChangeEmailRequest {
    const LIMIT: Limit = Limit::SignIn;
}

#[derive(Serialize)]
struct Accepted {
    detail: &'static str,
}

/// `POST /api/me/email`
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

#[derive(Deserialize)]
pub(super) struct VerifyEmailRequest {
    token: String,
}

impl Counts for VerifyEmailRequest {
    const LIMIT: Limit = Limit::Link;
}

/// `POST /api/verify-email`: no access token, the link may be followed on another device.
pub(super) async fn verify_email(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<VerifyEmailRequest>,
) -> Result<HttpResponse, ApiError> {
    accounts.verify_email(&body.token, &caller(&request, &site)).await?;
    Ok(HttpResponse::NoContent().finish())
}
