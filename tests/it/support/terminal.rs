//! `doorward connect` in a pseudo-terminal.

use std::process::Command;
use std::time::Duration;

use rexpect::session::{PtySession, spawn_command};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::connect::{command, url};
use crate::support::time::{PATIENCE, now};
use crate::support::transports::LiveClient;

/// A terminal that a test types into and reads from.
pub struct Terminal(PtySession);

impl Terminal {
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let connect = command(arguments);
        // The library turns the echo off, but it is what must come back.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"stty echo; exec "$@""#, "sh"]).arg(connect.get_program());
        command.args(connect.get_args()).env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
        command.envs(variables.iter().copied());
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
        Self(spawn_command(command, Some(patience)).unwrap())
    }

    /// Waits for these words; returns what came before.
    #[track_caller]
    pub fn sees(&mut self, words: &str) -> String {
        self.0.exp_string(words).unwrap_or_else(|error| panic!("{error}"))
    }

    #[track_caller]
    pub fn types(&mut self, line: &str) {
        self.0.send_line(line).unwrap();
    }

    /// Types a password at the prompt, once the terminal shows no input any more: the prompt appears a moment earlier.
    #[track_caller]
    pub fn types_hidden(&mut self, password: &str) {
        let deadline = now() + PATIENCE;
        while self.echoes() {
            assert!(now() < deadline, "the terminal still shows what is typed");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.types(password);
    }

    /// Keys as they are.
    pub fn presses(&mut self, keys: &str) {
        self.0.send(keys).unwrap();
        self.0.flush().unwrap();
    }

    /// Whether what is typed is shown, as at the start.
    pub fn echoes(&self) -> bool {
        let terminal = self.0.process().get_file_handle().unwrap();
        let modes = rustix::termios::tcgetattr(terminal).unwrap().local_modes;
        modes.contains(rustix::termios::LocalModes::ECHO | rustix::termios::LocalModes::ICANON)
    }

    /// Everything until its end, which must be this.
    #[track_caller]
    pub fn ends(mut self, code: i32) -> String {
        let rest = self.0.exp_eof().unwrap();
        assert!(self.echoes(), "the terminal is not as it was");
        // The type of it is not exported.
        let status = format!("{:?}", self.0.process().wait().unwrap());
        assert!(status.starts_with("Exited(") && status.ends_with(&format!(", {code})")), "{status}: {rest}");
        rest
    }
}

/// Runs what blocks; the application goes on meanwhile.
pub async fn at_terminal(body: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(body).await.unwrap();
}

pub async fn sign_in<C: LiveClient>(app: &TestApp) -> Terminal {
    let named = url::<C>(app).replace("://", "://ann@");
    let terminal = Terminal::start(&[&named], &[("NO_COLOR", "1")]);
    typed(terminal, |terminal| {
        terminal.sees("Password: ");
        terminal.types_hidden(PASSWORD);
        let seen = terminal.sees("Signed in as ann");
        assert!(!seen.contains('\x1b'), "{seen:?}");
        terminal.sees("> ");
    })
    .await
}

pub async fn typed(mut terminal: Terminal, body: impl FnOnce(&mut Terminal) + Send + 'static) -> Terminal {
    tokio::task::spawn_blocking(move || {
        body(&mut terminal);
        terminal
    })
    .await
    .unwrap()
}
