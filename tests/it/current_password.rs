//! Guesses at the current password, by a client that is signed in.

use actix_web::http::Method;
use actix_web::rt;
use serde_json::json;

use crate::support::app::{NEW_PASSWORD, PASSWORD, post_form, spawn_app};
use crate::support::callers::confirm;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

#[actix_web::test]
async fn ten_wrong_current_passwords_revoke_the_login() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let stolen = app.login("ann").await;
    let mut socket = WebSocketClient::live(&app, &stolen).await;
    for number in 0..9 {
        assert_eq!(confirm(&app, &stolen, number, "wrong").await.expect(403).code(), "wrong_password");
    }
    assert_eq!(confirm(&app, &stolen, 9, "wrong").await.expect(401).code(), "token_revoked");
    assert_eq!(socket.ended().await.code, 4441);
    for path in ["/api/me", "/api/logins"] {
        assert_eq!(app.get(path, &stolen.access).await.expect(401).code(), "token_revoked");
    }
    assert_eq!(confirm(&app, &stolen, 10, PASSWORD).await.status, 401);
    app.post("/api/refresh", json!({"refresh_token": stolen.refresh})).await.expect(401);
    // The owner's own login is still active, and the right password still works.
    assert_eq!(confirm(&app, &ann, 0, PASSWORD).await.status, 204);
}

#[actix_web::test]
async fn the_right_current_password_in_time_forgets_the_wrong_ones() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for round in 0..3 {
        for number in 0..9 {
            confirm(&app, &ann, number, "wrong").await.expect(403);
        }
        let body = json!({"current_password": PASSWORD, "email": format!("a{round}@example.org")});
        app.send(Method::POST, "/api/me/email", &ann.access, body).await.expect(202);
    }
}

#[actix_web::test]
async fn many_current_passwords_at_once_are_counted_as_many() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let (address, bearer) = (app.address, format!("Bearer {}", ann.access));
    let tries: Vec<_> = (0..30)
        .map(|number| {
            let bearer = bearer.clone();
            rt::spawn(async move {
                let body =
                    json!({"current_password": format!("wrong {number}"), "new_password": NEW_PASSWORD});
                let headers = [("authorization", bearer.as_str())];
                crate::support::app::call(address, Method::POST, "/api/me/password", &headers, Some(body))
                    .await
            })
        })
        .collect();
    let mut checked = 0;
    for answer in tries {
        let answer = answer.await.unwrap();
        checked += usize::from(answer.status == 403);
    }
    assert!(checked <= 9, "{checked}");
    app.get("/api/me", &ann.access).await.expect(401);
}

#[actix_web::test]
async fn a_page_that_asks_for_the_current_password_counts_it() {
    let app = spawn_app().await;
    app.register("ann").await;
    let form = [("login", "ann"), ("password", PASSWORD)];
    let jar = post_form(app.address, "/login", "", &form).await.expect(303).cookie("doorward");
    for _ in 0..9 {
        let fields = [("current_password", "wrong")];
        post_form(app.address, "/dashboard/delete", &jar, &fields).await.expect(403);
    }
    let fields = [("current_password", "wrong"), ("new_password", NEW_PASSWORD)];
    post_form(app.address, "/dashboard/password", &jar, &fields).await.expect(401);
    let fields = [("current_password", PASSWORD)];
    let gone = post_form(app.address, "/dashboard/delete", &jar, &fields).await.expect(303);
    assert_eq!(gone.header("location"), "/login");
}
