//! The Socket.IO endpoint: Engine.IO below it, a `Session` behind it. A client signs in by its first packet.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::client::client_address;
use super::engineio::{self, Arrival, EngineHandler, Start};
use super::handshake::too_many_pending;
use crate::actors::session::{Admission, Session, SessionServices};
use crate::actors::session_manager::WorkerSessions;
use crate::config::{self, Config};
use crate::error::ApiError;
use crate::transports::socketio::engine::{Engines, Limits};
use crate::transports::socketio::{Link, SocketIo, open};
use crate::transports::websocket::FIRST_FRAME;

/// The sessions of this endpoint, on every worker.
#[must_use]
pub fn engines(config: &Config) -> Engines {
    Engines::new(Limits {
        first_message: FIRST_FRAME,
        message: config.sockets.max_frame,
        outbox: config.sockets.max_outbox,
    })
}

/// Opens the endpoint on one worker, unless it is to stay closed.
pub fn configure(
    cfg: &mut web::ServiceConfig,
    config: &Config,
    engines: &Engines,
    services: &Arc<SessionServices>,
    sessions: &WorkerSessions,
) {
    let Some(path) = &config.socketio.path else { return };
    let handler = SocketIoHandler {
        services: Arc::clone(services),
        sessions: sessions.clone(),
        sockets: config.sockets.clone(),
    };
    let endpoint = engineio::Endpoint {
        engines: engines.clone(),
        ping_interval: config.sockets.heartbeat,
        ping_timeout: config.socketio.ping_timeout,
        handler: Rc::new(handler),
    };
    engineio::configure(cfg, path, endpoint);
}

struct SocketIoHandler {
    services: Arc<SessionServices>,
    sessions: WorkerSessions,
    sockets: config::Sockets,
}

impl SocketIoHandler {
    /// Creates the session of a client that may connect, or counts that it was refused.
    fn admit<L: Link>(
        &self,
        request: &HttpRequest,
    ) -> Result<impl FnOnce(SocketIo<L>) -> Session<SocketIo<L>> + use<L>, ApiError> {
        self.session(request).inspect_err(|_| self.services.metrics.not_admitted("socketio", "refused"))
    }

    /// Creates the session of a client that may connect.
    fn session<L: Link>(
        &self,
        request: &HttpRequest,
    ) -> Result<impl FnOnce(SocketIo<L>) -> Session<SocketIo<L>> + use<L>, ApiError> {
        if self.sessions.is_draining() {
            return Err(ApiError::draining());
        }
        if self.sessions.is_full() {
            return Err(ApiError::unavailable());
        }
        let address = client_address(request, &self.sockets);
        let ticket = self.sessions.directory().admit_pending(address).ok_or_else(too_many_pending)?;
        let (services, sessions) = (Arc::clone(&self.services), self.sessions.clone());
        Ok(move |socket| Session::new(socket, services, sessions, address, Admission::Pending(ticket)))
    }
}

impl EngineHandler for SocketIoHandler {
    fn enter(&self, request: &HttpRequest) -> Result<Start, ApiError> {
        let make = self.admit(request)?;
        let events = Arc::clone(&self.services.events);
        Ok(Box::new(move |handle| open(handle, events, make)))
    }

    fn enter_websocket(&self, arrival: Arrival<'_>) -> Result<HttpResponse, ApiError> {
        let make = self.admit(arrival.request())?;
        Ok(arrival.open(Arc::clone(&self.services.events), make))
    }
}
