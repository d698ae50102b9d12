//! What a session does about rooms: it answers requests, and sends messages. `room_rights` has what it may.

mod by_app;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context};
use bytestring::ByteString;
use doorward_core::domain::Access;
use doorward_core::protocol::{CloseReason, NamespaceId, Payload, ReplyTo, ServerMessage};
use doorward_core::rooms::presence::Departure;
use doorward_core::rooms::{
    Author, Entered, JoinOne, JoinRequest, Refusal, RoomName, RoomRequest, SendRequest, TokenText, compact,
};
use doorward_core::session;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Session;
use super::in_rooms::Waiting;
use crate::actors::session_manager::ToSession;
use crate::actors::transport::Transport;
use crate::clock::rfc3339;
use crate::rooms::{Content, Place, Publication, Seat};

const NOT_SIGNED_IN: Refusal = Refusal::new("unauthorized", "sign in first");
pub(super) const BUSY: Refusal = Refusal::new("unavailable", "the server is busy: try again");
const ROOM_FULL: Refusal = Refusal::new("room_full", "the room is full");
pub(super) const BAD_DATA: Refusal = Refusal::new("bad_data", "`data` cannot be read by all clients");
const NO_ATTACHMENTS: Refusal =
    Refusal::new("bad_request", "messages to rooms cannot have binary attachments");

/// What a request was answered, and the rooms that are joined once the answer is on its way: nothing of a room comes before.
pub(super) struct Answer {
    name: &'static str,
    payload: Payload,
    places: Vec<Place>,
}

impl Answer {
    fn new(name: &'static str, fields: &Value) -> Self {
        // An object of names and numbers always is JSON.
        Self::written(name, Payload::new(fields).unwrap_or_default())
    }

    /// The fields are written already.
    pub(super) const fn written(name: &'static str, payload: Payload) -> Self {
        Self { name, payload, places: Vec::new() }
    }
}

impl<T: Transport> Session<T> {
    /// Answers what a client asks of rooms. False if the word is none of rooms. `has_attachments` is asked only if it is.
    pub(super) fn ask_rooms(
        &mut self,
        name: &str,
        to: &ReplyTo,
        (arguments, has_attachments): (&str, impl FnOnce() -> bool),
        context: &mut Context<Self>,
    ) -> bool {
        if !self.sessions.rooms().all().are_on() || to.namespace != NamespaceId::MAIN {
            return false;
        }
        let Some(request) = RoomRequest::read(name, arguments) else { return false };
        let refusal = match (request, self.access()) {
            (Err(refusal), _) => refusal,
            (Ok(_), None) => NOT_SIGNED_IN,
            (Ok(_), Some(_)) if has_attachments() => NO_ATTACHMENTS,
            (Ok(request), Some(access)) => {
                self.begin_in_rooms();
                match self.missing_rights(&request, &access) {
                    Ok(None) => self.answer_about_rooms(request, to, &access, context),
                    Ok(Some(missing)) => {
                        let (name, arguments) = (name.to_owned(), arguments.to_owned());
                        let waiting = Waiting { name, to: to.clone(), arguments };
                        self.read_rights(missing, context, |this, is_read, context| {
                            this.answer_waiting(is_read, waiting, context);
                        });
                    }
                    Err(refusal) => self.refuse_of_rooms(to.clone(), refusal, context),
                }
                return true;
            }
        };
        self.refuse_of_rooms(to.clone(), refusal, context);
        true
    }

    /// Answers a request of which the rows are read that it needs.
    pub(super) fn answer_about_rooms(
        &mut self,
        request: RoomRequest<'_>,
        to: &ReplyTo,
        access: &Access,
        context: &mut Context<Self>,
    ) {
        let joins = matches!(request, RoomRequest::Join(_));
        match self.do_in_rooms(request, access) {
            Ok(Answer { name, payload, places }) => {
                let reply =
                    ServerMessage::Reply { to: to.clone(), name: ByteString::from_static(name), payload };
                self.when_reached(places, context, move |this, places, context| {
                    this.send(&reply, context);
                    this.take_places(places, context);
                    if joins {
                        // A room that it had joined before may end at another time now.
                        this.rearm(context);
                    }
                });
            }
            Err(refusal) => self.refuse_of_rooms(to.clone(), refusal, context),
        }
    }

    pub(super) fn access(&self) -> Option<Arc<Access>> {
        self.rules.as_ref().and_then(session::Session::access).cloned()
    }

    fn do_in_rooms(&mut self, request: RoomRequest<'_>, access: &Access) -> Result<Answer, Refusal> {
        match request {
            RoomRequest::Join(JoinRequest::One(one)) => {
                let (place, fields) = self.enter_room(&one, access)?;
                Ok(Answer { places: place.into_iter().collect(), ..Answer::new("joined", &fields) })
            }
            RoomRequest::Join(JoinRequest::Several(rooms)) => {
                let (mut places, mut outcomes) = (Vec::new(), Vec::new());
                for one in &rooms {
                    outcomes.push(match self.enter_room(one, access) {
                        Ok((place, fields)) => {
                            places.extend(place);
                            fields
                        }
                        Err(refusal) => json!({"room": one.room, "error": fields_of(refusal)}),
                    });
                }
                Ok(Answer { places, ..Answer::new("joined", &json!({ "rooms": outcomes })) })
            }
            RoomRequest::Leave(leave) => {
                let room = self.in_rooms.get_or_insert_default().joined.leave(&leave.room)?;
                self.sessions.rooms().leave(&room, self.id);
                Ok(Answer::new("left", &json!({"room": room.as_str(), "code": "left"})))
            }
            RoomRequest::Send(send) => self.send_to_room(&send, access),
            RoomRequest::Presence(presence) => self.presence_in_room(&presence, access),
            RoomRequest::List => {
                let rooms = self.in_rooms.iter().flat_map(|rooms| rooms.joined.rooms());
                let rooms: Vec<_> = rooms.map(RoomName::as_str).collect();
                Ok(Answer::new("rooms", &json!({ "rooms": rooms })))
            }
        }
    }

    /// Joins a room, if the session may. It is sent nothing before it takes the place; there is none if it has it already.
    fn enter_room(&mut self, one: &JoinOne<'_>, access: &Access) -> Result<(Option<Place>, Value), Refusal> {
        let (kinds, now) = (self.sessions.rooms().all().kinds().clone(), self.services.clock.instant());
        let asked = (&*one.room, one.token.as_deref().map(TokenText));
        let Entered { room, kind, can, is_new, until } =
            self.with_rights(access, |rooms, who| rooms.joined.join(&kinds, asked, who, now))?;
        let rooms = self.sessions.rooms();
        let mut place = if is_new { rooms.enter(&room, &kind) } else { None };
        if is_new && place.is_none() {
            self.in_rooms.get_or_insert_default().joined.forget(&room);
            return Err(ROOM_FULL);
        }
        if !is_new {
            // Its right may last longer now.
            self.sessions.rooms().approve(&room, self.id, self.approval(access, &room));
        }
        let mut fields = json!({"room": room.as_str(), "can": can});
        if let Some(until) = until {
            fields["until"] = rfc3339(until).into();
        }
        match (&mut place, one.presence) {
            (_, None) => {}
            (Some(place), Some(wish)) => place.wish = wish,
            (None, Some(wish)) => self.sessions.rooms().wish(&room, self.id, wish),
        }
        Ok((place, fields))
    }

    /// From now on the session is sent what comes to these rooms, unless it has ended: then the places are given back.
    pub(super) fn take_places(&mut self, places: Vec<Place>, context: &mut Context<Self>) {
        if places.is_empty() || self.closing.is_some() {
            return;
        }
        let Some(access) = self.access() else { return };
        let Some(seat) = self.seat(&access, context) else { return };
        for place in places {
            let approval = self.approval(&access, place.room());
            self.sessions.rooms().join(place, &seat, approval);
        }
        self.rearm(context);
    }

    fn seat(&mut self, access: &Access, context: &Context<Self>) -> Option<Rc<Seat>> {
        let rights = Arc::clone(self.live_rights.as_ref()?);
        let rooms = self.in_rooms.get_or_insert_default();
        let (session, delivery, actor) = (self.id, self.transport.delivery(), context.address());
        let to_change = actor.clone();
        let seat = rooms.seat.get_or_insert_with(|| {
            Rc::new(Seat {
                session,
                user: access.user,
                username: access.username.clone(),
                login: access.login,
                rights,
                delivery,
                overflow: Box::new(move || actor.do_send(ToSession::Close(CloseReason::TooSlow))),
                changed: Box::new(move || to_change.do_send(ToSession::AccessChanged)),
            })
        });
        Some(Rc::clone(seat))
    }

    /// A place in the room in which the user is reached, if there are such and the user has signed in. A session that is
    /// beyond what the kind's `max_joined` allows is not reached, and goes on.
    pub(super) fn enter_own_room(&mut self) -> Option<Place> {
        let room = RoomName::of_user(self.access()?.user);
        let rooms = self.sessions.rooms();
        let place = rooms.enter(&room, &*rooms.all().kinds().of(&room)?)?;
        self.begin_in_rooms();
        Some(place)
    }

    fn send_to_room(&mut self, send: &SendRequest<'_>, access: &Access) -> Result<Answer, Refusal> {
        let rooms = self.sessions.rooms().all().clone();
        let data = compact(send.data.get())?;
        let sending = self.with_rights(access, |in_rooms, who| {
            in_rooms.joined.send(rooms.kinds(), &send.room, data.len(), who)
        })?;
        rooms.count_sent(access.user, &sending.room, &sending.kind).map_err(Refusal::later)?;
        // It was JSON before.
        let data = RawValue::from_string(data).map_err(|_| BAD_DATA)?;
        let (message, at) = (self.services.clock.new_id(), self.services.clock.now());
        let content = Content {
            room: sending.room.as_str(),
            message,
            at,
            from: Author::User { user: access.user, username: &access.username },
            event: send.event.as_deref(),
            key: send.key.as_deref(),
            data: &data,
        }
        .write();
        let fields = json!({"room": sending.room.as_str(), "message": message, "at": rfc3339(at)});
        let published = rooms.weigh(content.len()).and_then(|weight| {
            let publication = Publication::new(sending.room, sending.kind, Some(self.id), &content, weight);
            rooms.publish(publication, &content)
        });
        published.map_err(|_| {
            rooms.count_refused();
            BUSY
        })?;
        Ok(Answer::new("sent", &fields))
    }

    /// Leaves all rooms, at the session's end, or when a Socket.IO client leaves `/`, where rooms are.
    pub(super) fn leave_rooms(&mut self, departure: Departure) {
        let Some(rooms) = &mut self.in_rooms else { return };
        let own = rooms.seat.take().map(|seat| RoomName::of_user(seat.user));
        for room in rooms.joined.leave_all().into_iter().chain(own) {
            self.sessions.rooms().depart(&room, self.id, departure);
        }
    }

    pub(super) fn refuse_of_rooms(&mut self, to: ReplyTo, refusal: Refusal, context: &mut Context<Self>) {
        let error = ServerMessage::Error {
            to,
            code: refusal.code.into(),
            detail: refusal.detail.into(),
            retry_after_ms: refusal.retry_after.map(millis),
        };
        self.send(&error, context);
    }
}

fn fields_of(refusal: Refusal) -> Value {
    let mut fields = json!({"code": refusal.code, "detail": refusal.detail});
    if let Some(wait) = refusal.retry_after {
        fields["retry_after_ms"] = millis(wait).into();
    }
    fields
}

/// Rounded up: the wait is over then, not before.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
