//! `GET /ws`: the WebSocket door. It checks who may come in and starts a `Session`.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use actix_web::{HttpRequest, HttpResponse, web};

use super::extract::bearer;
use super::{Site, limit};
use crate::actors::carrier::websocket::{self, HandshakeError, Limits};
use crate::actors::session::{Entry, House, Session};
use crate::actors::session_manager::WorkerSessions;
use crate::auth::tokens::TokenError;
use crate::error::ApiError;
use crate::limits::Limit;
use crate::protocol::{BEARER_SUBPROTOCOL, CloseReason, SUBPROTOCOL};

/// Bytes of a frame before sign-in: room for a token.
pub(super) const FIRST_FRAME: usize = 4 * 1024;

/// Fragments of one message.
pub(super) const FRAGMENTS: usize = 1024;

pub(super) async fn connect(
    request: HttpRequest,
    payload: web::Payload,
    site: web::Data<Site>,
    house: web::Data<House>,
    sessions: web::Data<WorkerSessions>,
) -> Result<HttpResponse, ApiError> {
    if sessions.is_draining() {
        return Err(ApiError::draining());
    }
    let (_, address) = limit::limits(&request)?;
    let limits = Limits {
        first_frame: FIRST_FRAME,
        frame: site.sockets.max_frame,
        fragments: FRAGMENTS,
        outbox: site.sockets.max_outbox,
    };
    websocket::check(&request).map_err(bad_handshake)?;
    let entry = match enter(&request, &site, &house)? {
        Some(Entry::SignedIn(_)) if sessions.is_full() => Entry::Refused(CloseReason::Overloaded),
        Some(entry) => entry,
        None if sessions.is_full() => return Err(ApiError::unavailable()),
        None => Entry::Waiting(sessions.wait(address).ok_or_else(too_many_waiting)?),
    };
    let sessions = sessions.get_ref().clone();
    websocket::open(&request, payload, limits, &[SUBPROTOCOL], |socket| {
        Session::new(socket, house.into_inner(), sessions, address, entry)
    })
    .map_err(bad_handshake)
}

/// What only a browser sends: an origin, or a token among the subprotocols.
fn is_browser(request: &HttpRequest) -> bool {
    request.headers().contains_key(ORIGIN) || subprotocol_token(request).is_some()
}

fn subprotocol_token(request: &HttpRequest) -> Option<&str> {
    request
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(BEARER_SUBPROTOCOL))
}

/// How this handshake comes in, if it says. A browser cannot read a refused handshake, so what only a browser
/// sends (an origin, a token among the subprotocols) is answered by a close code instead, a few times a minute.
fn enter(request: &HttpRequest, site: &Site, house: &House) -> Result<Option<Entry>, ApiError> {
    let (rates, address) = limit::limits(request)?;
    let headers = request.headers();
    // Not counted: another site's page must not use up its visitors' budget.
    if let Some(origin) = headers.get(ORIGIN)
        && !site.allows_origin(&String::from_utf8_lossy(origin.as_bytes()), request)
    {
        let explained = rates.may_explain(address).then_some(Entry::Refused(CloseReason::Forbidden));
        return explained.map(Some).ok_or_else(forbidden_origin);
    }
    match limit::count(request, Limit::Handshake) {
        Ok(()) => {}
        Err(_) if is_browser(request) && rates.may_explain(address) => {
            return Ok(Some(Entry::Refused(CloseReason::RateLimited)));
        }
        Err(error) => return Err(error),
    }
    if headers.contains_key(AUTHORIZATION) {
        let token = bearer(request).ok_or(TokenError::Invalid)?;
        return Ok(Some(Entry::SignedIn((house.admit)(token)?)));
    }
    Ok(subprotocol_token(request).map(|token| match (house.admit)(token) {
        Ok(access) => Entry::SignedIn(access),
        Err(error) => Entry::BadToken(error),
    }))
}

fn forbidden_origin() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "cross_site", "This request came from another site's page.")
}

pub(super) fn too_many_waiting() -> ApiError {
    let detail = "Too many sockets of this address have not signed in yet.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_waiting", detail)
}

pub(super) fn bad_handshake(error: HandshakeError) -> ApiError {
    match error {
        // The second is a HEAD: a handshake is a GET.
        HandshakeError::NoWebsocketUpgrade | HandshakeError::GetMethodRequired => {
            let detail = "This is a WebSocket: connect with a WebSocket client.";
            ApiError::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail)
        }
        error => ApiError::new(StatusCode::BAD_REQUEST, "bad_handshake", error.to_string()),
    }
}
