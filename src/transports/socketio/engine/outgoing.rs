//! What waits for a client of Engine.IO, as its session sees it, and whether to read more from it.

use std::sync::Arc;
use std::task::{Context, Poll};

use doorward_core::session::Unread;

use super::{Engine, EngineTransport, State};
use crate::actors::transport::Outgoing;
use crate::transports::websocket::Gate;

impl Outgoing for Arc<Engine> {
    fn unread(&self) -> Unread {
        let state = self.state();
        Unread { waiting: state.out.len(), drained: state.drained }
    }

    /// A quarter of the bound waits: requests are answered no faster than answers are read.
    fn congested(&self) -> bool {
        self.is_congested(&self.state())
    }

    fn hold(&self, hold: bool) {
        let mut state = self.state();
        state.hold = hold;
        if !hold {
            state.wake_waiting();
        }
    }

    fn poll_drained(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !self.is_congested(&state) {
            return Poll::Ready(());
        }
        State::remember(&mut state.waiting, context);
        Poll::Pending
    }

    fn cut(&self) {
        self.end(true);
    }
}

/// For the frames of a WebSocket.
impl Gate for Arc<Engine> {
    fn poll_readable(&self, context: &Context<'_>) -> Poll<bool> {
        // A client that is about to change the transport fetches nothing until we have read that it does; and
        // such frames bring nothing for the actor.
        if matches!(self.transport(), EngineTransport::Probing { .. }) {
            return Poll::Ready(true);
        }
        self.poll_answered(context).map(|()| true)
    }
}
