//! Doorward under other names, schemes and ports than `public_url`; its cookies beside another installation's; and
//! addresses with something too many, or that browsers ask for by themselves.

use crate::support::transports::LiveClient;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::schema::logins;
use rustix::process::Signal;
use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, spawn_app, spawn_with};
use crate::support::config::{BINARY, Settings};
use crate::support::process::Process;
use crate::support::raw_http::{self, Raw};
use crate::support::time::{PATIENCE, now, pause};
use crate::support::websocket::open_at;

const NEW: &str = "another teapot sails vinegar";

/// What a browser has stored for a host: cookies are sent to all its ports.
#[derive(Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    fn header(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Does what an answer says; answers the names that it spoke of.
    fn take(&mut self, answer: &Raw) -> Vec<String> {
        let mut named = Vec::new();
        for line in &answer.headers {
            let Some(cookie) =
                line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            else {
                continue;
            };
            let (name, value) = cookie.1.split(';').next().unwrap().split_once('=').unwrap();
            named.push(name.to_owned());
            if cookie.1.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
        named
    }
}

/// A page, asked for as `host`.
async fn get(address: SocketAddr, host: &str, path: &str, jar: &mut Jar) -> Raw {
    get_with(address, host, path, jar, &[]).await
}

async fn get_with(address: SocketAddr, host: &str, path: &str, jar: &mut Jar, more: &[&str]) -> Raw {
    let (host, cookie) = (format!("host: {host}"), format!("cookie: {}", jar.header()));
    let mut headers = vec![host.as_str(), "accept: text/html"];
    if !jar.0.is_empty() {
        headers.push(&cookie);
    }
    headers.extend_from_slice(more);
    let answer = raw_http::request(address, &format!("GET {path}"), &headers, b"").await;
    jar.take(&answer);
    answer
}

/// A form of a page that was opened under this origin, as a browser posts it over plain http.
async fn post(
    address: SocketAddr,
    (host, origin): (&str, &str),
    path: &str,
    fields: &[(&str, &str)],
    jar: &mut Jar,
) -> Raw {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(fields).finish();
    let (host, origin) = (format!("host: {host}"), format!("origin: {origin}"));
    let (length, cookie) = (format!("content-length: {}", body.len()), format!("cookie: {}", jar.header()));
    let mut headers = vec![
        host.as_str(),
        &origin,
        "accept: text/html",
        "content-type: application/x-www-form-urlencoded",
        &length,
    ];
    if !jar.0.is_empty() {
        headers.push(&cookie);
    }
    let answer = raw_http::request(address, &format!("POST {path}"), &headers, body.as_bytes()).await;
    jar.take(&answer);
    answer
}

const ANN: [(&str, &str); 2] = [("login", "ann"), ("password", PASSWORD)];

#[actix_web::test]
async fn pages_work_under_whatever_address_they_are_opened() {
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
        assert_eq!(renamed.header("location"), Some("/dashboard?done=name-changed"));
        let forgot = post(app.address, from, "/forgot-password", &[("login", "ann")], &mut jar).await;
        assert_eq!(forgot.status, 303);
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
        assert!(refused.body.contains("another site"), "{}", refused.body);
        assert!(refused.header("set-cookie").is_none());
        if origin != "null" {
            assert!(refused.body.contains(&format!("opened as {origin};")), "{}", refused.body);
            assert!(refused.body.contains("http://localhost:8080 (public_url)"), "{}", refused.body);
        }
    }
    let lines = crate::support::logs::lines_with(&["door.test.evil.example", "public_url"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[actix_web::test]
async fn an_https_address_that_was_opened_by_http_says_so_and_does_nothing() {
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
            assert!(refused.body.contains("Open it by https"), "{}", refused.body);
            assert!(refused.body.contains(&format!("opened as {origin}")), "{}", refused.body);
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
async fn only_a_trusted_proxy_that_says_http_has_pages_lead_to_https() {
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
    // A proxy behind another one that ended TLS takes all for http.
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
    let stranger = spawn_with(&settings[..1]).await;
    let answer = get_with(stranger.address, "id.example.org", "/login", &mut Jar::default(), &plain).await;
    assert_eq!(answer.status, 200, "nobody else is believed");
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
async fn a_cookie_of_an_earlier_version_stays_good_and_anothers_is_left_alone() {
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

    // Another installation's, under the name without a port and, as nobody knows, under ours.
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

#[actix_web::test]
async fn what_browsers_and_crawlers_ask_for_by_themselves_is_there() {
    let app = spawn_with(&[("public_url", "http://example.org/id")]).await;
    for method in [Method::GET, Method::HEAD] {
        let change = app.call(method.clone(), "/.well-known/change-password", &[], None).await.expect(303);
        assert_eq!(change.header("location"), "/id/dashboard?change=password#account-title");
        let icon = app.call(method.clone(), "/favicon.ico", &[], None).await.expect(200);
        assert_eq!(icon.header("content-type"), "image/x-icon");
        let robots = app.call(method, "/robots.txt", &[], None).await.expect(200);
        assert_eq!(robots.header("content-type"), "text/plain; charset=utf-8");
    }
    let robots = app.get("/robots.txt", "").await.text;
    assert_eq!(robots, "User-agent: *\nAllow: /id/$\nDisallow: /id/\n");
    // A status code that is not 200, by which a password manager finds out whether the other one means anything.
    app.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200", "")
        .await
        .expect(404);
    app.post("/favicon.ico", json!({})).await.expect(405);

    app.register("ann").await;
    let mut jar = Jar::default();
    post(app.address, ("example.org", "http://example.org"), "/login", &ANN, &mut jar).await;
    let page = get(app.address, "example.org", "/dashboard?change=password", &mut jar).await;
    let open = page.body.split("<details open>").nth(1).expect("a form is open");
    assert!(open.trim_start().starts_with("<summary>Change your password"), "{open}");
    assert_eq!(page.body.matches("<details open>").count(), 1);
    let page = get(app.address, "example.org", "/dashboard?change=everything", &mut jar).await;
    assert!(!page.body.contains("<details open>"));
}

#[actix_web::test]
async fn a_slash_too_many_leads_to_the_address_without() {
    let app = spawn_with(&[("public_url", "http://example.org/id")]).await;
    for (path, there) in [
        ("/login/", "/id/login"),
        ("/login//", "/id/login"),
        ("/dashboard/?devices=2&x=%2F", "/id/dashboard?devices=2&x=%2F"),
        ("/verify-email/abc/", "/id/verify-email/abc"),
        ("/api/me/", "/id/api/me"),
        ("/api/login/", "/id/api/login"),
        ("/api/logins/x/", "/id/api/logins/x"),
        ("/.well-known/jwks.json/", "/id/.well-known/jwks.json"),
        ("/healthz/", "/id/healthz"),
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let host = ["host: example.org", "content-length: 0"];
            let answer = raw_http::request(app.address, &format!("{method} {path}"), &host, b"").await;
            assert_eq!((answer.status, answer.header("location")), (308, Some(there)), "{method} {path}");
        }
        for method in ["DELETE", "PATCH", "PUT"] {
            let host = ["host: example.org", "content-length: 0"];
            let answer = raw_http::request(app.address, &format!("{method} {path}"), &host, b"").await;
            assert_eq!((answer.status, answer.header("location")), (404, None), "{method} {path}");
        }
    }
    for path in [
        "//evil.example/",
        "//evil.example/login/",
        "/\\evil.example/",
        "///",
        "//login/",
        "/login//x/",
        "/nothing/",
        "/static/",
        "/login/%2f",
        "/%2f%2fevil.example/",
    ] {
        let answer =
            raw_http::request(app.address, &format!("GET {path}"), &["host: example.org"], b"").await;
        assert!(matches!(answer.status, 400 | 404), "{path} {answer:?}");
        assert_eq!(answer.header("location"), None, "{path}");
    }
    // Clients of a WebSocket follow no redirect.
    let handshake = [
        "host: example.org",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let answer = raw_http::request(app.address, "GET /ws/", &handshake, b"").await;
    assert_eq!(answer.header("location"), None, "{answer:?}");
    assert_ne!(answer.status, 404);
}

#[actix_web::test]
async fn a_link_with_something_behind_it_still_works() {
    const BEHIND: [&str; 14] =
        [".", ")", "%3E", ",", "=", "=3D", "%20", "%22", "%E2%80%9D", "%0D%0A", "%5D(", "*", "&quot;", "_"];
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", "ann@example.org").await;
    let verify = app.mail.link_token("verify-email").await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let reset = app.mail.link_token("reset-password").await;
    for behind in BEHIND {
        for link in [format!("/verify-email/{verify}{behind}"), format!("/reset-password/{reset}{behind}")] {
            let page =
                raw_http::request(app.address, &format!("GET {link}"), &["host: doorward.example"], b"")
                    .await;
            assert_eq!(page.status, 200, "{link}");
            assert!(page.body.contains("<form method=\"post\""), "{link}");
        }
    }
    let from = ("doorward.example", "http://doorward.example");
    let confirmed =
        post(app.address, from, &format!("/verify-email/{verify}%3E."), &[], &mut Jar::default()).await;
    assert_eq!(confirmed.status, 303);
    assert_eq!(app.get("/api/me", &ann.access).await.body["email_verified"], true);
    let token = format!("<{reset}>\r\n");
    app.post("/api/reset-password", json!({"token": token, "password": NEW})).await.expect(204);
    for wrong in ["", ".", "<>", &reset[1..], &reset[..42], &format!("{reset}{reset}")[1..44]] {
        let body = json!({"token": wrong, "password": PASSWORD});
        assert_eq!(app.post("/api/reset-password", body).await.expect(400).code(), "invalid_link");
    }
}

#[actix_web::test]
async fn every_signal_that_ends_it_has_it_drain_first() {
    for signal in [Signal::HUP, Signal::QUIT] {
        let mut process = Process::start(&[]).await;
        let mut socket = open_at(process.address, &[]).await.unwrap();
        // They mean nothing.
        process.signal(Signal::USR1);
        process.signal(Signal::USR2);
        process.signal(Signal::PIPE);
        process.post("/api/register", json!({"username": "ann", "password": PASSWORD})).await.expect(201);
        process.signal(signal);
        // Closing a terminal sends it twice.
        if signal == Signal::HUP {
            process.signal(signal);
        }
        socket.ends(1012).await;
        let status = tokio::time::timeout(PATIENCE, process.ended()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", process.output());
        assert!(process.output().contains("stopped"), "{}", process.output());
    }
}

#[actix_web::test]
async fn nohup_is_heeded() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let data = dir.path().join("data");
    let settings =
        [("http.listen", "127.0.0.1:0"), ("tcp.listen", "off"), ("data_dir", data.to_str().unwrap())];
    let settings = Settings::cheap().with(&settings);
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\""])
        .arg(BINARY)
        .env_clear()
        .envs(settings.variables())
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let text = || std::fs::read_to_string(&log).unwrap();
    let deadline = now() + PATIENCE;
    while !text().contains("Doorward listens on ") {
        assert!(now() < deadline, "{}", text());
        pause().await;
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    // A signal that it does hear, behind it.
    rustix::process::kill_process(pid, Signal::USR1).unwrap();
    while !text().contains("SIGUSR1") {
        assert!(now() < deadline && child.try_wait().unwrap().is_none(), "{}", text());
        pause().await;
    }
    assert!(child.try_wait().unwrap().is_none() && !text().contains("draining"), "{}", text());
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
