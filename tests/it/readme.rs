//! The README's walk, pasted, and the commands that the manual shows to operators.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;

use crate::support::commands::converse;
use crate::support::config::Settings;
use crate::support::database::is_postgres;
use crate::support::process::Process;
use crate::support::programs::{self, Needs};
use crate::support::time::PATIENCE;

const README: &str = include_str!("../../README.md");
const OPERATIONS: &str = include_str!("../../docs/OPERATIONS.md");

/// What stands between ```` ```sh ```` and ```` ``` ````.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while lines.any(|line| line == "```sh") {
        blocks.push(
            lines
                .by_ref()
                .take_while(|line| *line != "```")
                .fold(String::new(), |all, line| all + line + "\n"),
        );
    }
    blocks
}

fn bash(script: &str, dir: &Path) -> Command {
    let mut command = Command::new("bash");
    command.args(["-e", "-o", "pipefail", "-c", script]).current_dir(dir).env("NO_COLOR", "1");
    command
}

/// Killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lines as they come.
fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The first line that holds `words`; what does not come fails.
fn wait_for(lines: &Receiver<String>, words: &str) -> String {
    let mut seen = Vec::new();
    loop {
        let Ok(line) = lines.recv_timeout(PATIENCE) else { panic!("no {words:?} in {seen:#?}") };
        if line.contains(words) {
            return line;
        }
        seen.push(line);
    }
}

#[actix_web::test]
async fn the_walk_does_what_it_says() {
    let Some(curl) = programs::command("curl", Needs::Apt("curl")) else { return };
    drop(curl);
    if programs::command("bash", Needs::Apt("bash")).is_none() {
        return;
    }
    let wscat = programs::command("wscat", Needs::Npm);
    // It says less to a pipe than to a terminal.
    let terminal = programs::command("script", Needs::Apt("bsdutils"));
    let process = Process::start(&[]).await;
    let dir = process.dir.path().to_owned();
    let here = format!("localhost:{}", process.address.port());
    let mut socket: Option<(Running, std::process::ChildStdin, Receiver<String>)> = None;
    let (mut walked, mut logged_out) = (0, false);
    for block in blocks(README) {
        if block.starts_with("cargo ") || block.starts_with("sudo ") {
            continue;
        }
        if block == "nc localhost 12225\n" {
            over_tcp(&process).await;
            walked += 1;
            continue;
        }
        assert!(block.contains("localhost:8080"), "{block}");
        let script = block.replace("localhost:8080", &here);
        walked += 1;
        if script.contains("npx --yes wscat") {
            let (Some(wscat), Some(terminal)) = (&wscat, &terminal) else { continue };
            let script = script.replace("npx --yes wscat", &format!("exec {}", wscat.display()));
            std::fs::write(dir.join("wscat.sh"), script).unwrap();
            let mut child = Command::new(terminal)
                .args(["-q", "-f", "-e", "-c", "bash -e wscat.sh", "/dev/null"])
                .current_dir(&dir)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
                .unwrap();
            let mut input = child.stdin.take().unwrap();
            let lines = lines_of(child.stdout.take().unwrap());
            let running = Running(child);
            wait_for(&lines, "\"type\":\"welcome\"");
            assert!(README.contains(r#"> {"type":"secret"}"#));
            writeln!(input, r#"{{"type":"secret"}}"#).unwrap();
            let secret = wait_for(&lines, "\"type\":\"secret\",\"message\":");
            assert!(secret.contains("alice, "), "{secret}");
            socket = Some((running, input, lines));
            continue;
        }
        let output = bash(&script, &dir).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}\n{out}\n{err}\n{}", process.output());
        assert!(!out.contains("\"code\""), "no problem: {script}\n{out}");
        if script.contains("/api/register") {
            let answer: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
            assert_eq!(answer["user"]["username"], "alice");
            let token = std::fs::read_to_string(dir.join("alice.token")).unwrap();
            assert_eq!(token.trim().split('.').count(), 3, "a JWT and nothing else: {token}");
        }
        if script.contains("/api/logout") {
            logged_out = true;
            if let Some((_, _, lines)) = &socket {
                // As the README shows it.
                for shown in [
                    r#"{"type":"goodbye","code":4441,"reason":"signed out","reconnect":"never"}"#,
                    r#"Disconnected (code: 4441, reason: "signed out")"#,
                ] {
                    assert!(README.contains(shown), "{shown}");
                    wait_for(lines, shown);
                }
            }
        }
    }
    assert!(walked == 4 && logged_out, "{walked}");
    let token = std::fs::read_to_string(dir.join("alice.token")).unwrap();
    process.call(actix_web::http::Method::GET, "/api/me", token.trim(), Value::Null).await.expect(401);
}

/// The conversation, as it is shown.
async fn over_tcp(process: &Process) {
    let Some(nc) = programs::command("nc", Needs::Apt("netcat-openbsd")) else { return };
    let typed = |prompt: &str| {
        let line = README.lines().find(|line| line.starts_with(prompt)).unwrap_or_else(|| panic!("{prompt}"));
        line.trim_start_matches(prompt).to_owned() + "\n"
    };
    let (name, password) = (typed("Username: "), typed("Password: "));
    let secret = "{\"type\":\"secret\"}\n";
    assert!(README.contains(&format!("\n{secret}")));
    let answers = [
        ("Username: ", name.as_str()),
        ("Password: ", password.as_str()),
        ("Login successful!\n", secret),
        ("\"code\":\"", ""),
    ];
    let mut command = Command::new(nc);
    // A person ends it with Ctrl-C.
    command.args(["-N", "localhost", &process.tcp.port().to_string()]);
    let said = converse(&mut command, &answers).await;
    assert!(said.contains(r#"{"type":"secret","message":"alice, "#), "{said}");
}

#[actix_web::test]
async fn operators_commands_do_what_the_manual_shows() {
    if programs::command("bash", Needs::Apt("bash")).is_none() {
        return;
    }
    let process = Process::start(&[]).await;
    let block = blocks(OPERATIONS).into_iter().find(|block| block.starts_with("doorward user list")).unwrap();
    // A copy of a file: PostgreSQL has its own.
    let copies = |line: &&str| !is_postgres() || !line.starts_with("doorward backup");
    let block = block.lines().filter(copies).collect::<Vec<_>>().join("\n");
    let body = serde_json::json!({"username": "alice", "password": "plum tree in march rain"});
    process.post("/api/register", body).await.expect(201);
    let script = block
        .replace("doorward ", &format!("{} ", env!("CARGO_BIN_EXE_doorward")))
        .replace("--everybody", "--everybody --yes")
        .replace("/backups/doorward.db", "copy.db");
    let settings = Settings::on(&process.dir.path().join("data"));
    let output = bash(&script, process.dir.path()).envs(settings.variables()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("alice is disabled; logins revoked: 1"), "{out}");
    assert!(is_postgres() || out.contains("copy.db holds"), "{out}");
}

#[actix_web::test]
async fn kept_mails_are_shown_where_the_readme_says() {
    let Some(curl) = programs::command("curl", Needs::Apt("curl")) else { return };
    drop(curl);
    let line = "curl -s localhost:8080/dev/mail";
    assert!(README.contains(line));
    let process = Process::start(&[]).await;
    let here = format!("localhost:{}", process.address.port());
    let output = bash(&line.replace("localhost:8080", &here), process.dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[]");
}
