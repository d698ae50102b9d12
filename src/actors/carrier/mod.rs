//! How a session's bytes travel. A carrier is a thin shell: it frames, bounds and closes; what is said is the
//! session's matter.

mod fragments;
mod guard;
mod lines;
mod outbox;
pub mod tcp;
pub mod websocket;

use std::future::{Future, poll_fn};
use std::rc::Rc;

use actix::dev::ToEnvelope;
use actix::{ActorContext, AsyncContext};

use super::session::{Close, Session};
use crate::protocol::{CloseReason, ServerMessage};
use crate::session::Unread;

pub use outbox::{Outbox, PeerSocket};

/// What a [`Session`] needs of its carrier. Output goes through here, never through the actor's context:
/// the context's own buffer has no bound and is emptied only while the client reads.
pub trait Carrier: Sized + Unpin + 'static {
    type Context: AsyncContext<Session<Self>> + ActorContext + ToEnvelope<Session<Self>, Close>;

    /// The word for lists and logs.
    const NAME: &'static str;

    /// Queues a message.
    ///
    /// # Errors
    /// [`Full`]: the client does not read and its bound is reached.
    fn send(&mut self, message: &ServerMessage) -> Result<(), Full>;

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`Full`].
    fn ping(&mut self) -> Result<(), Full>;

    /// The client has signed in: larger messages are welcome from now on.
    fn signed_in(&mut self);

    /// Says goodbye and begins to close. Answers whether the client may still have to answer; if not, the
    /// session can end at once.
    fn close(&mut self, reason: CloseReason) -> bool;

    /// Where what is sent waits for the client.
    fn outbox(&self) -> &Rc<Outbox>;

    /// Ends the connection now, read or not.
    fn cut(&self) {
        self.outbox().cut();
    }

    fn unread(&self) -> Unread {
        self.outbox().unread()
    }

    /// So much waits to be read that no further request should be answered yet.
    fn congested(&self) -> bool {
        self.outbox().congested()
    }

    /// Waits until the client has read enough to go on.
    fn drained(&self) -> impl Future<Output = ()> + 'static {
        let outbox = Rc::clone(self.outbox());
        poll_fn(move |context| outbox.poll_drained(context))
    }
}

/// The outbox's bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;
