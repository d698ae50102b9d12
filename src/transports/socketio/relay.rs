//! Between an Engine.IO session and a WebSocket, each of which may be on a thread of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;

use super::engine::{Closing, Engine, Incoming, Next};
use crate::actors::transport::Outgoing;
use crate::transports::websocket::{self, Reader, Socket, Whole};
use doorward_core::protocol::CloseReason;
use doorward_core::protocol::engineio::Packet;

/// How long a client may take to decide for a WebSocket that it has opened.
const PROBE: Duration = Duration::from_secs(10);

/// How long it may take to answer a close, and how long if its frames are broken.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const BROKEN_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long it has to close by itself, where it may.
pub const OWN_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that are on their way at once.
const CHUNK: usize = 32 * 1024;

/// Carries a session over a WebSocket from its first frame on.
pub async fn carry(mut relay: Box<Relay>) {
    let ended = relay.carry().await;
    relay.engine.end(false);
    // Boxed, so that an open socket does not keep room for its end.
    Box::pin(relay.close(ended)).await;
}

/// Lets a client of long-polling try a WebSocket, and go on over it if it likes.
pub async fn upgrade(mut relay: Box<Relay>) {
    #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
    let upgraded = Box::pin(tokio::time::timeout(PROBE, relay.probe())).await.unwrap_or(false);
    if upgraded {
        return Box::pin(carry(relay)).await;
    }
    relay.engine.probe_failed();
    Box::pin(relay.close(Ended::Refused)).await;
}

/// Closes a WebSocket that was accepted and is of no use.
pub async fn turn_away(relay: Box<Relay>) {
    relay.close(Ended::Refused).await;
}

/// What arrives over a WebSocket, as Engine.IO has it.
pub(super) fn packet(socket: &Socket, incoming: websocket::Incoming) -> Incoming {
    match incoming {
        websocket::Incoming::Activity => Incoming::Activity,
        websocket::Incoming::Message(Whole::Binary(bytes)) => Incoming::Binary(bytes),
        websocket::Incoming::Message(Whole::Text(text)) => match Packet::from_text(&text) {
            Ok(Packet::Message(text)) => Incoming::Message(text),
            Ok(Packet::Pong(_) | Packet::Noop) => Incoming::Activity,
            Ok(Packet::Close) => {
                socket.close(None);
                Incoming::Left
            }
            _ => Incoming::Refused(CloseReason::BadMessage),
        },
        websocket::Incoming::Left => Incoming::Left,
        websocket::Incoming::Refused(reason) => Incoming::Refused(reason),
    }
}

pub struct Relay {
    engine: Arc<Engine>,
    socket: Socket,
    reader: Reader<Arc<Engine>>,
    /// The frames were broken or too large.
    refused: bool,
}

enum Ended {
    /// The connection is gone, or the client has closed and was answered.
    Gone,
    /// The session has ended by this.
    Closed(Closing),
    /// The session is over, or the socket is of no use.
    Refused,
    /// So much is not read that nothing more can be said.
    Cut,
}

impl Relay {
    /// Boxed: a future that is moved into another one would take its room twice.
    #[must_use]
    pub fn new(engine: Arc<Engine>, socket: Socket, reader: Reader<Arc<Engine>>) -> Box<Self> {
        Box::new(Self { engine, socket, reader, refused: false })
    }

    /// Returns whether the client goes on over this socket.
    async fn probe(&mut self) -> bool {
        let mut asked = false;
        loop {
            let next = poll_fn(|context| {
                if self.engine.poll_useless(context).is_ready() {
                    return Poll::Ready(None);
                }
                self.poll_next(context)
            });
            let Some(incoming) = next.await else { return false };
            match incoming {
                websocket::Incoming::Activity => {}
                websocket::Incoming::Message(Whole::Text(text)) => match Packet::from_text(&text) {
                    Ok(Packet::Ping(probe)) if probe == "probe" && !asked => {
                        asked = true;
                        // The outbox was empty: it fits.
                        let _ = self.socket.write(&Whole::Text("3probe".into()));
                        self.engine.probed();
                    }
                    Ok(Packet::Upgrade) if asked => {
                        self.engine.upgraded();
                        return true;
                    }
                    _ => return false,
                },
                _ => return false,
            }
        }
    }

    /// What arrives next; none once there will be no more.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<websocket::Incoming>> {
        if self.socket.outbox().poll_abandoned().is_ready() {
            return Poll::Ready(None);
        }
        self.socket.outbox().set_message_limit(self.engine.message_limit());
        let next = ready!(Pin::new(&mut self.reader).poll_next(context));
        self.refused |= matches!(next, Some(websocket::Incoming::Refused(_)));
        Poll::Ready(next)
    }

    async fn carry(&mut self) -> Ended {
        poll_fn(|context| {
            loop {
                if let Poll::Ready(ended) = self.poll_send(context) {
                    return Poll::Ready(ended);
                }
                let Poll::Ready(next) = self.poll_next(context) else { return Poll::Pending };
                let Some(next) = next else { return Poll::Ready(Ended::Gone) };
                let incoming = packet(&self.socket, next);
                if incoming == Incoming::Left {
                    return Poll::Ready(Ended::Gone);
                }
                self.engine.receive(incoming);
            }
        })
        .await
    }

    /// Sends what there is, as long as the client reads; ready once there will be no more.
    fn poll_send(&mut self, context: &Context<'_>) -> Poll<Ended> {
        while self.socket.outbox().poll_drained(context).is_ready() {
            let mut frames = Vec::new();
            match self.engine.poll_frames(context, &mut frames, CHUNK) {
                Poll::Pending => return Poll::Pending,
                // It is drained: there is room.
                Poll::Ready(Next::Frames) => drop(self.socket.outbox().push(|out| out.append(&mut frames))),
                Poll::Ready(Next::Close(closing)) => return Poll::Ready(Ended::Closed(closing)),
                Poll::Ready(Next::Ended) => break,
            }
        }
        let cut = ready!(self.engine.poll_ended(context));
        Poll::Ready(if cut { Ended::Cut } else { Ended::Refused })
    }

    /// Closes the socket, whose session has ended or was never its own.
    async fn close(mut self, ended: Ended) {
        let code = match ended {
            Ended::Gone => return,
            Ended::Cut => return self.socket.outbox().cut(),
            Ended::Closed(Closing { code, sentence, patient }) => {
                if patient && self.closes_within(OWN_CLOSE_TIMEOUT).await {
                    return;
                }
                Some((code, sentence))
            }
            Ended::Refused => None,
        };
        self.socket.close(code);
        // A client that does not answer is cut.
        self.closes_within(if self.refused { BROKEN_CLOSE_TIMEOUT } else { CLOSE_TIMEOUT }).await;
    }

    /// Whether the client closes, or its connection ends, within that time. What else it sends is ignored.
    async fn closes_within(&mut self, patience: Duration) -> bool {
        let closed = async {
            loop {
                match poll_fn(|context| self.poll_next(context)).await {
                    None | Some(websocket::Incoming::Left) => return,
                    Some(websocket::Incoming::Message(Whole::Text(text)))
                        if Packet::from_text(&text) == Ok(Packet::Close) =>
                    {
                        return;
                    }
                    Some(_) => {}
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
        tokio::time::timeout(patience, closed).await.is_ok()
    }
}
