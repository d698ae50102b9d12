//! What operators change about an account's names and addresses, and what they hand to a person who asks for their data.

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{address_links, audit_events, invitations, outbox, users};
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, claims, post_form, spawn_app, spawn_with};
use crate::support::commands::run;
use crate::support::limits::{Call, PROXY, form, shares};

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
    app.send(Method::POST, "/api/logout", &tablet.access, json!(null)).await.expect(204);
    app.passing(app.mail.wait_for(2)).await;
    run(&app, &["user", "roles", "ann", "--add", "editor"], "").await.ok();

    // What an administrator does to her, and she to others.
    app.register("boss").await;
    run(&app, &["user", "roles", "boss", "--add", "admin"], "").await.ok();
    let boss = app.login("boss").await;
    let path = format!("/api/admin/users/{}", claims(&ann.access)["sub"].as_str().unwrap());
    let renamed = json!({"display_name": "Ann A."});
    app.send(Method::PATCH, &path, &boss.access, renamed).await.expect(200);

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

async fn forgot(app: &TestApp, login: &str) {
    app.post("/api/forgot-password", json!({"login": login})).await.expect(202);
    app.accounts.answer_queued_resets().await.unwrap();
}

async fn delete(app: &TestApp, access: &str) {
    app.send(Method::DELETE, "/api/me", access, json!({"current_password": PASSWORD})).await.expect(204);
}

/// How many rows of emails and of links name an address.
fn rows_with(app: &TestApp, address: &str) -> (i64, i64) {
    app.query(|conn| {
        let emails = outbox::table.filter(outbox::address.eq(address)).count().get_result(conn)?;
        let links = address_links::table.filter(address_links::email.eq(address)).count().get_result(conn)?;
        Ok((emails, links))
    })
}

#[actix_web::test]
async fn an_address_is_forgotten_with_the_last_account_that_has_it() {
    const SHARED: &str = "both@example.org";
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", SHARED).await;
    let ben = app.register_with_email("ben", SHARED).await;
    app.passing(app.mail.wait_for(2)).await;
    // To an address that no account has verified, so it belongs to no account.
    forgot(&app, "ann").await;
    app.passing(app.mail.wait_for(3)).await;
    assert_eq!(rows_with(&app, SHARED), (3, 1));

    delete(&app, &ann.access).await;
    assert_eq!(rows_with(&app, SHARED), (2, 1), "ben still has the address");
    delete(&app, &ben.access).await;
    assert_eq!(rows_with(&app, SHARED), (0, 0));
    let clients: Vec<Option<String>> = app.query(|conn| outbox::table.select(outbox::client).load(conn));
    assert_eq!(clients.len(), 3, "the limits go on counting them");
    assert!(clients.iter().flatten().all(|client| client.starts_with("network:")), "{clients:?}");

    // What is still to be sent to it leads to no account, except an invitation.
    app.mail.set_refusing(true);
    let cid = app.register_with_email("cid", "cid@example.org").await;
    forgot(&app, "cid").await;
    run(&app, &["invite", "--email", "cid@example.org"], "").await.ok();
    delete(&app, &cid.access).await;
    let unsent: Vec<String> = app.query(|conn| {
        let to_cid = outbox::table.filter(outbox::address.eq("cid@example.org"));
        to_cid.filter(outbox::sent_at.is_null()).select(outbox::kind).load(conn)
    });
    assert_eq!(unsent, ["invitation"]);
}

#[actix_web::test]
async fn a_person_gets_what_belongs_to_a_verified_address_alone() {
    let app = spawn_app().await;
    run(&app, &["invite", "--email", "ann@example.org"], "").await.ok();
    let mails = app.passing(app.mail.wait_for(1)).await;
    let token = mails[0].token("invitation");
    let body = json!({"username": "ann", "password": PASSWORD, "invitation": token});
    let ann = app.post("/api/register", body).await.expect(201).str("access_token");
    let data = run(&app, &["user", "export", "ann"], "").await.ok().json();
    assert_eq!(
        (&data["emails"][0]["kind"], &data["emails"][0]["address"]),
        (&json!("invitation"), &json!("ann@example.org"))
    );
    assert_eq!(data["invitation"]["email"], "ann@example.org");
    assert!(data["invitation"]["used_at"].is_string(), "{data}");

    // A user who only claims an address does not see what was sent to it.
    run(&app, &["invite", "--email", "ben@example.org"], "").await.ok();
    app.passing(app.mail.wait_for(2)).await;
    app.register_with_email("eve", "ben@example.org").await;
    let data = run(&app, &["user", "export", "eve"], "").await.ok().json();
    let kinds: Vec<_> = data["emails"].as_array().unwrap().iter().map(|email| &email["kind"]).collect();
    assert_eq!((kinds, &data["invitation"]), (vec![&json!("verify_email")], &json!(null)));

    delete(&app, &ann).await;
    assert_eq!(rows_with(&app, "ann@example.org"), (0, 0));
    let left: i64 = app.query(|conn| invitations::table.count().get_result(conn));
    assert_eq!(left, 1, "the other person's");
}

#[actix_web::test]
async fn what_a_deleted_user_did_to_others_keeps_no_address() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for name in ["boss", "chief"] {
        app.register(name).await;
        run(&app, &["user", "roles", name, "--add", "admin"], "").await.ok();
    }
    let boss = app.login("boss").await;
    let path = format!("/api/admin/users/{}", ann.id);
    let renamed = json!({"display_name": "Ann A."});
    app.send(Method::PATCH, &path, &boss.access, renamed).await.expect(200);
    let address = || -> (Option<String>, Option<String>) {
        app.query(|conn| {
            let row = audit_events::table.filter(audit_events::action.eq("renamed"));
            row.select((audit_events::actor_id, audit_events::ip)).first(conn)
        })
    };
    assert_eq!(address(), (Some(boss.id.clone()), Some("127.0.0.1".to_owned())));
    delete(&app, &boss.access).await;
    assert_eq!(address(), (Some(boss.id.clone()), None));
}

#[actix_web::test]
async fn a_user_downloads_what_is_stored_about_them() {
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", "ann@example.org").await;
    app.register_with_email("bob", "bob@example.org").await;
    app.get("/api/me/export", "").await.assert_problem(401, "unauthorized");
    let file = app.get("/api/me/export", &ann.access).await.expect(200);
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"account-data.json\"");
    assert_eq!(file.header("content-type"), "application/json");
    file.assert_guarded();
    assert_eq!(file.body["account"]["username"], "ann");
    assert_eq!(file.body["logins"][0]["id"], json!(ann.login));
    assert!(!file.text.contains("bob"), "{}", file.text);
    for secret in [PASSWORD, ann.refresh.as_str(), ann.access.as_str()] {
        assert!(!file.text.contains(secret), "{}", file.text);
    }

    // A browser does the same with a form, without a script.
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let cookie = app.post("/api/login", body).await.expect(200).cookie("doorward");
    let page = app.call(Method::GET, "/dashboard", &[("cookie", &cookie)], None).await.expect(200);
    assert!(page.text.contains("action=\"/dashboard/export\""), "{}", page.text);
    let saved = post_form(app.address, "/dashboard/export", &cookie, &[]).await.expect(200);
    assert_eq!(saved.header("content-disposition"), file.header("content-disposition"));
    assert_eq!(saved.body["account"], file.body["account"]);
    let by: Vec<(Option<String>, Option<String>)> = app.query(|conn| {
        let exported = audit_events::table.filter(audit_events::action.eq("exported"));
        exported.select((audit_events::actor_id, audit_events::subject)).load(conn)
    });
    assert_eq!(by, vec![(Some(ann.id.clone()), Some(ann.id.clone())); 2]);

    // Not with the access token of a login that was revoked on another node a moment ago.
    app.send(Method::DELETE, "/api/logins", &ann.access, json!(null)).await.expect(204);
    app.get("/api/me/export", &ann.access).await.expect(401);
}

#[actix_web::test]
async fn downloads_are_counted() {
    let app = spawn_with(&[PROXY, ("limits.export", "2/1m")]).await;
    let ann = app.register("ann").await;
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let cookie = app.post("/api/login", body).await.expect(200).cookie("doorward");
    let twins = [
        Call::get("/api/me/export").with("authorization", &format!("Bearer {}", ann.access)),
        Call::post("/dashboard/export", form(&[])).with("cookie", &cookie),
    ];
    shares(&app, "export", 2, 60, &twins).await;
}
