//! How a session waits for other nodes before it answers: until their messages reach the rooms that it joins, or until they
//! have said which sessions its user has.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use futures_util::future::BoxFuture;

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
        let reached = self.sessions.rooms().all().until_reached(&places);
        self.when_ready(reached, context, |this, context| then(this, places, context));
    }

    /// Goes on once `ready` is: now, if it is none.
    pub(super) fn when_ready(
        &mut self,
        ready: Option<BoxFuture<'static, ()>>,
        context: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let Some(ready) = ready else {
            return then(self, context);
        };
        self.is_joining = true;
        self.transport.outgoing().hold(true);
        context.spawn(ready.into_actor(self).map(|(), this, context| {
            this.when_fresh(context, |this, context| {
                this.is_joining = false;
                then(this, context);
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
