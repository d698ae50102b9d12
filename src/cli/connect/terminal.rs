//! A person at a terminal: a line editor on a thread of its own, and a terminal that is left as it was found.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Sender, channel};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, ExternalPrinter, Helper};
use tokio::sync::mpsc;

use super::command::{self, Command, WORDS};
use super::input::Typed;

/// The terminal's settings at the start, restored when it is dropped: the editor's thread or a hidden prompt
/// may have others in force just then.
pub struct Restore(Option<Termios>);

impl Restore {
    pub fn new() -> Self {
        let stdin = std::io::stdin();
        Self(if stdin.is_terminal() { tcgetattr(&stdin).ok() } else { None })
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(settings) = &self.0 {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, settings);
        }
    }
}

struct Words;

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..end).unwrap_or_default();
        Ok((0, WORDS.iter().filter(|word| word.starts_with(typed)).map(|word| (*word).to_owned()).collect()))
    }
}

impl Hinter for Words {
    type Hint = String;
}
impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

/// Starts to read lines. What is sent to the answer is shown above the one that is being typed.
///
/// # Errors
/// The terminal's.
pub fn start(lines: mpsc::Sender<Typed>) -> Result<Sender<String>, rustyline::error::ReadlineError> {
    // Without brackets a paste of several lines is several commands, and there is one thing less to undo.
    let config = Config::builder().bracketed_paste(false).auto_add_history(false).build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::<Words, MemHistory>::with_history(config, history)?;
    editor.set_helper(Some(Words));
    let printer = editor.create_external_printer();
    let (shown, show) = channel::<String>();
    // It waits for the editor, and nobody shall wait for it.
    std::thread::spawn(move || {
        // A terminal that cannot move its cursor gets plain lines.
        let mut printer = printer.ok();
        for text in show {
            let _ = match &mut printer {
                Some(printer) => printer.print(text).map_err(drop),
                None => std::io::stdout().write_all(text.as_bytes()).map_err(drop),
            };
        }
    });
    std::thread::spawn(move || {
        while let Ok(line) = editor.readline("> ") {
            // Known here, so that no other prompt follows it.
            if command::parse(&line, 0) == Ok(Command::Quit) {
                break;
            }
            if command::is_harmless(&line) && !line.trim().is_empty() {
                let _ = editor.add_history_entry(line.as_str());
            }
            if lines.blocking_send(Typed::Line(line)).is_err() {
                return;
            }
        }
        let _ = lines.blocking_send(Typed::End);
    });
    Ok(shown)
}
