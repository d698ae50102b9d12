//! What a limit counts, and whose address it counts: other sites' pages, proxies, networks and offices.

use std::time::Duration;

use serde_json::json;

use crate::support::app::{PASSWORD, spawn_app, spawn_with};
use crate::support::limits::Carries::{Json, Nothing};
use crate::support::limits::{Call, PROXY, form, is_refused_still, left};
use crate::support::transports::LiveClient;

#[actix_web::test]
async fn requests_that_another_sites_page_triggers_are_not_counted() {
    let app = spawn_with(&[("limits.sign_in", "1/1m"), ("limits.refresh", "1/1m")]).await;
    let text = Call::post("/api/login", form(&[("login", "ann")]));
    let page = Call::post("/login", Nothing)
        .with("sec-fetch-site", "cross-site")
        .with("content-type", "application/x-www-form-urlencoded");
    let token = Call::post("/api/token", Nothing).with("sec-fetch-site", "cross-site");
    for _ in 0..3 {
        assert_eq!(text.send(&app).await.status, 415);
        assert_eq!(page.send(&app).await.status, 403);
        assert_eq!(token.send(&app).await.status, 403);
    }
    app.post("/api/login", json!({})).await.expect(422);
    app.post("/api/login", json!({})).await.expect(429);
}

#[actix_web::test]
async fn another_sites_page_cannot_use_up_its_visitors_handshakes() {
    let app = spawn_with(&[("limits.handshakes", "2/1h"), ("limits.polls", "1/1h")]).await;
    let evil = [("origin", "https://evil.example")];
    let polling = Call::get("/socket.io/?EIO=4&transport=polling");
    let session = Call::get("/socket.io/?EIO=4&transport=polling&sid=none");
    for _ in 0..3 {
        app.open(&evil).await.unwrap().ends(4403).await;
        for call in [&polling, &session] {
            assert_eq!(call.clone().with("origin", evil[0].1).send(&app).await.status, 403);
            // An image: its request has no origin.
            let image = call.clone().with("sec-fetch-site", "cross-site").with("sec-fetch-dest", "image");
            assert_eq!(image.send(&app).await.status, 403);
        }
    }
    let mut explained = 3;
    let status = loop {
        match app.open(&evil).await {
            Ok(mut live) => drop(live.ends(4403).await),
            Err(status) => break status,
        }
        explained += 1;
    };
    assert_eq!((status, explained), (403, 60));

    let own = polling.with("sec-fetch-site", "same-origin").send(&app).await.expect(200);
    assert_eq!(left(&own, "handshakes").0, 1);
    app.open(&[("origin", "http://doorward.example")]).await.unwrap();
    assert_eq!(app.open(&[]).await.err(), Some(429));
    session.send(&app).await.expect(400);
}

#[actix_web::test]
async fn a_link_page_that_another_site_embeds_is_not_counted_and_one_that_is_followed_works() {
    let app = spawn_with(&[("limits.links", "3/1h")]).await;
    app.register_with_email("ann", "ann@example.org").await;
    let token = app.mail.wait_for(1).await[0].token("verify-email");
    let verify = Call::get(&format!("/verify-email/{token}"));
    let cross_site =
        |path: &str, dest| Call::get(path).with("sec-fetch-site", "cross-site").with("sec-fetch-dest", dest);
    for dest in ["image", "iframe", "empty", "script"] {
        for path in [&verify.path, "/reset-password/x", "/undo-email/x"] {
            let answer = cross_site(path, dest).send(&app).await.expect(403);
            assert!(!answer.headers.contains_key("ratelimit"));
        }
    }
    // From webmail, from a mail program, and by a client that does not say.
    cross_site(&verify.path, "document").send(&app).await.expect(200);
    let program = verify.clone().with("sec-fetch-site", "none").with("sec-fetch-dest", "document");
    program.send(&app).await.expect(200);
    assert_eq!(left(&verify.send(&app).await.expect(200), "links").0, 0);
    is_refused_still(&verify.send(&app).await);
}

#[actix_web::test]
async fn no_header_turns_a_limit_off() {
    let login = Call::post("/api/login", Json(json!({})));
    let limits = [PROXY, ("limits.sign_in", "2/1m")];
    for headers in
        [vec![], vec!["unknown"], vec![""], vec!["_x, nonsense"], vec!["1.2.3.4.5"], vec!["127.0.0.1"]]
    {
        let app = spawn_with(&limits).await;
        let mut call = login.clone();
        for header in &headers {
            call = call.with("x-forwarded-for", header);
        }
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(call.send(&app).await.status.as_u16());
        }
        assert_eq!(statuses, [422, 422, 429], "{headers:?}");
    }
    // A header of a client that is not a trusted proxy is ignored.
    let app = spawn_with(&limits[1..]).await;
    for (number, status) in [422, 422, 429, 429].into_iter().enumerate() {
        let answer = login.from(&app, &format!("192.0.2.{number}")).await;
        assert_eq!(answer.status, status);
    }
}

#[actix_web::test]
async fn a_client_that_changes_addresses_within_its_network_is_counted_as_one() {
    let app = spawn_with(&[PROXY, ("limits.sign_in", "2/1m")]).await;
    let login = Call::post("/api/login", Json(json!({})));
    for (host, status) in [(":1", 422), ("2:3:4:5", 422), ("ffff::", 429), ("a:b:c:d", 429)] {
        let client = format!("2001:db8:7:7:{host}");
        assert_eq!(login.from(&app, &client).await.status, status, "{client}");
    }
    assert_eq!(login.from(&app, "2001:db8:7:8::1").await.status, 422);
    // The left part of the header is the client's own invention.
    assert_eq!(login.from(&app, "203.0.113.1, 2001:db8:7:7::9").await.status, 429);
    assert_eq!(login.from(&app, "[2001:db8:7:7::9]:4711").await.status, 429);
    assert_eq!(login.from(&app, "::ffff:198.51.100.1").await.status, 422);
    assert_eq!(login.from(&app, "198.51.100.1").await.status, 422);
    assert_eq!(login.from(&app, "198.51.100.1").await.status, 429);
}

#[actix_web::test]
async fn a_limit_that_is_off_adds_no_headers() {
    let app = spawn_app().await;
    for _ in 0..50 {
        let answer = app.post("/api/login", json!({})).await.expect(422);
        assert!(
            !answer.headers.contains_key("ratelimit") && !answer.headers.contains_key("ratelimit-policy")
        );
    }
}

#[actix_web::test]
async fn five_hundred_people_behind_one_address_sign_in_within_a_minute() {
    // What docs/LIMITS.md says for an office or a school.
    let app = spawn_with(&[PROXY, ("limits.sign_in", "600/1m")]).await;
    app.register("ann").await;
    let login = Call::post("/api/login", Json(json!({"login": "ann", "password": PASSWORD})));
    for number in 0..500 {
        if number % 10 == 0 {
            app.advance(Duration::from_millis(1_200));
        }
        let answer = login.from(&app, "198.51.100.1").await.expect(200);
        assert!(left(&answer, "sign-in").0 > 0);
    }
    let defaults = spawn_with(&[PROXY, ("limits.sign_in", "60/1m")]).await;
    let mut taken = 0;
    loop {
        // Each at another name: one alone would be locked.
        let login = json!({"login": format!("name{taken}"), "password": PASSWORD});
        if Call::post("/api/login", Json(login)).from(&defaults, "198.51.100.1").await.status != 401 {
            break;
        }
        taken += 1;
    }
    assert_eq!(taken, 60);
}
