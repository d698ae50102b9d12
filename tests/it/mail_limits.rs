//! How many emails a client can trigger, and which rows are removed again.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{audit_events, outbox, request_counts, users};
use serde_json::json;

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp, post_form, spawn_app, spawn_with};

const OWNER: &str = "ann@example.org";

async fn forgot(app: &TestApp, login: &str, device_token: Option<&str>) {
    let body = json!({"login": login, "device_token": device_token});
    app.post("/api/forgot-password", body).await.expect(202);
    app.accounts.answer_queued_resets().await.unwrap();
}

/// Emails that were sent or will be, by the beginning of their kind.
fn mails(app: &TestApp, kind: &str) -> i64 {
    let pattern = format!("{kind}%");
    app.query(|conn| outbox::table.filter(outbox::kind.like(&pattern)).count().get_result(conn))
}

#[actix_web::test]
async fn a_mailbox_has_one_limit_over_all_accounts_and_tags() {
    let app = spawn_with(&[("limits.mail_recipient", "3/1h, 10/1d")]).await;
    for number in 0..30 {
        let tag = if number % 2 == 0 { OWNER.to_owned() } else { format!("ann+{number}@example.org") };
        app.register_with_email(&format!("claim{number}"), &tag).await;
    }
    assert_eq!(mails(&app, "verify_email"), 2, "claims leave room for the owner");
    for number in 0..30 {
        forgot(&app, &format!("claim{number}"), None).await;
        forgot(&app, OWNER, None).await;
    }
    assert_eq!(mails(&app, ""), 3);
    for hour in 1..24 {
        app.advance(Duration::from_mins(61));
        forgot(&app, OWNER, None).await;
        forgot(&app, &format!("claim{hour}"), None).await;
        forgot(&app, "claim0", None).await;
    }
    assert_eq!(mails(&app, ""), 10, "of a day");
    app.advance(Duration::from_hours(24));
    forgot(&app, OWNER, None).await;
    assert_eq!(mails(&app, ""), 11);
}

#[actix_web::test]
async fn an_account_and_a_client_have_limits_of_their_own() {
    let app = spawn_with(&[("limits.mail_account", "2/1h"), ("limits.mail_client", "off")]).await;
    let ann = app.register("ann").await;
    for number in 0..5 {
        let body = json!({"email": format!("a{number}@example.org"), "current_password": PASSWORD});
        app.send(Method::POST, "/api/me/email", &ann.access, body).await.expect(202);
    }
    assert!(mails(&app, "verify_email") <= 2);

    let app = spawn_with(&[("limits.mail_client", "4/1h"), ("sockets.trusted_proxies", "127.0.0.1")]).await;
    for (client, number) in [("192.0.2.1", 0), ("192.0.2.2", 10)] {
        for number in number..number + 8 {
            let body = json!({"username": format!("user{number}"), "password": PASSWORD,
                "email": format!("user{number}@example.org")});
            let headers = [("x-forwarded-for", client)];
            app.call(Method::POST, "/api/register", &headers, Some(body)).await.expect(201);
        }
    }
    assert_eq!(mails(&app, "verify_email"), 8, "four for each client");
}

#[actix_web::test]
async fn a_link_that_is_sent_again_from_the_account_page_counts() {
    let app = spawn_with(&[("limits.mail_account", "3/1h"), ("limits.mail_recipient", "9/1h")]).await;
    app.register_with_email("ann", OWNER).await;
    let form = [("login", "ann"), ("password", PASSWORD)];
    let signed_in = post_form(app.address, "/login", "", &form).await.expect(303);
    let mut cookies = signed_in.headers.get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with("doorward=")).unwrap().split(';').next().unwrap();
    for _ in 0..10 {
        app.advance(Duration::from_secs(61));
        post_form(app.address, "/dashboard/email/resend", cookie, &[]).await.expect(303);
    }
    assert_eq!(mails(&app, "verify_email"), 3);
    app.advance(Duration::from_hours(1));
    post_form(app.address, "/dashboard/email/resend", cookie, &[]).await.expect(303);
    assert_eq!(mails(&app, "verify_email"), 4);
    // Of an address that is verified there is nothing to send.
    app.query(|conn| {
        diesel::update(users::table)
            .set(users::email_verified_at.eq(users::created_at.nullable()))
            .execute(conn)
    });
    app.advance(Duration::from_mins(61));
    post_form(app.address, "/dashboard/email/resend", cookie, &[]).await.expect(303);
    assert_eq!(mails(&app, "verify_email"), 4);
}

#[actix_web::test]
async fn a_link_that_was_invalidated_is_sent_again_within_the_minute() {
    let app = spawn_app().await;
    let ann = app.register_holder("ann", OWNER).await;
    for address in ["b@example.org", "c@example.org", "b@example.org"] {
        app.advance(Duration::from_secs(1));
        let caught = app.mail.caught().len();
        for _ in 0..2 {
            let body = json!({"email": address, "current_password": PASSWORD});
            app.send(Method::POST, "/api/me/email", &ann.access, body).await.expect(202);
        }
        // The second is a double click.
        let mails = app.mail.wait_for(caught + 1).await;
        assert_eq!((mails.len(), mails[caught].to[0].as_str()), (caught + 1, address));
    }
    forgot(&app, "ann", None).await;
    forgot(&app, "ann", None).await;
    assert_eq!(mails(&app, "reset_password"), 1);
    app.advance(Duration::from_secs(1));
    let body = json!({"new_password": NEW_PASSWORD, "current_password": PASSWORD});
    app.send(Method::POST, "/api/me/password", &ann.access, body).await.expect(204);
    app.advance(Duration::from_secs(1));
    forgot(&app, "ann", None).await;
    assert_eq!(mails(&app, "reset_password"), 2);
}

#[actix_web::test]
async fn a_known_device_gets_a_link_when_other_clients_have_used_up_the_limit() {
    let app = spawn_with(&[("limits.mail_recipient", "3/1h, 10/1d")]).await;
    app.register_holder("ann", OWNER).await;
    let login = json!({"login": "ann", "password": PASSWORD});
    let token = app.post("/api/login", login).await.expect(200).str("device_token");
    for _ in 0..48 {
        app.advance(Duration::from_mins(25));
        forgot(&app, "ann", None).await;
    }
    let before = mails(&app, "reset_password");
    forgot(&app, "ann", Some("dwd_0_made-up")).await;
    assert_eq!(mails(&app, "reset_password"), before);
    forgot(&app, OWNER, Some(&token)).await;
    assert_eq!(mails(&app, "reset_password"), before + 1);
    for _ in 0..9 {
        app.advance(Duration::from_secs(61));
        forgot(&app, "ann", Some(&token)).await;
    }
    assert_eq!(mails(&app, "reset_password"), before + 3, "it has a limit as well");
}

#[actix_web::test]
async fn notices_go_to_verified_addresses_only_and_are_bounded() {
    let app = spawn_with(&[("limits.mail_account", "2/1h")]).await;
    let change = async |access: &str, from: &str, to: &str| {
        let body = json!({"current_password": from, "new_password": to});
        app.send(Method::POST, "/api/me/password", access, body).await.expect(204);
    };
    let other = NEW_PASSWORD;
    let bob = app.register_with_email("bob", "bob@example.org").await;
    change(&bob.access, PASSWORD, other).await;
    assert_eq!(mails(&app, "password_changed"), 0);
    let ann = app.register_holder("ann", OWNER).await;
    for _ in 0..3 {
        change(&ann.access, PASSWORD, other).await;
        change(&ann.access, other, PASSWORD).await;
    }
    assert_eq!(mails(&app, "password_changed"), 2);
}

#[actix_web::test]
async fn requests_without_an_account_leave_one_row_an_hour_and_address() {
    let app = spawn_with(&[]).await;
    for number in 0..40 {
        let body = json!({"login": format!("nobody{number}@example.org")});
        app.post("/api/forgot-password", body).await.expect(202);
    }
    app.accounts.answer_queued_resets().await.unwrap();
    let rows: Vec<(String, i32)> = app.query(|conn| {
        request_counts::table.select((request_counts::address, request_counts::count)).load(conn)
    });
    let total: i32 = rows.iter().map(|(_, count)| count).sum();
    assert!(rows.len() <= 2 && total == 40, "{rows:?}");
    let audit: i64 = app.query(|conn| audit_events::table.count().get_result(conn));
    assert_eq!(audit, 0);
    app.advance(Duration::from_hours(24 * 31));
    app.accounts.purge().await.unwrap();
    let rows: i64 = app.query(|conn| request_counts::table.count().get_result(conn));
    assert_eq!(rows, 0);
}

#[actix_web::test]
async fn accounts_that_were_never_used_again_are_removed() {
    let app = spawn_with(&[("accounts.unused_ttl", "30d"), ("tokens.refresh_ttl", "60d")]).await;
    let unused = app.register_with_email("unused", "unused@example.org").await;
    let refreshed = app.register("refreshed").await;
    app.register("signed-in").await;
    app.register_holder("verified", "verified@example.org").await;
    let form = [("username", "browser"), ("password", PASSWORD)];
    let page = crate::support::app::post_form(app.address, "/register", "", &form).await.expect(303);
    let jar = page.header("set-cookie").split(';').next().unwrap().to_owned();
    app.advance(Duration::from_mins(10));
    app.post("/api/refresh", json!({"refresh_token": refreshed.refresh})).await.expect(200);
    app.login("signed-in").await;
    app.call(Method::GET, "/dashboard", &[("cookie", jar.as_str())], None).await.expect(200);
    let live = app.live(&unused).await;
    drop(live);
    let left = async || -> Vec<String> {
        // The server also does it by itself.
        app.accounts.purge().await.unwrap();
        app.query(|conn| users::table.select(users::username).order(users::username).load(conn))
    };
    app.advance(Duration::from_hours(24 * 29));
    assert_eq!(left().await, ["browser", "refreshed", "signed-in", "unused", "verified"]);
    app.advance(Duration::from_hours(48));
    assert_eq!(left().await, ["browser", "refreshed", "signed-in", "verified"]);
    app.post("/api/refresh", json!({"refresh_token": unused.refresh})).await.expect(401);
}

#[actix_web::test]
async fn a_device_of_an_account_that_only_claims_a_mailbox_cannot_flood_it() {
    let app = spawn_with(&[("limits.mail_recipient", "3/1h, 10/1d")]).await;
    for number in 0..20 {
        let body = json!({"username": format!("claim{number}"), "password": PASSWORD, "email": OWNER});
        let token = app.post("/api/register", body).await.expect(201).str("device_token");
        forgot(&app, &format!("claim{number}"), Some(&token)).await;
    }
    assert_eq!(mails(&app, ""), 3);
}

#[actix_web::test]
async fn deleted_accounts_leave_what_limits_count_and_no_address() {
    let app = spawn_with(&[("limits.mail_recipient", "3/1h, 10/1d")]).await;
    for number in 0..6 {
        let claim = app.register_with_email(&format!("claim{number}"), OWNER).await;
        if number < 2 {
            app.mail.wait_for(number + 1).await;
        }
        let body = json!({"current_password": PASSWORD});
        app.send(Method::DELETE, "/api/me", &claim.access, body).await.expect(204);
    }
    assert_eq!(app.mail.caught().len(), 2);
    let kept: Vec<(String, String, Option<String>)> = app
        .query(|conn| outbox::table.select((outbox::user_id, outbox::address, outbox::recipient)).load(conn));
    assert_eq!(kept.len(), 2);
    for (user, address, recipient) in kept {
        assert_eq!((user.as_str(), address.as_str()), ("", ""));
        assert!(!recipient.unwrap().contains("ann"));
    }
}

#[actix_web::test]
async fn what_is_left_for_a_client_does_not_reveal_accounts() {
    let app = spawn_with(&[("limits.mail_client", "5/1h")]).await;
    app.register_holder("ann", OWNER).await;
    let after = async |login: &str| {
        app.advance(Duration::from_hours(2));
        for _ in 0..4 {
            forgot(&app, login, None).await;
            app.advance(Duration::from_secs(61));
        }
        let before = mails(&app, "");
        for number in 0..8 {
            let ben = format!("ben{number}-{before}");
            app.register_with_email(&ben, &format!("{ben}@example.org")).await;
        }
        mails(&app, "") - before
    };
    assert_eq!(after("ann").await, after("nobody").await);
}
