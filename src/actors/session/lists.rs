//! The lists of a user's live sessions: asked for, or sent whenever they change. Each is as long as there are sessions,
//! so what one session is sent is bounded.

use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::sync::watch;

use super::Session;
use crate::actors::transport::{Outgoing, Transport};
use doorward_core::domain::UserId;
use doorward_core::protocol::{ReplyTo, ServerMessage};
use doorward_core::session;

/// A session that watches is sent a list no sooner after the last one: changes in between come as one.
const PACE: Duration = Duration::from_secs(1);

/// Lists that a client may ask for at once. Each [`PACE`] there is one more.
const BURST: u8 = 8;

/// What a session was sent of lists.
pub(super) struct Lists {
    last: Instant,
    /// Requests that may still be answered, as counted at that moment.
    left: u8,
    counted: Instant,
    /// Changes are sent.
    watching: bool,
}

impl Lists {
    fn new(now: Instant) -> Self {
        Self { last: now, left: BURST, counted: now, watching: false }
    }

    /// Whether another request may be answered.
    fn take(&mut self, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.counted).as_secs() / PACE.as_secs();
        if more > 0 {
            self.left = BURST.min(self.left.saturating_add(u8::try_from(more).unwrap_or(u8::MAX)));
            self.counted = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

impl<T: Transport> Session<T> {
    /// Answers the list, unless the client has asked too often.
    pub(super) fn list_sessions(&mut self, to: ReplyTo, context: &mut Context<Self>) {
        if let Some(user) = self.user()
            && self.may_list(&to, context)
        {
            let gathered = self.sessions.all().until_gathered(user);
            self.when_ready(gathered, context, move |this, context| {
                let sessions = this.sessions.directory().of_user(user);
                this.send(&ServerMessage::Sessions { to, sessions }, context);
            });
        }
    }

    /// The same, and from now on whenever it changes.
    pub(super) fn watch_sessions(&mut self, to: ReplyTo, context: &mut Context<Self>) {
        let Some(user) = self.user() else { return };
        if !self.may_list(&to, context) {
            return;
        }
        let gathered = self.sessions.all().until_gathered(user);
        self.when_ready(gathered, context, move |this, context| this.begin_to_watch(user, to, context));
    }

    fn begin_to_watch(&mut self, user: UserId, to: ReplyTo, context: &mut Context<Self>) {
        // Before the list is read, so that no change falls between.
        let mut updates = self.sessions.directory().updates(user);
        let sessions = match &mut updates {
            Some(updates) => self.sessions.directory().latest(user, updates),
            None => self.sessions.directory().of_user(user),
        };
        self.send(&ServerMessage::Sessions { to, sessions }, context);
        if let (Some(updates), Some(lists)) = (updates, &mut self.lists)
            && !std::mem::replace(&mut lists.watching, true)
        {
            self.wait_for_updates(user, updates, context);
        }
    }

    fn user(&self) -> Option<UserId> {
        self.rules.as_ref().and_then(session::Session::access).map(|access| access.user)
    }

    fn may_list(&mut self, to: &ReplyTo, context: &mut Context<Self>) -> bool {
        let now = self.services.clock.instant();
        let lists = self.lists.get_or_insert_with(|| Box::new(Lists::new(now)));
        if lists.take(now) {
            lists.last = now;
            return true;
        }
        let detail = "ask for the list less often, or watch it";
        self.send(&ServerMessage::error(to.clone(), "too_many_requests", detail), context);
        false
    }

    fn wait_for_updates(&self, user: UserId, mut updates: watch::Receiver<()>, context: &mut Context<Self>) {
        let drained = self.transport.outgoing().drained();
        let wait = async move {
            updates.changed().await.ok()?;
            // A client that reads slowly gets fewer lists, not a longer queue of them.
            drained.await;
            Some(updates)
        };
        context.spawn(wait.into_actor(self).map(move |updates, this, context| {
            let Some(updates) = updates else { return };
            // A timer is made only where there is something to send, too soon after the last list.
            let due = this.lists.as_ref().map(|lists| lists.last + PACE);
            match due.filter(|due| *due > this.services.clock.instant()) {
                None => this.send_update(user, updates, context),
                Some(due) => {
                    let pause = this.services.clock.sleep_until(due).into_actor(this);
                    context
                        .spawn(pause.map(move |(), this, context| this.send_update(user, updates, context)));
                }
            }
        }));
    }

    fn send_update(&mut self, user: UserId, mut updates: watch::Receiver<()>, context: &mut Context<Self>) {
        self.when_fresh(context, move |this, context| {
            let sessions = this.sessions.directory().latest(user, &mut updates);
            this.send(&ServerMessage::Sessions { to: ReplyTo::default(), sessions }, context);
            if let Some(lists) = &mut this.lists {
                lists.last = this.services.clock.instant();
            }
            if this.closing.is_none() {
                this.wait_for_updates(user, updates, context);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn requests_are_answered_in_a_burst_and_then_at_the_pace() {
        let start = Clock::System.instant();
        let mut lists = Lists::new(start);
        let mut answered = |at: Duration| (0..100).filter(|_| lists.take(start + at)).count();
        assert_eq!(answered(Duration::ZERO), usize::from(BURST));
        assert_eq!(answered(PACE / 2), 0);
        assert_eq!(answered(PACE), 1);
        assert_eq!(answered(PACE * 3), 2);
        assert_eq!(answered(PACE * 3600), usize::from(BURST));
    }
}
