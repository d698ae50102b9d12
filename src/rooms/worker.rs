//! The sessions of one worker thread that have joined rooms, and the loop that hands them messages.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use doorward_core::domain::{LoginId, SessionId, SharedText, UserId};
use doorward_core::rooms::presence::{Departure, PresenceWish};
use doorward_core::rooms::{Caller, End, Kind, RoomName, RoomToken, TokenCheck, TokenOps, TokenState};
use tokio::sync::mpsc;

use super::delivery::Delivery;
use super::presence::{Whose, is_on};
use super::publication::{Audience, Publication};
use super::{Place, Rooms};
use crate::clock::Timestamp;
use crate::directory::access_changes::LiveRights;

/// Deliveries until others get a turn.
const SLICE: usize = 512;

/// Messages of one room that are handed on together, if so many wait: what each client gets of them leaves with one write.
const TOGETHER: usize = 32;

/// What a session's rooms share.
pub struct Seat {
    pub session: SessionId,
    pub user: UserId,
    pub username: SharedText,
    pub login: LoginId,
    /// What its user may do now.
    pub rights: Arc<LiveRights>,
    pub delivery: Rc<dyn Delivery>,
    /// Ends the session: it has not read so much that it would miss a message.
    pub overflow: Box<dyn Fn()>,
    /// Lets the session look which rooms it may still be in.
    pub changed: Box<dyn Fn()>,
}

/// What was looked at when a session was let into a room: the version of its user's roles, and how long its token is valid;
/// the version of what the rows of members and bans say, and how long the right lasts; how many rooms had been closed; and the
/// room token that was brought, if any, with the version of which are revoked.
#[derive(Debug, Clone)]
pub struct Approval {
    pub version: i32,
    pub expires_at: Timestamp,
    pub rooms: u64,
    pub until: End,
    pub closings: u64,
    pub token: Option<Arc<RoomToken>>,
    pub tokens: u64,
    /// The application has let it in, and decides alone: no policy is asked.
    pub by_app: bool,
}

/// A session that has joined a room.
struct Member {
    seat: Rc<Seat>,
    approval: Approval,
    /// What it wants to be told of who is there.
    wish: PresenceWish,
    /// It has missed a change of that.
    behind: Cell<bool>,
    _place: Place,
}

impl Member {
    fn is_sent(&self, audience: Audience) -> bool {
        match audience {
            Audience::All => true,
            Audience::Watching(wish) => self.wish == wish,
            Audience::Behind => self.behind.get(),
        }
    }
}

impl Approval {
    /// Whether no token was revoked since it was looked at, if there is one.
    fn has_seen_tokens(&self, all: &Rooms) -> bool {
        self.token.is_none() || self.tokens == all.revoked_tokens_version()
    }

    /// Until when its token allows something; none if it does not, or not any more.
    fn by_token(&self, all: &Rooms, now: Timestamp, allows: impl Fn(TokenOps) -> bool) -> End {
        let token = self.token.as_ref().filter(|token| allows(token.ops))?;
        (all.tokens_at(now).state(token) == TokenState::Good).then_some(token.expires_at)
    }
}

impl Seat {
    const fn whose(&self) -> Whose {
        Whose { user: self.user, session: self.session }
    }
}

/// What became of a message to a session.
enum Handed {
    /// It is on its way, or the session is not to be sent it.
    Done,
    /// The session missed a change of who is there, and is told again.
    BehindOnPresence,
    /// The session has not read so much that there is no room.
    Full,
}

/// The rooms that sessions of this thread have joined. A clone is another handle.
#[derive(Clone)]
pub struct WorkerRooms {
    all: Rooms,
    number: usize,
    rooms: Rc<RefCell<HashMap<RoomName, BTreeMap<SessionId, Member>>>>,
}

impl WorkerRooms {
    /// For a thread. What comes out of its queue is handed on by [`WorkerRooms::deliver_for_ever`].
    pub(super) fn new(all: Rooms, number: usize) -> Self {
        Self { all, number, rooms: Rc::default() }
    }

    /// All rooms of this process.
    #[must_use]
    pub const fn all(&self) -> &Rooms {
        &self.all
    }

    /// Takes a place in a room, of which there is a bounded number.
    #[must_use]
    pub fn enter(&self, room: &RoomName, kind: &Kind) -> Option<Place> {
        self.all.enter(room, kind, self.number)
    }

    /// From now on the session is sent what comes to the room.
    pub fn join(&self, place: Place, seat: &Rc<Seat>, approval: Approval) {
        let (room, wish) = (place.room().clone(), place.wish);
        let member = Member { seat: Rc::clone(seat), approval, wish, behind: Cell::default(), _place: place };
        self.rooms.borrow_mut().entry(room.clone()).or_default().insert(seat.session, member);
        if let Some(kind) = self.all.kinds().of(&room).filter(|kind| is_on(&room, kind)) {
            self.all.presence_entered(&room, &kind, seat.whose(), (&seat.username, wish));
        }
    }

    /// The session is sent nothing more of the room, and the others are told so.
    pub fn leave(&self, room: &RoomName, session: SessionId) {
        self.depart(room, session, Departure::Final);
    }

    /// The session is sent nothing more of the room.
    pub fn depart(&self, room: &RoomName, session: SessionId, departure: Departure) {
        let left = {
            let mut rooms = self.rooms.borrow_mut();
            let Some(members) = rooms.get_mut(room) else { return };
            let left = members.remove(&session);
            if members.is_empty() {
                rooms.remove(room);
            }
            left
        };
        if let Some(left) = left {
            self.all.presence_left(room, left.seat.whose(), departure);
        }
    }

    /// A session that has joined wants to be told other things of who is there.
    pub fn wish(&self, room: &RoomName, session: SessionId, wish: PresenceWish) {
        let mut rooms = self.rooms.borrow_mut();
        if let Some(member) = rooms.get_mut(room).and_then(|members| members.get_mut(&session)) {
            member.wish = wish;
            self.all.presence_wished(room, member.seat.whose(), wish);
        }
    }

    /// The session may stay in the room.
    pub fn approve(&self, room: &RoomName, session: SessionId, approval: Approval) {
        let mut rooms = self.rooms.borrow_mut();
        if let Some(member) = rooms.get_mut(room).and_then(|members| members.get_mut(&session)) {
            member.approval = approval;
        }
    }

    /// Tells the sessions that had joined the room before it was closed.
    pub fn tell_closed(&self, room: &RoomName) {
        let last = self.all.last_closing(room);
        let rooms = self.rooms.borrow();
        let members = rooms.get(room).into_iter().flat_map(BTreeMap::values);
        for member in members.filter(|member| member.approval.closings < last) {
            (member.seat.changed)();
        }
    }

    /// Tells the sessions whose token for a room was revoked. The others have seen what was revoked until now.
    pub fn tell_tokens_revoked(&self) {
        // Before the tokens are looked at: what is revoked in between is looked at once more.
        let (version, tokens) =
            (self.all.revoked_tokens_version(), self.all.tokens_at(self.all.clock().now()));
        let mut rooms = self.rooms.borrow_mut();
        for member in rooms.values_mut().flat_map(BTreeMap::values_mut) {
            match &member.approval.token {
                None => {}
                Some(_) if member.approval.tokens == version => {}
                Some(token) if tokens.state(token) == TokenState::Good => member.approval.tokens = version,
                Some(_) => (member.seat.changed)(),
            }
        }
    }

    /// Sessions of this thread in all rooms together.
    #[cfg(test)]
    pub fn members(&self) -> usize {
        self.rooms.borrow().values().map(BTreeMap::len).sum()
    }

    /// Hands on what comes out of the queue, until the runtime ends.
    pub(super) async fn deliver_for_ever(self, mut queue: mpsc::Receiver<Arc<Publication>>) {
        let (mut left, mut waiting) = (SLICE, Vec::new());
        while queue.recv_many(&mut waiting, TOGETHER).await > 0 {
            for run in waiting.chunk_by(|one, next| one.room == next.room) {
                let mut last = None;
                loop {
                    // What a row may forbid waits until the rows were read.
                    if !self.all.revocations().freshness().is_fresh() {
                        self.all.revocations().freshness().until_fresh().await;
                    }
                    last = self.deliver(run, last, &mut left);
                    if left == 0 {
                        left = SLICE;
                        tokio::task::yield_now().await;
                    }
                    if last.is_none() {
                        break;
                    }
                }
            }
            waiting.clear();
        }
    }

    /// Hands messages of one room to sessions past `after`, each of them all messages, until as many deliveries are done as
    /// are left. Answers the last session if there may be more.
    pub(super) fn deliver(
        &self,
        run: &[Arc<Publication>],
        after: Option<SessionId>,
        left: &mut usize,
    ) -> Option<SessionId> {
        let room = &run.first()?.room;
        let (now, closed) = (self.all.clock().now(), self.all.last_closing(room));
        let (mut slow, mut last, mut missed) = (Vec::new(), None, false);
        {
            let rooms = self.rooms.borrow();
            let members = rooms.get(room)?;
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            for (session, member) in members.range((from, Bound::Unbounded)) {
                if *left == 0 {
                    break;
                }
                (*left, last) = (left.saturating_sub(run.len()), Some(*session));
                for publication in run {
                    match self.hand_to(member, publication, (now, closed)) {
                        Handed::Done => {}
                        Handed::BehindOnPresence => missed = true,
                        Handed::Full => {
                            slow.push(Rc::clone(&member.seat));
                            break;
                        }
                    }
                }
            }
        }
        self.all.count_cut(slow.len());
        if missed {
            self.all.presence_missed(room);
        }
        // Without the borrow: a session that ends leaves its rooms.
        for seat in slow {
            self.depart(room, seat.session, Departure::Broken);
            (seat.overflow)();
        }
        last.filter(|_| *left == 0)
    }

    /// Hands a message to a session, if the session is to be sent it.
    fn hand_to(&self, member: &Member, publication: &Publication, (now, closed): (Timestamp, u64)) -> Handed {
        let is_message = publication.audience == Audience::All;
        if !member.is_sent(publication.audience)
            || publication.sender == Some(member.seat.session)
            || !self.may_read(publication, member, (now, closed))
            || !(is_message || self.may_see(publication, member, now))
        {
            return Handed::Done;
        }
        let delivery = &*member.seat.delivery;
        let is_skipped = (publication.kind.lossy || !is_message) && delivery.is_congested();
        let is_sent = !is_skipped && publication.deliver(delivery, self.all.events());
        if !is_message {
            member.behind.set(!is_sent);
        }
        match (is_message, is_sent) {
            (false, false) => Handed::BehindOnPresence,
            (true, false) if !is_skipped => Handed::Full,
            _ => Handed::Done,
        }
    }

    /// Whether a session may still be sent messages of the room. Asked for each message: the word that its login or its
    /// right has ended may be on its way to the session, and must not be overtaken.
    fn may_read(
        &self,
        publication: &Publication,
        Member { seat, approval, .. }: &Member,
        (now, closed): (Timestamp, u64),
    ) -> bool {
        if now >= approval.expires_at || self.all.revocations().get(seat.login).is_some() {
            return false;
        }
        if publication.room.is_users() {
            return true;
        }
        let rooms = seat.rights.rooms();
        let newer = seat.rights.newer_than(approval.version);
        let lasts = approval.until.is_none_or(|until| now < until);
        let is_seen = newer.is_none()
            && rooms.version() == approval.rooms
            && closed <= approval.closings
            && approval.has_seen_tokens(&self.all);
        if is_seen && lasts {
            return true;
        }
        // The session has not seen it yet. Costs two locks, for the moment until it has.
        let standing = rooms.standing(&publication.room, approval.rooms, now);
        let rights = newer.unwrap_or_else(|| seat.rights.current());
        let token = approval.by_token(&self.all, now, |_| true);
        let (member, roles) = (standing.member, &rights.roles);
        let caller = Caller { user: seat.user, roles, joined: false, member, token };
        closed <= approval.closings
            && standing.ends().is_none()
            && (approval.by_app || publication.kind.join.allows(&publication.room, &caller))
    }

    /// Whether a session may be told who is in the room.
    fn may_see(
        &self,
        publication: &Publication,
        Member { seat, approval, .. }: &Member,
        now: Timestamp,
    ) -> bool {
        let rights = seat.rights.current();
        let standing = seat.rights.rooms().standing(&publication.room, approval.rooms, now);
        let token = approval.by_token(&self.all, now, |ops| ops.presence);
        let (member, roles) = (standing.member, &rights.roles);
        let caller = Caller { user: seat.user, roles, joined: true, member, token };
        publication.kind.shows_presence(&publication.room, &caller)
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "rights_tests.rs"]
mod rights_tests;

#[cfg(test)]
#[path = "token_tests.rs"]
mod token_tests;
