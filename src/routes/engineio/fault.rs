//! What is wrong with a request of Engine.IO, as the reference implementation answers it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::transports::socketio::engine::Refusal;

#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    UnknownTransport,
    UnknownSession,
    ForeignSession,
    BadMethod,
    BadRequest,
    Forbidden,
    Unsupported,
    PlainWebSocket,
}

impl Fault {
    const fn code(self) -> (u8, &'static str) {
        match self {
            Self::UnknownTransport => (0, "Transport unknown"),
            Self::UnknownSession => (1, "Session ID unknown"),
            Self::ForeignSession => {
                (1, "Session ID unknown here: it is another node's, or one that was restarted")
            }
            Self::BadMethod => (2, "Bad handshake method"),
            Self::BadRequest => (3, "Bad request"),
            Self::Forbidden => (4, "Forbidden"),
            Self::Unsupported => (5, "Unsupported protocol version"),
            Self::PlainWebSocket => {
                (5, "Unsupported protocol version: this is Socket.IO, and the plain WebSocket is at /ws")
            }
        }
    }

    pub(super) fn answer(self) -> HttpResponse {
        let (code, message) = self.code();
        let status =
            if matches!(self, Self::Forbidden) { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
        HttpResponse::build(status).json(serde_json::json!({ "code": code, "message": message }))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::UnknownSession,
            Refusal::Bad => Self::BadRequest,
        }
    }
}
