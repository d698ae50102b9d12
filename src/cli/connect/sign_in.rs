//! Who it is: from the command line, from a terminal, or from the first line of standard input.

use std::io::{BufRead, ErrorKind, IsTerminal, Write};

use doorward_core::domain::{Password, without_bom};

use super::Failure;

/// No `Debug`: these are secrets. Kept in memory, nowhere else.
pub enum Credentials {
    /// Somebody else's to renew and to sign out.
    Token(String),
    Password {
        username: String,
        password: Password,
    },
    /// What a password was changed for.
    Grant {
        access: String,
        refresh: String,
    },
}

/// Asks for what was not given. It blocks, so it has a thread of its own.
///
/// # Errors
/// [`Failure::Usage`] if there is nobody to ask.
pub fn ask(token: Option<String>, username: Option<String>) -> Result<Credentials, Failure> {
    let terminal = std::io::stdin().is_terminal();
    let token = match token.as_deref() {
        Some("-") if terminal => Some(hidden("Token: ")?),
        Some("-") => Some(first_line("token")?),
        _ => token,
    };
    if let Some(token) = token {
        let token = token.trim();
        // At the TCP door a line break would end it, and begin something else.
        return if token.is_empty() || token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            Err(Failure::Usage("that is no token".to_owned()))
        } else {
            Ok(Credentials::Token(token.to_owned()))
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
        return Err(Failure::Usage("that is no username".to_owned()));
    }
    let password = if terminal { hidden("Password: ")? } else { first_line("password")? };
    Ok(Credentials::Password { username, password: Password::typed(password) })
}

/// What is typed is not shown.
fn hidden(prompt: &str) -> Result<String, Failure> {
    rpassword::prompt_password(prompt).map_err(|error| match error.kind() {
        // Ctrl-C, which is a signal as well: whichever is noticed first.
        ErrorKind::Interrupted => Failure::With(130, "stopped by a signal".to_owned()),
        _ => Failure::running(error),
    })
}

fn first_line(what: &str) -> Result<String, Failure> {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line).map_err(Failure::running)? == 0 {
        return Err(Failure::Usage(format!("standard input ended before the {what}")));
    }
    // The mark is of the text's encoding, no part of what was typed.
    Ok(without_bom(line.trim_end_matches(['\r', '\n'])).to_owned())
}

impl Credentials {
    /// The access token, if there is one.
    pub fn access(&self) -> &str {
        match self {
            Self::Token(token) | Self::Grant { access: token, .. } => token,
            Self::Password { .. } => "",
        }
    }
}
