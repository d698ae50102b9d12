//! Limits by client address: one budget for all routes that do the same, the answers of the refused, and whose
//! address it is.

use std::time::Duration;

use Carries::{Form, Json, Nothing};
use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, PASSWORD, TestApp, read, spawn_app, spawn_with};
use crate::support::socketio::{SocketIoClient, open_polling, poll, post};
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::{self, WebSocketClient};

const PROXY: (&str, &str) = ("sockets.trusted_proxies", "127.0.0.1");

/// What a request carries.
#[derive(Clone)]
enum Carries {
    Nothing,
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

#[derive(Clone)]
struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    carries: Carries,
}

impl Call {
    fn new(method: Method, path: &str, carries: Carries) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), carries }
    }

    fn post(path: &str, carries: Carries) -> Self {
        Self::new(Method::POST, path, carries)
    }

    fn get(path: &str) -> Self {
        Self::new(Method::GET, path, Nothing)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// As a proxy passes it on for this client.
    async fn from(&self, app: &TestApp, client: &str) -> Answer {
        self.clone().with("x-forwarded-for", client).send(app).await
    }

    async fn send(&self, app: &TestApp) -> Answer {
        let client = awc::Client::builder().timeout(PATIENCE).disable_redirects().finish();
        let mut request = client.request(self.method.clone(), app.url(&self.path));
        for (name, value) in &self.headers {
            request = request.append_header((*name, value.as_str()));
        }
        let response = match &self.carries {
            Nothing => request.send().await,
            Json(body) => request.send_json(body).await,
            Form(fields) => request.insert_header(("sec-fetch-site", "same-origin")).send_form(fields).await,
        };
        read(response.unwrap()).await
    }
}

fn form(fields: &[(&'static str, &str)]) -> Carries {
    Form(fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
}

/// An item of a structured field (RFC 9651): its parameters, which all are integers.
fn parameters(answer: &Answer, header: &str, policy: &str) -> Vec<(String, u64)> {
    let lines: Vec<&str> = answer.headers.get_all(header).map(|value| value.to_str().unwrap()).collect();
    let item = lines.iter().find_map(|line| line.strip_prefix(&format!("\"{policy}\";")));
    let item = item.unwrap_or_else(|| panic!("no {policy} in {header}: {lines:?}, {}", answer.text));
    let parameter = |text: &str| {
        let (name, number) = text.split_once('=').unwrap();
        (name.to_owned(), number.parse().unwrap())
    };
    item.split(';').map(parameter).collect()
}

#[track_caller]
fn is_policy(answer: &Answer, policy: &str, count: u64, window: u64) {
    let expected = [("q".to_owned(), count), ("w".to_owned(), window)];
    assert_eq!(parameters(answer, "ratelimit-policy", policy), expected);
}

/// What is left, and when there is more.
fn left(answer: &Answer, policy: &str) -> (u64, u64) {
    match &parameters(answer, "ratelimit", policy)[..] {
        [(r, remaining), (t, reset)] if r == "r" && t == "t" => (*remaining, *reset),
        other => panic!("{other:?}"),
    }
}

/// Refused by the limit, as its answer says in full.
#[track_caller]
fn is_refused(answer: &Answer, policy: &str) -> u64 {
    assert_eq!(answer.status, 429, "{}", answer.text);
    let (remaining, reset) = left(answer, policy);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert_eq!((remaining, wait), (0, reset));
    if answer.header("content-type") == "application/problem+json" {
        assert_eq!((answer.code(), &answer.body["status"]), ("too_many_requests", &json!(429)));
        assert!(answer.str("detail").contains(&format!("{wait} seconds")), "{}", answer.text);
    } else {
        assert!(answer.text.contains(&format!("Try again in {wait} seconds.")), "{}", answer.text);
    }
    wait
}

/// Requests of one budget, by whatever route: of `count` in `window` seconds.
async fn shares(app: &TestApp, policy: &str, count: u64, window: u64, twins: &[Call]) {
    let interval = window / count;
    for (number, last) in twins.iter().enumerate() {
        let client = format!("198.51.{}.{}", policy.len(), number + 1);
        for spent in 0..count {
            let twin = &twins[(number + 1 + usize::try_from(spent).unwrap()) % twins.len()];
            let answer = twin.from(app, &client).await;
            assert_ne!(answer.status, 429, "{policy}: {} {}", twin.method, twin.path);
            is_policy(&answer, policy, count, window);
            assert_eq!(left(&answer, policy), (count - spent - 1, interval), "{policy}: {}", twin.path);
        }
        let refused = last.from(app, &client).await;
        let wait = is_refused(&refused, policy);
        is_policy(&refused, policy, count, window);
        assert_eq!(wait, interval, "{}", last.path);
        let other = last.from(app, &format!("203.0.113.{}", number + 1)).await;
        assert_ne!(other.status, 429, "another network: {policy} {}", last.path);

        app.advance(Duration::from_secs(wait - 1));
        is_refused_still(&last.from(app, &client).await);
        app.advance(Duration::from_secs(1));
        assert_ne!(last.from(app, &client).await.status, 429, "after the wait: {policy} {}", last.path);
        is_refused_still(&last.from(app, &client).await);
    }
}

#[track_caller]
fn is_refused_still(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text);
}

#[actix_web::test]
async fn passwords_are_one_budget_wherever_they_are_tried() {
    let app = spawn_with(&[PROXY, ("limits.sign_in", "3/1m")]).await;
    let ann = app.register("ann").await;
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let cookie = app.post("/api/login", body).await.expect(200).header("set-cookie").to_owned();
    let cookie = cookie.split(';').next().unwrap();
    let bearer = format!("Bearer {}", ann.access);
    let wrong = "not the password";
    // Most are refused for another reason before a password is looked at: an account and a login have limits as well.
    let (login, change) =
        (json!({"login": "ann"}), json!({"current_password": wrong, "new_password": "short"}));
    let email = json!({"email": "no address", "current_password": wrong});
    let delete = json!({"current_password": wrong});
    let twins = [
        Call::post("/api/login", Json(login)),
        Call::post("/login", form(&[("login", "ann"), ("password", wrong)])),
        Call::post("/api/me/password", Json(change)).with("authorization", &bearer),
        Call::post("/api/me/email", Json(email)).with("authorization", &bearer),
        Call::new(Method::DELETE, "/api/me", Json(delete)).with("authorization", &bearer),
        Call::post("/dashboard/password", form(&[("current_password", wrong), ("new_password", "short")]))
            .with("cookie", cookie),
        Call::post("/dashboard/email", form(&[("email", "no address"), ("current_password", wrong)]))
            .with("cookie", cookie),
        Call::post("/dashboard/delete", form(&[("current_password", wrong)])).with("cookie", cookie),
    ];
    shares(&app, "sign-in", 3, 60, &twins).await;
}

#[actix_web::test]
async fn what_else_costs_something_before_a_sign_in_has_a_budget_too() {
    let app = spawn_with(&[
        PROXY,
        ("limits.register", "2/1m"),
        ("limits.forgot_password", "2/3m"),
        ("limits.links", "4/1m"),
        ("limits.refresh", "3/1m"),
        ("limits.password_strength", "2/1m"),
    ])
    .await;
    let weak = [("username", "bob"), ("password", "password")];
    let json_of = |fields: &[(&str, &str)]| {
        Json(fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect())
    };
    let twins = [Call::post("/api/register", json_of(&weak)), Call::post("/register", form(&weak))];
    shares(&app, "register", 2, 60, &twins).await;

    let login = [("login", "nobody")];
    let twins =
        [Call::post("/api/forgot-password", json_of(&login)), Call::post("/forgot-password", form(&login))];
    shares(&app, "forgot-password", 2, 180, &twins).await;

    let (path, token) = ("no-such-link", ("token", "no-such-link"));
    let twins = [
        Call::post("/api/verify-email", json_of(&[token])),
        Call::post("/api/reset-password", json_of(&[token, ("password", PASSWORD)])),
        Call::get(&format!("/verify-email/{path}")).with("accept", "text/html"),
        Call::post(&format!("/verify-email/{path}"), form(&[])).with("accept", "text/html"),
        Call::get(&format!("/reset-password/{path}")),
        Call::post(&format!("/reset-password/{path}"), form(&[("password", PASSWORD)])),
    ];
    shares(&app, "links", 4, 60, &twins).await;
    let head = Call::new(Method::HEAD, &format!("/verify-email/{path}"), Nothing);
    let statuses = [400, 400, 400, 400, 429];
    for status in statuses {
        assert_eq!(head.from(&app, "192.0.2.1").await.status, status);
    }

    let twins = [
        Call::post("/api/refresh", json_of(&[("refresh_token", "none")])),
        Call::post("/api/token", Nothing).with("cookie", "doorward=none"),
    ];
    shares(&app, "refresh", 3, 60, &twins).await;

    let twins = [Call::post("/api/password-strength", json_of(&[("password", "password")]))];
    shares(&app, "password-strength", 2, 60, &twins).await;
}

#[actix_web::test]
async fn tokens_and_cookies_count_when_they_are_refused() {
    let app = spawn_with(&[PROXY, ("limits.bad_tokens", "3/1m")]).await;
    let bad = "Bearer eyJhbGciOiJFZERTQSJ9.e30.AAAA";
    let cookie = "doorward=none";
    let twins = [
        Call::get("/api/me").with("authorization", bad),
        Call::get("/api/sessions").with("authorization", bad),
        Call::new(Method::DELETE, "/api/logins", Nothing).with("authorization", bad),
        Call::post("/api/logout", Nothing).with("authorization", bad),
        Call::post("/api/logout", Nothing).with("cookie", cookie),
        Call::get("/").with("cookie", cookie),
        Call::get("/login").with("cookie", cookie),
        Call::get("/register").with("cookie", cookie),
        Call::get("/logout").with("cookie", cookie),
        Call::post("/logout", form(&[])).with("cookie", cookie),
        Call::get("/dashboard").with("cookie", cookie),
        Call::post("/dashboard/sign-out-others", form(&[])).with("cookie", cookie),
        Call::post("/api/refresh", Json(json!({"refresh_token": "none"}))),
        Call::post("/api/token", Nothing).with("cookie", cookie),
    ];
    shares(&app, "bad-tokens", 3, 60, &twins).await;

    // Good ones are not counted, and go on where others of the network bring bad ones.
    let ann = app.register("ann").await;
    let good = Call::get("/api/me").with("authorization", &format!("Bearer {}", ann.access));
    for _ in 0..5 {
        let answer = good.from(&app, "192.0.2.9").await.expect(200);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
    for _ in 0..5 {
        twins[0].from(&app, "192.0.2.9").await;
    }
    is_refused(&twins[0].from(&app, "192.0.2.9").await, "bad-tokens");
    good.from(&app, "192.0.2.9").await.expect(200);
    let fresh =
        Call::get("/api/me").with("authorization", &format!("Bearer {}", app.login("ann").await.access));
    is_refused(&fresh.from(&app, "192.0.2.9").await, "bad-tokens");
    fresh.from(&app, "192.0.2.10").await.expect(200);
    // A balancer asks as often as it likes.
    for _ in 0..5 {
        Call::get("/readyz").from(&app, "192.0.2.9").await.expect(200);
    }
}

#[actix_web::test]
async fn a_page_comes_back_with_what_was_typed_and_how_long_to_wait() {
    let app = spawn_with(&[
        ("limits.sign_in", "1/1m"),
        ("limits.register", "1/1m"),
        ("limits.forgot_password", "1/1m"),
    ])
    .await;
    let pages = [
        ("/login", vec![("login", "typed-name"), ("password", "typed-secret")], "sign-in"),
        (
            "/register",
            vec![
                ("username", "typed-name"),
                ("email", "typed-name@example.org"),
                ("password", "typed-secret"),
            ],
            "register",
        ),
        ("/forgot-password", vec![("login", "typed-name")], "forgot-password"),
    ];
    for (path, fields, policy) in pages {
        let call = Call::post(path, form(&fields));
        assert_ne!(call.send(&app).await.status, 429);
        let answer = call.send(&app).await;
        assert_eq!(is_refused(&answer, policy), 60);
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert!(
            answer.text.contains("value=\"typed-name\"") && answer.text.contains("<form"),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("typed-secret"));
        // The page itself is no attempt.
        Call::get(path).send(&app).await.expect(200);
    }
}

#[actix_web::test]
async fn a_request_is_refused_before_its_body_is_read() {
    let app = spawn_with(&[("limits.sign_in", "1/1m")]).await;
    app.post("/api/login", json!({})).await.expect(422);
    let head = ["host: x", "content-type: application/json", "content-length: 1000"];
    // The body never comes.
    let answer = crate::support::raw_http::request(app.address, "POST /api/login", &head, b"").await;
    assert_eq!(answer.status, 429, "{answer:?}");
}

#[actix_web::test]
async fn what_another_sites_page_makes_a_visitor_send_is_not_counted() {
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
async fn bad_tokens_of_others_stop_no_refresh_no_page_and_no_sign_out() {
    let app = spawn_with(&[PROXY, ("limits.bad_tokens", "3/1m"), ("limits.refresh", "6/1m")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let (first, second) = (browser_cookie(&app, "ann").await, browser_cookie(&app, "ann").await);
    app.send(Method::POST, "/api/logout", &bob.access, Value::Null).await.expect(204);
    let office = "192.0.2.9";

    let page = |cookie: &str| Call::get("/dashboard").with("cookie", cookie);
    let token = |cookie: &str| Call::post("/api/token", Nothing).with("cookie", cookie);
    let refresh = |token: &str| Call::post("/api/refresh", Json(json!({"refresh_token": token})));
    let logout = |cookie: &str| Call::post("/api/logout", Nothing).with("cookie", cookie);
    let leave = |cookie: &str| Call::post("/logout", form(&[])).with("cookie", cookie);
    for _ in 0..3 {
        page("doorward=none").from(&app, office).await.expect(303);
    }
    let (untagged, forged) =
        (&first[..first.len() - 22], format!("{}{}", &first[..first.len() - 22], "A".repeat(22)));
    for made_up in ["doorward=none", untagged, &forged] {
        for call in [page, token, logout, leave] {
            is_refused(&call(made_up).from(&app, office).await, "bad-tokens");
        }
    }
    is_refused(&refresh(&format!("{}A", ann.refresh)).from(&app, office).await, "bad-tokens");

    page(&first).from(&app, office).await.expect(200);
    token(&first).from(&app, office).await.expect(200);
    refresh(&ann.refresh).from(&app, office).await.expect(200);
    logout(&first).from(&app, office).await.expect(204);
    leave(&second).from(&app, office).await.expect(303);
    for gone in [&first, &second] {
        token(gone).from(&app, "198.51.100.1").await.expect(401);
        // They are looked at, and are no good.
        page(gone).from(&app, office).await.expect(303);
        logout(gone).from(&app, office).await.expect(204);
    }
    token(&first).from(&app, office).await.expect(401);
    // Those that cost more than a read do so within a limit.
    for _ in 0..2 {
        refresh(&bob.refresh).from(&app, office).await.expect(401);
    }
    is_refused(&refresh(&bob.refresh).from(&app, office).await, "refresh");
}

async fn browser_cookie(app: &TestApp, login: &str) -> String {
    let body = json!({"login": login, "password": PASSWORD, "cookie": true});
    let answer = app.post("/api/login", body).await.expect(200);
    let mut cookies = answer.headers.get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with("doorward=")).unwrap();
    cookie.split(';').next().unwrap().to_owned()
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
    // One that is not trusted is not believed, whatever it says.
    let app = spawn_with(&limits[1..]).await;
    for (number, status) in [422, 422, 429, 429].into_iter().enumerate() {
        let answer = login.from(&app, &format!("192.0.2.{number}")).await;
        assert_eq!(answer.status, status);
    }
}

#[actix_web::test]
async fn a_client_that_wanders_in_its_network_is_one() {
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
async fn off_is_no_limit_and_says_nothing() {
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

#[actix_web::test]
async fn prompts_share_the_budget_of_passwords() {
    let app = spawn_with(&[("limits.sign_in", "2/1m")]).await;
    app.register("ann").await;
    app.post("/api/login", json!({"login": "ann", "password": "wrong"})).await.expect(401);
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in("ann", "not the password", "\n").await;
    assert_eq!(line.rest().await, "Login failed\n");
    // The right password, even: it is not looked at.
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in("ann", PASSWORD, "\n").await;
    line.expect("Login failed\n").await;
    let ended = line.ended().await;
    assert_eq!((ended.code, &ended.goodbye["reconnect"]), (4429, &json!("backoff")));
    app.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(429);
    app.advance(Duration::from_secs(30));
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in("ann", PASSWORD, "\n").await;
    line.expect("Login successful!\n").await;
}

#[actix_web::test]
async fn every_transport_shares_the_budget_of_handshakes() {
    let app = spawn_with(&[("limits.handshakes", "5/1m")]).await;
    let ann = app.register("ann").await;
    let bearer = format!("Bearer {}", ann.access);
    let mut live = WebSocketClient::live(&app, &ann).await;
    let line = TcpClient::live(&app, &ann).await;
    let path = open_polling(app.address).await.unwrap();
    let stranger = WebSocketClient::unauthenticated(&app).await;
    let frames = SocketIoClient::open(app.address, "").await.unwrap();

    assert_eq!(app.open(&[("authorization", &bearer)]).await.err(), Some(429));
    assert_eq!(app.open(&[]).await.err(), Some(429));
    assert_eq!(TcpClient::refused_unauthenticated(&app).await, 4429);
    assert_eq!(
        TcpClient::connect(app.tcp).await.ended().await.goodbye["reason"],
        "too many attempts from this network"
    );
    assert_eq!(open_polling(app.address).await.err(), Some(429));
    assert_eq!(SocketIoClient::open(app.address, "").await.err(), Some(429));
    let sid = path.split_once("&sid=").unwrap().1;
    assert_eq!(
        SocketIoClient::open(app.address, &format!("&sid={sid}")).await.err(),
        Some(429),
        "an upgrade"
    );
    let answer = poll(app.address, "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(answer.header("retry-after"), Some("12"));
    assert_eq!(answer.header("ratelimit"), Some("\"handshakes\";r=0;t=12"));
    assert_eq!(answer.header("ratelimit-policy"), Some("\"handshakes\";q=5;w=60"));

    // Those that are in are not disturbed.
    live.ping().await;
    app.advance(Duration::from_secs(12));
    app.open(&[("authorization", &bearer)]).await.unwrap();
    drop((line, stranger, frames));
}

#[actix_web::test]
async fn a_browser_is_told_by_a_close_code_as_long_as_that_is_not_abused() {
    let app = spawn_with(&[("limits.handshakes", "1/1h")]).await;
    let ann = app.register("ann").await;
    app.open(&[]).await.unwrap();
    let protocols = format!("doorward.v1, bearer.{}", ann.access);
    let browsers: [&[(&str, &str)]; 2] =
        [&[("origin", "http://doorward.example")], &[("sec-websocket-protocol", &protocols)]];
    for headers in browsers {
        let mut live = app.open(headers).await.unwrap();
        let ended = live.ends(4429).await;
        assert_eq!(ended.goodbye["reconnect"], "backoff");
    }
    let mut explained = browsers.len();
    let status = loop {
        match app.open(browsers[0]).await {
            Ok(mut live) => drop(live.ends(4429).await),
            Err(status) => break status,
        }
        explained += 1;
    };
    assert_eq!((status, explained), (429, 60));
}

#[actix_web::test]
async fn polls_are_counted_and_a_session_outlives_a_refusal() {
    let app = spawn_with(&[("limits.polls", "4/1m"), ("limits.handshakes", "100/1m")]).await;
    let ann = app.register("ann").await;
    let path = open_polling(app.address).await.unwrap();
    let token = format!("40{}", json!({"token": ann.access}));
    let joined = post(app.address, &path, token.as_bytes()).await;
    assert_eq!((joined.status, joined.header("ratelimit")), (200, Some("\"polls\";r=3;t=15")));
    assert_eq!(poll(app.address, &path).await.status, 200);
    // One of no session counts as well.
    let foreign = poll(app.address, "/socket.io/?EIO=4&transport=polling&sid=none").await;
    assert_eq!(foreign.status, 400);
    let ping = br#"42["ping"]"#;
    assert_eq!(post(app.address, &path, ping).await.status, 200);
    for answer in [post(app.address, &path, ping).await, poll(app.address, &path).await] {
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("15")), "{answer:?}");
        assert!(answer.body.contains("too_many_requests"));
    }
    // A balancer's probe rests on what is known without a query.
    for _ in 0..10 {
        app.get("/readyz", "").await.expect(200);
    }
    app.advance(Duration::from_secs(15));
    assert_eq!(poll(app.address, &path).await.status, 200);
}

#[actix_web::test]
async fn a_page_of_another_origin_can_read_why_its_poll_was_refused() {
    let app =
        spawn_with(&[("limits.handshakes", "1/1m"), ("sockets.allowed_origins", "https://app.example")])
            .await;
    let path = "/socket.io/?EIO=4&transport=polling";
    let open = Call::get(path).with("origin", "https://app.example");
    open.send(&app).await.expect(200);
    let refused = open.send(&app).await;
    is_refused(&refused, "handshakes");
    assert_eq!(refused.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(websocket::as_close_code(Some(refused.status.as_u16())), 4429);
}
