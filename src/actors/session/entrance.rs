//! How a session comes in, renews, and is let into namespaces.

use actix::AsyncContext;

use super::Session;
use crate::actors::transport::Transport;
use crate::auth::token_shape;
use crate::auth::tokens::TokenError;
use doorward_core::domain::{Access, SessionId};
use doorward_core::protocol::{
    ClientMessage, CloseReason, NamespaceId, Payload, ReplyTo, Request, ServerMessage, SessionInfo,
};
use doorward_core::session::{self, Effect};

impl<C: Transport> Session<C> {
    pub(super) fn verify(&mut self, raw: &C::Message, message: ClientMessage<'_>, context: &mut C::Context) {
        let (token, joins) = match message.request {
            Request::Auth { token } => (Some(token), None),
            Request::Join { token, arguments, .. } => (token, Some(C::payload(raw, arguments))),
            Request::Event { .. } | Request::Invalid { .. } | Request::Nothing => return,
        };
        let token = token.as_deref().unwrap_or_default();
        match (self.services.authenticate)(token) {
            Ok(access) => self.admitted(access, message.to, joins, context),
            // A CONNECT without one: the token may be anywhere else.
            Err(_) if token.is_empty() && joins.is_some() => {
                let error = ServerMessage::error(message.to, "invalid_token", CloseReason::NoAuth.sentence());
                self.send(&error, context);
                self.close(CloseReason::NoAuth, context);
            }
            Err(error) => {
                let hint = token_shape::explain(token).filter(|_| error == TokenError::Invalid);
                self.refuse_token_with(error, hint, message.to, context);
            }
        }
    }

    /// A token that has only expired is no reason to ask for the password: the client may fetch a new one.
    pub(super) fn refuse_token(&mut self, error: TokenError, to: ReplyTo, context: &mut C::Context) {
        self.refuse_token_with(error, None, to, context);
    }

    /// The same with a sentence on what is wrong with the token.
    fn refuse_token_with(
        &mut self,
        error: TokenError,
        hint: Option<&'static str>,
        to: ReplyTo,
        context: &mut C::Context,
    ) {
        let (code, reason) = match error {
            TokenError::Expired => ("token_expired", CloseReason::TokenExpired),
            TokenError::StaleRevocations => ("unavailable", CloseReason::Overloaded),
            TokenError::Invalid | TokenError::Revoked(_) => ("invalid_token", CloseReason::Unauthorized),
        };
        self.send(&ServerMessage::error(to, code, hint.unwrap_or(reason.sentence())), context);
        if error == TokenError::StaleRevocations
            && matches!(self.rules, Some(session::Session::Authenticated(_)))
        {
            // The token that it has counts as before; it may bring this one again.
            return;
        }
        self.close(reason, context);
    }

    /// Into an open namespace, or into another one of whoever is in.
    pub(super) fn join(&mut self, raw: &C::Message, message: &ClientMessage<'_>, context: &mut C::Context) {
        let Request::Join { arguments, .. } = message.request else { return };
        if let Some(session::Session::Unauthenticated(_)) = self.rules
            && let Some(session::Session::Unauthenticated(unauthenticated)) = self.rules.take()
        {
            // It keeps its place among those of its address that have not signed in.
            self.rules = Some(session::Session::Guest(unauthenticated.let_in()));
            self.transport.signed_in();
            self.rearm(context);
        }
        self.let_into(message.to.namespace);
        self.enter(message.to.namespace, C::payload(raw, arguments), context);
    }

    fn let_into(&mut self, namespace: NamespaceId) {
        // In the first one it is known by the session's own id.
        self.entered.retain(|entered| *entered != namespace);
        let id = if self.transport.is_nowhere() { self.id } else { SessionId(self.services.clock.new_id()) };
        self.transport.joined(namespace, id, &self.services.events);
    }

    /// A newer token that the client did not have to ask for.
    pub fn renew(&mut self, access: Access, context: &mut C::Context) {
        self.when_fresh(context, move |this, context| {
            this.admitted(access, ReplyTo::default(), None, context);
        });
    }

    /// A token was good: sign in, or renew. With what a client brings into the namespace that it joins.
    pub(super) fn admitted(
        &mut self,
        access: Access,
        to: ReplyTo,
        joins: Option<Payload>,
        context: &mut C::Context,
    ) {
        let now = self.services.clock.instant();
        let expires = self.services.clock.instant_at(access.expires_at);
        let namespace = to.namespace;
        let unauthenticated = match self.rules.take() {
            Some(session::Session::Unauthenticated(unauthenticated)) => unauthenticated,
            Some(session::Session::Guest(guest)) => guest.into_stranger(now),
            Some(session::Session::Authenticated(mut rules)) => {
                let effect = rules.renew(access, expires, now, to);
                self.rules = Some(session::Session::Authenticated(rules));
                if joins.is_some() && !matches!(effect, Effect::Close(_)) {
                    self.let_into(namespace);
                }
                self.carry_out(effect, context);
                if let Some(payload) = joins {
                    self.enter(namespace, payload, context);
                }
                return self.rearm(context);
            }
            None => return,
        };
        let info = SessionInfo {
            id: self.id,
            user: access.user,
            login: access.login,
            transport: C::NAME,
            address: self.address,
            since: self.services.clock.now(),
        };
        let login = access.login;
        let (rules, welcome) = unauthenticated.sign_in(self.id, access, expires, now, to);
        self.rules = Some(session::Session::Authenticated(rules));
        let Some(ticket) = self.sessions.directory().admit(info, self.waiting.take()) else {
            self.close(CloseReason::TooMany, context);
            return;
        };
        self.ticket = Some(ticket);
        self.waiting = None;
        self.transport.signed_in();
        if joins.is_some() {
            self.let_into(namespace);
        }
        // The manager looks at the revocations once more when it registers the session: one that
        // came since the token was checked closes it.
        self.sessions.register(self.id, Some(login), context.address().recipient());
        self.send(&welcome, context);
        match joins {
            Some(payload) => self.enter(namespace, payload, context),
            None if C::JOINS_SILENTLY => self.enter(NamespaceId::MAIN, Payload::empty(), context),
            None => {}
        }
        self.rearm(context);
    }
}
