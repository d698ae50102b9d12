//! `GET /ws`: the WebSocket door. It checks who may come in and starts a `Session`.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use actix_web::{HttpRequest, HttpResponse, web};

use super::client::client_address;
use crate::actors::carrier::websocket::{self, Limits};
use crate::actors::session::{Entry, House, Session};
use crate::actors::session_manager::WorkerSessions;
use crate::config;
use crate::error::ApiError;
use crate::protocol::{BEARER_SUBPROTOCOL, CloseReason, SUBPROTOCOL};

/// Bytes of a frame before sign-in: room for a token.
const FIRST_FRAME: usize = 4 * 1024;

/// Fragments of one message.
const FRAGMENTS: usize = 1024;

/// What this door needs to know.
pub struct Door {
    pub house: Arc<House>,
    pub sockets: config::Sockets,
    /// Our own origin, of `public_url`.
    pub origin: String,
}

pub async fn connect(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
    sessions: web::Data<WorkerSessions>,
) -> Result<HttpResponse, ApiError> {
    if sessions.is_draining() {
        return Err(ApiError::draining());
    }
    let address = client_address(&request, &door.sockets);
    let entry = enter(request.headers(), &door, || sessions.wait(address))?;
    let limits = Limits {
        first_frame: FIRST_FRAME,
        frame: door.sockets.max_frame,
        fragments: FRAGMENTS,
        outbox: door.sockets.max_outbox,
    };
    let house = Arc::clone(&door.house);
    let sessions = sessions.get_ref().clone();
    websocket::open(&request, payload, limits, &[SUBPROTOCOL], |socket| {
        Session::new(socket, house, sessions, address, entry)
    })
    .map_err(|error| ApiError::bad_handshake(&error))
}

/// How this handshake comes in. A browser cannot read a refused one, so what only a browser sends (an origin,
/// a token among the subprotocols) is answered by a close code instead.
fn enter<W>(headers: &HeaderMap, door: &Door, wait: W) -> Result<Entry, ApiError>
where
    W: FnOnce() -> Option<crate::actors::session_manager::WaitingTicket>,
{
    if let Some(origin) = headers.get(ORIGIN)
        && !allowed(origin.to_str().unwrap_or_default(), door)
    {
        return Ok(Entry::Refused(CloseReason::Forbidden));
    }
    if let Some(header) = headers.get(AUTHORIZATION) {
        let token = header.to_str().ok().and_then(bearer).ok_or_else(ApiError::invalid_token)?;
        let access = (door.house.admit)(token).ok_or_else(ApiError::invalid_token)?;
        return Ok(Entry::SignedIn(access));
    }
    if let Some(token) = subprotocol_token(headers) {
        return Ok(match (door.house.admit)(token) {
            Some(access) => Entry::SignedIn(access),
            None => Entry::Refused(CloseReason::Unauthorized),
        });
    }
    wait().map(Entry::Waiting).ok_or_else(ApiError::too_many_waiting)
}

/// RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn subprotocol_token(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(BEARER_SUBPROTOCOL))
}

fn allowed(origin: &str, door: &Door) -> bool {
    origin.eq_ignore_ascii_case(&door.origin)
        || door.sockets.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
}
