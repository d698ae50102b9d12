//! Asks who signs in: the answer is on the command line, typed at a terminal, or the first line of standard input.

use std::io::{BufRead, ErrorKind, IsTerminal, Write};

use doorward_client::Credentials;
use doorward_core::domain::without_bom;

use crate::cli::failure::Failure;

/// Whether a person will be asked for something. A token that the command line holds is all that is needed.
pub fn are_asked_for(token: Option<&str>) -> bool {
    std::io::stdin().is_terminal() && token.is_none_or(|token| token == "-")
}

/// Asks for what the command line does not say. It blocks the thread.
///
/// # Errors
/// [`Failure::Usage`] if something is missing and there is no terminal to ask at.
pub fn ask(token: Option<String>, username: Option<String>) -> Result<Credentials, Failure> {
    let terminal = std::io::stdin().is_terminal();
    let token = match token.as_deref() {
        Some("-") if terminal => Some(hidden("Token: ")?),
        Some("-") => Some(first_line("token")?),
        _ => token,
    };
    if let Some(token) = token {
        let token = token.trim();
        // Over TCP a line break would end it and begin something else.
        return if token.is_empty() || token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            Err(Failure::Usage("that is not a token".to_owned()))
        } else {
            Ok(Credentials::AccessToken(token.to_owned()))
        };
    }
    let username = match username {
        Some(username) => username,
        None if terminal => {
            let _ = write!(std::io::stderr(), "Username: ");
            first_line("username")?
        }
        None => return Err(Failure::Usage("--username is missing, or a user in the URL".to_owned())),
    };
    let username = username.trim().to_owned();
    if username.is_empty() || username.contains(char::is_control) {
        return Err(Failure::Usage("that is not a username".to_owned()));
    }
    let password = if terminal { hidden("Password: ")? } else { first_line("password")? };
    Ok(Credentials::Password { username, password })
}

/// Reads a line without showing what is typed.
fn hidden(prompt: &str) -> Result<String, Failure> {
    rpassword::prompt_password(prompt).map_err(|error| match error.kind() {
        // Ctrl-C. It is a signal as well, and either may be noticed first.
        ErrorKind::Interrupted => Failure::With(130, "stopped by a signal".to_owned()),
        _ => Failure::running(error),
    })
}

fn first_line(what: &str) -> Result<String, Failure> {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).map_err(Failure::running)? == 0 {
        return Err(Failure::Usage(format!("standard input ended before the {what}")));
    }
    // The byte order mark belongs to the text's encoding.
    Ok(without_bom(line.trim_end_matches(['\r', '\n'])).to_owned())
}
