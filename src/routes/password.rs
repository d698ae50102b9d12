//! A forgotten password.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::client::client_address;
use super::extract::{Body, required};
use super::site::Site;
use crate::accounts::Accounts;
use crate::error::ApiError;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ForgotRequest {
    /// A username or an address.
    login: Option<String>,
}

/// The same for everybody: whether there is such an account is not told.
#[derive(Serialize)]
pub(super) struct Accepted {
    detail: &'static str,
}

/// `POST /api/forgot-password`
pub(super) async fn forgot(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Body(body): Body<ForgotRequest>,
) -> Result<HttpResponse, ApiError> {
    let login = required("login", body.login)?;
    accounts.request_reset(&login, Some(client_address(&request, &site.sockets))).await?;
    let detail = "If there is such an account with a mail address, a link is on its way.";
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(Accepted { detail }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ResetRequest {
    token: Option<String>,
    password: Option<String>,
}

/// `POST /api/reset-password`
pub(super) async fn reset(
    accounts: web::Data<Accounts>,
    Body(body): Body<ResetRequest>,
) -> Result<HttpResponse, ApiError> {
    let token = required("token", body.token)?;
    let password = accounts.choose_password(required("password", body.password)?)?;
    accounts.reset_password(&token, password).await?;
    Ok(HttpResponse::NoContent().finish())
}
