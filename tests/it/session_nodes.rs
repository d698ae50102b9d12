//! Lists and limits of a user's sessions across nodes: each node knows those of its own users, and no others.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::http::Method;
use doorward::internals::cluster::{Body, Frame, NodeId};
use redis::AsyncCommands;
use rustix::process::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::api_keys::key;
use super::cluster_faults::{Fleet, live, register};
use crate::support::app::{Person, TestApp};
use crate::support::cluster::{Nodes, sees};
use crate::support::database::is_postgres;
use crate::support::metrics::{METRICS, becomes, scrape, value};
use crate::support::process::Process;
use crate::support::redis::Redis;
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

/// Nodes that know each other.
async fn connected(redis: &Redis, more: &[(&'static str, &str)]) -> Nodes {
    let nodes = Nodes::start(Some(redis), &[more, &[METRICS]].concat()).await;
    for node in &nodes.all {
        becomes(node, "doorward_rooms_connected", &[], 1.0).await;
        becomes(node, "doorward_cluster_nodes", &[], 3.0).await;
    }
    nodes
}

/// How many sessions of other nodes this one keeps.
async fn kept(node: &TestApp) -> f64 {
    value(&scrape(node).await, "doorward_sessions_remote", &[])
}

async fn listed(client: &mut impl LiveClient, request: &str) -> usize {
    client.ask(json!({"type": request, "id": 1})).await["sessions"].as_array().unwrap().len()
}

async fn publish(redis: &Redis, channel: &str, node: NodeId, body: Body<'_>) {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let frame = Frame { node, body }.write();
    let () = connection.publish(format!("doorward:rooms/{channel}"), frame).await.unwrap();
}

#[actix_web::test]
async fn a_list_right_after_the_sign_in_has_the_sessions_of_all_nodes() {
    let Some(redis) = Redis::start() else { return };
    let nodes = connected(&redis, &[]).await;
    let [one, two, three] = &nodes.all[..] else { panic!() };
    for number in 0..10 {
        let ann = one.register(&format!("ann{number}")).await;
        let _first = TcpClient::live(one, &ann).await;
        let mut second = WebSocketClient::live(two, &ann).await;
        assert_eq!(listed(&mut second, "sessions").await, 2);
        let mut third = WebSocketClient::live(three, &ann).await;
        assert_eq!(listed(&mut third, "watch_sessions").await, 3);
        // A node to which the user is not connected any more asks the others.
        drop(third);
        sees(one, &ann, 2).await;
        let answer = three.get("/api/sessions?limit=1", &ann.access).await.expect(200);
        let rest = format!("/api/sessions?after={}", answer.str("next"));
        let rest = three.get(&rest, &ann.access).await.expect(200);
        // Whichever is the older one: the nodes' clocks differ.
        let carriers = [&answer, &rest].map(|answer| answer.body["sessions"][0]["carrier"].to_string());
        assert_eq!(BTreeSet::from(carriers).len(), 2);
        assert_eq!(rest.body["next"], Value::Null);
    }
}

#[actix_web::test]
async fn a_node_keeps_no_sessions_of_users_who_are_connected_to_others_only() {
    let Some(redis) = Redis::start() else { return };
    let nodes = connected(&redis, &[]).await;
    let [one, two, three] = &nodes.all[..] else { panic!() };
    let ann = one.register("ann").await;
    let first = WebSocketClient::live(two, &ann).await;
    let mut others = Vec::new();
    for number in 0..8 {
        let other = one.register(&format!("other{number}")).await;
        for _ in 0..3 {
            others.push(WebSocketClient::live(three, &other).await);
        }
    }
    for node in &nodes.all {
        becomes(node, "doorward_sessions_everywhere", &[], 25.0).await;
        assert!(kept(node).await.abs() < 1e-9, "it keeps some");
        assert!(value(&scrape(node).await, "doorward_rooms_subscribed", &[]) <= 8.0);
    }
    becomes(two, "doorward_rooms_subscribed", &[], 1.0).await;

    let key = key(one, &["--scope", "sessions:read", "--scope", "stats:read"]).await;
    assert_eq!(one.get("/api/admin/stats", &key).await.expect(200).body["sessions"], 25);
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = one.get(&format!("/api/admin/sessions?limit=10{after}"), &key).await.expect(200);
        assert_eq!(page.body.get("silent_nodes"), None, "{}", page.text);
        ids.extend(page.body["sessions"].as_array().unwrap().iter().map(|one| one["id"].to_string()));
        let Some(next) = page.body["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert!(ids.len() == 25 && ids.is_sorted(), "{ids:?}");
    let hers = one.get(&format!("/api/admin/sessions?user={}", ann.id), &key).await.expect(200);
    assert_eq!(hers.body["sessions"].as_array().unwrap().len(), 1);

    // Once she is connected to both, each knows the other's.
    let second = WebSocketClient::live(three, &ann).await;
    becomes(two, "doorward_sessions_remote", &[], 1.0).await;
    becomes(three, "doorward_sessions_remote", &[], 1.0).await;
    drop(first);
    becomes(three, "doorward_sessions_remote", &[], 0.0).await;
    becomes(two, "doorward_sessions_remote", &[], 0.0).await;
    drop((second, others));
    for node in &nodes.all {
        becomes(node, "doorward_sessions_everywhere", &[], 0.0).await;
        becomes(node, "doorward_rooms_subscribed", &[], 0.0).await;
    }
}

#[actix_web::test]
async fn a_node_that_does_not_answer_is_named_in_the_list_of_all_sessions() {
    let Some(redis) = Redis::start() else { return };
    let nodes = connected(&redis, &[]).await;
    let [one, two, _] = &nodes.all[..] else { panic!() };
    let ann = one.register("ann").await;
    let _live = WebSocketClient::live(two, &ann).await;
    let key = key(one, &["--scope", "sessions:read"]).await;
    let silent = NodeId(Uuid::now_v7());
    let deadline = now() + PATIENCE;
    loop {
        publish(&redis, "nodes", silent, Body::Beat).await;
        let list = one.get("/api/admin/sessions", &key).await.expect(200);
        assert_eq!(list.body["sessions"][0]["user"], ann.id, "{}", list.text);
        if list.body["silent_nodes"] == json!([silent.0]) {
            break;
        }
        assert!(now() < deadline, "{}", list.text);
    }
    publish(&redis, "nodes", silent, Body::Bye).await;
    let deadline = now() + PATIENCE;
    while one.get("/api/admin/sessions", &key).await.expect(200).body.get("silent_nodes").is_some() {
        assert!(now() < deadline, "it is still named");
    }
}

/// Opens six sessions at two nodes that do not hear of each other. Answers them in the order of their ids.
async fn at_once(redis: &Redis, nodes: [&TestApp; 2], ann: &Person) -> Vec<WebSocketClient> {
    redis.signal(Signal::STOP);
    let mut clients = Vec::new();
    for number in 0..6 {
        let mut client = WebSocketClient::with_token(nodes[number % 2], &ann.access).await;
        let welcome = client.next().await;
        assert_eq!(welcome["type"], "welcome");
        clients.push((welcome["session"].to_string(), client));
    }
    redis.signal(Signal::CONT);
    clients.sort_by(|(one, _), (other, _)| one.cmp(other));
    clients.into_iter().map(|(_, client)| client).collect()
}

#[actix_web::test]
async fn a_user_who_connects_to_two_nodes_at_once_ends_at_the_limit_with_the_oldest_sessions() {
    let Some(redis) = Redis::start() else { return };
    let nodes = connected(&redis, &[("sockets.max_per_user", "3")]).await;
    let [one, two, three] = &nodes.all[..] else { panic!() };
    for name in ["ann", "bob"] {
        let user = one.register(name).await;
        let mut clients = at_once(&redis, [one, two], &user).await;
        for client in &mut clients[3..] {
            client.ends(4429).await;
        }
        for client in &mut clients[..3] {
            client.ping().await;
        }
        nodes.all_see(&user, 3).await;
        let answer = three.get("/api/sessions", &user.access).await.expect(200);
        assert_eq!(answer.body["sessions"].as_array().unwrap().len(), 3);
        for client in &mut clients[..3] {
            client.ping().await;
        }
        let mut fourth = WebSocketClient::with_token(two, &user.access).await;
        fourth.ends(4429).await;
    }
}

#[actix_web::test]
async fn what_ends_while_redis_is_away_is_not_listed_afterwards_and_what_stays_is() {
    let Some(redis) = Redis::start() else { return };
    let nodes = connected(&redis, &[]).await;
    let [one, two, three] = &nodes.all[..] else { panic!() };
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    let (anns, stays) = (WebSocketClient::live(one, &ann).await, WebSocketClient::live(one, &bob).await);
    let mut watcher = WebSocketClient::live(two, &ann).await;
    assert_eq!(listed(&mut watcher, "watch_sessions").await, 2);
    let mut other = WebSocketClient::live(two, &bob).await;
    assert_eq!(listed(&mut other, "sessions").await, 2);
    redis.kill();
    for node in &nodes.all {
        becomes(node, "doorward_rooms_connected", &[], 0.0).await;
    }
    drop(anns);
    let _late = WebSocketClient::live(three, &bob).await;
    becomes(one, "doorward_sessions", &[], 1.0).await;
    redis.run();
    sees(two, &ann, 1).await;
    nodes.all_see(&bob, 3).await;
    two.advance(Duration::from_secs(1));
    let last = loop {
        let told = watcher.next().await;
        if told["sessions"].as_array().unwrap().len() == 1 {
            break told;
        }
        two.advance(Duration::from_secs(1));
    };
    assert_eq!(last["type"], "sessions");
    drop(stays);
    nodes.all_see(&bob, 2).await;
}

#[actix_web::test]
async fn the_channel_of_a_user_is_shared_with_messages_to_the_user() {
    let Some(redis) = Redis::start() else { return };
    let nodes = connected(&redis, &[("rooms.user.send", "anyone")]).await;
    let [one, two, _] = &nodes.all[..] else { panic!() };
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    let mut first = WebSocketClient::live(one, &ann).await;
    let mut second = WebSocketClient::live(two, &bob).await;
    let mut third = WebSocketClient::live(one, &bob).await;
    assert_eq!(listed(&mut third, "sessions").await, 2);
    becomes(one, "doorward_rooms_subscribed", &[], 2.0).await;
    becomes(two, "doorward_rooms_subscribed", &[], 1.0).await;
    first.ask(json!({"type": "send", "id": 2, "user": bob.id, "data": "psst"})).await;
    assert_eq!(second.next().await["data"], "psst");
    drop(third);
    becomes(one, "doorward_rooms_subscribed", &[], 1.0).await;
    sees(one, &bob, 1).await;
    for node in &nodes.all {
        let unreadable =
            value(&scrape(node).await, "doorward_rooms_relayed_total", &[("outcome", "unreadable")]);
        assert!(unreadable.abs() < 1e-9);
    }
}

#[actix_web::test]
async fn what_no_node_has_said_of_sessions_breaks_nothing_and_goes_with_its_node() {
    let Some(redis) = Redis::start() else { return };
    let nodes = connected(&redis, &[]).await;
    let [one, two, _] = &nodes.all[..] else { panic!() };
    let ann = one.register("ann").await;
    let mut live = WebSocketClient::live(one, &ann).await;
    let eve = NodeId(Uuid::now_v7());
    let channel = format!("user:{}", ann.id);
    let session = |number: u128| {
        json!({"id": Uuid::from_u128(u128::MAX - number), "login": ann.login, "carrier": "pigeon",
               "address": "127.0.0.1", "since": "2026-01-01T00:00:00"})
    };
    let list = |version: u64, sessions: Vec<Value>| {
        json!({"user": ann.id, "version": version, "part": 0, "last": true, "sessions": sessions}).to_string()
    };
    let other_user = list(1, vec![]).replace(&ann.id, &Uuid::now_v7().to_string());
    let too_many = list(2, (0..1001).map(session).collect());
    let reply = json!({"query": Uuid::now_v7(), "last": true, "sessions": []}).to_string();
    for (channel, body) in [
        (&*channel, Body::Sessions("{")),
        (&channel, Body::Sessions(&other_user)),
        (&channel, Body::Sessions(&too_many)),
        (&channel, Body::Query("7")),
        (&channel, Body::Reply(&reply)),
        ("nodes", Body::Sessions(&reply)),
        ("nodes", Body::Query(&json!({"id": 7}).to_string())),
    ] {
        publish(&redis, channel, eve, body).await;
    }
    let unreadable = [("outcome", "unreadable")];
    becomes(one, "doorward_rooms_relayed_total", &unreadable, 7.0).await;
    // Floods are answered a few times, and what they claim is bounded.
    let asks = list(3, (0..900).map(session).collect()).replace("\"last\"", "\"asks\":true,\"last\"");
    for _ in 0..200 {
        publish(&redis, &channel, eve, Body::Sessions(&asks)).await;
        let query = json!({"id": Uuid::now_v7(), "limit": 4_000_000_000_u32}).to_string();
        publish(&redis, "nodes", eve, Body::Query(&query)).await;
    }
    sees(one, &ann, 101).await;
    assert_eq!(live.ask(json!({"type": "sessions", "id": 1})).await["sessions"][1]["carrier"], "other");
    live.ping().await;
    let answer = two.get("/api/sessions", &ann.access).await.expect(200);
    assert_eq!(
        answer.body["sessions"].as_array().unwrap().len(),
        1,
        "another node asks those that are there"
    );
    // It gives no sign of life.
    sees(one, &ann, 1).await;
    live.ping().await;
}

/// Waits until a node lists so many sessions of the user whose token this is.
async fn lists(node: &Process, token: &str, expected: usize) {
    let deadline = now() + PATIENCE;
    loop {
        let answer = node.call(Method::GET, "/api/sessions?limit=500", token, Value::Null).await;
        // A node that was paused says for a moment that it is unavailable.
        if answer.status.as_u16() != 503 {
            let sessions = answer.expect(200).body["sessions"].as_array().unwrap().clone();
            let ids: BTreeSet<_> = sessions.iter().map(|one| one["id"].to_string()).collect();
            assert_eq!(ids.len(), sessions.len(), "one is listed twice");
            if ids.len() == expected {
                return;
            }
            assert!(now() < deadline, "{}, not {expected}", ids.len());
        }
        assert!(now() < deadline, "it is unavailable");
        pause().await;
    }
}

/// With real processes. On PostgreSQL only: SQLite serves one process.
#[actix_web::test]
async fn lists_are_right_after_sessions_flap_on_three_nodes_and_one_is_killed() {
    if !is_postgres() {
        return;
    }
    let Some(mut fleet) = Fleet::start(3, true, &[("sockets.max_per_user", "20")]).await else { return };
    let mut tokens = Vec::new();
    for number in 0..4 {
        tokens.push(register(&fleet.nodes[0], &format!("user{number}")).await);
    }
    let mut there: Vec<(usize, usize, WebSocketClient)> = Vec::new();
    for round in 0..80_usize {
        let (user, node) = (round * 7 % 4, round * 5 % 3);
        if round % 3 == 2 {
            there.remove(round % there.len());
        }
        there.push((user, node, live(&fleet.nodes[node], &tokens[user]).await));
    }
    let mut killed = fleet.nodes.pop().unwrap();
    killed.signal(Signal::KILL);
    killed.ended().await;
    there.retain(|(_, node, _)| *node != 2);
    for (user, token) in tokens.iter().enumerate() {
        let expected = there.iter().filter(|(of, ..)| *of == user).count();
        for node in &fleet.nodes {
            lists(node, token, expected).await;
        }
    }
}

/// The other nodes forget it, and it does not know that.
#[actix_web::test]
async fn a_node_that_was_paused_for_long_is_listed_again_and_lists_the_others() {
    if !is_postgres() {
        return;
    }
    let Some(fleet) = Fleet::start(2, true, &[]).await else { return };
    let [awake, asleep] = &fleet.nodes[..] else { unreachable!("two were started") };
    let token = register(awake, "ann").await;
    let (first, _second) = (live(awake, &token).await, live(asleep, &token).await);
    lists(awake, &token, 2).await;
    lists(asleep, &token, 2).await;
    asleep.signal(Signal::STOP);
    lists(awake, &token, 1).await;
    let (_third, _fourth) = (live(awake, &token).await, live(awake, &token).await);
    drop(first);
    lists(awake, &token, 2).await;
    asleep.signal(Signal::CONT);
    lists(awake, &token, 3).await;
    lists(asleep, &token, 3).await;
}
