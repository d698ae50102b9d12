//! `POST /api/register`

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Counts, Limited, caller, device, optional};
use super::login::{TokenResponse, sign_in_response};
use super::problems::Problems;
use super::site::Site;
use crate::accounts::{Accounts, Error, Profile, Registered, Registrant};
use crate::error::ApiError;
use crate::limits::Limit;
use doorward_core::domain::{Email, LanguageTag, Username};

#[derive(Deserialize, ToSchema)]
pub(super) struct RegisterRequest {
    #[schema(example = "alice")]
    username: String,
    #[schema(example = "plum tree in march rain")]
    password: String,
    #[schema(example = "alice@example.org")]
    email: Option<String>,
    /// The token of an invitation.
    #[schema(example = "the last part of the link")]
    invitation: Option<String>,
    /// The language for pages and emails, a tag (RFC 5646).
    #[schema(example = "de")]
    language: Option<String>,
    /// Sign this browser in, with a cookie in place of a refresh token.
    #[serde(default)]
    cookie: bool,
}

/// The answer if the address has to be verified before the first sign-in.
#[derive(Serialize, ToSchema)]
struct Unverified {
    user: Profile,
    #[schema(example = "sent")]
    verification: &'static str,
}

/// The schema of both answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Registration {
    SignedIn(TokenResponse),
    Unverified(Unverified),
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
    responses((status = 201, description = "Registered and signed in, unless the address has to be verified first", body = Registration), Problems),
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
    let language =
        optional(body.language).as_deref().map(LanguageTag::parse).transpose().map_err(Error::from)?;
    let device = device(&request, &site, body.cookie);
    let registrant =
        Registrant { username, password, email, invitation: optional(body.invitation), language };
    Ok(match accounts.register(registrant, device, &caller(&request, &site)).await? {
        Registered::SignedIn(grant) => sign_in_response(&request, StatusCode::CREATED, grant, &site),
        Registered::ToVerify(user) => HttpResponse::Created().json(Unverified { user, verification: "sent" }),
    })
}
