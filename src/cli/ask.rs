//! Questions to the user who runs a command.

use std::io::{BufRead, IsTerminal, Write};

use doorward_core::domain::without_bom;

use super::failure::Failure;

/// A new password: typed twice, without an echo, at a terminal; otherwise the first line of standard input.
pub fn new_password() -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return first_line();
    }
    let read = |prompt: &str| rpassword::prompt_password(prompt).map_err(Failure::running);
    let password = read("New password: ")?;
    if read("Repeat it: ")? == password {
        Ok(password)
    } else {
        Err(Failure::Running("the two passwords differ".to_owned()))
    }
}

fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::running)?;
    // The byte order mark belongs to the text's encoding, not to the password.
    let line = without_bom(&line);
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Failure::Usage("the password is expected on standard input".to_owned()));
    }
    Ok(line.to_owned())
}

/// Asks for confirmation of what cannot be undone. `yes` skips the question; without a terminal it is required.
pub fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{question} Confirm with --yes")));
    }
    eprint!("{question} [y/N] ");
    // If the question cannot be shown, the answer is still read.
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::running)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::Running("nothing was done".to_owned())),
    }
}
