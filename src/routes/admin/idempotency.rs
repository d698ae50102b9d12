//! `Idempotency-Key`: a POST that is sent again, because its answer was lost, is done once
//! (draft-ietf-httpapi-idempotency-key-header-07).

use actix_web::body::{BoxBody, to_bytes_limited};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use crate::accounts::{Accounts, Caller, RequestName};
use crate::auth::secret::hash_bytes;
use crate::error::ApiError;

const KEY: &str = "idempotency-key";
/// On an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Characters of a key.
const LENGTH: std::ops::RangeInclusive<usize> = 1..=255;

/// Bytes of an answer: far more than any of the server API's POST routes has.
const MAX_ANSWER: usize = 1 << 20;

/// The headers of an answer that are kept.
const HEADERS: [HeaderName; 3] = [CONTENT_TYPE, ETAG, LOCATION];

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// The name of a request, if its client gave it one.
///
/// # Errors
/// 400 if the header is there twice, or is not 1 to 255 printable ASCII characters.
pub(super) fn name(
    request: &HttpRequest,
    caller: &Caller,
    body: &[u8],
) -> Result<Option<RequestName>, ApiError> {
    // An answer about a token must be true at the time.
    let is_kept = request.match_pattern().is_some_and(|path| path.starts_with(super::PREFIX));
    if request.method() != Method::POST || !is_kept {
        return Ok(None);
    }
    let mut values = request.headers().get_all(KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let is_printable = key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if values.next().is_some() || !LENGTH.contains(&key.len()) || !is_printable {
        let detail = "Idempotency-Key has 1 to 255 printable ASCII characters, and is there once.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_idempotency_key", detail));
    }
    let sender = match (caller.key, caller.user) {
        (Some(key), _) => format!("key {key}"),
        (None, Some(user)) => format!("user {user}"),
        (None, None) => return Ok(None),
    };
    let state = request.headers().get(IF_MATCH).map(HeaderValue::as_bytes).unwrap_or_default();
    let parts = [request.uri().to_string().as_bytes(), state, body].map(hash_bytes);
    Ok(Some(RequestName::new(&sender, key, &parts.join(" "))))
}

/// The answer to the first request of this name; `None` if this is the first.
///
/// # Errors
/// As [`Accounts::begin_once`].
pub(super) async fn begin(accounts: &Accounts, name: &RequestName) -> Result<Option<HttpResponse>, ApiError> {
    let Some(kept) = accounts.begin_once(name).await? else { return Ok(None) };
    // What this server has written, unless an operator has changed the row.
    let answer: Answer = serde_json::from_slice(&kept).map_err(|error| ApiError::internal(&error))?;
    let status = StatusCode::from_u16(answer.status).map_err(|error| ApiError::internal(&error))?;
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    response.insert_header((REPLAYED, "true"));
    Ok(Some(response.body(answer.body)))
}

/// Keeps the answer to a request that has changed something. One that was refused (4xx) has changed nothing, and may be
/// sent again with the same key. One that failed (5xx) may have changed something: its outcome stays unknown.
pub(super) async fn finish(
    accounts: &Accounts,
    name: RequestName,
    response: ServiceResponse<BoxBody>,
) -> ServiceResponse<BoxBody> {
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let body = match to_bytes_limited(body, MAX_ANSWER).await {
        Ok(Ok(body)) => body,
        // Our own answers are small and whole.
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    let status = response.status();
    if status.is_server_error() {
        return ServiceResponse::new(request, response.set_body(BoxBody::new(body)));
    }
    let answer = status.is_success().then(|| Answer {
        status: status.as_u16(),
        headers: kept_headers(response.headers()),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    // Texts and a number: this always is JSON.
    let answer = answer.map(|answer| serde_json::to_vec(&answer).unwrap_or_default());
    if let Err(error) = accounts.finish_once(name, answer).await {
        // What was asked for is done: the client must get its answer.
        tracing::warn!(%error, "could not keep the answer to a request with an Idempotency-Key");
    }
    ServiceResponse::new(request, response.set_body(BoxBody::new(body)))
}

/// Forgets a request that came to nothing.
pub(super) async fn forget(accounts: &Accounts, name: RequestName) {
    if let Err(error) = accounts.finish_once(name, None).await {
        tracing::warn!(%error, "could not forget an Idempotency-Key");
    }
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let kept = HEADERS.iter().filter_map(|name| Some((name.to_string(), text(headers.get(name)?))));
    kept.collect()
}
