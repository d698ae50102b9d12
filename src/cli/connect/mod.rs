//! `doorward connect`: a live session at a terminal or in a script.

mod backoff;
mod client;
mod command;
mod http;
mod input;
mod message;
mod print;
mod screen;
mod sign_in;
mod talk;
mod tcp;
mod terminal;
mod trust;
mod url;
mod websocket;
mod wire;

use std::io::IsTerminal;

use tokio::sync::oneshot;

use self::client::Client;
use self::input::{Input, Signals};
use self::screen::Screen;
use self::sign_in::Credentials;
use self::talk::Talk;
use self::terminal::Restore;
use self::url::Target;
use super::Failure;

/// Exit codes beyond those of every command.
mod code {
    pub const UNREACHABLE: u8 = 3;
    pub const REFUSED: u8 = 4;
    pub const ENDED: u8 = 5;
}

const MORE: &str = "\
Schemes: ws:// and wss:// (http:// and https:// mean the same) for WebSocket, tcp:// and tls:// for the TCP
door. Ports are 80, 443 and 12225 unless named. A path is kept: the WebSocket of wss://HOST/auth is /auth/ws.

Without a terminal the password (or with `--token -` the token) is the first line of standard input, and each
further line is a command: secret, sessions, watch, ping, help, quit, or a JSON object that is sent as it stands.

Exit codes:
  0  ended by you: quit, Ctrl-D, Ctrl-C at the prompt, or the end of a script
  1  anything else, such as requests that were not answered within 10 s of the end of a script
  2  the command line is wrong, or a line of a script
  3  cannot connect, or the server was lost and did not come back
  4  sign-in refused: a wrong password, a bad or expired token
  5  the server ended the session for good
  128+N  ended by signal N, signed out first

Environment:
  SSL_CERT_FILE  certificates (PEM) to trust instead of the system's, for a private CA
  NO_COLOR       no colours";

#[derive(clap::Args)]
#[command(after_help = MORE)]
pub struct Connect {
    /// Where to, such as `tls://alice@id.example.org` or `ws://localhost:8080`
    url: String,
    /// Signs in with an access token instead of a password; `-` reads it from standard input
    #[arg(long, value_name = "TOKEN", conflicts_with = "username", allow_hyphen_values = true)]
    token: Option<String>,
    /// Who signs in [default: the user in the URL, or asked for]
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Prints each message of the server as it came, one a line, and nothing else
    #[arg(long)]
    json: bool,
}

pub fn run(connect: Connect) -> Result<(), Failure> {
    let target = Target::parse(&connect.url).map_err(Failure::Usage)?;
    let tls = trust::config(target.encrypted).map_err(Failure::Running)?;
    // Dropped last: by then nothing but the editor's thread may speak to the terminal.
    let _restore = Restore::new();
    actix::System::new().block_on(async {
        let mut signals = Signals::listen().map_err(Failure::running)?;
        if target.is_exposed() {
            eprintln!("doorward: the connection is not encrypted: others on the way can read all of it");
        }
        let username = connect.username.or_else(|| target.username.clone());
        let credentials = tokio::select! {
            credentials = ask(connect.token, username) => credentials?,
            code = signals.next() => return Err(Failure::With(code, "stopped by a signal".to_owned())),
        };
        // Without a terminal on both sides there is nothing to edit, and nothing to edit it on.
        let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !connect.json;
        let mut talk = Talk::new(Screen::new(connect.json), Input::new(interactive, signals));
        let mut client = Client::new(target, tls, credentials);
        let outcome = client.run(&mut talk).await;
        talk.screen.leave();
        let lost = matches!(&outcome, Err(Failure::With(code::UNREACHABLE, _)));
        if !lost && !client.sign_out().await && outcome.is_ok() {
            eprintln!("doorward: the sign-out was not confirmed; the login ends with its time");
        }
        outcome
    })
}

/// On a thread that nobody waits for: a signal ends the program while somebody is being asked.
async fn ask(token: Option<String>, username: Option<String>) -> Result<Credentials, Failure> {
    let (answer, answered) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = answer.send(sign_in::ask(token, username));
    });
    answered.await.map_err(Failure::running)?
}
