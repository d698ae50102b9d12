//! Engine.IO 4 over HTTP: handshake, long-polling, WebSocket, and the way from the one to the other. What is above
//! it, Socket.IO or an application's own protocol, is an [`EngineHandler`].

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderValue, ORIGIN};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError, rt, web};
use bytes::BytesMut;
use bytestring::ByteString;
use futures_util::StreamExt;
use serde::Serialize;

use super::extract::BODY_TIMEOUT;
use super::trace::SkipRequestLog;
use super::ws::FRAGMENTS;
use super::{Site, handshake, limit};
use crate::actors::session::Session;
use crate::error::ApiError;
use crate::events::Events;
use crate::limits::{Limit, Mistake};
use crate::transports::handshake::{HandshakeError, check};
use crate::transports::socketio::engine::{
    Answer, Engine, EngineTransport, Engines, Handle, Incoming, Refusal,
};
use crate::transports::socketio::relay::{self, Relay};
use crate::transports::socketio::{Direct, SocketIo, open_direct};
use crate::transports::websocket;
use doorward_core::protocol::CloseReason;
use doorward_core::protocol::engineio::{Packet, decode_payload};

/// The revision of the protocol, as requests name it.
const REVISION: &str = "4";

/// Bytes that wait in a WebSocket beside what waits in its session.
const SOCKET_OUTBOX: usize = 128 * 1024;

/// A client that has asked for an upgrade ends its poll; one that comes after that may be one too many, if the
/// upgrade that was sent before it is still to be read.
const SETTLE: Duration = Duration::from_millis(50);

/// How long a client's last poll may be on its way when it has closed over another connection.
const LAST_POLL: Duration = Duration::from_millis(200);

/// How long browsers may remember that they may.
const PREFLIGHT_MAX_AGE: &str = "7200";

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
        arrival.relay(start)
    }
}

/// A good handshake of a WebSocket that brings a session of its own.
pub struct Arrival<'a> {
    endpoint: &'a Endpoint,
    request: &'a HttpRequest,
    payload: web::Payload,
}

impl Arrival<'_> {
    #[must_use]
    pub const fn request(&self) -> &HttpRequest {
        self.request
    }

    /// Answers it, with an Engine.IO session behind it as every client that polls has one.
    ///
    /// # Errors
    /// The answer to a handshake that is none.
    pub fn relay(self, start: Start) -> Result<HttpResponse, ApiError> {
        let handle = self.endpoint.engines.start(EngineTransport::WebSocket);
        let engine = Arc::clone(handle.engine());
        let limits = self.endpoint.socket_limits();
        let (response, socket, frames) =
            websocket::accept(self.request, self.payload, limits, Arc::clone(&engine))
                .map_err(|error| handshake::refuse(self.request, error))?;
        let opening = self.endpoint.opening(engine.id(), &[]);
        // Nothing was sent before: it fits.
        let _ = engine.push(|queue| queue.text(|out| out.extend_from_slice(opening.as_bytes())));
        start(handle);
        rt::spawn(relay::carry(Relay::new(engine, socket, frames)));
        Ok(response)
    }

    /// Answers it, for a Socket.IO session whose actor reads the frames itself.
    ///
    /// # Errors
    /// As [`Arrival::relay`].
    pub fn open(
        self,
        events: Arc<Events>,
        make: impl FnOnce(SocketIo<Direct>) -> Session<SocketIo<Direct>>,
    ) -> Result<HttpResponse, ApiError> {
        let opening = self.endpoint.opening(&self.endpoint.engines.new_id(), &[]);
        let outbox = self.endpoint.engines.limits().outbox;
        let limits = websocket::Limits { outbox, ..self.endpoint.socket_limits() };
        open_direct(self.request, self.payload, limits, &opening, events, make)
            .map_err(|error| handshake::refuse(self.request, error))
    }
}

/// One endpoint, on one worker.
pub struct Endpoint {
    pub engines: Engines,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    pub above: Rc<dyn EngineHandler>,
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

/// Errors as the reference implementation has them.
#[derive(Debug, Clone, Copy)]
enum Fault {
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
            Self::UnknownTransport => (0, "EngineTransport unknown"),
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

    fn answer(self) -> HttpResponse {
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

/// What a page of another origin may do (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
fn preflight(request: &HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE));
    if let Some(headers) = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone()));
    }
    response.finish()
}

fn share(headers: &mut header::HeaderMap, origin: Option<HeaderValue>) {
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        // The cookie of a balancer that keeps a client's requests together.
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
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
                (true, true) => Ok(self.open_websocket(request, payload)),
                (true, false) => Ok(self.open_polling(request)),
            };
        };
        let Some(engine) = self.engines.get(&sid) else { return Err(self.unknown(&sid)) };
        match (request.method().as_str(), websocket) {
            ("GET", true) => Ok(self.upgrade(request, payload, engine)),
            ("GET", false) => poll(&engine).await,
            ("POST", false) => self.post(&engine, payload).await,
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
        let start = match self.above.enter(request) {
            Ok(start) => start,
            Err(error) => return error.error_response(),
        };
        let handle = self.engines.start(EngineTransport::Polling);
        let opening = self.opening(handle.engine().id(), &["websocket"]);
        start(handle);
        text(opening)
    }

    fn open_websocket(&self, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        let response = match check(request) {
            Ok(()) => self.above.enter_websocket(Arrival { endpoint: self, request, payload }),
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

    fn upgrade(&self, request: &HttpRequest, payload: web::Payload, engine: Arc<Engine>) -> HttpResponse {
        match websocket::accept(request, payload, self.socket_limits(), Arc::clone(&engine)) {
            Ok((response, socket, frames)) => {
                if engine.begin_probe() {
                    rt::spawn(relay::upgrade(Relay::new(engine, socket, frames)));
                } else {
                    // A refused handshake would look like a failed connection, and be tried again.
                    rt::spawn(relay::turn_away(Relay::new(engine, socket, frames)));
                }
                response
            }
            Err(error) => refuse_websocket(request, error).error_response(),
        }
    }

    async fn post(&self, engine: &Arc<Engine>, payload: web::Payload) -> Result<HttpResponse, Fault> {
        let _ticket = engine.begin_post()?;
        let body = match read(payload, engine.message_limit()).await {
            Ok(body) => body,
            Err(Unread::TooBig) => {
                engine.receive(Incoming::Refused(CloseReason::TooBig));
                return Ok(HttpResponse::PayloadTooLarge().finish());
            }
            Err(Unread::Broken) => {
                engine.end(false);
                return Err(Fault::BadRequest);
            }
        };
        // What came before is looked at first, and answers are read: nothing piles up.
        std::future::poll_fn(|context| engine.poll_heard(context)).await;
        let Ok(body) = ByteString::try_from(body) else {
            engine.receive(Incoming::Refused(CloseReason::BadMessage));
            return Err(Fault::BadRequest);
        };
        for packet in decode_payload(&body) {
            engine.receive(match packet {
                Ok(Packet::Message(text)) => Incoming::Message(text),
                Ok(Packet::Binary(bytes)) => Incoming::Binary(bytes),
                Ok(Packet::Pong(_) | Packet::Noop) => Incoming::Heard,
                Ok(Packet::Close) => {
                    self.leave(engine);
                    break;
                }
                // A client pings and upgrades over a WebSocket only.
                Ok(Packet::Ping(_) | Packet::Upgrade) | Err(_) => {
                    engine.receive(Incoming::Refused(CloseReason::BadMessage));
                    return Err(Fault::BadRequest);
                }
            });
        }
        // Whoever posts and polls by turns fetches no answer before this one.
        std::future::poll_fn(|context| engine.poll_taken(context)).await;
        Ok(one_of_many("ok"))
    }

    fn leave(&self, engine: &Arc<Engine>) {
        engine.leave();
        let (engines, id) = (self.engines.clone(), engine.id().to_owned());
        rt::spawn(async move {
            #[expect(clippy::disallowed_methods, reason = "a peer's real pace; no rule depends on it")]
            tokio::time::sleep(LAST_POLL).await;
            engines.forget(&id);
        });
    }
}

async fn poll(engine: &Arc<Engine>) -> Result<HttpResponse, Fault> {
    let mut ticket = engine.begin_poll()?;
    match (&mut ticket).await {
        Answer::Payload(payload) => {
            Ok(one_of_many("").set_body(ticket.answer(payload)).map_into_boxed_body())
        }
        Answer::Noop { at_once: true } => Ok(one_of_many("6")),
        Answer::Noop { at_once: false } => {
            #[expect(clippy::disallowed_methods, reason = "a peer's real pace; no rule depends on it")]
            tokio::time::sleep(SETTLE).await;
            if ticket.is_too_late() { Err(Fault::BadRequest) } else { Ok(one_of_many("6")) }
        }
        Answer::Last { patient } => {
            if patient {
                #[expect(clippy::disallowed_methods, reason = "a peer's real pace; no rule depends on it")]
                // Whoever does not go is shown out.
                let _ = tokio::time::timeout(relay::PATIENCE, ticket.left()).await;
            }
            Ok(one_of_many(if ticket.end() { "6" } else { "1" }))
        }
        Answer::Unknown => Err(Fault::UnknownSession),
    }
}

fn text(body: impl Into<String>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/plain; charset=UTF-8")).body(body.into())
}

/// A line in the log for each poll would say nothing.
fn one_of_many(body: impl Into<String>) -> HttpResponse {
    let mut response = text(body);
    response.extensions_mut().insert(SkipRequestLog);
    response
}

enum Unread {
    TooBig,
    /// The connection broke, or the body does not come.
    Broken,
}

async fn read(mut payload: web::Payload, limit: usize) -> Result<bytes::Bytes, Unread> {
    let read = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Unread::Broken)?;
            if body.len() + chunk.len() > limit {
                return Err(Unread::TooBig);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
    tokio::time::timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(Unread::Broken))
}
