//! `doorward connect` as a process of its own: run to its end, or spoken to.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use crate::support::app::{PASSWORD, Person, TestApp};
use crate::support::config::Settings;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;

/// The URL at which a client of this transport connects.
pub fn url<C: LiveClient>(app: &TestApp) -> String {
    match C::TRANSPORT {
        "tcp" => format!("tcp://{}", app.tcp),
        _ => format!("ws://{}", app.address),
    }
}

/// In an environment of its own.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Settings::default().command();
    command.arg("connect").args(arguments);
    command
}

/// Runs it to its end with this input. The application goes on meanwhile.
pub async fn run(mut command: Command, input: &str) -> Output {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let input = input.to_owned();
    let ended = tokio::task::spawn_blocking(move || wait(child, &input));
    timeout(PATIENCE, ended).await.expect("it runs on").unwrap()
}

fn wait(mut child: Child, input: &str) -> Output {
    // One that ended early does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn messages(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
pub fn ended(output: &Output, code: i32, words: &str) {
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(words), "{errors}");
    assert!(errors.lines().all(|line| line.starts_with("doorward: ")), "{errors}");
    let said = text(&output.stdout) + &errors;
    assert!(!said.contains(PASSWORD) && !said.contains("eyJ"), "{said}");
}

/// A running `doorward connect` that a test writes to and reads from.
pub struct Script {
    pub child: tokio::process::Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    errors: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
}

impl Script {
    pub async fn start(command: Command, input: &str) -> Self {
        let mut command = tokio::process::Command::from(command);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut script = Self { child, lines, errors };
        script.say(input).await;
        script
    }

    pub async fn with_password<C: LiveClient>(app: &TestApp) -> Self {
        let script = command(&[&url::<C>(app), "--username", "ann", "--json"]);
        let mut script = Self::start(script, &format!("{PASSWORD}\n")).await;
        script.hear("welcome").await;
        script
    }

    pub async fn say(&mut self, input: &str) {
        self.child.stdin.as_mut().unwrap().write_all(input.as_bytes()).await.unwrap();
    }

    pub async fn next(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("it says nothing").unwrap();
        serde_json::from_str(&line.expect("it ended")).unwrap()
    }

    /// The next message, of this type.
    pub async fn hear(&mut self, kind: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    pub async fn remark(&mut self, words: &str) {
        let line = timeout(PATIENCE, self.errors.next_line()).await.expect("no remark").unwrap();
        assert!(line.as_ref().is_some_and(|line| line.contains(words)), "{line:?}");
    }

    /// Closes the standard input and waits for this exit code.
    pub async fn ends(mut self, code: i32) {
        drop(self.child.stdin.take());
        self.is_ended(code).await;
    }

    pub async fn is_ended(&mut self, code: i32) {
        // To wait would close it.
        let _kept = self.child.stdin.take();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it runs on").unwrap();
        assert_eq!(status.code(), Some(code));
    }
}

/// Waits until the user has this many logins.
pub async fn logins_are(app: &TestApp, person: &Person, count: usize) {
    let gone = async {
        loop {
            let logins = app.get("/api/logins", &person.access).await.expect(200);
            if logins.body["logins"].as_array().unwrap().len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("other logins");
}
