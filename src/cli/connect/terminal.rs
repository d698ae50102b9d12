//! A line editor on a thread of its own, and a terminal that is restored at the end.

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

use super::command::{self, Command};
use super::completion::Completion;
use super::input::Typed;
use super::names::Names;

/// The terminal's settings at the start, restored on drop: the editor's thread or a hidden prompt may have changed
/// them.
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
            // A terminal that was closed needs nothing.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, settings);
        }
    }
}

struct Commands(Completion);

impl Completer for Commands {
    type Candidate = String;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..end).unwrap_or_default();
        Ok(self.0.of(typed))
    }
}

impl Hinter for Commands {
    type Hint = String;
}
impl Highlighter for Commands {}
impl Validator for Commands {}
impl Helper for Commands {}

/// Starts to read lines. Text that is sent to the returned sender is shown above the line that is being edited.
///
/// # Errors
/// The terminal cannot be put into raw mode.
pub fn start(
    lines: mpsc::Sender<Typed>,
    completion: Completion,
) -> Result<Sender<String>, rustyline::error::ReadlineError> {
    // Without bracketed paste several pasted lines are several commands, and there is one mode less to undo.
    let config = Config::builder().bracketed_paste(false).auto_add_history(false).build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::<Commands, MemHistory>::with_history(config, history)?;
    editor.set_helper(Some(Commands(completion)));
    let printer = editor.create_external_printer();
    let (shown, show) = channel::<String>();
    // A thread, because printing waits for the editor.
    std::thread::spawn(move || {
        // On a terminal that cannot move its cursor the lines are printed as they are.
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
            // Noticed here, so that no further prompt is shown.
            if command::parse(&line, 0, &Names::default()) == Ok(Command::Quit) {
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
