//! The bodies of HTTP requests, over a connection to the real application. No body makes a server error, what is accepted
//! as JSON is JSON, and no error repeats a secret.
#![no_main]

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{LazyLock, mpsc};
use std::time::Duration;
use std::{io, thread};

use actix_web::rt;
use doorward::internals::accounts::{Caller, KeyRequest};
use doorward::internals::telemetry;
use doorward::{Application, Clock, Config};
use doorward_core::domain::KeyScope;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const PASSWORD: &str = "plural teapot orbit vinegar";

/// How long an answer may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// Characters from which on a word is a secret, and none that an error says by chance.
const SECRET: usize = 20;

/// Who sends a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Anyone,
    User,
    Key,
}

use Who::{Anyone, Key, User};

/// A body in JSON.
const ROUTES: [(&str, &str, Who); 24] = [
    ("POST", "/api/register", Anyone),
    ("POST", "/api/login", Anyone),
    ("POST", "/api/refresh", Anyone),
    ("POST", "/api/token", Anyone),
    ("POST", "/api/forgot-password", Anyone),
    ("POST", "/api/reset-password", Anyone),
    ("POST", "/api/verify-email", Anyone),
    ("POST", "/api/password-strength", Anyone),
    ("PATCH", "/api/me", User),
    ("DELETE", "/api/me", User),
    ("POST", "/api/me/password", User),
    ("POST", "/api/me/email", User),
    ("POST", "/api/admin/users", Key),
    ("PATCH", "/api/admin/users/@user", Key),
    ("POST", "/api/admin/users/@user/disable", Key),
    ("POST", "/api/admin/users/@user/enable", Key),
    ("POST", "/api/admin/users/@user/unlock", Key),
    ("POST", "/api/admin/users/@user/reset-password", Key),
    ("POST", "/api/admin/invitations", Key),
    ("POST", "/api/admin/keys", Key),
    ("POST", "/api/admin/keys/@user/rotate", Key),
    ("POST", "/api/admin/signing-keys/rotate", Key),
    ("POST", "/api/introspect", Key),
    ("POST", "/api/revoke", Key),
];

/// A form.
const FORMS: [(&str, Who); 9] = [
    ("/api/token", Anyone),
    ("/api/introspect", Key),
    ("/api/revoke", Key),
    ("/register", Anyone),
    ("/login", Anyone),
    ("/forgot-password", Anyone),
    ("/reset-password/dwl_x", Anyone),
    ("/invitation/dwl_x", Anyone),
    ("/dashboard/password", Anyone),
];

/// The log, at the level of errors: none may be written, but that a poll had to wait for a machine that does much else.
struct Alarm;

const LATE_POLL: &str = "could not poll for revocations";

impl Write for Alarm {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        assert!(text.contains(LATE_POLL), "an error was logged: {text}");
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(folder: &str) -> Config {
    let limits = [
        "sign_in",
        "register",
        "forgot_password",
        "links",
        "refresh",
        "password_strength",
        "export",
        "handshakes",
        "polls",
        "bad_tokens",
        "mail_recipient",
        "mail_account",
        "mail_client",
    ];
    let limits: Vec<_> = limits.iter().map(|limit| (format!("limits.{limit}"), "off")).collect();
    let other = [
        ("http.listen", "127.0.0.1:0"),
        ("http.workers", "1"),
        ("tcp.listen", "off"),
        ("data_dir", folder),
        ("database.executors", "2"),
        ("password.workers", "1"),
        ("password.insecure_cost", "true"),
        ("password.cost", "4"),
        ("tokens.access_ttl", "24h"),
        ("log.level", "error"),
    ];
    let all = limits.iter().map(|(key, value)| (key.as_str(), *value)).chain(other);
    Config::from_pairs(all).expect("settings that fit")
}

/// Where the application is, and an API key with every scope.
static SERVER: LazyLock<(SocketAddr, String)> = LazyLock::new(|| {
    let (ready, started) = mpsc::channel();
    thread::spawn(move || {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let config = settings(folder.path().to_str().expect("UTF-8"));
        let log = telemetry::subscriber(&config.log, || Alarm, false);
        tracing::subscriber::set_global_default(log).expect("no log was set up");
        rt::System::new().block_on(async {
            let app = Application::build(config, Clock::System).await.expect("it starts");
            let scopes = KeyScope::ALL.iter().copied().collect();
            let request = KeyRequest::new("fuzz", scopes, None, &[]).expect("a good name");
            let key = app.accounts().create_api_key(request, &Caller::operator(None)).await;
            ready
                .send((app.address(), key.expect("a new database has room").plain.expose()))
                .expect("it waits");
            app.run_until_stopped(std::future::pending()).await.expect("it serves");
        });
    });
    started.recv().expect("the application starts")
});

struct Answer {
    status: u16,
    is_problem: bool,
    text: String,
}

/// A connection that is kept, and a user, who may have lost the account since.
struct Client {
    stream: Option<TcpStream>,
    users: usize,
    id: String,
    token: String,
}

thread_local! {
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

impl Client {
    fn new() -> Self {
        let mut client = Self { stream: None, users: 0, id: String::new(), token: String::new() };
        client.register();
        client
    }

    fn register(&mut self) {
        loop {
            self.users += 1;
            let body =
                json!({"username": format!("fuzz-{}-user", self.users), "password": PASSWORD}).to_string();
            let answer = self.send("POST", "/api/register", "application/json", None, body.as_bytes());
            // Another input may have taken the name.
            if answer.status == 201 {
                let said: Value = serde_json::from_str(&answer.text).expect("an answer in JSON");
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                (self.id, self.token) = (text(&said["user"]["id"]), text(&said["access_token"]));
                return;
            }
        }
    }

    fn send(&mut self, method: &str, path: &str, kind: &str, token: Option<&str>, body: &[u8]) -> Answer {
        let authorization =
            token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost:{}\r\n{authorization}\
             content-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            SERVER.0.port(),
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        // A connection that was kept may have been closed.
        if let Some(stream) = self.stream.take()
            && let Ok(answer) = self.exchange(stream, &request)
        {
            return answer;
        }
        let stream = TcpStream::connect(SERVER.0).expect("it listens");
        stream.set_nodelay(true).expect("a socket's option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket's option");
        self.exchange(stream, &request).expect("every request is answered")
    }

    fn exchange(&mut self, mut stream: TcpStream, request: &[u8]) -> io::Result<Answer> {
        stream.write_all(request)?;
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            read_more(&mut stream, &mut bytes)?;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = header("content-length:").map_or(0, |length| length.parse().expect("a number"));
        while bytes.len() < end + length {
            read_more(&mut stream, &mut bytes)?;
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let is_problem = header("content-type:") == Some("application/problem+json");
        let text = String::from_utf8(bytes[end..].to_vec()).expect("answers are text");
        if header("connection:") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(Answer { status, is_problem, text })
    }
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 16 * 1024];
    match stream.read(&mut chunk)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            bytes.extend_from_slice(&chunk[..count]);
            Ok(())
        }
    }
}

/// Secrets in a body: long texts of secret fields that are there once.
fn secrets(body: &str) -> Vec<String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(body) else { return Vec::new() };
    let is_secret = |name: &str| name.ends_with("password") || name.ends_with("token") || name == "code";
    let texts = fields.iter().filter(|(name, _)| is_secret(name)).filter_map(|(_, value)| value.as_str());
    let is_telling = |text: &&str| {
        text.len() >= SECRET
            && text.bytes().all(|b| b.is_ascii_alphanumeric())
            && body.matches(text).count() == 1
    };
    texts.filter(is_telling).map(str::to_owned).collect()
}

fn check(answer: &Answer, is_page: bool, body: &[u8], request: &str) {
    let Answer { status, is_problem, text } = answer;
    // 503 says that the machine is too busy to have fresh data.
    assert!(*status < 500 || *status == 503, "{request}: {status} {text}");
    if *status >= 400 && !is_page {
        assert!(is_problem, "{request}: {status} {text}");
        let problem: Value = serde_json::from_str(text).expect("a problem document is JSON");
        assert!(problem["code"].is_string() && problem["status"] == *status, "{request}: {text}");
        for secret in std::str::from_utf8(body).map(secrets).unwrap_or_default() {
            assert!(!text.contains(&secret), "{request}: {text}");
        }
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (way, body) = input;
    let way = usize::from(way) % (ROUTES.len() + FORMS.len());
    CLIENT.with_borrow_mut(|client| {
        let client = client.get_or_insert_with(Client::new);
        let is_json = way < ROUTES.len();
        let (method, path, who) = match way.checked_sub(ROUTES.len()) {
            None => ROUTES[way],
            Some(form) => ("POST", FORMS[form].0, FORMS[form].1),
        };
        let token = match who {
            Anyone => None,
            User => Some(client.token.clone()),
            Key => Some(SERVER.1.clone()),
        };
        let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
        let path = path.replace("@user", &client.id);
        let answer = client.send(method, &path, kind, token.as_deref(), body);
        let request = format!("{method} {path} {kind}");
        check(&answer, !path.starts_with("/api/"), body, &request);
        let is_done = (200..300).contains(&answer.status);
        // Neither the cookie's token nor an action on a user needs a body.
        let needs_body = !path.ends_with("/token") && !(who == Key && path.contains("/users/"));
        if is_json && is_done && needs_body {
            let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
            assert!(serde_json::from_slice::<HashMap<String, IgnoredAny>>(body).is_ok(), "{request}");
        }
        if who == User && (answer.status == 401 || method == "DELETE" && is_done) {
            client.register();
        }
    });
});
