//! Anything but an access token of this server is refused, over HTTP and by a live socket in each of its three ways.

use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use diesel::prelude::*;
use doorward::internals::auth::SigningKey;
use doorward::internals::schema::signing_keys;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, claims, spawn_app};
use crate::support::transports::LiveClient;

/// An attacker with the stolen signing key and a key of their own.
struct Forger {
    key: EncodingKey,
    header: Value,
    claims: Value,
    /// The public key as the key set shows it.
    jwk: Value,
    own: EncodingKey,
    own_kid: String,
    own_jwk: Value,
}

fn encoding(stored: &str) -> EncodingKey {
    EncodingKey::from_ed_der(&BASE64_STANDARD.decode(stored).unwrap())
}

fn sign(key: &EncodingKey, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

impl Forger {
    async fn of(app: &TestApp, person: &Person) -> Self {
        let stored: String = app.query(|conn| {
            let keys = signing_keys::table.filter(signing_keys::algorithm.eq("EdDSA"));
            keys.select(signing_keys::key).first(conn)
        });
        let jwk = app.get("/.well-known/jwks.json", "").await.expect(200).body["keys"][0].clone();
        let own = SigningKey::generate().unwrap();
        let seed = BASE64_STANDARD.decode(own.stored()).unwrap();
        // The public key ends the document (RFC 5958, with its version 2).
        let x = BASE64_URL_SAFE_NO_PAD.encode(&seed[seed.len() - 32..]);
        Self {
            key: encoding(&stored),
            header: json!({"alg": "EdDSA", "typ": "at+jwt", "kid": jwk["kid"]}),
            claims: claims(&person.access),
            own: encoding(&own.stored()),
            own_kid: own.kid().to_owned(),
            own_jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": own.kid(), "alg": "EdDSA", "use": "sig"}),
            jwk,
        }
    }

    /// The right key under another header and other claims; null takes a member away.
    fn with(&self, header: &Value, claims: &Value) -> String {
        sign(&self.key, Algorithm::EdDSA, &merge(&self.header, header), &merge(&self.claims, claims))
    }

    /// Our own key.
    fn own(&self, header: &Value) -> String {
        sign(&self.own, Algorithm::EdDSA, &merge(&self.header, header), &self.claims)
    }

    fn hs256(&self, secret: &[u8], header: &Value) -> String {
        let header = merge(&merge(&self.header, &json!({"alg": "HS256"})), header);
        sign(&EncodingKey::from_secret(secret), Algorithm::HS256, &header, &self.claims)
    }
}

fn merge(base: &Value, change: &Value) -> Value {
    let mut merged = base.as_object().unwrap().clone();
    for (key, value) in change.as_object().unwrap() {
        if value.is_null() {
            merged.remove(key);
        } else {
            merged.insert(key.clone(), value.clone());
        }
    }
    merged.into()
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

async fn assert_invalid(app: &TestApp, what: &str, token: &str) {
    assert_refused(app, what, token, "invalid_token", 4401).await;
}

#[actix_web::test]
async fn a_forger_with_the_right_key_and_claims_is_admitted_so_the_refusals_mean_something() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let forger = Forger::of(&app, &ann).await;
    let token = forger.with(&json!({}), &json!({"username": "forged"}));
    app.get("/api/me", &token).await.expect(200);
    let forged = Person { access: token, ..ann };
    app.live(&forged).await.ping().await;
}

#[actix_web::test]
async fn no_other_algorithm_is_accepted() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let forger = Forger::of(&app, &ann).await;
    for alg in ["none", "None", "NONE", ""] {
        let header = merge(&forger.header, &json!({"alg": alg}));
        let unsigned = message(&header, &forger.claims);
        assert_invalid(&app, alg, &format!("{unsigned}.")).await;
        let signature = ann.access.rsplit('.').next().unwrap();
        assert_invalid(&app, alg, &format!("{unsigned}.{signature}")).await;
    }
    assert_invalid(&app, "no alg", &forger.with(&json!({"alg": null}), &json!({}))).await;
    assert_invalid(&app, "no signature", &format!("{}.", message(&forger.header, &forger.claims))).await;

    // The public key taken for a shared secret, in every way that it is written.
    let x = forger.jwk["x"].as_str().unwrap();
    let raw = BASE64_URL_SAFE_NO_PAD.decode(x).unwrap();
    let info = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], &raw[..]].concat();
    let base64 = BASE64_STANDARD.encode(&info);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
    let jwk = forger.jwk.to_string();
    for secret in [x.as_bytes(), &raw, &info, pem.as_bytes(), jwk.as_bytes(), b""] {
        assert_invalid(&app, "HS256", &forger.hs256(secret, &json!({}))).await;
        assert_invalid(&app, "HS256, said to be EdDSA", &forger.hs256(secret, &json!({"alg": "EdDSA"})))
            .await;
    }
}

#[actix_web::test]
async fn no_other_key_is_accepted() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let forger = Forger::of(&app, &ann).await;
    for kid in
        [json!("nobody's"), json!(""), json!(forger.own_kid), json!("../../dev/null"), json!(null), json!(7)]
    {
        let what = kid.to_string();
        let changed = json!({"kid": kid});
        assert_invalid(&app, &what, &forger.with(&changed, &json!({}))).await;
        assert_invalid(&app, &what, &forger.own(&changed)).await;
    }
    assert_invalid(&app, "another key under our name", &forger.own(&json!({}))).await;
    // A key that the token brings itself.
    for kid in [forger.jwk["kid"].clone(), json!(forger.own_kid), Value::Null] {
        for brought in [
            json!({"jwk": forger.own_jwk}),
            json!({"jku": "http://127.0.0.1:9/jwks.json"}),
            json!({"x5u": "http://127.0.0.1:9/cert.pem"}),
        ] {
            let header = merge(&brought, &json!({})).as_object().cloned().unwrap();
            let mut header = Value::Object(header);
            header["kid"] = kid.clone();
            assert_invalid(&app, "a key of its own", &forger.own(&header)).await;
        }
    }
    app.get("/api/me", &ann.access).await.expect(200);
}

#[actix_web::test]
async fn no_other_claim_is_accepted() {
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", "ann@example.org").await;
    let forger = Forger::of(&app, &ann).await;
    for (header, claims) in [
        (json!({"typ": "JWT"}), json!({})),
        (json!({"typ": null}), json!({})),
        (json!({"typ": "refresh+jwt"}), json!({})),
        (json!({"crit": ["exp"]}), json!({})),
        (json!({}), json!({"iss": "http://localhost:8080"})),
        (json!({}), json!({"iss": "http://doorward.example/"})),
        (json!({}), json!({"iss": null})),
        (json!({}), json!({"aud": "another"})),
        (json!({}), json!({"aud": null})),
        (json!({}), json!({"sub": null})),
        (json!({}), json!({"sub": "ann"})),
        (json!({}), json!({"sid": null})),
        (json!({}), json!({"exp": null})),
        (json!({}), json!({"exp": "tomorrow"})),
        (json!({}), json!({"iat": null})),
        (json!({}), json!({"iat": forger.claims["iat"].as_i64().unwrap() + 60})),
    ] {
        assert_invalid(&app, &format!("{header} {claims}"), &forger.with(&header, &claims)).await;
    }

    // A payload or a signature that is not the token's own.
    let parts: Vec<&str> = ann.access.split('.').collect();
    let changed = merge(&forger.claims, &json!({"sub": uuid::Uuid::from_u128(1).to_string()}));
    let changed = BASE64_URL_SAFE_NO_PAD.encode(changed.to_string());
    assert_invalid(&app, "payload", &format!("{}.{changed}.{}", parts[0], parts[2])).await;
    let other = app.login("ann").await;
    let signature = other.access.rsplit('.').next().unwrap();
    assert_invalid(&app, "signature", &format!("{}.{}.{signature}", parts[0], parts[1])).await;
    assert_invalid(&app, "cut", &ann.access[..ann.access.len() - 4]).await;
    assert_invalid(&app, "doubled", &format!("{0}.{0}", ann.access)).await;

    // Other secrets of the server.
    assert_invalid(&app, "refresh token", &ann.refresh).await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    for page in ["verify-email", "reset-password"] {
        let link = app.mail.link_token(page).await;
        assert_invalid(&app, page, &link).await;
    }
    app.get("/api/me", &ann.access).await.expect(200);
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
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let set = app.get("/.well-known/jwks.json", "").await.expect(200);
    assert_eq!(set.header("cache-control"), "public, max-age=300");
    let set: JwkSet = serde_json::from_value(set.body).unwrap();
    let header = jsonwebtoken::decode_header(&ann.access).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::EdDSA, Some("at+jwt")));
    let jwk = set.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["doorward"]);
    validation.set_issuer(&["http://doorward.example"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    let data = jsonwebtoken::decode::<Value>(&ann.access, &key, &validation).unwrap();
    assert_eq!((&data.claims["sub"], &data.claims["username"]), (&json!(ann.id), &json!("ann")));
}
