//! Roles and claims: what changes them, what shows them, and that an administrator is left.

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use doorward::internals::db::Conn;
use doorward::internals::schema::{access_changes, audit_events, users};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, claims, spawn_app};
use crate::support::commands::{Said, run};
use crate::support::transports::{LiveClient, on_every_transport};

async fn roles(app: &TestApp, arguments: &[&str]) -> Said {
    run(app, &[&["user", "roles"], arguments].concat(), "").await
}

fn changes(app: &TestApp) -> Vec<(i32, i32, String, String)> {
    let columns = (
        access_changes::number,
        access_changes::claims_version,
        access_changes::roles,
        access_changes::claims,
    );
    app.query(|conn| access_changes::table.select(columns).order(access_changes::number).load(conn))
}

#[actix_web::test]
async fn a_user_has_the_roles_and_claims_that_an_operator_gave() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let said = claims(&ann.access);
    assert!(["roles", "claims", "claims_version"].iter().all(|name| said.get(name).is_none()), "{said}");
    let me = app.get("/api/me", &ann.access).await.expect(200).body;
    assert_eq!((&me["roles"], &me["claims"]), (&json!([]), &json!({})));

    let said = roles(&app, &["ann", "--add", "editor", "--add", "team:red", "--json"]).await.ok().json();
    assert_eq!((&said["roles"], &said["claims_version"]), (&json!(["editor", "team:red"]), &json!(1)));
    roles(&app, &["ann", "--add", "author", "--remove", "team:red"]).await.ok();
    let merge = ["user", "claims", "ann", "--merge", r#"{"plan":"gold","trial":null}"#];
    run(&app, &merge, "").await.ok();
    // What changes nothing makes no version.
    run(&app, &merge, "").await.ok();
    roles(&app, &["ann", "--add", "author"]).await.ok();
    roles(&app, &["ann", "--replace", "editor, author"]).await.ok();
    assert_eq!(
        changes(&app),
        [
            (1, 1, r#"["editor","team:red"]"#.to_owned(), "{}".to_owned()),
            (2, 2, r#"["author","editor"]"#.to_owned(), "{}".to_owned()),
            (3, 3, r#"["author","editor"]"#.to_owned(), r#"{"plan":"gold"}"#.to_owned()),
        ]
    );
    let signed_in = app.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(200);
    assert_eq!(signed_in.body["user"]["roles"], json!(["author", "editor"]));
    let said = claims(&signed_in.str("access_token"));
    assert_eq!(
        (&said["roles"], &said["claims"], &said["claims_version"]),
        (&json!(["author", "editor"]), &json!({"plan": "gold"}), &json!(3))
    );
    let me = app.get("/api/me", &signed_in.str("access_token")).await.expect(200).body;
    assert_eq!((&me["roles"], &me["claims"]), (&json!(["author", "editor"]), &json!({"plan": "gold"})));
    let body = json!({"refresh_token": ann.refresh});
    let refreshed = app.post("/api/refresh", body).await.expect(200).str("access_token");
    assert_eq!(claims(&refreshed)["claims_version"], 3);
    let shown = run(&app, &["user", "show", "ann"], "").await.ok().out;
    assert!(shown.contains("author, editor") && shown.contains(r#"{"plan":"gold"}"#), "{shown}");
    let shown = run(&app, &["user", "show", "ann", "--json"], "").await.ok().json();
    assert_eq!(shown["account"]["claims"], json!({"plan": "gold"}));

    let details: Vec<(String, Option<String>)> = app.query(|conn| {
        let changed = audit_events::table.filter(audit_events::action.like("%_changed"));
        changed.select((audit_events::action, audit_events::detail)).order(audit_events::id).load(conn)
    });
    let detail = |action: &str, detail: &str| (action.to_owned(), Some(detail.to_owned()));
    assert_eq!(
        details,
        [
            detail("roles_changed", "+editor +team:red"),
            detail("roles_changed", "+author -team:red"),
            detail("claims_changed", "plan")
        ]
    );
}

#[actix_web::test]
async fn showing_roles_and_claims_only_reads() {
    let app = spawn_app().await;
    app.register("ann").await;
    roles(&app, &["ann", "--add", "editor"]).await.ok();
    let mut other = app.database.connect().unwrap();
    if let Conn::Postgres(_) = &other {
        // A change would wait for this. On SQLite no command starts while another process writes.
        other.batch_execute("BEGIN; UPDATE users SET updated_at = updated_at").unwrap();
    }
    let shown = roles(&app, &["ann", "--json"]).await.ok().json();
    assert_eq!((&shown["roles"], &shown["claims_version"]), (&json!(["editor"]), &json!(1)));
    let shown = run(&app, &["user", "claims", "ann", "--json"], "").await.ok().json();
    assert_eq!((&shown["claims"], &shown["claims_version"]), (&json!({}), &json!(1)));
    drop(other);
    assert_eq!(changes(&app).len(), 1);
    let audited = audit_events::table.filter(audit_events::action.like("%_changed"));
    let audited: i64 = app.query(|conn| audited.count().get_result(conn));
    assert_eq!(audited, 1);
}

#[actix_web::test]
async fn what_a_token_cannot_carry_is_refused_by_name() {
    let app = spawn_app().await;
    app.register("ann").await;
    let many: Vec<String> = (0..33).map(|n| format!("r{n}")).collect();
    for (arguments, words) in [
        (&["user", "roles", "ann", "--add", "Admin"][..], "1 to 64"),
        (&["user", "roles", "ann", "--replace", "a b"], "1 to 64"),
        (&["user", "roles", "ann", "--replace", &many.join(",")], "at most 32"),
        (&["user", "claims", "ann", "--replace", r#"{"plan":1,"sub":"x"}"#], "The claim sub is reserved"),
        (&["user", "claims", "ann", "--merge", r#"{"claims_version":9}"#], "The claim claims_version is"),
        (&["user", "claims", "ann", "--replace", r#"{"a":1,"a":2}"#], "The member a is there twice"),
        (&["user", "claims", "ann", "--replace", "[]"], "must be a JSON object"),
        (&["user", "claims", "ann", "--replace", "{"], "not JSON"),
    ] {
        let said = run(&app, arguments, "").await;
        assert!(said.code != Some(0) && said.err.contains(words), "{arguments:?}: {}", said.err);
    }
    let large = json!({"text": "x".repeat(1024)}).to_string();
    let said = run(&app, &["user", "claims", "ann", "--from", "-"], &large).await;
    assert!(said.code != Some(0) && said.err.contains("at most 1024 bytes"), "{}", said.err);
    run(&app, &["user", "claims", "ann", "--from", "-"], r#"{"text":"short"}"#).await.ok();
    let said = run(&app, &["user", "claims", "ann", "--json"], "").await.ok().json();
    assert_eq!(said["claims"], json!({"text": "short"}));
    assert_eq!(roles(&app, &["zoe", "--add", "editor"]).await.code, Some(1));
}

async fn the_largest_roles_and_claims_fit_into_a_first_message<C: LiveClient>() {
    let app = spawn_app().await;
    let most: Vec<String> = (0..32).map(|n| format!("{n:064}")).collect();
    app.register("ann").await;
    roles(&app, &["ann", "--replace", &most.join(",")]).await.ok();
    let largest = json!({"a": "\u{1F6AA}".repeat(254)}).to_string();
    assert_eq!(largest.len(), 1024);
    run(&app, &["user", "claims", "ann", "--replace", &largest], "").await.ok();
    let ann = app.login("ann").await;
    app.get("/api/me", &ann.access).await.expect(200);
    C::live(&app, &ann).await.ping().await;
}

on_every_transport!(the_largest_roles_and_claims_fit_into_a_first_message);

fn set_by_hand(app: &TestApp, username: &str, roles: &str, claims: &str) {
    app.query(|conn| {
        let user = users::table.filter(users::username.eq(username));
        diesel::update(user).set((users::roles.eq(roles), users::claims.eq(claims))).execute(conn)
    });
}

#[actix_web::test]
async fn the_last_administrator_stays() {
    let app = spawn_app().await;
    run(&app, &["user", "add", "root", "--role", "admin"], PASSWORD).await.ok();
    app.register("ann").await;
    let refused = async |arguments: &[&str]| {
        let said = run(&app, arguments, "").await;
        assert!(said.code == Some(1) && said.err.contains("last administrator"), "{}", said.err);
    };
    refused(&["user", "roles", "root", "--remove", "admin"]).await;
    refused(&["user", "roles", "root", "--replace", ""]).await;
    refused(&["user", "disable", "root"]).await;
    refused(&["user", "delete", "root", "--yes"]).await;
    let root = app.login("root").await;
    let own = json!({"current_password": PASSWORD});
    app.send(Method::DELETE, "/api/me", &root.access, own.clone()).await.assert_problem(409, "last_admin");

    // One who is disabled does not count.
    roles(&app, &["ann", "--add", "admin"]).await.ok();
    run(&app, &["user", "disable", "ann"], "").await.ok();
    refused(&["user", "delete", "root", "--yes"]).await;
    run(&app, &["user", "enable", "ann"], "").await.ok();
    app.send(Method::DELETE, "/api/me", &root.access, own).await.expect(204);
    // A role of a similar name is another one.
    app.register("eve").await;
    roles(&app, &["eve", "--add", "admins", "--add", "super-admin"]).await.ok();
    refused(&["user", "roles", "ann", "--remove", "admin"]).await;
    // Rows by hand count for what their user can do with them.
    for (by_hand, claims) in [
        (r#"["administrator"]"#, r#"{"role":"admin"}"#),
        (r#"["admin","Not A Role"]"#, r#"{"roles":["admin"]}"#),
        (r#"{"admin":true}"#, "{}"),
    ] {
        set_by_hand(&app, "eve", by_hand, claims);
        refused(&["user", "roles", "ann", "--remove", "admin"]).await;
    }
    set_by_hand(&app, "eve", r#"[ "\u0061dmin" ]"#, "{}");
    roles(&app, &["ann", "--remove", "admin"]).await.ok();
    set_by_hand(&app, "eve", "[]", "{}");
    roles(&app, &["ann", "--add", "admin"]).await.ok();
    roles(&app, &["ann", "--remove", "admin", "--force"]).await.ok();
    roles(&app, &["ann", "--add", "admin"]).await.ok();
    run(&app, &["user", "delete", "ann", "--yes", "--force"], "").await.ok();
}

#[actix_web::test]
async fn of_two_administrators_who_leave_at_once_one_stays() {
    let app = spawn_app().await;
    for round in 0..6 {
        let names = [format!("ann{round}"), format!("bob{round}")];
        let mut both = Vec::new();
        for name in &names {
            app.register(name).await;
            roles(&app, &[name, "--add", "admin"]).await.ok();
            both.push(app.login(name).await);
        }
        let own = json!({"current_password": PASSWORD});
        let leave = |person: &crate::support::app::Person| {
            let access = person.access.clone();
            let (app, own) = (&app, own.clone());
            async move { app.send(Method::DELETE, "/api/me", &access, own).await }
        };
        let (one, other) = futures_util::join!(leave(&both[0]), leave(&both[1]));
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 409], "{} {}", one.body, other.body);
        let admins: Vec<String> = app
            .query(|conn| users::table.filter(users::roles.like("%\"admin\"%")).select(users::id).load(conn));
        assert_eq!(admins.len(), 1);
        run(&app, &["user", "delete", &admins[0], "--yes", "--force"], "").await.ok();
    }
}

#[actix_web::test]
async fn rows_by_hand_that_are_not_valid_count_as_none() {
    let app = spawn_app().await;
    app.register("ann").await;
    for (roles, claims) in [("", ""), ("admin", "gold"), ("{}", "[]"), ("[\"Admin\"]", "{\"sub\":1}")] {
        app.query(|conn| {
            diesel::update(users::table).set((users::roles.eq(roles), users::claims.eq(claims))).execute(conn)
        });
        let ann = app.login("ann").await;
        let me = app.get("/api/me", &ann.access).await.expect(200).body;
        assert_eq!((&me["roles"], &me["claims"]), (&json!([]), &Value::Object(serde_json::Map::new())));
    }
}
