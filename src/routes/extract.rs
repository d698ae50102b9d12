//! Extractors for handlers: values are parsed, or refused before the handler runs.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BodyStream, to_bytes_limited};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use chrono::{DateTime, Datelike, Utc};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use super::client::client_address;
use super::json;
use super::request_id::{RequestId, note_user};
use super::{Site, limit, misplaced_token};
use crate::accounts::{Accounts, Caller, Device};
use crate::auth::device::PresentedDevices;
use crate::auth::tokens::TokenError;
use crate::clock::Timestamp;
use crate::error::ApiError;
use crate::limits::Limit;
use crate::peer::PeerSocket;
use doorward_core::domain::Access;
use doorward_core::domain::LoginKind;

/// Bytes of a request's body after decompression. The largest valid body has about 2 kB.
pub const MAX_BODY: usize = 16 * 1024;

/// How long a body may take. The server's own timeout only covers the head: without this one, a connection
/// that stalls after it would be held forever, and a few thousand of them use up all connections.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The user of the request's access token (RFC 6750 section 2.1).
#[derive(Debug, Clone)]
pub struct SignedIn(pub Access);

impl FromRequest for SignedIn {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(signed_in(request, Accounts::authenticate).map(Self))
    }
}

/// The login of the request's access token, also if the token's roles and claims are out of date. Grants nothing but to
/// end that login.
#[derive(Debug, Clone)]
pub(super) struct OwnLogin(pub Access);

impl FromRequest for OwnLogin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(signed_in(request, Accounts::authenticate_login).map(Self))
    }
}

fn signed_in(
    request: &HttpRequest,
    authenticate: impl Fn(&Accounts, &str) -> Result<Access, TokenError>,
) -> Result<Access, ApiError> {
    let token = bearer(request).ok_or_else(|| misplaced_token::unauthorized(request))?;
    // `configure` always sets this.
    let accounts = request.app_data::<web::Data<Accounts>>().ok_or_else(ApiError::unauthorized)?;
    limit::check_refusals_unless(request, || accounts.is_cached(token))?;
    let access = authenticate(accounts, token).map_err(|error| {
        if error == TokenError::Invalid {
            limit::count_refusal(request);
        }
        misplaced_token::refused(error, token)
    })?;
    note_user(request, access.username.clone());
    Ok(access)
}

pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A JSON body. Its texts are parsed by the handler, with the types of `domain`.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json = is_json(request);
        let bytes = read_bytes(request, payload);
        Box::pin(async move {
            if !json {
                return Err(not_json());
            }
            json::parse(&bytes.await?).map(Self)
        })
    }
}

/// Reads a body of any type, within the bounds of size and time.
pub(super) fn read_bytes(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<web::Bytes, ApiError>> + use<> {
    let bytes = web::Bytes::from_request(request, payload);
    async move {
        #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
        let read = tokio::time::timeout(BODY_TIMEOUT, bytes).await;
        read.map_err(|_| too_slow())?.map_err(|error| unreadable(&error))
    }
}

/// Reads a body as it was sent, perhaps compressed, within the bounds of size and time, and puts it back: an extractor
/// that follows does not wait.
pub(super) async fn buffer(request: &mut ServiceRequest) -> Result<web::Bytes, ApiError> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| length > MAX_BODY) {
        return Err(too_large());
    }
    let bytes = to_bytes_limited(BodyStream::new(request.take_payload()), MAX_BODY);
    #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
    let read = tokio::time::timeout(BODY_TIMEOUT, bytes).await;
    let body =
        read.map_err(|_| too_slow())?.map_err(|_| too_large())?.map_err(|error| unreadable(&error.into()))?;
    request.set_payload(body.clone().into());
    Ok(body)
}

/// The body of a request that is counted against a limit.
pub(super) trait Counts {
    const LIMIT: Limit;
}

/// A JSON body like [`Body`], of a request that is counted before its body is read. A request that is refused
/// for its head alone is not counted, because another site's page can make its visitors send such requests.
#[derive(Debug)]
pub(super) struct Limited<T>(pub T);

impl<T: DeserializeOwned + Counts + 'static> FromRequest for Limited<T> {
    type Error = ApiError;
    type Future = futures_util::future::LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Body::<T>::from_request(request, payload);
        let request = request.clone();
        // All of this when polled: an earlier extractor may have refused the request.
        Box::pin(async move {
            if !is_json(&request) {
                return Err(not_json());
            }
            limit::count(&request, T::LIMIT)?;
            body.await.map(|Body(value)| Self(value))
        })
    }
}

/// Whether the body is JSON. Forms cannot send this type, so another site's page cannot post here without a
/// CORS preflight.
pub(super) fn is_json(request: &HttpRequest) -> bool {
    request
        .mime_type()
        .ok()
        .flatten()
        .is_some_and(|mime| mime.subtype() == "json" || mime.suffix().is_some_and(|suffix| suffix == "json"))
}

pub(super) fn not_json() -> ApiError {
    let detail = "The body must be JSON: Content-Type: application/json";
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail)
}

pub(super) fn too_slow() -> ApiError {
    let detail = "The body was not received in time.";
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
}

pub(super) fn too_large() -> ApiError {
    let detail = format!("The body has more than {MAX_BODY} bytes.");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

fn unreadable(error: &actix_web::Error) -> ApiError {
    if let Some(PayloadError::Overflow) = error.as_error::<PayloadError>() {
        return too_large();
    }
    ApiError::new(StatusCode::BAD_REQUEST, "bad_body", "The body could not be read.")
}

/// An optional field. A text of white space, which a form sends for an empty field, counts as missing; white
/// space around other text is removed.
pub(super) fn optional(value: Option<String>) -> Option<String> {
    value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The parameters of a URL. A text with a NUL is refused: no value has one, and PostgreSQL stores none.
#[derive(Debug)]
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = request.query_string();
        let has_nul = url::form_urlencoded::parse(query.as_bytes()).any(|(_, value)| value.contains('\0'));
        let read = web::Query::<T>::from_query(query).map_err(|_| bad_query());
        ready(if has_nul { Err(bad_query()) } else { read.map(|query| Self(query.into_inner())) })
    }
}

/// A time of RFC 3339, which knows the years up to 9999, from the year 1 on. Databases order other ones differently.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let at = DateTime::<Utc>::deserialize(deserializer)?.naive_utc();
        let known = (1..=9999).contains(&at.year());
        known.then_some(Self(at)).ok_or_else(|| D::Error::custom("the year is not one of 1 to 9999"))
    }
}

pub(super) fn bad_query() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", "The query string is invalid.")
}

/// What a new login records about the client that made it.
pub(super) fn device(request: &HttpRequest, site: &Site, cookie: bool) -> Device {
    let kind = if cookie { LoginKind::Browser } else { LoginKind::Token };
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Device::new(kind, agent).presenting(site.read_devices(request))
}

/// The device tokens that a client presents, in the request or in a cookie.
pub(super) fn presented(request: &HttpRequest, site: &Site, token: Option<String>) -> PresentedDevices {
    optional(token).map_or_else(|| site.read_devices(request), |token| PresentedDevices::parse(&token))
}

/// Who makes a request.
pub(super) fn caller(request: &HttpRequest, site: &Site) -> Caller {
    let socket = request.conn_data::<PeerSocket>().copied();
    let id = request.extensions().get::<RequestId>().map(|RequestId(id)| *id);
    Caller::client(client_address(request, &site.sockets), socket, id)
}
