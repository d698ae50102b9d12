//! Who is in a room across nodes: each tells of its own sessions, and takes them with it.

use std::collections::BTreeMap;
use std::time::Duration;

use doorward::internals::cluster::{Body, Frame, NodeId};
use redis::AsyncCommands;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::cluster_faults::{Fleet, live, register};
use super::presence::{list, set};
use super::room_nodes::reach;
use crate::support::app::Person;
use crate::support::cluster::Nodes;
use crate::support::database::is_postgres;
use crate::support::redis::Redis;
use crate::support::rooms::{CHAT, join, join_watching};
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

const SETTINGS: [(&str, &str); 4] =
    [CHAT[0], CHAT[1], ("rooms.chat.presence", "users"), ("rooms.chat.grace", "5m")];

/// A client that is told everything, and the list that it makes of it.
struct Watcher {
    client: WebSocketClient,
    v: u64,
    users: BTreeMap<String, Value>,
}

impl Watcher {
    async fn new(mut client: WebSocketClient) -> Self {
        join_watching(&mut client, "chat:a", "full").await;
        let mut watcher = Self { client, v: 0, users: BTreeMap::new() };
        watcher.ask().await;
        watcher
    }

    /// Asks for the list. What comes before the answer is in it.
    async fn ask(&mut self) {
        self.client.send(json!({"type": "presence", "id": "list", "room": "chat:a", "limit": 500})).await;
        loop {
            let message = self.client.next().await;
            if message["id"] == "list" {
                assert_eq!(message["next"], Value::Null);
                self.v = message["v"].as_u64().unwrap();
                let users = message["users"].as_array().unwrap().iter();
                self.users =
                    users.map(|user| (user["user"].as_str().unwrap().to_owned(), user.clone())).collect();
                return;
            }
        }
    }

    /// Takes notice of all changes that have arrived.
    async fn hear(&mut self) {
        self.client.send(json!({"type": "ping"})).await;
        loop {
            let message = self.client.next().await;
            match message["type"].as_str() {
                Some("pong") => return,
                Some("presence_changed") => self.apply(&message),
                other => panic!("{other:?}"),
            }
        }
    }

    fn apply(&mut self, change: &Value) {
        let v = change["v"].as_u64().unwrap();
        if v <= self.v {
            return;
        }
        assert_eq!(v, self.v + 1, "this client reads, so it misses nothing");
        self.v = v;
        for user in ["came", "changed"].iter().flat_map(|list| change[list].as_array().unwrap()) {
            self.users.insert(user["user"].as_str().unwrap().to_owned(), user.clone());
        }
        for user in change["went"].as_array().unwrap() {
            assert!(self.users.remove(user.as_str().unwrap()).is_some(), "{change}");
        }
        assert_eq!(change["count"], self.users.len());
    }

    /// The names of the users, with what they show.
    fn seen(&self) -> BTreeMap<&str, &Value> {
        self.users.values().map(|user| (user["username"].as_str().unwrap(), &user["data"])).collect()
    }
}

/// Waits until these are there, as far as each watcher is told.
async fn until_seen(nodes: &Nodes, watchers: &mut [&mut Watcher], expected: &[(&str, Value)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(name, data)| (*name, data)).collect();
    let deadline = now() + PATIENCE;
    for watcher in watchers {
        watcher.hear().await;
        while watcher.seen() != expected {
            assert!(now() < deadline, "{:?}, not {expected:?}", watcher.seen());
            nodes.all.iter().for_each(|node| node.advance(Duration::from_millis(100)));
            pause().await;
            watcher.hear().await;
        }
    }
}

#[actix_web::test]
async fn users_of_all_nodes_are_seen_on_each_and_go_with_their_node() {
    let Some(redis) = Redis::start() else { return };
    let mut nodes = Nodes::start(Some(&redis), &SETTINGS).await;
    reach(&nodes.all, "all_nodes").await;
    let mut people = Vec::<Person>::new();
    for name in ["ann", "bob", "carl"] {
        people.push(nodes.all[0].register(name).await);
    }
    let mut ann = Watcher::new(WebSocketClient::live(&nodes.all[0], &people[0]).await).await;
    let mut bob = Watcher::new(WebSocketClient::live(&nodes.all[1], &people[1]).await).await;
    let mut carl = WebSocketClient::live(&nodes.all[2], &people[2]).await;
    let mut again = WebSocketClient::live(&nodes.all[2], &people[0]).await;
    join(&mut carl, "chat:a").await;
    join(&mut again, "chat:a").await;
    set(&mut carl, "chat:a", json!({"here": [true]})).await;
    let here = ("carl", json!({"here": [true]}));
    let (both, none) = (&mut [&mut ann, &mut bob], Value::Null);
    until_seen(&nodes, both, &[("ann", none.clone()), ("bob", none.clone()), here.clone()]).await;
    // Of a user on two nodes, what was set last is shown; with one session less, the user is still there.
    set(&mut both[0].client, "chat:a", json!(1)).await;
    until_seen(&nodes, both, &[("ann", json!(1)), ("bob", none.clone()), here.clone()]).await;
    nodes.all[2].advance(Duration::from_secs(1));
    set(&mut again, "chat:a", json!(2)).await;
    until_seen(&nodes, both, &[("ann", json!(2)), ("bob", none.clone()), here.clone()]).await;
    again.ask(json!({"type": "leave", "room": "chat:a"})).await;
    until_seen(&nodes, both, &[("ann", json!(1)), ("bob", none.clone()), here.clone()]).await;
    // A node that learns of the room later knows as much, also for one who only asks.
    let listed = list(&mut carl, "chat:a").await;
    assert_eq!(listed["count"], 3, "{listed}");

    // Its sessions would count for five minutes longer.
    nodes.all[2].stop().await;
    until_seen(&nodes, both, &[("ann", json!(1)), ("bob", none.clone())]).await;
    both[1].client.ask(json!({"type": "leave", "room": "chat:a"})).await;
    until_seen(&nodes, &mut [both[0]], &[("ann", json!(1))]).await;
}

#[actix_web::test]
async fn a_node_that_was_without_redis_learns_what_it_missed() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &SETTINGS).await;
    reach(&nodes.all, "all_nodes").await;
    let (ann, bob) = (nodes.all[0].register("ann").await, nodes.all[0].register("bob").await);
    let mut first = Watcher::new(WebSocketClient::live(&nodes.all[0], &ann).await).await;
    let mut second = Watcher::new(WebSocketClient::live(&nodes.all[1], &bob).await).await;
    let all = [("ann", Value::Null), ("bob", Value::Null)];
    until_seen(&nodes, &mut [&mut first, &mut second], &all).await;
    redis.kill();
    reach(&nodes.all, "this_node").await;
    let mut third = WebSocketClient::live(&nodes.all[1], &ann).await;
    join(&mut third, "chat:a").await;
    set(&mut second.client, "chat:a", json!("missed")).await;
    first.client.ask(json!({"type": "leave", "room": "chat:a"})).await;
    redis.run();
    reach(&nodes.all, "all_nodes").await;
    join_watching(&mut first.client, "chat:a", "full").await;
    first.ask().await;
    let all = [("ann", Value::Null), ("bob", json!("missed"))];
    until_seen(&nodes, &mut [&mut first, &mut second], &all).await;
}

/// Whoever reaches Redis can claim that users are there; no more than that, and not for long.
#[actix_web::test]
async fn what_no_node_has_said_breaks_nothing_and_is_forgotten() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &SETTINGS).await;
    reach(&nodes.all, "all_nodes").await;
    let ann = nodes.all[0].register("ann").await;
    let mut watcher = Watcher::new(WebSocketClient::live(&nodes.all[0], &ann).await).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let node = NodeId(uuid::Uuid::from_u128(1));
    let eve = |data: &Value| {
        let sessions = json!([{"session": uuid::Uuid::nil(), "data": data, "at": 5}]);
        json!({"user": uuid::Uuid::nil(), "username": "eve", "sessions": sessions})
    };
    let mut publish = async |channel: &str, body: Body<'_>| {
        let frame = Frame { node, body }.write();
        let () = connection.publish(format!("doorward:rooms/{channel}"), frame).await.unwrap();
    };
    for news in [
        "{",
        "7",
        r#"{"shout":{}}"#,
        r#"{"still":{"life":1,"n":9}}"#,
        r#"{"diff":{"life":1,"n":1,"users":[{"user":"x"}]}}"#,
    ] {
        publish("chat:a", Body::Presence(news)).await;
        publish("chat:nowhere", Body::Presence(news)).await;
        publish("nokind:a", Body::Presence(news)).await;
    }
    for _ in 0..500 {
        publish("chat:a", Body::Presence(r#""ask""#)).await;
    }
    let list = json!({"list": {"life": 2, "n": 3, "part": 0, "last": true, "users": [eve(&json!("x".repeat(9000)))]}});
    publish("chat:a", Body::Presence(&list.to_string())).await;
    until_seen(&nodes, &mut [&mut watcher], &[("ann", Value::Null), ("eve", Value::Null)]).await;
    // It gives no sign of life.
    until_seen(&nodes, &mut [&mut watcher], &[("ann", Value::Null)]).await;
    publish("nodes", Body::Bye).await;
    assert_eq!(join(&mut watcher.client, "chat:b").await["type"], "joined");
}

/// PLATFORM's acceptance in small, with real processes. On PostgreSQL only: SQLite serves one process.
#[actix_web::test]
async fn watchers_know_the_truth_after_users_flap_on_three_nodes_and_one_is_killed() {
    if !is_postgres() {
        return;
    }
    let settings = [CHAT[0], CHAT[1], ("rooms.chat.presence", "users"), ("rooms.chat.grace", "1s")];
    let Some(mut fleet) = Fleet::start(3, true, &settings).await else { return };
    let mut tokens = Vec::new();
    for number in 0..10 {
        tokens.push(register(&fleet.nodes[0], &format!("user{number}")).await);
    }
    let mut watchers = Vec::new();
    for (node, token) in fleet.nodes.iter().zip(&tokens).take(2) {
        watchers.push(Watcher::new(live(node, token).await).await);
    }
    let mut there = BTreeMap::<usize, (usize, WebSocketClient)>::new();
    for round in 0..60_usize {
        let user = 2 + round * 7 % 8;
        let node = round * 5 % 3;
        match there.remove(&user) {
            Some((_, mut client)) if round % 3 == 0 => {
                client.ask(json!({"type": "leave", "room": "chat:a"})).await;
            }
            Some((_, client)) if round % 3 == 1 => drop(client),
            earlier => {
                drop(earlier);
                let mut client = live(&fleet.nodes[node], &tokens[user]).await;
                join(&mut client, "chat:a").await;
                set(&mut client, "chat:a", json!(round)).await;
                there.insert(user, (node, client));
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for user in [2, 3] {
        there.remove(&user);
        let mut client = live(&fleet.nodes[2], &tokens[user]).await;
        join(&mut client, "chat:a").await;
        there.insert(user, (2, client));
    }
    let mut killed = fleet.nodes.pop().unwrap();
    killed.signal(Signal::KILL);
    killed.ended().await;
    there.retain(|_, (node, _)| *node != 2);
    let mut expected: Vec<_> = there.keys().map(|user| format!("user{user}")).collect();
    expected.extend(["user0".to_owned(), "user1".to_owned()]);
    expected.sort();
    let deadline = now() + PATIENCE;
    for watcher in &mut watchers {
        watcher.hear().await;
        while watcher.seen().keys().copied().collect::<Vec<_>>() != expected {
            assert!(now() < deadline, "{:?}, not {expected:?}", watcher.seen());
            tokio::time::sleep(Duration::from_millis(50)).await;
            watcher.hear().await;
        }
        let kept = watcher.users.clone();
        watcher.ask().await;
        assert_eq!(watcher.users, kept);
    }
}
