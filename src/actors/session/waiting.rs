//! How a session waits until the messages of other nodes reach the rooms that it joins, before it tells its client that it
//! has joined them.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::Session;
use crate::actors::transport::{Outgoing, Transport};
use crate::rooms::Place;

impl<T: Transport> Session<T> {
    /// Whether an answer waits, for another node or for rows. What the client sends meanwhile waits behind it.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_joining || self.is_reading_rights()
    }

    /// Goes on once messages of other nodes to these rooms reach this node: now, if they do already. What the client sends
    /// meanwhile waits, so that it is answered in its order.
    pub(super) fn when_reached(
        &mut self,
        places: Vec<Place>,
        context: &mut Context<Self>,
        then: impl FnOnce(&mut Self, Vec<Place>, &mut Context<Self>) + 'static,
    ) {
        let Some(reached) = self.sessions.rooms().all().until_reached(&places) else {
            return then(self, places, context);
        };
        self.is_joining = true;
        self.transport.outgoing().hold(true);
        context.spawn(reached.into_actor(self).map(|(), this, context| {
            this.when_fresh(context, |this, context| {
                this.is_joining = false;
                then(this, places, context);
                // What its user may do may have changed meanwhile.
                this.catch_up(context);
                if let Some(access) = this.in_rooms.as_mut().and_then(|rooms| rooms.newer.take()) {
                    this.renew(*access, context);
                }
                this.answer_backlog(context);
            });
        }));
    }
}
