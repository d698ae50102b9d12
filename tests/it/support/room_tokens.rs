//! A backend that signs room tokens.

use doorward::Clock;
use doorward::internals::auth::{Keyring, SigningKey, sign_room_token};
use doorward::internals::config::SigningAlgorithm;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{Person, TestApp};
use crate::support::rooms::with_rooms;
use crate::support::transports::LiveClient;

/// Rooms that are joined by a token, and rooms where a token may only add something.
pub const KINDS: [(&str, &str); 6] = [
    ("rooms.order.join", "token"),
    ("rooms.order.send", "token"),
    ("rooms.order.presence", "users"),
    ("rooms.order.see_presence", "token"),
    ("rooms.open.join", "anyone"),
    ("rooms.open.send", "token"),
];

/// The backend, and the file in which the server finds its public key.
pub struct Backend {
    pub key: SigningKey,
    dir: TempDir,
}

impl Backend {
    pub fn new() -> Self {
        let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let public = SigningKey::from_stored(SigningAlgorithm::EdDsa, &key.stored()).unwrap();
        let set = serde_json::to_string(&Keyring::new(public, vec![]).jwks()).unwrap();
        std::fs::write(dir.path().join("keys.json"), set).unwrap();
        Self { key, dir }
    }

    pub fn file(&self) -> String {
        self.dir.path().join("keys.json").to_str().unwrap().to_owned()
    }

    /// A server that takes its tokens, and lets its clients be silent while the clock moves.
    pub async fn server(&self) -> TestApp {
        let file = self.file();
        let settings = [("rooms.token_jwks", &*file), ("sockets.heartbeat", "10m")];
        with_rooms(&[&KINDS[..], &settings].concat()).await
    }

    /// The claims of a good token for ten minutes.
    pub fn claims(app: &TestApp, person: &Person, room: &str) -> Value {
        let now = seconds(app);
        json!({"sub": person.id, "room": room, "iat": now, "exp": now + 600})
    }

    /// A token with these claims besides, or in place of those that it would have.
    pub fn token(&self, app: &TestApp, person: &Person, room: &str, more: &Value) -> String {
        let mut claims = Self::claims(app, person, room);
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sign(&claims)
    }

    pub fn sign(&self, claims: &Value) -> String {
        sign_room_token(&self.key, None, claims).unwrap()
    }
}

/// By the server's clock.
pub fn seconds(app: &TestApp) -> i64 {
    Clock::Manual(app.clock.clone()).now().and_utc().timestamp()
}

/// As the server writes it.
pub fn written(seconds: i64) -> String {
    let at = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
    at.format("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

pub async fn join_with<C: LiveClient>(client: &mut C, room: &str, token: &str) -> Value {
    client.ask(json!({"type": "join", "id": "j", "room": room, "token": token})).await
}
