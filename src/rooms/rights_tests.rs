//! Whatever the order of changes, reads and joins: no session without a right is handed a message that was published after
//! its end was applied.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;
use doorward_core::domain::{Access, Rights, Roles};
use doorward_core::protocol::ServerMessage;
use doorward_core::rooms::presence::PresenceOptions;
use doorward_core::rooms::{Entry, Joined, KindName, Kinds, Lost, Member as Who, Policy};
use proptest::prelude::*;
use uuid::Uuid;

use super::super::delivery::Dialect;
use super::*;
use crate::clock::Clock;
use crate::directory::Revocations;
use crate::directory::room_rights::Rows;
use crate::events::Events;

const ROOMS: [&str; 2] = ["club:a", "chat:a"];
const USERS: usize = 2;
const SESSIONS: usize = 4;

#[derive(Default)]
struct Client(Cell<usize>);

impl Delivery for Client {
    fn dialect(&self) -> Dialect {
        Dialect::Line
    }

    fn encode(&self, _: &ServerMessage, _: &Events) -> Bytes {
        Bytes::from_static(b"x")
    }

    fn deliver(&self, _: &[u8]) -> bool {
        self.0.set(self.0.get() + 1);
        true
    }

    fn is_congested(&self) -> bool {
        false
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Rows change. What is noted of it is applied later.
    Member(usize, bool),
    Ban(usize, bool, bool),
    Kick(usize, usize),
    Close(usize),
    /// The oldest change that is not applied is.
    Apply,
    /// Rows are read for a join, which takes its time.
    Read(usize),
    Join(usize, usize),
    CatchUp(usize),
    Publish(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (user, session, room) = (0..USERS, 0..SESSIONS, 0..ROOMS.len());
    prop_oneof![
        (user.clone(), any::<bool>()).prop_map(|(user, is)| Step::Member(user, is)),
        (user.clone(), any::<bool>(), any::<bool>()).prop_map(|(user, all, is)| Step::Ban(user, all, is)),
        (user, room.clone()).prop_map(|(user, room)| Step::Kick(user, room)),
        room.clone().prop_map(Step::Close),
        Just(Step::Apply),
        Just(Step::Apply),
        session.clone().prop_map(Step::Read),
        (session.clone(), room.clone()).prop_map(|(session, room)| Step::Join(session, room)),
        (session.clone(), room.clone()).prop_map(|(session, room)| Step::Join(session, room)),
        session.prop_map(Step::CatchUp),
        room.clone().prop_map(Step::Publish),
        room.prop_map(Step::Publish),
    ]
}

/// What the rows say, of each user.
#[derive(Debug, Clone, Copy, Default)]
struct Stored {
    member: bool,
    ban: bool,
    ban_of_kind: bool,
}

impl Stored {
    fn allows(self, room: usize) -> bool {
        // Both rows of bans are about the club.
        room == 1 || self.member && !self.ban && !self.ban_of_kind
    }

    fn rows(self) -> Rows {
        let bans = [("club:a", self.ban), ("club:*", self.ban_of_kind)];
        let club = RoomName::parse(ROOMS[0]).unwrap();
        Rows {
            bans: Some(
                bans.iter().filter(|(_, is)| *is).map(|(scope, _)| ((*scope).to_owned(), None)).collect(),
            ),
            asked: vec![club.clone()],
            members: if self.member { vec![(club, None)] } else { Vec::new() },
        }
    }
}

struct Session {
    user: usize,
    seat: Rc<Seat>,
    client: Rc<Client>,
    joined: Joined,
    seen: (u64, u64),
    /// Rows that were read, and the version before.
    reading: Option<(u64, Rows)>,
    /// It was put out of a room and has not joined it again since.
    out: [bool; 2],
}

struct World {
    rooms: Rooms,
    worker: WorkerRooms,
    now: Timestamp,
    start: Instant,
    stored: [Stored; USERS],
    /// Changes that are applied have ended a user's membership of the club, or banned the user.
    removed: [bool; USERS],
    banned: [bool; USERS],
    changes: Vec<Step>,
    sessions: Vec<Session>,
    revocations: Arc<Revocations>,
}

impl World {
    fn new() -> Self {
        let kind = |join: &str| Kind {
            join: Policy::new(vec![Entry::parse(join).unwrap()]),
            send: Policy::new(Vec::new()),
            max_joined: 1000,
            max_data: 100,
            pace: None,
            lossy: false,
            presence: PresenceOptions::default(),
            see_presence: Policy::new(Vec::new()),
        };
        let kinds = [("club", kind("member")), ("chat", kind("anyone"))];
        let kinds = Kinds::new(kinds.map(|(name, kind)| (KindName::parse(name).unwrap(), kind)));
        let revocations = Arc::<Revocations>::default();
        let rooms = Rooms::new(kinds, Arc::default(), Arc::clone(&revocations), Clock::System);
        let worker = WorkerRooms::new(rooms.clone(), 0);
        let mut world = Self {
            rooms,
            worker,
            now: Clock::System.now(),
            start: Clock::System.instant(),
            stored: Default::default(),
            removed: [true; USERS],
            banned: [false; USERS],
            changes: Vec::new(),
            sessions: Vec::new(),
            revocations,
        };
        world.sessions = (0..SESSIONS).map(|number| world.session(number)).collect();
        world
    }

    fn session(&self, number: usize) -> Session {
        let user = number % USERS;
        let id = |number: usize| Uuid::from_u128(number as u128 + 1);
        let access = Access {
            user: UserId(id(user)),
            username: "ann".into(),
            login: LoginId(id(number)),
            expires_at: self.now + chrono::TimeDelta::hours(1),
            rights: Arc::new(Rights { roles: Roles::default(), version: 1, ..Rights::default() }),
        };
        let client = Rc::new(Client::default());
        let seat = Rc::new(Seat {
            session: SessionId(id(number)),
            user: access.user,
            username: access.username.clone(),
            login: access.login,
            rights: self.revocations.access_changes().follow(&access).unwrap(),
            delivery: client.clone(),
            overflow: Box::new(|| {}),
            changed: Box::new(|| {}),
        });
        Session {
            user,
            seat,
            client,
            joined: Joined::default(),
            seen: (0, 0),
            reading: None,
            out: [false; 2],
        }
    }

    fn commit(&mut self, step: Step) {
        match step {
            Step::Member(user, is) => {
                self.stored[user].member = is;
                self.removed[user] &= !is;
                // A new member is noted nowhere.
                if is {
                    return;
                }
            }
            Step::Ban(user, of_kind, is) => {
                let stored = &mut self.stored[user];
                *(if of_kind { &mut stored.ban_of_kind } else { &mut stored.ban }) = is;
                self.banned[user] &= stored.ban || stored.ban_of_kind;
            }
            _ => {}
        }
        self.changes.push(step);
    }

    /// As the poll does.
    fn apply(&mut self) {
        if self.changes.is_empty() {
            return;
        }
        match self.changes.remove(0) {
            Step::Member(user, _) => self.reread(user, false),
            Step::Ban(user, ..) => self.reread(user, true),
            Step::Kick(user, room) => {
                self.sessions[user].seat.rights.rooms().kick(&name(room));
                self.put_out(room, |session| session.user == user);
            }
            Step::Close(room) => {
                self.rooms.close(&name(room));
                self.put_out(room, |_| true);
            }
            _ => {}
        }
    }

    fn put_out(&mut self, room: usize, concerns: impl Fn(&Session) -> bool) {
        for session in self.sessions.iter_mut().filter(|session| concerns(session)) {
            session.out[room] |= session.joined.has(&name(room));
        }
    }

    fn reread(&mut self, user: usize, bans: bool) {
        let rights = self.sessions[user].seat.rights.rooms();
        let stored = self.stored[user];
        let changed = if bans {
            self.banned[user] = stored.ban || stored.ban_of_kind;
            Vec::new()
        } else {
            self.removed[user] = !stored.member;
            vec![name(0)]
        };
        let (bans, rooms) = rights.changed(bans, &changed.into_iter().collect());
        let before = rights.version();
        if bans || !rooms.is_empty() {
            let rows = stored.rows();
            let members = if rooms.is_empty() { Vec::new() } else { rows.members };
            let bans = if bans { rows.bans } else { None };
            assert!(rights.hold(before, Rows { bans, asked: rooms, members }, true));
        }
    }

    /// As a session does.
    fn catch_up(&mut self, number: usize) {
        let (rooms, now) = (self.rooms.clone(), self.now);
        let session = &mut self.sessions[number];
        let current = (session.seat.rights.rooms().version(), rooms.closings());
        if session.seen == current {
            return;
        }
        let lost = with(session, &rooms, now, |joined, who| joined.reevaluate(who, now));
        session.seen = current;
        for Lost { room, .. } in lost {
            self.worker.leave(&room, session.seat.session);
        }
        for room in session.joined.rooms() {
            self.worker.approve(room, session.seat.session, approval(session, now));
        }
    }

    fn join(&mut self, number: usize, room: usize) {
        // Rows that were read before a change are read again.
        let session = &mut self.sessions[number];
        let read = session.reading.take();
        let held = read.is_some_and(|(before, rows)| session.seat.rights.rooms().hold(before, rows, false));
        if !held {
            let before = session.seat.rights.rooms().version();
            let rows = self.stored[session.user].rows();
            assert!(session.seat.rights.rooms().hold(before, rows, false));
        }
        self.catch_up(number);
        let (rooms, now, start) = (self.rooms.clone(), self.now, self.start);
        let session = &mut self.sessions[number];
        let kinds = rooms.kinds();
        let entered =
            with(session, &rooms, now, |joined, who| joined.join(kinds, (ROOMS[room], None), who, start));
        let Ok(entered) = entered else { return };
        if entered.is_new {
            session.out[room] = false;
            let place = self.worker.enter(&entered.room, &entered.kind).unwrap();
            self.worker.join(place, &session.seat, approval(session, now));
        }
    }

    /// Answers which sessions were handed the message.
    fn publish(&self, room: usize) -> Vec<bool> {
        let (name, content) = (name(room), ByteString::from_static("{}"));
        let kind = self.rooms.kinds().of(&name).unwrap();
        let publication = Publication::new(name, kind, None, &content, self.rooms.weigh(2).unwrap());
        let before: Vec<_> = self.sessions.iter().map(|session| session.client.0.get()).collect();
        assert_eq!(self.worker.deliver(&[Arc::new(publication)], None, &mut 1000), None);
        self.sessions.iter().zip(before).map(|(session, before)| session.client.0.get() > before).collect()
    }
}

fn name(room: usize) -> RoomName {
    RoomName::parse(ROOMS[room]).unwrap()
}

fn approval(session: &Session, now: Timestamp) -> Approval {
    let expires_at = now + chrono::TimeDelta::hours(1);
    Approval {
        version: 1,
        expires_at,
        rooms: session.seen.0,
        until: None,
        closings: session.seen.1,
        token: None,
        tokens: 0,
        by_app: false,
    }
}

fn with<R>(
    session: &mut Session,
    rooms: &Rooms,
    now: Timestamp,
    act: impl FnOnce(&mut Joined, Who<'_>) -> R,
) -> R {
    let (seen, seat, roles) = (session.seen, Rc::clone(&session.seat), Roles::default());
    let standing = |room: &RoomName| {
        let mut standing = seat.rights.rooms().standing(room, seen.0, now);
        standing.closed = rooms.last_closing(room) > seen.1;
        standing
    };
    let tokens = &rooms.tokens_at(now);
    act(&mut session.joined, Who { user: seat.user, roles: &roles, standing: &standing, tokens })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_is_handed_over_after_the_end_of_a_right(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Apply => world.apply(),
                Step::Read(number) => {
                    let session = &mut world.sessions[number];
                    let before = session.seat.rights.rooms().version();
                    session.reading = Some((before, world.stored[session.user].rows()));
                }
                Step::Join(number, room) => world.join(number, room),
                Step::CatchUp(number) => world.catch_up(number),
                Step::Publish(room) => {
                    for (session, heard) in world.sessions.iter().zip(world.publish(room)) {
                        let user = session.user;
                        let has_ended = room == 0 && (world.removed[user] || world.banned[user]);
                        prop_assert!(!heard || !has_ended && !session.out[room] && session.joined.has(&name(room)));
                    }
                }
                change => world.commit(change),
            }
        }
        // In the end, all who may have joined and are handed messages, and nobody else.
        while !world.changes.is_empty() {
            world.apply();
        }
        let mut expected = BTreeMap::new();
        for room in 0..ROOMS.len() {
            for number in 0..SESSIONS {
                // A new member is found by what is read afterwards.
                world.sessions[number].reading = None;
                world.join(number, room);
                expected.insert((room, number), world.stored[world.sessions[number].user].allows(room));
            }
            for (number, heard) in world.publish(room).into_iter().enumerate() {
                prop_assert_eq!(heard, expected[&(room, number)], "{} {}", room, number);
            }
        }
    }
}
