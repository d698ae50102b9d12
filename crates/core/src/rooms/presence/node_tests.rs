use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::tests::{GRACE, Watcher, data, options, origin, session, user};
use super::*;
use crate::domain::UserId;

const NODES: usize = 3;

/// One node: it is another one after each start, and its room is there while a session is.
struct Node {
    id: PresenceNode,
    room: Option<RoomPresence>,
    watcher: Watcher,
    /// Whether the others reach it.
    connected: bool,
}

/// Several nodes, and a bus that loses what it is told to lose.
struct Cluster {
    nodes: Vec<Node>,
    now: Instant,
    origin: Instant,
    number: u64,
    /// The sessions that are there, with what they have set and when, by node.
    truth: BTreeMap<(usize, u128, u128), Option<(u64, u8)>>,
}

impl Cluster {
    fn new() -> Self {
        let now = origin();
        let mut this = Self { nodes: Vec::new(), now, origin: now, number: 0, truth: BTreeMap::new() };
        for _ in 0..NODES {
            let node = this.node();
            this.nodes.push(node);
        }
        this
    }

    fn node(&mut self) -> Node {
        self.number += 1;
        let id = PresenceNode(Uuid::from_u128(self.number.into()));
        Node { id, room: None, watcher: Watcher::default(), connected: true }
    }

    fn enter(&mut self, at: usize, of: u128, number: u128) {
        self.number += 1;
        let new = || RoomPresence::new(options(PresenceLevel::Users), Some(self.number));
        let room = self.nodes[at].room.get_or_insert_with(new);
        room.enter(user(of), &format!("user{of}").into(), session(number), PresenceWish::Full, self.now);
        self.truth.insert((at, of, number), None);
    }

    fn leave(&mut self, at: usize, of: u128, number: u128, departure: Departure) {
        if self.truth.remove(&(at, of, number)).is_some()
            && let Some(room) = &mut self.nodes[at].room
        {
            room.leave(user(of), session(number), departure, self.now);
        }
    }

    fn set(&mut self, at: usize, of: u128, number: u128, value: u8) {
        let milliseconds = u64::try_from((self.now - self.origin).as_millis()).unwrap();
        if let (Some(set), Some(room)) = (self.truth.get_mut(&(at, of, number)), &mut self.nodes[at].room) {
            self.number += 1;
            *set = Some((self.number, value));
            // No two at once, whatever node.
            self.now += Duration::from_millis(1);
            room.set(user(of), session(number), Some(data(&value.to_string())), (self.now, milliseconds + 1))
                .unwrap();
        }
    }

    /// The node ends without a word. The others notice later (`forget`).
    fn kill(&mut self, at: usize) {
        let node = self.node();
        let dead = std::mem::replace(&mut self.nodes[at], node).id;
        self.truth.retain(|(node, ..), _| *node != at);
        self.wait(Duration::from_secs(6));
        self.forget(dead);
    }

    fn forget(&mut self, dead: PresenceNode) {
        for room in self.nodes.iter_mut().filter_map(|node| node.room.as_mut()) {
            room.forget_node(dead, self.now);
        }
    }

    fn reconnect(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.connected = true;
        if let Some(room) = &mut node.room {
            room.reconnected(self.now);
        }
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let due = self.nodes.iter().filter_map(|node| node.room.as_ref()?.deadline());
            let Some(due) = due.min().filter(|due| *due <= until) else { break };
            self.now = due.max(self.now);
            for at in 0..NODES {
                self.tick(at);
            }
        }
        self.now = until;
    }

    fn tick(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let (id, connected) = (node.id, node.connected);
        let Some(room) = &mut node.room else { return };
        let step = room.tick(self.now);
        if let Some(change) = &step.change {
            node.watcher.hear(change);
        }
        if room.is_empty() {
            (node.room, node.watcher) = (None, Watcher::default());
        }
        for news in step.news {
            // As it travels.
            let news = serde_json::to_string(&news).unwrap();
            for other in self.nodes.iter_mut().filter(|other| connected && other.connected && other.id != id)
            {
                if let Some(room) = &mut other.room {
                    room.hear(id, serde_json::from_str(&news).unwrap(), self.now);
                }
            }
        }
    }

    fn check(&self) {
        let mut expected = BTreeMap::<UserId, Option<(u64, u8)>>::new();
        for ((_, of, _), set) in &self.truth {
            let shown = expected.entry(user(*of)).or_default();
            *shown = (*shown).max(*set);
        }
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(of, set)| (of, set.map(|(_, value)| value.to_string()))).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            if !self.truth.keys().any(|(node, ..)| *node == at) {
                continue;
            }
            let seen = node.watcher.users.iter().map(|(of, shown)| {
                let line = serde_json::to_value(user::Line(*of, shown)).unwrap();
                (*of, line.get("data").map(ToString::to_string))
            });
            assert_eq!(seen.collect::<BTreeMap<_, _>>(), expected, "node {at}");
        }
    }
}

#[test]
fn nodes_tell_each_other_who_is_there_and_a_dead_one_takes_its_users_with_it() {
    let mut cluster = Cluster::new();
    cluster.enter(0, 1, 11);
    cluster.wait(Duration::from_secs(1));
    cluster.enter(1, 2, 21);
    cluster.set(1, 2, 21, 7);
    cluster.enter(2, 1, 12);
    cluster.wait(Duration::from_secs(1));
    cluster.check();
    assert_eq!(cluster.nodes[0].watcher.users.len(), 2);
    // The user is on another node as well: nobody has gone.
    let v = cluster.nodes[1].watcher.v;
    cluster.leave(0, 1, 11, Departure::Final);
    cluster.wait(Duration::from_secs(1));
    assert_eq!(cluster.nodes[1].watcher.v, v);
    cluster.kill(2);
    cluster.wait(Duration::from_secs(1));
    cluster.check();
    assert_eq!(cluster.nodes[1].watcher.users.len(), 1);
}

#[test]
fn what_was_missed_while_a_node_was_away_is_asked_for() {
    let mut cluster = Cluster::new();
    cluster.enter(0, 1, 11);
    cluster.enter(1, 2, 21);
    cluster.wait(Duration::from_secs(1));
    cluster.nodes[1].connected = false;
    cluster.leave(0, 1, 11, Departure::Final);
    cluster.enter(0, 3, 31);
    cluster.set(1, 2, 21, 5);
    cluster.wait(Duration::from_secs(2));
    cluster.reconnect(1);
    cluster.wait(Duration::from_secs(2));
    cluster.check();
    // A message that is lost with nothing after it is noticed by the next sign of life.
    cluster.nodes[1].connected = false;
    cluster.enter(0, 1, 11);
    cluster.wait(Duration::from_secs(1));
    cluster.nodes[1].connected = true;
    cluster.wait(Duration::from_secs(12));
    cluster.check();
}

#[test]
fn a_node_whose_last_session_left_unheard_leaves_no_ghost() {
    let mut cluster = Cluster::new();
    cluster.enter(0, 1, 11);
    cluster.enter(1, 2, 21);
    cluster.wait(Duration::from_secs(1));
    cluster.nodes[0].connected = false;
    cluster.leave(0, 1, 11, Departure::Final);
    cluster.wait(Duration::from_secs(1));
    assert!(cluster.nodes[0].room.is_none());
    assert_eq!(cluster.nodes[1].watcher.users.len(), 2);
    cluster.nodes[0].connected = true;
    cluster.wait(Duration::from_secs(36));
    cluster.check();
}

#[test]
fn questions_cause_one_list_a_second_however_many_there_are() {
    let (mut room, start) = (RoomPresence::new(options(PresenceLevel::Users), Some(1)), origin());
    for number in 1..=2000 {
        room.enter(user(number), &"ann".into(), session(number), PresenceWish::None, start);
    }
    let (mut lists, mut longest) = (0, 0);
    for millisecond in 0..3000 {
        let now = start + Duration::from_millis(millisecond);
        room.hear(PresenceNode(Uuid::from_u128(millisecond.into())), PresenceNews::Ask, now);
        for news in room.tick(now).news {
            longest = longest.max(serde_json::to_string(&news).unwrap().len());
            lists += usize::from(matches!(news, PresenceNews::List { last: true, .. }));
        }
    }
    assert!(lists <= 3 && longest < 80_000, "{lists} {longest}");
}

#[test]
fn what_was_forged_is_bounded() {
    let (mut room, now) = (RoomPresence::new(options(PresenceLevel::Users), Some(1)), origin());
    room.enter(user(1), &"ann".into(), session(1), PresenceWish::Full, now);
    let hear = |room: &mut RoomPresence, node: u128, news: serde_json::Value| {
        if let Ok(news) = serde_json::from_str(&news.to_string()) {
            room.hear(PresenceNode(Uuid::from_u128(node)), news, now);
        }
    };
    let one = |of: u128, data: serde_json::Value| {
        let sessions = json!([{"session": session(of), "data": data, "at": u64::MAX}]);
        json!({"user": user(of), "username": "eve", "sessions": sessions})
    };
    for node in 1..200 {
        hear(&mut room, node, json!({"diff": {"life": 1, "n": 1, "users": [one(node + 1, json!(1))]}}));
    }
    let long = json!({"user": user(900), "username": "e".repeat(1000)});
    let large = one(901, json!("x".repeat(5000)));
    hear(&mut room, 1, json!({"diff": {"life": 1, "n": 2, "users": [long, large]}}));
    hear(&mut room, 1, json!({"diff": {"life": 1, "n": u64::MAX, "users": []}}));
    hear(&mut room, 1, json!({"list": {"life": 1, "n": u64::MAX, "part": 3, "last": true, "users": []}}));
    hear(&mut room, 1, json!({"shout": {}}));
    let change = room.tick(now + Duration::from_secs(1)).change.unwrap();
    assert_eq!(change.count, 1 + 64 + 1, "nodes are bounded, and the long name is none");
    assert!(change.write("chat:a", true).len() < 10_000, "what is too large is left out");
    for part in 0..80_u32 {
        let users: Vec<_> =
            (0..1000_u128).map(|of| one(u128::from(part) * 1000 + of, json!("x".repeat(1000)))).collect();
        hear(
            &mut room,
            2,
            json!({"list": {"life": 1, "n": 5, "part": part, "last": part == 79, "users": users}}),
        );
    }
    assert!(room.foreign_bytes() <= 64 << 20, "{}", room.foreign_bytes());
    for node in 1..200 {
        room.forget_node(PresenceNode(Uuid::from_u128(node)), now);
    }
    assert_eq!(room.foreign_bytes(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Enter(u128, u128),
    Leave(u128, u128, Departure),
    Set(u128, u128, u8),
    Kill(usize),
    Cut(usize),
    Reconnect(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || (1..5_u128, 0..6_u128);
    prop_oneof![
        6 => who().prop_map(|(user, session)| Step::Enter(user, session)),
        4 => (who(), any::<bool>()).prop_map(|((user, session), is_final)| {
            Step::Leave(user, session, if is_final { Departure::Final } else { Departure::Broken })
        }),
        3 => (who(), 0..3_u8).prop_map(|((user, session), value)| Step::Set(user, session, value)),
        1 => (0..NODES).prop_map(Step::Kill),
        1 => (0..NODES).prop_map(Step::Cut),
        1 => (0..NODES).prop_map(Step::Reconnect),
        5 => (0..3000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever joins, leaves, sets, deaths, and losses there were: once all is quiet, all watchers know the truth.
    #[test]
    fn all_nodes_agree_once_all_is_quiet(steps in prop::collection::vec(step(), 0..60)) {
        let mut cluster = Cluster::new();
        for step in steps {
            // A session is on one node: its number says which.
            let place = |session: u128| (usize::try_from(session).unwrap() % NODES, session + 10);
            match step {
                Step::Enter(user, session) => {
                    let (at, number) = place(session);
                    cluster.leave(at, user, number + user * 100, Departure::Final);
                    cluster.enter(at, user, number + user * 100);
                }
                Step::Leave(user, session, departure) => {
                    let (at, number) = place(session);
                    cluster.leave(at, user, number + user * 100, departure);
                }
                Step::Set(user, session, value) => {
                    let (at, number) = place(session);
                    cluster.set(at, user, number + user * 100, value);
                }
                Step::Kill(at) => cluster.kill(at),
                Step::Cut(at) => cluster.nodes[at].connected = false,
                Step::Reconnect(at) => cluster.reconnect(at),
                Step::Wait(milliseconds) => cluster.wait(Duration::from_millis(milliseconds)),
            }
        }
        for at in 0..NODES {
            cluster.reconnect(at);
        }
        cluster.wait(GRACE + Duration::from_secs(50));
        cluster.check();
    }
}
