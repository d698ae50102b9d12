//! The language of pages, and of the emails that they ask for: that of the account, then the one chosen in the menu,
//! then the browser's.

use actix_web::http::Method;
use serde_json::json;

use crate::support::app::{Answer, PASSWORD, TestApp, post_form, spawn_app, spawn_with};

const GERMAN: &str = "doorward-language=de";

async fn page(app: &TestApp, path: &str, cookies: &str, accept: &str) -> Answer {
    let headers = [("cookie", cookies), ("accept-language", accept), ("accept", "text/html")];
    app.call(Method::GET, path, &headers, None).await
}

#[track_caller]
fn assert_language(answer: &Answer, tag: &str) {
    let start = format!("<html lang=\"{tag}\"");
    assert!(answer.text.contains(&start), "{tag}: {}", answer.text);
    assert_eq!(answer.header("content-language"), tag);
}

#[actix_web::test]
async fn a_language_that_was_chosen_goes_before_that_of_the_browser() {
    let app = spawn_app().await;
    let english = page(&app, "/login", "", "en").await.expect(200);
    assert_language(&english, "en");
    assert!(!english.headers.contains_key("set-cookie"));
    let chosen = page(&app, "/login?lang=de", "", "en").await.expect(200);
    assert_language(&chosen, "de");
    assert_eq!(chosen.cookie("doorward-language"), GERMAN);
    let cookie = chosen.header("set-cookie");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    for path in ["/", "/register", "/forgot-password", "/nothing"] {
        let answer = page(&app, path, GERMAN, "en").await;
        assert_language(&answer, "de");
        assert!(!answer.headers.contains_key("set-cookie"), "the browser has it");
    }
    // A form that is refused.
    let refused = post_form(app.address, "/login", GERMAN, &[("login", "ann"), ("password", "x")]).await;
    assert_language(&refused.expect(401), "de");
    // And back. A language that the site does not have is ignored.
    assert_eq!(
        page(&app, "/login?lang=en", GERMAN, "en").await.cookie("doorward-language"),
        "doorward-language=en"
    );
    for (path, cookies) in [("/login?lang=xx", ""), ("/login", "doorward-language=xx"), ("/login?lang=", "")]
    {
        let answer = page(&app, path, cookies, "de").await.expect(200);
        assert_language(&answer, "de");
        assert!(!answer.headers.contains_key("set-cookie"), "{path}");
    }
    let deployed = spawn_with(&[("public_url", "https://id.example.org")]).await;
    let headers = [("accept", "text/html"), ("host", "id.example.org")];
    let chosen = deployed.call(Method::GET, "/login?lang=de", &headers, None).await;
    assert_eq!(chosen.cookie("__Host-doorward-language"), "__Host-doorward-language=de");
    assert!(chosen.header("set-cookie").contains("Secure"));
}

#[actix_web::test]
async fn the_menu_leads_to_the_same_page_and_names_no_token() {
    let app = spawn_app().await;
    let login = page(&app, "/login?return_to=%2Fchat&done=signed-out", "", "en").await.expect(200);
    assert!(login.text.contains(" href=\"?return_to=%2Fchat&#38;lang=de\" lang=\"de\""), "{}", login.text);
    let english = login.text.split("?return_to=%2Fchat&#38;lang=en").nth(1).unwrap();
    assert!(english.split('>').next().unwrap().contains("aria-current=\"true\""), "{english}");

    app.register_holder("ann", "ann@example.org").await;
    post_form(app.address, "/forgot-password", "", &[("login", "ann")]).await.expect(200);
    let token = app.passing(app.mail.link_token("reset-password")).await;
    let reset = page(&app, &format!("/reset-password/{token}?lang=de"), "", "en").await.expect(200);
    assert_language(&reset, "de");
    assert!(reset.text.contains("href=\"?lang=en\"") && !reset.text.contains(&token), "{}", reset.text);
}

#[actix_web::test]
async fn the_language_of_the_account_goes_before_the_one_that_was_chosen() {
    let app = spawn_app().await;
    app.register("ann").await;
    let form = [("login", "ann"), ("password", PASSWORD)];
    let jar = post_form(app.address, "/login", "", &form).await.expect(303).cookie("doorward");
    let both = format!("{jar}; {GERMAN}");
    let chosen = page(&app, "/dashboard", &both, "en").await.expect(200);
    assert_language(&chosen, "de");
    assert!(!chosen.text.contains("class=\"languages\""), "the profile has one");
    let form = [("display_name", "Ann"), ("language", "en")];
    post_form(app.address, "/dashboard/profile", &jar, &form).await.expect(303);
    assert_language(&page(&app, "/dashboard", &both, "de").await.expect(200), "en");
    assert_language(&page(&app, "/logout?lang=de", &both, "de").await.expect(200), "en");
}

#[actix_web::test]
async fn an_email_is_written_in_the_language_of_the_page_that_asked_for_it() {
    let app = spawn_app().await;
    // No account of the API has a language.
    app.register_holder("ann", "ann@example.org").await;
    app.register_with_email("bob", "bob@example.org").await;
    let eve = app.register_holder("eve", "eve@example.org").await;
    app.send(Method::PATCH, "/api/me", &eve.access, json!({"language": "en"})).await.expect(200);
    let before = app.passing(app.mail.wait_for(3)).await.len();
    for (number, (login, subject)) in [
        ("ann", "Dein Passwort für"),
        // An address that no account has verified.
        ("bob@example.org", "Dein Passwort für"),
        // Her account has another one.
        ("eve", "Reset your"),
    ]
    .into_iter()
    .enumerate()
    {
        post_form(app.address, "/forgot-password", GERMAN, &[("login", login)]).await.expect(200);
        let mails = app.passing(app.mail.wait_for(before + number + 1)).await;
        let mail = mails.last().unwrap();
        assert!(mail.subject.contains(subject), "{login}: {}", mail.subject);
    }
    // The API asks in no language.
    app.advance(std::time::Duration::from_mins(61));
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let mails = app.passing(app.mail.wait_for(before + 4)).await;
    assert!(mails.last().unwrap().subject.contains("Reset your"), "{}", mails.last().unwrap().subject);
    // A link to confirm an address that is asked for on the account page.
    let form = [("login", "bob"), ("password", PASSWORD)];
    let jar = post_form(app.address, "/login", "", &form).await.expect(303).cookie("doorward");
    post_form(app.address, "/dashboard/email/resend", &format!("{jar}; {GERMAN}"), &[]).await.expect(303);
    let mails = app.passing(app.mail.wait_for(before + 5)).await;
    assert!(mails.last().unwrap().subject.starts_with("Bestätige"), "{}", mails.last().unwrap().subject);
}
