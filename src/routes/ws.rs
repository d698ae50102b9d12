//! `GET /ws`: the WebSocket endpoint. It checks who may come in and starts a `Session`.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use super::extract::bearer;
use super::misplaced_token::Place;
use super::request_id::note_user;
use super::{Site, engineio, handshake, limit, misplaced_token};
use crate::actors::session::{Admission, Session, SessionServices};
use crate::actors::session_manager::WorkerSessions;
use crate::auth::token_shape;
use crate::error::ApiError;
use crate::limits::{Limit, Mistake};
use crate::transports::websocket::handshake::Handshake;
use crate::transports::websocket::{self, FIRST_FRAME, FRAGMENTS, Limits, WebSocket};
use doorward_core::protocol::{CloseReason, SUBPROTOCOL};

pub(super) async fn connect(
    request: HttpRequest,
    site: web::Data<Site>,
    services: web::Data<SessionServices>,
    sessions: web::Data<WorkerSessions>,
) -> Result<HttpResponse, ApiError> {
    let metrics = services.metrics.clone();
    open_socket(&request, &site, services, &sessions).inspect_err(|error| {
        // A plain request is no handshake.
        if handshake::is_wanted(request.headers()) {
            let is_bad_token = error.status_code() == StatusCode::UNAUTHORIZED;
            metrics.not_admitted("websocket", if is_bad_token { "bad_token" } else { "refused" });
        }
    })
}

fn open_socket(
    request: &HttpRequest,
    site: &Site,
    services: web::Data<SessionServices>,
    sessions: &WorkerSessions,
) -> Result<HttpResponse, ApiError> {
    if sessions.is_draining() {
        return Err(ApiError::draining());
    }
    let (_, address) = limit::limits(request)?;
    let limits = Limits {
        first_frame: FIRST_FRAME,
        frame: site.sockets.max_frame,
        fragments: FRAGMENTS,
        outbox: site.sockets.max_outbox,
    };
    if engineio::is_asked_for(request) {
        return Err(socketio_here(request));
    }
    let handshake = Handshake::parse(request).map_err(|error| handshake::refuse(request, error))?;
    let admission = match enter(request, site, &services)? {
        Some(Admission::SignedIn(_)) if sessions.is_full() => Admission::Refused(CloseReason::Overloaded),
        Some(admission) => admission,
        None if sessions.is_full() => return Err(ApiError::unavailable()),
        None => {
            let ticket = sessions.directory().admit_pending(address);
            Admission::Pending(ticket.ok_or_else(handshake::too_many_pending)?)
        }
    };
    let sessions = sessions.clone();
    let answer = handshake.with_protocol(answered_protocol(request));
    Ok(websocket::open(answer, limits, move |socket| {
        Session::new(WebSocket::new(socket), services.into_inner(), sessions, address, admission)
    }))
}

/// A client of Socket.IO whose `path` leads here.
fn socketio_here(request: &HttpRequest) -> ApiError {
    handshake::note(request, Mistake::WrongEndpoint);
    let detail = "This is the plain WebSocket. A Socket.IO client connects to /socket.io/, its default `path`, unless \
                  the server has another one.";
    ApiError::new(StatusCode::BAD_REQUEST, "wrong_endpoint", detail)
}

/// The subprotocols that a client offers, in its order.
fn offers(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let lines = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|offer| !offer.is_empty())
}

/// The one that is answered: ours wherever it is offered. A browser fails the connection if none of its offers is
/// answered, and would not see a close code either: so one who offers nothing but a token gets that offer back.
fn answered_protocol(request: &HttpRequest) -> Option<&str> {
    if offers(request).any(|offer| offer == SUBPROTOCOL) {
        return Some(SUBPROTOCOL);
    }
    let is_token = |offer: &&str| misplaced_token::bearer_protocol(offer).is_some();
    let chosen = match misplaced_token::find(request) {
        // It is told what is wrong. Until then, answer an offer that is not a token, if there is one.
        Some(Place::Subprotocol) => {
            offers(request).find(|offer| !token_shape::is_jwt(offer)).or_else(|| offers(request).next())
        }
        _ => offers(request).find(is_token),
    };
    if chosen.is_none() && offers(request).next().is_some() {
        handshake::note(request, Mistake::Subprotocols);
    }
    chosen
}

/// What only a browser sends: an origin, or a token among the subprotocols.
fn is_browser(request: &HttpRequest) -> bool {
    request.headers().contains_key(ORIGIN) || subprotocol_token(request).is_some()
}

fn subprotocol_token(request: &HttpRequest) -> Option<&str> {
    offers(request).find_map(misplaced_token::bearer_protocol)
}

/// How this handshake is admitted; `None` if it has no token yet. A browser cannot read a refused handshake, and many
/// libraries show no more than its status. So what only a browser sends (an origin, a token among the subprotocols),
/// and a token in the wrong place, is answered by a close code and a sentence instead, a few times a minute.
fn enter(
    request: &HttpRequest,
    site: &Site,
    services: &SessionServices,
) -> Result<Option<Admission>, ApiError> {
    let (rates, address) = limit::limits(request)?;
    let headers = request.headers();
    // Not counted: another site's page must not use up its visitors' budget.
    if let Some(origin) = headers.get(ORIGIN)
        && !site.allows_origin(&String::from_utf8_lossy(origin.as_bytes()), request)
    {
        let explained = rates.may_explain(address).then_some(Admission::Refused(CloseReason::Forbidden));
        return explained.map(Some).ok_or_else(forbidden_origin);
    }
    match limit::count(request, Limit::Handshake) {
        Ok(()) => {}
        Err(_) if is_browser(request) && rates.may_explain(address) => {
            return Ok(Some(Admission::Refused(CloseReason::RateLimited)));
        }
        Err(error) => return Err(error),
    }
    if headers.contains_key(AUTHORIZATION) {
        let token = bearer(request).ok_or_else(|| misplaced_token::unauthorized(request))?;
        let access =
            (services.authenticate)(token).map_err(|error| misplaced_token::refused(error, token))?;
        note_user(request, access.username.clone());
        return Ok(Some(Admission::SignedIn(access)));
    }
    if let Some(token) = subprotocol_token(request) {
        return Ok(Some(match (services.authenticate)(token) {
            Ok(access) => {
                note_user(request, access.username.clone());
                Admission::SignedIn(access)
            }
            Err(error) => Admission::BadToken(error),
        }));
    }
    match misplaced_token::find(request) {
        None => Ok(None),
        Some(_) if rates.may_explain(address) => Ok(Some(Admission::Refused(CloseReason::MisplacedToken))),
        Some(_) => Err(misplaced_token::unauthorized(request)),
    }
}

fn forbidden_origin() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "cross_site", "This request came from another site's page.")
}
