//! `POST /api/token`: an access token for a browser's cookie, or tokens for an app's code.
//!
//! The cookie counts only where the browser adds it for one of our own pages. A grant in the body is its own authority,
//! and the cookie is not looked at.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{BODY_TIMEOUT, caller, device, is_json, too_large, too_slow};
use super::login::{TokenResponse, sign_in_response, token_response};
use super::problems::Problems;
use super::site::Site;
use super::{json, limit};
use crate::accounts::{Accounts, CodeExchange, Error};
use crate::auth::pkce::CodeVerifier;
use crate::auth::refresh::CredentialKind;
use crate::error::ApiError;
use crate::limits::Limit;

/// `POST /api/token`
#[utoipa::path(
    post,
    path = "/api/token",
    operation_id = "token",
    tag = "Signing in",
    summary = "Get an access token for a browser's cookie, or tokens for an app's code",
    request_body(
        content((RawTokenRequest = "application/x-www-form-urlencoded"), (RawTokenRequest = "application/json")),
        description = "Nothing for the cookie; for a code, RFC 6749 section 4.1.3 and RFC 7636 section 4.5",
    ),
    responses((status = 200, description = "Tokens", body = TokenResponse), Problems),
    security(("cookie" = []), ()),
)]
pub(super) async fn token(
    request: HttpRequest,
    accounts: web::Data<Accounts>,
    site: web::Data<Site>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    // A form or JSON that is empty asks for the same as no body.
    let form = is_form(&request);
    let grant = if form || is_json(&request) { read(&request, payload, form).await? } else { None };
    match grant {
        Some(grant) => for_code(&request, &accounts, &site, grant).await,
        None => for_cookie(&request, &accounts, &site).await,
    }
}

async fn for_cookie(
    request: &HttpRequest,
    accounts: &Accounts,
    site: &Site,
) -> Result<HttpResponse, ApiError> {
    site.check_same_site(request)?;
    let cookie = site.read_cookie(accounts, request);
    if let Some(cookie) = &cookie {
        // First, so that made-up cookies do not use up the limit that good ones share.
        limit::check_credential(request, accounts, CredentialKind::Browser, cookie)?;
    }
    limit::count(request, Limit::Refresh)?;
    let cookie = cookie.ok_or(Error::InvalidCookie)?;
    match accounts.refresh_browser(&cookie).await.map_err(ApiError::from) {
        Ok(grant) => Ok(token_response(request, StatusCode::OK, grant, site)),
        Err(error) => {
            let mut response = error.error_response();
            if error.clears_cookie() {
                limit::count_refusal(request);
                site.forget_cookie(accounts, request, &mut response);
            }
            Ok(response)
        }
    }
}

/// A token request as it was sent (RFC 6749 section 4.1.3, RFC 7636 section 4.5); [`exchange`] says what is missing.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = TokenRequest)]
pub(super) struct RawTokenRequest {
    #[schema(example = "authorization_code")]
    grant_type: Option<String>,
    #[schema(example = "dwc_...")]
    code: Option<String>,
    #[schema(example = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")]
    code_verifier: Option<String>,
    #[schema(example = "https://app.example.org/back")]
    redirect_uri: Option<String>,
    #[schema(example = "https://app.example.org")]
    client_id: Option<String>,
}

async fn for_code(
    request: &HttpRequest,
    accounts: &Accounts,
    site: &Site,
    grant: RawTokenRequest,
) -> Result<HttpResponse, ApiError> {
    limit::count(request, Limit::Refresh)?;
    let exchange = exchange(grant)?;
    let device = device(request, site, false);
    // A made-up code is not counted as a bad token: it cannot be guessed, and backends send the codes of all their users
    // from one address.
    let grant = accounts.exchange_code(exchange, device, &caller(request, site)).await?;
    Ok(sign_in_response(request, StatusCode::OK, grant, site))
}

fn exchange(grant: RawTokenRequest) -> Result<CodeExchange, ApiError> {
    match grant.grant_type.as_deref() {
        Some("authorization_code") => {}
        Some(_) => {
            let detail = "The only grant_type here is authorization_code.";
            return Err(ApiError::oauth("unsupported_grant_type", detail));
        }
        None => return Err(missing("grant_type")),
    }
    let needed =
        |value: Option<String>, name| value.filter(|text| !text.is_empty()).ok_or_else(|| missing(name));
    let verifier = needed(grant.code_verifier, "code_verifier")?;
    let verifier = CodeVerifier::parse(&verifier)
        .ok_or_else(|| invalid("code_verifier has 43 to 128 letters, digits, and - . _ ~ (RFC 7636)."))?;
    Ok(CodeExchange {
        code: needed(grant.code, "code")?,
        verifier,
        redirect_uri: needed(grant.redirect_uri, "redirect_uri")?,
        client_id: grant.client_id.filter(|text| !text.is_empty()),
    })
}

fn missing(name: &str) -> ApiError {
    invalid(format!("The parameter {name} is missing."))
}

fn invalid(detail: impl Into<String>) -> ApiError {
    ApiError::oauth("invalid_request", detail)
}

/// The grant in the body. `None` if the body is empty.
async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    form: bool,
) -> Result<Option<RawTokenRequest>, ApiError> {
    let mut payload = payload.into_inner();
    let bytes = web::Bytes::from_request(request, &mut payload);
    #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
    let read = tokio::time::timeout(BODY_TIMEOUT, bytes).await;
    let bytes = read.map_err(|_| too_slow())?.map_err(|error| unreadable(&error))?;
    let text = bytes.trim_ascii();
    if text.is_empty() || !form && text == b"{}" {
        return Ok(None);
    }
    if form {
        return parameters(text).map(Some);
    }
    json::parse(text).map(Some).map_err(|error| invalid(error.detail()))
}

/// A form's parameters; none may be there twice (RFC 6749 section 3.2).
fn parameters(text: &[u8]) -> Result<RawTokenRequest, ApiError> {
    let mut all = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(text) {
        if all.insert(name.clone(), value.into_owned()).is_some() {
            return Err(invalid("A parameter is repeated."));
        }
    }
    let mut take = |name: &str| all.remove(name);
    Ok(RawTokenRequest {
        grant_type: take("grant_type"),
        code: take("code"),
        code_verifier: take("code_verifier"),
        redirect_uri: take("redirect_uri"),
        client_id: take("client_id"),
    })
}

fn is_form(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn unreadable(error: &actix_web::Error) -> ApiError {
    match error.as_error::<actix_web::error::PayloadError>() {
        Some(actix_web::error::PayloadError::Overflow) => too_large(),
        _ => invalid("The body could not be read."),
    }
}
