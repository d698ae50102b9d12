//! The Socket.IO door: Engine.IO under it, a `Session` behind it. Who comes in says who it is by its first packet.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpRequest, web};

use super::client::client_address;
use super::engineio::{self, Above, Start};
use super::ws::{FIRST_FRAME, too_many_waiting};
use crate::actors::carrier::socketio::engine::{Engines, Limits};
use crate::actors::carrier::socketio::open;
use crate::actors::session::{Entry, House, Session};
use crate::actors::session_manager::WorkerSessions;
use crate::config::{self, Config};
use crate::error::ApiError;

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
        SocketIo { house: Arc::clone(house), sessions: sessions.clone(), sockets: config.sockets.clone() };
    let door = engineio::Door {
        engines: engines.clone(),
        ping_interval: config.sockets.heartbeat,
        ping_timeout: config.socketio.ping_timeout,
        above: Rc::new(above),
    };
    engineio::configure(cfg, path, door);
}

struct SocketIo {
    house: Arc<House>,
    sessions: WorkerSessions,
    sockets: config::Sockets,
}

impl Above for SocketIo {
    fn enter(&self, request: &HttpRequest) -> Result<Start, ApiError> {
        if self.sessions.is_draining() {
            return Err(ApiError::draining());
        }
        if self.sessions.is_full() {
            return Err(ApiError::unavailable());
        }
        let address = client_address(request, &self.sockets);
        let ticket = self.sessions.wait(address).ok_or_else(too_many_waiting)?;
        let (house, sessions) = (Arc::clone(&self.house), self.sessions.clone());
        Ok(Box::new(move |engine| {
            open(engine, Arc::clone(&house.events), |socket| {
                Session::new(socket, house, sessions, address, Entry::Waiting(ticket))
            });
        }))
    }
}
