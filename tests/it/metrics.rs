//! What Prometheus reads: every metric that the documentation lists, right after what happened, and nothing about a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use actix_web::http::Method;
use doorward::Clock;
use doorward::internals::config::DatabaseUrl;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, call, spawn_app, spawn_with};
use crate::support::metrics::{METRICS, becomes, scrape, value};
use crate::support::programs::{self, Needs};
use crate::support::redis::Redis;
use crate::support::rooms::CHAT;
use crate::support::socketio::{PollingClient, SocketIoClient};
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[actix_web::test]
async fn the_listener_is_its_own_and_off_by_default() {
    let app = spawn_app().await;
    assert_eq!(app.metrics.port(), 0);
    let app = spawn_with(&[METRICS]).await;
    app.get("/metrics", "").await.assert_problem(404, "not_found");
    call(app.metrics, Method::GET, "/healthz", &[], None).await.expect(404);
    call(app.metrics, Method::POST, "/metrics", &[], None).await.expect(404);
    scrape(&app).await;
}

#[actix_web::test]
async fn sign_ins_requests_and_failures_are_counted() {
    let app = spawn_with(&[METRICS, ("limits.sign_in", "4/1m"), ("limits.register", "1/1m")]).await;
    let prospero = app.register("prospero").await;
    app.login("prospero").await;
    for login in ["prospero", "caliban"] {
        app.post("/api/login", json!({"login": login, "password": "wrong"})).await.expect(401);
    }
    app.post("/api/register", json!({"username": "ariel", "password": PASSWORD})).await.expect(429);
    app.get("/api/me", &prospero.access).await.expect(200);
    app.get("/reset-password/s3cret-token", "").await;
    app.call(Method::from_bytes(b"MADEUP").unwrap(), "/made/up/path", &[], None).await;
    // A thread notes how long its work took when the answer is on its way already.
    becomes(&app, "doorward_hash_work_seconds_count", &[("queue", "hashes")], 4.0).await;
    let text = scrape(&app).await;
    for (name, labels, expected) in [
        ("doorward_sign_ins_total", &[("outcome", "succeeded")][..], 1.0),
        ("doorward_sign_ins_total", &[("outcome", "failed")], 2.0),
        ("doorward_auth_failures_total", &[("reason", "wrong_password")], 1.0),
        ("doorward_auth_failures_total", &[("reason", "unknown_user"), ("action", "sign_in_failed")], 1.0),
        ("doorward_limit_refusals_total", &[("limit", "register")], 1.0),
        (
            "doorward_http_requests_total",
            &[("method", "POST"), ("route", "/api/login"), ("status", "401")],
            2.0,
        ),
        ("doorward_http_requests_total", &[("route", "/api/me"), ("status", "200")], 1.0),
        ("doorward_http_request_seconds_count", &[("route", "/api/me"), ("method", "GET")], 1.0),
        ("doorward_http_requests_total", &[("route", "/reset-password/{token}")], 1.0),
        ("doorward_http_requests_total", &[("route", "unmatched"), ("method", "OTHER")], 1.0),
        ("doorward_hash_wait_seconds_count", &[("queue", "hashes")], 4.0),
        ("doorward_hash_queued", &[("queue", "hashes")], 0.0),
        ("doorward_db_refused_total", &[], 0.0),
        ("doorward_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
    ] {
        let found = value(&text, name, labels);
        assert!((found - expected).abs() < 1e-9, "{name} {labels:?} is {found}, not {expected}\n{text}");
    }
    for kind in ["read", "write", "poll"] {
        assert!(value(&text, "doorward_db_work_seconds_count", &[("kind", kind)]) >= 1.0, "{kind}");
    }
    // No word of a client is in them: no name, no token, no address.
    for word in [
        "prospero",
        "caliban",
        "ariel",
        "s3cret",
        "made",
        "MADEUP",
        "127.0.0.1",
        &prospero.id,
        &prospero.login,
    ] {
        let found = text.lines().find(|line| !line.starts_with('#') && line.contains(word));
        assert_eq!(found, None, "{word}");
    }
    assert!(value(&text, "process_resident_memory_bytes", &[]) > 1e6);
    assert!(value(&text, "process_open_fds", &[]) > 3.0);
}

async fn is_counted<C: LiveClient>(app: &TestApp) {
    let transport = [("transport", C::TRANSPORT)];
    let signed_out = [transport[0], ("reason", "signed_out")];
    let before = scrape(app).await;
    let ann = app.login("ann").await;
    let mut live = C::live(app, &ann).await;
    becomes(app, "doorward_sessions", &transport, 1.0).await;
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    live.ends(4441).await;
    becomes(app, "doorward_sessions", &transport, 0.0).await;
    let text = scrape(app).await;
    let ends = |text: &str| value(text, "doorward_session_ends_total", &signed_out);
    assert!((ends(&text) - ends(&before) - 1.0).abs() < 1e-9, "{text}");
    let count = |text: &str| value(text, "doorward_revocation_seconds_count", &[]);
    assert!((count(&text) - count(&before) - 1.0).abs() < 1e-9, "{text}");
}

#[actix_web::test]
async fn sessions_are_counted_by_transport_until_they_end() {
    let app = spawn_with(&[METRICS]).await;
    app.register("ann").await;
    is_counted::<WebSocketClient>(&app).await;
    is_counted::<TcpClient>(&app).await;
    is_counted::<SocketIoClient>(&app).await;
    is_counted::<PollingClient>(&app).await;
    let text = scrape(&app).await;
    let handshakes = |transport, outcome| {
        value(&text, "doorward_handshakes_total", &[("transport", transport), ("outcome", outcome)])
    };
    assert!((handshakes("websocket", "signed_in") - 1.0).abs() < 1e-9, "{text}");
    assert!(handshakes("socketio", "waiting") >= 2.0, "{text}");
    assert_eq!(app.open(&[("authorization", "Bearer nonsense")]).await.err(), Some(401));
    let bad_token = [("transport", "websocket"), ("outcome", "bad_token")];
    becomes(&app, "doorward_handshakes_total", &bad_token, 1.0).await;
    assert!(value(&text, "doorward_revocation_data_age_seconds", &[]) < 3.0, "{text}");
}

/// A row that another process wrote is measured by its own time; one with a time that is none is read all the same.
#[actix_web::test]
async fn a_revocation_is_measured_from_its_row_whatever_is_in_it() {
    let app = spawn_with(&[METRICS]).await;
    let person = app.register("ann").await;
    let mut live = WebSocketClient::live(&app, &person).await;
    let other = app.login("ann").await;
    let mut other_live = WebSocketClient::live(&app, &other).await;
    let then = Clock::Manual(app.clock.clone()).now() - chrono::TimeDelta::milliseconds(2500);
    insert(&app, &person.login, &format!("'{}'", then.format("%Y-%m-%d %H:%M:%S%.f")));
    live.ends(4441).await;
    becomes(&app, "doorward_revocation_seconds_count", &[], 1.0).await;
    becomes(&app, "doorward_revocation_seconds_bucket", &[("le", "2.0")], 0.0).await;
    becomes(&app, "doorward_revocation_seconds_bucket", &[("le", "3.0")], 1.0).await;
    let is_postgres = matches!(app.database, DatabaseUrl::Postgres(_));
    insert(&app, &other.login, if is_postgres { "'infinity'" } else { "'not a time'" });
    other_live.ends(4441).await;
    let third = app.login("ann").await;
    app.get("/api/me", &third.access).await.expect(200);
    becomes(&app, "doorward_revocation_seconds_count", &[], 1.0).await;
}

/// Writes the row that nodes read of a revocation.
fn insert(app: &TestApp, login: &str, at: &str) {
    app.query(|conn| {
        let sql = format!(
            "INSERT INTO login_revocations (login_id, reason, at) VALUES ('{login}', 'signed_out', {at})"
        );
        diesel::connection::SimpleConnection::batch_execute(conn, &sql)
    });
}

#[actix_web::test]
async fn what_a_full_queue_refuses_is_counted() {
    let app = spawn_with(&[METRICS, ("password.workers", "1"), ("password.cost", "10")]).await;
    // Each at a name of its own, so that none is refused for being one of too many at an account.
    let guess = |number| app.post("/api/login", json!({"login": format!("user{number}"), "password": "x"}));
    let answers = futures_util::future::join_all((0..60).map(guess)).await;
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(refused > 0, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    let text = scrape(&app).await;
    let counted = value(&text, "doorward_hash_refused_total", &[("queue", "hashes")]);
    assert!((counted - f64::from(u32::try_from(refused).unwrap())).abs() < 1e-9, "{refused} {text}");
    let overloaded = value(&text, "doorward_sign_ins_total", &[("outcome", "overloaded")]);
    assert!((overloaded - counted).abs() < 1e-9, "{text}");
}

#[actix_web::test]
async fn emails_are_counted_and_their_backlog_is_read() {
    let app = spawn_with(&[METRICS]).await;
    app.register_with_email("ann", "ann@example.org").await;
    app.mail.wait_for(1).await;
    becomes(&app, "doorward_job_attempts_total", &[("kind", "email"), ("outcome", "done")], 1.0).await;
    becomes(&app, "doorward_mail_waiting", &[], 0.0).await;
    // A server that is away: nothing listens there.
    let away = spawn_with(&[METRICS, ("mail.url", "smtp://127.0.0.1:9")]).await;
    away.register_with_email("ann", "ann@example.org").await;
    becomes(&away, "doorward_job_attempts_total", &[("kind", "email"), ("outcome", "retried")], 1.0).await;
    becomes(&away, "doorward_mail_waiting", &[], 1.0).await;
    away.advance(Duration::from_secs(3));
    let deadline = now() + PATIENCE;
    // The database is asked once a second.
    while value(&scrape(&away).await, "doorward_mail_oldest_seconds", &[]) < 3.0 {
        assert!(now() < deadline, "{}", scrape(&away).await);
        pause().await;
    }
}

/// The metrics of a text, each with its type and the names of its labels.
fn listed(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
            found.insert(name, (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let (sample, inside) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| sample.strip_suffix(end));
            let name = base.filter(|base| found.contains_key(*base)).unwrap_or(sample);
            let labels = inside.split(['{', ',', '}']).filter_map(|pair| Some(pair.split_once("=\"")?.0));
            let labels = labels.filter(|label| *label != "le").map(str::to_owned);
            found.get_mut(name).unwrap_or_else(|| panic!("{line}")).1.extend(labels);
        }
    }
    found
}

#[actix_web::test]
async fn the_documentation_lists_every_metric_and_no_other() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/METRICS.md")).unwrap();
    let rows =
        page.lines().filter(|line| line.starts_with("| `doorward_") || line.starts_with("| `process_"));
    let documented: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let labels = cells[3].split(", ").map(|label| label.trim_matches('`').to_owned());
            let labels: BTreeSet<_> = labels.filter(|label| !label.is_empty()).collect();
            (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
        })
        .collect();
    let Some(redis) = Redis::start() else { return };
    let url = redis.url();
    let app = spawn_with(&[METRICS, CHAT[0], ("cluster.redis_url", &url), ("limits.refresh", "1/1m")]).await;
    let ann = app.register("ann").await;
    app.login("ann").await;
    app.post("/api/login", json!({"login": "ann", "password": "wrong"})).await.expect(401);
    for status in [401, 429] {
        app.post("/api/refresh", json!({"refresh_token": "x"})).await.expect(status);
    }
    WebSocketClient::live(&app, &ann).await.leave().await;
    becomes(&app, "doorward_sessions", &[], 0.0).await;
    let text = scrape(&app).await;
    let listed = listed(&text);
    assert_eq!(documented.keys().collect::<Vec<_>>(), listed.keys().collect::<Vec<_>>());
    for (name, (kind, labels)) in listed {
        assert_eq!(documented[&name].0, kind, "{name}");
        // What has not happened has no labels yet.
        assert!(labels.is_empty() || labels == documented[&name].1, "{name}: {labels:?}");
        let unlabelled = text.lines().any(|line| line.starts_with(&format!("{name} ")));
        assert!(!unlabelled || documented[&name].1.is_empty(), "{name}");
    }
}

#[actix_web::test]
async fn alerts_and_dashboard_are_accepted_tested_and_explained() {
    if programs::command("promtool", Needs::Apt("prometheus")).is_none() {
        return;
    }
    let Some(python) = programs::python("import yaml", Needs::Pip("pyyaml")) else { return };
    let script = Path::new(ROOT).join("deploy/check_monitoring.py");
    let output = Command::new(python).arg(script).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// A program that ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn prometheus_reads_the_metrics_and_loads_the_rules() {
    let Some(prometheus) = programs::command("prometheus", Needs::Apt("prometheus")) else { return };
    let app = spawn_with(&[METRICS]).await;
    app.register("ann").await;
    app.login("ann").await;
    let dir = tempfile::tempdir().unwrap();
    let rules = Path::new(ROOT).join("deploy/prometheus/doorward.rules.yml");
    let config = format!(
        "global: {{scrape_interval: 200ms, evaluation_interval: 200ms}}\n\
         rule_files: ['{}']\n\
         scrape_configs: [{{job_name: doorward, static_configs: [{{targets: ['{}']}}]}}]\n",
        rules.display(),
        app.metrics
    );
    let file = dir.path().join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let log = File::create(dir.path().join("log")).unwrap();
    let mut command = Command::new(prometheus);
    command.arg(format!("--config.file={}", file.display())).arg("--web.listen-address=127.0.0.1:0");
    command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()));
    let _prometheus = Killed(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let said = || fs::read_to_string(dir.path().join("log")).unwrap();
    let deadline = now() + PATIENCE;
    let address = loop {
        let text = said();
        let line = text.lines().find(|line| line.contains("Listening on"));
        let address = line.and_then(|line| line.split("address=").nth(1)?.split(' ').next()?.parse().ok());
        if let Some(address) = address {
            break address;
        }
        assert!(now() < deadline, "{text}");
        pause().await;
    };
    loop {
        let path = "/api/v1/query?query=doorward_sign_ins_total%7Boutcome%3D%22succeeded%22%7D%20%3E%200";
        let found = call(address, Method::GET, path, &[], None).await;
        if found.body["data"]["result"][0]["value"][1] == "1" {
            break;
        }
        assert!(now() < deadline, "{} {}", found.text, said());
        pause().await;
    }
    let found = call(address, Method::GET, "/api/v1/rules", &[], None).await.expect(200);
    assert!(
        found.text.contains("DoorwardDown") && !found.text.contains("\"health\":\"err\""),
        "{}",
        found.text
    );
}
