use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::told::LARGE;
use super::*;
use crate::domain::{SessionId, UserId};

pub(super) const GRACE: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "any moment will do")]
pub(super) fn origin() -> Instant {
    Instant::now()
}

pub(super) const fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

pub(super) const fn session(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

pub(super) fn data(json: &str) -> PresenceData {
    PresenceData::new(RawValue::from_string(json.to_owned()).unwrap())
}

pub(super) const fn options(level: PresenceLevel) -> PresenceOptions {
    PresenceOptions { level, grace: GRACE }
}

/// A client that is told everything, and what it makes of it.
#[derive(Default)]
pub(super) struct Watcher {
    pub v: u64,
    pub users: BTreeMap<UserId, ShownUser>,
}

impl Watcher {
    pub fn hear(&mut self, change: &PresenceChange) {
        assert_eq!(change.v, self.v + 1, "none is missing");
        self.v = change.v;
        let lists = change.lists.as_ref().expect("the room is small");
        for (user, shown) in lists.came.iter().chain(&lists.changed) {
            self.users.insert(*user, shown.clone());
        }
        for user in &lists.went {
            assert!(self.users.remove(user).is_some(), "who goes was there");
        }
        assert_eq!(change.count, self.users.len());
    }
}

/// A room, its clock, and a client that watches it.
pub(super) struct Stage {
    pub room: RoomPresence,
    pub now: Instant,
    origin: Instant,
    pub watcher: Watcher,
    changes: usize,
}

impl Stage {
    pub fn new(level: PresenceLevel) -> Self {
        let now = origin();
        let room = RoomPresence::new(options(level), None);
        Self { room, now, origin: now, watcher: Watcher::default(), changes: 0 }
    }

    pub fn enter(&mut self, of: u128, number: u128) {
        let name = format!("user{of}").into();
        self.room.enter(user(of), &name, session(number), PresenceWish::Full, self.now);
    }

    pub fn leave(&mut self, of: u128, number: u128, departure: Departure) {
        self.room.leave(user(of), session(number), departure, self.now);
    }

    pub fn set(&mut self, of: u128, number: u128, json: Option<&str>) {
        let milliseconds = u64::try_from((self.now - self.origin).as_millis()).unwrap();
        self.room.set(user(of), session(number), json.map(data), (self.now, milliseconds)).unwrap();
    }

    pub fn hear(&mut self, change: Option<PresenceChange>) {
        let Some(change) = change else { return };
        self.changes += 1;
        self.watcher.hear(&change);
        self.check_pages();
    }

    /// The list, asked for in pages, is what a client has made of the changes.
    fn check_pages(&mut self) {
        let (mut all, mut after) = (BTreeMap::new(), None);
        loop {
            let (change, page) = self.room.page(after, 2, self.now);
            assert_eq!(change, None, "told a moment ago");
            assert_eq!((page.v, page.count), (self.watcher.v, self.watcher.users.len()));
            all.extend(page.users.unwrap());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all, self.watcher.users);
    }

    /// Waits, and lets happen what is due meanwhile.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.room.deadline().filter(|deadline| *deadline <= until) {
            assert!(deadline >= self.now, "it was done before");
            self.now = deadline;
            let step = self.room.tick(self.now);
            self.hear(step.change);
        }
        self.now = until;
    }

    /// The users and what they show, as JSON.
    fn seen(&self) -> String {
        let users: Vec<_> = self.watcher.users.iter().map(|(user, shown)| user::Line(*user, shown)).collect();
        serde_json::to_string(&users).unwrap().replace("00000000-0000-0000-0000-00000000000", "")
    }
}

#[test]
fn a_user_comes_with_the_first_session_and_goes_after_the_last_and_a_while() {
    let mut stage = Stage::new(PresenceLevel::Users);
    stage.enter(1, 11);
    stage.enter(1, 12);
    stage.wait(Duration::from_secs(1));
    assert_eq!((stage.changes, &*stage.seen()), (1, r#"[{"user":"1","username":"user1"}]"#));
    stage.leave(1, 11, Departure::Broken);
    stage.wait(GRACE * 2);
    stage.leave(1, 12, Departure::Broken);
    stage.wait(GRACE);
    assert_eq!(stage.changes, 1, "it may come back");
    stage.wait(Duration::from_millis(250));
    assert_eq!((stage.changes, &*stage.seen()), (2, "[]"));
    assert!(stage.room.is_empty());
}

#[test]
fn a_user_who_comes_back_in_time_was_never_away() {
    let mut stage = Stage::new(PresenceLevel::Users);
    stage.enter(1, 11);
    stage.set(1, 11, Some(r#"{"typing":true}"#));
    stage.wait(Duration::from_secs(1));
    for number in 12..30 {
        stage.leave(1, number - 1, Departure::Broken);
        stage.wait(GRACE / 2);
        stage.enter(1, number);
        stage.set(1, number, Some(r#"{"typing":true}"#));
        stage.wait(GRACE / 3);
    }
    stage.wait(GRACE * 2);
    assert_eq!(stage.changes, 1);
}

#[test]
fn who_leaves_is_gone_at_once_with_the_sessions_that_broke_before() {
    let mut stage = Stage::new(PresenceLevel::Users);
    stage.enter(1, 11);
    stage.enter(1, 12);
    stage.wait(Duration::from_secs(1));
    stage.leave(1, 11, Departure::Broken);
    stage.leave(1, 12, Departure::Final);
    stage.wait(Duration::from_millis(250));
    assert_eq!((stage.seen().as_str(), stage.room.is_empty()), ("[]", true));
}

#[test]
fn what_was_set_last_is_shown_and_what_cancels_out_is_not_told() {
    let mut stage = Stage::new(PresenceLevel::Users);
    stage.enter(1, 11);
    stage.enter(1, 12);
    stage.set(1, 12, Some("2"));
    stage.set(1, 11, Some("1"));
    stage.enter(2, 21);
    stage.leave(2, 21, Departure::Final);
    stage.wait(Duration::from_secs(1));
    assert_eq!((stage.changes, &*stage.seen()), (1, r#"[{"user":"1","username":"user1","data":1}]"#));
    stage.set(1, 12, Some("3"));
    stage.set(1, 12, Some("1"));
    stage.enter(2, 21);
    stage.leave(2, 21, Departure::Final);
    stage.wait(Duration::from_secs(1));
    assert_eq!(stage.changes, 1, "as before");
    stage.set(1, 12, None);
    stage.set(1, 11, Some("4"));
    stage.wait(Duration::from_secs(1));
    stage.leave(1, 11, Departure::Final);
    stage.wait(Duration::from_secs(1));
    assert_eq!((stage.changes, &*stage.seen()), (3, r#"[{"user":"1","username":"user1"}]"#));
}

#[test]
fn where_sessions_are_shown_each_has_its_own_state() {
    let mut stage = Stage::new(PresenceLevel::Sessions);
    stage.enter(1, 2);
    stage.enter(1, 1);
    stage.set(1, 2, Some("[]"));
    stage.wait(Duration::from_secs(1));
    let sessions = r#"[{"session":"1"},{"session":"2","data":[]}]"#;
    assert_eq!(stage.seen(), format!(r#"[{{"user":"1","username":"user1","sessions":{sessions}}}]"#));
    stage.leave(1, 1, Departure::Final);
    stage.wait(Duration::from_secs(1));
    assert_eq!(stage.changes, 2);
    assert!(stage.seen().ends_with(r#""sessions":[{"session":"2","data":[]}]}]"#));
}

#[test]
fn of_many_sessions_of_one_user_the_newest_are_shown() {
    let mut stage = Stage::new(PresenceLevel::Sessions);
    for number in 1..=100 {
        stage.enter(1, number);
    }
    stage.set(1, 3, Some("[]"));
    stage.wait(Duration::from_secs(1));
    let shown: serde_json::Value = serde_json::from_str(&stage.seen()).unwrap();
    let sessions = shown[0]["sessions"].as_array().unwrap();
    assert_eq!(
        (sessions.len(), &sessions[0]["data"]),
        (16, &serde_json::json!([])),
        "the one that has set something"
    );
    stage.leave(1, 100, Departure::Final);
    stage.wait(Duration::from_secs(1));
    let shown: serde_json::Value = serde_json::from_str(&stage.seen()).unwrap();
    assert_eq!(shown[0]["sessions"].as_array().unwrap().len(), 16, "another one is shown instead");
}

#[test]
fn changes_come_four_times_a_second_at_most() {
    let mut stage = Stage::new(PresenceLevel::Users);
    for number in 1..=900 {
        stage.enter(number, number);
        stage.wait(Duration::from_millis(5));
    }
    stage.wait(Duration::from_secs(1));
    assert_eq!(stage.watcher.users.len(), 900);
    assert!((15..=19).contains(&stage.changes), "{}", stage.changes);
}

#[test]
fn of_a_large_room_only_the_number_is_told_and_the_list_has_pages() {
    let (mut room, mut now) = (RoomPresence::new(options(PresenceLevel::Users), None), origin());
    let start = now;
    let mut changes = Vec::new();
    for number in 1..=10_000 {
        room.enter(user(number), &"ann".into(), session(number), PresenceWish::Full, now);
        now += Duration::from_micros(500);
        if room.deadline().unwrap() <= now {
            changes.extend(room.tick(now).change.map(|change| (now - start, change)));
        }
    }
    assert_eq!(changes[0].1.lists.as_ref().map(|lists| lists.came.len()), Some(500));
    let large: Vec<_> = changes.iter().filter(|(_, change)| change.count > LARGE).collect();
    assert!(large.len() >= 2 && large.iter().all(|(_, change)| change.lists.is_none()));
    assert!(large.windows(2).all(|two| two[1].0.saturating_sub(two[0].0) >= Duration::from_secs(2)));
    now += Duration::from_secs(2);
    room.tick(now);
    let (mut seen, mut after) = (0, None);
    loop {
        let page = room.page(after, 500, now).1;
        let users = page.users.unwrap();
        assert_eq!((page.count, users.len() <= 500), (10_000, true));
        (seen, after) = (seen + users.len(), page.next);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 10_000);
    for number in 900..=10_000 {
        room.leave(user(number), session(number), Departure::Final, now);
    }
    let change = room.tick(now + Duration::from_secs(2)).change.unwrap();
    assert_eq!((change.count, change.lists), (899, None), "what was there before, no client knows");
}

#[test]
fn what_is_shown_is_bounded_in_a_room_a_message_and_a_page() {
    let (mut room, now) = (RoomPresence::new(options(PresenceLevel::Users), None), origin());
    let kib = format!("\"{}\"", "x".repeat(1022));
    let mut full = 0;
    for number in 1..=5000 {
        room.enter(user(number), &"ann".into(), session(number), PresenceWish::Full, now);
        full +=
            usize::from(room.set(user(number), session(number), Some(data(&kib)), (now, 0)) == Err(OwnFull));
    }
    assert_eq!((room.bytes(), full), (4 << 20, 5000 - 4096));
    let change = room.tick(now + Duration::from_secs(1)).change.unwrap();
    assert!(change.lists.is_none() && change.write("chat:a", true).len() < 100);
    let page = room.page(None, 500, now).1;
    assert!(page.users.as_ref().unwrap().len() < 70 && page.next.is_some());
    assert!(page.write("chat:a").len() < 70_000);
    for number in 1..=5000 {
        room.leave(user(number), session(number), Departure::Final, now);
    }
    assert_eq!((room.bytes(), room.is_empty()), (0, true));
}

#[test]
fn sessions_whose_connection_broke_are_bounded_for_each_user() {
    let mut stage = Stage::new(PresenceLevel::Sessions);
    for number in 1..100 {
        stage.enter(1, number);
        stage.leave(1, number, Departure::Broken);
    }
    stage.wait(Duration::from_secs(1));
    assert_eq!(stage.seen().matches("session\"").count(), 4);
}

#[test]
fn clients_that_missed_a_change_are_told_so_two_seconds_later() {
    let mut stage = Stage::new(PresenceLevel::Users);
    stage.enter(1, 11);
    stage.wait(Duration::from_secs(1));
    stage.room.missed(false, stage.now);
    stage.room.missed(true, stage.now + Duration::from_secs(1));
    let due = stage.now + Duration::from_secs(2);
    assert_eq!(stage.room.deadline(), Some(due));
    let catch_up = stage.room.tick(due).catch_up.unwrap();
    assert_eq!((catch_up.change.v, catch_up.change.count, catch_up.all), (1, 1, true));
    assert_eq!(catch_up.change.write("chat:a", true), r#"{"room":"chat:a","v":1,"count":1}"#);
    assert_eq!(stage.room.tick(due + Duration::from_secs(9)), PresenceStep::default());
}

#[test]
fn a_room_knows_whether_any_session_wants_to_be_told() {
    let mut stage = Stage::new(PresenceLevel::Users);
    let watched =
        |stage: &Stage| [PresenceWish::Count, PresenceWish::Full].map(|wish| stage.room.is_watched(wish));
    stage.enter(1, 11);
    assert_eq!(watched(&stage), [false, true]);
    stage.room.wish(user(1), session(11), PresenceWish::Count);
    assert_eq!(watched(&stage), [true, false]);
    stage.enter(1, 11);
    stage.room.wish(user(1), session(12), PresenceWish::Count);
    assert_eq!(watched(&stage), [false, true]);
    stage.leave(1, 11, Departure::Broken);
    assert_eq!(watched(&stage), [false, false]);
}
