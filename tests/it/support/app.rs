//! Starts the real application on a free port, with a database of its own, a manual clock and a mail server that keeps
//! every email.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::rt;
use diesel::prelude::*;
use doorward::internals::accounts::Accounts;
use doorward::internals::actors::{Live, Sessions};
use doorward::internals::app::{Deadlines, TestAdditions};
use doorward::internals::clock::ManualClock;
use doorward::internals::config::DatabaseUrl;
use doorward::internals::db::Conn;
use doorward::internals::directory::Revocations;
use doorward::internals::routes::Readiness;
use doorward::{Additions, Application, Clock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::support::config::Settings;
use crate::support::database;
use crate::support::import::data_dir;
use crate::support::smtp::SmtpCatcher;
use crate::support::time::pause;

pub use crate::support::answer::Answer;

/// A password that zxcvbn likes.
pub const PASSWORD: &str = "correct horse battery staple 9";

/// Another one, to change to.
pub const NEW_PASSWORD: &str = "a new and quite different sentence 7";

pub struct TestApp {
    pub address: SocketAddr,
    /// The TCP endpoint.
    pub tcp: SocketAddr,
    /// The listener for metrics, if `metrics.listen` is set.
    pub metrics: SocketAddr,
    pub clock: ManualClock,
    pub mail: SmtpCatcher,
    pub data: TempDir,
    pub database: DatabaseUrl,
    pub accounts: Accounts,
    pub sessions: Sessions,
    pub revocations: Arc<Revocations>,
    pub readiness: Readiness,
    stop: Option<oneshot::Sender<()>>,
    running: Option<rt::task::JoinHandle<std::io::Result<()>>>,
}

/// A registered user, with the tokens of one login.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub access: String,
    pub refresh: String,
    pub login: String,
}

pub async fn spawn_app() -> TestApp {
    spawn_with(&[]).await
}

pub async fn spawn_with(settings: &[(&str, &str)]) -> TestApp {
    let data = tempfile::tempdir().unwrap();
    let mail = SmtpCatcher::start();
    spawn_on(settings, data, mail, ManualClock::default()).await
}

/// With additions of an embedding application.
pub async fn spawn_embedded(settings: &[(&str, &str)], additions: Additions) -> TestApp {
    let data = tempfile::tempdir().unwrap();
    spawn(settings, data, SmtpCatcher::start(), ManualClock::default(), additions, Deadlines::default()).await
}

/// With other deadlines of connections.
pub async fn spawn_hurried(settings: &[(&str, &str)], deadlines: Deadlines) -> TestApp {
    let data = tempfile::tempdir().unwrap();
    let (mail, clock) = (SmtpCatcher::start(), ManualClock::default());
    spawn(settings, data, mail, clock, Additions::default(), deadlines).await
}

/// On a database that may be there already.
pub async fn spawn_on(
    settings: &[(&str, &str)],
    data: TempDir,
    mail: SmtpCatcher,
    clock: ManualClock,
) -> TestApp {
    spawn(settings, data, mail, clock, Additions::default(), Deadlines::default()).await
}

/// The same with additions of an embedding application.
pub async fn spawn_again(
    settings: &[(&str, &str)],
    data: TempDir,
    mail: SmtpCatcher,
    clock: ManualClock,
    additions: Additions,
) -> TestApp {
    spawn(settings, data, mail, clock, additions, Deadlines::default()).await
}

/// The same with a clock of its own.
pub async fn spawn_node(
    settings: &[(&str, &str)],
    data: TempDir,
    mail: SmtpCatcher,
    additions: Additions,
) -> TestApp {
    spawn(settings, data, mail, ManualClock::default(), additions, Deadlines::default()).await
}

async fn spawn(
    settings: &[(&str, &str)],
    data: TempDir,
    mail: SmtpCatcher,
    clock: ManualClock,
    additions: Additions,
    deadlines: Deadlines,
) -> TestApp {
    let dir = data.path().join("data");
    let config = Settings::server(&dir)
        .with(&[
            ("http.workers", "2"),
            ("data_dir", dir.to_str().unwrap()),
            ("public_url", "http://doorward.example"),
            ("mail.url", &mail.url()),
            // Tests of these limits set their own; all clients of a test have one address.
            ("limits.mail_recipient", "off"),
            ("limits.mail_account", "off"),
            ("limits.mail_client", "off"),
            ("sockets.max_per_address", "100000"),
            ("connections.max_per_address", "100000"),
        ])
        .with(settings)
        .config();
    let database = config.database.url.clone();
    // Tests run several nodes, or a restarted one, on one database.
    let additions = additions.sharing_database();
    let app = Application::build_with(config, Clock::Manual(clock.clone()), additions).await.unwrap();
    let app = app.deadlines(deadlines);
    let (address, accounts) = (app.address(), app.accounts().clone());
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let tcp = app.tcp_address().unwrap_or(nowhere);
    let metrics = app.metrics_address().unwrap_or(nowhere);
    let Live { sessions, revocations, .. } = app.live().clone();
    let readiness = app.readiness().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = rt::spawn(app.run_until_stopped(async move {
        let _ = stopped.await;
    }));
    TestApp {
        address,
        tcp,
        metrics,
        clock,
        mail,
        data,
        database,
        accounts,
        sessions,
        revocations,
        readiness,
        stop: Some(stop),
        running: Some(running),
    }
}

impl TestApp {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks the database as another process would.
    pub fn query<T>(&self, query: impl FnOnce(&mut Conn) -> QueryResult<T>) -> T {
        query(&mut self.database.connect().unwrap()).unwrap()
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Advances the manual clock faster than real time until this future is done.
    pub async fn passing<F: Future>(&self, wait: F) -> F::Output {
        let mut wait = std::pin::pin!(wait);
        loop {
            match tokio::time::timeout(Duration::from_millis(10), &mut wait).await {
                Ok(done) => return done,
                Err(_) => self.advance(Duration::from_millis(50)),
            }
        }
    }

    /// Any request, with headers.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        call(self.address, method, path, headers, body).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers: &[(&str, &str)] =
            if token.is_empty() { &[] } else { &[("authorization", bearer.as_str())] };
        self.call(Method::GET, path, headers, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    /// With a token; a body of `null` is none.
    pub async fn send(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let body = Some(body).filter(|body| !body.is_null());
        self.call(method, path, &[("authorization", bearer.as_str())], body).await
    }

    pub async fn register(&self, username: &str) -> Person {
        let body = json!({"username": username, "password": PASSWORD});
        person(&self.post("/api/register", body).await.expect(201))
    }

    pub async fn register_with_email(&self, username: &str, email: &str) -> Person {
        let body = json!({"username": username, "password": PASSWORD, "email": email});
        person(&self.post("/api/register", body).await.expect(201))
    }

    /// With an address that was verified.
    pub async fn register_holder(&self, username: &str, email: &str) -> Person {
        let before = self.mail.caught().len();
        let person = self.register_with_email(username, email).await;
        let mail = loop {
            let mails = self.mail.wait_for(before + 1).await.split_off(before);
            if let Some(mail) = mails.into_iter().find(|mail| mail.to == [email]) {
                break mail;
            }
            pause().await;
        };
        let link = json!({"token": mail.token("verify-email")});
        self.post("/api/verify-email", link).await.expect(204);
        person
    }

    /// Another device of the same person.
    pub async fn login(&self, username: &str) -> Person {
        let body = json!({"login": username, "password": PASSWORD});
        person(&self.post("/api/login", body).await.expect(200))
    }

    /// Stops as SIGTERM does and waits for the end.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(running) = self.running.take() {
            running.await.unwrap().unwrap();
        }
    }

    /// Begins to stop.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    pub fn has_stopped(&self) -> bool {
        self.running.as_ref().is_none_or(tokio::task::JoinHandle::is_finished)
    }
}

/// Sends any request to any Doorward.
pub async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answer {
    let mut request = client().request(method, format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.append_header((*name, *value));
    }
    let response = match body {
        Some(body) => request.send_json(&body).await,
        None => request.send().await,
    };
    read(response.unwrap()).await
}

/// Posts a form as a page of Doorward does. An empty cookie sends no cookie.
pub async fn post_form(address: SocketAddr, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request =
        client().post(format!("http://{address}{path}")).insert_header(("sec-fetch-site", "same-origin"));
    if !cookie.is_empty() {
        request = request.insert_header(("cookie", cookie));
    }
    read(request.send_form(&fields).await.unwrap()).await
}

fn client() -> awc::Client {
    awc::Client::builder().timeout(Duration::from_secs(30)).disable_redirects().finish()
}

pub async fn read<S>(mut response: awc::ClientResponse<S>) -> Answer
where
    S: futures_util::Stream<Item = Result<actix_web::web::Bytes, actix_web::error::PayloadError>> + Unpin,
{
    let bytes = response.body().limit(4 << 20).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
        text,
    }
}

fn person(answer: &Answer) -> Person {
    let access = answer.str("access_token");
    let claims = claims(&access);
    Person {
        id: claims["sub"].as_str().unwrap().to_owned(),
        refresh: answer.str("refresh_token"),
        login: claims["sid"].as_str().unwrap().to_owned(),
        access,
    }
}

/// What a token says, unverified.
pub fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).expect("a JWT has three parts");
    let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Another server on the database of this one, as after an upgrade.
pub async fn start_again(app: &TestApp, settings: &[(&str, &str)]) -> TestApp {
    let dir = data_dir(app);
    let url = database::url(&dir).unwrap_or_else(|| format!("sqlite:{}", dir.join("doorward.db").display()));
    let mut settings = settings.to_vec();
    settings.push(("database.url", &url));
    spawn_with(&settings).await
}
