//! Signing in, staying signed in, signing out.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cookie::add;
use super::extract::{Counts, Limited, OwnLogin, caller, device, presented};
use super::limit;
use super::problems::Problems;
use super::request_id::note_user;
use super::site::Site;
use crate::accounts::{Accounts, Caller, Error, Grant, Profile, SignIn};
use crate::auth::refresh::CredentialKind;
use crate::error::ApiError;
use crate::limits::Limit;
use doorward_core::domain::Password;

#[derive(Deserialize, ToSchema)]
pub(super) struct LoginRequest {
    #[schema(example = "alice")]
    login: String,
    #[schema(example = "plum tree in march rain")]
    password: String,
    /// Sign this browser in, with a cookie in place of a refresh token.
    #[serde(default)]
    cookie: bool,
    /// What an earlier sign-in on this device was given.
    #[schema(example = "dwd_01a21c98...")]
    device_token: Option<String>,
}

impl Counts for LoginRequest {
    const LIMIT: Limit = Limit::SignIn;
}

/// The names are RFC 6749's (section 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResponse {
    user: Profile,
    #[schema(example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiJ9...")]
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// In seconds.
    #[schema(example = 900)]
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "dwr_01a21c98...")]
    refresh_token: Option<String>,
    /// After a sign-in: for `device_token` of the next one on this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "dwd_01a21c98...")]
    device_token: Option<String>,
}

/// `POST /api/login`
#[utoipa::path(
    post,
    path = "/api/login",
    operation_id = "login",
    tag = "Signing in",
    summary = "Sign in",
    request_body = LoginRequest,
    responses((status = 200, description = "Signed in", body = TokenResponse), Problems),
    security(()),
)]
pub(super) async fn login(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<LoginRequest>,
) -> Result<HttpResponse, ApiError> {
    if body.cookie {
        // Or a page of another site could sign its visitor in to another account.
        site.check_same_site(&request)?;
    }
    let password = Password::typed(body.password);
    let presented = presented(&request, &site, body.device_token);
    let device = device(&request, &site, body.cookie).presenting(presented);
    let caller = caller(&request, &site);
    let SignIn::Granted(grant) = accounts.sign_in(&body.login, password, device, &caller).await?;
    Ok(sign_in_response(&request, StatusCode::OK, grant, &site))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct RefreshRequest {
    #[schema(example = "dwr_01a21c98...")]
    refresh_token: String,
}

impl Counts for RefreshRequest {
    const LIMIT: Limit = Limit::Refresh;
}

/// `POST /api/refresh`
#[utoipa::path(
    post,
    path = "/api/refresh",
    operation_id = "refresh",
    tag = "Signing in",
    summary = "Get a new access token",
    request_body = RefreshRequest,
    responses((status = 200, description = "A new access token, and a new refresh token that replaces the old one", body = TokenResponse), Problems),
    security(()),
)]
pub(super) async fn refresh(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    Limited(body): Limited<RefreshRequest>,
) -> Result<HttpResponse, ApiError> {
    let token = body.refresh_token;
    // One that is refused may cost more than a valid one: the check whether it was used before.
    limit::check_credential(&request, &accounts, CredentialKind::Refresh, &token)?;
    let grant = accounts.refresh(&token, &caller(&request, &site)).await.inspect_err(|error| {
        if matches!(error, Error::InvalidRefreshToken) {
            limit::count_refusal(&request);
        }
    })?;
    Ok(token_response(&request, StatusCode::OK, grant, &site))
}

/// `POST /api/logout`: revokes the login of the access token, of the cookie, or of both. A token whose roles and claims
/// are out of date is good enough for this.
#[utoipa::path(
    post,
    path = "/api/logout",
    operation_id = "logout",
    tag = "Signing in",
    summary = "Sign out",
    responses((status = 204, description = "The login is revoked and its sockets are closing"), Problems),
    security(("access_token" = []), ("cookie" = [])),
)]
pub(super) async fn logout(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    own: Result<OwnLogin, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let Some(cookie) = site.read_cookie(&accounts, &request) else {
        accounts.sign_out(&own?.0, &caller(&request, &site)).await?;
        return Ok(HttpResponse::NoContent().finish());
    };
    match own {
        Ok(OwnLogin(access)) => accounts.sign_out(&access, &caller(&request, &site)).await?,
        Err(_) => site.check_same_site(&request)?,
    }
    limit::check_credential(&request, &accounts, CredentialKind::Browser, &cookie)?;
    revoke_browser_login(&request, &accounts, &cookie, &caller(&request, &site)).await?;
    let mut response = HttpResponse::NoContent().finish();
    site.forget_cookie(&accounts, &request, &mut response);
    Ok(response)
}

/// Revokes the login of a cookie. A cookie without an active login is counted as refused, but is not an error: the
/// browser is signed out.
pub(super) async fn revoke_browser_login(
    request: &HttpRequest,
    accounts: &Accounts,
    cookie: &str,
    caller: &Caller,
) -> Result<(), ApiError> {
    // A read finds an old cookie, so that one that is sent again and again does not keep the database's writer busy.
    let revoked = match accounts.recognize(cookie).await {
        Ok(_) => accounts.sign_out_browser(cookie, caller).await,
        Err(error) => Err(error),
    };
    match revoked {
        Ok(()) => Ok(()),
        Err(Error::InvalidCookie) => {
            limit::count_refusal(request);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The same after a sign-in: a browser gets its device token as a cookie.
pub(super) fn sign_in_response(
    request: &HttpRequest,
    status: StatusCode,
    mut grant: Grant,
    site: &Site,
) -> HttpResponse {
    if grant.credential.kind == CredentialKind::Refresh {
        return token_response(request, status, grant, site);
    }
    let remembered = site.device_cookie(request, &grant);
    grant.device_token = None;
    let mut response = token_response(request, status, grant, site);
    if let Some(cookie) = remembered {
        add(&mut response, &cookie);
    }
    response
}

/// A grant as the client gets it: the long-lived part in a cookie or in the body, never in both.
pub(super) fn token_response(
    request: &HttpRequest,
    status: StatusCode,
    grant: Grant,
    site: &Site,
) -> HttpResponse {
    note_user(request, grant.user.username.as_str().into());
    let mut response = HttpResponseBuilder::new(status);
    // RFC 6749 section 5.1
    response.insert_header((header::CACHE_CONTROL, "no-store")).insert_header((header::PRAGMA, "no-cache"));
    let refresh_token = match grant.credential.kind {
        CredentialKind::Refresh => Some(grant.credential.expose()),
        CredentialKind::Browser => {
            response.cookie(site.make_cookie(request, &grant.credential));
            None
        }
    };
    response.json(TokenResponse {
        user: grant.user,
        access_token: grant.access_token,
        token_type: "Bearer",
        expires_in: grant.expires_in,
        refresh_token,
        device_token: grant.device_token,
    })
}
