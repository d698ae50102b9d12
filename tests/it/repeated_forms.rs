//! The same form twice: a double click, a reload, two at the same moment. What was done is told again, and is done once.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{audit_events, logins, users};
use serde_json::json;

use crate::support::app::{Answer, NEW_PASSWORD, PASSWORD, TestApp, post_form, spawn_app, spawn_with};
use crate::support::time::pause;

const OTHER: &str = "a third teapot sails vinegar";

async fn post(app: &TestApp, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    post_form(app.address, path, cookie, fields).await
}

fn leads_to(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("location"))
}

fn cookie(answer: &Answer) -> String {
    let mut cookies = answer.headers.get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with("doorward=")).expect("a cookie");
    cookie.split(';').next().unwrap().to_owned()
}

async fn sign_in(app: &TestApp, login: &str, password: &str) -> String {
    cookie(&post(app, "/login", "", &[("login", login), ("password", password)]).await.expect(303))
}

fn happened(app: &TestApp, action: &str) -> i64 {
    app.query(|conn| audit_events::table.filter(audit_events::action.eq(action)).count().get_result(conn))
}

async fn reset_link(app: &TestApp, login: &str) -> String {
    let before = app.mail.caught().len();
    app.post("/api/forgot-password", json!({"login": login})).await.expect(202);
    let mails = app.mail.wait_for(before + 1).await;
    format!("/reset-password/{}", mails.last().unwrap().token("reset-password"))
}

/// Two at the same moment.
macro_rules! both {
    ($one:expr, $two:expr) => {
        futures_util::future::join($one, $two).await
    };
}

#[actix_web::test]
async fn a_new_password_by_link() {
    const DONE: (u16, &str) = (303, "/login?done=password-reset");
    let app = spawn_app().await;
    app.register_holder("ann", "ann@example.org").await;
    let link = reset_link(&app, "ann").await;
    let form = [("password", NEW_PASSWORD)];
    let (one, two) = both!(post(&app, &link, "", &form), post(&app, &link, "", &form));
    assert_eq!((leads_to(&one), leads_to(&two)), (DONE, DONE));
    assert_eq!(leads_to(&post(&app, &link, "", &form).await), DONE);
    assert_eq!(happened(&app, "password_reset"), 1);
    assert_eq!(leads_to(&app.get(&link, "").await), DONE, "the link itself, again");
    // Another password is another request.
    assert_eq!(post(&app, &link, "", &[("password", OTHER)]).await.expect(400).code(), "invalid_link");
    post(&app, &link, "", &[("password", NEW_PASSWORD), ("username", "bob")]).await.expect(400);
    sign_in(&app, "ann", NEW_PASSWORD).await;
    // Programs are told that the link is used up, as before.
    let token = link.rsplit('/').next().unwrap();
    let body = json!({"token": token, "password": NEW_PASSWORD});
    assert_eq!(app.post("/api/reset-password", body).await.expect(400).code(), "invalid_link");
    app.advance(Duration::from_secs(61));
    post(&app, &link, "", &form).await.expect(400);
    app.get(&link, "").await.expect(400);
}

#[actix_web::test]
async fn an_invalidated_link_does_not_test_passwords() {
    let app = spawn_app().await;
    app.register_holder("ann", "ann@example.org").await;
    let stale = reset_link(&app, "ann").await;
    app.advance(Duration::from_secs(61));
    let used = reset_link(&app, "ann").await;
    post(&app, &used, "", &[("password", NEW_PASSWORD)]).await.expect(303);
    // The right password, at a link that the reset has invalidated.
    post(&app, &stale, "", &[("password", NEW_PASSWORD)]).await.expect(400);
    app.get(&stale, "").await.expect(400);
    // At the one that was used a wrong one counts as it does at a sign-in.
    for _ in 0..5 {
        post(&app, &used, "", &[("password", OTHER)]).await.expect(400);
    }
    let login = json!({"login": "ann", "password": NEW_PASSWORD});
    app.post("/api/login", login).await.expect(429);
    post(&app, &used, "", &[("password", NEW_PASSWORD)]).await.expect(400);
}

#[actix_web::test]
async fn a_new_password_by_a_link_to_an_address_that_several_claim() {
    let app = spawn_app().await;
    app.register_with_email("ann", "shared@example.org").await;
    app.register_with_email("bob", "shared@example.org").await;
    app.mail.wait_for(2).await;
    let link = reset_link(&app, "shared@example.org").await;
    let form = [("password", NEW_PASSWORD), ("username", "bob")];
    for _ in 0..2 {
        assert_eq!(leads_to(&post(&app, &link, "", &form).await), (303, "/login?done=password-reset"));
    }
    post(&app, &link, "", &[("password", NEW_PASSWORD), ("username", "ann")]).await.expect(400);
    sign_in(&app, "bob", NEW_PASSWORD).await;
}

#[actix_web::test]
async fn a_change_of_address_that_is_undone() {
    const DONE: (u16, &str) = (303, "/login?done=email-restored");
    let app = spawn_app().await;
    let ann = app.register_holder("ann", "ann@example.org").await;
    let change = json!({"email": "thief@example.org", "current_password": PASSWORD});
    app.send(Method::POST, "/api/me/email", &ann.access, change).await.expect(202);
    let token = loop {
        let mails = app.mail.caught();
        if let Some(mail) = mails.iter().find(|mail| mail.to == ["thief@example.org"]) {
            break mail.token("verify-email");
        }
        pause().await;
    };
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    let link = loop {
        let mails = app.mail.caught();
        if let Some(mail) = mails.iter().find(|mail| mail.text.contains("/undo-email/")) {
            break format!("/undo-email/{}", mail.token("undo-email"));
        }
        pause().await;
    };
    let form = [("password", NEW_PASSWORD)];
    let (one, two) = both!(post(&app, &link, "", &form), post(&app, &link, "", &form));
    assert_eq!((leads_to(&one), leads_to(&two)), (DONE, DONE));
    assert_eq!(leads_to(&post(&app, &link, "", &form).await), DONE);
    assert_eq!(leads_to(&app.get(&link, "").await), DONE);
    assert_eq!(happened(&app, "email_change_undone"), 1);
}

#[actix_web::test]
async fn an_address_that_is_confirmed() {
    let app = spawn_app().await;
    app.register_with_email("ann", "ann@example.org").await;
    let link = format!("/verify-email/{}", app.mail.link_token("verify-email").await);
    let (one, two) = both!(post(&app, &link, "", &[]), post(&app, &link, "", &[]));
    for answer in [one, two, post(&app, &link, "", &[]).await, app.get(&link, "").await] {
        assert!(answer.expect(200).text.contains("<h1>Email confirmed</h1>"));
    }
    assert_eq!(happened(&app, "email_verified"), 1);
    let signed_in = sign_in(&app, "ann", PASSWORD).await;
    assert_eq!(leads_to(&post(&app, &link, &signed_in, &[]).await), (303, "/dashboard?done=email-verified"));
    app.advance(Duration::from_secs(61));
    for answer in [post(&app, &link, &signed_in, &[]).await, app.get(&link, "").await] {
        let page = answer.expect(200).text;
        assert!(page.contains("<h1>Already confirmed</h1>") && page.contains("ann@example.org"), "{page}");
    }
    // The link tells nothing any more once the account has another address.
    app.query(|conn| {
        let ann = users::table.filter(users::username.eq("ann"));
        diesel::update(ann).set(users::email.eq("new@example.org")).execute(conn)
    });
    app.get(&link, "").await.expect(400);
    post(&app, &link, "", &[]).await.expect(400);
}

#[actix_web::test]
async fn a_registration() {
    let app = spawn_app().await;
    let form = [("username", "Ann"), ("email", "ann@example.org"), ("password", PASSWORD)];
    let (one, two) = both!(post(&app, "/register", "", &form), post(&app, "/register", "", &form));
    for answer in [one, two, post(&app, "/register", "", &form).await] {
        assert_eq!(leads_to(&answer), (303, "/dashboard"));
        app.call(Method::GET, "/dashboard", &[("cookie", &cookie(&answer))], None).await.expect(200);
    }
    let accounts: i64 = app.query(|conn| users::table.count().get_result(conn));
    assert_eq!((accounts, happened(&app, "registered")), (1, 1));
    assert_eq!(app.mail.wait_for(1).await.len(), 1, "one email");
    // Another password or address is another person who wants the name.
    for (email, password) in
        [("ann@example.org", NEW_PASSWORD), ("", PASSWORD), ("eve@example.org", PASSWORD)]
    {
        let form = [("username", "ann"), ("email", email), ("password", password)];
        let refused = post(&app, "/register", "", &form).await.expect(409);
        assert!(refused.text.contains("This username is taken."));
        assert_eq!(refused.header("set-cookie"), "");
    }
    // And so is the same a minute later; programs are always told so.
    let body = json!({"username": "ann", "email": "ann@example.org", "password": PASSWORD});
    assert_eq!(app.post("/api/register", body).await.expect(409).code(), "username_taken");
    app.advance(Duration::from_secs(61));
    post(&app, "/register", "", &form).await.expect(409);
}

#[actix_web::test]
async fn a_registration_again_is_counted_and_limited_like_a_sign_in() {
    let app = spawn_with(&[("limits.sign_in", "1/1h")]).await;
    let form = [("username", "ann"), ("email", ""), ("password", PASSWORD)];
    post(&app, "/register", "", &form).await.expect(303);
    post(&app, "/register", "", &form).await.expect(303);
    post(&app, "/register", "", &form).await.expect(409);

    let app = spawn_app().await;
    post(&app, "/register", "", &form).await.expect(303);
    for _ in 0..5 {
        post(&app, "/register", "", &[form[0], form[1], ("password", NEW_PASSWORD)]).await.expect(409);
    }
    app.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(429);
    post(&app, "/register", "", &form).await.expect(409);
}

#[actix_web::test]
async fn a_changed_password() {
    const DONE: (u16, &str) = (303, "/dashboard?done=password-changed#security");
    let app = spawn_app().await;
    app.register("ann").await;
    let signed_in = sign_in(&app, "ann", PASSWORD).await;
    let form = [("current_password", PASSWORD), ("new_password", NEW_PASSWORD)];
    let change = async |form: &[(&str, &str)]| post(&app, "/dashboard/password", &signed_in, form).await;
    let (one, two) = both!(change(&form), change(&form));
    assert_eq!((leads_to(&one), leads_to(&two)), (DONE, DONE));
    assert_eq!(leads_to(&change(&form).await), DONE);
    assert_eq!(happened(&app, "password_changed"), 1);
    change(&[("current_password", PASSWORD), ("new_password", OTHER)]).await.expect(403);
    sign_in(&app, "ann", NEW_PASSWORD).await;
    app.advance(Duration::from_secs(61));
    change(&form).await.expect(403);
}

#[actix_web::test]
async fn an_address_that_is_changed_and_a_link_that_is_asked_for() {
    let app = spawn_app().await;
    app.register("ann").await;
    let signed_in = sign_in(&app, "ann", PASSWORD).await;
    let form = [("email", "ann@example.org"), ("current_password", PASSWORD)];
    let change = || post(&app, "/dashboard/email", &signed_in, &form);
    let (one, two) = both!(change(), change());
    for answer in [one, two, change().await] {
        assert_eq!(leads_to(&answer), (303, "/dashboard?done=link-sent#profile"));
    }
    assert_eq!(app.mail.wait_for(1).await.len(), 1);
    for _ in 0..2 {
        let asked = post(&app, "/forgot-password", "", &[("login", "ann")]).await;
        let page = asked.expect(200).text;
        assert!(page.contains("Check your email") && page.contains("name=\"login\" value=\"ann\""), "{page}");
    }
    let renamed = || post(&app, "/dashboard/profile", &signed_in, &[("display_name", "Ann")]);
    let (one, two) = both!(renamed(), renamed());
    assert_eq!(
        (leads_to(&one), leads_to(&two)),
        ((303, "/dashboard?done=profile-saved#profile"), leads_to(&one))
    );
}

#[actix_web::test]
async fn a_sign_in_and_a_sign_out() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let form = [("login", "ann"), ("password", PASSWORD)];
    let (one, two) = both!(post(&app, "/login", "", &form), post(&app, "/login", "", &form));
    assert_eq!((leads_to(&one), leads_to(&two)), ((303, "/dashboard"), (303, "/dashboard")));
    let signed_in = cookie(&one);

    let device = [("login", ann.login.as_str())];
    let end = || post(&app, "/dashboard/sign-out", &signed_in, &device);
    let (one, two) = both!(end(), end());
    for answer in [one, two, end().await] {
        assert_eq!(leads_to(&answer), (303, "/dashboard?done=device-signed-out#devices"));
    }
    let others = || post(&app, "/dashboard/sign-out-others", &signed_in, &[]);
    let (one, two) = both!(others(), others());
    for answer in [one, two, others().await] {
        assert_eq!(leads_to(&answer), (303, "/dashboard?done=others-signed-out#devices"));
    }
    // All of them, this one too.
    let everywhere = sign_in(&app, "ann", PASSWORD).await;
    for _ in 0..2 {
        let answer = post(&app, "/dashboard/sign-out-everywhere", &everywhere, &[]).await;
        assert_eq!(leads_to(&answer), (303, "/login?done=signed-out"));
    }
    for cookie in [&everywhere, &signed_in] {
        app.call(Method::GET, "/dashboard", &[("cookie", cookie)], None).await.expect(303);
    }
    let signed_in = sign_in(&app, "ann", PASSWORD).await;
    // Itself, from the list: with the cookie that the first answer takes away, and without.
    let login = signed_in.strip_prefix("doorward=dwb_").unwrap()[..36].to_owned();
    let me = [("login", login.as_str())];
    for _ in 0..2 {
        let answer = post(&app, "/dashboard/sign-out", &signed_in, &me).await;
        assert_eq!(leads_to(&answer), (303, "/login?done=signed-out"));
    }
    let signed_in = sign_in(&app, "ann", PASSWORD).await;
    let leave = || post(&app, "/logout", &signed_in, &[]);
    let (one, two) = both!(leave(), leave());
    for answer in [one, two, post(&app, "/logout", "", &[]).await] {
        assert_eq!(leads_to(&answer), (303, "/login?done=signed-out"));
    }
}

#[actix_web::test]
async fn a_deleted_account() {
    const DONE: (u16, &str) = (303, "/?done=account-deleted");
    let app = spawn_app().await;
    app.register("ann").await;
    let signed_in = sign_in(&app, "ann", PASSWORD).await;
    let form = [("current_password", PASSWORD)];
    let delete = || post(&app, "/dashboard/delete", &signed_in, &form);
    let (one, two) = both!(delete(), delete());
    assert_eq!((leads_to(&one), leads_to(&two)), (DONE, DONE), "{} {}", one.text, two.text);
    assert_eq!(leads_to(&delete().await), DONE);
    assert_eq!(happened(&app, "deleted"), 1);
    app.advance(Duration::from_secs(61));
    assert_eq!(leads_to(&delete().await), (303, "/login"));
    // A page says nothing of it.
    let page = app.call(Method::GET, "/dashboard", &[("cookie", &signed_in)], None).await.expect(303);
    assert_eq!(page.header("location"), "/login");
    let left: i64 =
        app.query(|conn| logins::table.filter(logins::revoked_at.is_null()).count().get_result(conn));
    assert_eq!(left, 0);
}
