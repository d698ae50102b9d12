//! `doorward connect` at a terminal: a real binary in a pseudo-terminal.

use std::process::Command;
use std::time::Duration;

use actix_web::http::Method;
use rexpect::session::{PtySession, spawn_command};
use serde_json::Value;

use crate::app::{PASSWORD, TestApp, spawn_app};
use crate::connect::{command, url};
use crate::doors::Door;
use crate::live::PATIENCE;

/// What somebody types, and sees.
struct Terminal(PtySession);

impl Terminal {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let connect = command(arguments);
        // The library turns the echo off, but it is what must come back.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"stty echo; exec "$@""#, "sh"]).arg(connect.get_program());
        command.args(connect.get_args()).env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
        command.envs(variables.iter().copied());
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
        Self(spawn_command(command, Some(patience)).unwrap())
    }

    /// Waits for these words; answers what came before.
    #[track_caller]
    fn sees(&mut self, words: &str) -> String {
        self.0.exp_string(words).unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    fn types(&mut self, line: &str) {
        self.0.send_line(line).unwrap();
    }

    /// Keys as they are.
    fn presses(&mut self, keys: &str) {
        self.0.send(keys).unwrap();
        self.0.flush().unwrap();
    }

    /// Whether what is typed is shown, as at the start.
    fn echoes(&self) -> bool {
        let terminal = self.0.process().get_file_handle().unwrap();
        let modes = rustix::termios::tcgetattr(terminal).unwrap().local_modes;
        modes.contains(rustix::termios::LocalModes::ECHO | rustix::termios::LocalModes::ICANON)
    }

    /// Everything until its end, which must be this.
    #[track_caller]
    fn ends(mut self, code: i32) -> String {
        let rest = self.0.exp_eof().unwrap();
        assert!(self.echoes(), "the terminal is not as it was");
        // The type of it is not exported.
        let status = format!("{:?}", self.0.process().wait().unwrap());
        assert!(status.starts_with("Exited(") && status.ends_with(&format!(", {code})")), "{status}: {rest}");
        rest
    }
}

/// Runs what blocks; the application goes on meanwhile.
async fn at_terminal(body: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(body).await.unwrap();
}

async fn somebody_signs_in_and_looks_around<D: Door>() {
    let app = spawn_app().await;
    app.register("ann").await;
    let url = url::<D>(&app);
    at_terminal(move || {
        let mut terminal = Terminal::start(&[&url], &[]);
        terminal.sees("Username: ");
        terminal.types("ann");
        terminal.sees("Password: ");
        terminal.types(PASSWORD);
        let echoed = terminal.sees("\x1b[32mSigned in as ann until ");
        assert!(!echoed.contains("correct"), "{echoed}");
        terminal.sees("> ");
        terminal.types("secret");
        terminal.sees("ann, ");
        terminal.types("sessions");
        terminal.sees("carrier");
        terminal.sees(D::CARRIER);
        terminal.sees("this one");
        terminal.types("ping");
        terminal.sees("pong after ");
        terminal.types(r#"{"type":"nothing"}"#);
        terminal.sees("error unknown_type: ");
        terminal.types("sesions");
        terminal.sees("did you mean `sessions`?");
        // The lines before, by the arrow up: the third is `ping`.
        terminal.presses("\x1b[A\x1b[A\x1b[A\r");
        terminal.sees("pong after ");
        terminal.presses("sec\t\r");
        terminal.sees("ann, ");
        terminal.types("help");
        terminal.sees("how long the server takes");
        terminal.presses("\x04");
        terminal.ends(0);
    })
    .await;
}

async fn messages_come_while_somebody_types<D: Door>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let terminal = sign_in::<D>(&app).await;
    let terminal = typed(terminal, |terminal| {
        terminal.types("watch");
        terminal.sees("this one");
        terminal.presses("sec");
        terminal.sees("sec");
    })
    .await;
    let other = D::live(&app, &ann).await;
    // Lists are a second apart.
    app.advance(Duration::from_secs(1));
    let login = ann.login.clone();
    at_terminal(move || {
        let mut terminal = terminal;
        terminal.sees(&login);
        // What was typed is still there, and goes on.
        terminal.sees("> sec");
        terminal.presses("ret\r");
        terminal.sees("ann, ");
        terminal.types("quit");
        terminal.ends(0);
    })
    .await;
    drop(other);
}

async fn signed_out_elsewhere_leaves_a_good_terminal<D: Door>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut terminal = sign_in::<D>(&app).await;
    terminal = typed(terminal, |terminal| {
        terminal.presses("half a li");
        terminal.sees("half a li");
        assert!(!terminal.echoes());
    })
    .await;
    app.send(Method::DELETE, "/api/logins?except=current", &ann.access, Value::Null).await.expect(204);
    at_terminal(move || {
        let rest = terminal.ends(5);
        assert!(rest.contains("doorward: the server ended it: signed out"), "{rest}");
    })
    .await;
}

async fn sign_in<D: Door>(app: &TestApp) -> Terminal {
    let named = url::<D>(app).replace("://", "://ann@");
    let terminal = Terminal::start(&[&named], &[("NO_COLOR", "1")]);
    typed(terminal, |terminal| {
        terminal.sees("Password: ");
        terminal.types(PASSWORD);
        let seen = terminal.sees("Signed in as ann");
        assert!(!seen.contains('\x1b'), "{seen:?}");
        terminal.sees("> ");
    })
    .await
}

async fn typed(mut terminal: Terminal, body: impl FnOnce(&mut Terminal) + Send + 'static) -> Terminal {
    tokio::task::spawn_blocking(move || {
        body(&mut terminal);
        terminal
    })
    .await
    .unwrap()
}

async fn a_hidden_prompt_is_left_well<D: Door>() {
    let app = spawn_app().await;
    let url = url::<D>(&app);
    at_terminal(move || {
        let mut terminal = Terminal::start(&[&url, "--username", "ann"], &[]);
        terminal.sees("Password: ");
        terminal.presses("\x03");
        terminal.ends(130);
        let mut terminal = Terminal::start(&[&url, "--username", "ann"], &[]);
        terminal.sees("Password: ");
        terminal.types("wrong");
        assert!(terminal.ends(4).contains("The login or the password is wrong."));
    })
    .await;
}

crate::doors::at_the_json_doors!(
    somebody_signs_in_and_looks_around,
    messages_come_while_somebody_types,
    signed_out_elsewhere_leaves_a_good_terminal,
    a_hidden_prompt_is_left_well,
);
