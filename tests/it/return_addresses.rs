//! `return_to`: which addresses the pages lead to, and that they never lead anywhere else.

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::auth::hash_token;
use doorward::internals::schema::authorization_codes;

use crate::support::app::{Answer, PASSWORD, TestApp, post_form, spawn_with};
use crate::support::app_return::{
    APPS, CALLBACK, CREDENTIALS, VERIFIER, asking, exchange, query, returned, spawn, token,
};
use crate::support::commands::run;
use crate::support::logs;

/// Addresses that no page leads to.
const HOSTILE: [&str; 48] = [
    // Other origins: the host, by suffix, prefix and lookalike; the scheme; the port.
    "https://evil.example/",
    "https://app.example.org.evil.example/",
    "https://evil.example/app.example.org",
    "https://evilapp.example.org/",
    "https://example.org/",
    "https://app.example.org.",
    "https://app.example.org./callback",
    "https://xn--pp-7ka.example.org/",
    "https://\u{430}pp.example.org/",
    "http://app.example.org/",
    "https://app.example.org:8443/",
    "https://app.example.org:443443/",
    "http://localhost:5174/",
    "http://localhost/",
    "https://localhost:5173/",
    "http://127.0.0.1:5173/",
    "http://doorward.example:8080/",
    "https://doorward.example/",
    "http://evil.doorward.example/",
    // Something before the host.
    "https://user@app.example.org/",
    "https://user:word@app.example.org/",
    "https://app.example.org@evil.example/",
    "https://app.example.org:443@evil.example/",
    "https://@app.example.org/",
    // Slashes.
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/.//evil.example/",
    "/x/..//evil.example/",
    "/%2e//evil.example/",
    "https:app.example.org/",
    "https:/app.example.org/",
    "https:///app.example.org/",
    "https:\\\\app.example.org\\",
    "https://app.example.org\\@evil.example/",
    // Characters.
    "/%00",
    "/%0d%0aset-cookie:x=y",
    "/\r\nset-cookie: x=y",
    "/\t/evil.example/",
    "https://app.example.org%00.evil.example/",
    "https://app.example.org/%00",
    " https://app.example.org/",
    // Other schemes, and none.
    "javascript:alert(1)",
    "JavaScript://app.example.org/%0aalert(1)",
    "data:text/html,x",
    "app.example.org",
    "",
];

/// For an app, these would bring the code to the wrong place.
const NOT_FOR_APPS: [&str; 4] = [
    "https://app.example.org/#",
    "https://app.example.org/#/callback",
    "https://app.example.org/?code=x",
    "https://app.example.org/?a&st%61te=x",
];

/// Asserts that an answer leads to no other address than our own pages, and trusts none.
#[track_caller]
fn assert_stays(answer: &Answer, address: &str, step: &str) {
    let location = answer.header("location");
    let ours = ["", "/dashboard", "/login", "/login?done=signed-out"].contains(&location);
    assert!(ours, "{step} with {address:?} leads to {location}");
    let policy = answer.header("content-security-policy");
    // A redirect is no page, and its policy allows no form at all.
    let stays = ["form-action 'self';", "form-action 'none';"].iter().any(|own| policy.contains(own));
    assert!(stays, "{step}: {policy}");
    assert!(!answer.text.contains("return_to"), "{step} with {address:?} carries it on");
}

async fn read(app: &TestApp, method: Method, path: &str, cookie: &str) -> Answer {
    let headers: &[(&str, &str)] = if cookie.is_empty() { &[] } else { &[("cookie", cookie)] };
    app.call(method, path, headers, None).await
}

#[actix_web::test]
async fn no_page_leads_to_an_address_that_is_not_configured() {
    let app = spawn().await;
    app.register("ann").await;
    let signed_in = post_form(app.address, "/login", "", &CREDENTIALS).await.expect(303).cookie("doorward");
    let wrong = [("login", "ann"), ("password", "wrong")];
    let incomplete = [("username", ""), ("password", PASSWORD)];
    for address in HOSTILE.into_iter().chain(NOT_FOR_APPS) {
        let asking = asking(address);
        for path in ["/login", "/register", "/logout", "/forgot-password", "/continue"] {
            let path = format!("{path}{asking}");
            for method in [Method::GET, Method::HEAD] {
                for cookie in ["", &signed_in] {
                    assert_stays(&read(&app, method.clone(), &path, cookie).await, address, &path);
                }
            }
        }
        for (path, fields) in [
            ("/login", &CREDENTIALS[..]),
            ("/login", &wrong),
            ("/register", &incomplete),
            ("/forgot-password", &CREDENTIALS[..1]),
            ("/continue", &[]),
            ("/logout", &[]),
        ] {
            let answer = post_form(app.address, &format!("{path}{asking}"), "", fields).await;
            let location = answer.header("location");
            assert!(["", "/dashboard", "/login?done=signed-out"].contains(&location), "{path} {address:?}");
        }
        // Signed in: neither a link nor the form that goes on.
        let answer = post_form(app.address, &format!("/continue{asking}"), &signed_in, &[]).await;
        assert_eq!(answer.expect(303).header("location"), "/dashboard", "{address:?}");
    }
    let codes: i64 = app.query(|conn| authorization_codes::table.count().get_result(conn));
    assert_eq!(codes, 0);
    let long = asking(&format!("https://app.example.org/{}", "a".repeat(2048)));
    assert_stays(&read(&app, Method::GET, &format!("/login{long}"), "").await, "long", "/login");
}

#[actix_web::test]
async fn a_new_account_leads_to_no_other_address_either() {
    let app = spawn().await;
    for (number, address) in HOSTILE.into_iter().chain(NOT_FOR_APPS).enumerate() {
        let name = format!("user{number}");
        let form = [("username", name.as_str()), ("password", PASSWORD)];
        let answer = post_form(app.address, &format!("/register{}", asking(address)), "", &form).await;
        assert_eq!(answer.expect(303).header("location"), "/dashboard", "{address:?}");
    }
}

#[actix_web::test]
async fn the_same_origin_is_returned_to_at_once() {
    let app = spawn().await;
    app.register("ann").await;
    for (address, location) in [
        ("/chat?room=1#last", "/chat?room=1#last"),
        ("/a/../chat", "/chat"),
        ("http://doorward.example/chat#x", "http://doorward.example/chat#x"),
        ("HTTP://DOORWARD.example:80/chat", "http://doorward.example/chat"),
    ] {
        let query = query(&[("return_to", address)]);
        let page = read(&app, Method::GET, &format!("/login{query}"), "").await.expect(200);
        assert!(page.text.contains("action=\"/login?return_to="), "{}", page.text);
        let answer = post_form(app.address, &format!("/login{query}"), "", &CREDENTIALS).await.expect(303);
        assert_eq!(answer.header("location"), location);
        let cookie = answer.cookie("doorward");
        for path in ["/login", "/register"] {
            let again = read(&app, Method::GET, &format!("{path}{query}"), &cookie).await.expect(303);
            assert_eq!(again.header("location"), location);
        }
        let out = post_form(app.address, &format!("/logout{query}"), &cookie, &[]).await.expect(303);
        assert_eq!(out.header("location"), location);
        // A double click.
        let out = post_form(app.address, &format!("/logout{query}"), &cookie, &[]).await.expect(303);
        assert_eq!(out.header("location"), location);
    }
}

#[actix_web::test]
async fn a_page_names_the_app_and_allows_its_form_to_lead_there() {
    let app = spawn().await;
    for path in ["/login", "/register"] {
        let page = read(&app, Method::GET, &format!("{path}{}", asking(CALLBACK)), "").await.expect(200);
        assert!(page.text.contains("<bdi>https://app.example.org</bdi>"), "{}", page.text);
        assert!(!page.text.contains("\"https://app.example.org"), "no link leads there: {}", page.text);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("form-action 'self' https://app.example.org; frame-ancestors"), "{policy}");
        // From page to page.
        for link in ["/login?return_to=", "/register?return_to="] {
            assert!(page.text.contains(link), "{link} in {path}");
        }
    }
    let wrong = [("login", "ann"), ("password", "wrong")];
    let refused =
        post_form(app.address, &format!("/login{}", asking(CALLBACK)), "", &wrong).await.expect(401);
    assert!(refused.text.contains("action=\"/login?return_to="), "{}", refused.text);
    assert!(refused.header("content-security-policy").contains(" https://app.example.org;"));
    let forgot =
        post_form(app.address, &format!("/forgot-password{}", asking(CALLBACK)), "", &wrong[..1]).await;
    let done = forgot.expect(200);
    assert!(
        done.text.contains("\"/login?return_to=") && done.text.contains("link is on its way"),
        "{}",
        done.text
    );
}

#[actix_web::test]
async fn an_app_needs_a_challenge_that_hides_its_secret() {
    let app = spawn().await;
    app.register("ann").await;
    let challenge = hash_token(VERIFIER);
    let long = "s".repeat(513);
    let to = ("return_to", CALLBACK);
    for parameters in [
        vec![to],
        vec![to, ("code_challenge", &*challenge)],
        vec![to, ("code_challenge_method", "S256")],
        vec![to, ("code_challenge", VERIFIER), ("code_challenge_method", "plain")],
        vec![to, ("code_challenge", &*challenge), ("code_challenge_method", "s256")],
        vec![to, ("code_challenge", &challenge[1..]), ("code_challenge_method", "S256")],
        vec![to, ("code_challenge", "a b"), ("code_challenge_method", "S256")],
        vec![to, ("code_challenge", &*challenge), ("code_challenge_method", "S256"), ("state", &long)],
        // Twice: another program may read the other one.
        vec![to, to, ("code_challenge", &*challenge), ("code_challenge_method", "S256")],
        vec![
            to,
            ("code_challenge", &*challenge),
            ("code_challenge", &*challenge),
            ("code_challenge_method", "S256"),
        ],
    ] {
        let path = format!("/login{}", query(&parameters));
        assert_stays(&read(&app, Method::GET, &path, "").await.expect(200), CALLBACK, &path);
        let answer = post_form(app.address, &path, "", &CREDENTIALS).await.expect(303);
        assert_eq!(answer.header("location"), "/dashboard", "{path}");
    }
}

#[actix_web::test]
async fn a_user_who_is_signed_in_goes_on_with_a_click() {
    let app = spawn().await;
    app.register("ann").await;
    let cookie = post_form(app.address, "/login", "", &CREDENTIALS).await.expect(303).cookie("doorward");
    let asking = asking(CALLBACK);
    for (method, path) in [
        (Method::GET, "/login"),
        (Method::GET, "/register"),
        (Method::HEAD, "/login"),
        (Method::HEAD, "/register"),
    ] {
        let page = read(&app, method.clone(), &format!("{path}{asking}"), &cookie).await.expect(200);
        assert_eq!(page.header("location"), "");
        assert!(method == Method::HEAD || page.text.contains("Continue as <bdi>ann</bdi>"), "{}", page.text);
    }
    let codes = || app.query(|conn| authorization_codes::table.count().get_result::<i64>(conn));
    assert_eq!(codes(), 0, "a link alone gives no code");
    let path = format!("/continue{asking}");
    for site in ["cross-site", "same-site"] {
        let headers =
            [("cookie", cookie.as_str()), ("sec-fetch-site", site), ("origin", "https://evil.example")];
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let headers = [&headers[..], &form].concat();
        app.call(Method::POST, &path, &headers, None).await.expect(403);
    }
    assert_eq!(codes(), 0, "nor does another site's form");
    let answer = post_form(app.address, &path, &cookie, &[]).await.expect(303);
    let location = answer.header("location");
    assert!(location.starts_with("https://app.example.org/callback?tab=1&code="), "{location}");
    assert_eq!(returned(&answer, "state"), "a b&c");
    assert_eq!(returned(&answer, "iss"), "http://doorward.example");
    assert_eq!(codes(), 1);
    // With another account.
    let other = read(&app, Method::GET, &format!("/login{asking}&prompt=login"), &cookie).await.expect(200);
    assert!(other.text.contains("<h1>Sign in</h1>"), "{}", other.text);
    // Which may be a new one.
    let links = other.text.split("href=\"").filter_map(|rest| rest.split_once('"'));
    let link = links.map(|(link, _)| link.replace("&#38;", "&")).find(|link| link.starts_with("/register?"));
    let link = link.expect("a link");
    assert!(link.ends_with("&prompt=login"), "{link}");
    let new = read(&app, Method::GET, &link, &cookie).await.expect(200);
    assert!(new.text.contains("<h1>Create your account</h1>"), "{}", new.text);
    // Signed out meanwhile: the form asks for a sign-in, and still knows where to go.
    app.post("/api/logout", serde_json::Value::Null).await;
    post_form(app.address, "/logout", &cookie, &[]).await.expect(303);
    let answer = post_form(app.address, &path, &cookie, &[]).await.expect(303);
    assert!(answer.header("location").starts_with("/login?return_to=https%3A%2F%2Fapp.example.org"));
}

#[actix_web::test]
async fn an_invitation_leads_to_the_app_that_it_is_for() {
    let app = spawn().await;
    let said = run(&app, &["invite"], "").await.ok().out;
    let (_, invitation) = said.trim_end().rsplit_once('/').unwrap();
    let path = format!("/invitation/{invitation}{}", asking(CALLBACK));
    let page = read(&app, Method::GET, &path, "").await.expect(200);
    assert!(page.text.contains("<bdi>https://app.example.org</bdi>"), "{}", page.text);
    let policy = "form-action 'self' https://app.example.org;";
    assert!(page.header("content-security-policy").contains(policy));
    let weak = [("username", "ann"), ("password", "password1")];
    let refused = post_form(app.address, &path, "", &weak).await.expect(422);
    assert!(refused.header("content-security-policy").contains(policy));
    let form = [("username", "ann"), ("password", PASSWORD)];
    let done = post_form(app.address, &path, "", &form).await.expect(303);
    assert!(done.header("location").starts_with("https://app.example.org/callback?tab=1&code="));
    let granted = token(&app, exchange(&returned(&done, "code"))).await.expect(200);
    assert_eq!(granted.body["user"]["username"], "ann");
}

#[actix_web::test]
async fn a_sign_out_returns_to_the_app_after_its_button() {
    let app = spawn().await;
    app.register("ann").await;
    let cookie = post_form(app.address, "/login", "", &CREDENTIALS).await.expect(303).cookie("doorward");
    let path = format!("/logout{}", query(&[("return_to", "https://app.example.org/bye"), ("state", "x")]));
    let page = read(&app, Method::GET, &path, &cookie).await.expect(200);
    assert!(page.text.contains("go back to <strong><bdi>https://app.example.org</bdi>"), "{}", page.text);
    assert!(page.header("content-security-policy").contains("form-action 'self' https://app.example.org;"));
    read(&app, Method::GET, "/dashboard", &cookie).await.expect(200);
    let out = post_form(app.address, &path, &cookie, &[]).await.expect(303);
    assert_eq!(out.header("location"), "https://app.example.org/bye?state=x");
    read(&app, Method::GET, "/dashboard", &cookie).await.expect(303);
    // There is nothing to confirm any more.
    let again = read(&app, Method::GET, &path, &cookie).await.expect(303);
    assert_eq!(again.header("location"), "https://app.example.org/bye?state=x");
}

#[actix_web::test]
async fn the_log_says_why_an_address_is_ignored_and_not_what_it_holds() {
    logs::capture();
    let app = spawn_with(&[("web.allowed_origins", APPS)]).await;
    for address in [
        "https://notified.example/path-s3cret?query-s3cret",
        "https://user-s3cret:word-s3cret@app.example.org/",
        "/%00path-s3cret",
    ] {
        read(&app, Method::GET, &format!("/login{}", asking(address)), "").await.expect(200);
    }
    let lines = logs::lines_with(&["ignored a return_to"]);
    assert!(lines.iter().any(|line| line.contains("https://notified.example is neither")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("it names a user")), "{lines:?}");
    assert!(!logs::text().contains("s3cret"), "{lines:?}");
}
