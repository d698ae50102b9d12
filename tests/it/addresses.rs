//! Doorward under other names, schemes and ports than `public_url`, and its cookies beside those of another
//! installation.

use std::collections::BTreeMap;

use diesel::prelude::*;
use doorward::internals::schema::logins;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, spawn_with};
use crate::support::browser::{ANN, Jar, get, get_with, post};
use crate::support::raw_http;

#[actix_web::test]
async fn pages_work_under_any_address() {
    let app = spawn_with(&[("public_url", "http://localhost:8080")]).await;
    app.register("ann").await;
    for (host, origin) in [
        ("192.168.1.50:8080", "http://192.168.1.50:8080"),
        ("door.test:8080", "http://door.test:8080"),
        ("DOOR.test.:8080", "http://door.test:8080"),
        ("door.test", "http://door.test"),
        ("door.test:80", "http://door.test"),
        ("[fd00::1]:8080", "http://[fd00::1]:8080"),
        ("door.test", "https://door.test"),
        ("localhost:9090", "http://localhost:9090"),
    ] {
        let from = (host, origin);
        let mut jar = Jar::default();
        let signed_in = post(app.address, from, "/login", &ANN, &mut jar).await;
        assert_eq!((signed_in.status, signed_in.header("location")), (303, Some("/dashboard")), "{from:?}");
        assert!(
            get(app.address, host, "/dashboard", &mut jar).await.body.contains("Hello, <bdi>ann</bdi>"),
            "{from:?}"
        );
        let renamed = [("display_name", "ann")];
        let renamed = post(app.address, from, "/dashboard/profile", &renamed, &mut jar).await;
        assert_eq!(renamed.header("location"), Some("/dashboard?done=profile-saved#profile"));
        let forgot = post(app.address, from, "/forgot-password", &[("login", "ann")], &mut jar).await;
        assert_eq!(forgot.status, 200);
        let out = post(app.address, from, "/logout", &[], &mut jar).await;
        assert_eq!(out.header("location"), Some("/login?done=signed-out"));
        assert!(jar.0.keys().all(|name| name.contains("device")), "{:?}", jar.0);
        let name = format!("ann-{}", host.len());
        let fields = [("username", name.as_str()), ("email", ""), ("password", PASSWORD)];
        let registered = post(app.address, from, "/register", &fields, &mut Jar::default()).await;
        assert!(matches!(registered.status, 303 | 409), "{}", registered.status);
    }
}

#[actix_web::test]
async fn a_form_of_another_site_is_refused_and_told_both_addresses() {
    crate::support::logs::capture();
    let app = spawn_with(&[("public_url", "http://localhost:8080")]).await;
    app.register("ann").await;
    for (host, origin) in [
        ("192.168.1.50:8080", "http://192.168.1.50:8081"),
        ("127.0.0.1:8080", "http://192.168.1.50:8080"),
        ("door.test", "http://door.test.evil.example"),
        ("door.test", "null"),
    ] {
        let refused = post(app.address, (host, origin), "/login", &ANN, &mut Jar::default()).await;
        assert_eq!(refused.status, 403, "{host} {origin}");
        assert!(refused.header("set-cookie").is_none());
        if origin == "null" {
            assert!(refused.body.contains("another site’s page"), "{}", refused.body);
        } else {
            assert!(refused.body.contains(&format!("opened at {origin},")), "{}", refused.body);
            assert!(refused.body.contains("http://localhost:8080 (public_url)"), "{}", refused.body);
        }
    }
    let lines = crate::support::logs::lines_with(&["door.test.evil.example", "public_url"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[actix_web::test]
async fn an_https_address_that_was_opened_over_http_says_so_and_does_nothing() {
    let app = spawn_with(&[("public_url", "https://id.example.org")]).await;
    app.register("ann").await;
    let count = |app: &TestApp| -> i64 { app.query(|conn| logins::table.count().get_result(conn)) };
    let before = count(&app);
    for (host, origin) in
        [("id.example.org", "http://id.example.org"), ("192.168.1.50:8080", "http://192.168.1.50:8080")]
    {
        for path in ["/login", "/register", "/logout", "/forgot-password", "/dashboard/password"] {
            let refused = post(app.address, (host, origin), path, &ANN, &mut Jar::default()).await;
            assert_eq!(refused.status, 403, "{path}");
            assert!(refused.body.contains("Open this page over https"), "{}", refused.body);
            assert!(refused.body.contains(&format!("You opened this page at {origin},")), "{}", refused.body);
            assert!(refused.body.contains("href=\"https://id.example.org\""), "{}", refused.body);
            assert!(refused.header("set-cookie").is_none());
        }
        let (host, origin) = (format!("host: {host}"), format!("origin: {origin}"));
        let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
        let api =
            raw_http::post_json(app.address, "/api/login", &["connection: close", &host, &origin], &body)
                .await;
        assert!(api.status == 403 && api.body.contains("\"https_required\""), "{}", api.body);
    }
    assert_eq!(count(&app), before);
    // Behind a proxy that ends TLS, whatever it calls us.
    let mut jar = Jar::default();
    let good = post(app.address, ("backend:1", "https://id.example.org"), "/login", &ANN, &mut jar).await;
    assert_eq!(good.status, 303);
    let page = get(app.address, "backend:1", "/login", &mut Jar::default()).await;
    assert!(page.body.contains("data-public-url=\"https://id.example.org\""), "for the script to compare");
}

#[actix_web::test]
async fn only_a_trusted_proxy_that_says_http_makes_pages_point_to_https() {
    let settings = [("public_url", "https://id.example.org/sso"), ("sockets.trusted_proxies", "127.0.0.1")];
    let app = spawn_with(&settings).await;
    let plain = ["x-forwarded-proto: http"];
    let ask = async |path: &str, more: &[&str]| {
        get_with(app.address, "id.example.org", path, &mut Jar::default(), more).await
    };
    for path in ["/", "/login", "/register?x=1", "/reset-password/abc", "/dashboard"] {
        let answer = ask(path, &plain).await;
        let there =
            format!("https://id.example.org/sso{path}{}https", if path.contains('?') { '&' } else { '?' });
        assert_eq!((answer.status, answer.header("location")), (307, Some(there.as_str())));
    }
    // A proxy behind another one that ended TLS sees http only.
    for path in ["/login?https", "/register?x=1&https"] {
        assert_eq!(ask(path, &plain).await.status, 200, "{path}: not in circles");
    }
    for path in ["/healthz", "/.well-known/jwks.json", "/api/me"] {
        assert_ne!(ask(path, &plain).await.status, 307, "{path}");
    }
    // The last is a browser over https, whatever a proxy in between knows: it must not be sent round in circles.
    let https = ["x-forwarded-proto: http", "sec-fetch-site: none"];
    for more in [&["x-forwarded-proto: https"][..], &["x-forwarded-proto: http, https"], &[], &https] {
        assert_eq!(ask("/login", more).await.status, 200, "{more:?}");
    }
    let untrusting = spawn_with(&settings[..1]).await;
    let answer = get_with(untrusting.address, "id.example.org", "/login", &mut Jar::default(), &plain).await;
    assert_eq!(answer.status, 200, "no other client is believed");
}

/// Signs in at two installations that one browser opens under these hosts, and looks at both.
async fn side_by_side(first: (&TestApp, &str), second: (&TestApp, &str)) {
    let mut jar = Jar::default();
    for (app, host) in [first, second] {
        app.register("ann").await;
        let origin = format!("http://{host}");
        assert_eq!(post(app.address, (host, &origin), "/login", &ANN, &mut jar).await.status, 303);
    }
    for (app, host) in [first, second, first] {
        let answer = get(app.address, host, "/dashboard", &mut jar).await;
        assert_eq!(answer.status, 200, "{host} {:?}", jar.0.keys());
        let form = [("current_password", "wrong")];
        let origin = format!("http://{host}");
        assert_eq!(
            post(app.address, (host, &origin), "/dashboard/delete", &form, &mut jar).await.status,
            403
        );
    }
    let (app, host) = first;
    post(app.address, (host, &format!("http://{host}")), "/logout", &[], &mut jar).await;
    assert_eq!(get(app.address, host, "/dashboard", &mut jar).await.status, 303);
    let (app, host) = second;
    assert_eq!(get(app.address, host, "/dashboard", &mut jar).await.status, 200, "it is still signed in");
}

#[actix_web::test]
async fn two_installations_on_two_ports_of_a_machine_keep_their_cookies_apart() {
    // Neither has been told its port.
    let settings = [("public_url", "http://localhost:8080")];
    let (one, two) = (spawn_with(&settings).await, spawn_with(&settings).await);
    let (first, second) =
        (format!("localhost:{}", one.address.port()), format!("localhost:{}", two.address.port()));
    side_by_side((&one, &first), (&two, &second)).await;
}

#[actix_web::test]
async fn two_installations_under_two_paths_or_ports_of_a_host_keep_their_cookies_apart() {
    for (first, second) in [
        ("http://example.org/a", "http://example.org/b"),
        ("http://example.org", "http://example.org/id"),
        ("http://example.org:8081", "http://example.org:8082"),
    ] {
        let (one, two) =
            (spawn_with(&[("public_url", first)]).await, spawn_with(&[("public_url", second)]).await);
        let host = |url: &str| url["http://".len()..].split('/').next().unwrap().to_owned();
        side_by_side((&one, &host(first)), (&two, &host(second))).await;
    }
}

#[actix_web::test]
async fn a_cookie_of_an_earlier_version_stays_valid_and_those_of_others_are_left_alone() {
    let app = spawn_with(&[("public_url", "http://localhost:8080")]).await;
    app.register("ann").await;
    let from = ("localhost:8080", "http://localhost:8080");
    let mut jar = Jar::default();
    post(app.address, from, "/login", &ANN, &mut jar).await;
    let (login, device) = (jar.0["doorward.8080"].clone(), jar.0["doorward-device.8080"].clone());

    // As they were named before.
    let mut old =
        Jar(BTreeMap::from([("doorward".to_owned(), login), ("doorward-device".to_owned(), device)]));
    let dashboard = get(app.address, from.0, "/dashboard", &mut old).await;
    assert_eq!(dashboard.status, 200);
    assert!(old.0.contains_key("doorward.8080"), "it moves to its new name");
    post(app.address, from, "/login", &ANN, &mut old).await;
    assert_eq!(old.0["doorward-device.8080"], old.0["doorward-device"], "the device is known");
    post(app.address, from, "/logout", &[], &mut old).await;
    let left: Vec<_> = old.0.keys().map(String::as_str).collect();
    assert_eq!(left, ["doorward-device", "doorward-device.8080"]);

    // Cookies of another installation, under the name without a port and, by chance, under ours.
    for name in ["doorward", "doorward.8080"] {
        let theirs = format!("dwb_{}_{}", uuid::Uuid::nil(), "A".repeat(65));
        let mut jar = Jar(BTreeMap::from([(name.to_owned(), theirs)]));
        for path in ["/", "/login", "/dashboard", "/logout"] {
            let answer = get(app.address, from.0, path, &mut jar).await;
            assert!(answer.header("set-cookie").is_none(), "{name} {path}: {:?}", answer.headers);
        }
        for path in ["/logout", "/dashboard/sign-out-others", "/dashboard/password"] {
            let answer = post(app.address, from, path, &[], &mut jar).await;
            assert!(answer.status == 303 && answer.header("set-cookie").is_none(), "{name} {path}");
        }
        let cookie = format!("cookie: {}", jar.header());
        let token = raw_http::post_json(app.address, "/api/token", &[&cookie], &json!({})).await;
        assert!(token.status == 401 && token.header("set-cookie").is_none());
        raw_http::post_json(app.address, "/api/logout", &[&cookie], &json!({})).await;
        // A sign-in beside it.
        assert_eq!(post(app.address, from, "/login", &ANN, &mut jar).await.status, 303);
        assert_eq!(get(app.address, from.0, "/dashboard", &mut jar).await.status, 200);
        assert_eq!(jar.0.contains_key("doorward"), name == "doorward");
    }
}
