//! Between an Engine.IO session and a WebSocket, each of which may be on a thread of its own.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::Stream;

use super::engine::{Closing, Engine, Incoming, Next};
use crate::transports::fragments::Whole;
use crate::transports::websocket::{self, Finish, Frames, WebSocket};
use doorward_core::protocol::CloseReason;
use doorward_core::protocol::engineio::Packet;

/// How long a client may take to decide for a WebSocket that it has opened.
const PROBE: Duration = Duration::from_secs(10);

/// How long it may take to answer a close, and how long if its frames are broken.
const LAST_WORDS: Duration = Duration::from_secs(2);
const BROKEN_WORDS: Duration = Duration::from_secs(1);

/// How long it has to close by itself, where it may.
pub const PATIENCE: Duration = Duration::from_secs(1);

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

/// What a frame brings to a session.
pub(super) fn incoming(socket: &WebSocket, frame: websocket::Incoming) -> Incoming {
    match frame {
        websocket::Incoming::Heard => Incoming::Heard,
        websocket::Incoming::Message(Whole::Binary(bytes)) => Incoming::Binary(bytes),
        websocket::Incoming::Message(Whole::Text(text)) => match Packet::from_text(&text) {
            Ok(Packet::Message(text)) => Incoming::Message(text),
            Ok(Packet::Pong(_) | Packet::Noop) => Incoming::Heard,
            Ok(Packet::Close) => {
                socket.write_close(None);
                Incoming::Left
            }
            _ => Incoming::Refused(CloseReason::BadMessage),
        },
        websocket::Incoming::Left | websocket::Incoming::Broken => Incoming::Left,
        websocket::Incoming::Refused(reason) => Incoming::Refused(reason),
    }
}

pub struct Relay {
    engine: Arc<Engine>,
    socket: WebSocket,
    /// None after a broken frame: the next one cannot be found.
    frames: Option<Frames<Arc<Engine>>>,
    _finish: Finish,
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
    pub fn new(engine: Arc<Engine>, socket: WebSocket, frames: Frames<Arc<Engine>>) -> Box<Self> {
        Box::new(Self { engine, _finish: socket.finish(), socket, frames: Some(frames) })
    }

    /// Answers whether the client goes on over this socket.
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
                websocket::Incoming::Heard => {}
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

    /// What the next frame means; none once there will be no more.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<websocket::Incoming>> {
        if self.socket.outbox().poll_abandoned(context).is_ready() {
            return Poll::Ready(None);
        }
        let Some(frames) = &mut self.frames else { return Poll::Pending };
        frames.set_limit(self.engine.message_limit());
        match Pin::new(frames).poll_next(context) {
            Poll::Ready(item) => Poll::Ready(item.map(|item| self.socket.incoming(item))),
            Poll::Pending => Poll::Pending,
        }
    }

    async fn carry(&mut self) -> Ended {
        poll_fn(|context| {
            loop {
                if let Poll::Ready(ended) = self.poll_send(context) {
                    return Poll::Ready(ended);
                }
                let Poll::Ready(next) = self.poll_next(context) else { return Poll::Pending };
                let Some(frame) = next else { return Poll::Ready(Ended::Gone) };
                let incoming = match frame {
                    websocket::Incoming::Refused(reason) => {
                        self.frames = None;
                        Incoming::Refused(reason)
                    }
                    frame => incoming(&self.socket, frame),
                };
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
            let mut frames = BytesMut::new();
            match self.engine.poll_frames(context, &mut frames, CHUNK) {
                Poll::Pending => return Poll::Pending,
                // It is drained: there is room.
                Poll::Ready(Next::Frames) => drop(self.socket.outbox().push(|out| out.unsplit(frames))),
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
            Ended::Gone => return self.socket.see_off().await,
            Ended::Cut => {
                self.socket.outbox().cut();
                return self.socket.see_off().await;
            }
            Ended::Closed(Closing { code, sentence, patient }) => {
                if patient && self.closes_within(PATIENCE).await {
                    return self.socket.see_off().await;
                }
                Some((code, sentence))
            }
            Ended::Refused => None,
        };
        self.socket.write_close(code);
        // A client that does not answer is cut.
        let patience = if self.frames.is_none() { BROKEN_WORDS } else { LAST_WORDS };
        self.closes_within(patience).await;
        self.socket.see_off().await;
    }

    /// Whether the client closes, or its connection ends, within that time. What else it says is passed over.
    async fn closes_within(&mut self, patience: Duration) -> bool {
        let closed = async {
            while self.frames.is_some() {
                match poll_fn(|context| self.poll_next(context)).await {
                    None | Some(websocket::Incoming::Left | websocket::Incoming::Broken) => return,
                    Some(websocket::Incoming::Refused(_)) => self.frames = None,
                    Some(websocket::Incoming::Message(Whole::Text(text)))
                        if Packet::from_text(&text) == Ok(Packet::Close) =>
                    {
                        return;
                    }
                    Some(_) => {}
                }
            }
            if let Some(discard) = self.socket.discard() {
                discard.await;
            }
        };
        #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
        tokio::time::timeout(patience, closed).await.is_ok()
    }
}
