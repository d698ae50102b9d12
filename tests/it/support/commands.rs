//! The binary's other commands, run to their end beside a server.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use actix_web::rt::task::spawn_blocking;
use serde_json::Value;

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp};
use crate::support::config::Settings;
use crate::support::import::data_dir;
use crate::support::time::PATIENCE;

/// What a command wrote, and its exit code.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// `doorward` with these arguments on this data, `input` being its standard input. On another thread, as the
/// server runs on this one.
pub async fn on(data: &Path, arguments: &[&str], input: &str) -> Said {
    with_settings(data, &[], arguments, input).await
}

/// The same with further settings.
pub async fn with_settings(data: &Path, settings: &[(&str, &str)], arguments: &[&str], input: &str) -> Said {
    let mut command = Settings::on(data).with(settings).command();
    command
        .current_dir(data.parent().unwrap())
        .arg("--data-dir")
        .arg(data)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_owned();
    let run = spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // A command that asks nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let said = Said::from(tokio::time::timeout(PATIENCE, run).await.expect("it does not end").unwrap());
    for secret in [PASSWORD, NEW_PASSWORD, "$bcrypt", "dwr_"] {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{}{}", said.out, said.err);
    }
    said
}

pub async fn run(app: &TestApp, arguments: &[&str], input: &str) -> Said {
    on(&data_dir(app), arguments, input).await
}

/// Types into a client's standard input, piece by piece as the prompts appear, and answers everything it printed.
pub async fn converse(command: &mut Command, answers: &[(&str, &str)]) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let answers: Vec<(String, String)> =
        answers.iter().map(|(prompt, answer)| ((*prompt).to_owned(), (*answer).to_owned())).collect();
    let talk = actix_web::rt::task::spawn_blocking(move || {
        let mut said = String::new();
        for (prompt, answer) in answers {
            while !said.ends_with(&prompt) {
                let mut byte = [0];
                std::io::Read::read_exact(&mut output, &mut byte)
                    .unwrap_or_else(|_| panic!("no {prompt}: {said}"));
                said.push(char::from(byte[0]));
            }
            input.write_all(answer.as_bytes()).unwrap();
        }
        drop(input);
        std::io::Read::read_to_string(&mut output, &mut said).unwrap();
        said
    });
    let said = tokio::time::timeout(PATIENCE, talk).await;
    let _ = child.kill();
    let _ = child.wait();
    said.expect("it hangs").unwrap()
}
