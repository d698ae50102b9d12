//! A session of JSON messages over a WebSocket.

use std::rc::Rc;

use actix_http::ws::OpCode;
use bytestring::ByteString;
use doorward_core::protocol::{ClientMessage, CloseReason, Payload, ServerMessage};

use super::{Incoming, Socket, Whole, frame};
use crate::actors::transport::{Full, Received, Transport, Undecodable};
use crate::auth::token_shape;
use crate::events::Events;
use crate::rooms::delivery::{Delivery, Dialect};
use crate::transports::delivery::Appended;
use crate::transports::{Outbox, json};

/// One WebSocket as its session holds it.
#[derive(Debug)]
pub struct WebSocket {
    socket: Socket,
    signed_in: bool,
}

impl WebSocket {
    #[must_use]
    pub const fn new(socket: Socket) -> Self {
        Self { socket, signed_in: false }
    }
}

/// A token alone is not a JSON object; a client that sends one is told what to send.
fn is_bare_token(text: &str) -> bool {
    let word = text.trim().trim_matches('"');
    let token = word.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    token_shape::is_jwt(token.map_or(word, |(_, token)| token))
}

impl Transport for WebSocket {
    const NAME: &'static str = "websocket";

    type Outgoing = Rc<Outbox>;
    type Incoming = Incoming;
    type Message = ByteString;

    fn outgoing(&self) -> &Rc<Outbox> {
        self.socket.outbox()
    }

    fn receive(&mut self, incoming: Incoming) -> Result<Received<ByteString>, CloseReason> {
        match incoming {
            Incoming::Activity => Ok(Received::Activity),
            Incoming::Message(Whole::Text(text)) => Ok(Received::Message(text)),
            // A dialect of text: bytes are not a JSON object.
            Incoming::Message(Whole::Binary(_)) => Err(CloseReason::BadMessage),
            Incoming::Left => Ok(Received::Left),
            Incoming::Refused(reason) => Err(reason),
        }
    }

    fn decode<'a>(&self, message: &'a ByteString, events: &Events) -> Result<ClientMessage<'a>, Undecodable> {
        json::decode(message, events).map_err(|reason| {
            let bare = !self.signed_in && is_bare_token(message);
            if bare { CloseReason::NoSignIn } else { reason }.into()
        })
    }

    fn payload(message: &ByteString, arguments: &str) -> Payload {
        json::payload(message, arguments)
    }

    fn send(&mut self, message: &ServerMessage, events: &Events) -> Result<(), Full> {
        if !json::says(message) {
            return Ok(());
        }
        self.socket.frame(OpCode::Text, |out| json::encode(message, events, out))
    }

    fn delivery(&self) -> Rc<dyn Delivery> {
        let encode = |message: &ServerMessage, events: &Events, out: &mut Vec<u8>| {
            frame::write(out, OpCode::Text, |out| json::encode(message, events, out));
        };
        Rc::new(Appended { outbox: Rc::clone(self.socket.outbox()), dialect: Dialect::WebSocket, encode })
    }

    fn ping(&mut self) -> Result<(), Full> {
        self.socket.frame(OpCode::Ping, |_| {})
    }

    fn signed_in(&mut self) {
        self.signed_in = true;
        self.socket.widen();
    }

    fn close(&mut self, reason: CloseReason) -> bool {
        // Full or not: what does not fit is not read anyway.
        let _ = self.socket.frame(OpCode::Text, |out| json::encode_own(&ServerMessage::goodbye(reason), out));
        self.socket.close(Some((reason.code(), reason.sentence())));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_its_message_is_recognized() {
        const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        for text in [TOKEN.to_owned(), format!("\"{TOKEN}\""), format!(" Bearer {TOKEN}\n")] {
            assert!(is_bare_token(&text), "{text}");
        }
        for text in ["", "hello", "Basic abc", "{}"] {
            assert!(!is_bare_token(text), "{text}");
        }
    }
}
