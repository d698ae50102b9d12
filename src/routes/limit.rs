//! Counts requests against the limits by client address, and reports the limits in response headers.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, web};

use super::Site;
use super::client::client_address;
use crate::accounts::Accounts;
use crate::auth::refresh::CredentialKind;
use crate::error::ApiError;
use crate::limits::{Allowance, Exceeded, Limit, RateLimits, whole_seconds};

/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>, revision 11.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits that a request was counted against, in its extensions.
struct Counted(Vec<Allowance>);

/// Counts this request.
///
/// # Errors
/// 429 if the client's network has used up the limit.
pub(super) fn count(request: &HttpRequest, limit: Limit) -> Result<(), ApiError> {
    let (limits, address) = limits(request)?;
    match limits.check(limit, address) {
        Ok(allowance) => {
            if let Some(allowance) = allowance {
                note(request, allowance);
            }
            Ok(())
        }
        Err(exceeded) => Err(refuse(request, (limits, address), exceeded)),
    }
}

/// Counts an invalid token or cookie of this request.
pub(super) fn count_refusal(request: &HttpRequest) {
    // Beyond the limit, the request has its response already.
    if let Ok((limits, address)) = limits(request)
        && let Some(allowance) =
            limits.check(Limit::BadToken, address).unwrap_or_else(|full| Some(full.allowance))
    {
        note(request, allowance);
    }
}

/// Checks the limit before a refresh token or a cookie costs a query. One with a valid tag always passes,
/// even if it has expired: invalid tokens of other clients in the network must not stop a refresh, a page or
/// a sign-out.
///
/// # Errors
/// 429 if too many were refused for the client's network and this one may be forged.
pub(super) fn check_credential(
    request: &HttpRequest,
    accounts: &Accounts,
    kind: CredentialKind,
    text: &str,
) -> Result<(), ApiError> {
    check_refusals_unless(request, || accounts.is_tagged(kind, text))
}

/// Checks the limit before a token costs a signature check or a query. A token that `is_cheap` recognizes
/// costs neither and passes: other clients of the network must not block a token that was valid a moment ago.
///
/// # Errors
/// 429 if too many were refused for the client's network.
pub(super) fn check_refusals_unless(
    request: &HttpRequest,
    is_cheap: impl FnOnce() -> bool,
) -> Result<(), ApiError> {
    let (limits, address) = limits(request)?;
    match limits.peek(Limit::BadToken, address) {
        Err(exceeded) if !is_cheap() => Err(refuse(request, (limits, address), exceeded)),
        _ => Ok(()),
    }
}

fn refuse(request: &HttpRequest, (limits, address): (&RateLimits, IpAddr), exceeded: Exceeded) -> ApiError {
    limits.note_refused(exceeded.allowance.limit, address);
    note(request, exceeded.allowance);
    exceeded.into()
}

fn note(request: &HttpRequest, allowance: Allowance) {
    let mut extensions = request.extensions_mut();
    match extensions.get_mut::<Counted>() {
        Some(Counted(standings)) => {
            standings.retain(|other| other.limit != allowance.limit);
            standings.push(allowance);
        }
        None => {
            extensions.insert(Counted(vec![allowance]));
        }
    }
}

/// The limits, and the address that this request counts for.
pub(super) fn limits(request: &HttpRequest) -> Result<(&RateLimits, IpAddr), ApiError> {
    // `configure` always sets both.
    let limits = request.app_data::<web::Data<RateLimits>>().ok_or_else(ApiError::not_found)?;
    let site = request.app_data::<web::Data<Site>>().ok_or_else(ApiError::not_found)?;
    Ok((limits.get_ref(), client_address(request, &site.sockets)))
}

/// Adds headers for the limits that a request was counted against.
pub(super) fn add_headers(request: &HttpRequest, headers: &mut HeaderMap) {
    let Some(Counted(standings)) = request.extensions_mut().remove::<Counted>() else { return };
    for allowance in standings {
        let (name, rate) = (allowance.limit.name(), allowance.rate);
        let policy = format!("\"{name}\";q={};w={}", rate.count, whole_seconds(rate.per));
        let left = format!("\"{name}\";r={};t={}", allowance.remaining, whole_seconds(allowance.reset));
        for (header, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
            // Our own names and numbers are always valid header values.
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.append(header, value);
            }
        }
    }
}
