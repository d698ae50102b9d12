//! What a session does while its process does not know who is still signed in: it was stopped, or its database is
//! away. What it would send or answer waits, and what was revoked meanwhile gets nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::Session;
use crate::actors::transport::{Outgoing, Transport};
use crate::auth::tokens::TokenError;
use crate::directory::freshness::FreshnessState;
use doorward_core::domain::Access;
use doorward_core::protocol::ReplyTo;
use doorward_core::session;

impl<T: Transport> Session<T> {
    /// What is known of the sign-in that this session rests on. A guest's rests on none.
    pub(super) fn freshness_state(&self) -> FreshnessState {
        match self.rules {
            Some(session::Session::Guest(_)) => FreshnessState::Fresh,
            _ => self.services.revocations.freshness().state(),
        }
    }

    /// It is signed in, and may have been signed out without this process knowing.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self.rules, Some(session::Session::Authenticated(_)))
            && self.freshness_state() == FreshnessState::Stale
    }

    /// For a process that has just learned what it missed: the manager's word for it may still be on its way.
    pub(super) fn close_if_revoked(&mut self, context: &mut Context<Self>) -> bool {
        let login = self.rules.as_ref().and_then(session::Session::access).map(|access| access.login);
        let ended = login.and_then(|login| self.services.revocations.get(login));
        if let Some(reason) = ended {
            self.close(reason.into(), context);
        }
        ended.is_some()
    }

    /// Does something that the client will see: now, or once it is known that it is still signed in.
    pub(super) fn when_fresh(
        &mut self,
        context: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        if self.closing.is_some() {
            return;
        }
        if self.is_stale() {
            let revocations = Arc::clone(&self.services.revocations);
            let wait = async move { revocations.freshness().until_fresh().await };
            // Asked again: the process may have been stopped since.
            context.spawn(wait.into_actor(self).map(|(), this, context| this.when_fresh(context, then)));
        } else if self.freshness_state() != FreshnessState::Regained || !self.close_if_revoked(context) {
            then(self, context);
        }
    }

    /// What waits in the backlog is answered once earlier answers are read and it is known who is signed in. A
    /// client that brings a token with its first message is not kept waiting for long: it can go elsewhere.
    pub(super) fn wait_to_answer(&self, context: &mut Context<Self>) {
        let (drained, revocations) =
            (self.transport.outgoing().drained(), Arc::clone(&self.services.revocations));
        let is_unauthenticated = matches!(self.rules, Some(session::Session::Unauthenticated(_)));
        let is_guest = matches!(self.rules, Some(session::Session::Guest(_)));
        let wait = async move {
            drained.await;
            if is_unauthenticated {
                revocations.freshness().until_fresh_or_timeout().await;
            } else if !is_guest {
                revocations.freshness().until_fresh().await;
            }
        };
        context.spawn(wait.into_actor(self).map(|(), this, context| this.answer_backlog(context)));
    }

    pub(super) fn answer_backlog(&mut self, context: &mut Context<Self>) {
        // An answer that waits goes first, and comes back here.
        if self.is_waiting() || self.close_if_revoked(context) {
            return;
        }
        self.go_on_for_app(context);
        // What it sent meanwhile has not been read yet.
        self.record_activity();
        while !self.transport.outgoing().congested()
            && !self.is_stale()
            && !self.is_waiting()
            && let Some(message) = self.backlog.pop_front()
        {
            if self.closing.is_some() {
                self.backlog.clear();
                return;
            }
            self.answer(&message, context);
        }
        if self.is_waiting() {
            return;
        }
        if self.backlog.is_empty() {
            // It keeps no room for the next time.
            self.backlog = VecDeque::new();
            self.transport.outgoing().hold(false);
        } else {
            self.wait_to_answer(context);
        }
    }

    /// A token was good at the handshake. If the process was stopped since, that is asked again.
    pub(super) fn enter_signed_in(&mut self, access: Access, context: &mut Context<Self>) {
        if self.services.revocations.freshness().is_fresh() {
            return self.authenticated(access, ReplyTo::default(), None, context);
        }
        let revocations = Arc::clone(&self.services.revocations);
        let wait = async move {
            revocations.freshness().until_fresh_or_timeout().await;
            (revocations.get(access.login), revocations.freshness().is_fresh(), access)
        };
        context.spawn(wait.into_actor(self).map(|(ended, is_fresh, access), this, context| match ended {
            Some(reason) => this.close(reason.into(), context),
            None if is_fresh => this.authenticated(access, ReplyTo::default(), None, context),
            None => this.refuse_token(TokenError::StaleRevocations, ReplyTo::default(), context),
        }));
    }
}
