//! The server of a crash test as its clients see it: it counts acknowledgements, and is killed at one of them.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::smtp::SmtpCatcher;
use crate::support::time::{now, pause};

/// The server as clients see it.
pub struct Server<'a> {
    pub address: SocketAddr,
    /// Acknowledgements until it is killed; none is never by this.
    pub fuse: Cell<Option<u32>>,
    pub kill: &'a dyn Fn(),
    pub mail: &'a SmtpCatcher,
    pub acknowledged: Cell<u32>,
}

impl Server<'_> {
    /// Asks it. None: it did not answer, or could not do it now, and what was asked for may have been done.
    pub async fn ask(&self, method: Method, path: &str, token: &str, body: Value) -> Option<(u16, Value)> {
        let client = awc::Client::builder().timeout(Duration::from_secs(30)).finish();
        let mut request = client.request(method.clone(), format!("http://{}{path}", self.address));
        if !token.is_empty() {
            request = request.insert_header(("authorization", format!("Bearer {token}")));
        }
        let sent = if body.is_null() { request.send() } else { request.send_json(&body) };
        let mut answer = sent.await.ok()?;
        let status = answer.status().as_u16();
        let bytes = answer.body().await.ok()?;
        if status == 503 {
            return None;
        }
        assert!(status < 500 && status != 429, "{method} {path}: {status} {bytes:?}");
        if status < 300 {
            self.acknowledged.set(self.acknowledged.get() + 1);
            match self.fuse.get() {
                Some(1) => {
                    self.fuse.set(None);
                    (self.kill)();
                }
                Some(more) => self.fuse.set(Some(more - 1)),
                None => {}
            }
        }
        Some((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    pub async fn post(&self, path: &str, body: Value) -> Option<(u16, Value)> {
        self.ask(Method::POST, path, "", body).await
    }

    /// Of a server that runs on: it answers.
    pub async fn status(&self, method: Method, path: &str, token: &str, body: Value) -> (u16, Value) {
        let deadline = now() + Duration::from_secs(30);
        loop {
            if let Some(answer) = self.ask(method.clone(), path, token, body.clone()).await {
                return answer;
            }
            assert!(now() < deadline, "{method} {path} is not answered");
            pause().await;
        }
    }

    pub async fn login(&self, name: &str, password: &str) -> (u16, Value) {
        self.status(Method::POST, "/api/login", "", json!({"login": name, "password": password})).await
    }

    pub async fn refresh(&self, token: &str) -> (u16, Value) {
        self.status(Method::POST, "/api/refresh", "", json!({"refresh_token": token})).await
    }

    pub async fn lets_in(&self, access: &str) -> bool {
        match self.status(Method::GET, "/api/me", access, Value::Null).await {
            (200, _) => true,
            (401, _) => false,
            (status, body) => panic!("{status}: {body}"),
        }
    }
}
