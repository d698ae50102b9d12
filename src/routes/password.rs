//! A forgotten password.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Counts, Limited, caller, optional, presented};
use super::problems::Problems;
use super::site::Site;
use crate::accounts::{Accounts, Error};
use crate::error::ApiError;
use crate::limits::Limit;
use doorward_core::domain::{Invalid, Rating, WeakPassword};

#[derive(Deserialize, ToSchema)]
pub(super) struct ForgotRequest {
    /// A username or an address.
    #[schema(example = "alice")]
    login: String,
    /// What an earlier sign-in on this device was given.
    #[schema(example = "dwd_01a21c98...")]
    device_token: Option<String>,
}

impl Counts for ForgotRequest {
    const LIMIT: Limit = Limit::ForgotPassword;
}

/// What will happen. It is the same whether there is such an account or not.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    #[schema(example = "If there is such an account with an email address, a link is on its way.")]
    pub detail: &'static str,
}

/// `POST /api/forgot-password`
#[utoipa::path(
    post,
    path = "/api/forgot-password",
    operation_id = "forgotPassword",
    tag = "Recovery",
    summary = "Request a reset link",
    request_body = ForgotRequest,
    responses((status = 202, description = "The same whether there is such an account or not", body = Accepted), Problems),
    security(()),
)]
pub(super) async fn forgot(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<ForgotRequest>,
) -> Result<HttpResponse, ApiError> {
    let presented = presented(&request, &site, body.device_token);
    accounts.request_reset(&body.login, presented, &caller(&request, &site))?;
    let detail = "If there is such an account with an email address, a link is on its way.";
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(Accepted { detail }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct ResetRequest {
    #[schema(example = "the last part of the link")]
    token: String,
    #[schema(example = "plum tree in march rain")]
    password: String,
    /// Which account, if several claim the address that the link was sent to.
    #[schema(example = "alice")]
    username: Option<String>,
}

impl Counts for ResetRequest {
    const LIMIT: Limit = Limit::Link;
}

/// `POST /api/reset-password`
#[utoipa::path(
    post,
    path = "/api/reset-password",
    operation_id = "resetPassword",
    tag = "Recovery",
    summary = "Set a new password",
    request_body = ResetRequest,
    responses((status = 204, description = "The password is set and all logins are revoked"), Problems),
    security(()),
)]
pub(super) async fn reset(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<ResetRequest>,
) -> Result<HttpResponse, ApiError> {
    let password = accounts.choose_password(body.password)?;
    let username = optional(body.username);
    accounts.reset_password(&body.token, password, username, &caller(&request, &site)).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, ToSchema)]
pub(super) struct RateRequest {
    #[schema(example = "plum tree in march rain")]
    password: String,
    /// What others know of its owner: it must not be made of that.
    #[schema(example = "alice")]
    username: Option<String>,
    #[schema(example = "alice@example.org")]
    email: Option<String>,
}

impl Counts for RateRequest {
    const LIMIT: Limit = Limit::PasswordStrength;
}

#[derive(Serialize, ToSchema, Default)]
struct RateResponse {
    /// zxcvbn's, from 0 to 4.
    #[schema(example = 4)]
    score: u8,
    /// Whether it would be accepted.
    #[schema(example = true)]
    ok: bool,
    #[schema(example = "It is among the passwords that are tried first.")]
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Why it would not be accepted, as a stable word: `too_short`, `too_long`, or a weakness such as `common`.
    #[schema(example = "common")]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    suggestions: Vec<String>,
    /// The same as stable words, in the same order.
    #[schema(value_type = Vec<String>, example = json!(["another_word"]))]
    suggestion_codes: Vec<&'static str>,
}

/// `POST /api/password-strength`: how hard to guess a password would be. It is neither kept nor compared with any user's.
#[utoipa::path(
    post,
    path = "/api/password-strength",
    operation_id = "ratePassword",
    tag = "Recovery",
    summary = "Rate a password",
    request_body = RateRequest,
    responses((status = 200, description = "How hard it would be to guess", body = RateResponse), Problems),
    security(()),
)]
pub(super) async fn rate(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<RateRequest>,
) -> Result<HttpResponse, ApiError> {
    let rating = match accounts.choose_password(body.password) {
        Ok(password) => {
            let about = [body.username, body.email].into_iter().filter_map(optional).collect();
            accounts.rate_password(password, about, &caller(&request, &site)).await?
        }
        Err(Error::Invalid(Invalid { detail, reason, .. })) => {
            let reason = reason.unwrap_or("weak");
            let (suggestions, suggestion_codes) = (Vec::new(), Vec::new());
            Rating {
                score: 0,
                weakness: Some(WeakPassword { reason, detail, suggestions, suggestion_codes }),
            }
        }
        Err(error) => return Err(error.into()),
    };
    let mut response = RateResponse { score: rating.score, ok: true, ..RateResponse::default() };
    if let Some(weak) = rating.weakness {
        response = RateResponse {
            ok: false,
            reason: Some(weak.reason),
            detail: Some(weak.detail),
            suggestions: weak.suggestions,
            suggestion_codes: weak.suggestion_codes,
            ..response
        };
    }
    Ok(HttpResponse::Ok().json(response))
}
