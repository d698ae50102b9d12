//! A forgotten password.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::client::client_address;
use super::extract::{Counts, Limited};
use super::extract::{caller, optional, presented, required};
use super::site::Site;
use crate::accounts::{Accounts, Error};
use crate::error::ApiError;
use crate::limits::Limit;
use doorward_core::domain::{Invalid, Rating, WeakPassword};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ForgotRequest {
    /// A username or an address.
    login: Option<String>,
    /// What an earlier sign-in on this device was given.
    device_token: Option<String>,
}

impl Counts for ForgotRequest {
    const LIMIT: Limit = Limit::ForgotPassword;
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
    Limited(body): Limited<ForgotRequest>,
) -> Result<HttpResponse, ApiError> {
    let login = required("login", body.login)?;
    let presented = presented(&request, &site, body.device_token);
    accounts.request_reset(&login, presented, Some(client_address(&request, &site.sockets)))?;
    let detail = "If there is such an account with an email address, a link is on its way.";
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(Accepted { detail }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ResetRequest {
    token: Option<String>,
    password: Option<String>,
    /// Which account, if several claim the address that the link was sent to.
    username: Option<String>,
}

impl Counts for ResetRequest {
    const LIMIT: Limit = Limit::Link;
}

/// `POST /api/reset-password`
pub(super) async fn reset(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<ResetRequest>,
) -> Result<HttpResponse, ApiError> {
    let token = required("token", body.token)?;
    let password = accounts.choose_password(required("password", body.password)?)?;
    accounts.reset_password(&token, password, optional(body.username), caller(&request, &site)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RateRequest {
    password: Option<String>,
    /// What others know of its owner: it must not be made of that.
    username: Option<String>,
    email: Option<String>,
}

impl Counts for RateRequest {
    const LIMIT: Limit = Limit::PasswordStrength;
}

#[derive(Serialize)]
struct RateResponse {
    /// zxcvbn's, from 0 to 4.
    score: u8,
    /// Whether it would be taken.
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    suggestions: Vec<String>,
}

/// `POST /api/password-strength`: how good a password would be. Nothing is kept or compared with anybody's.
pub(super) async fn rate(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<RateRequest>,
) -> Result<HttpResponse, ApiError> {
    let rating = match accounts.choose_password(required("password", body.password)?) {
        Ok(password) => {
            let about = [body.username, body.email].into_iter().filter_map(optional).collect();
            accounts.rate_password(password, about, caller(&request, &site)).await?
        }
        Err(Error::Invalid(Invalid { detail, .. })) => {
            Rating { score: 0, weakness: Some(WeakPassword { detail, suggestions: Vec::new() }) }
        }
        Err(error) => return Err(error.into()),
    };
    let ok = rating.weakness.is_none();
    let (detail, suggestions) =
        rating.weakness.map(|weak| (Some(weak.detail), weak.suggestions)).unwrap_or_default();
    Ok(HttpResponse::Ok().json(RateResponse { score: rating.score, ok, detail, suggestions }))
}
