//! Anything but an access token of this server is refused, over HTTP and by a live socket in each of its three ways.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, spawn_app, spawn_with};
use crate::support::forger::{ALGORITHMS, Forger, Hostile};
use crate::support::transports::LiveClient;

async fn server(algorithm: &str) -> TestApp {
    spawn_with(&[("tokens.algorithm", algorithm)]).await
}

/// Tries HTTP and every way to sign in to a live socket.
async fn assert_refused(app: &TestApp, what: &str, token: &str, code: &str, close: u16) {
    for path in ["/api/me", "/api/logins"] {
        let answer = app.get(path, token).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, code), "{what}: {}", answer.text);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let bearer = format!("Bearer {token}");
    assert_eq!(app.open(&[("authorization", &bearer)]).await.err(), Some(401), "{what}");
    let offer = format!("doorward.v1, bearer.{token}");
    let mut live = app.open(&[("sec-websocket-protocol", &offer)]).await.unwrap();
    let ended = live.ended().await;
    assert_eq!((ended.code, ended.before.iter().any(|m| m["type"] == "welcome")), (close, false), "{what}");
    let mut live = app.open(&[]).await.unwrap();
    live.send(json!({"type": "auth", "token": token})).await;
    let ended = live.ended().await;
    assert_eq!((ended.code, ended.before.iter().any(|m| m["type"] == "welcome")), (close, false), "{what}");
}

async fn assert_invalid(app: &TestApp, hostile: Vec<Hostile>) {
    for Hostile { what, token, .. } in hostile {
        assert_refused(app, &what, &token, "invalid_token", 4401).await;
    }
}

#[actix_web::test]
async fn a_forger_with_the_right_key_and_claims_is_admitted_so_the_refusals_mean_something() {
    for algorithm in ALGORITHMS {
        let app = server(algorithm).await;
        let ann = app.register("ann").await;
        let forger = Forger::of(&app, &ann).await;
        let token = forger.with(&json!({}), &json!({"username": "forged"}));
        app.get("/api/me", &token).await.expect(200);
        let forged = Person { access: token, ..ann };
        app.live(&forged).await.ping().await;
    }
}

#[actix_web::test]
async fn no_other_algorithm_is_accepted() {
    for algorithm in ALGORITHMS {
        let app = server(algorithm).await;
        let ann = app.register("ann").await;
        let forger = Forger::of(&app, &ann).await;
        assert_invalid(&app, forger.other_algorithms(&ann.access)).await;
        app.get("/api/me", &ann.access).await.expect(200);
    }
}

#[actix_web::test]
async fn no_other_key_is_accepted() {
    for algorithm in ALGORITHMS {
        let app = server(algorithm).await;
        let ann = app.register("ann").await;
        assert_invalid(&app, Forger::of(&app, &ann).await.other_keys()).await;
        app.get("/api/me", &ann.access).await.expect(200);
    }
}

#[actix_web::test]
async fn no_other_claim_is_accepted() {
    for algorithm in ALGORITHMS {
        let app = server(algorithm).await;
        let ann = app.register("ann").await;
        let other = app.login("ann").await;
        let forger = Forger::of(&app, &ann).await;
        assert_invalid(&app, forger.other_claims(&ann.access, &other.access)).await;
        app.get("/api/me", &ann.access).await.expect(200);
    }
}

#[actix_web::test]
async fn no_other_secret_of_the_server_is_accepted() {
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", "ann@example.org").await;
    assert_refused(&app, "refresh token", &ann.refresh, "invalid_token", 4401).await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    for page in ["verify-email", "reset-password"] {
        let link = app.mail.link_token(page).await;
        assert_refused(&app, page, &link, "invalid_token", 4401).await;
    }
}

#[actix_web::test]
async fn an_expired_token_is_refused_as_such() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let forger = Forger::of(&app, &ann).await;
    // A lifetime beyond the configured one is not accepted.
    let iat = forger.claims["iat"].as_i64().unwrap();
    let long = forger.with(&json!({}), &json!({"exp": iat + 86_400}));
    let past = forger.with(&json!({}), &json!({"exp": iat}));
    assert_refused(&app, "past", &past, "token_expired", 4440).await;
    app.advance(Duration::from_mins(14));
    app.get("/api/me", &ann.access).await.expect(200);
    app.get("/api/me", &long).await.expect(200);
    app.advance(Duration::from_mins(1));
    assert_refused(&app, "expired", &ann.access, "token_expired", 4440).await;
    assert_refused(&app, "long", &long, "token_expired", 4440).await;
    let refreshed = app.post("/api/refresh", json!({"refresh_token": ann.refresh})).await.expect(200);
    app.get("/api/me", &refreshed.str("access_token")).await.expect(200);
}

#[actix_web::test]
async fn another_program_verifies_tokens_with_the_key_set() {
    for algorithm in ALGORITHMS {
        let app = server(algorithm).await;
        let ann = app.register("ann").await;
        let set = app.get("/.well-known/jwks.json", "").await.expect(200);
        assert_eq!(set.header("cache-control"), "public, max-age=300");
        let set: JwkSet = serde_json::from_value(set.body).unwrap();
        let header = jsonwebtoken::decode_header(&ann.access).unwrap();
        assert_eq!(header.alg, algorithm.parse().unwrap());
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        let jwk = set.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&["doorward"]);
        validation.set_issuer(&["http://doorward.example"]);
        // RFC 9068 section 2.2; the library knows no others.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let key = DecodingKey::from_jwk(jwk).unwrap();
        let claims = jsonwebtoken::decode::<Value>(&ann.access, &key, &validation).unwrap().claims;
        assert_eq!((&claims["sub"], &claims["username"]), (&json!(ann.id), &json!("ann")));
        assert_eq!(claims["client_id"], "doorward");
        assert!(uuid::Uuid::try_parse(claims["jti"].as_str().unwrap()).is_ok());
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    }
}
