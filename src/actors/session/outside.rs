//! What a session is told from outside: to end, a newer token, and changes of the user's roles and claims.

use actix::{Context, Handler};

use super::{Renew, Session};
use crate::actors::session_manager::ToSession;
use crate::actors::transport::Transport;
use doorward_core::session;

impl<T: Transport> Session<T> {
    /// Takes over the user's newest roles and claims, and tells the client of them. Before each message is answered, so
    /// that no request runs with the roles from before a change; but not before an answer that waits. Costs a load if there
    /// was none.
    pub(super) fn catch_up(&mut self, context: &mut Context<Self>) {
        if self.is_joining {
            return;
        }
        if let (Some(session::Session::Authenticated(rules)), Some(live)) =
            (&mut self.rules, &self.live_rights)
            && let Some(rights) = live.newer_than(rules.access().rights.version)
        {
            let effect = rules.set_rights(rights);
            self.carry_out(effect, context);
            self.reevaluate_rooms(context);
        }
    }
}

impl<T: Transport> Handler<ToSession> for Session<T> {
    type Result = ();

    fn handle(&mut self, message: ToSession, context: &mut Self::Context) {
        match message {
            ToSession::Close(reason) => self.close(reason, context),
            ToSession::Revoked(reason, at) => {
                // It may have noticed by itself.
                let noticed = self.closing.is_none_or(|closing| closing == reason.into());
                if let Some(at) = at.filter(|_| noticed) {
                    self.services.metrics.revoked(self.services.clock.now() - at);
                }
                self.close(reason.into(), context);
            }
            ToSession::AccessChanged => self.when_fresh(context, Self::catch_up),
        }
    }
}

impl<T: Transport> Handler<Renew> for Session<T> {
    type Result = ();

    fn handle(&mut self, Renew(access): Renew, context: &mut Context<Self>) {
        self.renew(access, context);
    }
}
