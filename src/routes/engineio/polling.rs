//! The requests of HTTP long-polling: GET fetches packets, POST brings them.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, rt, web};
use bytes::BytesMut;
use bytestring::ByteString;
use doorward_core::protocol::CloseReason;
use doorward_core::protocol::engineio::{Packet, decode_payload};
use futures_util::StreamExt;

use super::fault::Fault;
use crate::routes::extract::BODY_TIMEOUT;
use crate::routes::trace::SkipRequestLog;
use crate::transports::socketio::engine::{Answer, Engine, Engines, Incoming};
use crate::transports::socketio::relay;

/// A client that has asked for an upgrade ends its poll; one that comes after that may be one too many, if the
/// upgrade that was sent before it is still to be read.
const SETTLE: Duration = Duration::from_millis(50);

/// How long a client's last poll may be on its way when it has closed over another connection.
const LAST_POLL: Duration = Duration::from_millis(200);

/// Takes what a client posts.
pub(super) async fn post(
    engines: &Engines,
    engine: &Arc<Engine>,
    payload: web::Payload,
) -> Result<HttpResponse, Fault> {
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
    std::future::poll_fn(|context| engine.poll_answered(context)).await;
    let Ok(body) = ByteString::try_from(body) else {
        engine.receive(Incoming::Refused(CloseReason::BadMessage));
        return Err(Fault::BadRequest);
    };
    for packet in decode_payload(&body) {
        engine.receive(match packet {
            Ok(Packet::Message(text)) => Incoming::Message(text),
            Ok(Packet::Binary(bytes)) => Incoming::Binary(bytes),
            Ok(Packet::Pong(_) | Packet::Noop) => Incoming::Activity,
            Ok(Packet::Close) => {
                leave(engines, engine);
                break;
            }
            // A client pings and upgrades over a WebSocket only.
            Ok(Packet::Ping(_) | Packet::Upgrade) | Err(_) => {
                engine.receive(Incoming::Refused(CloseReason::BadMessage));
                return Err(Fault::BadRequest);
            }
        });
    }
    // A client that posts and polls by turns fetches no answer before this one.
    std::future::poll_fn(|context| engine.poll_taken(context)).await;
    Ok(one_of_many("ok"))
}

/// The client has closed. Its last poll may be on its way still.
fn leave(engines: &Engines, engine: &Arc<Engine>) {
    engine.leave();
    let (engines, id) = (engines.clone(), engine.id().to_owned());
    rt::spawn(async move {
        #[expect(clippy::disallowed_methods, reason = "a peer's real pace; no rule depends on it")]
        tokio::time::sleep(LAST_POLL).await;
        engines.forget(&id);
    });
}

/// Answers a poll.
pub(super) async fn poll(engine: &Arc<Engine>) -> Result<HttpResponse, Fault> {
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
                // A client that does not close by itself is closed.
                let _ = tokio::time::timeout(relay::OWN_CLOSE_TIMEOUT, ticket.left()).await;
            }
            Ok(one_of_many(if ticket.end() { "6" } else { "1" }))
        }
        Answer::Unknown => Err(Fault::UnknownSession),
    }
}

pub(super) fn text(body: impl Into<String>) -> HttpResponse {
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
