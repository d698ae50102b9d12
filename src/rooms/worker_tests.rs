use std::cell::Cell;

use bytes::Bytes;
use bytestring::ByteString;
use doorward_core::domain::{Access, RevokeReason, Rights, Roles};
use doorward_core::protocol::ServerMessage;
use doorward_core::rooms::presence::{PresenceLevel, PresenceOptions, PresenceWish};
use doorward_core::rooms::{Entry, KindName, Kinds, Policy};
use uuid::Uuid;

use super::super::Busy;
use super::super::delivery::Dialect;
use super::super::publication::Audience;
use super::*;
use crate::clock::Clock;
use crate::directory::Revocations;
use crate::directory::room_rights::Rows;
use crate::events::Events;

/// A client that has room for so many messages.
struct Client {
    room: Cell<usize>,
    heard: Cell<usize>,
}

impl Delivery for Client {
    fn dialect(&self) -> Dialect {
        Dialect::Line
    }

    fn encode(&self, _: &ServerMessage, _: &Events) -> Bytes {
        Bytes::from_static(b"x")
    }

    fn deliver(&self, encoded: &[u8]) -> bool {
        assert_eq!(encoded, b"x");
        let Some(left) = self.room.get().checked_sub(1) else { return false };
        self.room.set(left);
        self.heard.set(self.heard.get() + 1);
        true
    }

    fn is_congested(&self) -> bool {
        self.room.get() == 0
    }
}

struct Stage {
    rooms: Rooms,
    worker: WorkerRooms,
    revocations: Arc<Revocations>,
    now: Timestamp,
}

fn policy(entry: &str) -> Policy {
    Policy::new(vec![Entry::parse(entry).unwrap()])
}

impl Stage {
    fn new() -> Self {
        let kind = |join, lossy| Kind {
            join: policy(join),
            send: policy("anyone"),
            max_joined: 1000,
            max_data: 100,
            pace: None,
            lossy,
            presence: PresenceOptions::default(),
            see_presence: policy(join),
        };
        let kinds = [
            ("chat", kind("anyone", false)),
            ("staff", kind("role:staff", false)),
            ("news", kind("anyone", true)),
            ("club", kind("member", false)),
            (
                "who",
                Kind {
                    presence: PresenceOptions { level: PresenceLevel::Users, ..PresenceOptions::default() },
                    ..kind("anyone", false)
                },
            ),
        ];
        let kinds = Kinds::new(kinds.map(|(name, kind)| (KindName::parse(name).unwrap(), kind)));
        let revocations = Arc::<Revocations>::default();
        let rooms = Rooms::new(kinds, Arc::default(), Arc::clone(&revocations), Clock::System);
        let worker = WorkerRooms::new(rooms.clone(), 0);
        Self { rooms, worker, revocations, now: Clock::System.now() }
    }

    /// A session of user and login `number`, who has the role `staff`.
    fn seat(&self, number: u128, room: usize) -> (Rc<Seat>, Rc<Client>, Rc<Cell<usize>>) {
        let id = Uuid::from_u128(number);
        let client = Rc::new(Client { room: Cell::new(room), heard: Cell::new(0) });
        let cut = Rc::new(Cell::new(0));
        let count = Rc::clone(&cut);
        let access = Access {
            user: UserId(id),
            username: "ann".into(),
            login: LoginId(id),
            expires_at: self.now,
            rights: Arc::new(rights(&["staff"], 1)),
        };
        let live = self.revocations.access_changes().follow(&access).unwrap();
        // As a session has read it before it joins.
        assert!(live.rooms().has_bans() || live.rooms().hold(0, no_bans(), false));
        let seat = Seat {
            session: SessionId(id),
            user: access.user,
            username: access.username.clone(),
            login: access.login,
            rights: live,
            delivery: client.clone(),
            overflow: Box::new(move || count.set(count.get() + 1)),
            changed: Box::new(|| {}),
        };
        (Rc::new(seat), client, cut)
    }

    fn join(&self, room: &str, seat: &Rc<Seat>) {
        let room = RoomName::parse(room).unwrap();
        let place = self.worker.enter(&room, &self.rooms.kinds().of(&room).unwrap()).unwrap();
        let approval = self.approval(seat);
        self.worker.join(place, seat, approval);
    }

    /// As a session has it that has just looked.
    fn approval(&self, seat: &Seat) -> Approval {
        Approval {
            version: 1,
            expires_at: self.now + chrono::TimeDelta::hours(1),
            rooms: seat.rights.rooms().version(),
            until: None,
            closings: self.rooms.closings(),
            token: None,
            tokens: 0,
            by_app: false,
        }
    }

    fn publication(&self, room: &str, sender: Option<u128>) -> Publication {
        let room = RoomName::parse(room).unwrap();
        let kind = self.rooms.kinds().of(&room).unwrap();
        let sender = sender.map(|number| SessionId(Uuid::from_u128(number)));
        Publication::new(room, kind, sender, &ByteString::from_static("{}"), self.rooms.weigh(2).unwrap())
    }

    fn deliver(&self, room: &str, sender: Option<u128>) {
        assert_eq!(self.worker.deliver(&[Arc::new(self.publication(room, sender))], None, &mut 1000), None);
    }

    fn joined_rooms(&self) -> usize {
        self.rooms.0.shards.iter().map(|shard| super::super::lock(shard).len()).sum()
    }
}

fn no_bans() -> Rows {
    Rows { bans: Some(Vec::new()), ..Rows::default() }
}

fn rights(roles: &[&str], version: i32) -> Rights {
    Rights { roles: Roles::parse(roles).unwrap(), version, ..Rights::default() }
}

#[test]
fn a_message_reaches_each_session_of_the_room_but_its_sender() {
    let stage = Stage::new();
    let seats: Vec<_> = (1..=3).map(|number| stage.seat(number, 100)).collect();
    for (seat, ..) in &seats {
        stage.join("chat:a", seat);
    }
    stage.deliver("chat:a", Some(2));
    stage.deliver("chat:b", None);
    let heard: Vec<_> = seats.iter().map(|(_, client, _)| client.heard.get()).collect();
    assert_eq!(heard, [1, 0, 1]);
}

/// The sessions are not told: the check before each delivery is what keeps the messages from them.
#[test]
fn a_revoked_login_an_ended_role_and_an_expired_token_are_seen_before_each_delivery() {
    let stage = Stage::new();
    let seats: Vec<_> = (1..=3).map(|number| stage.seat(number, 100)).collect();
    for (seat, ..) in &seats {
        stage.join("staff:a", seat);
        stage.join("chat:a", seat);
    }
    stage.deliver("staff:a", None);
    stage.revocations.insert([(seats[0].0.login, RevokeReason::SignedOut)]);
    stage.revocations.access_changes().insert(seats[1].0.user, 2, || Arc::new(rights(&["chief"], 2)));
    let ended = Approval { expires_at: stage.now, ..stage.approval(&seats[2].0) };
    stage.worker.approve(&RoomName::parse("staff:a").unwrap(), seats[2].0.session, ended);
    stage.deliver("staff:a", None);
    let heard = |at: usize| seats[at].1.heard.get();
    assert_eq!([heard(0), heard(1), heard(2)], [1, 1, 1]);
    // The role does not matter here.
    stage.deliver("chat:a", None);
    assert_eq!([heard(0), heard(1), heard(2)], [1, 2, 2]);
}

/// The application decides about a session that it has joined; a ban comes before that.
#[test]
fn a_session_that_the_application_has_joined_outlives_its_role_and_no_ban() {
    let stage = Stage::new();
    let (seat, client, _) = stage.seat(1, 100);
    let staff = RoomName::parse("staff:a").unwrap();
    let place = stage.worker.enter(&staff, &stage.rooms.kinds().of(&staff).unwrap()).unwrap();
    stage.worker.join(place, &seat, Approval { by_app: true, ..stage.approval(&seat) });
    stage.revocations.access_changes().insert(seat.user, 2, || Arc::new(rights(&[], 2)));
    stage.deliver("staff:a", None);
    assert_eq!(client.heard.get(), 1);
    let banned = Rows { bans: Some(vec![("staff:*".to_owned(), None)]), ..Rows::default() };
    assert!(seat.rights.rooms().hold(0, banned, true));
    stage.deliver("staff:a", None);
    assert_eq!(client.heard.get(), 1);
}

#[test]
fn the_end_of_a_right_that_is_a_row_is_seen_before_each_delivery() {
    let stage = Stage::new();
    let seats: Vec<_> = (1..=6).map(|number| stage.seat(number, 100)).collect();
    let (club, soon) = (RoomName::parse("club:a").unwrap(), stage.now - chrono::TimeDelta::seconds(1));
    let member = |until| Rows {
        bans: Some(Vec::new()),
        asked: vec![club.clone()],
        members: vec![(club.clone(), until)],
    };
    for (seat, ..) in &seats {
        assert!(seat.rights.rooms().hold(0, member(None), false));
        stage.join("club:a", seat);
        stage.join("chat:a", seat);
    }
    let [removed, banned, kicked, ended, longer, stays] = &seats[..] else { panic!() };
    let hold = |seat: &Seat, rows| assert!(seat.rights.rooms().hold(0, rows, true));
    hold(&removed.0, Rows { members: Vec::new(), ..member(None) });
    hold(&banned.0, Rows { bans: Some(vec![("club:*".to_owned(), None)]), ..Rows::default() });
    kicked.0.rights.rooms().kick(&club);
    let until = Approval { until: Some(soon), ..stage.approval(&ended.0) };
    for (seat, ..) in [ended, longer] {
        stage.worker.approve(&club, seat.session, until.clone());
        // The session has not noticed that its row has changed.
        hold(seat, member(if seat.session == longer.0.session { None } else { Some(soon) }));
    }
    stage.deliver("club:a", None);
    let heard = || seats.iter().map(|(_, client, _)| client.heard.get()).collect::<Vec<_>>();
    assert_eq!(heard(), [0, 0, 0, 0, 1, 1]);
    stage.deliver("chat:a", None);
    assert_eq!(heard(), [1, 1, 1, 1, 2, 2], "other rooms go on");
    assert!(stage.rooms.close(&club) && !stage.rooms.close(&RoomName::parse("club:none").unwrap()));
    stage.deliver("club:a", None);
    assert_eq!(heard(), [1, 1, 1, 1, 2, 2], "it was closed");
    stage.worker.leave(&club, stays.0.session);
    stage.join("club:a", &stays.0);
    stage.deliver("club:a", None);
    assert_eq!(heard(), [1, 1, 1, 1, 2, 3], "and joined again");
}

#[test]
fn messages_that_wait_together_are_handed_to_a_session_in_one_slice() {
    let stage = Stage::new();
    let seats: Vec<_> = (1..=3).map(|number| stage.seat(number, 100)).collect();
    for (seat, ..) in &seats {
        stage.join("chat:a", seat);
    }
    let run = [Some(2), None].map(|sender| Arc::new(stage.publication("chat:a", sender)));
    let heard = || seats.iter().map(|(_, client, _)| client.heard.get()).collect::<Vec<_>>();
    let last = stage.worker.deliver(&run, None, &mut 3);
    assert_eq!((last, heard()), (Some(SessionId(Uuid::from_u128(2))), vec![2, 1, 0]));
    assert_eq!((stage.worker.deliver(&run, last, &mut 1000), heard()), (None, vec![2, 1, 2]));
}

#[test]
fn a_right_that_ends_between_two_slices_counts_for_the_second() {
    let stage = Stage::new();
    let seats: Vec<_> = (1..=10).map(|number| stage.seat(number, 100)).collect();
    for (seat, ..) in &seats {
        stage.join("chat:a", seat);
    }
    let publication = stage.publication("chat:a", None);
    let publication = [Arc::new(publication)];
    let last = stage.worker.deliver(&publication, None, &mut 4);
    assert_eq!(last, Some(SessionId(Uuid::from_u128(4))));
    stage.revocations.insert([(seats[5].0.login, RevokeReason::SignedOut)]);
    // One that has left, also the last one that was handed it, changes nothing for the others.
    stage.worker.leave(&publication[0].room, seats[3].0.session);
    stage.worker.leave(&publication[0].room, seats[7].0.session);
    assert_eq!(stage.worker.deliver(&publication, last, &mut 1000), None);
    let heard: Vec<_> = seats.iter().map(|(_, client, _)| client.heard.get()).collect();
    assert_eq!(heard, [1, 1, 1, 1, 1, 0, 1, 0, 1, 1]);
}

#[test]
fn a_slow_session_is_cut_once_and_in_a_lossy_room_misses_messages() {
    let stage = Stage::new();
    let (slow, client, cut) = stage.seat(1, 2);
    stage.join("chat:a", &slow);
    for _ in 0..5 {
        stage.deliver("chat:a", None);
    }
    assert_eq!((client.heard.get(), cut.get()), (2, 1));
    let (lossy, client, cut) = stage.seat(2, 2);
    stage.join("news:a", &lossy);
    for _ in 0..5 {
        stage.deliver("news:a", None);
    }
    client.room.set(1);
    stage.deliver("news:a", None);
    assert_eq!((client.heard.get(), cut.get()), (3, 0));
}

#[test]
fn places_are_bounded_and_given_back_whether_or_not_they_were_taken() {
    let stage = Stage::new();
    let room = RoomName::parse("chat:a").unwrap();
    let kind = Kind { max_joined: 2, ..(*stage.rooms.kinds().of(&room).unwrap()).clone() };
    let (seat, ..) = stage.seat(1, 1);
    let (first, second) =
        (stage.worker.enter(&room, &kind).unwrap(), stage.worker.enter(&room, &kind).unwrap());
    assert!(stage.worker.enter(&room, &kind).is_none());
    drop(second);
    assert!(stage.worker.enter(&room, &kind).is_some(), "and given back at once");
    stage.worker.join(first, &seat, stage.approval(&seat));
    assert_eq!((stage.worker.members(), stage.joined_rooms()), (1, 1));
    stage.worker.leave(&room, seat.session);
    assert_eq!((stage.worker.members(), stage.joined_rooms()), (0, 0));
    stage.worker.leave(&room, seat.session);
}

#[test]
fn a_message_goes_to_all_threads_or_to_none() {
    let stage = Stage::new();
    let room = RoomName::parse("chat:a").unwrap();
    let kind = stage.rooms.kinds().of(&room).unwrap();
    let (full, mut kept) = mpsc::channel(1);
    let (free, mut other) = mpsc::channel(9);
    let (ended, _) = mpsc::channel(9);
    stage.rooms.0.workers.write().unwrap().extend([full, free, ended]);
    let _places: Vec<_> = (0..3).map(|worker| stage.rooms.enter(&room, &kind, worker).unwrap()).collect();
    let publish = || stage.rooms.publish(stage.publication("chat:a", None), &ByteString::from_static("{}"));
    assert_eq!(publish(), Ok(()), "a thread that has ended counts for nothing");
    assert_eq!(publish(), Err(Busy));
    assert!(other.try_recv().is_ok() && other.try_recv().is_err());
    assert!(kept.try_recv().is_ok());
    assert_eq!(publish(), Ok(()));
}

#[test]
fn a_client_that_does_not_read_misses_changes_of_presence_and_is_told_so_later() {
    let stage = Stage::new();
    let (watching, client, cut) = stage.seat(1, 100);
    let room = RoomName::parse("who:a").unwrap();
    let kind = stage.rooms.kinds().of(&room).unwrap();
    let mut place = stage.worker.enter(&room, &kind).unwrap();
    place.wish = PresenceWish::Full;
    stage.worker.join(place, &watching, stage.approval(&watching));
    let change = |audience| {
        let content = ByteString::from_static("{}");
        let weight = stage.rooms.weigh(2).unwrap();
        let change = Publication::presence(room.clone(), Arc::clone(&kind), audience, &content, weight);
        stage.worker.deliver(&[Arc::new(change)], None, &mut 1000);
        client.heard.get()
    };
    assert_eq!(change(Audience::Watching(PresenceWish::Full)), 1);
    assert_eq!(change(Audience::Watching(PresenceWish::Count)), 1);
    assert_eq!(change(Audience::Behind), 1, "it has missed nothing");
    client.room.set(0);
    assert_eq!(change(Audience::Watching(PresenceWish::Full)), 1);
    client.room.set(100);
    assert_eq!(change(Audience::Behind), 2);
    assert_eq!(change(Audience::Behind), 2, "it knows");
    assert_eq!(cut.get(), 0);
    stage.worker.leave(&room, watching.session);
    assert_eq!(change(Audience::Watching(PresenceWish::Full)), 2);
}
