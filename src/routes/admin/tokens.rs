//! Token introspection (RFC 7662) and revocation (RFC 7009) for backends.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::extract::Body;
use super::super::problems::Problems;
use super::guard::Authorized;
use crate::accounts::Accounts;
use crate::error::ApiError;

/// The parameter `token`, from a form as the RFCs have it, or from JSON. `token_type_hint` and other parameters are
/// ignored: what kind of token it is shows (RFC 7662 section 2.1).
pub(super) struct TokenParameter(String);

#[derive(Deserialize, ToSchema)]
#[schema(as = TokenParameter)]
struct TokenBody {
    #[schema(example = "eyJ0eXAiOiJhdCtqd3Qi...")]
    token: String,
}

/// What is known of a token (RFC 7662 section 2.2). An access token has all of its claims.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Introspection {
    active: bool,
    /// `Bearer` or `refresh_token`.
    #[schema(example = "Bearer")]
    token_type: Option<String>,
    #[schema(example = "https://login.example.org")]
    iss: Option<String>,
    /// The id of the user.
    sub: Option<Uuid>,
    #[schema(example = "alice")]
    username: Option<String>,
    /// The id of the login.
    sid: Option<Uuid>,
    /// Seconds since 1970.
    #[schema(example = 1_795_771_800)]
    iat: Option<i64>,
    /// Seconds since 1970.
    #[schema(example = 1_795_772_700)]
    exp: Option<i64>,
}

impl FromRequest for TokenParameter {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if request.content_type() != "application/x-www-form-urlencoded" {
            let body = Body::<TokenBody>::from_request(request, payload);
            return Box::pin(async move { Ok(Self(body.await?.0.token)) });
        }
        let bytes = super::super::extract::read_bytes(request, payload);
        Box::pin(async move {
            let bytes = bytes.await?;
            let mut tokens = url::form_urlencoded::parse(&bytes).filter(|(name, _)| name == "token");
            match (tokens.next(), tokens.next()) {
                (Some((_, token)), None) => Ok(Self(token.into_owned())),
                // RFC 6749 section 3.2: no parameter may be there twice.
                _ => Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "invalid_request",
                    "The form needs the parameter token, once.",
                )),
            }
        })
    }
}

/// `POST /api/introspect`
#[utoipa::path(
    post,
    path = "/api/introspect",
    operation_id = "introspect",
    tag = "Tokens",
    summary = "Ask whether a token is active (RFC 7662)",
    request_body(
        content((TokenBody = "application/x-www-form-urlencoded"), (TokenBody = "application/json")),
        description = "The token",
    ),
    responses((status = 200, description = "What is known of an active token; for any other `active` is false and nothing else is there", body = Introspection), Problems),
    security(("api_key" = ["tokens:introspect"]), ("access_token" = [])),
)]
pub(super) async fn introspect(
    _: Authorized,
    accounts: web::Data<Accounts>,
    TokenParameter(token): TokenParameter,
) -> Result<HttpResponse, ApiError> {
    let answer = accounts.introspect(&token).await?;
    Ok(match answer {
        Some(claims) => HttpResponse::Ok().json(claims),
        None => HttpResponse::Ok().json(json!({ "active": false })),
    })
}

/// `POST /api/revoke`
#[utoipa::path(
    post,
    path = "/api/revoke",
    operation_id = "revoke",
    tag = "Tokens",
    summary = "Revoke the login of a token (RFC 7009)",
    request_body(
        content((TokenBody = "application/x-www-form-urlencoded"), (TokenBody = "application/json")),
        description = "The token",
    ),
    responses((status = 200, description = "The login is revoked, if the token was active"), Problems),
    security(("api_key" = ["tokens:revoke"]), ("access_token" = [])),
)]
pub(super) async fn revoke(
    authorized: Authorized,
    accounts: web::Data<Accounts>,
    TokenParameter(token): TokenParameter,
) -> Result<HttpResponse, ApiError> {
    accounts.revoke_token(&token, &authorized.caller).await?;
    Ok(HttpResponse::Ok().finish())
}
