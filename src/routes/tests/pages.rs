//! The pages: what forms post, where they lead, who may post them.

mod account;
mod links;

use super::*;
use crate::pages::assets;

const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// A form as a browser posts it from a page of ours.
fn form(path: &str, fields: &[(&str, &str)]) -> TestRequest {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    TestRequest::post()
        .uri(path)
        .insert_header(HTML)
        .insert_header(("Sec-Fetch-Site", "same-origin"))
        .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
        .set_payload(body.finish())
}

fn with(request: TestRequest, cookie: &str) -> TestRequest {
    request.insert_header(("Cookie", cookie.to_owned()))
}

fn page(path: &str, cookie: &str) -> TestRequest {
    with(TestRequest::get().uri(path).insert_header(HTML), cookie)
}

impl<S: Service<Request, Response = ServiceResponse, Error = Error>> Api<S> {
    async fn page(&self, path: &str, cookie: &str) -> Answer {
        self.call(page(path, cookie)).await
    }

    /// Registers with the form; returns the cookie.
    async fn register_in_a_browser(&self, username: &str) -> String {
        let fields = [("username", username), ("email", ""), ("password", PASSWORD)];
        let answer = self.call(form("/register", &fields)).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/dashboard"), "{}", answer.text);
        answer.cookie()
    }

    async fn sign_in(&self, username: &str) -> String {
        let answer = self.call(form("/login", &[("login", username), ("password", PASSWORD)])).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/dashboard"), "{}", answer.text);
        answer.cookie()
    }
}

fn assert_page(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    let policy = answer.header("content-security-policy");
    let parts =
        "default-src 'none'|script-src 'self';|frame-ancestors 'none'|form-action 'self'|base-uri 'none'";
    for part in parts.split('|') {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(answer.text.contains(words), "no {words:?} in {}", answer.text);
}

#[actix_web::test]
async fn a_browser_registers_is_recognized_and_signs_out() {
    let api = start().await;
    assert_page(&api.page("/", "").await, 200, "Create account");
    assert_page(&api.page("/register", "").await, 200, "autocomplete=\"new-password\"");
    assert_page(&api.page("/login", "").await, 200, "autocomplete=\"current-password\"");
    let stranger = api.page("/dashboard", "").await;
    assert_eq!((stranger.status, stranger.header("location")), (303, "/login"));

    let cookie = api.register_in_a_browser("ada").await;
    assert!(cookie.starts_with("doorward.8080=dwb_"));
    let dashboard = api.page("/dashboard", &cookie).await;
    assert_page(&dashboard, 200, "Hello, <bdi>ada</bdi>");
    assert_eq!(dashboard.cookie(), cookie, "it lives on with each visit");
    for path in ["/", "/login", "/register"] {
        let answer = api.page(path, &cookie).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/dashboard"), "{path}");
    }
    assert_page(&api.page("/logout", &cookie).await, 200, "Sign out?");
    assert_page(&api.page("/dashboard", &cookie).await, 200, "Hello, <bdi>ada</bdi>");
    let out = api.call(with(form("/logout", &[]), &cookie)).await;
    assert_eq!((out.status, out.header("location")), (303, "/login?done=signed-out"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_page(&api.page("/login?done=signed-out", "").await, 200, "You’re signed out.");
    let late = api.page("/dashboard", &cookie).await;
    assert_eq!((late.status, late.header("location")), (303, "/login"));
    assert!(late.header("set-cookie").contains("Max-Age=0"));
    assert_page(&api.page("/login?done=%3Cscript%3E", "").await, 200, "Sign in");
}

#[actix_web::test]
async fn a_refused_form_comes_back_with_what_was_typed() {
    let api = start().await;
    api.register("taken").await;
    let post = async |username: &str, email: &str, password: &str| {
        let fields = [("username", username), ("email", email), ("password", password)];
        api.call(form("/register", &fields)).await
    };
    let all = post("-x", "no address", "short").await;
    assert_page(&all, 422, "Start your username with a letter or a digit.");
    assert!(all.text.contains("Enter an email like") && all.text.contains("at least 8 characters"));
    assert!(all.text.contains("value=\"-x\"") && all.text.contains("value=\"no address\""));
    assert!(!all.text.contains("value=\"short\""), "a password does not come back");
    let taken = post(" Taken ", "ada@example.org", PASSWORD).await;
    assert_page(&taken, 409, "This username is taken.");
    assert!(taken.text.contains("value=\"ada@example.org\""));
    let weak = post("ada", "", "password1").await;
    assert_page(&weak, 422, "id=\"password-error\"");
    assert_page(&api.call(form("/register", &[])).await, 422, "Enter a username.");

    for (login, password) in [("taken", "wrong"), ("nobody", PASSWORD), ("", "")] {
        let refused = api.call(form("/login", &[("login", login), ("password", password)])).await;
        assert_page(&refused, 401, "Wrong username, email or password.");
        assert!(refused.header("set-cookie").is_empty());
        assert!(login.is_empty() || refused.text.contains(&format!("value=\"{login}\"")));
    }
    let blank = api.call(form("/forgot-password", &[("login", " ")])).await;
    assert_page(&blank, 422, "Enter your username or email.");
}

#[actix_web::test]
async fn other_sites_pages_can_post_none_of_the_forms() {
    let api = start().await;
    let cookie = api.register_in_a_browser("ada").await;
    let forms = [
        "/register",
        "/login",
        "/logout",
        "/forgot-password",
        "/dashboard/profile",
        "/dashboard/password",
        "/dashboard/email",
        "/dashboard/email/resend",
        "/dashboard/email/cancel",
        "/dashboard/delete",
        "/dashboard/sign-out",
        "/dashboard/sign-out-others",
        "/dashboard/sign-out-everywhere",
    ];
    for path in forms {
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
        ] {
            let mut request = with(TestRequest::post().uri(path).insert_header(HTML), &cookie)
                .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
                .insert_header((name, value));
            request = request.set_payload("login=ada&password=x&current_password=x");
            assert_page(&api.call(request).await, 403, "This request came from ");
        }
        // Nor as another kind of body, nor by GET.
        let json = with(TestRequest::post().uri(path), &cookie).set_json(json!({"login": "ada"}));
        assert_eq!(api.call(json).await.code(), (415, "not_a_form".to_owned()), "{path}");
        let get = api.page(&format!("{path}?login=ada&password=x"), &cookie).await;
        assert!(get.status < 400, "{path}");
    }
    assert_page(&api.page("/dashboard", &cookie).await, 200, "Hello, <bdi>ada</bdi>");
    // Without a header that tells, on plain http, by the origin.
    let own = TestRequest::post()
        .uri("/login")
        .insert_header(("Origin", "http://localhost:8080"))
        .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
        .set_payload(format!("login=ada&password={}", PASSWORD.replace(' ', "+")));
    assert_eq!(api.call(own).await.status, 303);
}

#[actix_web::test]
async fn no_request_redirects_to_another_site() {
    let api = start_at("https://example.org/id/").await;
    for path in ["/login", "//evil.example", "/login?next=//evil.example", "/login?done=//evil.example"] {
        let mut request = form(path, &[("login", "ada"), ("password", PASSWORD), ("next", "//evil.example")]);
        request = request.insert_header(("Host", "evil.example"));
        let answer = api.call(request.insert_header(("Referer", "http://evil.example/"))).await;
        assert!(!answer.header("location").contains("evil") && !answer.text.contains("//evil"), "{path}");
    }
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let answer = api.call(form("/register", &fields).insert_header(("Host", "evil.example"))).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/id/dashboard"));
    assert!(answer.cookie().starts_with("__Host-doorward~id="));
    let dashboard = api.page("/dashboard", &answer.cookie()).await;
    assert_page(&dashboard, 200, "action=\"/id/dashboard/password\"");
    assert!(dashboard.header("content-security-policy").contains("wss://example.org"));
}

#[actix_web::test]
async fn signing_in_again_leaves_no_device_behind() {
    let api = start().await;
    let first = api.register_in_a_browser("ada").await;
    let again = form("/login", &[("login", "ada"), ("password", PASSWORD)]);
    let second = api.call(with(again, &first)).await.cookie();
    assert_ne!(first, second);
    assert_eq!(api.page("/dashboard", &first).await.status, 303);
    let dashboard = api.page("/dashboard", &second).await;
    assert_eq!(dashboard.text.matches("data-slot=\"current\">This device").count(), 1);
    assert_eq!(dashboard.text.matches(" data-id=\"0").count(), 1);
}

#[actix_web::test]
async fn devices_are_signed_out_one_or_all() {
    let api = start().await;
    let cookie = api.register_in_a_browser("ada").await;
    let others = [api.sign_in("ada").await, api.sign_in("ada").await, api.sign_in("ada").await];
    let login = |cookie: &str| cookie.strip_prefix("doorward.8080=dwb_").unwrap()[..36].to_owned();
    let out = async |id: &str, cookie: &str| {
        let answer = api.call(with(form("/dashboard/sign-out", &[("login", id)]), cookie)).await;
        (answer.status, answer.header("location").to_owned())
    };
    let done = (303, "/dashboard?done=device-signed-out#devices".to_owned());
    assert_eq!(out(&login(&others[0]), &cookie).await, done);
    assert_eq!(out(&login(&others[0]), &cookie).await, done, "twice is once");
    assert_eq!(api.page("/dashboard", &others[0]).await.status, 303);
    assert_eq!(out("no id", &cookie).await.0, 404);
    let bob = api.register_in_a_browser("bob").await;
    out(&login(&cookie), &bob).await;
    assert_eq!(api.page("/dashboard", &cookie).await.status, 200, "no user signs another out");
    let all = api.call(with(form("/dashboard/sign-out-others", &[]), &cookie)).await;
    assert_eq!(all.header("location"), "/dashboard?done=others-signed-out#devices");
    for other in &others[1..] {
        assert_eq!(api.page("/dashboard", other).await.status, 303);
    }
    assert_page(
        &api.page("/dashboard?done=others-signed-out", &cookie).await,
        200,
        "Your other devices are signed out",
    );
    assert_eq!(out(&login(&cookie), &cookie).await, (303, "/login?done=signed-out".to_owned()));
    assert_eq!(api.page("/dashboard", &cookie).await.status, 303);
}

#[actix_web::test]
async fn the_account_is_changed_and_closed() {
    const NEW: &str = "another teapot sails vinegar";
    let api = start().await;
    let cookie = api.register_in_a_browser("ada").await;
    let post = async |what: &str, fields: &[(&str, &str)]| {
        api.call(with(form(&format!("/dashboard/{what}"), fields), &cookie)).await
    };
    let named = post("profile", &[("display_name", "Ada <b>")]).await;
    assert_eq!(named.header("location"), "/dashboard?done=profile-saved#profile");
    assert_page(&api.page("/dashboard", &cookie).await, 200, "Hello, <bdi>Ada &#60;b&#62;</bdi>");
    assert_page(&post("profile", &[("display_name", " ")]).await, 422, "id=\"profile-display-name-error\"");

    let wrong = post("password", &[("current_password", "wrong"), ("new_password", NEW)]).await;
    assert_page(&wrong, 403, "id=\"password-current-password-error\"");
    let weak = post("password", &[("current_password", PASSWORD), ("new_password", "password1")]).await;
    assert_page(&weak, 422, "id=\"password-new-password-error\"");
    assert_page(&post("password", &[]).await, 422, "id=\"password-new-password-error\"");
    let other = api.sign_in("ada").await;
    let changed = post("password", &[("current_password", PASSWORD), ("new_password", NEW)]).await;
    assert_eq!(changed.header("location"), "/dashboard?done=password-changed#security");
    assert_eq!(api.page("/dashboard", &other).await.status, 303);
    assert_eq!(api.page("/dashboard", &cookie).await.status, 200);

    let bad = post("email", &[("email", "x"), ("current_password", NEW)]).await;
    assert_page(&bad, 422, "id=\"email-email-error\"");
    assert!(bad.text.contains("value=\"x\""));
    let wrong = post("email", &[("email", "ada@example.org"), ("current_password", "x")]).await;
    assert_page(&wrong, 403, "id=\"email-current-password-error\"");
    let sent = post("email", &[("email", " ada@example.org "), ("current_password", NEW)]).await;
    assert_eq!(sent.header("location"), "/dashboard?done=link-sent#profile");
    assert_eq!(api.emails().await, [("verify_email".to_owned(), "ada@example.org".to_owned())]);
    let back = api.page("/dashboard/email", &cookie).await;
    assert_eq!((back.status, back.header("location")), (303, "/dashboard"), "a refused form is reloaded");

    assert_page(
        &post("delete", &[("current_password", "x")]).await,
        403,
        "id=\"delete-current-password-error\"",
    );
    let gone = post("delete", &[("current_password", NEW)]).await;
    assert_eq!(gone.header("location"), "/?done=account-deleted");
    assert!(gone.header("set-cookie").contains("Max-Age=0"));
    assert_page(&api.page("/?done=account-deleted", "").await, 200, "Your account is deleted.");
    assert_eq!(api.page("/dashboard", &cookie).await.status, 303);
}

#[actix_web::test]
async fn what_goes_wrong_is_a_page_for_a_browser_and_a_document_for_others() {
    let api = start().await;
    assert_page(&api.page("/nothing", "").await, 404, "Page not found");
    assert_page(&api.page("/reset-password/a/b", "").await, 404, "Page not found");
    let put = TestRequest::with_uri("/login").method(Method::PUT).insert_header(HTML);
    let refused = api.call(put).await;
    assert_page(&refused, 405, "can’t be opened like that");
    assert_eq!(refused.header("allow"), "GET, HEAD, POST");
    assert_eq!(api.get("/nothing", "").await.code(), (404, "not_found".to_owned()));
    let api_call = api.page("/api/me", "").await;
    assert_eq!(api_call.code(), (401, "unauthorized".to_owned()), "the API always speaks JSON");
    let long = form("/login", &[("login", &"x".repeat(MAX_BODY))]);
    assert_page(&api.call(long).await, 413, "more than we can accept");
    let garbage = form("/login", &[]).set_payload("login=a&login=b&%zz");
    assert_page(&api.call(garbage).await, 400, "Go back and try again");
}

#[actix_web::test]
async fn a_cause_of_ours_is_a_page_that_names_the_request() {
    let api = start().await;
    let cookie = api.register_in_a_browser("ada").await;
    api.query(|conn| {
        use diesel::connection::SimpleConnection;
        conn.batch_execute("ALTER TABLE users RENAME TO elsewhere")
    })
    .await;
    let answer = api.page("/dashboard", &cookie).await;
    assert!(answer.status == 500 || answer.status == 503, "{}", answer.status);
    assert_page(&answer, answer.status, answer.header("x-request-id"));
    assert!(!answer.text.contains("elsewhere") && !answer.text.contains("no such table"));
}

#[actix_web::test]
async fn files_are_kept_for_good_under_their_version_and_asked_for_under_their_name() {
    let api = start().await;
    let version = assets::version();
    for asset in assets::ASSETS {
        let kept = api.get(&format!("/static/{version}/{}", asset.name), "").await;
        assert_eq!((kept.status, kept.header("content-type")), (200, asset.content_type));
        assert_eq!(kept.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(kept.text.as_bytes(), asset.body);
    }
    let latest = api.get("/static/doorward.js", "").await;
    assert_eq!((latest.status, latest.header("cache-control")), (200, "no-cache"));
    assert_eq!(latest.header("access-control-allow-origin"), "*");
    let tag = latest.header("etag").to_owned();
    let again = TestRequest::get().uri("/static/doorward.js").insert_header(("If-None-Match", tag));
    let again = api.call(again).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(api.get("/static/older/doorward.js", "").await.header("cache-control"), "no-cache");
    let zipped = TestRequest::get().uri("/static/app.css").insert_header(("Accept-Encoding", "gzip"));
    let response = call_service(&api.service, zipped.to_request()).await;
    assert_eq!(response.headers().get("content-encoding").unwrap(), "gzip");
    assert!(read_body(response).await.len() * 2 < assets::find("app.css").unwrap().body.len());
    for path in ["/static/nothing.js", "/static/..%2fmod.rs", "/static/x/y/z", "/static/"] {
        assert_eq!(api.get(path, "").await.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn a_password_is_rated_as_it_is_judged() {
    let api = start().await;
    let rate = async |body: Value| api.post("/api/password-strength", body).await.json();
    let good = rate(json!({"password": PASSWORD})).await;
    assert_eq!((&good["ok"], &good["score"]), (&json!(true), &json!(4)));
    let weak = rate(json!({"password": "password1"})).await;
    assert_eq!(weak["ok"], false);
    assert!(!weak["suggestions"].as_array().unwrap().is_empty() && weak["detail"].is_string());
    assert!(rate(json!({"password": "short"})).await["detail"].as_str().unwrap().contains("at least 8"));
    let about = rate(json!({"password": "plural margaret orbit", "username": "margaret"})).await;
    assert_eq!(about["ok"], false);
    assert_eq!(
        api.post("/api/password-strength", json!({})).await.code(),
        (422, "invalid_password".to_owned())
    );
}

#[actix_web::test]
async fn a_page_is_in_the_language_of_the_account_or_of_the_browser() {
    let api = start().await;
    let ask = |path: &str, cookie: &str, language: &'static str| {
        let request =
            TestRequest::get().uri(path).insert_header(HTML).insert_header(("Accept-Language", language));
        let request =
            if cookie.is_empty() { request } else { request.insert_header(("Cookie", cookie.to_owned())) };
        api.call(request)
    };
    for (language, tag, words) in
        [("de-AT,de;q=0.9,en;q=0.8", "de", "Passwort vergessen?"), ("fr", "en", "Forgot your password?")]
    {
        let page = ask("/login", "", language).await;
        assert_page(&page, 200, words);
        assert_eq!(page.header("content-language"), tag);
        assert!(page.header("vary").contains("Accept-Language"), "{}", page.header("vary"));
        assert!(page.text.contains(&format!("<html lang=\"{tag}\" dir=\"ltr\">")), "{}", page.text);
    }
    assert_page(&ask("/nothing", "", "de").await, 404, "Seite nicht gefunden");
    // A German who registers gets German emails, and keeps the language where the browser has another one.
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let registered = api.call(form("/register", &fields).insert_header(("Accept-Language", "de"))).await;
    let cookie = registered.cookie();
    assert_page(&ask("/dashboard", &cookie, "en").await, 200, "Dein Konto");
    let save = |language: &'static str| {
        let fields = [("display_name", "Ada"), ("language", language)];
        api.call(form("/dashboard/profile", &fields).insert_header(("Cookie", cookie.clone())))
    };
    assert_eq!(save("en").await.header("location"), "/dashboard?done=profile-saved#profile");
    assert_page(
        &ask("/dashboard", &cookie, "de").await,
        200,
        "<option value=\"en\" lang=\"en\" selected>English",
    );
    assert_eq!(save("").await.status, 303);
    assert_page(&ask("/dashboard", &cookie, "de").await, 200, "Dein Konto");
    assert_page(&save("no tag").await, 422, "Choose one of the languages in the list.");
}
