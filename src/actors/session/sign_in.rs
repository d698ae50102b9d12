//! How a session signs in, renews its token, and joins namespaces.

use actix::{AsyncContext, Context};
use doorward_core::domain::{Access, SessionId};
use doorward_core::protocol::{CloseReason, NamespaceId, Payload, ReplyTo, ServerMessage, SessionInfo};
use doorward_core::session::{self, Effect, Unauthenticated};

use super::Session;
use crate::actors::transport::Transport;
use crate::auth::token_shape;
use crate::auth::tokens::TokenError;
use crate::rooms::Place;

/// The code of a token that is refused for good.
const INVALID: &str = "invalid_token";

impl<T: Transport> Session<T> {
    /// Checks a token that a message brings. `joins` is what the client brings into the namespace that it asks to join.
    pub(super) fn verify(
        &mut self,
        token: &str,
        to: ReplyTo,
        joins: Option<Payload>,
        context: &mut Context<Self>,
    ) {
        if joins.is_some() {
            self.transport.joining(to.namespace);
        }
        match (self.services.authenticate)(token) {
            Ok(access) => self.authenticated(access, to, joins, context),
            // A CONNECT without one: the token may be anywhere else.
            Err(_) if token.is_empty() && joins.is_some() => {
                let error = ServerMessage::error(to, "invalid_token", CloseReason::NoAuth.sentence());
                self.send(&error, context);
                self.close(CloseReason::NoAuth, context);
            }
            Err(error) => {
                let code = if token_shape::is_api_key(token) { token_shape::API_KEY } else { INVALID };
                let hint = token_shape::explain(token).filter(|_| error == TokenError::Invalid);
                let hint = hint.map(|sentence| (code, sentence));
                self.refuse_token_with(error, hint, to, context);
            }
        }
    }

    /// A token that has only expired is no reason to ask for the password: the client may fetch a new one.
    pub(super) fn refuse_token(&mut self, error: TokenError, to: ReplyTo, context: &mut Context<Self>) {
        self.refuse_token_with(error, None, to, context);
    }

    /// The same with a code and a sentence on what is wrong with the token.
    fn refuse_token_with(
        &mut self,
        error: TokenError,
        hint: Option<(&'static str, &'static str)>,
        to: ReplyTo,
        context: &mut Context<Self>,
    ) {
        let (code, reason) = match error {
            TokenError::Expired => ("token_expired", CloseReason::TokenExpired),
            TokenError::StaleClaims => ("token_stale", CloseReason::TokenStale),
            TokenError::StaleRevocations => ("unavailable", CloseReason::Overloaded),
            TokenError::Invalid | TokenError::Revoked(_) => (INVALID, CloseReason::Unauthorized),
        };
        let (code, sentence) = hint.unwrap_or((code, reason.sentence()));
        self.send(&ServerMessage::error(to, code, sentence), context);
        let signed_in = matches!(self.rules, Some(session::Session::Authenticated(_)));
        if matches!(error, TokenError::StaleRevocations | TokenError::StaleClaims) && signed_in {
            // The token that it has counts as before; it may bring another one, or this one again.
            return;
        }
        self.close(reason, context);
    }

    /// Joins an open namespace, or another one of a signed-in client.
    pub(super) fn join(&mut self, namespace: NamespaceId, payload: Payload, context: &mut Context<Self>) {
        self.transport.joining(namespace);
        match self.rules.take() {
            Some(session::Session::Unauthenticated(rules)) => {
                // It keeps its place among the sockets of its address that have not signed in.
                self.rules = Some(session::Session::Guest(rules.into_guest()));
                self.transport.signed_in();
                self.rearm(context);
            }
            rules => self.rules = rules,
        }
        let own = self.own_room_in(namespace);
        self.when_reached(own, context, move |this, own, context| {
            this.add_to(namespace);
            this.take_places(own, context);
            this.enter(namespace, payload, context);
        });
    }

    /// A place in the user's own room, if this is the namespace of rooms.
    fn own_room_in(&mut self, namespace: NamespaceId) -> Vec<Place> {
        let own = (namespace == NamespaceId::MAIN).then(|| self.enter_own_room());
        own.flatten().into_iter().collect()
    }

    fn add_to(&mut self, namespace: NamespaceId) {
        self.entered.retain(|entered| *entered != namespace);
        // In the first one it is known by the session's own id.
        let id = if self.transport.is_nowhere() { self.id } else { SessionId(self.services.clock.new_id()) };
        self.transport.joined(namespace, id, &self.services.events);
    }

    /// A newer token that the client did not have to ask for.
    pub(super) fn renew(&mut self, access: Access, context: &mut Context<Self>) {
        self.when_fresh(context, move |this, context| {
            match &mut this.in_rooms {
                // What waits is answered with the rights from before, and what follows from these comes after it.
                Some(rooms) if this.is_joining => rooms.newer = Some(Box::new(access)),
                _ => this.authenticated(access, ReplyTo::default(), None, context),
            }
        });
    }

    /// A token was good: signs in, or renews.
    pub(super) fn authenticated(
        &mut self,
        access: Access,
        to: ReplyTo,
        joins: Option<Payload>,
        context: &mut Context<Self>,
    ) {
        let now = self.services.clock.instant();
        match self.rules.take() {
            Some(session::Session::Unauthenticated(rules)) => self.enroll(rules, access, to, joins, context),
            Some(session::Session::Guest(guest)) => {
                self.enroll(guest.into_unauthenticated(now), access, to, joins, context);
            }
            Some(session::Session::Authenticated(rules)) => {
                self.take_newer(rules, access, to, joins, context);
            }
            None => {}
        }
    }

    /// The session is signed in already: its token is replaced.
    fn take_newer(
        &mut self,
        mut rules: session::Authenticated,
        access: Access,
        to: ReplyTo,
        joins: Option<Payload>,
        context: &mut Context<Self>,
    ) {
        let namespace = to.namespace;
        let (now, expires) =
            (self.services.clock.instant(), self.services.clock.instant_at(access.expires_at));
        let effect = rules.renew(access, expires, now, to);
        self.rules = Some(session::Session::Authenticated(rules));
        self.reevaluate_rooms(context);
        let is_added = joins.is_some() && !matches!(effect, Effect::Close(_));
        let own = if is_added { self.own_room_in(namespace) } else { Vec::new() };
        self.when_reached(own, context, move |this, own, context| {
            if is_added {
                this.add_to(namespace);
                this.take_places(own, context);
            }
            this.carry_out(effect, context);
            if let Some(payload) = joins {
                this.enter(namespace, payload, context);
            }
            this.rearm(context);
        });
    }

    /// Signs in: takes a place among the user's sessions, registers, and welcomes the client.
    fn enroll(
        &mut self,
        rules: Unauthenticated,
        access: Access,
        to: ReplyTo,
        joins: Option<Payload>,
        context: &mut Context<Self>,
    ) {
        let Some(live_rights) = self.services.revocations.access_changes().follow(&access) else {
            // There was a change since the token was checked.
            self.rules = Some(session::Session::Unauthenticated(rules));
            return self.refuse_token(TokenError::StaleClaims, to, context);
        };
        self.live_rights = Some(live_rights);
        let (now, expires) =
            (self.services.clock.instant(), self.services.clock.instant_at(access.expires_at));
        let (login, namespace) = (access.login, to.namespace);
        let info = self.info(&access);
        let (rules, welcome) = rules.sign_in(self.id, access, expires, now, to);
        self.rules = Some(session::Session::Authenticated(rules));
        // The manager checks the revocations once more when it registers the session: one that was added since the
        // token was checked closes it. Before the session counts: another node's list may close it from then on.
        self.sessions.register(self.id, Some(login), context.address().recipient());
        let Some(ticket) = self.sessions.directory().admit(info, self.pending.take()) else {
            return self.close(CloseReason::TooMany, context);
        };
        self.ticket = Some(ticket);
        self.transport.signed_in();
        if joins.is_some() {
            self.add_to(namespace);
        }
        let own = self.transport.is_in(NamespaceId::MAIN).then(|| self.enter_own_room()).flatten();
        self.when_reached(own.into_iter().collect(), context, move |this, own, context| {
            this.welcome(&welcome, own, joins.map(|payload| (namespace, payload)), context);
        });
    }

    /// Tells the client that it has signed in. From now on it is sent what comes to its user's room.
    fn welcome(
        &mut self,
        welcome: &ServerMessage,
        own: Vec<Place>,
        joins: Option<(NamespaceId, Payload)>,
        context: &mut Context<Self>,
    ) {
        self.send(welcome, context);
        // A change since the token was checked: its word to the managers may have come before this session.
        self.catch_up(context);
        self.take_places(own, context);
        match joins {
            Some((namespace, payload)) => self.enter(namespace, payload, context),
            None if T::JOINS_SILENTLY => self.enter(NamespaceId::MAIN, Payload::empty(), context),
            None => {}
        }
        self.rearm(context);
    }

    fn info(&self, access: &Access) -> SessionInfo {
        SessionInfo {
            id: self.id,
            user: access.user,
            login: access.login,
            transport: T::NAME,
            address: self.address,
            since: self.services.clock.now(),
        }
    }
}
