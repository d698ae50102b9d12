//! What commands print: tables for people, JSON for programs.

use std::fmt;
use std::io::{ErrorKind, Write};

use crate::clock::Timestamp;
use comfy_table::{Table, presets};
use doorward_core::domain::{escape_display_controls, is_display_control};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::failure::Failure;

/// How a command prints what it found.
#[derive(clap::Args)]
pub struct Format {
    /// Prints JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints text, with control characters escaped: usernames and addresses are text of any user.
pub fn print(text: &str) -> Result<(), Failure> {
    write(&by_line(text, escape_display_controls))
}

/// A line with its control characters escaped, up to the one at its end.
pub fn escape_line(line: &str) -> String {
    by_line(line, escape_display_controls)
}

/// Prints text as it is, for a program to read.
pub fn write(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader, such as `head`, has what it wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(Failure::running),
    }
}

/// Prints one JSON value and a newline.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(Failure::running)?;
    text.push('\n');
    write(&by_line(&text, escape_json))
}

fn by_line(text: &str, escape: impl Fn(&str) -> String) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// Equivalent JSON that a terminal may show. Outside of strings JSON has no control characters but white space.
pub fn escape_json(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if is_display_control(c) => {
                // Writing to a string does not fail.
                let _ = fmt::Write::write_fmt(&mut line, format_args!("\\u{:04x}", u32::from(c)));
            }
            c => line.push(c),
        }
    }
    line
}

/// Aligned columns without borders: easy to read, and to split with `cut` or `awk`.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for row in rows {
        // Escaped here, so that no cell has more than one line.
        table.add_row(row.map(|cell| escape_display_controls(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// A time as a user reads it.
pub fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A progress bar on standard error, shown only at a terminal.
pub fn progress_bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    // If the template is invalid, the default style is used.
    ProgressStyle::with_template(template).map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOSTILE: &str = "a\x1b[2J\u{9b}31m\r\n\x07\u{7f}\u{202e}b";

    #[test]
    fn nothing_that_is_stored_controls_the_terminal() {
        let text = table(["name", "email"], [[HOSTILE.to_owned(), "b".to_owned()]]);
        assert!(!text.contains(|c| c != '\n' && is_display_control(c)), "{text:?}");
        assert_eq!(text.lines().count(), 2, "{text:?}");
        let value = json!({ "name": HOSTILE, HOSTILE: [1] });
        let json = by_line(&serde_json::to_string_pretty(&value).unwrap(), escape_json);
        assert!(!json.contains(|c| c != '\n' && is_display_control(c)), "{json:?}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
    }
}
