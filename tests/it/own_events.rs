//! People see what happened to their account, and nothing of who else did it.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::audit_events;
use serde_json::{Value, json};

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp, post_form, spawn_app};
use crate::support::audit::written;
use crate::support::commands::run;

/// Their order is that of their times.
const SECOND: Duration = Duration::from_secs(1);

async fn events(app: &TestApp, token: &str) -> Vec<Value> {
    let listed = app.get("/api/me/events", token).await.expect(200);
    assert!(!listed.text.contains("root"), "{}", listed.text);
    listed.body["events"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn a_person_sees_their_own_events_and_what_others_tried() {
    let app = spawn_app().await;
    app.register("ben").await;
    app.register("ann").await;
    let headers = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")];
    let body = json!({"login": "ann", "password": PASSWORD});
    let signed_in = app.call(Method::POST, "/api/login", &headers, Some(body)).await.expect(200);
    let access = signed_in.str("access_token");
    for login in ["ann", "ben"] {
        app.post("/api/login", json!({"login": login, "password": "wrong"})).await.expect(401);
    }
    let wrong = json!({"current_password": "wrong", "new_password": NEW_PASSWORD});
    app.send(Method::POST, "/api/me/password", &access, wrong).await.expect(403);
    run(&app, &["user", "unlock", "ann"], "").await.ok();
    written(&app, 3).await;

    let mut told: Vec<_> = events(&app, &access)
        .await
        .iter()
        .map(|event| {
            let part = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
            ["action", "outcome", "reason", "actor", "ip", "device"].map(part).join(" ")
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "confirmation_failed failed wrong_password you 127.0.0.1 Firefox on Linux",
            "registered succeeded - you 127.0.0.1 -",
            "sign_in_failed failed wrong_password unknown 127.0.0.1 -",
            "signed_in succeeded - you 127.0.0.1 Firefox on Linux",
            "unlocked succeeded - operator - -",
        ]
    );
    app.get("/api/me/events", "").await.assert_problem(401, "unauthorized");
}

#[actix_web::test]
async fn each_way_to_sign_out_is_an_event_with_its_login() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let (phone, tablet, desk) = (app.login("ann").await, app.login("ann").await, app.login("ann").await);
    app.send(Method::POST, "/api/logout", &phone.access, Value::Null).await.expect(204);
    app.advance(SECOND);
    app.send(Method::POST, "/api/logout", &phone.access, Value::Null).await.expect(401);
    let other = format!("/api/logins/{}", tablet.login);
    app.send(Method::DELETE, &other, &ann.access, Value::Null).await.expect(204);
    app.advance(SECOND);
    let own = format!("/api/logins/{}", desk.login);
    app.send(Method::DELETE, &own, &desk.access, Value::Null).await.expect(204);
    app.advance(SECOND);
    let form = [("login", "ann"), ("password", PASSWORD)];
    let browser = post_form(app.address, "/login", "", &form).await.expect(303);
    let cookie = browser.headers.get("set-cookie").unwrap().to_str().unwrap().split(';').next().unwrap();
    post_form(app.address, "/logout", cookie, &[]).await.expect(303);
    app.advance(SECOND);
    app.login("ann").await;
    for _ in 0..2 {
        // The second time, there is none.
        app.send(Method::DELETE, "/api/logins?except=current", &ann.access, Value::Null).await.expect(204);
    }
    app.advance(SECOND);
    let ended = audit_events::table
        .filter(audit_events::action.eq_any(["signed_out", "logins_revoked"]))
        .filter(audit_events::actor_id.eq(&ann.id).and(audit_events::ip.eq("127.0.0.1")))
        .order(audit_events::id)
        .select((audit_events::action, audit_events::login_id.assume_not_null()));
    let rows: Vec<(String, String)> = app.query(|conn| ended.load(conn));
    let (actions, logins): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    assert_eq!(actions, ["signed_out", "logins_revoked", "signed_out", "signed_out", "logins_revoked"]);
    assert_eq!(logins[..3], [phone.login, tablet.login, desk.login]);
    let told = events(&app, &ann.access).await;
    let told = told.iter().filter(|event| event["action"] == "signed_out" && event["actor"] == "you");
    assert_eq!(told.count(), 3);
}

#[actix_web::test]
async fn the_account_page_shows_ten_events_and_all_on_request() {
    let app = spawn_app().await;
    app.register("ann").await;
    for _ in 0..12 {
        app.login("ann").await;
    }
    let form = [("login", "ann"), ("password", PASSWORD)];
    let signed_in = post_form(app.address, "/login", "", &form).await.expect(303);
    let cookies = signed_in.headers.get_all("set-cookie").map(|value| value.to_str().unwrap());
    let cookies: Vec<_> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
    let cookies = cookies.join("; ");
    let page = async |path: &str| {
        let headers = [("cookie", &*cookies), ("accept", "text/html"), ("accept-language", "en")];
        let page = app.call(Method::GET, path, &headers, None).await.expect(200).text;
        let activity = page.split("id=\"activity\"").nth(1).unwrap();
        let activity = activity.split("</section>").next().unwrap().to_owned();
        (activity.matches("<li ").count(), activity)
    };
    let (count, few) = page("/dashboard").await;
    assert!(count == 10 && few.contains("Signed in") && few.contains("Show all"), "{few}");
    let (count, all) = page("/dashboard?activity=all").await;
    assert!(count == 14 && all.contains("Account created") && !all.contains("Show all"), "{all}");
}
