//! Requests of many clients behind a proxy, and the headers that say what is left of a limit.

use std::time::Duration;

use Carries::{Form, Json, Nothing};
use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::app::{Answer, TestApp, read};
use crate::support::time::PATIENCE;

pub const PROXY: (&str, &str) = ("sockets.trusted_proxies", "127.0.0.1");

/// What a request carries.
#[derive(Clone)]
pub enum Carries {
    Nothing,
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

#[derive(Clone)]
pub struct Call {
    method: Method,
    pub path: String,
    headers: Vec<(&'static str, String)>,
    carries: Carries,
}

impl Call {
    pub fn new(method: Method, path: &str, carries: Carries) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), carries }
    }

    pub fn post(path: &str, carries: Carries) -> Self {
        Self::new(Method::POST, path, carries)
    }

    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path, Nothing)
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// As a proxy passes it on for this client.
    pub async fn from(&self, app: &TestApp, client: &str) -> Answer {
        self.clone().with("x-forwarded-for", client).send(app).await
    }

    pub async fn send(&self, app: &TestApp) -> Answer {
        let client = awc::Client::builder().timeout(PATIENCE).disable_redirects().finish();
        let mut request = client.request(self.method.clone(), app.url(&self.path));
        for (name, value) in &self.headers {
            request = request.append_header((*name, value.as_str()));
        }
        let response = match &self.carries {
            Nothing => request.send().await,
            Json(body) => request.send_json(body).await,
            Form(fields) => request.insert_header(("sec-fetch-site", "same-origin")).send_form(fields).await,
        };
        read(response.unwrap()).await
    }
}

pub fn form(fields: &[(&'static str, &str)]) -> Carries {
    Form(fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
}

/// An item of a structured field (RFC 9651): its parameters, which all are integers.
fn parameters(answer: &Answer, header: &str, policy: &str) -> Vec<(String, u64)> {
    let lines: Vec<&str> = answer.headers.get_all(header).map(|value| value.to_str().unwrap()).collect();
    let item = lines.iter().find_map(|line| line.strip_prefix(&format!("\"{policy}\";")));
    let item = item.unwrap_or_else(|| panic!("no {policy} in {header}: {lines:?}, {}", answer.text));
    let parameter = |text: &str| {
        let (name, number) = text.split_once('=').unwrap();
        (name.to_owned(), number.parse().unwrap())
    };
    item.split(';').map(parameter).collect()
}

#[track_caller]
fn is_policy(answer: &Answer, policy: &str, count: u64, window: u64) {
    let expected = [("q".to_owned(), count), ("w".to_owned(), window)];
    assert_eq!(parameters(answer, "ratelimit-policy", policy), expected);
}

/// What is left, and in how many seconds there is more.
pub fn left(answer: &Answer, policy: &str) -> (u64, u64) {
    match &parameters(answer, "ratelimit", policy)[..] {
        [(r, remaining), (t, reset)] if r == "r" && t == "t" => (*remaining, *reset),
        other => panic!("{other:?}"),
    }
}

/// Refused by the limit, as its answer says in full.
#[track_caller]
pub fn is_refused(answer: &Answer, policy: &str) -> u64 {
    assert_eq!(answer.status, 429, "{}", answer.text);
    let (remaining, reset) = left(answer, policy);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert_eq!((remaining, wait), (0, reset));
    if answer.header("content-type") == "application/problem+json" {
        assert_eq!((answer.code(), &answer.body["status"]), ("too_many_requests", &json!(429)));
        assert!(answer.str("detail").contains(&format!("{wait} seconds")), "{}", answer.text);
    } else {
        assert!(answer.text.contains(&format!("Try again in {wait} seconds.")), "{}", answer.text);
    }
    wait
}

/// Requests of one budget, by whatever route: of `count` in `window` seconds.
pub async fn shares(app: &TestApp, policy: &str, count: u64, window: u64, twins: &[Call]) {
    let interval = window / count;
    for (number, last) in twins.iter().enumerate() {
        let client = format!("198.51.{}.{}", policy.len(), number + 1);
        for spent in 0..count {
            let twin = &twins[(number + 1 + usize::try_from(spent).unwrap()) % twins.len()];
            let answer = twin.from(app, &client).await;
            assert_ne!(answer.status, 429, "{policy}: {} {}", twin.method, twin.path);
            is_policy(&answer, policy, count, window);
            assert_eq!(left(&answer, policy), (count - spent - 1, interval), "{policy}: {}", twin.path);
        }
        let refused = last.from(app, &client).await;
        let wait = is_refused(&refused, policy);
        is_policy(&refused, policy, count, window);
        assert_eq!(wait, interval, "{}", last.path);
        let other = last.from(app, &format!("203.0.113.{}", number + 1)).await;
        assert_ne!(other.status, 429, "another network: {policy} {}", last.path);

        app.advance(Duration::from_secs(wait - 1));
        is_refused_still(&last.from(app, &client).await);
        app.advance(Duration::from_secs(1));
        assert_ne!(last.from(app, &client).await.status, 429, "after the wait: {policy} {}", last.path);
        is_refused_still(&last.from(app, &client).await);
    }
}

#[track_caller]
pub fn is_refused_still(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text);
}
