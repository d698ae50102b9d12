//! Account recovery: what the owner, an operator or a former address does invalidates every link that another client
//! has requested.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::models::logins::Scope;
use doorward::internals::schema::outbox;
use serde_json::{Value, json};

use crate::support::app::{NEW_PASSWORD, PASSWORD, Person, TestApp, call, post_form, spawn_app, spawn_with};
use crate::support::callers::operator;
use crate::support::callers::unauthenticated;
use crate::support::smtp::Caught;
use crate::support::time::{PATIENCE, now, pause};
use doorward::internals::auth::PresentedDevices;

const OWNER: &str = "ann@example.org";
const THIEF: &str = "thief@example.net";
async fn change_email(app: &TestApp, person: &Person, email: &str) {
    let body = json!({"email": email, "current_password": PASSWORD});
    app.send(Method::POST, "/api/me/email", &person.access, body).await.expect(202);
}

/// The newest email to an address, once there is one of this subject.
async fn mail_to(app: &TestApp, address: &str, subject: &str) -> Caught {
    let deadline = now() + PATIENCE;
    loop {
        let mut mails = app.mail.caught().into_iter().rev();
        if let Some(mail) = mails.find(|mail| mail.to[0] == address && mail.subject.contains(subject)) {
            return mail;
        }
        assert!(now() < deadline, "no {subject:?} to {address}: {:#?}", app.mail.caught());
        pause().await;
    }
}

async fn verify(app: &TestApp, address: &str) {
    all_sent(app).await;
    let token = mail_to(app, address, "Confirm").await.token("verify-email");
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
}

async fn reset(app: &TestApp, token: &str, password: &str) -> u16 {
    app.post("/api/reset-password", json!({"token": token, "password": password})).await.status.as_u16()
}

/// Waits until no email is left to send.
async fn all_sent(app: &TestApp) {
    let deadline = now() + PATIENCE;
    let waiting =
        || app.query(|conn| outbox::table.filter(outbox::sent_at.is_null()).count().get_result::<i64>(conn));
    while waiting() > 0 {
        assert!(now() < deadline, "emails wait");
        pause().await;
    }
}

/// All that ends the logins of an account. Returns whether the password is `NEW_PASSWORD` afterwards.
const ENDS: [&str; 8] = [
    "reset",
    "password",
    "sign out everywhere",
    "sign out elsewhere",
    "operator's password",
    "operator's disabling",
    "operator's revocation",
    "revocation of all users",
];

async fn end(app: &TestApp, owner: &Person, how: &str) {
    let id = owner.id.parse().unwrap();
    match how {
        "reset" => {
            app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
            app.accounts.answer_queued_resets().await.unwrap();
            let token = mail_to(app, OWNER, "Reset your").await.token("reset-password");
            assert_eq!(reset(app, &token, NEW_PASSWORD).await, 204);
        }
        "password" => {
            let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
            app.send(Method::POST, "/api/me/password", &owner.access, body).await.expect(204);
        }
        "sign out everywhere" => {
            app.send(Method::DELETE, "/api/logins", &owner.access, Value::Null).await.expect(204);
        }
        "sign out elsewhere" => {
            app.send(Method::DELETE, "/api/logins?except=current", &owner.access, Value::Null)
                .await
                .expect(204);
        }
        "operator's password" => {
            let password = app.accounts.choose_password(NEW_PASSWORD.to_owned()).unwrap();
            app.accounts.set_password(id, password, &operator()).await.unwrap();
        }
        "operator's disabling" => {
            app.accounts.set_disabled(id, true, &operator()).await.unwrap();
            app.accounts.set_disabled(id, false, &operator()).await.unwrap();
        }
        "operator's revocation" => {
            app.accounts.revoke_logins(Scope::User(id), &operator()).await.unwrap();
        }
        _ => {
            app.accounts.revoke_logins(Scope::Everybody, &operator()).await.unwrap();
        }
    }
}

#[actix_web::test]
async fn links_sent_before_a_revocation_are_invalid_however_the_logins_were_revoked() {
    for how in ENDS {
        let app = spawn_app().await;
        let ann = app.register_holder("ann", OWNER).await;
        let thief = app.login("ann").await;
        change_email(&app, &thief, THIEF).await;
        let verify = mail_to(&app, THIEF, "Confirm").await.token("verify-email");
        app.post("/api/forgot-password", json!({"login": OWNER})).await.expect(202);
        let other = mail_to(&app, OWNER, "Reset").await.token("reset-password");
        app.advance(Duration::from_mins(2));

        end(&app, &ann, how).await;
        let link = json!({"token": verify});
        assert_eq!(app.post("/api/verify-email", link).await.code(), "invalid_link", "{how}");
        assert_eq!(reset(&app, &other, PASSWORD).await, 400, "{how}");
        assert_eq!(
            call(app.address, Method::GET, &format!("/verify-email/{verify}"), &[], None).await.status,
            400
        );
    }
}

#[actix_web::test]
async fn pending_emails_are_not_sent_however_the_logins_were_revoked() {
    for how in ENDS {
        let app = spawn_app().await;
        let ann = app.register_holder("ann", OWNER).await;
        let thief = app.login("ann").await;
        // The server is away, so that both the untried and those under way wait.
        app.mail.set_refusing(true);
        change_email(&app, &thief, THIEF).await;
        app.mail.wait_for_attempts(2).await;
        app.accounts.request_reset("ann", PresentedDevices::default(), &unauthenticated()).unwrap();
        app.accounts.answer_queued_resets().await.unwrap();
        app.advance(Duration::from_mins(2));
        if how == "reset" {
            app.mail.set_refusing(false);
        }
        let before = app.mail.caught().len();
        end(&app, &ann, how).await;
        app.mail.set_refusing(false);
        app.advance(Duration::from_hours(2));
        all_sent(&app).await;
        // An email that was being sent at that moment may arrive; its link is invalid.
        for mail in app.mail.caught().split_off(before) {
            for link in mail.links().iter().filter(|link| !link.ends_with("/forgot-password")) {
                let (path, token) = link.rsplit_once('/').unwrap();
                let path = path.rsplit('/').next().unwrap();
                let body = json!({"token": token, "password": "plum tree in march rain 5"});
                let answer = app.post(&format!("/api/{path}"), body).await;
                assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_link"), "{how}: {link}");
            }
        }
        let waiting: Vec<String> =
            app.query(|conn| outbox::table.filter(outbox::sent_at.is_null()).select(outbox::kind).load(conn));
        assert_eq!(waiting, [""; 0], "{how}");
    }
}

#[actix_web::test]
async fn a_former_address_takes_the_account_back_whatever_the_thief_did() {
    let app = spawn_app().await;
    app.register_holder("ann", OWNER).await;
    let thief = app.login("ann").await;
    change_email(&app, &thief, THIEF).await;
    verify(&app, THIEF).await;
    let undo = mail_to(&app, OWNER, "email was changed").await.token("undo-email");
    // The thief changes the password as well.
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    app.send(Method::POST, "/api/me/password", &thief.access, body).await.expect(204);
    app.send(Method::DELETE, "/api/logins?except=current", &thief.access, Value::Null).await.expect(204);
    app.advance(Duration::from_hours(24 * 6));
    let login = json!({"login": "ann", "password": NEW_PASSWORD});
    let thief = app.post("/api/login", login.clone()).await.expect(200).str("access_token");

    let page = call(app.address, Method::GET, &format!("/undo-email/{undo}"), &[], None).await.expect(200);
    assert!(
        page.text.contains(OWNER) && page.text.contains("ann") && !page.text.contains(&undo),
        "{}",
        page.text
    );
    let form = [("password", "plum tree in march rain 5")];
    let done = post_form(app.address, &format!("/undo-email/{undo}"), "", &form).await.expect(303);
    assert_eq!(done.header("location"), "/login?done=email-restored");
    app.get("/api/me", &thief).await.expect(401);
    app.post("/api/login", login).await.expect(401);
    let login = json!({"login": OWNER, "password": "plum tree in march rain 5"});
    let back = app.post("/api/login", login).await.expect(200);
    assert_eq!(
        (&back.body["user"]["email"], &back.body["user"]["email_verified"]),
        (&json!(OWNER), &json!(true))
    );
    assert_eq!(reset(&app, &undo, NEW_PASSWORD).await, 400, "it works once");
    // The thief's address got no way back.
    all_sent(&app).await;
    let to_thief = app.mail.caught().into_iter().filter(|mail| mail.to[0] == THIEF);
    assert!(to_thief.flat_map(|mail| mail.links()).all(|link| !link.contains("undo-email")));
}

#[actix_web::test]
async fn only_the_first_of_several_former_addresses_can_take_the_account_back() {
    let app = spawn_app().await;
    app.register_holder("ann", OWNER).await;
    let thief = app.login("ann").await;
    for address in [THIEF, "second@example.net", "third@example.net"] {
        change_email(&app, &thief, address).await;
        verify(&app, address).await;
    }
    all_sent(&app).await;
    let with_a_way_back: Vec<String> = app
        .mail
        .caught()
        .into_iter()
        .filter(|mail| mail.text.contains("/undo-email/"))
        .map(|mail| mail.to[0].clone())
        .collect();
    assert_eq!(with_a_way_back, [OWNER]);
    let undo = mail_to(&app, OWNER, "was changed").await.token("undo-email");
    assert_eq!(reset(&app, &undo, NEW_PASSWORD).await, 204);

    // An owner who changes the address back leaves no link to the address in between.
    let app = spawn_app().await;
    let ann = app.register_holder("ann", OWNER).await;
    change_email(&app, &ann, THIEF).await;
    verify(&app, THIEF).await;
    let undo = mail_to(&app, OWNER, "was changed").await.token("undo-email");
    app.advance(Duration::from_mins(2));
    change_email(&app, &ann, OWNER).await;
    verify(&app, OWNER).await;
    all_sent(&app).await;
    assert_eq!(reset(&app, &undo, NEW_PASSWORD).await, 400);
    // It may arrive twice, if its lease ends before it is noted that it was sent.
    let mut ways_back = app.mail.caught().into_iter().filter(|mail| mail.text.contains("/undo-email/"));
    assert!(ways_back.all(|mail| mail.to == [OWNER]));
}

#[actix_web::test]
async fn an_undo_link_expires_after_a_week_and_when_an_operator_intervenes() {
    let changed = async || {
        let app = spawn_app().await;
        let ann = app.register_holder("ann", OWNER).await;
        change_email(&app, &ann, THIEF).await;
        verify(&app, THIEF).await;
        let undo = mail_to(&app, OWNER, "was changed").await.token("undo-email");
        (app, ann, undo)
    };
    let (app, _, undo) = changed().await;
    app.advance(Duration::from_hours(24 * 7));
    assert_eq!(reset(&app, &undo, NEW_PASSWORD).await, 400);
    for how in ENDS.iter().filter(|how| how.starts_with("operator")) {
        let (app, ann, undo) = changed().await;
        end(&app, &ann, how).await;
        assert_eq!(reset(&app, &undo, "plum tree in march rain 5").await, 400, "{how}");
    }
    // An address that another account has verified meanwhile stays with that account; the link stays valid.
    let (app, _, undo) = changed().await;
    let bob = app.register_holder("bob", "bob@example.org").await;
    change_email(&app, &bob, OWNER).await;
    verify(&app, OWNER).await;
    let body = json!({"token": undo, "password": NEW_PASSWORD});
    assert_eq!(app.post("/api/reset-password", body).await.expect(409).code(), "email_held");
}

#[actix_web::test]
async fn the_owner_of_a_mailbox_signs_in_although_another_user_claimed_it_first() {
    let app = spawn_with(&[("limits.mail_recipient", "3/1h, 10/1d")]).await;
    for number in 0..60 {
        app.register_with_email(&format!("www{number}.evil.example"), OWNER).await;
    }
    let ann = app.register_with_email("ann", OWNER).await;
    app.post("/api/forgot-password", json!({"login": OWNER})).await.expect(202);
    let mail = mail_to(&app, OWNER, "Reset your").await;
    all_sent(&app).await;
    for mail in app.mail.caught() {
        assert!(!mail.raw.contains("evil"), "nothing that another client chose: {}", mail.raw);
    }
    let token = mail.token("reset-password");
    let page =
        call(app.address, Method::GET, &format!("/reset-password/{token}"), &[], None).await.expect(200);
    assert!(
        page.text.contains("<bdi>ann</bdi></label>")
            && page.text.contains("type=\"radio\" name=\"username\""),
        "{}",
        page.text
    );
    let body =
        |username: Option<&str>| json!({"token": token, "password": NEW_PASSWORD, "username": username});
    let which = app.post("/api/reset-password", body(None)).await.expect(409);
    assert_eq!(which.code(), "choose_account");
    assert_eq!(
        app.post("/api/reset-password", body(Some("nobody"))).await.expect(409).code(),
        "choose_account"
    );
    app.register("other").await;
    app.post("/api/reset-password", body(Some("other"))).await.expect(409);
    app.post("/api/reset-password", body(Some("Ann"))).await.expect(204);
    app.post("/api/reset-password", body(Some("ann"))).await.expect(400);
    app.get("/api/me", &ann.access).await.expect(401);
    let login = json!({"login": OWNER, "password": NEW_PASSWORD});
    let back = app.post("/api/login", login).await.expect(200);
    assert_eq!(back.body["user"]["email_verified"], true, "the link was proof of it");
}

#[actix_web::test]
async fn one_claim_needs_no_choice_and_a_verified_one_excludes_the_others() {
    let app = spawn_app().await;
    app.register_with_email("ann", OWNER).await;
    app.post("/api/forgot-password", json!({"login": OWNER})).await.expect(202);
    let first = mail_to(&app, OWNER, "Reset your").await.token("reset-password");
    let page =
        call(app.address, Method::GET, &format!("/reset-password/{first}"), &[], None).await.expect(200);
    assert!(page.text.contains("<strong><bdi>ann</bdi></strong>"), "{}", page.text);
    app.advance(Duration::from_mins(2));
    verify(&app, OWNER).await;
    app.register_with_email("other", OWNER).await;
    let body = json!({"token": first, "password": NEW_PASSWORD, "username": "other"});
    assert_eq!(app.post("/api/reset-password", body).await.expect(409).code(), "choose_account");
    assert_eq!(reset(&app, &first, NEW_PASSWORD).await, 204);
}

#[actix_web::test]
async fn a_link_to_an_address_is_invalidated_with_the_logins_as_well() {
    for how in ENDS.iter().filter(|how| **how != "reset") {
        let app = spawn_app().await;
        let ann = app.register_with_email("ann", OWNER).await;
        app.post("/api/forgot-password", json!({"login": OWNER})).await.expect(202);
        let link = mail_to(&app, OWNER, "Reset your").await.token("reset-password");
        all_sent(&app).await;
        end(&app, &ann, how).await;
        assert_eq!(reset(&app, &link, "plum tree in march rain 5").await, 400, "{how}");
        app.advance(Duration::from_mins(2));
        app.post("/api/forgot-password", json!({"login": OWNER})).await.expect(202);
        app.accounts.answer_queued_resets().await.unwrap();
        all_sent(&app).await;
        let link = mail_to(&app, OWNER, "Reset your").await.token("reset-password");
        assert_eq!(reset(&app, &link, "plum tree in march rain 5").await, 204, "{how}: a later one works");
    }
}

#[actix_web::test]
async fn after_an_operator_has_helped_a_thiefs_address_gets_no_undo_link() {
    let app = spawn_app().await;
    let ann = app.register_holder("ann", OWNER).await;
    change_email(&app, &ann, THIEF).await;
    verify(&app, THIEF).await;
    all_sent(&app).await;
    end(&app, &ann, "operator's password").await;
    app.advance(Duration::from_mins(2));
    let login = json!({"login": "ann", "password": NEW_PASSWORD});
    let access = app.post("/api/login", login).await.expect(200).str("access_token");
    let body = json!({"email": OWNER, "current_password": NEW_PASSWORD});
    app.send(Method::POST, "/api/me/email", &access, body).await.expect(202);
    verify(&app, OWNER).await;
    all_sent(&app).await;
    let to_thief = app.mail.caught().into_iter().filter(|mail| mail.to[0] == THIEF);
    assert!(to_thief.flat_map(|mail| mail.links()).all(|link| !link.contains("undo-email")));
}
