//! The Socket.IO door: Engine.IO under it, a `Session` behind it. Who comes in says who it is by its first packet.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::client::client_address;
use super::engineio::{self, Above, Arrival, Start};
use super::ws::{FIRST_FRAME, too_many_waiting};
use crate::actors::session::{Entry, House, Session};
use crate::actors::session_manager::WorkerSessions;
use crate::config::{self, Config};
use crate::error::ApiError;
use crate::transports::socketio::engine::{Engines, Limits};
use crate::transports::socketio::{Link, SocketIo, open};

/// The sessions of this door, on every worker.
#[must_use]
pub fn engines(config: &Config) -> Engines {
    Engines::new(Limits {
        first_message: FIRST_FRAME,
        message: config.sockets.max_frame,
        outbox: config.sockets.max_outbox,
    })
}

/// Opens the door on one worker, unless it is to stay closed.
pub fn configure(
    cfg: &mut web::ServiceConfig,
    config: &Config,
    engines: &Engines,
    house: &Arc<House>,
    sessions: &WorkerSessions,
) {
    let Some(path) = &config.socketio.path else { return };
    let above =
        Door { house: Arc::clone(house), sessions: sessions.clone(), sockets: config.sockets.clone() };
    let door = engineio::Door {
        engines: engines.clone(),
        ping_interval: config.sockets.heartbeat,
        ping_timeout: config.socketio.ping_timeout,
        above: Rc::new(above),
    };
    engineio::configure(cfg, path, door);
}

struct Door {
    house: Arc<House>,
    sessions: WorkerSessions,
    sockets: config::Sockets,
}

impl Door {
    /// Makes the session of whoever may come in.
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
        let ticket = self.sessions.directory().admit_pending(address).ok_or_else(too_many_waiting)?;
        let (house, sessions) = (Arc::clone(&self.house), self.sessions.clone());
        Ok(move |socket| Session::new(socket, house, sessions, address, Entry::Waiting(ticket)))
    }
}

impl Above for Door {
    fn enter(&self, request: &HttpRequest) -> Result<Start, ApiError> {
        let make = self.session(request)?;
        let events = Arc::clone(&self.house.events);
        Ok(Box::new(move |handle| open(handle, events, make)))
    }

    fn enter_websocket(&self, arrival: Arrival<'_>) -> Result<HttpResponse, ApiError> {
        let make = self.session(arrival.request())?;
        arrival.open(Arc::clone(&self.house.events), make)
    }
}
