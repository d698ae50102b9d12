//! Several nodes on one database: sessions, keys, links and refresh tokens are the same on all.

use std::collections::HashSet;
use std::time::Duration;

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp};
use crate::support::callers::operator;
use crate::support::cluster::{NODES, Nodes};
use crate::support::logs;
use crate::support::redis::Redis;
use crate::support::socketio::{SocketIoClient, open_polling, poll};
use crate::support::tcp::TcpClient;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

#[actix_web::test]
async fn each_node_lists_the_sessions_of_the_others() {
    let Some(redis) = Redis::start() else { return };
    let mut nodes = Nodes::start(Some(&redis), &[("sockets.max_per_user", "4")]).await;
    let ann = nodes.all[0].register("ann").await;
    let mut watcher = WebSocketClient::live(&nodes.all[0], &ann).await;
    watcher.send(json!({"type": "watch_sessions"})).await;
    assert_eq!(watcher.next().await["sessions"].as_array().unwrap().len(), 1);
    let line = TcpClient::live(&nodes.all[1], &ann).await;
    nodes.all[0].advance(Duration::from_secs(1));
    assert_eq!(watcher.next().await["sessions"].as_array().unwrap().len(), 2, "told of another node's");
    let frames = SocketIoClient::live(&nodes.all[2], &ann).await;
    nodes.all_see(&ann, 3).await;
    for node in &nodes.all {
        let listed = node.get("/api/sessions", &ann.access).await.expect(200);
        let listed = listed.body["sessions"].as_array().unwrap().clone();
        let mut transports: Vec<_> = listed.iter().map(|one| one["carrier"].as_str().unwrap()).collect();
        transports.sort_unstable();
        assert_eq!(transports, ["socketio", "tcp", "websocket"]);
        assert!(listed.is_sorted_by_key(|one| one["since"].as_str().unwrap().to_owned()));
    }

    // The bound of a user is one for all nodes.
    let _fourth = WebSocketClient::live(&nodes.all[1], &ann).await;
    nodes.all_see(&ann, 4).await;
    let mut fifth = WebSocketClient::with_token(&nodes.all[2], &ann.access).await;
    fifth.ends(4429).await;

    // A session that disconnects is removed everywhere; a node that stops says so, and one that starts is told.
    drop(line);
    nodes.all_see(&ann, 3).await;
    let mut last = nodes.all.pop().unwrap();
    last.stop().await;
    drop((frames, last));
    nodes.all_see(&ann, 2).await;
    nodes.add().await;
    nodes.all_see(&ann, 2).await;
}

#[actix_web::test]
async fn redis_may_fail_and_return() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[]).await;
    let ann = nodes.all[0].register("ann").await;
    let before = WebSocketClient::live(&nodes.all[0], &ann).await;
    nodes.all_see(&ann, 1).await;
    redis.kill();
    // Sign-in and sign-out work as before, only more slowly.
    for node in 0..NODES {
        let device = nodes.all[node].login("ann").await;
        let mut live = WebSocketClient::live(&nodes.all[(node + 1) % NODES], &device).await;
        nodes.all[(node + 2) % NODES]
            .send(Method::POST, "/api/logout", &device.access, Value::Null)
            .await
            .expect(204);
        live.ends(4441).await;
        nodes.all[node].call(Method::GET, "/readyz", &[], None).await.expect(200);
    }
    let meanwhile = TcpClient::live(&nodes.all[1], &ann).await;
    redis.run();
    // The nodes learn what connected and disconnected meanwhile.
    drop(before);
    nodes.all_see(&ann, 1).await;
    drop(meanwhile);
    nodes.all_see(&ann, 0).await;
}

#[actix_web::test]
async fn nodes_that_start_at_the_same_time_have_the_same_keys() {
    let empty = Nodes::none(None, &[]);
    let nodes = join_all((0..NODES).map(|_| empty.start_one())).await;
    let ann = nodes[0].register("ann").await;
    for node in &nodes {
        node.get("/api/me", &ann.access).await.expect(200);
    }
}

#[actix_web::test]
async fn a_refresh_token_and_a_link_are_used_once_on_all_nodes_together() {
    let nodes = Nodes::start(None, &[]).await;
    let ann = nodes.all[0].register_with_email("ann", "ann@example.org").await;
    // Racing refreshes get the same answer, wherever they go.
    let mut token = ann.refresh;
    for _ in 0..10 {
        let body = json!({"refresh_token": token});
        let racing = nodes.all.iter().flat_map(|node| [node, node]);
        let answers = join_all(racing.map(|node| node.post("/api/refresh", body.clone()))).await;
        let next: HashSet<String> =
            answers.into_iter().map(|answer| answer.expect(200).str("refresh_token")).collect();
        assert_eq!(next.len(), 1);
        token = next.into_iter().next().unwrap();
    }

    nodes.all[0].post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let link = loop {
        let mails = nodes.all.iter().flat_map(|node| node.mail.caught());
        let resets: Vec<_> = mails.filter(|mail| mail.subject.starts_with("Reset")).collect();
        if let [mail] = resets.as_slice() {
            break mail.token("reset-password");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let body = json!({"token": link, "password": NEW_PASSWORD});
    let answers = join_all(nodes.all.iter().map(|node| node.post("/api/reset-password", body.clone()))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400, 400]);
    nodes.all[0].post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(401);
}

#[actix_web::test]
async fn a_poll_to_the_wrong_node_is_refused_with_the_reason() {
    logs::capture();
    let nodes = Nodes::start(None, &[]).await;
    let path = open_polling(nodes.all[0].address).await.unwrap();
    let answer = poll(nodes.all[1].address, &path).await;
    assert_eq!(answer.status, 400);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["code"], 1, "{body}");
    assert!(body["message"].as_str().unwrap().contains("another node's"), "{body}");
    let sid = path.split_once("&sid=").unwrap().1;
    // Other tests' nodes may have said it as well; that a node says it once is tested where it is decided.
    assert!(!logs::lines_with(&["sticky"]).is_empty() && !logs::text().contains(sid));
    let unknown = poll(nodes.all[1].address, "/socket.io/?EIO=4&transport=polling&sid=x").await;
    assert!(unknown.body.contains("\"Session ID unknown\""), "{}", unknown.body);
}

#[actix_web::test]
async fn keys_that_are_changed_on_one_node_are_changed_on_all() {
    let nodes = Nodes::start(None, &[]).await;
    let ann = nodes.all[0].register("ann").await;
    let kids = async |node: &TestApp| {
        let set = node.get("/.well-known/jwks.json", "").await.expect(200);
        set.body["keys"].as_array().unwrap().len()
    };
    nodes.all[0].accounts.rotate_keys(false, &operator()).await.unwrap();
    for node in &nodes.all {
        while kids(node).await != 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        node.get("/api/me", &ann.access).await.expect(200);
    }
    // At once: tokens of the old keys are refused everywhere, and every node accepts tokens of the others.
    nodes.all[1].accounts.rotate_keys(true, &operator()).await.unwrap();
    for node in &nodes.all {
        while node.get("/api/me", &ann.access).await.status.as_u16() != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for node in &nodes.all {
        let again = node.login("ann").await;
        for other in &nodes.all {
            other.get("/api/me", &again.access).await.expect(200);
        }
    }
}
