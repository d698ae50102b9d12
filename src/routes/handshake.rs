//! What a WebSocket handshake is told that opens none.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, SEC_WEBSOCKET_KEY, UPGRADE};
use actix_web::{HttpRequest, HttpResponse};

use super::limit;
use crate::error::ApiError;
use crate::limits::Mistake;
use crate::transports::websocket::handshake::HandshakeError;

/// Says what is wrong in the response and, if the operator has to fix it (a proxy, say), in the log.
pub(super) fn refuse(request: &HttpRequest, error: HandshakeError) -> ApiError {
    let (status, code) = match error {
        // A HEAD among them: a handshake is a GET.
        HandshakeError::NotWanted | HandshakeError::Method => {
            (StatusCode::UPGRADE_REQUIRED, "upgrade_required")
        }
        HandshakeError::UpgradeLost | HandshakeError::ConnectionLost | HandshakeError::Http10 => {
            (StatusCode::UPGRADE_REQUIRED, "upgrade_lost")
        }
        HandshakeError::Version => (StatusCode::UPGRADE_REQUIRED, "websocket_version"),
        HandshakeError::Key | HandshakeError::Body | HandshakeError::Several => {
            (StatusCode::BAD_REQUEST, "bad_handshake")
        }
    };
    if error.is_proxys() {
        note(request, Mistake::UpgradeLost);
    } else if error == HandshakeError::Version {
        note(request, Mistake::WebSocketVersion);
    }
    ApiError::new(status, code, error.to_string())
}

pub(super) fn note(request: &HttpRequest, mistake: Mistake) {
    if let Ok((rates, address)) = limit::limits(request) {
        rates.mistakes().note(mistake, address);
    }
}

/// Whether the request wants to become a WebSocket.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_WEBSOCKET_KEY)
        || headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The answer where no WebSocket is.
pub(super) async fn nowhere(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(not_found(&request))
}

/// The answer where there is nothing; to a handshake, where there is something.
pub(super) fn not_found(request: &HttpRequest) -> ApiError {
    if !is_wanted(request.headers()) {
        return ApiError::not_found();
    }
    note(request, Mistake::WrongEndpoint);
    let detail = "There is no WebSocket at this address. Plain ones are at /ws; Socket.IO is at /socket.io/, unless \
                  it has another path.";
    ApiError::new(StatusCode::NOT_FOUND, "not_found", detail)
}

/// The answer where an address has too many sockets that have not signed in.
pub(super) fn too_many_pending() -> ApiError {
    let detail = "Too many sockets of this address have not signed in yet.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_waiting", detail)
}
