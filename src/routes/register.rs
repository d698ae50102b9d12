//! `POST /api/register`

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Counts, Limited, caller, device, optional};
use super::login::TokenResponse;
use super::login::sign_in_response;
use super::openapi::Problems;
use super::site::Site;
use crate::accounts::{Accounts, Error};
use crate::error::ApiError;
use crate::limits::Limit;
use doorward_core::domain::{Email, Username};

#[derive(Deserialize, ToSchema)]
pub(super) struct RegisterRequest {
    #[schema(example = "alice")]
    username: String,
    #[schema(example = "plum tree in march rain")]
    password: String,
    #[schema(example = "alice@example.org")]
    email: Option<String>,
    /// Sign this browser in, with a cookie in place of a refresh token.
    #[serde(default)]
    cookie: bool,
}

impl Counts for RegisterRequest {
    const LIMIT: Limit = Limit::Register;
}

#[utoipa::path(
    post,
    path = "/api/register",
    operation_id = "register",
    tag = "Signing in",
    summary = "Register and sign in",
    request_body = RegisterRequest,
    responses((status = 201, description = "Registered and signed in", body = TokenResponse), Problems),
    security(()),
)]
pub(super) async fn register(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<RegisterRequest>,
) -> Result<HttpResponse, ApiError> {
    if body.cookie {
        site.check_same_site(&request)?;
    }
    let username = Username::parse(&body.username).map_err(Error::from)?;
    let password = accounts.choose_password(body.password)?;
    let email = optional(body.email).as_deref().map(Email::parse).transpose().map_err(Error::from)?;
    let device = device(&request, &site, body.cookie);
    let grant = accounts.register(username, password, email, device, &caller(&request, &site)).await?;
    Ok(sign_in_response(&request, StatusCode::CREATED, grant, &site))
}
