//! Rooms that the application's handlers join and leave for the session. One after the other, and none while an answer to
//! the client waits: so what the client is told of a room comes in the order in which it is done.

use actix::Context;
use doorward_core::protocol::NamespaceId;
use doorward_core::rooms::{Entered, Refusal};
use serde_json::{Value, json};

use super::super::Session;
use super::super::in_rooms::{AppAction, ForApp};
use super::super::room_rights::UNAVAILABLE;
use super::{BUSY, NOT_SIGNED_IN, ROOM_FULL};
use crate::actors::transport::Transport;
use crate::events::Done;
use crate::rooms::Place;

const NOT_THERE: Refusal =
    Refusal::new("unauthorized", "the session is not in the namespace /, where rooms are");

/// What may wait behind an answer. A handler that waits for each needs one place.
const WAITING: usize = 1000;

impl<T: Transport> Session<T> {
    pub(in super::super) fn do_for_app(&mut self, asked: ForApp, context: &mut Context<Self>) {
        // Not for a handler that has ended meanwhile.
        if asked.done.is_closed() {
            return;
        }
        self.begin_in_rooms();
        let waiting = &mut self.in_rooms.get_or_insert_default().for_app;
        if waiting.len() >= WAITING {
            let _ = asked.done.send(Err(BUSY.into()));
            return;
        }
        waiting.push_back(asked);
        self.go_on_for_app(context);
    }

    /// Does what waits, unless an answer waits that goes first: then this is called again after it.
    pub(in super::super) fn go_on_for_app(&mut self, context: &mut Context<Self>) {
        while !self.is_waiting()
            && self.closing.is_none()
            && let Some(ForApp { action, room, done }) =
                self.in_rooms.as_mut().and_then(|rooms| rooms.for_app.pop_front())
        {
            match action {
                AppAction::Join => self.join_for_app(room, done, context),
                AppAction::Leave => self.leave_for_app(&room, done, context),
            }
        }
    }

    fn join_for_app(&mut self, room: String, done: Done, context: &mut Context<Self>) {
        // What has ended before must not end what is joined now.
        self.catch_up(context);
        match self.missing_rights_for_app(&room) {
            _ if self.closing.is_some() => {}
            None => self.enter_for_app(&room, done, context),
            Some(missing) => self.read_rights(missing, context, move |this, is_read, context| {
                if is_read {
                    this.enter_for_app(&room, done, context);
                } else {
                    let _ = done.send(Err(UNAVAILABLE.into()));
                }
            }),
        }
    }

    fn enter_for_app(&mut self, room: &str, done: Done, context: &mut Context<Self>) {
        let (place, fields) = match self.place_for_app(room) {
            Ok(Some(entered)) => entered,
            outcome => {
                let _ = done.send(outcome.map(drop).map_err(Into::into));
                return;
            }
        };
        self.when_reached(vec![place], context, move |this, places, context| {
            this.push("joined", &fields, context);
            this.take_places(places, context);
            let _ = done.send(Ok(()));
        });
    }

    /// A place in the room, and what the client is told. None if it has joined the room before.
    fn place_for_app(&mut self, room: &str) -> Result<Option<(Place, Value)>, Refusal> {
        let access = self.access().ok_or(NOT_SIGNED_IN)?;
        if !self.transport.is_in(NamespaceId::MAIN) {
            return Err(NOT_THERE);
        }
        let kinds = self.sessions.rooms().all().kinds().clone();
        let Entered { room, kind, can, is_new, .. } =
            self.with_rights(&access, |rooms, who| rooms.joined.join_by_app(&kinds, room, who))?;
        let rooms = self.sessions.rooms();
        if !is_new {
            rooms.approve(&room, self.id, self.approval(&access, &room));
            return Ok(None);
        }
        let Some(place) = rooms.enter(&room, &kind) else {
            self.in_rooms.get_or_insert_default().joined.forget(&room);
            return Err(ROOM_FULL);
        };
        Ok(Some((place, json!({"room": room.as_str(), "can": can, "by": "app"}))))
    }

    fn leave_for_app(&mut self, room: &str, done: Done, context: &mut Context<Self>) {
        let outcome = self.in_rooms.get_or_insert_default().joined.leave(room);
        if let Ok(room) = &outcome {
            self.sessions.rooms().leave(room, self.id);
            let reason = "the application has ended this";
            let fields =
                json!({"room": room.as_str(), "code": "removed", "reason": reason, "rejoin": "never"});
            self.push("left", &fields, context);
            self.rearm(context);
        }
        let _ = done.send(outcome.map(drop).map_err(Into::into));
    }
}
