//! What was done to accounts is recorded: who did it, with which login, from which address, and in which request.

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::audit_events;
use nix::unistd::{Uid, User};
use serde_json::json;

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp, spawn_app};
use crate::support::commands::run;
use crate::support::smtp::Caught;
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, now, pause};

#[derive(Debug, Queryable)]
struct Event {
    action: String,
    actor: Option<String>,
    actor_id: Option<String>,
    subject: Option<String>,
    ip: Option<String>,
    login: Option<String>,
    request: Option<String>,
}

fn events(app: &TestApp) -> Vec<Event> {
    let columns = (
        audit_events::action,
        audit_events::actor,
        audit_events::actor_id,
        audit_events::subject,
        audit_events::ip,
        audit_events::login_id,
        audit_events::request_id,
    );
    app.query(|conn| audit_events::table.select(columns).order(audit_events::id).load(conn))
}

fn all(app: &TestApp, action: &str) -> Vec<Event> {
    let events = events(app).into_iter().filter(|event| event.action == action);
    events.collect()
}

async fn mail_to(app: &TestApp, address: &str, kind: &str) -> Caught {
    let deadline = now() + PATIENCE;
    loop {
        let mut mails = app.mail.caught().into_iter().rev();
        if let Some(mail) = mails.find(|mail| mail.to[0] == address && mail.text.contains(kind)) {
            return mail;
        }
        assert!(now() < deadline, "no {kind:?} to {address}: {:#?}", app.mail.caught());
        pause().await;
    }
}

#[actix_web::test]
async fn what_clients_do_is_recorded_with_address_login_and_request() {
    let app = spawn_app().await;
    let ann = app.register_holder("ann", "ann@example.org").await;
    let phone = app.login("ann").await;
    let signed_in = app.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(200);
    let request = signed_in.header("x-request-id").to_owned();
    assert!(all(&app, "signed_in").iter().any(|event| event.request.as_deref() == Some(&*request)));

    let body = json!({"email": "new@example.net", "current_password": PASSWORD});
    app.send(Method::POST, "/api/me/email", &phone.access, body).await.expect(202);
    let token = mail_to(&app, "new@example.net", "/verify-email/").await.token("verify-email");
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    let token = mail_to(&app, "ann@example.org", "/undo-email/").await.token("undo-email");
    app.post("/api/reset-password", json!({"token": token, "password": PASSWORD})).await.expect(204);

    let laptop = app.login("ann").await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    app.send(Method::POST, "/api/me/password", &laptop.access, body).await.expect(204);
    let refresh = async |token: &str| app.post("/api/refresh", json!({"refresh_token": token})).await;
    let second = refresh(&laptop.refresh).await.expect(200).str("refresh_token");
    refresh(&second).await.expect(200);
    refresh(&laptop.refresh).await.expect(401);

    let body = json!({"login": "ann", "password": NEW_PASSWORD});
    let stolen = app.post("/api/login", body).await.expect(200).str("access_token");
    for number in 1..=10 {
        let body = json!({"current_password": "wrong", "new_password": PASSWORD});
        let answer = app.send(Method::POST, "/api/me/password", &stolen, body).await;
        assert_eq!(answer.status.as_u16(), if number < 10 { 403 } else { 401 }, "{number}");
    }

    for event in events(&app) {
        assert_eq!((event.actor.as_deref(), event.ip.as_deref()), (None, Some("127.0.0.1")), "{event:?}");
        assert_eq!(event.subject.as_deref(), Some(&*ann.id), "{event:?}");
        assert!(event.request.is_some(), "{event:?}");
        // A link is followed without a login.
        let by_link = ["email_verified", "email_change_undone", "password_reset"].contains(&&*event.action);
        assert_eq!(event.login.is_none(), by_link, "{event:?}");
        // Who presents a token that was used before is not known.
        let unknown = by_link || event.action == "refresh_reused";
        assert_eq!(event.actor_id.as_deref(), (!unknown).then_some(&*ann.id), "{event:?}");
    }
    let login_of = |action: &str| all(&app, action).into_iter().map(|event| event.login).collect::<Vec<_>>();
    assert_eq!(login_of("registered"), [Some(ann.login.clone())]);
    assert_eq!(login_of("email_change_requested"), [Some(phone.login.clone())]);
    for action in ["password_changed", "refresh_reused"] {
        assert_eq!(login_of(action), [Some(laptop.login.clone())], "{action}");
    }
    for (action, count) in [("email_verified", 2), ("email_change_undone", 1), ("password_reset", 1)] {
        assert_eq!(all(&app, action).len(), count, "{action}");
    }
    assert_eq!(all(&app, "password_guessed").len(), 1);

    let body = json!({"login": "ann", "password": NEW_PASSWORD});
    let access = app.post("/api/login", body).await.expect(200).str("access_token");
    app.send(Method::DELETE, "/api/me", &access, json!({"current_password": NEW_PASSWORD})).await.expect(204);
    let deleted = all(&app, "deleted");
    assert!(deleted.len() == 1 && deleted[0].request.is_some() && deleted[0].login.is_some(), "{deleted:?}");
    assert!(events(&app).iter().all(|event| event.ip.is_none()), "the addresses of a deleted user are kept");
}

#[actix_web::test]
async fn a_sign_in_over_tcp_is_recorded_with_address_and_login() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut line = TcpClient::connect(app.tcp).await;
    app.passing(line.sign_in("ann", PASSWORD, "\n")).await;
    app.passing(line.expect("Login successful!\n")).await;
    let signed_in = all(&app, "signed_in");
    assert_eq!(signed_in.len(), 1, "{signed_in:?}");
    let event = &signed_in[0];
    assert_eq!((event.actor_id.as_deref(), event.ip.as_deref()), (Some(&*ann.id), Some("127.0.0.1")));
    assert!(event.login.is_some() && event.request.is_none(), "{event:?}");
}

#[actix_web::test]
async fn what_operators_do_is_recorded_with_their_name() {
    let app = spawn_app().await;
    run(&app, &["user", "add", "ann"], PASSWORD).await.ok();
    for action in ["disable", "enable", "unlock"] {
        run(&app, &["user", action, "ann"], "").await.ok();
    }
    run(&app, &["user", "password", "ann"], NEW_PASSWORD).await.ok();
    run(&app, &["keys", "rotate"], "").await.ok();
    run(&app, &["user", "delete", "ann", "--yes"], "").await.ok();

    let name = User::from_uid(Uid::current()).unwrap().map(|user| user.name);
    let events = events(&app);
    for event in &events {
        assert_eq!((event.actor.as_deref(), &event.actor_id), (Some("operator"), &name), "{event:?}");
        assert!(event.ip.is_none() && event.login.is_none() && event.request.is_none(), "{event:?}");
    }
    let mut actions: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
    actions.sort_unstable();
    let expected =
        ["deleted", "disabled", "enabled", "keys_rotated", "password_reset", "registered", "unlocked"];
    assert_eq!(actions, expected);
}
