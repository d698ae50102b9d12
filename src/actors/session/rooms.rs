//! What a session does about rooms: it answers requests, sends messages, and leaves rooms whose right has ended.

use std::rc::Rc;
use std::sync::Arc;

use actix::{AsyncContext, Context};
use bytestring::ByteString;
use doorward_core::domain::Access;
use doorward_core::protocol::{NamespaceId, Payload, ReplyTo, ServerMessage};
use doorward_core::rooms::{
    JoinRequest, Member as Who, Operation, Refusal, RoomName, RoomRequest, SendRequest,
};
use doorward_core::session;
use serde::Serialize;
use serde_json::{Value, json};

use super::Session;
use crate::actors::session_manager::ToSession;
use crate::actors::transport::Transport;
use crate::rooms::{Content, From, Member, Publication};
use doorward_core::protocol::CloseReason;

const NOT_SIGNED_IN: Refusal = Refusal::new("unauthorized", "sign in first");
const BUSY: Refusal = Refusal::new("unavailable", "too many messages are under way: try again");
const ROOM_FULL: Refusal = Refusal::new("room_full", "as many sessions have joined this room as may");

/// What a request was answered, and the rooms that are joined once the answer is on its way: nothing of a room comes before.
struct Answer {
    name: &'static str,
    fields: Value,
    joined: Vec<RoomName>,
}

impl Answer {
    const fn new(name: &'static str, fields: Value) -> Self {
        Self { name, fields, joined: Vec::new() }
    }
}

impl<T: Transport> Session<T> {
    /// Answers what a client asks of rooms. False if the word is none of rooms.
    pub(super) fn ask_rooms(
        &mut self,
        name: &str,
        to: &ReplyTo,
        arguments: &str,
        context: &mut Context<Self>,
    ) -> bool {
        if !self.sessions.rooms().all().are_on() || to.namespace != NamespaceId::MAIN {
            return false;
        }
        let Some(request) = RoomRequest::read(name, arguments) else { return false };
        let access = self.rules.as_ref().and_then(session::Session::access).cloned();
        let answer = match (request, access) {
            (Err(refusal), _) => Err(refusal),
            (Ok(_), None) => Err(NOT_SIGNED_IN),
            (Ok(request), Some(access)) => self.do_in_rooms(request, &access),
        };
        match answer {
            Ok(Answer { name, fields, joined }) => {
                self.reply_of_rooms(to.clone(), name, &fields, context);
                for room in joined {
                    self.join_room(room, context);
                }
            }
            Err(refusal) => self.refuse_of_rooms(to.clone(), refusal, context),
        }
        true
    }

    fn do_in_rooms(&mut self, request: RoomRequest<'_>, access: &Access) -> Result<Answer, Refusal> {
        match request {
            RoomRequest::Join(JoinRequest::One(room)) => {
                let (room, fields) = self.enter_room(&room, access)?;
                Ok(Answer { joined: vec![room], ..Answer::new("joined", fields) })
            }
            RoomRequest::Join(JoinRequest::Several(rooms)) => {
                let mut joined = Vec::new();
                let outcomes = rooms.iter().map(|name| match self.enter_room(name, access) {
                    Ok((room, fields)) => {
                        joined.push(room);
                        fields
                    }
                    Err(refusal) => json!({"room": name, "error": fields_of(refusal)}),
                });
                let outcomes: Vec<_> = outcomes.collect();
                Ok(Answer { joined, ..Answer::new("joined", json!({ "rooms": outcomes })) })
            }
            RoomRequest::Leave(leave) => {
                let room = self.joined.get_or_insert_default().leave(&leave.room)?;
                self.sessions.rooms().leave(&room, self.id);
                Ok(Answer::new("left", json!({"room": room.as_str(), "code": "left"})))
            }
            RoomRequest::Send(send) => self.send_to_room(&send, access),
            RoomRequest::List => {
                let rooms = self.joined.iter().flat_map(|joined| joined.rooms());
                let rooms: Vec<_> = rooms.map(RoomName::as_str).collect();
                Ok(Answer::new("rooms", json!({ "rooms": rooms })))
            }
        }
    }

    /// Takes a place in a room, if the session may. It is sent nothing yet.
    fn enter_room(&mut self, name: &str, access: &Access) -> Result<(RoomName, Value), Refusal> {
        let rooms = self.sessions.rooms().clone();
        let now = self.services.clock.instant();
        let joined = self.joined.get_or_insert_default();
        let (room, kind, can) = joined.join(rooms.all().kinds(), name, who(access), now)?;
        if !rooms.enter(&room, &kind, self.id) {
            joined.forget(&room);
            return Err(ROOM_FULL);
        }
        let can: Vec<_> = can.into_iter().map(Operation::name).collect();
        let fields = json!({"room": room.as_str(), "can": can});
        Ok((room, fields))
    }

    /// From now on the session is sent what comes to the room.
    fn join_room(&mut self, room: RoomName, context: &Context<Self>) {
        let (Some(access), Some(rights)) =
            (self.rules.as_ref().and_then(session::Session::access), &self.live_rights)
        else {
            return;
        };
        if self.closing.is_some() {
            // The answer did not fit, and the session has ended: it has left all of its rooms.
            return;
        }
        let actor = context.address();
        let overflow = Rc::new(move || actor.do_send(ToSession::Close(CloseReason::TooSlow)));
        let member = Member {
            user: access.user,
            login: access.login,
            rights: Arc::clone(rights),
            version: access.rights.version,
            delivery: self.transport.delivery(),
            overflow,
        };
        self.sessions.rooms().join(room, self.id, member);
    }

    fn send_to_room(&mut self, send: &SendRequest<'_>, access: &Access) -> Result<Answer, Refusal> {
        let rooms = self.sessions.rooms().all().clone();
        let now = self.services.clock.instant();
        let joined = self.joined.get_or_insert_default();
        let bytes = send.data.get().len();
        let sending = joined.send(rooms.kinds(), &send.room, bytes, who(access), now)?;
        let (message, at) = (self.services.clock.new_id(), self.services.clock.now());
        let content = Content {
            room: sending.room.as_str(),
            message,
            at,
            from: From { user: access.user, username: &access.username },
            event: send.event.as_deref(),
            key: send.key.as_deref(),
            data: send.data,
        }
        .write();
        let fields =
            json!({"room": sending.room.as_str(), "message": message, "at": crate::clock::rfc3339(at)});
        let (room, user) = (sending.room.clone(), sending.room.user());
        let publication = Publication::new(sending.room, sending.kind, Some(self.id), &content);
        match user {
            Some(user) => {
                self.sessions.all().send_to_user(user, Arc::new(publication));
                rooms.relay(&room, &content);
            }
            None => rooms.publish(publication, &content).map_err(|_| BUSY)?,
        }
        Ok(Answer::new("sent", fields))
    }

    /// Leaves the rooms that the session's roles do not allow any more.
    pub(super) fn reevaluate_rooms(&mut self, context: &mut Context<Self>) {
        let Some(access) = self.rules.as_ref().and_then(session::Session::access).cloned() else { return };
        let Some(joined) = &mut self.joined else { return };
        let version = access.rights.version;
        let lost = joined.reevaluate(who(&access));
        let kept: Vec<_> = joined.rooms().cloned().collect();
        for room in &kept {
            self.sessions.rooms().approve(room, self.id, version);
        }
        for room in lost {
            self.sessions.rooms().leave(&room, self.id);
            let reason = "your roles do not allow this room any more";
            let fields =
                json!({"room": room.as_str(), "code": "policy", "reason": reason, "rejoin": "never"});
            self.push_of_rooms("left", &fields, context);
        }
    }

    /// Leaves all rooms, at the session's end.
    pub(super) fn leave_rooms(&mut self) {
        for room in self.joined.take().iter().flat_map(|joined| joined.rooms()) {
            self.sessions.rooms().leave(room, self.id);
        }
    }

    /// A message to the user, from another session.
    pub(super) fn hear(&mut self, publication: &Arc<Publication>, context: &mut Context<Self>) {
        if publication.sender == Some(self.id) {
            return;
        }
        let publication = Arc::clone(publication);
        self.when_fresh(context, move |this, context| {
            let delivered = publication.deliver(&*this.transport.delivery(), &this.services.events);
            if !delivered && !publication.kind.lossy {
                this.close(CloseReason::TooSlow, context);
            }
        });
    }

    fn reply_of_rooms<V: Serialize>(
        &mut self,
        to: ReplyTo,
        name: &'static str,
        fields: &V,
        context: &mut Context<Self>,
    ) {
        // Names and numbers are always JSON.
        let payload = Payload::new(fields).unwrap_or_default();
        let name = ByteString::from_static(name);
        self.send(&ServerMessage::Reply { to, name, payload }, context);
    }

    fn push_of_rooms(&mut self, name: &'static str, fields: &Value, context: &mut Context<Self>) {
        let payload = Payload::new(fields).unwrap_or_default();
        let event = ServerMessage::Event {
            namespace: NamespaceId::MAIN,
            name: ByteString::from_static(name),
            payload,
        };
        self.send(&event, context);
    }

    fn refuse_of_rooms(&mut self, to: ReplyTo, refusal: Refusal, context: &mut Context<Self>) {
        let retry_after_ms = refusal.retry_after.map(millis);
        let error = ServerMessage::Error {
            to,
            code: refusal.code.into(),
            detail: refusal.detail.into(),
            retry_after_ms,
        };
        self.send(&error, context);
    }
}

fn who(access: &Access) -> Who<'_> {
    Who { user: access.user, roles: &access.rights.roles }
}

fn fields_of(refusal: Refusal) -> Value {
    let mut fields = json!({"code": refusal.code, "detail": refusal.detail});
    if let Some(wait) = refusal.retry_after {
        fields["retry_after_ms"] = millis(wait).into();
    }
    fields
}

/// Rounded up: the wait is over then, not before.
fn millis(wait: std::time::Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
