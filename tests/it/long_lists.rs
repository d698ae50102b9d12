//! Lists that grow: the bound of a user's logins, and the pages of the dashboard's lists.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::logins;
use serde_json::json;

use crate::support::app::{Answer, PASSWORD, Person, TestApp, post_form, spawn_with};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

async fn browser(app: &TestApp, login: &str) -> String {
    let form = [("login", login), ("password", PASSWORD)];
    let answer = post_form(app.address, "/login", "", &form).await.expect(303);
    let mut cookies = answer.headers.get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    cookies.find(|cookie| cookie.starts_with("doorward=")).unwrap().split(';').next().unwrap().to_owned()
}

async fn dashboard(app: &TestApp, cookie: &str, query: &str) -> Answer {
    app.call(Method::GET, &format!("/dashboard{query}"), &[("cookie", cookie)], None).await.expect(200)
}

async fn is_in(app: &TestApp, person: &Person) -> bool {
    app.get("/api/me", &person.access).await.status == 200
}

#[actix_web::test]
async fn past_the_bound_the_login_that_was_used_least_recently_is_revoked() {
    let app = spawn_with(&[("accounts.max_logins", "4")]).await;
    let ann = app.register("ann").await;
    app.advance(Duration::from_secs(1));
    let tablet = app.login("ann").await;
    app.advance(Duration::from_secs(1));
    let page = browser(&app, "ann").await;
    app.advance(Duration::from_secs(1));
    let laptop = app.login("ann").await;
    // The two oldest are used again, each in its own way.
    app.advance(Duration::from_mins(2));
    let refreshed = app.post("/api/refresh", json!({"refresh_token": ann.refresh})).await.expect(200);
    dashboard(&app, &page, "").await;
    app.advance(Duration::from_secs(1));
    let mut tablet_socket = WebSocketClient::live(&app, &tablet).await;

    let newest = app.login("ann").await;
    let ended = tablet_socket.ends(4441).await;
    assert_eq!(ended.goodbye["reconnect"], "never");
    assert!(
        ended.goodbye["reason"].as_str().unwrap().contains("too many other devices"),
        "{}",
        ended.goodbye
    );
    assert!(!is_in(&app, &tablet).await && is_in(&app, &laptop).await && is_in(&app, &newest).await);
    app.get("/api/me", &refreshed.str("access_token")).await.expect(200);
    dashboard(&app, &page, "").await;
    app.login("ann").await;
    assert!(!is_in(&app, &laptop).await && is_in(&app, &newest).await);
    let reasons: Vec<Option<String>> = app.query(|conn| {
        logins::table.filter(logins::revoked_at.is_not_null()).select(logins::revoked_reason).load(conn)
    });
    assert_eq!(reasons, vec![Some("too_many_logins".to_owned()); 2]);
    // Not those of another user.
    let bob = app.register("bob").await;
    app.login("ann").await;
    assert!(is_in(&app, &bob).await);
}

#[actix_web::test]
async fn a_bound_of_one_leaves_the_newest() {
    let app = spawn_with(&[("accounts.max_logins", "1")]).await;
    let mut last = app.register("ann").await;
    for _ in 0..3 {
        let next = app.login("ann").await;
        assert!(!is_in(&app, &last).await && is_in(&app, &next).await);
        last = next;
    }
    // By a page as well, and at the same moment.
    let (one, two) = futures_util::future::join(browser(&app, "ann"), browser(&app, "ann")).await;
    let signed_in = async |cookie: &str| {
        app.call(Method::GET, "/dashboard", &[("cookie", cookie)], None).await.status == 200
    };
    assert_ne!(signed_in(&one).await, signed_in(&two).await);
    assert!(!is_in(&app, &last).await);
}

fn devices(page: &Answer) -> usize {
    page.text.matches(" data-id=\"0").count()
}

#[actix_web::test]
async fn the_dashboard_shows_long_lists_in_parts() {
    let app = spawn_with(&[("accounts.max_logins", "1000")]).await;
    app.register("ann").await;
    app.advance(Duration::from_secs(1));
    let page = browser(&app, "ann").await;
    app.advance(Duration::from_secs(1));
    let mut sockets = Vec::new();
    for _ in 0..118 {
        let person = app.login("ann").await;
        if sockets.len() < 60 {
            sockets.push(WebSocketClient::live(&app, &person).await);
        }
    }
    let first = dashboard(&app, &page, "").await;
    assert_eq!(devices(&first), 10);
    assert!(first.text.contains("id=\"devices-count\">120<"), "{}", first.text);
    assert!(first.text.contains("id=\"connections-count\">60<"));
    assert!(!first.text.contains(" of 120") && !first.text.contains("rel=\"next\""));
    for (list, total) in [("devices", 120), ("connections", 60)] {
        let link =
            format!("href=\"/dashboard?{list}=all#{list}\">Show all <span data-slot=\"total\">{total}");
        assert!(first.text.contains(&link), "{}", first.text);
    }
    // This browser's own is old by now, and still on top.
    assert_eq!(first.text.matches("<span class=\"tag\" data-slot=\"current\">This device").count(), 1);
    let all = dashboard(&app, &page, "?devices=all&connections=all").await;
    assert_eq!(devices(&all), 50);
    assert!(all.text.contains("1 to 50 of 120") && all.text.contains("1 to 50 of 60"));
    assert!(!all.text.contains("rel=\"prev\""));
    assert!(all.text.contains("href=\"/dashboard?devices=2&#38;connections=all#devices\""));
    assert!(all.text.len() < 120_000, "{}", all.text.len());

    let third = dashboard(&app, &page, "?devices=3&connections=2").await;
    assert_eq!(devices(&third), 20);
    assert!(third.text.contains("101 to 120 of 120") && third.text.contains("51 to 60 of 60"));
    assert!(third.text.contains("href=\"/dashboard?devices=2&#38;connections=2#devices\""), "{}", third.text);
    assert!(third.text.contains("href=\"/dashboard?connections=all&#38;devices=3#connections\""));
    assert!(
        !third.text.contains("rel=\"next\"") && !third.text.contains("data-slot=\"current\">This device")
    );

    // Every device is on one of the pages.
    let mut ids = std::collections::HashSet::new();
    for number in 1..=3 {
        let part = dashboard(&app, &page, &format!("?devices={number}")).await.text;
        let rows = part.split(" data-id=\"").skip(1);
        ids.extend(rows.map(|row| row[..36].to_owned()).filter(|id| id.starts_with('0')));
    }
    assert_eq!(ids.len(), 120);
    // Every query is answered with a page.
    for (query, count) in [
        ("?devices=all", 50),
        ("?devices=0", 50),
        ("?devices=-1", 10),
        ("?devices=99999999999999999999999", 10),
        ("?devices=18446744073709551615", 20),
        ("?devices=4", 20),
        ("?devices=x&devices=3", 10),
        ("?connections=99", 10),
    ] {
        assert_eq!(devices(&dashboard(&app, &page, query).await), count, "{query}");
    }
    // A form that is refused comes back with bounded lists, too.
    let wrong = [("current_password", "wrong")];
    let refused = post_form(app.address, "/dashboard/delete", &page, &wrong).await.expect(403);
    assert_eq!(devices(&refused), 10);
}

#[actix_web::test]
async fn a_user_reads_devices_and_live_sockets_in_pages() {
    let app = spawn_with(&[]).await;
    let ann = app.register("ann").await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        app.advance(Duration::from_secs(1));
        sockets.push(WebSocketClient::live(&app, &app.login("ann").await).await);
    }
    app.register("bob").await;
    for (path, list, count) in [("/api/logins", "logins", 5), ("/api/sessions", "sessions", 4)] {
        let whole = app.get(path, &ann.access).await.expect(200).body;
        assert_eq!(whole["next"], json!(null));
        let ids = |page: &serde_json::Value| -> Vec<String> {
            let entries = page[list].as_array().unwrap();
            entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
        };
        let all = ids(&whole);
        assert_eq!(all.len(), count);
        let (mut read, mut after) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("{path}?limit=2{after}"), &ann.access).await.expect(200).body;
            assert!(ids(&page).len() <= 2);
            read.extend(ids(&page));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(read, all, "{path}");
        for wrong in ["?limit=many", "?after=1", "?after=%00"] {
            app.get(&format!("{path}{wrong}"), &ann.access).await.expect(400);
        }
    }
}
