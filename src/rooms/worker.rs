//! The sessions of one worker thread that have joined rooms, and the loop that hands them messages.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use doorward_core::domain::{LoginId, SessionId, UserId};
use doorward_core::rooms::{Caller, Kind, RoomName};
use tokio::sync::mpsc;

use super::Rooms;
use super::delivery::Delivery;
use super::publication::Publication;
use crate::directory::Revocations;
use crate::directory::access_changes::LiveRights;

/// Sessions that are handed a message before others get a turn.
const SLICE: usize = 512;

/// A session that has joined a room.
pub struct Member {
    pub user: UserId,
    pub login: LoginId,
    /// What its user may do now, and the version of that with which it joined.
    pub rights: Arc<LiveRights>,
    pub version: i32,
    pub delivery: Rc<dyn Delivery>,
    /// Ends the session: it has not read so much that it would miss this message.
    pub overflow: Rc<dyn Fn()>,
}

/// The rooms that sessions of this thread have joined. A clone is another handle.
#[derive(Clone)]
pub struct WorkerRooms {
    all: Rooms,
    number: usize,
    rooms: Rc<RefCell<HashMap<RoomName, BTreeMap<SessionId, Member>>>>,
}

impl WorkerRooms {
    /// For a thread, whose messages come out of `queue`. It runs until the runtime ends.
    pub(super) fn start(all: Rooms, number: usize, queue: mpsc::Receiver<Arc<Publication>>) -> Self {
        let this = Self { all, number, rooms: Rc::default() };
        actix::spawn(this.clone().deliver_for_ever(queue));
        this
    }

    /// All rooms of this process.
    #[must_use]
    pub const fn all(&self) -> &Rooms {
        &self.all
    }

    /// Takes a place in a room, of which there is a bounded number. A second one of the same session is the first.
    pub fn enter(&self, room: &RoomName, kind: &Kind, session: SessionId) -> bool {
        self.has(room, session) || self.all.enter(room, kind, self.number)
    }

    /// From now on the session is sent what comes to the room. It has entered.
    pub fn join(&self, room: RoomName, session: SessionId, member: Member) {
        self.rooms.borrow_mut().entry(room).or_default().insert(session, member);
    }

    /// The session is sent nothing more of the room.
    pub fn leave(&self, room: &RoomName, session: SessionId) {
        let mut rooms = self.rooms.borrow_mut();
        let Some(members) = rooms.get_mut(room) else { return };
        let was = members.remove(&session);
        if members.is_empty() {
            rooms.remove(room);
        }
        drop(rooms);
        if was.is_some() {
            self.all.exit(room, self.number);
        }
    }

    /// The session may be in the room as its rights are in this version.
    pub fn approve(&self, room: &RoomName, session: SessionId, version: i32) {
        let mut rooms = self.rooms.borrow_mut();
        if let Some(member) = rooms.get_mut(room).and_then(|members| members.get_mut(&session)) {
            member.version = version.max(member.version);
        }
    }

    fn has(&self, room: &RoomName, session: SessionId) -> bool {
        self.rooms.borrow().get(room).is_some_and(|members| members.contains_key(&session))
    }

    async fn deliver_for_ever(self, mut queue: mpsc::Receiver<Arc<Publication>>) {
        while let Some(publication) = queue.recv().await {
            let mut last = None;
            loop {
                if !publication.kind.is_for_anyone() {
                    // What a row may forbid waits until the rows were read.
                    self.all.revocations().freshness().until_fresh().await;
                }
                last = self.deliver(&publication, last);
                if last.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// Hands a message to the next sessions past `after`. Answers the last of them if there are more.
    fn deliver(&self, publication: &Publication, after: Option<SessionId>) -> Option<SessionId> {
        let (mut slow, mut last, mut left) = (Vec::new(), None, SLICE);
        {
            let rooms = self.rooms.borrow();
            let members = rooms.get(&publication.room)?;
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            for (session, member) in members.range((from, Bound::Unbounded)) {
                if left == 0 {
                    return self.cut(slow, last);
                }
                (left, last) = (left - 1, Some(*session));
                if publication.sender == Some(*session)
                    || !may_read(publication, member, self.all.revocations())
                {
                    continue;
                }
                if !publication.deliver(&*member.delivery, self.all.events()) && !publication.kind.lossy {
                    slow.push(Rc::clone(&member.overflow));
                }
            }
        }
        self.cut(slow, None)
    }

    /// Without a borrow: a session that ends leaves its rooms.
    fn cut(&self, slow: Vec<Rc<dyn Fn()>>, last: Option<SessionId>) -> Option<SessionId> {
        self.all.count_cut(slow.len());
        slow.into_iter().for_each(|overflow| overflow());
        last
    }
}

/// Whether a session may still be sent messages of the room. Asked for each message: the word that its login or its right
/// has ended may be on its way to the session, and must not be overtaken.
fn may_read(publication: &Publication, member: &Member, revocations: &Revocations) -> bool {
    if revocations.get(member.login).is_some() {
        return false;
    }
    let Some(rights) = member.rights.newer_than(member.version) else { return true };
    let caller = Caller { user: member.user, roles: &rights.roles, joined: false };
    publication.kind.join.allows(&publication.room, &caller)
}
