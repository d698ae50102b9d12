//! Who acts, where a test calls `Accounts` itself.

use actix_web::http::Method;
use doorward::internals::accounts::Caller;
use serde_json::json;

use crate::support::app::{Answer, NEW_PASSWORD, Person, TestApp};

/// The caller of what an operator does.
pub fn operator() -> Caller {
    Caller::operator(Some("root"))
}

/// The caller of what an unauthenticated client does.
pub fn unauthenticated() -> Caller {
    Caller::client([127, 0, 0, 1].into(), None, None)
}

/// Sends the current password to each route that asks for it, by turns.
pub async fn confirm(app: &TestApp, person: &Person, number: usize, password: &str) -> Answer {
    let (method, path, body) = match number % 3 {
        0 => (
            Method::POST,
            "/api/me/password",
            json!({"current_password": password, "new_password": NEW_PASSWORD}),
        ),
        1 => (Method::POST, "/api/me/email", json!({"current_password": password, "email": "a@example.org"})),
        _ => (Method::DELETE, "/api/me", json!({"current_password": password})),
    };
    app.send(method, path, &person.access, body).await
}
