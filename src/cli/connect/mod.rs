//! `doorward connect`: a live session at a terminal or in a script.

#![expect(clippy::disallowed_methods, reason = "a client waits in real time")]

mod command;
mod completion;
mod conversation;
mod credentials;
mod input;
mod names;
mod print;
mod requests;
mod rooms;
mod screen;
mod terminal;
mod view;

use std::io::IsTerminal;

use doorward_client::{Client, Credentials, Error, ServerUrl};
use tokio::sync::oneshot;

use self::conversation::{Conversation, End};
use self::input::{Input, Signals};
use self::print::escape;
use self::screen::Screen;
use self::terminal::Restore;
use crate::cli::failure::Failure;

/// Exit codes that other commands do not have.
mod code {
    pub const UNREACHABLE: u8 = 3;
    pub const REFUSED: u8 = 4;
    pub const ENDED: u8 = 5;
}

const MORE: &str = "\
Examples:
  doorward connect ws://localhost:8080                 # asks who you are
  doorward connect tls://alice@id.example.org          # TCP under TLS
  doorward connect wss://id.example.org --token -      # asks for an access token
  echo 'plum tree in march rain' | doorward connect ws://alice@localhost:8080 --json

Schemes: ws:// and wss:// (or http:// and https://) for WebSocket, tcp:// and tls:// for TCP. The
default ports are 80, 443 and 12225. A path is kept: the WebSocket of wss://HOST/auth is /auth/ws.

Without a terminal the first line of standard input is the password (with `--token -` the token),
and each further line is a command: secret, sessions, watch, ping, join ROOM, leave ROOM, say ROOM
TEXT, tell USER TEXT, rooms, help, quit, or a JSON object that is sent as it is.

Exit codes:
  0  ended by you: quit, Ctrl-D, Ctrl-C at the prompt, or the end of a script
  1  any other failure, such as requests that were not answered within 10 s of the end of a script
  2  the command line is wrong, or a line of a script
  3  cannot connect, or the connection was lost and could not be restored
  4  sign-in refused: a wrong password, an invalid or expired token
  5  the server ended the session for good
  128+N  ended by signal N, after signing out

Environment:
  SSL_CERT_FILE  certificates (PEM) to trust instead of the system's, for a private CA
  NO_COLOR       turns colours off";

#[derive(clap::Args)]
#[command(after_help = MORE)]
pub struct Arguments {
    /// The server, such as `ws://localhost:8080` or `tls://alice@id.example.org`
    url: String,
    /// Signs in with an access token instead of a password; `-` reads it from standard input
    #[arg(long, value_name = "TOKEN", conflicts_with = "username", allow_hyphen_values = true)]
    token: Option<String>,
    /// The user who signs in [default: the user in the URL, or the answer to a question]
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Prints each message of the server as it arrived, one per line, and nothing else
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let url: ServerUrl = arguments.url.parse().map_err(|error: Error| Failure::Usage(error.to_string()))?;
    // Dropped last: by then only the editor's thread may write to the terminal.
    let _restore = Restore::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::running)?.block_on(connect(url, arguments))
}

async fn connect(url: ServerUrl, arguments: Arguments) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::running)?;
    if url.is_exposed() {
        eprintln!("doorward: the connection is not encrypted: others on the network can read all of it");
    }
    let username = arguments.username.or_else(|| url.username().map(str::to_owned));
    let authority = url.authority();
    if credentials::are_asked_for(arguments.token.as_deref()) {
        // Before a user types a password: is the server there?
        tokio::select! {
            reached = Client::check(&url) => reached.map_err(|error| cannot_connect(&error, &authority))?,
            code = signals.next() => return Err(stopped(code)),
        }
    }
    let credentials = tokio::select! {
        credentials = ask(arguments.token, username) => credentials?,
        code = signals.next() => return Err(stopped(code)),
    };
    let client = Client::new(url, credentials).map_err(Failure::running)?;
    // Without a terminal on both sides there is no line to edit, or no place to edit it.
    let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !arguments.json;
    let mut conversation =
        Conversation::new(Screen::new(arguments.json), Input::new(is_interactive, signals));
    let mut session = client.session();
    let end = conversation.run(&mut session).await;
    session.close().await;
    let outcome = outcome(end, &conversation, &authority);
    conversation.screen.leave();
    let is_lost = matches!(&outcome, Err(Failure::With(code::UNREACHABLE, _)));
    if !is_lost && client.sign_out().await.is_err() && outcome.is_ok() {
        eprintln!(
            "doorward: the server did not confirm the sign-out; the login stays active until it expires"
        );
    }
    outcome
}

/// Asks on a thread of its own, so that a signal can end the program meanwhile.
async fn ask(token: Option<String>, username: Option<String>) -> Result<Credentials, Failure> {
    let (answer, answered) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = answer.send(credentials::ask(token, username));
    });
    answered.await.map_err(Failure::running)?
}

fn stopped(code: u8) -> Failure {
    Failure::With(code, "stopped by a signal".to_owned())
}

/// The exit code and the last line for the user.
fn outcome(end: End, conversation: &Conversation, authority: &str) -> Result<(), Failure> {
    Err(match end {
        End::User => return Ok(()),
        End::Signal(code) => stopped(code),
        End::BadLine(hint) => Failure::Usage(escape(&hint)),
        End::Unanswered => {
            Failure::Running(format!("requests without an answer: {}", conversation.unanswered))
        }
        End::Session(error) => {
            let why = escape(&conversation::reason(&error));
            match error {
                Error::Closed(_) if !error.is_temporary() => {
                    Failure::With(code::ENDED, format!("the server ended it: {why}"))
                }
                Error::Refused(_) | Error::InvalidToken => {
                    Failure::With(code::REFUSED, format!("sign-in refused: {why}"))
                }
                Error::Unreachable(_) | Error::WrongProtocol(_) | Error::UntrustedCertificate(_)
                    if !conversation.begun =>
                {
                    cannot_connect(&error, authority)
                }
                _ => Failure::With(code::UNREACHABLE, format!("gave up: {why}")),
            }
        }
    })
}

/// Why there is no connection to begin with.
fn cannot_connect(error: &Error, authority: &str) -> Failure {
    let hint = match error {
        Error::UntrustedCertificate(_) => " (SSL_CERT_FILE names certificates to trust)",
        Error::NoRootCertificates(_) => return Failure::running(escape(&error.to_string())),
        _ => "",
    };
    let why = escape(&conversation::reason(error));
    Failure::With(code::UNREACHABLE, format!("cannot connect to {authority}: {why}{hint}"))
}
