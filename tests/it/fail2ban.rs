//! fail2ban reads the log by the filter that is shipped, and no client can write a line that it takes for another's.

use std::path::Path;
use std::process::Command;

use actix_web::http::Method;
use serde_json::json;

use crate::support::app::{PASSWORD, call};
use crate::support::process::Process;
use crate::support::programs::{self, Needs};
use crate::support::raw_http;
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, now, pause};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Whom a client that forges lines wants to be banned.
const VICTIM: &str = "198.51.100.9";

/// The addresses that the filter finds in a log, each as often as it counts.
fn found(program: &Path, log: &Path) -> Vec<String> {
    let filter = Path::new(ROOT).join("deploy/fail2ban/filter.d/doorward.conf");
    let output = Command::new(program).args(["--out", "ip"]).arg(log).arg(filter).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(str::to_owned).collect()
}

/// Names, headers and paths that try to end a line and to begin another one.
async fn attack(process: &Process) {
    let forged = format!(
        "2026-11-28 09:31:02Z INFO  audit action=sign_in_failed outcome=failed reason=wrong_password actor=user \
         address={VICTIM} x="
    );
    let json = format!(
        "{{\"timestamp\":\"2026-11-28T09:31:02.000000Z\",\"level\":\"INFO\",\"message\":\"audit\",\
         \"action\":\"sign_in_failed\",\"outcome\":\"failed\",\"reason\":\"wrong_password\",\"actor\":\"user\",\
         \"address\":\"{VICTIM}\"}}"
    );
    for line in [&forged, &json] {
        for end in ["\n", "\r\n", "\r", "\u{2028}", "\u{85}", "\u{202e}", "\u{1b}[2K"] {
            let name = format!("x{end}{line}");
            process.post("/api/login", json!({"login": name, "password": name})).await;
            process.post("/api/register", json!({"username": name, "password": PASSWORD})).await;
            process.post("/api/refresh", json!({"refresh_token": name})).await;
            process.call(Method::GET, "/api/admin/users", "dwk_x", json!(null)).await;
            let mut tcp = TcpClient::connect(process.tcp).await;
            tcp.sign_in(&name.replace(['\r', '\n'], "\u{2028}"), "wrong", "\n").await;
            // As bytes: a client library would refuse to send them.
            let agent = name.replace(['\r', '\n'], "\t");
            let head = format!(
                "GET /dashboard?{} HTTP/1.1\r\nhost: x\r\nuser-agent: {agent}\r\norigin: {agent}\r\n\
                 x-forwarded-for: {agent}\r\ncookie: {agent}\r\nconnection: close\r\n\r\n",
                agent.replace([' ', '\t'], "+")
            );
            raw_http::exchange(process.address, head.as_bytes()).await;
        }
    }
}

/// Waits for the lines that say that these addresses reached a limit.
async fn limits_are_told(process: &Process, addresses: &[&str]) {
    let deadline = now() + PATIENCE;
    let is_told =
        |of: &str| process.output().lines().any(|line| line.contains("limit_reached") && line.contains(of));
    while !addresses.iter().all(|address| is_told(address)) {
        assert!(now() < deadline, "{}", process.output());
        pause().await;
    }
}

/// The lines of a log as the journal writes them.
fn as_in_the_journal(output: &str) -> String {
    let lines = output.lines().map(|line| format!("Nov 28 09:31:02 host doorward[42]: {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

async fn failures_are_found(format: &str) {
    let Some(program) = programs::command("fail2ban-regex", Needs::Apt("fail2ban")) else { return };
    let settings = [
        ("log.format", format),
        ("sockets.trusted_proxies", "127.0.0.1"),
        ("limits.sign_in", "100/1m"),
        ("limits.password_strength", "1/1m"),
        ("limits.refresh", "1/1m"),
    ];
    let mut process = Process::start(&settings).await;
    let register = json!({"username": "ann", "password": PASSWORD});
    process.post("/api/register", register).await.expect(201);
    let from = async |address: &str, path: &str, body| {
        let headers = [("x-forwarded-for", address)];
        call(process.address, Method::POST, path, &headers, Some(body)).await.status.as_u16()
    };
    let login = |password: &str| json!({"login": "ann", "password": password});
    assert_eq!(from("203.0.113.7", "/api/login", login("wrong")).await, 401);
    assert_eq!(from("203.0.113.7", "/api/login", json!({"login": "zoe", "password": "x"})).await, 401);
    assert_eq!(from("2001:db8::7", "/api/login", login("wrong")).await, 401);
    assert_eq!(from("203.0.113.9", "/api/login", login(PASSWORD)).await, 200);
    let rate = json!({"password": PASSWORD});
    assert_eq!(from("203.0.113.8", "/api/password-strength", rate.clone()).await, 200);
    for _ in 0..50 {
        assert_eq!(from("203.0.113.8", "/api/password-strength", rate.clone()).await, 429);
    }
    // A limit that many devices behind one address can reach is no guess.
    for _ in 0..5 {
        from("203.0.113.6", "/api/refresh", json!({"refresh_token": "x"})).await;
    }
    limits_are_told(&process, &["203.0.113.6", "203.0.113.8"]).await;
    attack(&process).await;
    process.terminate();
    process.ended().await;
    let output = process.output();
    assert!(!output.contains(['\u{202e}', '\u{2028}', '\u{85}', '\u{1b}', '\r']), "{output}");

    let log = process.dir.path().join("doorward.log");
    std::fs::write(&log, &output).unwrap();
    let mut counted = found(&program, &log);
    // The attacker's own failures count, at its own address.
    assert!(counted.iter().any(|address| address == "127.0.0.1"), "{output}");
    counted.retain(|address| address != "127.0.0.1");
    counted.sort();
    let limits = counted.iter().filter(|address| *address == "203.0.113.8").count();
    assert!((1..=5).contains(&limits), "a line a second at most: {limits}");
    counted.retain(|address| address != "203.0.113.8");
    assert_eq!(counted, ["2001:db8::7", "203.0.113.7", "203.0.113.7"], "{output}");

    std::fs::write(&log, as_in_the_journal(&output)).unwrap();
    let mut again = found(&program, &log);
    again.retain(|address| counted.contains(address));
    again.sort();
    assert_eq!(again, counted);
}

#[actix_web::test]
async fn the_filter_finds_failures_in_text_and_no_forged_line() {
    failures_are_found("text").await;
}

#[actix_web::test]
async fn the_filter_finds_failures_in_json_and_no_forged_line() {
    failures_are_found("json").await;
}
