//! Who may register: by mode, by domain, by a verified address, and by invitation.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{audit_events, invitations, logins, outbox, users};
use serde_json::{Value, json};

use crate::support::app::{Answer, PASSWORD, TestApp, claims, post_form, spawn_app, spawn_with};
use crate::support::commands::run;
use crate::support::logs;
use crate::support::tcp::TcpClient;

fn registration(name: &str, email: Option<&str>, invitation: Option<&str>) -> Value {
    json!({"username": name, "password": PASSWORD, "email": email, "invitation": invitation})
}

async fn register(app: &TestApp, name: &str, email: Option<&str>, invitation: Option<&str>) -> Answer {
    app.post("/api/register", registration(name, email, invitation)).await
}

fn count_users(app: &TestApp) -> i64 {
    app.query(|conn| users::table.count().get_result(conn))
}

/// Invites by the command line; the token of the link.
async fn invite(app: &TestApp, arguments: &[&str]) -> String {
    let said = run(app, &[&["invite"], arguments].concat(), "").await.ok();
    let (line, rest) = said.out.split_once('\n').expect("a line");
    assert_eq!((rest, said.err.as_str()), ("", ""), "the link stands alone");
    line.strip_prefix("http://localhost:8080/invitation/").expect("a link").to_owned()
}

async fn page(app: &TestApp, path: &str) -> Answer {
    app.call(Method::GET, path, &[], None).await
}

#[actix_web::test]
async fn closed_registration_is_closed_at_every_door() {
    for (mode, code) in [("closed", "registration_closed"), ("invite", "invitation_required")] {
        let app = spawn_with(&[("accounts.registration", mode)]).await;
        register(&app, "ann", None, None).await.assert_problem(403, code);
        register(&app, "ann", None, Some("")).await.assert_problem(403, code);
        let form = [("username", "ann"), ("password", PASSWORD)];
        let refused = post_form(app.address, "/register", "", &form).await.expect(403);
        let shown = page(&app, "/register").await.expect(200);
        for answer in [refused, shown] {
            assert!(!answer.text.contains("<form"), "{}", answer.text);
            let words =
                if mode == "closed" { "isn’t accepting new accounts" } else { "need an invitation" };
            assert!(answer.text.contains(words), "{}", answer.text);
        }
        for path in ["/", "/login"] {
            assert!(!page(&app, path).await.expect(200).text.contains("href=\"/register"), "{path}");
        }
        assert_eq!(count_users(&app), 0);
        // The command line adds accounts all the same, and they sign in.
        run(&app, &["user", "add", "ann"], PASSWORD).await.ok();
        app.login("ann").await;
        // There is no difference between names that are taken and others.
        register(&app, "ann", None, None).await.assert_problem(403, code);
        let made_up = register(&app, "bob", None, Some(&"x".repeat(43))).await;
        assert_eq!(made_up.code(), if mode == "closed" { code } else { "invalid_invitation" });
    }
}

#[actix_web::test]
async fn an_invitation_is_good_for_one_account_with_its_roles() {
    let app = spawn_with(&[("accounts.registration", "invite")]).await;
    let token = invite(&app, &["--role", "editor", "--role", "author"]).await;
    let stored: Option<String> = app.query(|conn| invitations::table.select(invitations::hash).first(conn));
    assert_ne!(stored.as_deref(), Some(token.as_str()));
    // What is refused does not use it up.
    register(&app, "a b", None, Some(&token)).await.expect(422);
    let ann = register(&app, "ann", None, Some(&token)).await.expect(201);
    assert_eq!(claims(&ann.str("access_token"))["roles"], json!(["author", "editor"]));
    assert_eq!(ann.body["user"]["roles"], json!(["author", "editor"]));
    register(&app, "bob", None, Some(&token)).await.assert_problem(400, "invalid_invitation");
    page(&app, &format!("/invitation/{token}")).await.expect(400);

    let expired = invite(&app, &["--expires", "1h"]).await;
    let details: Vec<Option<String>> = app.query(|conn| {
        let events = audit_events::table.filter(audit_events::action.eq_any(["invited", "registered"]));
        events.select(audit_events::detail).order(audit_events::id).load(conn)
    });
    assert!(details.len() == 3 && details.iter().all(Option::is_some), "{details:?}");
    app.query(|conn| {
        diesel::update(invitations::table.filter(invitations::used_at.is_null()))
            .set(invitations::expires_at.eq(diesel::dsl::now))
            .execute(conn)
    });
    app.advance(Duration::from_hours(24 * 400));
    register(&app, "bob", None, Some(&expired)).await.assert_problem(400, "invalid_invitation");
}

#[actix_web::test]
async fn of_many_registrations_with_one_invitation_one_succeeds() {
    let app = spawn_with(&[("accounts.registration", "invite")]).await;
    for round in 0..3 {
        let token = invite(&app, &[]).await;
        let names: Vec<String> = (0..6).map(|number| format!("user{round}x{number}")).collect();
        let all = names.iter().map(|name| register(&app, name, None, Some(&token)));
        let answers = futures_util::future::join_all(all).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(made, 1);
        assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "invalid_invitation"));
    }
    assert_eq!(count_users(&app), 3);
}

#[actix_web::test]
async fn an_invitation_by_email_verifies_its_address() {
    logs::capture();
    let settings = [("accounts.registration", "invite"), ("accounts.allowed_domains", "example.org")];
    let app = spawn_with(&settings).await;
    let said = run(&app, &["invite", "--email", "Bob@Example.com", "--json"], "").await.ok();
    assert_eq!(said.json()["email"], "bob@example.com");
    assert!(said.json()["link"].is_null(), "it is made when the email is sent");
    let mail = app.passing(app.mail.wait_for(1)).await.remove(0);
    assert_eq!(mail.to, ["bob@example.com"]);
    let token = mail.token("invitation");

    let shown = page(&app, &format!("/invitation/{token}")).await.expect(200);
    assert!(shown.text.contains("bob@example.com") && !shown.text.contains(&token), "{}", shown.text);
    assert_eq!(shown.header("referrer-policy"), "no-referrer");
    let other = register(&app, "bob", Some("eve@example.org"), Some(&token)).await;
    other.assert_problem(422, "invalid_email");
    let weak = [("username", "bob"), ("password", "password1")];
    let path = format!("/invitation/{token}");
    let refused = post_form(app.address, &path, "", &weak).await.expect(422);
    assert!(refused.text.contains("bob@example.com") && refused.text.contains("common"), "{}", refused.text);
    assert_eq!(refused.header("referrer-policy"), "no-referrer");
    let form = [("username", "bob"), ("password", PASSWORD)];
    let done = post_form(app.address, &path, "", &form).await.expect(303);
    assert_eq!(done.header("location"), "/dashboard");
    done.cookie("doorward");
    let login = json!({"login": "bob@example.com", "password": PASSWORD});
    let answer = app.post("/api/login", login).await.expect(200);
    assert_eq!(answer.body["user"]["email_verified"], true);
    post_form(app.address, &path, "", &form).await.expect(400);
    assert!(!logs::text().contains(&token));
}

#[actix_web::test]
async fn another_sites_form_signs_no_visitor_in_by_invitation() {
    let app = spawn_app().await;
    let token = invite(&app, &[]).await;
    let form = format!("username=mallory&password={}", PASSWORD.replace(' ', "+"));
    let request =
        awc::Client::builder().disable_redirects().finish().post(app.url(&format!("/invitation/{token}")));
    let request = request
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .insert_header(("origin", "null"))
        .insert_header(("sec-fetch-site", "cross-site"));
    let answer = crate::support::app::read(request.send_body(form).await.unwrap()).await.expect(303);
    assert_eq!(answer.header("location"), "/login?done=registered");
    assert!(!answer.headers.contains_key("set-cookie"));
    let active: i64 =
        app.query(|conn| logins::table.filter(logins::revoked_at.is_null()).count().get_result(conn));
    assert_eq!(active, 0);
}

#[actix_web::test]
async fn an_address_of_another_domain_is_refused() {
    let app = spawn_with(&[("accounts.allowed_domains", "example.org, bücher.example")]).await;
    for email in [None, Some("ann@example.com"), Some("ann@sub.example.org"), Some("ann@xexample.org")] {
        register(&app, "ann", email, None).await.assert_problem(422, "invalid_email");
    }
    let form = [("username", "ann"), ("password", PASSWORD), ("email", "ann@example.com")];
    let refused = post_form(app.address, "/register", "", &form).await.expect(422);
    assert!(refused.text.contains("Accounts here need an email at one of these domains"), "{}", refused.text);
    assert_eq!(count_users(&app), 0);
    let ann = register(&app, "ann", Some("Ann@EXAMPLE.org"), None).await.expect(201).str("access_token");
    register(&app, "bob", Some("bob@xn--bcher-kva.example"), None).await.expect(201);
    let change = |email: &str| json!({"current_password": PASSWORD, "email": email});
    let refused = app.send(Method::POST, "/api/me/email", &ann, change("ann@example.com")).await;
    refused.assert_problem(422, "invalid_email");
    app.send(Method::POST, "/api/me/email", &ann, change("ann2@example.org")).await.expect(202);
}

#[actix_web::test]
async fn an_address_is_verified_before_the_first_sign_in() {
    let app = spawn_with(&[("accounts.require_verified_email", "true")]).await;
    register(&app, "ann", None, None).await.assert_problem(422, "invalid_email");
    let made = register(&app, "ann", Some("ann@example.org"), None).await.expect(201);
    assert_eq!(
        (made.body["user"]["username"].as_str(), &made.body["verification"]),
        (Some("ann"), &json!("sent"))
    );
    assert!(made.body["access_token"].is_null() && !made.headers.contains_key("set-cookie"), "{}", made.text);
    let logins = || app.query(|conn| logins::table.count().get_result::<i64>(conn));
    let sign_in =
        |password: &'static str| app.post("/api/login", json!({"login": "ann", "password": password}));
    // Only the right password is told so.
    let wrong = sign_in("wrong").await;
    wrong.assert_problem(401, "invalid_credentials");
    let unknown = app.post("/api/login", json!({"login": "nobody", "password": "wrong"})).await;
    assert_eq!(wrong.text, unknown.text);
    sign_in(PASSWORD).await.assert_problem(403, "email_not_verified");
    let form = [("login", "ann"), ("password", PASSWORD)];
    let refused = post_form(app.address, "/login", "", &form).await.expect(403);
    assert!(refused.text.contains("Confirm your email first"), "{}", refused.text);
    assert!(!refused.headers.contains_key("set-cookie"));
    let mut tcp = TcpClient::connect(app.tcp).await;
    tcp.expect("Username: ").await;
    tcp.say("ann\n").await;
    tcp.expect("Password: ").await;
    tcp.say(format!("{PASSWORD}\n")).await;
    assert_eq!(tcp.rest().await, "Login failed\nConfirm your email address first: a link was sent to it.\n");
    assert_eq!(logins(), 0);
    // The link is sent again, not at once.
    let links = || app.query(|conn| outbox::table.count().get_result::<i64>(conn));
    assert_eq!(links(), 1);
    app.advance(Duration::from_secs(61));
    sign_in("wrong").await;
    assert_eq!(links(), 1);
    sign_in(PASSWORD).await.expect(403);
    assert_eq!(links(), 2);
    let mail = app.mail.wait_for(2).await.pop().unwrap();
    app.post("/api/verify-email", json!({"token": mail.token("verify-email")})).await.expect(204);
    sign_in(PASSWORD).await.expect(200);
}

#[actix_web::test]
async fn roles_and_claims_verify_no_address() {
    let settings = [("accounts.require_verified_email", "true"), ("accounts.unused_ttl", "30d")];
    let app = spawn_with(&settings).await;
    let token = invite(&app, &["--role", "editor"]).await;
    register(&app, "ann", Some("ann@example.org"), Some(&token)).await.expect(201);
    register(&app, "bob", Some("bob@example.org"), None).await.expect(201);
    run(&app, &["user", "roles", "bob", "--add", "editor"], "").await.ok();
    register(&app, "cid", Some("cid@example.org"), None).await.expect(201);
    run(&app, &["user", "claims", "cid", "--merge", r#"{"plan":"gold"}"#], "").await.ok();
    register(&app, "dora", Some("dora@example.org"), None).await.expect(201);
    for name in ["ann", "bob", "cid", "dora"] {
        let refused = app.post("/api/login", json!({"login": name, "password": PASSWORD})).await;
        refused.assert_problem(403, "email_not_verified");
    }
    // Accounts that were given roles or claims are in use.
    app.advance(Duration::from_hours(24 * 31));
    app.accounts.purge().await.unwrap();
    let left: Vec<String> =
        app.query(|conn| users::table.select(users::username).order(users::username).load(conn));
    assert_eq!(left, ["ann", "bob", "cid"]);
}

#[actix_web::test]
async fn links_that_are_sent_again_are_limited() {
    let settings = [("accounts.require_verified_email", "true"), ("limits.mail_account", "3/1h")];
    let app = spawn_with(&settings).await;
    register(&app, "ann", Some("ann@example.org"), None).await.expect(201);
    for _ in 0..6 {
        app.advance(Duration::from_secs(61));
        let login = json!({"login": "ann", "password": PASSWORD});
        app.post("/api/login", login).await.assert_problem(403, "email_not_verified");
    }
    let links: i64 = app.query(|conn| outbox::table.count().get_result(conn));
    assert_eq!(links, 3);
}

#[actix_web::test]
async fn a_page_says_that_the_address_comes_first() {
    let app = spawn_with(&[("accounts.require_verified_email", "true")]).await;
    let form = [("username", "ann"), ("password", PASSWORD), ("email", "ann@example.org")];
    // The same twice, as after a double click.
    for _ in 0..2 {
        let said = post_form(app.address, "/register?return_to=%2Fchat", "", &form).await.expect(200);
        assert!(!said.headers.contains_key("set-cookie"));
        for words in ["Check your email", "<bdi>ann@example.org</bdi>", "href=\"/login?return_to=%2Fchat\""] {
            assert!(said.text.contains(words), "no {words} in {}", said.text);
        }
    }
}

#[actix_web::test]
async fn accounts_that_did_not_register_themselves_need_no_verification() {
    let app = spawn_app().await;
    let old = app.register_with_email("old", "old@example.org").await;
    app.login("old").await;
    let again = crate::support::app::start_again(&app, &[("accounts.require_verified_email", "true")]).await;
    run(&app, &["user", "add", "ann", "--email", "ann@example.org"], PASSWORD).await.ok();
    for name in ["ann", "old"] {
        again.login(name).await;
    }
    again.get("/api/me", &old.access).await.expect(200);
}

#[actix_web::test]
async fn invitations_are_listed_and_revoked() {
    let app = spawn_with(&[("accounts.registration", "invite")]).await;
    let token = invite(&app, &["--role", "admin"]).await;
    run(&app, &["invite", "--email", "bob@example.org"], "").await.ok();
    // A newer one replaces it.
    let second = run(&app, &["invite", "--email", "BOB@example.org"], "").await.ok();
    assert_eq!(second.out, "An invitation is sent to bob@example.org\n");
    let listed = run(&app, &["invite", "list", "--json"], "").await.ok().json();
    let all = listed.as_array().unwrap();
    assert_eq!(all.len(), 2, "{listed}");
    assert!(!listed.to_string().contains(&token));
    let open = all.iter().find(|one| one["email"].is_null()).unwrap();
    assert_eq!(open["roles"], json!(["admin"]));
    let table = run(&app, &["invite", "list"], "").await.ok().out;
    assert!(table.contains("bob@example.org") && table.contains("admin"), "{table}");
    let id = open["id"].as_str().unwrap();
    run(&app, &["invite", "revoke", id], "").await.ok();
    register(&app, "eve", None, Some(&token)).await.assert_problem(400, "invalid_invitation");
    let again = run(&app, &["invite", "revoke", id], "").await;
    assert!(again.code == Some(1) && again.err.contains("no open invitation"), "{}", again.err);
    for wrong in [
        &["--email", "nothing"][..],
        &["--role", "a b"],
        &["--expires", "10s"],
        &["--expires", "400d"],
        &["--expires", "soon"],
    ] {
        let said = run(&app, &[&["invite"], wrong].concat(), "").await;
        assert_eq!(said.code, Some(2), "{wrong:?}: {}{}", said.out, said.err);
    }
}

#[actix_web::test]
async fn what_an_invitation_says_of_a_person_goes_with_the_account() {
    let app = spawn_app().await;
    let token = invite(&app, &[]).await;
    let ann = register(&app, "ann", None, Some(&token)).await.expect(201).str("access_token");
    app.send(Method::DELETE, "/api/me", &ann, json!({"current_password": PASSWORD})).await.expect(204);
    let left: i64 = app.query(|conn| invitations::table.count().get_result(conn));
    assert_eq!(left, 0);
}
