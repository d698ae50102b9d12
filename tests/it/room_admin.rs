//! Members, bans and rooms over HTTP and at the command line: who may, what is answered and recorded, and that an account
//! that is deleted leaves nothing.

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{audit_events, room_bans, room_changes, room_members};
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{PASSWORD, TestApp};
use crate::support::commands::with_settings;
use crate::support::import::data_dir;
use crate::support::rooms::{hears_nothing, join, send, with_rooms};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

const CLUB: [(&str, &str); 2] = [("rooms.club.join", "member"), ("rooms.club.send", "joined")];

/// What the audit trail has of rooms, sorted: all of it has one time.
fn audited(app: &TestApp) -> Vec<(String, String)> {
    let events = audit_events::table.filter(audit_events::action.like("room_%"));
    let columns = (audit_events::action, audit_events::detail.assume_not_null());
    let mut audited: Vec<(String, String)> = app.query(|conn| events.select(columns).load(conn));
    audited.sort();
    audited
}

#[actix_web::test]
async fn a_backend_changes_members_and_bans_with_a_key_that_may() {
    let app = with_rooms(&CLUB).await;
    let ann = app.register("ann").await;
    let writer = key(&app, &["--scope", "rooms:write"]).await;
    let reader = key(&app, &["--scope", "rooms:read"]).await;
    let member = format!("/api/admin/rooms/club:a/members/{}", ann.id);
    for token in [&reader, &ann.access] {
        app.send(Method::PUT, &member, token, json!({})).await.assert_refused(403, "insufficient_scope");
    }
    app.get("/api/admin/rooms/club:a", &writer).await.assert_refused(403, "insufficient_scope");
    let put =
        app.send(Method::PUT, &member, &writer, json!({"until": "2999-01-01T00:00:00Z"})).await.expect(200);
    let until = "2999-01-01T00:00:00.000Z";
    assert_eq!(put.body, json!({"room": "club:a", "user": ann.id, "until": until, "silent_nodes": []}));
    let mut live = WebSocketClient::live(&app, &ann).await;
    assert_eq!(join(&mut live, "club:a").await["until"], until);

    let shown = app.get("/api/admin/rooms/club:a", &reader).await.expect(200).body;
    assert_eq!(shown, json!({"room": "club:a", "members": 1, "bans": 0, "sessions": 1}));
    let listed = app.get("/api/admin/rooms/club:a/members", &reader).await.expect(200).body;
    let entry = &listed["members"][0];
    assert_eq!(
        (&entry["user"], &entry["username"], &entry["room"], &entry["until"], &listed["next"]),
        (&json!(ann.id), &json!("ann"), &json!("club:a"), &json!(until), &Value::Null)
    );

    let deleted = app.send(Method::DELETE, &member, &writer, Value::Null).await.expect(200);
    assert_eq!(deleted.body, json!({"room": "club:a", "user": ann.id, "silent_nodes": []}));
    assert_eq!(live.next().await["code"], "removed");
    app.send(Method::DELETE, &member, &writer, Value::Null).await.expect(200);

    let ban = |scope: &str, user: &str| format!("/api/admin/rooms/{scope}/bans/{user}");
    for scope in ["chat:lobby", "chat:*", "chat:%2A"] {
        assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
        let body = app.send(Method::PUT, &ban(scope, &ann.id), &writer, json!({})).await.expect(200).body;
        assert_eq!(body["room"], scope.replace("%2A", "*"));
        assert_eq!(live.next().await["code"], "banned");
        let bans = app.get(&format!("/api/admin/rooms/{scope}/bans"), &reader).await.expect(200).body;
        assert_eq!((&bans["bans"][0]["username"], &bans["bans"][0]["until"]), (&json!("ann"), &Value::Null));
        app.send(Method::DELETE, &ban(scope, &ann.id), &writer, Value::Null).await.expect(200);
    }
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
    let audited = audited(&app);
    let expected = [
        ("room_banned", "chat:*"),
        ("room_banned", "chat:*"),
        ("room_banned", "chat:lobby"),
        ("room_member_added", "club:a until 2999-01-01T00:00:00.000Z"),
        ("room_member_removed", "club:a"),
        ("room_unbanned", "chat:*"),
        ("room_unbanned", "chat:*"),
        ("room_unbanned", "chat:lobby"),
    ];
    assert_eq!(audited, expected.map(|(action, detail)| (action.to_owned(), detail.to_owned())));
}

#[actix_web::test]
async fn a_backend_puts_sessions_out_of_a_room() {
    let app = with_rooms(&CLUB).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let writer = key(&app, &["--scope", "rooms:write"]).await;
    let mut live = WebSocketClient::live(&app, &ann).await;
    let mut other = WebSocketClient::live(&app, &bob).await;
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
    assert_eq!(join(&mut other, "chat:lobby").await["type"], "joined");
    let kick = "/api/admin/rooms/chat:lobby/kick";
    app.send(Method::POST, kick, &writer, json!({"user": ann.id})).await.expect(200);
    assert_eq!(send(&mut other, "chat:lobby", json!("after")).await["type"], "sent");
    assert_eq!(live.next().await["rejoin"], "backoff");
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
    // Sent again because its answer was lost: nobody is put out twice.
    let bearer = format!("Bearer {writer}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k1")];
    for number in 0..2 {
        app.call(Method::POST, kick, &headers, Some(json!({"user": ann.id}))).await.expect(200);
        if number == 0 {
            assert_eq!(live.next().await["code"], "removed");
            join(&mut live, "chat:lobby").await;
        }
    }
    hears_nothing(&mut live).await;
    app.send(Method::DELETE, "/api/admin/rooms/chat:lobby", &writer, Value::Null).await.expect(200);
    for client in [&mut live, &mut other] {
        assert_eq!(client.next().await["code"], "closed");
    }
    let expected =
        [("room_closed", "chat:lobby"), ("room_kicked", "chat:lobby"), ("room_kicked", "chat:lobby")];
    assert_eq!(audited(&app), expected.map(|(action, detail)| (action.to_owned(), detail.to_owned())));
}

#[actix_web::test]
async fn what_is_wrong_changes_nothing() {
    let app = with_rooms(&[&CLUB[..], &[("rooms.user.send", "anyone")]].concat()).await;
    let ann = app.register("ann").await;
    let writer = key(&app, &["--scope", "rooms:write"]).await;
    let put = async |path: &str, body: Value| {
        app.send(Method::PUT, &format!("/api/admin/rooms/{path}"), &writer, body).await
    };
    let nobody = uuid::Uuid::nil();
    put(&format!("club:a/members/{nobody}"), json!({})).await.assert_problem(404, "not_found");
    put(&format!("none:a/members/{}", ann.id), json!({})).await.assert_problem(404, "unknown_room");
    put(&format!("none:*/bans/{}", ann.id), json!({})).await.assert_problem(404, "unknown_room");
    put(&format!("club/members/{}", ann.id), json!({})).await.assert_problem(422, "invalid_room");
    put(&format!("club:*/members/{}", ann.id), json!({})).await.assert_problem(422, "invalid_room");
    put("club:a/members/ann", json!({})).await.assert_problem(404, "not_found");
    let kick = "/api/admin/rooms/club:a/kick";
    app.send(Method::POST, kick, &writer, json!({"user": nobody})).await.assert_problem(404, "not_found");
    // All of a user's sessions stay in the user's own room.
    let own = format!("/api/admin/rooms/user:{}", ann.id);
    let kicked = app.send(Method::POST, &format!("{own}/kick"), &writer, json!({"user": ann.id})).await;
    kicked.assert_problem(422, "invalid_room");
    app.send(Method::DELETE, &own, &writer, json!({})).await.assert_problem(422, "invalid_room");
    let past = json!({"until": "2020-01-01T00:00:00Z"});
    for right in ["members", "bans"] {
        let path = format!("club:a/{right}/{}", ann.id);
        put(&path, past.clone()).await.assert_problem(422, "invalid_until");
        assert_eq!(put(&path, json!({"til": 1})).await.status.as_u16() / 100, 4);
    }
    let rows: (i64, i64, i64) = app.query(|conn| {
        Ok((
            room_members::table.count().get_result(conn)?,
            room_bans::table.count().get_result(conn)?,
            room_changes::table.count().get_result(conn)?,
        ))
    });
    assert_eq!((rows, audited(&app)), ((0, 0, 0), vec![]));
}

#[actix_web::test]
async fn rooms_are_listed_in_pages_by_name() {
    let app = with_rooms(&CLUB).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let both = key(&app, &["--scope", "rooms:write", "--scope", "rooms:read"]).await;
    for (room, right, user) in [
        ("club:b", "members", &ann),
        ("club:b", "members", &bob),
        ("club:a", "bans", &bob),
        ("chat:*", "bans", &bob),
        ("club:Z", "members", &bob),
    ] {
        let path = format!("/api/admin/rooms/{room}/{right}/{}", user.id);
        app.send(Method::PUT, &path, &both, json!({})).await.expect(200);
    }
    let mut live = WebSocketClient::live(&app, &ann).await;
    join(&mut live, "chat:open").await;
    let mut names = Vec::new();
    let mut after = String::new();
    loop {
        let page = app.get(&format!("/api/admin/rooms?limit=2&after={after}"), &both).await.expect(200).body;
        names.extend(page["rooms"].as_array().unwrap().iter().map(|room| room["room"].clone()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    // Byte by byte, whatever the database's language.
    assert_eq!(names, ["chat:open", "club:Z", "club:a", "club:b"]);
    let of_kind = app.get("/api/admin/rooms?kind=club", &both).await.expect(200).body;
    assert_eq!(of_kind["rooms"].as_array().unwrap().len(), 3);
    assert_eq!(of_kind["rooms"][2], json!({"room": "club:b", "members": 2, "bans": 0, "sessions": 0}));
    app.get("/api/admin/rooms?kind=Club", &both).await.assert_problem(422, "invalid_kind");
    let first = app.get("/api/admin/rooms/club:b/members?limit=1", &both).await.expect(200).body;
    let next = first["next"].as_str().unwrap();
    let second = app
        .get(&format!("/api/admin/rooms/club:b/members?limit=1&after={next}"), &both)
        .await
        .expect(200)
        .body;
    assert_ne!(first["members"][0]["user"], second["members"][0]["user"]);
    assert_eq!(second["next"], Value::Null);
}

#[actix_web::test]
async fn an_operator_changes_members_and_bans_beside_the_server() {
    let app = with_rooms(&CLUB).await;
    let ann = app.register("ann").await;
    let mut live = WebSocketClient::live(&app, &ann).await;
    let data = data_dir(&app);
    let run = async |arguments: &[&str]| with_settings(&data, &CLUB, arguments, "").await;
    let said = run(&["room", "add", "club:a", "ann", "--until", "2999-01-01"]).await.ok();
    assert_eq!(said.out, "ann is a member of club:a until 2999-01-01 00:00 UTC\n");
    assert_eq!(join(&mut live, "club:a").await["type"], "joined");
    let members = run(&["room", "members", "club:a", "--json"]).await.ok().json();
    assert_eq!((&members[0]["username"], &members[0]["user"]), (&json!("ann"), &json!(ann.id)));
    assert!(run(&["room", "members", "club:a"]).await.ok().out.contains("2999-01-01 00:00 UTC"));
    run(&["room", "remove", "club:a", "ann"]).await.ok();
    assert_eq!(live.next().await["code"], "removed");

    let said = run(&["room", "ban", "club:*", "ann"]).await.ok();
    assert_eq!(said.out, "ann is banned from club:*\n");
    run(&["room", "add", "club:a", "ann"]).await.ok();
    let shown = run(&["room", "show", "club:*", "--json"]).await.ok().json();
    assert_eq!((&shown["bans"][0]["username"], &shown["members"]), (&json!("ann"), &json!([])));
    let listed = run(&["room", "list", "--json"]).await.ok().json();
    assert_eq!(listed, json!([{"room": "club:a", "members": 1, "bans": 0}]));
    assert!(run(&["room", "show", "club:a"]).await.ok().out.contains("member"));
    run(&["room", "unban", "club:*", "ann"]).await.ok();
    while join(&mut live, "club:a").await["type"] != "joined" {
        app.advance(std::time::Duration::from_secs(1));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    run(&["room", "kick", "club:a", "ann"]).await.ok();
    assert_eq!(live.next().await["rejoin"], "backoff");
    assert_eq!(join(&mut live, "club:a").await["type"], "joined");
    run(&["room", "close", "club:a"]).await.ok();
    assert_eq!(live.next().await["code"], "closed");

    let wrong = run(&["room", "add", "none:a", "ann"]).await;
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("there are no rooms of the kind none"), "{}", wrong.err);
    assert_eq!(run(&["room", "add", "club", "ann"]).await.code, Some(2));
    assert!(run(&["room", "add", "club:a", "nobody"]).await.err.contains("there is no account"));
    assert!(
        run(&["room", "ban", "club:a", "ann", "--until", "2020-01-01"]).await.err.contains("in the future")
    );
}

#[actix_web::test]
async fn a_persons_memberships_and_bans_are_exported_and_deleted_with_the_account() {
    let app = with_rooms(&CLUB).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let writer = key(&app, &["--scope", "rooms:write"]).await;
    for (room, right, user) in
        [("club:a", "members", &ann), ("chat:*", "bans", &ann), ("club:a", "members", &bob)]
    {
        let path = format!("/api/admin/rooms/{room}/{right}/{}", user.id);
        app.send(Method::PUT, &path, &writer, json!({})).await.expect(200);
    }
    let data = app.get("/api/me/export", &ann.access).await.expect(200).body;
    assert_eq!(
        (&data["room_members"][0]["room"], &data["room_bans"][0]["room"]),
        (&json!("club:a"), &json!("chat:*"))
    );
    assert_eq!(data["room_members"].as_array().unwrap().len(), 1);
    let body = json!({"current_password": PASSWORD});
    app.send(Method::DELETE, "/api/me", &ann.access, body).await.expect(204);
    let left: (Vec<String>, Vec<String>) = app.query(|conn| {
        Ok((
            room_members::table.select(room_members::user_id).load(conn)?,
            room_bans::table.select(room_bans::user_id).load(conn)?,
        ))
    });
    assert_eq!(left, (vec![bob.id], vec![]));
}
