//! Extractors for handlers: values are parsed, or refused before the handler runs.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_path_to_error::Segment;

use super::client::client_address;
use super::{Site, limit, misplaced_token};
use crate::accounts::{Accounts, Device};
use crate::actors::hasher::Caller;
use crate::auth::device::PresentedDevices;
use crate::auth::tokens::TokenError;
use crate::error::ApiError;
use crate::limits::Limit;
use crate::peer::PeerSocket;
use doorward_core::domain::Access;
use doorward_core::domain::LoginKind;

/// Bytes of a request's body after decompression. The largest valid body has about 2 kB.
pub const MAX_BODY: usize = 16 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
        ready(signed_in(request))
    }
}

fn signed_in(request: &HttpRequest) -> Result<SignedIn, ApiError> {
    let token = bearer(request).ok_or_else(|| misplaced_token::unauthorized(request))?;
    // `configure` always sets this.
    let accounts = request.app_data::<web::Data<Accounts>>().ok_or_else(ApiError::unauthorized)?;
    limit::check_refusals_unless(request, || accounts.is_cached(token))?;
    accounts.authenticate(token).map(SignedIn).map_err(|error| {
        if error == TokenError::Invalid {
            limit::count_refusal(request);
        }
        misplaced_token::refused(error, token)
    })
}

pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A JSON body. `T` gives a default to fields that may be missing and leaves the rest to the parsers of
/// `domain`.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json = is_json(request);
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            if !json {
                return Err(not_json());
            }
            #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
            let read = tokio::time::timeout(BODY_TIMEOUT, bytes).await;
            let bytes = read.map_err(|_| too_slow())?.map_err(|error| unreadable(&error))?;
            parse(&bytes).map(Self)
        })
    }
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

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let bad = |detail: String| ApiError::new(StatusCode::BAD_REQUEST, "bad_json", detail);
    // Some editors and shells add a byte order mark, which is not part of the text (RFC 8259 section 8.1).
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    // Serde would read a list as the fields in order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(bad("The body is not a JSON object.".to_owned()));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = match error.path().iter().next() {
            Some(Segment::Map { key }) => Some(key.clone()),
            _ => None,
        };
        match (error.inner().classify(), field) {
            // Not the library's message, which repeats the value: it may be a password.
            (serde_json::error::Category::Data, Some(field)) => {
                ApiError::field(&field, format!("The field {field} has the wrong type."))
            }
            (serde_json::error::Category::Data, None) => bad("The body is not a JSON object.".to_owned()),
            _ => bad(format!(
                "The body is not JSON (line {}, column {}).",
                error.inner().line(),
                error.inner().column()
            )),
        }
    })?;
    json.end().map_err(|_| bad("Something follows the JSON object.".to_owned()))?;
    Ok(value)
}

/// An optional field. A text of white space, which a form sends for an empty field, counts as missing; white
/// space around other text is removed.
pub(super) fn optional(value: Option<String>) -> Option<String> {
    value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Reads `null` as the field's default, as if it were missing.
pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    field: D,
) -> Result<T, D::Error> {
    Option::deserialize(field).map(Option::unwrap_or_default)
}

/// A required field.
///
/// # Errors
/// 422 if it is missing.
pub(super) fn required(field: &str, value: Option<String>) -> Result<String, ApiError> {
    value.ok_or_else(|| ApiError::field(field, format!("The field {field} is missing.")))
}

pub(super) fn bad_query() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", "The query string is invalid.")
}

/// What a new login records about the client that made it.
pub(super) fn device(request: &HttpRequest, site: &Site, cookie: bool) -> Device {
    let kind = if cookie { LoginKind::Browser } else { LoginKind::Token };
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let caller = caller(request, site);
    Device::new(kind, agent, caller.address).over(caller.socket).presenting(site.read_devices(request))
}

/// The device tokens that a client presents, in the request or in a cookie.
pub(super) fn presented(request: &HttpRequest, site: &Site, token: Option<String>) -> PresentedDevices {
    optional(token).map_or_else(|| site.read_devices(request), |token| PresentedDevices::parse(&token))
}

/// The client that waits for password work.
pub(super) fn caller(request: &HttpRequest, site: &Site) -> Caller {
    Caller {
        address: Some(client_address(request, &site.sockets)),
        socket: request.conn_data::<PeerSocket>().copied(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Sample {
        password: Option<String>,
    }

    fn refusal(text: &str) -> String {
        parse::<Sample>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn errors_are_told_apart() {
        assert_eq!(refusal("{"), "400 bad_json");
        assert_eq!(refusal(""), "400 bad_json");
        assert_eq!(refusal("{} x"), "400 bad_json");
        for other in ["\"text\"", "7", "null", "[]", " [\"plural teapot\"]"] {
            assert_eq!(refusal(other), "400 bad_json", "{other}");
        }
        assert_eq!(refusal("{\"password\": 7}"), "422 invalid_password");
        assert_eq!(refusal("{\"password\": {\"a\": 1}}"), "422 invalid_password");
        assert!(parse::<Sample>(b"{\"other\": 1}").is_ok());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_or_reports_a_server_error(bytes in any::<Vec<u8>>()) {
            if let Err(error) = parse::<Sample>(&bytes) {
                prop_assert!(error.status_code().is_client_error());
            }
        }
    }
}
