//! The email about a sign-in on a device that is not known, and its link "this was not me".

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{audit_events, logins, outbox};
use serde_json::{Value, json};

use crate::support::app::{Answer, NEW_PASSWORD, PASSWORD, TestApp, post_form, spawn_with};
use crate::support::app_return::{APPS, exchange, sign_in as sign_in_for_app, token};
use crate::support::limits::PROXY;
use crate::support::smtp::Caught;
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, now, pause};

const OWNER: &str = "ann@example.org";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
const HOME: &str = "192.0.2.1";
const THIEF: &str = "203.0.113.9";

/// Ann has an account with a verified address, and chose its password two hours ago.
async fn spawn_ann(settings: &[(&str, &str)]) -> TestApp {
    let app = spawn_with(&[&[PROXY], settings].concat()).await;
    app.register_holder("ann", OWNER).await;
    app.advance(Duration::from_hours(2));
    app
}

/// Signs in as ann from an address, with more in the body.
async fn sign_in(app: &TestApp, (from, agent): (&str, &str), more: Value) -> Answer {
    let mut body = json!({"login": "ann", "password": PASSWORD});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let headers = [("x-forwarded-for", from), ("user-agent", agent)];
    app.call(Method::POST, "/api/login", &headers, Some(body)).await
}

/// Signs in with a cookie, as a browser that has this device token.
async fn browser(app: &TestApp, from: &str, device_token: &str) -> Answer {
    let cookie = format!("doorward-device={device_token}");
    let headers = [("x-forwarded-for", from), ("user-agent", FIREFOX), ("cookie", cookie.as_str())];
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    app.call(Method::POST, "/api/login", &headers, Some(body)).await.expect(200)
}

/// The token of its device that a browser was given.
fn device_token(answer: &Answer) -> String {
    answer.cookie("doorward-device").split_once('=').expect("a cookie").1.to_owned()
}

/// Emails of this kind that were sent or are to be sent.
fn told(app: &TestApp) -> i64 {
    app.query(|conn| outbox::table.filter(outbox::kind.eq("new_device")).count().get_result(conn))
}

/// The newest email about a sign-in, once there are so many.
async fn notice(app: &TestApp, count: usize) -> Caught {
    let deadline = now() + PATIENCE;
    loop {
        let mails = app.mail.caught().into_iter();
        let mut mails: Vec<_> = mails.filter(|mail| mail.text.contains("/not-me/")).collect();
        if mails.len() >= count {
            return mails.pop().expect("an email");
        }
        assert!(now() < deadline, "no email about a sign-in: {:#?}", app.mail.caught());
        pause().await;
    }
}

fn revoked_reason(app: &TestApp, login: &str) -> Option<String> {
    app.query(|conn| logins::table.find(login).select(logins::revoked_reason).first(conn))
}

async fn press(app: &TestApp, link: &str) -> Answer {
    post_form(app.address, &format!("/not-me/{link}"), "", &[]).await
}

#[actix_web::test]
async fn every_way_to_sign_in_tells_of_a_new_device() {
    let app = spawn_ann(&[("web.allowed_origins", APPS)]).await;
    browser(&app, THIEF, "").await;
    let mail = notice(&app, 1).await;
    assert_eq!((mail.to.as_slice(), told(&app)), (&[OWNER.to_owned()][..], 1));
    assert_eq!(mail.subject, "New sign-in to your doorward.example account");
    let text = mail.text.replace('\n', " ");
    for part in ["Hello ann,", "Firefox on Linux, from the address 203.0.113.9, on ", " UTC."] {
        assert!(text.contains(part), "{text}");
    }
    assert!(mail.html.contains("This wasn&#39;t me"), "{}", mail.html);

    // An app without cookies; the form; the prompts; an app on another origin.
    sign_in(&app, (THIEF, "okhttp/4.12.0"), json!({})).await.expect(200);
    assert!(notice(&app, 2).await.text.contains("Android app"));
    let fields = [("login", "ann"), ("password", PASSWORD)];
    let form = post_form(app.address, "/login", "", &fields).await.expect(303);
    let cookie = format!("{}; {}", form.cookie("doorward"), form.cookie("doorward-device"));
    notice(&app, 3).await;
    let mut line = TcpClient::connect(app.tcp).await;
    app.passing(line.sign_in("ann", PASSWORD, "\n")).await;
    app.passing(line.expect("Login successful!\n")).await;
    assert!(notice(&app, 4).await.text.contains("TCP, from the address 127.0.0.1"));
    // From the browser's own network it is the browser's.
    app.advance(Duration::from_hours(2));
    let (_, code) = sign_in_for_app(&app).await;
    notice(&app, 5).await;
    token(&app, exchange(&code)).await.expect(200);
    let again = post_form(app.address, "/login", &cookie, &fields).await.expect(303);
    assert_eq!((again.status.as_u16(), told(&app)), (303, 5));
}

#[actix_web::test]
async fn a_code_that_another_machine_exchanges_tells_of_it() {
    let app = spawn_ann(&[("web.allowed_origins", APPS)]).await;
    let (_, code) = sign_in_for_app(&app).await;
    assert_eq!(told(&app), 1);
    let headers = [("origin", "https://app.example.org"), ("x-forwarded-for", THIEF)];
    let body = exchange(&code);
    app.call(Method::POST, "/api/token", &headers, Some(body)).await.expect(200);
    assert_eq!(told(&app), 2);
}

#[actix_web::test]
async fn a_known_device_is_not_told() {
    let app = spawn_ann(&[("tokens.refresh_ttl", "2d")]).await;
    let token = device_token(&browser(&app, HOME, "").await);
    assert_eq!(told(&app), 1);
    for from in [HOME, THIEF] {
        browser(&app, from, &token).await;
    }
    assert_eq!(told(&app), 1, "a browser that shows its token, wherever it is");

    // A client that keeps no token: by its name and its network, also after it has signed out.
    for (from, agent, count) in [
        (HOME, "Acme/1.0 okhttp/4.9", 2),
        (HOME, "Acme/1.1 okhttp/5.0", 2),
        ("192.0.2.2", "Acme/1.0 okhttp/4.9", 3),
        (HOME, "curl/8.5.0", 4),
    ] {
        let login = sign_in(&app, (from, agent), json!({})).await.expect(200);
        assert_eq!(told(&app), count, "{from} {agent}");
        app.send(Method::POST, "/api/logout", &login.str("access_token"), json!(null)).await.expect(204);
    }
    app.advance(Duration::from_hours(49));
    sign_in(&app, (HOME, "Acme/1.0 okhttp/4.9"), json!({})).await.expect(200);
    assert_eq!(told(&app), 5, "not after tokens.refresh_ttl");

    // A new password makes every device unknown, except to the person who has just set it.
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let access = app.login("ann").await.access;
    let told_before = told(&app);
    app.send(Method::POST, "/api/me/password", &access, body).await.expect(204);
    let body = json!({"login": "ann", "password": NEW_PASSWORD});
    app.post("/api/login", body.clone()).await.expect(200);
    assert_eq!(told(&app), told_before);
    let more = json!({"password": NEW_PASSWORD, "device_token": token, "cookie": true});
    sign_in(&app, (HOME, FIREFOX), more).await.expect(200);
    assert_eq!(told(&app), told_before + 1);
}

#[actix_web::test]
async fn only_verified_addresses_are_told_and_none_where_it_is_turned_off() {
    let app = spawn_ann(&[("accounts.new_device_email", "false")]).await;
    browser(&app, THIEF, "").await;
    assert_eq!(told(&app), 0);
    let app = spawn_with(&[PROXY]).await;
    app.register_with_email("ann", OWNER).await;
    app.advance(Duration::from_hours(2));
    browser(&app, THIEF, "").await;
    assert_eq!(told(&app), 0);
    // Registering is no sign-in on a new device, and neither is the first one after a link set the password.
    let app = spawn_ann(&[]).await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    app.accounts.answer_queued_resets().await.unwrap();
    let link = app.mail.link_token("reset-password").await;
    app.post("/api/reset-password", json!({"token": link, "password": NEW_PASSWORD})).await.expect(204);
    app.post("/api/login", json!({"login": "ann", "password": NEW_PASSWORD, "cookie": true}))
        .await
        .expect(200);
    assert_eq!(told(&app), 0);
}

#[actix_web::test]
async fn the_link_signs_the_device_out_and_leads_to_a_new_password() {
    let app = spawn_ann(&[]).await;
    let earlier = app.login("ann").await;
    app.advance(Duration::from_secs(1));
    let thief = sign_in(&app, (THIEF, FIREFOX), json!({})).await.expect(200);
    let (access, refresh) = (thief.str("access_token"), thief.str("refresh_token"));
    let link = notice(&app, 1).await.token("not-me");
    // Once more from there, which is not told.
    let second = sign_in(&app, (THIEF, FIREFOX), json!({})).await.expect(200);
    assert_eq!(told(&app), 1);

    // A scanner of the mail server follows it.
    for method in [Method::GET, Method::HEAD] {
        let page = app.call(method, &format!("/not-me/{link}"), &[], None).await.expect(200);
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert!(!page.text.contains(&link));
    }
    let page = app.call(Method::GET, &format!("/not-me/{link}"), &[], None).await.expect(200);
    for part in ["Firefox on Linux", THIEF, "<bdi>ann</bdi>"] {
        assert!(page.text.contains(part), "{}", page.text);
    }
    app.get("/api/me", &access).await.expect(200);

    let done = press(&app, &link).await.expect(303);
    app.get("/api/me", &access).await.expect(401);
    app.post("/api/refresh", json!({"refresh_token": refresh})).await.expect(401);
    app.get("/api/me", &second.str("access_token")).await.expect(401);
    app.get("/api/me", &earlier.access).await.expect(200);
    app.get("/api/me", &app.login("ann").await.access).await.expect(200);
    let reset = done.header("location").to_owned();
    assert!(reset.starts_with("/reset-password/") && !reset.contains(&link), "{reset}");
    let page = app.call(Method::GET, &reset, &[], None).await.expect(200);
    assert!(page.text.contains("The device is signed out."), "{}", page.text);
    for answer in [press(&app, &link).await, app.get(&format!("/not-me/{link}"), "").await] {
        assert_eq!(answer.status, 400, "once: {}", answer.text);
    }
    let disowned: Vec<Option<String>> = app.query(|conn| {
        let rows = audit_events::table.filter(audit_events::action.eq("login_disowned"));
        rows.select(audit_events::login_id).load(conn)
    });
    assert_eq!(disowned.len(), 1);
    assert_eq!(revoked_reason(&app, disowned[0].as_ref().unwrap()).as_deref(), Some("not_me"));
    let own = app.login("ann").await;

    post_form(app.address, &reset, "", &[("password", NEW_PASSWORD)]).await.expect(303);
    app.get("/api/me", &own.access).await.expect(401);
    app.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(401);
    app.post("/api/login", json!({"login": "ann", "password": NEW_PASSWORD})).await.expect(200);
}

#[actix_web::test]
async fn a_device_that_was_disowned_is_no_known_one() {
    let app = spawn_ann(&[]).await;
    let thief = (THIEF, "curl/8.5.0");
    let access = sign_in(&app, thief, json!({})).await.expect(200).str("access_token");
    let link = notice(&app, 1).await.token("not-me");
    // Also if the thief has signed out before.
    app.send(Method::POST, "/api/logout", &access, json!(null)).await.expect(204);
    press(&app, &link).await.expect(303);
    sign_in(&app, thief, json!({})).await.expect(200);
    assert_eq!(told(&app), 2);
}

#[actix_web::test]
async fn a_thief_can_neither_suppress_the_email_nor_its_link() {
    let app = spawn_ann(&[("limits.mail_account", "5/1h, 20/1d")]).await;
    let other = app.post("/api/register", json!({"username": "eve", "password": PASSWORD})).await.expect(201);
    let other = other.str("device_token");
    let own = device_token(&browser(&app, HOME, "").await);
    let mut forged = own.clone();
    forged.replace_range(forged.len() - 3.., "AAA");
    for (count, device_token) in [(2, other.as_str()), (3, forged.as_str()), (4, "dwd_")] {
        browser(&app, THIEF, device_token).await;
        assert_eq!(told(&app), count, "{device_token}");
    }
    notice(&app, 4).await;
    let thief = sign_in(&app, (THIEF, "curl/8"), json!({})).await.expect(200).str("access_token");
    let link = notice(&app, 5).await.token("not-me");
    // A flood: five an hour, and what other emails have left is not used up.
    for number in 0..20 {
        sign_in(&app, (&format!("203.0.113.{}", 20 + number), FIREFOX), json!({})).await.expect(200);
    }
    assert_eq!(told(&app), 5);
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    app.accounts.answer_queued_resets().await.unwrap();
    app.mail.link_token("reset-password").await;
    let thief_ends_all = app.send(Method::DELETE, "/api/logins?except=current", &thief, json!(null)).await;
    assert_eq!(thief_ends_all.status, 204, "{}", thief_ends_all.text);
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    app.send(Method::POST, "/api/me/password", &thief, body).await.expect(204);
    let changed: i64 =
        app.query(|conn| outbox::table.filter(outbox::kind.eq("password_changed")).count().get_result(conn));
    assert_eq!(changed, 1);

    let reset = press(&app, &link).await.expect(303).header("location").to_owned();
    app.get("/api/me", &thief).await.expect(401);
    post_form(app.address, &reset, "", &[("password", "plum trees of the owner alone")]).await.expect(303);
}

#[actix_web::test]
async fn links_end_with_a_week_with_a_reset_and_with_the_address() {
    let app = spawn_ann(&[]).await;
    // A reset by a link ends the others: the reader of the mailbox has just set a password.
    browser(&app, THIEF, "").await;
    let first = notice(&app, 1).await.token("not-me");
    sign_in(&app, (THIEF, "curl/8"), json!({})).await.expect(200);
    let second = notice(&app, 2).await.token("not-me");
    let reset = press(&app, &first).await.expect(303).header("location").to_owned();
    post_form(app.address, &reset, "", &[("password", PASSWORD)]).await.expect(303);
    press(&app, &second).await.expect(400);

    app.advance(Duration::from_hours(2));
    browser(&app, THIEF, "").await;
    let old = notice(&app, 3).await.token("not-me");
    app.advance(Duration::from_hours(24 * 7 + 1));
    press(&app, &old).await.expect(400);

    // The mailbox of an address that the account no longer has signs the device out, and no more.
    let thief = sign_in(&app, (THIEF, "curl/8"), json!({})).await.expect(200).str("access_token");
    let link = notice(&app, 4).await.token("not-me");
    let body = json!({"email": "thief@example.net", "current_password": PASSWORD});
    app.send(Method::POST, "/api/me/email", &thief, body).await.expect(202);
    let verify = mail_to(&app, "thief@example.net").await.token("verify-email");
    app.post("/api/verify-email", json!({"token": verify})).await.expect(204);
    let done = press(&app, &link).await.expect(303);
    assert_eq!(done.header("location"), "/login?done=device-disowned-only");
    app.get("/api/me", &thief).await.expect(401);
}

async fn mail_to(app: &TestApp, address: &str) -> Caught {
    let deadline = now() + PATIENCE;
    loop {
        if let Some(mail) = app.mail.caught().into_iter().find(|mail| mail.to == [address]) {
            return mail;
        }
        assert!(now() < deadline, "no email to {address}");
        pause().await;
    }
}

#[actix_web::test]
async fn the_email_is_in_the_language_of_the_account() {
    let app = spawn_ann(&[]).await;
    let own = app.login("ann").await;
    app.send(Method::PATCH, "/api/me", &own.access, json!({"language": "de"})).await.expect(200);
    browser(&app, THIEF, "").await;
    let mail = notice(&app, 1).await;
    assert_eq!(mail.subject, "Neue Anmeldung bei deinem Konto bei doorward.example");
    assert!(mail.text.contains("Firefox auf Linux, von der Adresse 203.0.113.9"), "{}", mail.text);
}
