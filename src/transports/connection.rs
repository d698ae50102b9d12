//! The connection under a live session, and the one task that carries it: it reads, lets the session answer, and
//! writes. No buffer is kept while nothing is on its way.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::{HttpResponse, rt};
use bytes::BytesMut;
use tokio::time::Sleep;

use super::io::Io;
use super::outbox::Outbox;
use crate::peer::PeerSocket;

/// How long a client may take to read what is left for it when its session has ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that another protocol takes over from HTTP.
pub struct Opened {
    pub io: Io,
    pub socket: PeerSocket,
    /// The head of the response, to be sent before all else.
    pub head: Vec<u8>,
    /// What the client has sent behind its request already.
    pub unread: BytesMut,
}

/// What goes on with a request's connection once the request has its answer, `101 Switching Protocols`.
pub struct Upgrade(Box<dyn FnOnce(Opened)>);

impl Upgrade {
    /// Lets `start` take the connection over after `response`.
    pub fn after(response: &mut HttpResponse, start: impl FnOnce(Opened) + 'static) {
        response.extensions_mut().insert(Self(Box::new(start)));
    }

    pub fn start(self, connection: Opened) {
        (self.0)(connection);
    }
}

/// Starts the task that carries a connection. `driver` reads from it and puts what it says into the outbox. When it
/// ends, however it ends (a panic too), what is left is sent and the connection closed; a client that does not read is
/// cut after [`CLOSE_TIMEOUT`].
pub(super) fn carry(
    io: Io,
    outbox: Rc<Outbox>,
    driver: impl Future<Output = ()> + Unpin + 'static,
) -> rt::task::JoinHandle<()> {
    rt::spawn(Carry {
        driver: Some(driver),
        writer: Writer { io, outbox, state: State::Writing },
        deadline: None,
    })
}

struct Carry<D> {
    /// Until it has ended.
    driver: Option<D>,
    writer: Writer,
    /// There once the driver has ended and not all was read.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<D: Future<Output = ()> + Unpin> Carry<D> {
    /// Lets the driver do what it can.
    fn drive(&mut self, context: &mut Context<'_>) {
        let Some(driver) = &mut self.driver else { return };
        // The hook for panics has logged it; the driver is dropped, and nothing else was borrowed meanwhile.
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(driver).poll(context)));
        if !matches!(polled, Ok(Poll::Pending)) {
            self.driver = None;
            self.writer.outbox.finish();
        }
    }

    /// Cuts a client that does not read the last of it.
    fn cut_slow_client(&mut self, context: &mut Context<'_>) {
        let deadline = self.deadline.get_or_insert_with(|| {
            #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
            Box::pin(tokio::time::sleep(CLOSE_TIMEOUT))
        });
        if deadline.as_mut().poll(context).is_ready() {
            self.writer.outbox.cut_off();
        }
    }
}

impl<D: Future<Output = ()> + Unpin> Future for Carry<D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            this.writer.outbox.begin_poll(context);
            this.drive(context);
            let mut written = this.writer.poll(context);
            if this.driver.is_none() && written.is_pending() {
                this.cut_slow_client(context);
                written = this.writer.poll(context);
            }
            let again = this.writer.outbox.end_poll();
            if this.driver.is_none() && written.is_ready() {
                return Poll::Ready(());
            }
            if !again {
                return Poll::Pending;
            }
        }
    }
}

/// Empties an outbox into its connection.
struct Writer {
    io: Io,
    outbox: Rc<Outbox>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Writing,
    /// All was said: the sending side ends.
    Closing,
    /// Nothing more can be sent, or is to be.
    Done,
}

impl Writer {
    /// Ready once nothing more will be sent.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.state == State::Writing {
            self.state = match ready!(self.outbox.poll_write(&self.io, context)) {
                Ok(()) => State::Closing,
                Err(_) => State::Done,
            };
        }
        if self.state == State::Closing {
            // An error says no more than that the client was faster.
            let _ = ready!(self.io.poll_shutdown(context));
            self.state = State::Done;
        }
        self.outbox.abandon();
        Poll::Ready(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Before the connection: until then the descriptor is this connection's.
        self.outbox.abandon();
    }
}
