//! Engine.IO 4 over HTTP: handshake, long-polling, WebSocket, and the way from the one to the other. What is above
//! it, Socket.IO or an application's own protocol, is an [`EngineHandler`].

mod cross_origin;
mod fault;
mod polling;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::ORIGIN;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;

use self::cross_origin::{preflight, share};
use self::fault::Fault;
use self::polling::{poll, post, text};
use super::{Site, handshake, limit};
use crate::actors::session::Session;
use crate::error::ApiError;
use crate::events::Events;
use crate::limits::{Limit, Mistake};
use crate::transports::socketio::engine::{Engine, EngineTransport, Engines, Handle};
use crate::transports::socketio::relay::{self, Relay};
use crate::transports::socketio::{Direct, SocketIo, open_direct};
use crate::transports::websocket::handshake::{Handshake, HandshakeError};
use crate::transports::websocket::{self, FRAGMENTS};

/// The revision of the protocol, as requests name it.
const REVISION: &str = "4";

/// Bytes that wait in a WebSocket beside what waits in its session.
const SOCKET_OUTBOX: usize = 128 * 1024;

/// What is to be done with a new session.
pub type Start = Box<dyn FnOnce(Handle)>;

/// What speaks over Engine.IO.
pub trait EngineHandler {
    /// Whether one more may come in.
    ///
    /// # Errors
    /// The answer to its handshake.
    fn enter(&self, request: &HttpRequest) -> Result<Start, ApiError>;

    /// The same for one that comes with a WebSocket and will not poll.
    ///
    /// # Errors
    /// The answer to its handshake.
    fn enter_websocket(&self, arrival: Arrival<'_>) -> Result<HttpResponse, ApiError> {
        let start = self.enter(arrival.request)?;
        Ok(arrival.relay(start))
    }
}

/// A good handshake of a WebSocket that brings a session of its own.
pub struct Arrival<'a> {
    endpoint: &'a Endpoint,
    request: &'a HttpRequest,
    handshake: Handshake,
}

impl Arrival<'_> {
    #[must_use]
    pub const fn request(&self) -> &HttpRequest {
        self.request
    }

    /// Answers it, with an Engine.IO session behind it as every client that polls has one.
    pub fn relay(self, start: Start) -> HttpResponse {
        let handle = self.endpoint.engines.start(EngineTransport::WebSocket);
        let engine = Arc::clone(handle.engine());
        let limits = self.endpoint.socket_limits();
        let gate = Arc::clone(&engine);
        let opening = self.endpoint.opening(engine.id(), &[]);
        // Nothing was sent before: it fits.
        let _ = engine.push(|queue| queue.text(|out| out.extend_from_slice(opening.as_bytes())));
        websocket::accept(
            self.handshake,
            limits,
            |_| gate,
            |socket, reader| {
                start(handle);
                Box::pin(relay::carry(Relay::new(engine, socket, reader)))
            },
        )
    }

    /// Answers it, for a Socket.IO session whose actor is handed the frames itself.
    pub fn open(
        self,
        events: Arc<Events>,
        make: impl FnOnce(SocketIo<Direct>) -> Session<SocketIo<Direct>> + 'static,
    ) -> HttpResponse {
        let opening = self.endpoint.opening(&self.endpoint.engines.new_id(), &[]);
        let outbox = self.endpoint.engines.limits().outbox;
        let limits = websocket::Limits { outbox, ..self.endpoint.socket_limits() };
        open_direct(self.handshake, limits, opening, events, make)
    }
}

/// One endpoint, on one worker.
pub struct Endpoint {
    pub engines: Engines,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    pub handler: Rc<dyn EngineHandler>,
}

/// Serves an endpoint at `path`, with its last slash or without.
pub fn configure(cfg: &mut web::ServiceConfig, path: &str, endpoint: Endpoint) {
    let bare = path.trim_end_matches('/');
    cfg.service(
        web::resource([format!("{bare}/"), bare.to_owned()])
            .app_data(web::Data::new(endpoint))
            .default_service(web::to(serve)),
    )
    // What pages of older applications load from the server itself.
    .service(
        web::resource(format!("{bare}/socket.io{{rest:[a-z.]*\\.js(?:\\.map)?}}"))
            .default_service(web::to(client_file)),
    );
}

/// The answer to a bad handshake. One without any mark of a handshake has lost them: its query says what it is.
fn refuse_websocket(request: &HttpRequest, error: HandshakeError) -> ApiError {
    let lost = error == HandshakeError::NotWanted;
    handshake::refuse(request, if lost { HandshakeError::UpgradeLost } else { error })
}

/// Whether a request asks for Engine.IO, wherever it has come to.
pub(super) fn is_asked_for(request: &HttpRequest) -> bool {
    !Query::of(request).revision.is_empty()
}

async fn client_file(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    handshake::note(&request, Mistake::ClientFile);
    let detail = "The Socket.IO client is not served here: `npm install socket.io-client`, or from a CDN, see \
                  https://socket.io/docs/v4/client-installation/.";
    Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", detail))
}

#[derive(Default)]
struct Query {
    revision: String,
    transport: String,
    sid: Option<String>,
}

impl Query {
    fn of(request: &HttpRequest) -> Self {
        let mut query = Self::default();
        for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
            match &*name {
                "EIO" => query.revision = value.into_owned(),
                "transport" => query.transport = value.into_owned(),
                "sid" => query.sid = Some(value.into_owned()),
                _ => {}
            }
        }
        query
    }
}

async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    endpoint: web::Data<Endpoint>,
    site: web::Data<Site>,
) -> HttpResponse {
    let origin = request.headers().get(ORIGIN).cloned();
    let allowed = match &origin {
        Some(origin) => site.allows_origin(&String::from_utf8_lossy(origin.as_bytes()), &request),
        // A page that embeds an image, say, sends no origin. It must not use up its visitors' budgets either.
        None => site.check_same_site(&request).is_ok(),
    };
    if !allowed {
        return Fault::Forbidden.answer();
    }
    let mut response = if request.method() == Method::OPTIONS {
        preflight(&request)
    } else {
        endpoint.answer(&request, payload).await.unwrap_or_else(Fault::answer)
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        share(response.headers_mut(), origin);
    }
    response
}

impl Endpoint {
    async fn answer(&self, request: &HttpRequest, payload: web::Payload) -> Result<HttpResponse, Fault> {
        let query = Query::of(request);
        if query.revision != REVISION {
            let is_plain = query.revision.is_empty() && handshake::is_wanted(request.headers());
            let mistake = if is_plain { Mistake::WrongEndpoint } else { Mistake::EngineIoVersion };
            handshake::note(request, mistake);
            return Err(if is_plain { Fault::PlainWebSocket } else { Fault::Unsupported });
        }
        let websocket = match &*query.transport {
            "polling" => false,
            "websocket" => true,
            _ => return Err(Fault::UnknownTransport),
        };
        // A WebSocket is a handshake even where it upgrades a session; what is left of it there is polling.
        let begins = query.sid.is_none() || websocket;
        if let Err(error) = limit::count(request, if begins { Limit::Handshake } else { Limit::Poll }) {
            return Ok(error.error_response());
        }
        let Some(sid) = query.sid else {
            return match (request.method() == Method::GET, websocket) {
                (false, _) => Err(Fault::BadMethod),
                (true, true) => Ok(self.open_websocket(request)),
                (true, false) => Ok(self.open_polling(request)),
            };
        };
        let Some(engine) = self.engines.get(&sid) else { return Err(self.unknown(&sid)) };
        match (request.method().as_str(), websocket) {
            ("GET", true) => Ok(self.upgrade(request, engine)),
            ("GET", false) => poll(&engine).await,
            ("POST", false) => post(&self.engines, &engine, payload).await,
            _ => Err(Fault::BadRequest),
        }
    }

    fn unknown(&self, sid: &str) -> Fault {
        if !self.engines.is_foreign(sid) {
            return Fault::UnknownSession;
        }
        // Once is enough for an operator who has forgotten about it.
        if self.engines.is_first_stray() {
            tracing::warn!(
                "a Socket.IO request names a session of another node, or of one that was restarted: requests of a \
                 session have to reach the same node (sticky sessions)"
            );
        }
        Fault::ForeignSession
    }

    /// The packet with which a session begins.
    fn opening(&self, sid: &str, upgrades: &'static [&'static str]) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Opening<'a> {
            sid: &'a str,
            upgrades: &'static [&'static str],
            ping_interval: u128,
            ping_timeout: u128,
            max_payload: usize,
        }
        let opening = Opening {
            sid,
            upgrades,
            ping_interval: self.ping_interval.as_millis(),
            ping_timeout: self.ping_timeout.as_millis(),
            max_payload: self.engines.limits().message,
        };
        // Numbers and texts are always JSON.
        format!("0{}", serde_json::to_string(&opening).unwrap_or_default())
    }

    fn open_polling(&self, request: &HttpRequest) -> HttpResponse {
        let start = match self.handler.enter(request) {
            Ok(start) => start,
            Err(error) => return error.error_response(),
        };
        let handle = self.engines.start(EngineTransport::Polling);
        let opening = self.opening(handle.engine().id(), &["websocket"]);
        start(handle);
        text(opening)
    }

    fn open_websocket(&self, request: &HttpRequest) -> HttpResponse {
        let response = match Handshake::parse(request) {
            Ok(handshake) => self.handler.enter_websocket(Arrival { endpoint: self, request, handshake }),
            Err(error) => Err(refuse_websocket(request, error)),
        };
        response.unwrap_or_else(|error| error.error_response())
    }

    fn socket_limits(&self) -> websocket::Limits {
        let limits = self.engines.limits();
        websocket::Limits {
            first_frame: limits.first_message,
            frame: limits.message,
            fragments: FRAGMENTS,
            outbox: SOCKET_OUTBOX,
        }
    }

    fn upgrade(&self, request: &HttpRequest, engine: Arc<Engine>) -> HttpResponse {
        let handshake = match Handshake::parse(request) {
            Ok(handshake) => handshake,
            Err(error) => return refuse_websocket(request, error).error_response(),
        };
        let gate = Arc::clone(&engine);
        websocket::accept(
            handshake,
            self.socket_limits(),
            |_| gate,
            |socket, reader| {
                let may_upgrade = engine.begin_probe();
                let relay = Relay::new(engine, socket, reader);
                Box::pin(async move {
                    // A refused handshake would look like a failed connection, and be tried again.
                    if may_upgrade { relay::upgrade(relay).await } else { relay::turn_away(relay).await }
                })
            },
        )
    }
}
