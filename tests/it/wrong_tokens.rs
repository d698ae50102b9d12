//! Clients that put the token in the wrong place, or in the wrong form, learn from the answer where it belongs.

use serde_json::json;

use crate::support::app::{TestApp, spawn_app};
use crate::support::logs;
use crate::support::mistakes::{CONNECTION, KEY, UPGRADE, VERSION, ask, logged, problem, spawn_logged};
use crate::support::socketio::SocketIoClient;
use crate::support::tcp::TcpClient;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

/// Opens a WebSocket at this path; an error is the status.
async fn open(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Result<WebSocketClient, u16> {
    crate::support::websocket::open_path(app.address, path, headers).await
}

#[actix_web::test]
async fn a_token_in_the_wrong_place_is_told_where_it_belongs() {
    let app = spawn_logged().await;
    let ann = app.register("ann").await;
    let token = &ann.access;
    let protocols = format!("access_token, {token}");
    let cases: [(String, &str, &str); 8] = [
        (format!("/ws?token={token}"), "", ""),
        (format!("/ws?access_token={token}"), "", ""),
        (format!("/ws?jwt={token}&x=1"), "", ""),
        (format!("/ws/?auth=Bearer%20{token}"), "", ""),
        (format!("/ws?t={token}"), "", ""),
        ("/ws".to_owned(), "x-access-token", token),
        ("/ws".to_owned(), "sec-websocket-protocol", &protocols),
        ("/ws".to_owned(), "sec-websocket-protocol", token),
    ];
    for (at, (path, name, value)) in cases.into_iter().enumerate() {
        let client = format!("192.0.2.{}", at + 1);
        for origin in [None, Some(("origin", "http://doorward.example"))] {
            let mut headers = vec![("x-forwarded-for", client.as_str())];
            headers.extend(Some((name, value)).filter(|(name, _)| !name.is_empty()));
            headers.extend(origin);
            let mut live = open(&app, &path, &headers).await.unwrap();
            let ended = live.ends(4401).await;
            let reason = ended.goodbye["reason"].as_str().unwrap();
            assert!(
                ["Authorization", "bearer.TOKEN", "first message"].iter().all(|place| reason.contains(place))
            );
            assert_eq!(ended.goodbye["reconnect"], "never");
        }
        assert_eq!(logged("misplaced_token", &client), 1, "{client}");
    }
    // A client that presents the token in the right place as well is admitted.
    let bearer = format!("Bearer {token}");
    let mut live = open(&app, "/ws?token=x", &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(live.next().await["type"], "welcome");
    assert!(!logs::text().contains(token.as_str()), "a token is in the log");
}

#[actix_web::test]
async fn a_flood_of_misplaced_tokens_costs_no_upgrades() {
    let app = spawn_app().await;
    let mut explained = 0;
    for _ in 0..70 {
        match open(&app, "/ws?token=x", &[]).await {
            Ok(mut live) => {
                live.ends(4401).await;
                explained += 1;
            }
            Err(status) => assert_eq!(status, 401),
        }
    }
    assert_eq!(explained, 60);
    let refused = ask(app.address, "GET /ws?token=x HTTP/1.1", &[KEY, VERSION, UPGRADE, CONNECTION]).await;
    assert_eq!((refused.status, &problem(&refused)["code"]), (401, &json!("misplaced_token")));
}

#[actix_web::test]
async fn a_wrong_authorization_says_what_is_wrong_with_it() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let token = &ann.access;
    let handshake = [KEY, VERSION, UPGRADE, CONNECTION];
    for (value, code, word) in [
        (format!("Token {token}"), "unauthorized", "scheme"),
        (format!("JWT {token}"), "unauthorized", "scheme"),
        ("Basic YW5uOng=".to_owned(), "unauthorized", "scheme"),
        (token.clone(), "unauthorized", "scheme"),
        (format!("Bearer Bearer {token}"), "invalid_token", "Bearer"),
        (format!("Bearer \"{token}\""), "invalid_token", "quotation marks"),
        (format!("Bearer {}", ann.refresh), "invalid_token", "refresh token"),
        ("Bearer undefined".to_owned(), "invalid_token", "variable"),
        ("Bearer [object Object]".to_owned(), "invalid_token", "variable"),
        ("Bearer <token>".to_owned(), "invalid_token", "placeholder"),
        (format!("Bearer {token}x"), "invalid_token", "not valid"),
    ] {
        let header = format!("authorization: {value}");
        for (path, more) in [("/api/me", &[][..]), ("/ws", &handshake)] {
            let headers = [more, &[header.as_str()]].concat();
            let answer = ask(app.address, &format!("GET {path} HTTP/1.1"), &headers).await;
            let (body, detail) = (problem(&answer), problem(&answer)["detail"].as_str().unwrap().to_owned());
            assert_eq!((answer.status, &body["code"]), (401, &json!(code)), "{path} {value}");
            assert!(detail.contains(word) && !detail.contains("eyJ") && !detail.contains("dwr_"), "{detail}");
        }
    }
    for (path, header) in
        [("/api/me?access_token=x", "a: b".to_owned()), ("/api/me", format!("x-auth-token: {token}"))]
    {
        let answer = ask(app.address, &format!("GET {path} HTTP/1.1"), &[&header]).await;
        assert_eq!((answer.status, &problem(&answer)["code"]), (401, &json!("misplaced_token")), "{path}");
    }
    // These are accepted.
    for value in [format!("bearer {token}"), format!("BEARER {token}"), format!("Bearer  {token} ")] {
        let header = format!("authorization: {value}");
        assert_eq!(ask(app.address, "GET /api/me HTTP/1.1", &[&header]).await.status, 200, "{value}");
    }
}

#[actix_web::test]
async fn a_first_message_of_another_shape_is_told_the_right_one() {
    let app = spawn_logged().await;
    let ann = app.register("ann").await;
    let token = &ann.access;
    for (at, first) in [
        json!({"token": token}).to_string(),
        json!({"type": "auth", "access_token": token}).to_string(),
        json!({"type": "authenticate", "token": token}).to_string(),
        json!({"event": "auth", "data": {"token": token}}).to_string(),
        token.clone(),
        format!("Bearer {token}"),
        json!(token).to_string(),
    ]
    .into_iter()
    .enumerate()
    {
        let client = format!("192.0.2.{}", at + 101);
        let mut live = app.open(&[("x-forwarded-for", &client)]).await.unwrap();
        live.write(&first).await;
        let ended = live.ends(4401).await;
        assert_eq!(ended.goodbye["reason"], r#"the first message must be {"type":"auth","token":"TOKEN"}"#);
        assert_eq!(logged("misplaced_token", &client), 1);
    }
    for (token, word) in [
        (format!("Bearer {token}"), "Bearer"),
        (ann.refresh.clone(), "refresh token"),
        ("undefined".to_owned(), "variable"),
    ] {
        let mut live = app.open(&[]).await.unwrap();
        live.present(&token).await;
        let error = live.ends(4401).await.before[0].clone();
        assert_eq!(error["code"], "invalid_token");
        assert!(error["detail"].as_str().unwrap().contains(word), "{error}");
    }
}

#[actix_web::test]
async fn a_connect_without_a_token_in_auth_is_told_where_it_belongs() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for connect in [
        "40",
        "40{}",
        &format!(r#"40{{"access_token":"{}"}}"#, ann.access),
        &format!(r#"40"{}""#, ann.access),
    ] {
        let mut frames = SocketIoClient::open(app.address, &format!("&token={}", ann.access)).await.unwrap();
        frames.text(connect).await;
        let ended = frames.ends(4401).await;
        let reason = ended.goodbye["reason"].as_str().unwrap();
        assert_eq!(
            reason, r#"the access token is missing: it belongs in auth, as {"token":"TOKEN"}"#,
            "{connect}"
        );
    }
    let mut frames = SocketIoClient::open(app.address, "").await.unwrap();
    frames.present(&ann.access).await;
    assert_eq!(frames.next().await["type"], "welcome");
}

#[actix_web::test]
async fn a_token_alone_among_the_subprotocols_is_answered() {
    let app = spawn_logged().await;
    let ann = app.register("ann").await;
    let token = &ann.access;
    for (offer, answered) in [
        (format!("bearer.{token}"), Some(format!("bearer.{token}"))),
        (format!("Bearer.{token}"), Some(format!("Bearer.{token}"))),
        (format!("mqtt, bearer.{token}"), Some(format!("bearer.{token}"))),
        (format!("doorward.v1, bearer.{token}"), Some("doorward.v1".to_owned())),
        (format!("bearer.{token},doorward.v1"), Some("doorward.v1".to_owned())),
    ] {
        let mut live = app.open(&[("sec-websocket-protocol", &offer)]).await.unwrap();
        assert_eq!(live.protocol, answered, "{offer}");
        assert_eq!(live.next().await["type"], "welcome");
    }
    // One that is refused as well: a browser would not see the close code otherwise.
    let mut live = app.open(&[("sec-websocket-protocol", "bearer.nonsense")]).await.unwrap();
    assert_eq!(live.protocol.as_deref(), Some("bearer.nonsense"));
    live.ends(4401).await;
    // No known subprotocol: only the log says so.
    let headers = [
        KEY,
        VERSION,
        UPGRADE,
        CONNECTION,
        "sec-websocket-protocol: graphql-ws",
        "x-forwarded-for: 203.0.113.20",
    ];
    let answer = ask(app.address, "GET /ws HTTP/1.1", &headers).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
    assert_eq!(logged("subprotocols", "203.0.113.20"), 1);
    assert!(!logs::text().contains(token.as_str()), "a token is in the log");
}

#[actix_web::test]
async fn a_token_at_the_prompt_is_answered_with_the_word_it_needs() {
    logs::capture();
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for answer in [
        ann.access.clone(),
        format!("Authorization: Bearer {}", ann.access),
        json!({"type": "auth", "token": ann.access}).to_string(),
    ] {
        let mut line = TcpClient::unauthenticated(&app).await;
        line.say(format!("{answer}\n")).await;
        let said = line.rest().await;
        assert!(said.starts_with("Login failed\n{"), "{said}");
        assert!(said.contains("\"code\":4401") && said.contains("Bearer TOKEN"), "{said}");
    }
    for word in ["Bearer", "bearer", "BEARER "] {
        let mut line = TcpClient::unauthenticated(&app).await;
        line.say(format!("{word} {}\r\n", ann.access)).await;
        assert_eq!(line.next().await["type"], "welcome");
    }
    assert!(!logs::text().contains(ann.access.as_str()), "a token is in the log");
}
