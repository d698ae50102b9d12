//! An app on another origin that signs its users in on the server's pages.

use actix_web::http::Method;
use doorward::internals::auth::hash_token;
use serde_json::{Value, json};

use crate::support::app::{Answer, PASSWORD, TestApp, post_form, spawn_with};

/// The origins of `web.allowed_origins`, and an address under the first.
pub const APPS: &str = "https://app.example.org, http://localhost:5173";
pub const CALLBACK: &str = "https://app.example.org/callback?tab=1";

/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

pub async fn spawn() -> TestApp {
    spawn_with(&[("web.allowed_origins", APPS)]).await
}

/// A query of these parameters, with its question mark.
pub fn query(pairs: &[(&str, &str)]) -> String {
    format!("?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// The query with which an app sends a user to a page.
pub fn asking(address: &str) -> String {
    let challenge = hash_token(VERIFIER);
    query(&[
        ("return_to", address),
        ("state", "a b&c"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ])
}

/// A parameter of the address that an answer redirects to.
pub fn returned(answer: &Answer, name: &str) -> String {
    let url = url::Url::parse(answer.header("location")).expect("a URL");
    let mut values = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    values.next().unwrap_or_default()
}

pub const CREDENTIALS: [(&str, &str); 2] = [("login", "ann"), ("password", PASSWORD)];

/// Signs ann in on the page for the app; her cookie, and the code that the app gets.
pub async fn sign_in(app: &TestApp) -> (String, String) {
    let path = format!("/login{}", asking(CALLBACK));
    let answer = post_form(app.address, &path, "", &CREDENTIALS).await.expect(303);
    (answer.cookie("doorward"), returned(&answer, "code"))
}

/// What the app's page sends for its code.
pub fn exchange(code: &str) -> Value {
    json!({
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
        "client_id": "https://app.example.org",
    })
}

pub async fn token(app: &TestApp, body: Value) -> Answer {
    let origin = [("origin", "https://app.example.org"), ("sec-fetch-site", "cross-site")];
    app.call(Method::POST, "/api/token", &origin, Some(body)).await
}
