//! What operators change about an account's names and addresses, and what they hand to a person who asks for their data.

use diesel::prelude::*;
use doorward::internals::schema::{audit_events, users};
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, claims, spawn_app};
use crate::support::commands::run;

async fn shown(app: &TestApp, name: &str) -> serde_json::Value {
    run(app, &["user", "show", name, "--json"], "").await.ok().json()["account"].clone()
}

#[actix_web::test]
async fn an_operator_changes_the_display_name_and_the_address() {
    let app = spawn_app().await;
    app.register("ann").await;
    app.register_with_email("bob", "bob@example.org").await;
    run(&app, &["user", "rename", "ann", "Ann B."], "").await.ok();
    assert_eq!(shown(&app, "ann").await["display_name"], "Ann B.");

    // With a link, as if its user had asked.
    let said = run(&app, &["user", "email", "ann", "Ann@Example.org"], "").await.ok();
    assert_eq!(said.out, "ann: a link to verify it is sent to ann@example.org\n");
    assert_eq!(shown(&app, "ann").await["email"], json!(null));
    let mails = app.passing(app.mail.wait_for(2)).await;
    let mail = mails.iter().find(|mail| mail.to == ["ann@example.org"]).expect("an email");
    app.post("/api/verify-email", json!({"token": mail.token("verify-email")})).await.expect(204);
    assert_eq!(shown(&app, "ann").await["email_verified"], true);

    // Without one.
    let said = run(&app, &["user", "verify-email", "bob"], "").await.ok();
    assert_eq!(said.out, "bob has the verified address bob@example.org\n");
    run(&app, &["user", "email", "bob", "b@example.com", "--verified"], "").await.ok();
    let bob = shown(&app, "bob").await;
    assert_eq!((&bob["email"], &bob["email_verified"]), (&json!("b@example.com"), &json!(true)));
    let held = run(&app, &["user", "email", "ann", "b@example.com", "--verified"], "").await;
    assert!(held.code == Some(1) && held.err.contains("belongs to another"), "{}", held.err);

    app.register("cid").await;
    let none = run(&app, &["user", "verify-email", "cid"], "").await;
    assert!(none.code == Some(1) && none.err.contains("has no address"), "{}", none.err);
    for (wrong, words) in [
        (&["user", "email", "ann", "nothing"][..], "address"),
        (&["user", "rename", "ann", "a\u{202e}b"], "name"),
    ] {
        let said = run(&app, wrong, "").await;
        assert!(said.code == Some(2) && said.err.contains(words), "{wrong:?}: {}", said.err);
    }
    let operators: i64 = app.query(|conn| {
        let rows = audit_events::table.filter(audit_events::actor.eq("operator"));
        rows.filter(audit_events::action.eq("email_verified")).count().get_result(conn)
    });
    assert_eq!(operators, 2, "each change of an address is recorded with the operator");
}

#[actix_web::test]
async fn a_person_gets_all_that_is_stored_about_them_and_nothing_of_others() {
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", "ann@example.org").await;
    app.register_with_email("bob", "bob@example.org").await;
    let tablet = app.login("ann").await;
    app.post("/api/login", json!({"login": "ann", "password": "wrong"})).await.expect(401);
    app.send(actix_web::http::Method::POST, "/api/logout", &tablet.access, json!(null)).await.expect(204);
    app.passing(app.mail.wait_for(2)).await;
    run(&app, &["user", "roles", "ann", "--add", "editor"], "").await.ok();

    // What an administrator does to her, and she to others.
    app.register("boss").await;
    run(&app, &["user", "roles", "boss", "--add", "admin"], "").await.ok();
    let boss = app.login("boss").await;
    let path = format!("/api/admin/users/{}", claims(&ann.access)["sub"].as_str().unwrap());
    let renamed = json!({"display_name": "Ann A."});
    app.send(actix_web::http::Method::PATCH, &path, &boss.access, renamed).await.expect(200);

    let said = run(&app, &["user", "export", "ann"], "").await.ok();
    let data = said.json();
    let renamed = data["events"].as_array().unwrap().iter().find(|event| event["action"] == "renamed");
    let renamed = renamed.expect("an event");
    assert_eq!([&renamed["actor_id"], &renamed["ip"], &renamed["login"]], [&json!(null); 3]);
    assert!(!said.out.contains(claims(&boss.access)["sub"].as_str().unwrap()));
    assert_eq!(data["account"]["username"], "ann");
    assert_eq!(data["account"]["roles"], json!(["editor"]));
    let logins = data["logins"].as_array().unwrap();
    assert_eq!(logins.len(), 2);
    let ended: Vec<_> = logins.iter().filter(|login| !login["revoked_at"].is_null()).collect();
    assert!(ended.len() == 1 && ended[0]["revoked_reason"] == "signed_out", "{data}");
    assert_eq!(data["emails"][0]["address"], "ann@example.org");
    assert_eq!(data["wrong_passwords"][0]["failures"], 1);
    let actions: Vec<_> = data["events"].as_array().unwrap().iter().map(|event| &event["action"]).collect();
    for action in ["registered", "renamed", "roles_changed", "signed_in"] {
        assert!(actions.contains(&&json!(action)), "{action}: {data}");
    }
    assert!(!said.out.contains("bob"), "{}", said.out);
    let hash: String = app.query(|conn| {
        users::table.filter(users::username.eq("ann")).select(users::password_hash).first(conn)
    });
    for secret in [hash.as_str(), PASSWORD, &ann.refresh, &ann.access] {
        assert!(!said.out.contains(secret));
    }
    assert_eq!(run(&app, &["user", "export", "zoe"], "").await.code, Some(1));
    let exported: i64 = app.query(|conn| {
        audit_events::table.filter(audit_events::action.eq("exported")).count().get_result(conn)
    });
    assert_eq!(exported, 1);
}
