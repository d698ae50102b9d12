//! What a session may do in rooms: it reads the rows that it needs before it answers, leaves rooms whose right has ended, and
//! says beforehand that one ends.
//!
//! What rows say is held for each user who is connected (`directory::room_rights`). So nothing here asks the database for a
//! message to a room that was joined: the bans and the membership were read for the join, and are kept current.

use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bytestring::ByteString;
use doorward_core::domain::Access;
use doorward_core::protocol::{NamespaceId, Payload, ServerMessage};
use doorward_core::rooms::{
    Cause, JoinRequest, Lost, Member as Who, PresenceRequest, Refusal, RoomName, RoomRequest,
};
use serde_json::json;

use super::Session;
use super::in_rooms::{InRooms, Seen, Waiting};
use crate::actors::transport::{Outgoing, Transport};
use crate::clock::rfc3339;
use crate::rooms::Approval;

pub(super) const UNAVAILABLE: Refusal =
    Refusal::new("unavailable", "the rights to rooms cannot be read: try again");

/// How often it looks for what ends while it is not known what has changed.
const WHILE_STALE: Duration = Duration::from_secs(1);

impl<T: Transport> Session<T> {
    /// What a worker thread has to know to hand the session messages of a room.
    pub(super) fn approval(&self, access: &Access, room: &RoomName) -> Approval {
        let rooms = self.in_rooms.as_ref();
        let seen = rooms.map(|rooms| rooms.seen).unwrap_or_default();
        Approval {
            version: access.rights.version,
            expires_at: access.expires_at,
            rooms: seen.rooms,
            until: rooms.and_then(|rooms| rooms.joined.until(room)),
            closings: seen.closings,
            token: rooms.and_then(|rooms| rooms.joined.token(room)).cloned(),
            tokens: seen.tokens,
            by_app: rooms.is_some_and(|rooms| rooms.joined.is_by_app(room)),
        }
    }

    /// Does something with who the session is, as the roles and rows are now.
    pub(super) fn with_rights<R>(
        &mut self,
        access: &Access,
        act: impl FnOnce(&mut InRooms, Who<'_>) -> R,
    ) -> R {
        let all = self.sessions.rooms().all().clone();
        let (now, live) = (self.services.clock.now(), self.live_rights.clone());
        let rooms = self.in_rooms.get_or_insert_default();
        let seen = rooms.seen;
        let standing = |room: &RoomName| {
            let standing = live.as_ref().map(|live| live.rooms().standing(room, seen.rooms, now));
            let mut standing = standing.unwrap_or_default();
            standing.closed = all.last_closing(room) > seen.closings;
            standing
        };
        let (user, roles, tokens) = (access.user, &access.rights.roles, &all.tokens_at(now));
        act(rooms, Who { user, roles, standing: &standing, tokens })
    }

    /// Leaves the rooms that the session may not be in any more, if that may have changed since it last looked. Before each
    /// request, so that none is answered by what was true before a change. Costs two loads if there was none.
    pub(super) fn catch_up_with_rooms(&mut self, context: &mut Context<Self>) {
        if self.in_rooms.as_ref().is_some_and(|rooms| rooms.seen != self.current()) {
            self.reevaluate_rooms(context);
        }
    }

    fn current(&self) -> Seen {
        let rooms = self.live_rights.as_ref().map(|live| live.rooms().version()).unwrap_or_default();
        let all = self.sessions.rooms().all();
        Seen { rooms, closings: all.closings(), tokens: all.revoked_tokens_version() }
    }

    /// What happened before the session had a room does not concern it.
    pub(super) fn begin_in_rooms(&mut self) {
        let current = self.current();
        self.in_rooms.get_or_insert_with(|| {
            let mut rooms = Box::<InRooms>::default();
            rooms.seen = current;
            rooms
        });
    }

    /// Leaves the rooms that its roles and the rows do not allow any more; the others go on with its newer token and rights.
    pub(super) fn reevaluate_rooms(&mut self, context: &mut Context<Self>) {
        let (Some(access), true) = (self.access(), self.in_rooms.is_some()) else { return };
        let (current, now) = (self.current(), self.services.clock.now());
        // What is looked at comes after what is noted as seen: a change in between is seen once more.
        let lost = self.with_rights(&access, |rooms, who| {
            let lost = rooms.joined.reevaluate(who, now);
            rooms.seen = current;
            lost
        });
        if let Some(rooms) = &self.in_rooms {
            let own = RoomName::of_user(access.user);
            for room in rooms.joined.rooms().chain([&own]) {
                let approval = self.approval(&access, room);
                self.sessions.rooms().approve(room, self.id, approval);
            }
        }
        for Lost { room, cause } in lost {
            self.sessions.rooms().leave(&room, self.id);
            self.tell_left(&room, cause, context);
        }
        self.rearm(context);
    }

    fn tell_left(&mut self, room: &RoomName, cause: Cause, context: &mut Context<Self>) {
        let (code, reason, rejoin) = (cause.code(), cause.reason(), cause.rejoin());
        let fields = json!({"room": room.as_str(), "code": code, "reason": reason, "rejoin": rejoin});
        self.push("left", &fields, context);
    }

    /// Sends what the client has not asked for.
    pub(super) fn push(
        &mut self,
        name: &'static str,
        fields: &serde_json::Value,
        context: &mut Context<Self>,
    ) {
        // An object of texts always is JSON.
        let payload = Payload::new(fields).unwrap_or_default();
        let name = ByteString::from_static(name);
        self.send(&ServerMessage::Event { namespace: NamespaceId::MAIN, name, payload }, context);
    }

    /// When to look for rights that end by themselves. Not while it is not known whether they were made longer.
    pub(super) fn rooms_deadline(&self) -> Option<Instant> {
        let clock = &self.services.clock;
        let deadline = clock.instant_at(self.in_rooms.as_ref()?.joined.deadline()?);
        Some(if self.is_stale() || self.is_joining {
            deadline.max(clock.instant() + WHILE_STALE)
        } else {
            deadline
        })
    }

    /// Leaves rooms whose right has ended by itself, and tells of those that soon do.
    pub(super) fn tick_rooms(&mut self, context: &mut Context<Self>) {
        let now = self.services.clock.now();
        let deadline = self.in_rooms.as_ref().and_then(|rooms| rooms.joined.deadline());
        if self.is_stale() || self.is_joining || deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.reevaluate_rooms(context);
        let expiring = self.in_rooms.as_mut().map(|rooms| rooms.joined.expiring(now)).unwrap_or_default();
        for (room, at) in expiring {
            self.push("expiring", &json!({"room": room.as_str(), "at": rfc3339(at)}), context);
        }
    }

    /// The rooms whose members have to be read before the request can be answered; none if nothing has to be, the bans
    /// neither. Each time that it matters, as a new member is not announced. But for a join, such a question counts as one:
    /// each may cost a query.
    pub(super) fn missing_rights(
        &mut self,
        request: &RoomRequest<'_>,
        access: &Access,
    ) -> Result<Option<Vec<RoomName>>, Refusal> {
        let Some(live) = self.live_rights.clone() else { return Ok(None) };
        let kinds = self.sessions.rooms().all().kinds().clone();
        let (now, time) = (self.services.clock.instant(), self.services.clock.now());
        let names: Vec<&str> = match request {
            RoomRequest::Join(JoinRequest::One(one)) => vec![&*one.room],
            RoomRequest::Join(JoinRequest::Several(rooms)) => rooms.iter().map(|one| &*one.room).collect(),
            RoomRequest::Send(send) => vec![&*send.room],
            RoomRequest::Presence(PresenceRequest::List { room, .. }) => vec![&**room],
            RoomRequest::Leave(_)
            | RoomRequest::List
            | RoomRequest::Presence(PresenceRequest::Set { .. }) => return Ok(None),
        };
        let joins = matches!(request, RoomRequest::Join(_));
        let (mut any, mut missing) = (false, Vec::new());
        for room in names.into_iter().filter_map(RoomName::parse) {
            let Some(kind) = kinds.of(&room).filter(|_| !joins || !room.is_users()) else { continue };
            any = true;
            let asks = match request {
                RoomRequest::Send(_) => kind.send.asks_for_members(),
                RoomRequest::Presence(_) => kind.see_presence.asks_for_members(),
                _ => kind.asks_for_members(),
            };
            // Where another entry allows it, membership does not matter.
            let sends = matches!(request, RoomRequest::Send(_))
                && self.with_rights(access, |rooms, who| {
                    rooms.joined.send(&kinds, room.as_str(), 0, who).is_ok()
                });
            if asks && !sends && !live.rooms().has_member(&room, time) {
                missing.push(room);
            }
        }
        if !any || live.rooms().has_bans() && missing.is_empty() {
            return Ok(None);
        }
        let joined = &mut self.in_rooms.get_or_insert_default().joined;
        if joins {
            joined.may_join(now)?;
        } else {
            joined.count_question(now)?;
        }
        Ok(Some(missing))
    }

    /// Whether a request waits for rows. What the client sends meanwhile waits behind it.
    pub(super) fn is_reading_rights(&self) -> bool {
        self.in_rooms.as_ref().is_some_and(|rooms| rooms.is_reading)
    }

    /// The same for a room that the application joins. It does not count.
    pub(super) fn missing_rights_for_app(&self, room: &str) -> Option<Vec<RoomName>> {
        let rights = self.live_rights.as_ref()?.rooms();
        let (room, kind) = self.sessions.rooms().all().kinds().find(room).ok()?;
        let is_missing = kind.asks_for_members() && !rights.has_member(&room, self.services.clock.now());
        let missing: Vec<_> = is_missing.then_some(room).into_iter().collect();
        (!rights.has_bans() || !missing.is_empty()).then_some(missing)
    }

    /// Reads rows, and goes on afterwards, told whether they were read. What the client sends meanwhile waits.
    pub(super) fn read_rights(
        &mut self,
        missing: Vec<RoomName>,
        context: &mut Context<Self>,
        then: impl FnOnce(&mut Self, bool, &mut Context<Self>) + 'static,
    ) {
        let Some(live) = self.live_rights.clone() else { return };
        self.in_rooms.get_or_insert_default().is_reading = true;
        self.transport.outgoing().hold(true);
        let read = (self.services.read_room_rights)(live, missing);
        context.spawn(read.into_actor(self).map(move |is_read, this, context| {
            this.when_fresh(context, move |this, context| {
                if let Some(rooms) = &mut this.in_rooms {
                    rooms.is_reading = false;
                }
                this.catch_up(context);
                if this.closing.is_none() {
                    then(this, is_read, context);
                    this.answer_backlog(context);
                }
            });
        }));
    }

    /// Answers a request whose rows were to be read before.
    pub(super) fn answer_waiting(&mut self, is_read: bool, waiting: Waiting, context: &mut Context<Self>) {
        let Waiting { name, to, arguments } = waiting;
        match (RoomRequest::read(&name, &arguments), self.access()) {
            (Some(Ok(request)), Some(access)) if is_read => {
                self.answer_about_rooms(request, &to, &access, context);
            }
            _ => self.refuse_of_rooms(to, UNAVAILABLE, context),
        }
    }
}
