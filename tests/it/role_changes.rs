//! A change of roles and claims is true at once: older tokens are refused, and live sessions see it before their next
//! request, on every node and every transport.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::accounts::{Expected, RightsChange, UserChange};
use doorward::internals::schema::{access_changes, users};
use doorward::{Additions, Context, EventError, Events, Payload};
use doorward_core::domain::{ClaimsChange, ClaimsPatch, Roles, RolesChange, UserId};
use futures_util::future::join_all;
use redis::AsyncCommands;
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, claims, spawn_app, spawn_embedded};
use crate::support::callers::operator;
use crate::support::cluster::{CHANNEL, Nodes, envelope};
use crate::support::redis::Redis;
use crate::support::socketio::{PollingClient, SocketIoClient};
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    an_open_socket_is_told_before_its_next_request,
    a_stale_token_is_refused_until_it_is_refreshed,
    a_handler_that_waits_sees_the_change,
);

fn to_roles(names: &[&str]) -> RightsChange {
    RightsChange { roles: Some(RolesChange::Replace(Roles::parse(names).unwrap())), claims: None }
}

/// Returns how many nodes have not said that they have applied the change.
async fn set_roles(app: &TestApp, person: &Person, names: &[&str]) -> usize {
    let change = UserChange { rights: to_roles(names), ..UserChange::default() };
    let user = person.id.parse().unwrap();
    app.accounts.change_user(user, change, Expected::Any, &operator()).await.unwrap().1.len()
}

async fn refreshed(app: &TestApp, person: &Person) -> String {
    let body = json!({"refresh_token": person.refresh});
    app.post("/api/refresh", body).await.expect(200).str("access_token")
}

async fn an_open_socket_is_told_before_its_next_request<C: LiveClient>() {
    let roles = |context: Context, _: Payload| async move {
        let (roles, claims) = (context.roles(), context.claims());
        let seen = context.access().map(|access| access.rights.roles.clone());
        Ok::<_, EventError>(json!({"now": roles, "claims": claims, "began": seen}))
    };
    let app = spawn_embedded(&[], Additions::new(Events::default().on("roles", roles))).await;
    let ann = app.register("ann").await;
    set_roles(&app, &ann, &["editor"]).await;
    let ann = app.login("ann").await;
    let mut live = C::with_token(&app, &ann.access).await;
    let welcome = live.next().await;
    assert_eq!((&welcome["roles"], &welcome["claims"]), (&json!(["editor"]), &json!({})), "{welcome}");
    let bob = app.register("bob").await;
    let mut others = C::live(&app, &bob).await;

    let user: UserId = ann.id.parse().unwrap();
    let patch = ClaimsPatch::parse(r#"{"plan":"gold"}"#).unwrap();
    let change = RightsChange { claims: Some(ClaimsChange::Merge(patch)), ..to_roles(&["author"]) };
    app.accounts.set_access(user, change.clone(), &operator()).await.unwrap();
    // An idle socket is told at once.
    assert_eq!(live.next().await, json!({"type": "claims", "roles": ["author"], "claims": {"plan": "gold"}}));
    let version = async || app.accounts.rights_of(user).await.unwrap().version;
    let before = version().await;
    app.accounts.set_access(user, change, &operator()).await.unwrap();
    assert_eq!(version().await, before, "it changes nothing");
    let reply = live.ask(json!({"type": "roles", "id": 1})).await;
    let expected = json!({
        "type": "roles", "id": 1, "now": ["author"], "claims": {"plan": "gold"}, "began": ["author"],
    });
    assert_eq!(reply, expected);
    others.ping().await;

    // The socket outlives the token that it came with, and takes a new one.
    app.get("/api/me", &ann.access).await.assert_problem(401, "token_stale");
    let fresh = refreshed(&app, &ann).await;
    app.get("/api/me", &fresh).await.expect(200);
    let reply = live.ask(json!({"type": "auth", "id": 2, "token": ann.access})).await;
    assert_eq!((&reply["type"], &reply["code"]), (&json!("error"), &json!("token_stale")), "{reply}");
    let reply = live.ask(json!({"type": "auth", "id": 3, "token": fresh})).await;
    assert_eq!((&reply["type"], &reply["roles"]), (&json!("authenticated"), &json!(["author"])), "{reply}");
    live.ping().await;
}

async fn a_stale_token_is_refused_until_it_is_refreshed<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    C::live(&app, &ann).await.ping().await;
    set_roles(&app, &ann, &["editor"]).await;
    let mut live = C::unauthenticated(&app).await;
    live.present(&ann.access).await;
    let ended = live.ends(4440).await;
    assert_eq!(ended.goodbye["reconnect"], "new_token", "{}", ended.goodbye);
    let fresh = refreshed(&app, &ann).await;
    let mut live = C::with_token(&app, &fresh).await;
    assert_eq!(live.next().await["type"], "welcome");
    live.ping().await;
}

async fn a_handler_that_waits_sees_the_change<C: LiveClient>() {
    let (begun, goes_on) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let handler = {
        let (begun, goes_on) = (Arc::clone(&begun), Arc::clone(&goes_on));
        move |context: Context, _: Payload| {
            let (begun, goes_on) = (Arc::clone(&begun), Arc::clone(&goes_on));
            async move {
                let before = context.has_role("admin");
                begun.notify_one();
                goes_on.notified().await;
                Ok::<_, EventError>(json!({"before": before, "after": context.has_role("admin")}))
            }
        }
    };
    let app = spawn_embedded(&[], Additions::new(Events::default().on("wait", handler))).await;
    let boss = app.register("boss").await;
    let ann = app.register("ann").await;
    set_roles(&app, &boss, &["admin"]).await;
    set_roles(&app, &ann, &["admin"]).await;
    let ann = app.login("ann").await;
    let mut live = C::live(&app, &ann).await;
    live.send(json!({"type": "wait", "id": 1})).await;
    begun.notified().await;
    set_roles(&app, &ann, &[]).await;
    goes_on.notify_one();
    assert_eq!(live.next().await["type"], "claims");
    assert_eq!(live.next().await, json!({"type": "wait", "id": 1, "before": true, "after": false}));
}

#[actix_web::test]
async fn a_stale_token_revokes_its_own_login_and_does_nothing_else() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let other = app.login("ann").await;
    set_roles(&app, &ann, &["editor"]).await;
    app.get("/api/me", &ann.access).await.assert_problem(401, "token_stale");
    app.send(Method::DELETE, "/api/logins", &ann.access, Value::Null)
        .await
        .assert_problem(401, "token_stale");
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    app.get("/api/me", &ann.access).await.assert_problem(401, "token_revoked");
    app.post("/api/refresh", json!({"refresh_token": ann.refresh}))
        .await
        .assert_problem(401, "invalid_refresh_token");
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null)
        .await
        .assert_problem(401, "token_revoked");
    // The other login is active.
    app.get("/api/me", &refreshed(&app, &other).await).await.expect(200);
    // One that has expired is too old for this.
    app.advance(Duration::from_mins(15));
    app.send(Method::POST, "/api/logout", &other.access, Value::Null)
        .await
        .assert_problem(401, "token_expired");
}

#[actix_web::test]
async fn a_change_by_hand_is_found_by_the_poll() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut live = app.live(&ann).await;
    // In the row of the user alone it counts for new tokens.
    let row = diesel::update(users::table.find(&ann.id)).set(users::roles.eq(r#"["author"]"#));
    app.query(|conn| row.execute(conn));
    assert_eq!(app.get("/api/me", &ann.access).await.expect(200).body["roles"], json!(["author"]));
    assert_eq!(claims(&app.login("ann").await.access)["roles"], json!(["author"]));
    live.ping().await;
    app.query(|conn| {
        diesel::update(users::table.find(&ann.id))
            .set((users::roles.eq(r#"["editor"]"#), users::claims_version.eq(1)))
            .execute(conn)?;
        diesel::insert_into(access_changes::table)
            .values((
                access_changes::user_id.eq(&ann.id),
                access_changes::claims_version.eq(1),
                access_changes::roles.eq(r#"["editor"]"#),
                access_changes::claims.eq("{}"),
                access_changes::at.eq(doorward::Clock::Manual(app.clock.clone()).now()),
            ))
            .execute(conn)
    });
    assert_eq!(live.next().await, json!({"type": "claims", "roles": ["editor"], "claims": {}}));
    app.get("/api/me", &ann.access).await.assert_problem(401, "token_stale");
    app.get("/api/me", &refreshed(&app, &ann).await).await.expect(200);
}

#[actix_web::test]
async fn without_redis_another_node_finds_the_change_by_its_poll() {
    let nodes = Nodes::start(None, &[]).await;
    let [one, other, ..] = &nodes.all[..] else { panic!("too few") };
    let ann = one.register("ann").await;
    let mut live = other.live(&ann).await;
    assert_eq!(set_roles(one, &ann, &["editor"]).await, 0, "no other node is known");
    assert_eq!(live.next().await["type"], "claims");
    other.get("/api/me", &ann.access).await.assert_problem(401, "token_stale");
    // A node that starts knows what changed before.
    let late = nodes.start_one().await;
    late.get("/api/me", &ann.access).await.assert_problem(401, "token_stale");
}

#[actix_web::test]
async fn while_redis_is_down_a_change_is_answered_once_no_node_accepts_an_older_token() {
    let Some(redis) = Redis::start() else { return };
    redis.kill();
    let mut nodes = Nodes::none(Some(&redis), &[]);
    nodes.add().await;
    nodes.add().await;
    let [one, other] = &nodes.all[..] else { panic!("too few") };
    let mut ann = one.register("ann").await;
    for round in 0..2 {
        other.get("/api/me", &ann.access).await.expect(200);
        assert_eq!(set_roles(one, &ann, &[&format!("role{round}")]).await, 0);
        // Without a poll since the change it would accept no token at all.
        let refused = other.get("/api/me", &ann.access).await;
        assert!(matches!(refused.code(), "token_stale" | "unavailable" | "overloaded"), "{}", refused.text);
        ann = one.login("ann").await;
    }
}

/// When a request began to run, and whether the user had the role.
type Runs = Arc<Mutex<Vec<(Instant, bool)>>>;

fn recording(runs: &Runs) -> Additions {
    let runs = Arc::clone(runs);
    let handler = move |context: Context, _: Payload| {
        let runs = Arc::clone(&runs);
        async move {
            for waits in [false, true] {
                if waits {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                let began = Instant::now();
                let had = context.has_role("editor");
                runs.lock().unwrap().push((began, had));
            }
            Ok::<_, EventError>(json!({}))
        }
    };
    Additions::new(Events::default().on("run", handler))
}

/// Requests that each socket has under way while the role is removed: a thousand on all sockets together.
const UNDER_WAY: usize = 84;

async fn keeps_asking<C: LiveClient>(app: &TestApp, person: &Person) {
    let mut live = C::live(app, person).await;
    let (mut answers, mut told) = (0, false);
    for id in 0..UNDER_WAY {
        live.send(json!({"type": "run", "id": id})).await;
    }
    while answers < UNDER_WAY || !told {
        let message = live.next().await;
        told |= message["type"] == "claims";
        answers += usize::from(message.get("id").is_some());
    }
    live.ping().await;
    live.ask(json!({"type": "run", "id": "last"})).await;
}

#[actix_web::test]
async fn no_request_runs_with_the_old_role_once_its_removal_is_answered() {
    let Some(redis) = Redis::start() else { return };
    let runs = Runs::default();
    let mut nodes = Nodes::none(Some(&redis), &[]);
    for _ in 0..3 {
        let node = nodes.start_with(recording(&runs)).await;
        nodes.all.push(node);
    }
    let ann = nodes.all[0].register("ann").await;
    set_roles(&nodes.all[0], &ann, &["editor"]).await;
    let ann = nodes.all[0].login("ann").await;
    let sockets = nodes.all.iter().map(|node| async {
        futures_util::join!(
            keeps_asking::<WebSocketClient>(node, &ann),
            keeps_asking::<TcpClient>(node, &ann),
            keeps_asking::<PollingClient>(node, &ann),
            keeps_asking::<SocketIoClient>(node, &ann),
        )
    });
    let remove = async {
        let deadline = now() + PATIENCE;
        while runs.lock().unwrap().len() < 50 {
            assert!(now() < deadline, "nothing runs");
            pause().await;
        }
        // So that each node knows the others.
        nodes.all_see(&ann, 12).await;
        if set_roles(&nodes.all[0], &ann, &[]).await > 0 {
            // On a busy machine a node may need more than a second to say that it has applied the change. Within three it
            // has, or accepts no token.
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        Instant::now()
    };
    let (_, answered) = futures_util::join!(join_all(sockets), remove);
    let runs = runs.lock().unwrap();
    let (before, after): (Vec<_>, Vec<_>) = runs.iter().partition(|(began, _)| *began < answered);
    assert!(before.iter().any(|(_, had)| *had) && after.len() >= 12, "{} {}", before.len(), after.len());
    assert!(after.iter().all(|(_, had)| !had), "a request ran with the old role");
    // Of each request at least the beginning: more than so many at once that wait are refused.
    assert!(runs.len() >= (UNDER_WAY + 1) * 12, "{}", runs.len());
}

#[actix_web::test]
async fn a_node_that_does_not_answer_is_named() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[]).await;
    let ann = nodes.all[0].register("ann").await;
    // An older node: it beats, and knows no such message.
    let old = uuid::Uuid::from_u128(77);
    let beat = envelope(old, 1, &json!({"type": "beat"}));
    let client = redis::Client::open(redis.url()).unwrap();
    let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = publisher.publish(CHANNEL, &beat).await.unwrap();
    let deadline = now() + PATIENCE;
    let mut number = 0;
    loop {
        number += 1;
        let change = UserChange { rights: to_roles(&[&format!("role{number}")]), ..UserChange::default() };
        let user: UserId = ann.id.parse().unwrap();
        let changed = nodes.all[0].accounts.change_user(user, change, Expected::Any, &operator()).await;
        let silent = changed.unwrap().1;
        if silent.iter().map(|node| node.0).collect::<Vec<_>>() == [old] {
            break;
        }
        assert!(now() < deadline, "{silent:?}");
        pause().await;
    }
    let me: Value =
        nodes.all[1].get("/api/me", &nodes.all[1].login("ann").await.access).await.expect(200).body;
    assert_eq!(me["roles"], json!([format!("role{number}")]));
}
