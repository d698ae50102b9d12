//! The routes against a real database, over actix's in-process service.

mod browser;
mod change;
mod pages;
mod recover;
mod refusals;
mod server_api;
mod sign_in;

use std::time::Duration;

use actix_http::Request;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, Error};
use diesel::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::accounts::Caller;
use crate::actors::Db;
use crate::actors::Live;
use crate::auth::secret::hash_token;
use crate::brand::Brand;
use crate::clock::{Clock, ManualClock};
use crate::config::{Config, KEYS};
use crate::db;
use crate::mail::Mail;
use crate::models::one_time_tokens::{self, Purpose};
use crate::schema::{logins, outbox, request_counts, users};
use doorward_core::domain::UserId;

/// The caller of what an operator does.
fn operator() -> Caller {
    Caller::operator(None)
}

/// The caller of what an unauthenticated client does.
fn client() -> Caller {
    Caller::client([127, 0, 0, 1].into(), None, None)
}

pub(super) const PASSWORD: &str = "plural teapot orbit vinegar";

/// An answer: status, headers, body.
pub(super) struct Answer {
    pub status: u16,
    pub headers: header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    pub fn token(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.text)).to_owned()
    }
}

pub(super) struct Api<S> {
    service: S,
    pub accounts: Accounts,
    pub clock: ManualClock,
    pub readiness: Readiness,
    db: Db,
    dir: tempfile::TempDir,
}

/// One thread of each kind, cheap password hashes, and no limits.
fn config(dir: &std::path::Path, public_url: &str) -> Config {
    let url = format!("sqlite:{}", dir.join("test.db").display());
    let limits = KEYS.iter().map(|key| key.name).filter(|name| name.starts_with("limits."));
    let off = ["tcp.listen", "socketio.path", "accounts.unused_ttl"].into_iter().chain(limits);
    let settings = [
        ("public_url", public_url),
        ("data_dir", dir.to_str().unwrap()),
        ("database.url", &url),
        ("database.executors", "2"),
        ("http.workers", "1"),
        ("password.workers", "1"),
        ("password.insecure_cost", "true"),
        ("password.cost", "4"),
        ("mail.allow_preview", "true"),
        ("sockets.allowed_origins", "https://app.example.org"),
    ];
    Config::from_pairs(off.map(|key| (key, "off")).chain(settings)).unwrap()
}

/// Starts everything that the routes need. The one place to change when the wiring does.
pub(super) async fn start_at(
    public_url: &str,
) -> Api<impl Service<Request, Response = ServiceResponse, Error = Error>> {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), public_url);
    let clock = ManualClock::default();
    let system = Clock::Manual(clock.clone());
    let rates = RateLimits::new(&config.limits, &system);
    let db = Db::start(db::open(&config.database.url, 2).unwrap(), 2);
    let live = Live::alone(&config.sockets);
    let accounts = Accounts::start(db.clone(), &live, Mail::default(), system, &config).await.unwrap();
    let brand = Brand::load(&config.brand).unwrap();
    let site = Site::new(&config, brand, crate::text::Languages::built_in());
    let readiness = Readiness::default();
    let service = init_service(
        App::new()
            .wrap(from_fn(trace::trace))
            .configure(|cfg| configure(cfg, &accounts, &site, &rates, &readiness)),
    )
    .await;
    Api { service, accounts, clock, readiness, db, dir }
}

pub(super) async fn start() -> Api<impl Service<Request, Response = ServiceResponse, Error = Error>> {
    start_at("http://localhost:8080").await
}

impl<S: Service<Request, Response = ServiceResponse, Error = Error>> Api<S> {
    pub async fn call(&self, request: TestRequest) -> Answer {
        let response = call_service(&self.service, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        let kind = headers.get("content-type").map_or("", |kind| kind.to_str().unwrap());
        assert!(
            (status >= 400) == (kind == "application/problem+json") || kind.starts_with("text/html"),
            "{status} {text}"
        );
        Answer { status, headers, text }
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(TestRequest::post().uri(path).set_json(body)).await
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Answer {
        let mut request = TestRequest::with_uri(path).method(method);
        request = request.insert_header(("Authorization", format!("Bearer {token}")));
        self.call(if let Some(body) = body { request.set_json(body) } else { request }).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, token, None).await
    }

    pub async fn register(&self, username: &str) -> Answer {
        let answer = self.post("/api/register", json!({"username": username, "password": PASSWORD})).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    pub async fn login(&self, login: &str, password: &str) -> Answer {
        self.post("/api/login", json!({"login": login, "password": password})).await
    }

    /// A user with a claimed address.
    pub async fn register_with(&self, username: &str, email: &str) -> Answer {
        let body = json!({"username": username, "password": PASSWORD, "email": email});
        let answer = self.post("/api/register", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    pub async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut db::Conn) -> QueryResult<T> + Send + 'static,
    ) -> T {
        self.db.run(move |conn| work(conn).map_err(crate::accounts::Error::from)).await.unwrap()
    }

    /// Another process on the same database.
    pub async fn restart(&self) -> Accounts {
        let (config, system) =
            (config(self.dir.path(), "http://localhost:8080"), Clock::Manual(self.clock.clone()));
        let live = Live::alone(&config.sockets);
        Accounts::start(self.db.clone(), &live, Mail::default(), system, &config).await.unwrap()
    }

    /// The emails asked for: kind, address.
    pub async fn emails(&self) -> Vec<(String, String)> {
        self.query(|conn| outbox::table.order(outbox::id).select((outbox::kind, outbox::address)).load(conn))
            .await
    }

    /// A link as the mailer would mint it.
    pub async fn mint(&self, purpose: Purpose, user: &str, email: &str) -> String {
        let token = crate::auth::secret::random_token();
        let (hash, user) = (hash_token(&token), user.parse::<UserId>().unwrap());
        let (email, clock) = (email.to_owned(), Clock::Manual(self.clock.clone()));
        let expires_at = clock.now() + chrono::TimeDelta::minutes(30);
        self.query(move |conn| one_time_tokens::insert(conn, &hash, purpose, user, &email, expires_at)).await;
        token
    }

    /// Registers a user and proves the address.
    pub async fn register_holder(&self, username: &str, email: &str) -> Answer {
        let user = self.register_with(username, email).await;
        let token = self.mint(Purpose::VerifyEmail, id_of(&user).as_str(), email).await;
        assert_eq!(self.post("/api/verify-email", json!({"token": token})).await.status, 204);
        user
    }
}

pub(super) fn id_of(answer: &Answer) -> String {
    answer.json()["user"]["id"].as_str().unwrap().to_owned()
}
