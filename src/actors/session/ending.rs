//! How a session ends, from either side, and what it gives back then.

use actix::{ActorContext, AsyncContext, Context};

use super::presence::departure;
use super::{BROKEN_GRACE, CLOSING_GRACE, Session};
use crate::actors::transport::{Outgoing, Transport};
use crate::limits::Mistake;
use doorward_core::protocol::CloseReason;

impl<T: Transport> Session<T> {
    /// The client closed, or its connection ended. What is queued still goes out.
    pub(super) fn left(&mut self, context: &mut Context<Self>) {
        self.deregister(CloseReason::ClientLeft);
        context.stop();
    }

    /// The one way in which a session ends from this side.
    pub(super) fn close(&mut self, reason: CloseReason, context: &mut Context<Self>) {
        if !self.deregister(reason) {
            return;
        }
        self.backlog.clear();
        // Reads on, to see the client's answer to the close.
        self.transport.outgoing().hold(false);
        for (_, handler) in self.handling.drain(..) {
            context.cancel_future(handler);
        }
        if reason.is_misplaced_token() {
            self.services.mistakes.note(Mistake::MisplacedToken, self.address);
        }
        let is_waited_for = match reason {
            CloseReason::ClientLeft => false,
            CloseReason::TooSlow => {
                self.transport.outgoing().cut();
                false
            }
            _ => self.transport.close(reason),
        };
        if is_waited_for {
            let grace = if reason.is_broken_frame() { BROKEN_GRACE } else { CLOSING_GRACE };
            self.arm(self.services.clock.instant() + grace, context);
        } else {
            context.stop();
        }
    }

    /// Gives back its places and logs the end, once. Returns whether it was the first time.
    pub(super) fn deregister(&mut self, reason: CloseReason) -> bool {
        if self.closing.is_some() {
            return false;
        }
        self.closing = Some(reason);
        self.services.metrics.closed(T::NAME, reason);
        tracing::debug!(session = %self.id, transport = T::NAME, reason = reason.name(), "session ended");
        self.pending = None;
        self.ticket = None;
        self.leave_rooms(departure(reason));
        // A drain waits for clients that have not fetched their goodbye yet.
        if reason == CloseReason::ClientLeft || !self.transport.is_fetched() {
            self.sessions.unregister(self.id);
        }
        if let Some(emits) = &self.emits {
            emits.end();
        }
        true
    }
}
