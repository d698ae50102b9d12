//! How a session runs the application's handlers (`events`): it calls them, waits for those that wait, and sends what
//! they answer.

use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bytestring::ByteString;
use futures_util::FutureExt;

use super::Session;
use super::in_rooms::{AppAction, ForApp};
use crate::actors::transport::Transport;
use crate::events::{self, Answering, Emits, Reply};
use doorward_core::protocol::{NamespaceId, Payload, ReplyTo, ServerMessage};
use doorward_core::session;

/// Handlers of one session that may wait for something at the same time.
const MAX_HANDLING: usize = 64;

impl<T: Transport> Session<T> {
    /// Runs the handler that the namespace has for clients that join, once.
    pub(super) fn enter(&mut self, namespace: NamespaceId, payload: Payload, context: &mut Context<Self>) {
        if self.closing.is_some() {
            return;
        }
        let events = Arc::clone(&self.services.events);
        if let Some(handler) = events.get(namespace).connected()
            && !self.entered.contains(&namespace)
        {
            self.entered.push(namespace);
            let answering = handler(self.context(namespace), payload);
            self.await_answer(answering, ReplyTo::namespace(namespace), None, context);
        }
    }

    /// Lets the application's handler of `name` answer.
    pub(super) fn run(&mut self, name: &str, to: ReplyTo, payload: Payload, context: &mut Context<Self>) {
        let events = Arc::clone(&self.services.events);
        let Some((name, handler)) = events.get(to.namespace).find(name) else {
            let error = ServerMessage::error(to, "unknown_type", "unknown message type");
            return self.send(&error, context);
        };
        if T::JOINS_SILENTLY {
            self.enter(to.namespace, Payload::empty(), context);
        }
        let answering = handler(self.context(to.namespace), payload);
        self.await_answer(answering, to, Some(name), context);
    }

    fn context(&mut self, namespace: NamespaceId) -> events::Context {
        events::Context {
            session: self.id,
            transport: T::NAME,
            access: self.rules.as_ref().and_then(session::Session::access).cloned(),
            namespace,
            events: Arc::clone(&self.services.events),
            directory: self.sessions.directory().clone(),
            live_rights: self.live_rights.clone(),
            emits: self.emits.get_or_insert_default().clone(),
            rooms: self.sessions.rooms().all().publishing(),
            room_rights: Arc::clone(&self.services.room_rights),
        }
    }

    /// Most handlers have their answer at once; the others are waited for beside what else happens.
    fn await_answer(
        &mut self,
        mut answering: Answering,
        to: ReplyTo,
        name: Option<ByteString>,
        context: &mut Context<Self>,
    ) {
        if let Some(reply) = (&mut answering).now_or_never() {
            drop(answering);
            self.answered(reply, to, name, context);
        } else if self.handling.len() >= MAX_HANDLING {
            let error = ServerMessage::error(to, "too_many_requests", "wait for earlier answers first");
            self.send(&error, context);
        } else {
            self.handlers_begun = self.handlers_begun.wrapping_add(1);
            let number = self.handlers_begun;
            let handler = context.spawn(answering.into_actor(self).map(move |reply, this, context| {
                this.handling.retain(|(handler, _)| *handler != number);
                this.when_fresh(context, move |this, context| this.answered(reply, to, name, context));
            }));
            self.handling.push((number, handler));
        }
        let Some(emits) = &self.emits else { return };
        if !emits.is_shared() {
            // The handler may have sent something between its answer and its end.
            self.send_emits(context);
        } else if !std::mem::replace(&mut self.watching_emits, true) {
            // A clone of the handler's context may send more at any time.
            self.wait_for_emits(emits.clone(), context);
        }
    }

    fn wait_for_emits(&self, emits: Emits, context: &mut Context<Self>) {
        let wait = std::future::poll_fn(move |context| emits.poll_waiting(context));
        context.spawn(wait.into_actor(self).map(|(), this, context| {
            this.when_fresh(context, |this, context| {
                this.send_emits(context);
                if this.closing.is_none()
                    && let Some(emits) = &this.emits
                {
                    this.wait_for_emits(emits.clone(), context);
                }
            });
        }));
    }

    fn send_emits(&mut self, context: &mut Context<Self>) {
        let Some(emits) = &self.emits else { return };
        for command in emits.take() {
            if self.closing.is_some() {
                return;
            }
            match command {
                events::Command::Emit(events::Emit { namespace, name, payload }) => {
                    self.send(&ServerMessage::Event { namespace, name, payload }, context);
                }
                events::Command::JoinRoom { room, done } => {
                    self.do_for_app(ForApp { action: AppAction::Join, room, done }, context);
                }
                events::Command::LeaveRoom { room, done } => {
                    self.do_for_app(ForApp { action: AppAction::Leave, room, done }, context);
                }
            }
        }
    }

    /// A handler of `name`, or of joining a namespace, has ended.
    fn answered(&mut self, reply: Reply, to: ReplyTo, name: Option<ByteString>, context: &mut Context<Self>) {
        self.send_emits(context);
        if self.closing.is_some() {
            return;
        }
        let message = match (reply, name) {
            (Reply::Event(payload), Some(name)) => ServerMessage::Reply { to, name, payload },
            (Reply::Acknowledge(payload), Some(name)) => ServerMessage::Acknowledge { to, name, payload },
            // The client waits for an answer.
            (Reply::Nothing, Some(name)) => {
                ServerMessage::Acknowledge { to, name, payload: Payload::empty() }
            }
            (Reply::Error(events::Error { code, detail }), _) => {
                ServerMessage::Error { to, code, detail, retry_after_ms: None }
            }
            (_, None) => return,
        };
        self.send(&message, context);
    }
}
